"""An event's fields → its JSON, each field checked against what the server takes.

The table `FIELDS` is the SDK's half of Event v1; a contract test holds it equal to the server's. A value that the
server would refuse is left out and counted (`strict`: `Misuse` is raised), so that it does not cost the event.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections import deque
from collections.abc import Callable
from threading import Lock
from uuid import UUID

from forewarn.text.bounds import TEXT_CHARACTERS, bounded
from forewarn.text.soft_errors import says_failure

NAME_CHARACTERS = 512
"""Characters in a name or an id. More: cut, counted as `truncated`."""

URL_CHARACTERS = 2048
"""Characters in `url`. More: left out, counted as `bad_values`."""

LABELS = 32
"""Labels on one event. More: left out, counted as `truncated`."""

_COMPONENT_KINDS = ("agent", "tool", "prompt", "model", "retriever")
_COMPONENT = re.compile(f"(?:{'|'.join(_COMPONENT_KINDS)}):.")
_LARGEST_COUNT = 2**53 - 1

DURATION_SECONDS = 315_360_000.0
"""Ten years; a longer duration is left out, counted as `bad_values`."""

COST_USD = 1e9
"""A larger cost is left out, counted as `bad_values`."""

_SUM_UP_AT = 256


class Misuse(ValueError):
    """A call that the SDK cannot make an event of; raised only with `strict=True`."""


class Counts:
    """What happened to events, by name. Safe from any thread, signal handler and finaliser; zero in a forked child.

    Additions are appended (one step, so nothing can come between) and summed up later, by one at a time.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Everything back to zero, with a lock that no other thread can hold."""
        self._lock = Lock()
        self._added: deque[tuple[str, int]] = deque()
        self._numbers: dict[str, int] = {}

    def add(self, name: str, number: int = 1) -> None:
        """Counts `number` more under `name`."""
        self._added.append((name, number))
        if len(self._added) >= _SUM_UP_AT:
            self._sum_up(0.0)

    def get(self, name: str) -> int:
        """How many so far."""
        return self.snapshot().get(name, 0)

    def snapshot(self) -> dict[str, int]:
        """All that is not zero."""
        self._sum_up(0.1)
        return dict(self._numbers)

    def _sum_up(self, patience: float) -> None:
        if not self._lock.acquire(timeout=patience):
            return  # somebody does it; perhaps the very code that this signal handler interrupted
        try:
            while self._added:
                name, number = self._added.popleft()
                self._numbers[name] = self._numbers.get(name, 0) + number
        finally:
            self._lock.release()


class _Bad(Exception):
    """A value that its field cannot hold; the text says what would do."""


Check = Callable[[object, Counts], object]


def _name(value: object, counts: Counts) -> object:
    if type(value) is not str:
        if isinstance(value, str):
            value = str.__str__(value)
        elif isinstance(value, (int, float, UUID)) and not isinstance(value, bool):
            value = str(value)
        else:
            raise _Bad("a string")
    if len(value) > NAME_CHARACTERS:
        counts.add("truncated")
        return value[:NAME_CHARACTERS]
    return value


def _component(value: object, counts: Counts) -> object:
    name = _name(value, counts)
    if not isinstance(name, str) or not _COMPONENT.match(name):
        raise _Bad(", ".join(f"{kind}:…" for kind in _COMPONENT_KINDS))
    return name


def _count(value: object, _: Counts) -> object:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _LARGEST_COUNT:
        raise _Bad("an integer from 0")
    return int(value)


def _number(value: object, _: Counts) -> object:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise _Bad("a finite number")
    return float(value)


def _upto(most: float) -> Check:
    def check(value: object, counts: Counts) -> object:
        number = _number(value, counts)
        if not isinstance(number, float) or not 0.0 <= number <= most:
            raise _Bad(f"a number from 0 to {most:,g}")
        return number

    return check


def _url(value: object, _: Counts) -> object:
    if not isinstance(value, str) or len(value) > URL_CHARACTERS:
        raise _Bad(f"a string of at most {URL_CHARACTERS} characters")
    return str.__str__(value)


def _flag(value: object, _: Counts) -> object:
    if not isinstance(value, bool):
        raise _Bad("true or false")
    return value


def _choice(*words: str) -> Check:
    def check(value: object, _: Counts) -> object:
        if value not in words:
            raise _Bad("one of " + ", ".join(words))
        return value

    return check


def _labels(value: object, counts: Counts) -> object:
    if not isinstance(value, dict):
        raise _Bad("a dict of strings")
    if len(value) > LABELS:
        counts.add("truncated")
    return {_name(key, counts): _name(value[key], counts) for key in list(value)[:LABELS]}


def _text(value: object, counts: Counts) -> object:
    copy, cut = bounded(value, TEXT_CHARACTERS)
    if cut:
        counts.add("truncated")
    return copy


FIELDS: dict[str, Check] = {
    **dict.fromkeys(("producer", "agent", "version", "run", "parent_run", "parent_agent", "session", "user"), _name),
    **dict.fromkeys(("tenant", "pair", "error_type", "trigger", "outcome", "model", "response_model"), _name),
    **dict.fromkeys(("provider", "finish_reason", "tool", "tool_version", "call_id", "source", "to_agent"), _name),
    **dict.fromkeys(("from", "to", "reason", "name", "label", "document", "previous", "author"), _name),
    **dict.fromkeys(("input", "output", "arguments", "result", "text"), _text),
    **dict.fromkeys(("input_tokens", "output_tokens", "cached_tokens", "attempt", "hits"), _count),
    **dict.fromkeys(("top_score", "score", "rating"), _number),
    "duration_seconds": _upto(DURATION_SECONDS),
    "cost_usd": _upto(COST_USD),
    "component": _component,
    "share": _upto(1.0),
    "variant": _choice("stable", "canary", "shadow"),
    "status": _choice("ok", "error"),
    "actor": _choice("agent", "user"),
    "action": _choice("allowed", "blocked", "rewritten"),
    "stage": _choice("shadow", "canary", "full", "rolled_back"),
    "soft_error": _flag,
    "labels": _labels,
    "url": _url,
}
"""Every field that the SDK writes, with its check."""

REQUIRED: dict[str, tuple[str, ...]] = {
    "run_started": ("agent", "run"),
    "run_finished": ("agent", "run"),
    "llm_call": ("agent", "run"),
    "tool_call": ("agent", "run", "tool"),
    "retrieval": ("agent", "run"),
    "handoff": ("agent", "run", "to_agent"),
    "fallback": ("agent", "run"),
    "escalation": ("agent", "run"),
    "guardrail": ("agent", "run", "name"),
    "evaluation": ("run", "name"),
    "feedback": ("agent",),
    "complaint": ("agent",),
    "change": ("component", "version"),
    "heartbeat": ("producer",),
}
"""Kind → fields without which the event is dropped as `incomplete`. The SDK always knows its agent."""

_encode = json.JSONEncoder(ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":")).encode


class Writer:
    """Checks and encodes; one for each emitter."""

    def __init__(self, counts: Counts, *, strict: bool, text: bool = True) -> None:
        self._counts = counts
        self._strict = strict
        self._text = text

    def clean(self, fields: dict[str, object], kind: str = "run") -> dict[str, object]:
        """The fields that are set and good. None means: not set; text fields use `UNSET` for that, None is a value."""
        good: dict[str, object] = {}
        for name, value in fields.items():
            check = FIELDS[name]
            if value is UNSET or (value is None and check is not _text):
                continue
            try:
                good[name] = check(value, self._counts)
            except _Bad as bad:
                self.misuse("bad_values", f"{kind}: `{name}` is {type(value).__name__} {_short(value)}; expected {bad}")
            except Exception as error:  # a comparison or a conversion of the agent's own type that raises
                self.misuse("bad_values", f"{kind}: `{name}` is {type(value).__name__}, which raised {error!r}")
        return good

    def encode(self, kind: str, time: float, base: dict[str, object], fields: dict[str, object]) -> bytes | None:
        """The JSON of one event, or None if it lacks what its kind needs. `base` is clean already."""
        if not self._text:
            fields = without_text(fields)
        event = {"id": os.urandom(16).hex(), "kind": kind, "time": time, **base, **self.clean(fields, kind)}
        for name in REQUIRED[kind]:
            if not event.get(name):
                self.misuse("incomplete", f"{kind} needs `{name}`")
                return None
        return _encode(event).encode("utf-8", "replace")  # a lone surrogate is no text: it becomes a question mark

    def misuse(self, name: str, problem: str) -> None:
        """Counts it; raises it if strict."""
        self._counts.add(name)
        if self._strict:
            raise Misuse(problem)


def without_text(fields: dict[str, object]) -> dict[str, object]:
    """The fields without agent text; of a tool result stays whether it says that the tool failed."""
    kept = {name: value for name, value in fields.items() if FIELDS[name] is not _text}
    result = fields.get("result", UNSET)
    if result is not UNSET:
        kept["soft_error"] = says_error(result)
    return kept


def says_error(result: object) -> bool:
    """Whether a tool result says that the tool failed, as the server reads what it is sent."""
    return says_failure(bounded(result, TEXT_CHARACTERS)[0])


class Unset:
    """The type of `UNSET`."""

    def __repr__(self) -> str:
        return "UNSET"


UNSET = Unset()
"""Not given; None is a value that a tool may return."""


def _short(value: object) -> str:
    copy, _ = bounded(value, 80)
    return _encode(copy)[:120]
