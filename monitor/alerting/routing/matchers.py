"""Matchers of Alertmanager's grammar: `owner="payments"`, `{severity=~"page|notice", tenant!=""}`.

One parser and one match, no tree. Invariant: a label that is missing equals an empty one, and regular expressions are
anchored at both ends.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass, field


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
    _regex: re.Pattern[str] | None = field(default=None, compare=False, repr=False)

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether the labels pass."""
        found = labels.get(self.name, "")
        if self._regex is not None:
            return (self._regex.fullmatch(found) is not None) == (self.op is Op.REGEX)
        return (found == self.value) == (self.op is Op.EQUAL)

    def __str__(self) -> str:
        value = self.value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'{self.name}{self.op}"{value}"'


_SPACE = re.compile(r"\s*")
_QUOTED = re.compile(r'"((?:[^"\\\n]|\\.)*)"')
_NAME = re.compile(r"[^\s{}!=~,\\\"'`]+")
_OP = re.compile(r"=~|!~|!=|=")
_VALUE = re.compile(r"[^\s{},\\\"'`]+")
_ESCAPES = {"n": "\n", '"': '"', "\\": "\\"}


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
        matcher, position = _matcher(text, position, end)
        found.append(matcher)
        position = _skip(text, position)
        if position < end:
            if text[position] != ",":
                raise ValueError(f"{text!r}: expected a comma at character {position + 1}")
            position += 1
    return tuple(found)


def matches_all(matchers: tuple[Matcher, ...], labels: Mapping[str, str]) -> bool:
    """Whether the labels pass every matcher."""
    return all(matcher.matches(labels) for matcher in matchers)


def _matcher(text: str, position: int, end: int) -> tuple[Matcher, int]:
    name, position = _token(text, position, end, _NAME, "a label name")
    position = _skip(text, position)
    operator = _OP.match(text, position, end)
    if operator is None:
        raise ValueError(f"{text!r}: expected =, !=, =~ or !~ at character {position + 1}")
    position = _skip(text, operator.end())
    value = ""
    if position < end and text[position] != ",":
        value, position = _token(text, position, end, _VALUE, "a value")
    op = Op(operator[0])
    try:
        regex = re.compile(value) if op in (Op.REGEX, Op.NOT_REGEX) else None
    except re.error as error:
        raise ValueError(f"{value!r} is no regular expression: {error}") from None
    return Matcher(name, op, value, regex), position


def _token(text: str, position: int, end: int, plain: re.Pattern[str], what: str) -> tuple[str, int]:
    quoted = _QUOTED.match(text, position, end)
    if quoted is not None:
        return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[0]), quoted[1]), quoted.end()
    bare = plain.match(text, position, end)
    if bare is None:
        raise ValueError(f"{text!r}: expected {what} at character {position + 1}")
    return bare[0], bare.end()


def _skip(text: str, position: int) -> int:
    found = _SPACE.match(text, position)
    return found.end() if found is not None else position
