"""HTML as values: `el` escapes every child and attribute that is not `Markup` already.

Not a template engine. Invariant: no string from outside can become markup; only `el` and constants make `Markup`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from html import escape

NAME_SHOWN = 96
"""Characters of a name on the page. A longer one loses its middle: names of one fleet differ at their ends. The whole
name, up to `NAME_TITLE`, is in its tooltip."""

NAME_TITLE = 512

_END_SHOWN = 40

_INVISIBLE = frozenset(("Cc", "Cf", "Co", "Cs", "Zl", "Zp"))
_JOINERS = "\u200c\u200d"
_VOID = frozenset(("meta", "link", "br", "wbr"))
_JOINTS = re.compile(r"(?<=[._=])(?=[^._=])")


class Markup(str):
    """A string that is HTML."""

    __slots__ = ()


Child = str | int | float | None | Iterable["Child"]
"""Text (escaped), `Markup` (as it is), nothing, or many of them."""


def el(tag: str, /, *children: Child, **attributes: str | int | float | bool | None) -> Markup:
    """One element. `class_` is `class`, `data_key` is `data-key`; None and False leave an attribute out."""
    parts = ["<", tag]
    for name, value in attributes.items():
        if value is None or value is False:
            continue
        parts.append(f" {name.rstrip('_').replace('_', '-')}")
        if value is not True:
            parts.append(f'="{escape(str(value))}"')
    parts.append(">")
    if tag not in _VOID:
        _write(children, parts)
        parts.append(f"</{tag}>")
    return Markup("".join(parts))


def join(*children: Child) -> Markup:
    """Children without an element around them."""
    parts: list[str] = []
    _write(children, parts)
    return Markup("".join(parts))


def name(text: str, class_: str = "name") -> Markup:
    """A name that came from outside: isolated from the direction of its surroundings, cut, without invisibles."""
    whole = visible(text)
    shown = whole if len(whole) <= NAME_SHOWN else f"{whole[: NAME_SHOWN - 1 - _END_SHOWN]}…{whole[-_END_SHOWN:]}"
    return el("bdi", jointed(shown), class_=class_, title=whole[:NAME_TITLE] if shown != whole else None)


def jointed(text: str) -> Markup:
    """The text, which a line that is too short for it breaks after `.`, `_` and `=` rather than inside of a word."""
    first, *rest = _JOINTS.split(text)
    return join(first, [(el("wbr"), part) for part in rest])


def visible(text: str) -> str:
    """The text with control and direction characters written out, as `\\u202e`; a blank one in quotation marks."""
    if not text.strip():
        return f'"{text[:NAME_SHOWN]}"'
    if text.isprintable():
        return text
    return "".join(
        f"\\u{ord(char):04x}" if unicodedata.category(char) in _INVISIBLE and char not in _JOINERS else char
        for char in text
    )


def _write(children: Iterable[Child], parts: list[str]) -> None:
    for child in children:
        if child is None:
            continue
        if isinstance(child, Markup):
            parts.append(child)
        elif isinstance(child, str | int | float):
            parts.append(escape(str(child)))
        else:
            _write(child, parts)
