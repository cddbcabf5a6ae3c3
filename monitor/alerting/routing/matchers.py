"""Matchers of Alertmanager's grammar: `owner="payments"`, `{severity=~"page|notice", tenant!=""}`.

One parser and one match, no tree. Invariant: a label that is missing equals an empty one, and regular expressions are
RE2's, anchored at both ends.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import re2

from schemas.actions import Matcher as PostedMatcher

PATTERN_BYTES = 1_000
"""The longest regular expression of a matcher; RE2 bounds its memory, this the message. Longer: an error."""


class Op(enum.StrEnum):
    """How a matcher compares."""

    EQUAL = "="
    NOT_EQUAL = "!="
    REGEX = "=~"
    NOT_REGEX = "!~"


@dataclass(frozen=True)
class Matcher:
    """One comparison of one label."""

    name: str
    op: Op
    value: str
    _regex: Any = field(default=None, compare=False, repr=False)

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether the labels pass."""
        found = labels.get(self.name, "")
        if self._regex is not None:
            return (self._regex.fullmatch(found) is not None) == (self.op is Op.REGEX)
        return (found == self.value) == (self.op is Op.EQUAL)

    def __str__(self) -> str:
        name = f'"{_escaped(self.name)}"' if _RESERVED.search(self.name) else self.name
        return f'{name}{self.op}"{_escaped(self.value)}"'


_SPACE = re.compile(r"\s*")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_RESERVED = re.compile(r"[\s{}!=~,\\\"'`]")
_BARE = re.compile(r"[^\s{}!=~,\\\"'`]+")
_OP = re.compile(r"=~|!~|!=|=")
_OLD_VALUE = re.compile(r"[^\s{},\\\"'`]+")
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|x[0-9a-fA-F]{2}|[0-7]{3}|.)", re.DOTALL)
_SIMPLE = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v", '"': '"', "\\": "\\"}
_OLD = {"n": "\n", '"': '"', "\\": "\\"}
_ORDER = {Op.EQUAL: 0, Op.NOT_EQUAL: 1, Op.REGEX: 2, Op.NOT_REGEX: 3}


def matcher(name: str, op: Op, value: str) -> Matcher:
    """A matcher, its expression compiled. Raises `ValueError`."""
    return Matcher(name, op, value, _compiled(value) if op in (Op.REGEX, Op.NOT_REGEX) else None)


def matcher_of(posted: PostedMatcher) -> Matcher:
    """The matcher that a silence of the API names. Raises `ValueError`."""
    if posted.is_regex:
        return matcher(posted.name, Op.REGEX if posted.is_equal else Op.NOT_REGEX, posted.value)
    return matcher(posted.name, Op.EQUAL if posted.is_equal else Op.NOT_EQUAL, posted.value)


def posted_of(found: Matcher) -> PostedMatcher:
    """The same for the API."""
    return PostedMatcher(
        name=found.name,
        value=found.value,
        is_regex=found.op in (Op.REGEX, Op.NOT_REGEX),
        is_equal=found.op in (Op.EQUAL, Op.REGEX),
    )


def in_order(matchers: Iterable[Matcher]) -> tuple[Matcher, ...]:
    """By name, value and kind, as they stand in a route's key."""
    return tuple(sorted(matchers, key=lambda each: (each.name, each.value, _ORDER[each.op])))


def text_of(matchers: Iterable[Matcher]) -> str:
    """`{a="1",b!~"x"}`."""
    return "{" + ",".join(str(each) for each in matchers) + "}"


def parse_matchers(text: str) -> tuple[Matcher, ...]:
    """`a="1", b!~"x.*"`, braces optional but paired, one trailing comma allowed. Raises `ValueError` with the place."""
    position, end = _skip(text, 0), len(text.rstrip())
    braces = position < end and text[position] == "{"
    if braces != (position < end and text[end - 1] == "}"):
        raise ValueError(f"{text!r}: a brace without its partner")
    if braces:
        position, end = position + 1, end - 1
    found: list[Matcher] = []
    while (position := _skip(text, position)) < end:
        one, position = _matcher(text, position, end)
        found.append(one)
        position = _skip(text, position)
        if position < end:
            if text[position] != ",":
                raise ValueError(f"{text!r}: expected a comma at character {position + 1}")
            position += 1
    return tuple(found)


def matches_all(matchers: Iterable[Matcher], labels: Mapping[str, str]) -> bool:
    """Whether the labels pass every matcher."""
    return all(each.matches(labels) for each in matchers)


def _matcher(text: str, position: int, end: int) -> tuple[Matcher, int]:
    name, position = _token(text, position, end, _BARE, "a label name")
    position = _skip(text, position)
    operator = _OP.match(text, position, end)
    if operator is None:
        raise ValueError(f"{text!r}: expected =, !=, =~ or !~ at character {position + 1}")
    position = _skip(text, operator.end())
    value = ""
    if position < end and text[position] != ",":
        # The older grammar allows `=`, `!` and `~` in a value without quotes.
        value, position = _token(text, position, end, _OLD_VALUE, "a value")
    return matcher(name, Op(operator[0]), value), position


def _compiled(value: str) -> Any:
    if len(value.encode("utf-8", "replace")) > PATTERN_BYTES:
        raise ValueError(f"a regular expression of more than {PATTERN_BYTES} bytes")
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(value, options)
    except re2.error as error:
        detail = error.args[0].decode("utf-8", "replace") if isinstance(error.args[0], bytes) else str(error)
        raise ValueError(f"{value!r} is no regular expression: {detail}") from None


def _token(text: str, position: int, end: int, plain: re.Pattern[str], what: str) -> tuple[str, int]:
    quoted = _QUOTED.match(text, position, end)
    if quoted is not None:
        return _unquoted(quoted[1]), quoted.end()
    bare = plain.match(text, position, end)
    if bare is None:
        raise ValueError(f"{text!r}: expected {what} at character {position + 1}")
    return bare[0], bare.end()


def _unquoted(inner: str) -> str:
    """Escapes of Go; where one of them is none, as in `\\d`, the older grammar's three, and the rest stands."""
    escapes = _ESCAPE.findall(inner)
    if "\n" not in inner and all(len(each) > 1 or each in _SIMPLE for each in escapes):
        return _ESCAPE.sub(_decoded, inner)
    return re.sub(r"\\(.)", lambda match: _OLD.get(match[1], match[0]), inner, flags=re.DOTALL)


def _decoded(match: re.Match[str]) -> str:
    escape = match[1]
    if len(escape) == 1:
        return _SIMPLE[escape]
    code = int(escape[1:], 16) if escape[0] in "uUx" else int(escape, 8)
    return chr(code) if code <= 0x10FFFF and not 0xD800 <= code <= 0xDFFF else "\ufffd"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _skip(text: str, position: int) -> int:
    found = _SPACE.match(text, position)
    return found.end() if found is not None else position
