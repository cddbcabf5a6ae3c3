"""Bodies of the API → actions, or the answer that Alertmanager gives to a body that is wrong.

Reads nothing and changes nothing. Invariant: what passes here the router can take; what does not pass says which of the
four kinds it is: no JSON (400), a field that is missing or not of its form (422), a value that makes no sense (400), a
silence that is not there (404).
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field

from monitor.alerting.routing.matchers import matcher_of, matches_all
from schemas.actions import Matcher, PostedAlert, SilenceSet
from schemas.limits import NAME_LENGTH

ALERTS = 10_000
"""Alerts of one body. More: 413."""
LABELS = 64
"""Labels, and annotations, of one alert. More: the alert is refused, the others of its body are taken."""
TEXT_LENGTH = 4_096
"""Characters of one value, comment or URL. More: refused."""
MATCHERS = 64
"""Matchers of one silence. More: refused."""

REQUIRED, PATTERN = 602, 605
"""Codes of the library that Alertmanager checks its bodies with."""

_ZERO = datetime(1, 1, 1, tzinfo=UTC)
_Moment = Annotated[datetime, Meta(tz=True)]


class Refused(Exception):
    """The answer to a body that is wrong. `code`: for a body that does not have its form; 0 for one without sense."""

    def __init__(self, status: int, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code


class Posted(NamedTuple):
    """The alerts of a body that can be taken, and why the others cannot."""

    alerts: list[PostedAlert]
    errors: list[str]


class _Alert(Struct, rename="camel"):
    labels: dict[str, str] | UnsetType = UNSET
    annotations: dict[str, str] | None = None
    starts_at: _Moment | None = None
    ends_at: _Moment | None = None
    generator_url: str = field(default="", name="generatorURL")


class _Matcher(Struct, rename="camel"):
    name: str | UnsetType = UNSET
    value: str | UnsetType = UNSET
    is_regex: bool | UnsetType = UNSET
    is_equal: bool = True


class _Silence(Struct, rename="camel"):
    matchers: list[_Matcher] | UnsetType = UNSET
    starts_at: _Moment | UnsetType = UNSET
    ends_at: _Moment | UnsetType = UNSET
    created_by: str | UnsetType = UNSET
    comment: str | UnsetType = UNSET
    id: str = ""


def posted_alerts(body: bytes, now: float) -> Posted:
    """The alerts of a body, `now` as their receipt. Raises `Refused`."""
    found: list[_Alert] = _decoded(body, list[_Alert], "alerts")
    if len(found) > ALERTS:
        raise Refused(413, f"more than {ALERTS} alerts in one body")
    for number, each in enumerate(found):
        if each.labels is UNSET:
            raise Refused(422, f"{number}.labels in body is required", REQUIRED)
    taken = Posted([], [])
    for each in found:
        assert not isinstance(each.labels, UnsetType)
        # An empty label is none.
        labels = {name: value for name, value in each.labels.items() if value}
        starts_at, ends_at = _seconds(each.starts_at), _seconds(each.ends_at)
        problem = _problem(labels, each, starts_at, ends_at)
        if problem:
            taken.errors.append(problem)
            continue
        taken.alerts.append(
            PostedAlert(
                time=now,
                labels=labels,
                annotations=each.annotations or {},
                starts_at=starts_at,
                ends_at=ends_at,
                generator_url=each.generator_url,
            )
        )
    return taken


def posted_silence(body: bytes, now: float, new_id: Callable[[], str], known: Container[str] | None) -> SilenceSet:
    """The silence of a body. `known`: ids of those that there are; None where nobody here can say. Raises `Refused`."""
    found: _Silence = _decoded(body, _Silence, "silence")
    for name in ("comment", "createdBy", "endsAt", "matchers", "startsAt"):
        if getattr(found, _SNAKE[name]) is UNSET:
            raise Refused(422, f"silence.{name} in body is required", REQUIRED)
    assert not isinstance(found.matchers, UnsetType)
    assert not isinstance(found.starts_at, UnsetType) and not isinstance(found.ends_at, UnsetType)
    assert not isinstance(found.created_by, UnsetType) and not isinstance(found.comment, UnsetType)
    if not found.matchers:
        raise Refused(422, "silence.matchers in body should have at least 1 items", 612)
    starts_at, ends_at = found.starts_at.timestamp(), found.ends_at.timestamp()
    if starts_at >= ends_at:
        raise Refused(400, "Failed to create silence: start time must be before end time")
    if ends_at < now:
        raise Refused(400, "Failed to create silence: end time can't be in the past")
    if max(len(found.comment), len(found.created_by)) > TEXT_LENGTH:
        raise Refused(400, f"invalid silence: comment or author of more than {TEXT_LENGTH} characters")
    if found.id and known is not None and found.id not in known:
        raise Refused(404, "silence not found")
    return SilenceSet(
        time=now,
        id=found.id or new_id(),
        matchers=_matchers(found.matchers),
        starts_at=starts_at,
        ends_at=ends_at,
        created_by=found.created_by,
        comment=found.comment,
    )


_SNAKE = {
    "comment": "comment", "createdBy": "created_by", "endsAt": "ends_at", "matchers": "matchers",
    "startsAt": "starts_at",
}  # fmt: skip


def _matchers(found: Sequence[_Matcher]) -> tuple[Matcher, ...]:
    if len(found) > MATCHERS:
        raise Refused(400, f"invalid silence: more than {MATCHERS} matchers")
    made: list[Matcher] = []
    for number, each in enumerate(found):
        for name, value in (("name", each.name), ("value", each.value), ("isRegex", each.is_regex)):
            if value is UNSET:
                raise Refused(422, f"silence.matchers.{number}.{name} in body is required", REQUIRED)
        assert not isinstance(each.name, UnsetType) and not isinstance(each.value, UnsetType)
        assert not isinstance(each.is_regex, UnsetType)
        if not each.name or len(each.name) > NAME_LENGTH:
            raise Refused(
                400, f'invalid silence: invalid label matcher {number}: invalid label name "{each.name[:80]}"'
            )
        made.append(Matcher(each.name, each.value, each.is_regex, each.is_equal))
    try:
        compiled = [matcher_of(each) for each in made]
    except ValueError as error:
        raise Refused(400, f"invalid silence: {error}") from None
    if matches_all(compiled, {}):
        raise Refused(400, "invalid silence: at least one matcher must not match the empty string")
    return tuple(made)


def _problem(labels: dict[str, str], found: _Alert, starts_at: float | None, ends_at: float | None) -> str:
    """Why an alert cannot be taken, in Alertmanager's words where it has some; empty where it can."""
    if not labels:
        return "at least one label pair required"
    for what, pairs in (("label set", labels), ("annotations", found.annotations or {})):
        if len(pairs) > LABELS:
            return f"invalid {what}: more than {LABELS}"
        for name, value in pairs.items():
            if not name or len(name) > NAME_LENGTH:
                return f'invalid {what}: invalid name "{name[:80]}"'
            if len(value) > TEXT_LENGTH:
                return f'invalid {what}: the value of "{name}" is too long'
    if len(found.generator_url) > TEXT_LENGTH:
        return f"invalid generatorURL: more than {TEXT_LENGTH} characters"
    if starts_at is not None and ends_at is not None and ends_at < starts_at:
        return "start time must be before end time"
    return ""


def _seconds(found: datetime | None) -> float | None:
    """Epoch seconds; Go's zero time says that there is none."""
    return None if found is None or found <= _ZERO else found.timestamp()


def _decoded(body: bytes, kind: Any, name: str) -> Any:
    if not body.strip() or body.strip() == b"null":
        raise Refused(422, f"{name} in body is required", REQUIRED)
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(400, f'parsing {name} body from "" failed, because {error}', 400) from None
