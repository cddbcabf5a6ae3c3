"""What the values of a tool's arguments or result look like, field by field; never what they say.

    {"created": "2026-11-27", "total": 9.5, "state": "sent"}  →  created:digits 9-9-9, state:words, total:fraction
    "Paris: 20 °C, sunny"                                     →  `9`, `9 °a`, `a, a`, `a: 9`

A field's type is its interface (`monitor.reading.calls.fields`); this is what lies below it: a date that is written in
another way, cents where there was a fraction, a template that nobody filled in. Fields of the top and of one level
below. A short line of text has its marks (`monitor.reading.marks`) and `A` where no letter is small, a text that begins
with a tag the names of its tags, any other text nothing: it may say anything.
"""

from __future__ import annotations

from typing import Any, Final

from monitor.reading import marks
from monitor.reading.calls.fields import ITEMS, WIDE, folded
from monitor.reading.calls.strings import is_capitals, written
from monitor.reading.values import UNREAD
from schemas import limits

LOOKS: Final = limits.FIELDS_READ
"""Words of one side of a call. More: those with the least CRC-32, which are the same ones in each call."""
VALUES: Final = 200
"""Values that are looked at; what stands behind them is not."""
LINE: Final = 200
"""Characters of a line of text that is looked at. Longer: it may say anything."""


def looks(value: Any) -> tuple[list[str], bool]:
    """What the values look like, sorted, each once; and whether there may be more."""
    if value is UNREAD:
        return [], False
    if isinstance(value, str):
        return _of_text(value)
    found: set[str] = set()
    left = VALUES
    if isinstance(value, dict):
        left = _of_object("", value, found, left, True)
    elif isinstance(value, list):
        left = _of_items("[]", value, found, left, True)
    else:
        _note("", value, found)
    if len(found) > LOOKS:
        return sorted(sorted(found, key=marks.order)[:LOOKS]), True
    return sorted(found), left <= 0


def _of_object(before: str, value: dict[str, Any], found: set[str], left: int, deeper: bool) -> int:
    """Look at the values of an object; how many more may be looked at."""
    is_wide = len(value) > WIDE
    for name, each in value.items():
        if left <= 0:
            break
        left -= 1
        place = before + ("*" if is_wide else folded(name))
        if isinstance(each, dict):
            if deeper:
                left = _of_object(place + ".", each, found, left, False)
        elif isinstance(each, list):
            left = _of_items(place + "[]", each, found, left, deeper)
        else:
            _note(place, each, found)
    return left


def _of_items(place: str, items: list[Any], found: set[str], left: int, deeper: bool) -> int:
    """Look at the items of an array; how many more may be looked at."""
    for each in items[:ITEMS]:
        if left <= 0:
            break
        left -= 1
        if isinstance(each, dict):
            if deeper:
                left = _of_object(place + ".", each, found, left, False)
        elif not isinstance(each, list):
            _note(place, each, found)
    return left


def _note(place: str, value: Any, found: set[str]) -> None:
    """What one value looks like. True, false and null are types and nothing more."""
    if isinstance(value, str):
        found.add(f"{place}:{written(value)}")
    elif isinstance(value, float):
        found.add(f"{place}:{'zero' if value == 0.0 else 'negative fraction' if value < 0.0 else 'fraction'}")
    elif isinstance(value, int) and not isinstance(value, bool):
        found.add(f"{place}:{'zero' if value == 0 else 'negative whole' if value < 0 else 'whole'}")


def _of_text(text: str) -> tuple[list[str], bool]:
    head = text[: marks.CHARACTERS].strip()
    if head[:1] == "<":
        return marks.tags(head), False
    if len(head) > LINE or "\n" in head:
        return [], False
    found, more = marks.of_text(head)
    words = [f"`{mark}`" for mark in found]
    return (["`A`", *words] if is_capitals(head) else words), more
