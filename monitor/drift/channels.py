"""The channels of an agent: what a closed run says about it, one row each. A new channel is a row.

Not here: what is normal, and whether that changed (`detectors.drift`).

Invariant: a row gives None where the run says nothing: the producer reports no tokens, the run made no retrieval. A
channel that never says anything stays silent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple, cast

from detectors.drift.channels import Kind, Value
from monitor.drift.memory import Reading
from monitor.reading import characters, structure
from monitor.reading.calls import forms
from monitor.reading.shape import FEATURES, INDEX, Feature
from schemas.finding import Unit

WORD_LENGTH: Final = 80
"""Characters of a word that is told apart. Longer: cut."""
NO_TOOL: Final = "no tool"
NO_HASH: Final = "#0"
"""Of a hashed category: there is none."""
SLOWEST: Final = "slowest tool"
RETRIEVAL: Final = "retrieval"
"""Stands for all retrievers among the tools that a run used."""
NONE_GIVEN: Final = "none given"


HARMLESS: Final = 0.6
"""Part of the runs that may get the same document without a word: one hot topic, one page that answers most."""
HARMLESS_FIELDS: Final = 0.02
"""Part of the outputs, or runs with tools, that may have a field that is new, miss one or say the same again without a
word: rare cases."""

WORDING: Final = 0.6
"""How far a hashed sum of words or trigrams must move to matter: one other word of a dozen moves it by a third."""


class Place(NamedTuple):
    """One place of `output_shape`; `words` by value where it is a category or a flag, none where it is a number."""

    at: int
    words: tuple[str, ...]

    def read(self, reading: Reading) -> Value:
        """What the run's final output has there."""
        shape = reading.closed.work.output_shape
        return None if shape is None else self.of(shape)

    def of(self, shape: list[float]) -> Value:
        """What a shape has there."""
        value = shape[self.at]
        return self.words[min(int(value), len(self.words) - 1)] if self.words else value


class Row(NamedTuple):
    """A channel: where it belongs, how it is read, and how its level is said.

    `words` holds `{}` for the level and, where `kind` is a category, `{word}` for the category. `unit`: of the level;
    of the median where `kind` is a number. `harmless`, `by_points`, `apart`: as in `detectors.drift.Channel`.
    """

    signal: str
    name: str
    kind: Kind
    read: Callable[[Reading], Value]
    words: str
    unit: Unit = "share"
    harmless: float = 0.0
    place: Place | None = None
    """Where it reads a shape, if it does."""
    hashed: bool = False
    """Whether its categories are known by a hash alone, which is no name for people."""
    by_points: bool = False
    apart: float = 0.0
    tail: str = ""
    """How the runs beyond a limit of a number are said, with `{word}` for the limit; by its name if empty."""


# -- rows


def _flag(value: bool | None) -> float | None:
    return None if value is None else float(value)


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)


def _shares(counts: dict[str, int]) -> dict[str, float] | None:
    total = 0
    for n in counts.values():
        total += n
    if total <= 0:
        return None
    return {name if len(name) <= WORD_LENGTH else name[:WORD_LENGTH]: n / total for name, n in counts.items()}


def _word(name: str | None) -> str | None:
    return name if name is None else name[:WORD_LENGTH]


def _characters_per_token(reading: Reading) -> float | None:
    work = reading.closed.work
    if work.llm_calls != 1 or not work.output_tokens or work.output_length is None:
        return None  # the length is that of the last output, the tokens are those of all calls
    return work.output_length / work.output_tokens


def _cached(reading: Reading) -> float | None:
    work = reading.closed.work
    if work.cached_tokens is None or not work.input_tokens:
        return None
    return min(work.cached_tokens / work.input_tokens, 1.0)


def _calls(reading: Reading) -> dict[str, float] | None:
    tools = reading.closed.run.tools
    total = 0
    for calls in tools.values():
        total += calls[0]
    if total <= 0:
        return None
    return {tool if len(tool) <= WORD_LENGTH else tool[:WORD_LENGTH]: calls[0] / total for tool, calls in tools.items()}


def _used(reading: Reading) -> dict[str, float]:
    closed = reading.closed
    found = {_word(tool) or "": 1.0 for tool in closed.run.tools}
    if closed.work.retrievals:
        found[RETRIEVAL] = 1.0
    return found


def _first_tool(reading: Reading) -> str | None:
    path = reading.closed.work.path
    return _word(path[0]) if path else NO_TOOL


def _last_tool(reading: Reading) -> str | None:
    work = reading.closed.work
    if len(work.path) < work.tool_calls:
        return None  # the path is cut
    return _word(work.path[-1]) if work.path else NO_TOOL


def _empty(reading: Reading) -> float | None:
    work = reading.closed.work
    return work.empty_retrievals / work.retrievals if work.retrievals else None


def _empty_results(reading: Reading) -> dict[str, float] | None:
    """Tools of which some result had nothing in it; None where no result is known."""
    found: dict[str, float] = {}
    given = reading.closed.work.result_forms
    for tool, seen in given.items():
        if forms.EMPTY in seen or forms.NO_ENTRIES in seen:
            found[_word(tool) or ""] = 1.0
    return found if given else None


_NAMES: dict[str, tuple[str, ...]] = {
    "script": characters.SCRIPTS,
    "kind": structure.KINDS,
    "first_character": characters.CLASSES,
    "last_character": characters.CLASSES,
}
"""Categories of a shape whose values have names; others are hashed."""


FIRST_FEATURES: Final = INDEX["words_7"] + 1
"""Features whose rows stand before the rest of the rows; those of later ones, which are signs, stand behind them."""


def _either(flag: float | None, word: str) -> str | None:
    return None if flag is None else word if flag else f"not {word}"


def _shape(index: int, feature: Feature) -> Row:
    """The row of one place of `output_shape`."""
    title = feature.name.replace("_", " ")
    projected = feature.name.startswith(("trigrams_", "words_"))
    said = "a measure of the wording" if projected else title
    if feature.kind == "category":
        named = _NAMES.get(feature.name)
        place = Place(index, named or (NO_HASH, *(f"#{number}" for number in range(1, feature.size))))
        words = title + " is {word} in {} of outputs" if named else "{word} " + title + " in {} of outputs"
        return Row("run.output_shape", title, "category", place.read, words, place=place, hashed=named is None)
    if feature.kind == "flag":
        # two words, not a rate: it matters by how many points it moved, not by what factor
        flags = Place(index, (f"{'not' if index < FIRST_FEATURES else 'no'} {title}", title))
        return Row("run.output_shape", title, "category", flags.read, "{word} in {} of outputs", place=flags)
    unit: Unit = "share" if feature.name.endswith("_share") else "count"
    words = said.removesuffix(" share") + ", median {}"
    number = Place(index, ())
    tail = "a measure of the wording is {word}" if projected else ""
    apart = WORDING if projected else 0.0
    return Row("run.output_shape", title, "number", number.read, words, unit, place=number, apart=apart, tail=tail)


_MEDIAN: Final = "median {}"
_OF_RUNS: Final = "{} of runs"

ROWS: tuple[Row, ...] = (
    Row("run.duration_seconds", "duration", "number", lambda r: r.closed.duration_seconds, _MEDIAN, "seconds"),
    Row("run.steps", "steps", "number", lambda r: float(r.closed.work.steps), _MEDIAN, "count"),
    Row("run.tokens", "input tokens", "number", lambda r: _number(r.closed.work.input_tokens),
        "input, median {}", "tokens"),
    Row("run.tokens", "output tokens", "number", lambda r: _number(r.closed.work.output_tokens),
        "output, median {}", "tokens"),
    Row("run.tokens", "characters per token", "number", _characters_per_token,
        "characters per token, median {}", "count"),
    Row("run.tokens", "cached share", "number", _cached, "part of the input from the cache, median {}"),
    Row("run.cost_usd", "cost", "number", lambda r: _number(r.closed.work.cost_usd), _MEDIAN, "usd"),
    Row("run.retries", "retries", "number", lambda r: float(r.closed.work.retries),
        "calls made again, median {}", "count"),
    Row("run.output_length", "length", "number", lambda r: r.closed.work.output_length, _MEDIAN, "characters"),
    Row("run.output_shape", "repeated", "category", lambda r: _either(_flag(r.repeated), "given before"),
        "{word} in {} of outputs"),
    *(_shape(index, feature) for index, feature in enumerate(FEATURES[:FIRST_FEATURES]) if feature.name != "length"),
    Row("run.tool_mix", "calls", "share", _calls, "{word} in {} of calls"),
    Row("run.tool_mix", "first tool", "category", _first_tool, "{word} is the first tool in {} of runs"),
    Row("run.tool_mix", "last tool", "category", _last_tool, "{word} is the last tool in {} of runs"),
    Row("run.tool_mix", "different tools", "number", lambda r: float(len(r.closed.run.tools)),
        "different tools, median {}", "count"),
    Row("run.outcome", "outcome", "category", lambda r: _word(r.closed.outcome) or NONE_GIVEN, "{word} in {} of runs"),
    Row("tool.error_type", "error type", "share", lambda r: _shares(r.closed.work.error_types),
        "{word} in {} of failed calls"),
    Row("tool.schema", "new fields", "rate", lambda r: _flag(r.young), "new fields in {} of runs",
        harmless=HARMLESS_FIELDS),
    Row("tool.schema", "missing fields", "rate", lambda r: _flag(r.missing), "fields missing in {} of runs",
        harmless=HARMLESS_FIELDS),
    Row("llm.finish_reason", "finish reason", "share", lambda r: _shares(r.closed.work.finish_reasons),
        "{word} in {} of calls"),
    Row("llm.response_model", "response model", "category", lambda r: _word(r.closed.work.response_model),
        "{word} in {} of runs"),
    Row("agent.fallback", "fallback", "rate", lambda r: float(r.closed.work.fallbacks > 0), _OF_RUNS),
    Row("agent.escalation", "escalation", "rate", lambda r: float(r.closed.work.escalations > 0), _OF_RUNS),
    Row("agent.guardrail", "guardrail acts", "rate", lambda r: float(r.closed.work.blocked > 0), _OF_RUNS),
    Row("agent.guardrail", "guardrail asked", "rate", lambda r: float(r.closed.work.guardrails > 0),
        "asked in {} of runs"),
    Row("retrieval.empty", "empty", "rate", _empty, "{} of retrievals"),
    Row("retrieval.top_score", "top score", "number", lambda r: r.closed.work.top_score, _MEDIAN, "count"),
    Row("run.anomaly", "anomaly", "number", lambda r: r.unusual, _MEDIAN, "count"),
    Row("retrieval.repeated", "same document", "rate", lambda r: r.same, "the same best document in {} of runs",
        "share", HARMLESS),
    Row("run.steps", "tool calls in a row", "number", lambda r: float(r.closed.work.longest_tool_turns),
        "tool calls in a row without a word, median {}", "count"),
    Row("run.tool_mix", "used", "set", _used, "{word} is used in {} of runs"),
    Row("retrieval.empty", "empty results", "set", _empty_results, "results of {word} are empty in {} of runs"),
    Row("run.duration_seconds", SLOWEST, "number", lambda r: r.times,
        "the slowest tool takes {} times its usual time, median", "count",
        tail="the slowest tool takes {word} times its usual time"),
    Row("run.output_shape", "new output fields", "rate", lambda r: _flag(r.new), "new fields in {} of outputs",
        harmless=HARMLESS_FIELDS, by_points=True),
    Row("run.output_shape", "missing output fields", "rate", lambda r: _flag(r.gone), "fields missing in {} of outputs",
        harmless=HARMLESS_FIELDS, by_points=True),
    Row("run.output_shape", "same value", "rate", lambda r: _flag(r.still),
        "a value that stays the same in {} of outputs", harmless=HARMLESS_FIELDS, by_points=True),
    *(_shape(index, feature) for index, feature in enumerate(FEATURES) if index >= FIRST_FEATURES),
    Row("retrieval.repeated", "same results", "set", lambda r: None if r.stuck is None else r.stuck.answers,
        "{word} answers the same in {} of runs", harmless=HARMLESS_FIELDS),
    Row("run.tool_mix", "same arguments", "set", lambda r: None if r.stuck is None else r.stuck.questions,
        "{word} is asked the same in {} of runs", harmless=HARMLESS_FIELDS),
)  # fmt: skip
"""Every channel. The order is part of what is saved: append, never insert."""
ROW_OF = {row.name: row for row in ROWS}


class _Places:
    """Rows that read a shape, as it is copied: in `stretches` of neighbours, first and behind the last, for a list is
    copied faster than its elements. `worded`: which of the rows have `words`. `needs`: how long a shape is that has all
    of them; `nothing`: what the rows give where there is none."""

    def __init__(self, rows: tuple[Row, ...]) -> None:
        places = [row.place for row in rows if row.place is not None]
        self.stretches: list[tuple[int, int]] = []
        for place in places:
            begin, end = self.stretches.pop() if self.stretches else (place.at, place.at)
            if place.at != end:
                self.stretches.append((begin, end))
                begin = place.at
            self.stretches.append((begin, place.at + 1))
        self.worded = [i for i, place in enumerate(places) if place.words]
        self.words = [list(place.words) for place in places if place.words]
        self.needs = max(place.at for place in places) + 1
        self.nothing: list[None] = [None] * len(places)


_IS_PLACE: Final = [row.place is not None for row in ROWS]
_FIRST: Final = _IS_PLACE.index(True)
_MIDDLE: Final = _IS_PLACE.index(False, _FIRST)
_LAST: Final = _IS_PLACE.index(True, _MIDDLE)
_END: Final = _IS_PLACE.index(False, _LAST)
_BEFORE: Final = [row.read for row in ROWS[:_FIRST]]
_PLACES: Final = _Places(ROWS[_FIRST:_MIDDLE])
_BETWEEN: Final = [row.read for row in ROWS[_MIDDLE:_LAST]]
_LATER: Final = _Places(ROWS[_LAST:_END])
_BEHIND: Final = [row.read for row in ROWS[_END:]]


def values_of(reading: Reading, off: frozenset[str]) -> list[Value]:
    """What every row gives, in their order; None for signals that are `off`."""
    shape = cast("list[Any] | None", reading.closed.work.output_shape)  # numbers are passed on, not made anew
    found: list[Any] = [read(reading) for read in _BEFORE]  # values, not looked at: they are what `read` says
    _put(shape, _PLACES, found)
    found.extend([read(reading) for read in _BETWEEN])
    _put(shape, _LATER, found)
    found.extend([read(reading) for read in _BEHIND])
    if off:
        for i, row in enumerate(ROWS):
            if row.signal in off:
                found[i] = None
    return found


def _put(shape: list[Any] | None, places: _Places, found: list[Any]) -> None:
    """What a shape has in some places; nothing where a version before wrote a shorter one."""
    first = len(found)
    if shape is None:
        found.extend(places.nothing)
        return
    for begin, end in places.stretches:
        found.extend(shape[begin:end])
    if len(shape) < places.needs:
        found += places.nothing[len(found) - first :]
    for i in range(len(places.worded)):
        position = first + places.worded[i]
        if found[position] is not None:
            number = cast(float, found[position])
            words = places.words[i]
            code, last = int(number), len(words) - 1
            found[position] = words[code if code < last else last]
