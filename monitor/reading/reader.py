"""The one door of text: what an event's text says is written beside it, once, before the text is dropped.

`Reader.read` writes into the event in place and may be called again: what is written already stays, rules that are
broken are added. It needs no text to go on: an event whose text is gone keeps what was read of it. The same event gives
the same fields wherever it enters (embedded, Kafka, replay).

`Reader.read_ahead` does the same for what is no event yet: spans, whose agent is known when their run is complete.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

from msgspec import Raw

from monitor.reading import marks, shape
from monitor.reading.calls import answers, forms, traits
from monitor.reading.calls import fields as named
from monitor.reading.calls.known import ARGUMENTS_BYTES, RESULT_BYTES, Arguments, Known, Result
from monitor.reading.calls.outlines import Outlines, Told
from monitor.reading.contracts import Contracts, are_of
from monitor.reading.phrases import Phrases
from monitor.reading.values import UNREAD, VALUE_BYTES, text_of, value_of
from schemas import limits
from schemas.config import Config
from schemas.event import NOTHING, Event
from schemas.texts import derive
from schemas.texts.soft_errors import DEFAULT, ERRORS, Beginnings

LARGEST: Final = 1e12
"""The root of the squares of a shape that somebody else wrote. Larger: it is not taken, counted as `shapes_refused`."""
OUTPUT_BYTES: Final = 8_192
"""Longer outputs are not remembered. Others are, for a run mostly ends with what its last call said."""
AHEAD = ("output_broken", "arguments_broken")
"""Where `read_ahead` puts rules: agent → what is broken if the text is that agent's."""

_NOTHING: Final = NOTHING
"""Compiled, a constant of this module is read without a look-up."""
_Looked = tuple[list[float], list[str] | None, list[str] | None]
_outlines: Final = Outlines()
_OUTPUTS: Final = frozenset(("run_finished", "llm_call"))
_LENGTH: Final = len(shape.FEATURES)
_SMALL: Final = LARGEST / _LENGTH
"""The root of the squares of as many numbers that are no larger is no larger than `LARGEST`."""


class Reader:
    """Reads text by a configuration. `counts`: what came to a limit, by name (`evicted:<limit>`)."""

    def __init__(self, config: Config, counts: dict[str, int] | None = None) -> None:
        self.counts: dict[str, int] = {} if counts is None else counts
        self._phrases = Phrases(config.text.refusals, config.text.apologies)
        self._errors = Beginnings(config.text.errors) if config.text.errors != ERRORS else DEFAULT
        self._contracts = Contracts(config)
        self._outputs: Known[_Looked] = Known(OUTPUT_BYTES)
        self._arguments: Known[Arguments] = Known(ARGUMENTS_BYTES)
        self._results: Known[Result] = Known(RESULT_BYTES)

    def read(self, event: Event) -> None:
        """Write beside the text what it says, in place."""
        kind = event.kind
        if kind == "tool_call":
            arguments, result = event.arguments, event.result
            has_text = arguments is not _NOTHING or result is not _NOTHING
            if (has_text or self._contracts.any) and event.actor == "agent":
                has_text = self._read_call(event, arguments, result)
            if has_text:
                derive.derive(event, self._errors)
        elif kind in _OUTPUTS:
            raw = event.output
            output = b"" if raw is _NOTHING else b"" + raw  # `bytes(raw)` costs twice as much
            if output:
                if event.output_hash is None:
                    event.output_hash = derive.text_hash(output)
            elif event.output_shape is None:
                return
            if event.actor == "agent":
                self._read_output(event, output)
        elif kind == "run_started":
            derive.derive(event)

    def read_ahead(self, texts: Mapping[str, bytes], tool: str | None) -> dict[str, Any]:
        """Fields of an event for texts (`input`, `output`, `arguments`, `result` → their JSON) of no known agent.

        The rules that are broken stand under `AHEAD`, by agent: `broken_by` finds those of the one that it is.
        """
        found: dict[str, Any] = dict(derive.derived(texts, self._errors))
        if output := texts.get("output"):
            found["output_shape"], found["output_fields"], found["output_marks"] = self._shape(output)
            found["output_broken"] = self._contracts.of_anyones_output(text_of(output))
        if arguments := texts.get("arguments"):
            value = self._value(arguments)
            found["arguments_broken"] = self._contracts.of_anyones_arguments(tool, value)
            told = _outlines.told(value)
            found["arguments_fields"], found["arguments_looks"] = self._fields(told), self._looks(told)
        if result := texts.get("result"):
            value = self._value(result)
            inner = forms.unwrapped(value)
            told = _outlines.told(inner)
            found["result_fields"] = self._fields(told if inner is value else _outlines.told(value))
            found["result_looks"] = self._looks(told)
            found["result_form"] = forms.form(inner)
            found["result_traits"] = self._traits(traits.traits(inner))
        return found

    # -- inner

    def _read_call(self, event: Event, arguments: Raw, result: Raw) -> bool:
        """Whether something may be left of what `derive` writes."""
        rules: list[str] | None = None
        checks = False
        if self._contracts.any:
            tool = event.tool or ""
            rules = self._contracts.of_call(event.agent, tool, event.tool_version)
            checks = self._contracts.checks_arguments(event.agent, tool)
        is_left = False
        if arguments is not _NOTHING:
            is_new = event.arguments_fields is None
            if is_new or checks:
                broken = self._read_arguments(event, b"" + arguments, is_new, checks)
                if broken:
                    rules = [*rules, *broken] if rules else broken
            else:
                is_left = True
        if result is not _NOTHING:
            if event.result_fields is None:
                self._read_result(event, b"" + result)
            else:
                is_left = True
        if rules:
            self._add(event, rules)
        return is_left

    def _read_arguments(self, event: Event, arguments: bytes, is_new: bool, checks: bool) -> list[str] | None:
        """What they look like and their hash; the rules that they break, if those are to be checked."""
        if not arguments:
            return None
        found = self._arguments.get(arguments)
        value: Any = None
        if found is None:
            value = self._value(arguments)
            told = _outlines.told(value)
            found = Arguments(told, derive.arguments_hash(arguments, value, told.volatile))
            self._arguments.keep(arguments, found)
        elif checks:
            value = value_of(arguments)
        if is_new:
            event.arguments_fields = self._fields(found.told)
            event.arguments_looks = self._looks(found.told)
        if event.arguments_hash is None:
            event.arguments_hash = found.hashed
        return self._contracts.of_arguments(event.agent, event.tool or "", value) if checks else None

    def _read_result(self, event: Event, result: bytes) -> None:
        if not result:
            return
        found = self._results.get(result)
        if found is None:
            found = self._look_at_result(result)
        event.result_fields = self._fields(found.named)
        event.result_looks = self._looks(found.told)
        event.result_traits = self._traits(found.traits)
        if event.result_form is None:
            event.result_form = found.form
        if event.result_hash is None:
            event.result_hash = found.hashed
        if event.soft_error is None:
            event.soft_error = found.soft_error
        if event.result_empty is None:
            event.result_empty = found.is_empty

    def _look_at_result(self, result: bytes) -> Result:
        """What a result says that is not known."""
        value = self._value(result)
        inner = forms.unwrapped(value)
        told = _outlines.told(inner)
        found = Result(
            told if inner is value else _outlines.told(value),
            told,
            forms.form(inner),
            derive.result_hash(result, value),
            derive.soft_error(result, self._errors, value),
            derive.is_empty(result, value),
            traits.traits(inner),
        )
        self._results.keep(result, found)
        return found

    def _read_output(self, event: Event, output: bytes) -> None:
        written = event.output_shape
        if written is not None and not _is_shape(written):
            event.output_shape = written = None
            self._count("shapes_refused")
        if not output:
            return
        if written is None:
            event.output_shape, event.output_fields, event.output_marks = self._shape(output)
        if self._contracts.claims(event.agent):
            rules = self._contracts.of_output(event.agent, text_of(output))
            if rules:
                self._add(event, rules)

    def _shape(self, output: bytes) -> _Looked:
        """The shape of an output, the fields of one that is JSON, and its marks."""
        found = self._outputs.get(output)
        if found is not None:
            return found
        text = text_of(output)
        if len(text) > shape.TEXT_CHARACTERS:
            self._count("texts_cut")
        numbers, value = shape.look(text, self._phrases)
        fields = None if value is UNREAD else answers.forms(value)
        if fields is not None and len(fields) > named.FIELDS:
            self._count("fields_of_an_output")
        signs, more = marks.of_text(text) if value is UNREAD else marks.of_value(value)
        if more:
            self._count("marks_of_an_output")
        found = numbers, fields, signs
        self._outputs.keep(output, found)
        return found

    def _value(self, raw: bytes) -> Any:
        if len(raw) > VALUE_BYTES:
            self._count("values_too_long")
            return UNREAD
        return value_of(raw)

    def _fields(self, told: Told) -> list[str] | None:
        if told.more_fields:
            self._count("fields_of_a_tool")
        return told.fields

    def _looks(self, told: Told) -> list[str] | None:
        if told.more_looks:
            self._count("looks_of_a_tool")
        return told.looks

    def _traits(self, found: list[str] | None) -> list[str] | None:
        if found is not None and len(found) >= traits.TRAITS:
            self._count("traits_of_a_tool")
        return found

    def _add(self, event: Event, rules: Iterable[str]) -> None:
        found = sorted({*(event.violations or ()), *rules})
        if len(found) > limits.VIOLATIONS_READ:
            self._count("violations_of_an_event")
        event.violations = found[: limits.VIOLATIONS_READ]

    def _count(self, limit: str) -> None:
        name = f"evicted:{limit}"
        self.counts[name] = self.counts.get(name, 0) + 1


def broken_by(agent: str, tool: str | None, fields: Mapping[str, Any]) -> list[str] | None:
    """What texts that were read ahead break now that they are an agent's, and of a tool if they are a call's."""
    rules = [*fields.get("output_broken", {}).get(agent, ())] if tool is None else []
    if tool is not None:
        rules = are_of(fields.get("arguments_broken", {}).get(agent, ()), tool)
    return sorted(rules) or None


def _is_shape(written: list[float]) -> bool:
    """Whether numbers that came with an event can be a shape of ours."""
    if len(written) != _LENGTH:
        return False
    for each in written:
        if not -_SMALL <= each <= _SMALL:
            return math.hypot(*written) <= LARGEST
    return True
