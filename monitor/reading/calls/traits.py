"""Traits of a tool's result: about how large its numbers are, which words it holds, how many items its lists have.

    {"total": 9.5, "state": "sent", "lines": [{"sku": "A1"}, {"sku": "B2"}]}  →  total~+15, state=9d4, lines*2

Of a number is kept its order, in quarters of an octave (`total~+15`: 2 to the power of 15 / 4, or a fifth more); of a
short word without digits a few bits of a hash; of a list whether it has none, one or several items; of what lies
deeper than `monitor.reading.calls.fields` tells the type (`rows[][2]:number`). Names begin with a capital, so a word
that does is known by what it is in small letters, and marked `T`. Of an array the first item is read, which stands
for the others.

Paths are remembered, each with what it was told as. Invariant: what is remembered is bounded and shows in nothing that
is told.
"""

from __future__ import annotations

from math import log
from typing import Any, Final
from zlib import crc32

from mypy_extensions import i64

from monitor.reading.calls.fields import NAME_CHARACTERS, WIDE, folded
from monitor.reading.values import UNREAD
from schemas import limits

TRAITS: Final = limits.FIELDS_READ
"""Traits of one result. What stands behind them is not read."""
LEVELS: Final = 4
"""How deep a result is read."""
TOLD_LEVELS: Final = 2
"""Levels of which `monitor.reading.calls.fields` tells the types."""
WORD_CHARACTERS: Final = 24
"""Longer strings are no words of a closed list."""
COLUMNS: Final = 12
"""Items of an array in an array that are columns: of each the type is told. More: of none."""
HASH: Final = 0xFFF
"""Bits of a word's hash that are kept."""
LARGEST: Final = 128
"""Octaves. A number further from one than this is told as if it were that far."""
PATHS: Final = 16_384
"""Paths and traits that are remembered. More: all are forgotten before the next result."""
WORDS: Final = 64
"""Words of a path that are remembered. More: all are forgotten."""

_QUARTERS: Final = 5.770780163555854
"""Quarters of an octave in a unit of the natural logarithm."""
_UP: Final = 1e-9
"""Is added so that a power of two, whose logarithm may be a bit too small, begins its quarter."""
_MIDDLE: Final = 4 * LARGEST + 16
"""Is added to an order so that those of negative numbers are the negative ones."""
_WHOLE: Final = 9_007_199_254_740_992
"""Whole numbers beyond 2 to the power of 53 are told as it."""
_DAYS: Final = "monday tuesday wednesday thursday friday saturday sunday mon tue wed thu fri sat sun"
_MONTHS: Final = (
    "january february march april may june july august september october november december"
    " jan feb mar apr jun jul aug sep sept oct nov dec"
)
CALENDAR: Final = frozenset([*_DAYS.split(" "), *_MONTHS.split(" ")])
"""Words that take the place of each other as time goes by."""
_ASCII: Final = 128
_IN_WORDS: Final[bytes] = bytes([chr(code).isalpha() or chr(code) in "_- ./" for code in range(_ASCII)])
"""By the code of a character, whether it may be in a word."""


class _Place:
    """A path. `result`: the number of the result that was here last."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.names: dict[str, _Place] = {}
        self.items: _Place | None = None
        self.columns: list[_Place] = []
        self.result = i64(0)
        self.orders: dict[int, str] = {}
        """Order of a number → its trait; of a list, how many items it has."""
        self.words: dict[str, str] = {}
        """A word, or a type behind a colon → its trait."""


class _Room:
    """What is remembered; of a result itself only while it is read."""

    def __init__(self) -> None:
        self.result = i64(0)
        self.known = 0
        self.top = _Place("")

    def begin(self) -> None:
        """Another result."""
        if self.known > PATHS:
            self.top, self.known = _Place(""), 0
        self.result += 1

    def below(self, place: _Place, name: str) -> _Place:
        """Where the value of a name stands that is not among `place.names`."""
        found = _Place((place.path + "." if place.path else "") + folded(name))
        if len(name) <= NAME_CHARACTERS:
            self.known += 1
            place.names[name] = found
        return found

    def items(self, place: _Place) -> _Place:
        """Where the items of an array stand."""
        found = place.items
        if found is None:
            self.known += 1
            found = place.items = _Place(place.path + "[]")
        return found

    def columns(self, place: _Place) -> list[_Place]:
        """Where the items of an array in an array stand."""
        if not place.columns:
            self.known += COLUMNS
            place.columns = [_Place(f"{place.path}[{number}]") for number in range(COLUMNS)]
        return place.columns


_room: Final = _Room()


def traits(value: Any) -> list[str] | None:
    """The traits of a result that was read, in the order in which it has them; None where it has none. Not to be
    changed."""
    room = _room
    room.begin()
    told: list[str] = []
    if isinstance(value, dict):
        _of_object(value, room.top, 1, told)
    elif isinstance(value, list):
        _of_list(value, room.top, 1, told)
    elif value is not UNREAD:
        _note(value, room.top, 1, told)
    return told or None


def _of_object(value: dict[str, Any], place: _Place, level: i64, told: list[str]) -> None:
    if len(value) > WIDE:
        return  # its names may be data
    names = place.names
    for name, each in value.items():
        found = names.get(name)
        if found is None:
            found = _room.below(place, name)
        _note(each, found, level, told)


def _of_list(value: list[Any], place: _Place, level: i64, told: list[str]) -> None:
    size = len(value)
    many = size if size < 2 else 2
    trait = place.orders.get(many)
    if trait is None:
        _room.known += 1
        trait = place.orders[many] = f"{place.path}*{many}"
    _tell(trait, told)
    if not size:
        return
    first = value[0]
    found = _room.items(place)
    if isinstance(first, dict):
        if level < LEVELS:
            _of_object(first, found, level + 1, told)
    elif isinstance(first, list):
        if level < LEVELS and len(first) <= COLUMNS:
            columns = _room.columns(found)
            for i in range(len(first)):
                each = first[i]
                if not isinstance(each, (dict, list)):
                    _note(each, columns[i], TOLD_LEVELS + 1, told)
    elif level >= TOLD_LEVELS:
        _note(first, found, level + 1, told)


def _note(value: Any, place: _Place, level: i64, told: list[str]) -> None:
    """Tell of one value, unless its path was told in this result."""
    if place.result == _room.result or len(told) >= TRAITS:
        return
    place.result = _room.result
    kind = ""
    if isinstance(value, str):
        if level > TOLD_LEVELS:
            kind = ":string"
        if len(value) <= WORD_CHARACTERS:
            trait = place.words.get(value)
            if trait is None:
                trait = _remember(value, place)
            if trait:
                _tell(trait, told)
    elif isinstance(value, dict):
        if level < LEVELS:
            _of_object(value, place, level + 1, told)
    elif isinstance(value, list):
        _of_list(value, place, level, told)
    elif value is None:
        kind = ":null" if level > TOLD_LEVELS else ""
    elif isinstance(value, bool):
        kind = ":boolean" if level > TOLD_LEVELS else ""
    else:
        if level > TOLD_LEVELS:
            kind = ":number"
        if value:
            order = _order(value) if isinstance(value, float) else _order(float(max(-_WHOLE, min(value, _WHOLE))))
            trait = place.orders.get(order)
            if trait is None:
                _room.known += 1
                sign, many = ("-", -order - _MIDDLE) if order < 0 else ("+", order - _MIDDLE)
                trait = place.orders[order] = f"{place.path}~{sign}{many}"
            _tell(trait, told)
    if kind:
        _put(kind, place, told)


def _order(value: float) -> int:
    """Quarters of octaves, and `_MIDDLE` more; negative for a negative number."""
    size = value if value > 0.0 else -value
    order = int(log(size) * _QUARTERS + _UP + 4_096.0) - 4_096 if size < _HUGE else 4 * LARGEST
    order = _MIDDLE + (-4 * LARGEST if order < -4 * LARGEST else 4 * LARGEST if order > 4 * LARGEST else order)
    return order if value > 0.0 else -order


_HUGE: Final = 1e300


def _put(suffix: str, place: _Place, told: list[str]) -> None:
    trait = place.words.get(suffix)
    if trait is None:
        trait = place.words[suffix] = place.path + suffix
        _room.known += 1
    _tell(trait, told)


def _tell(trait: str, told: list[str]) -> None:
    if len(told) < TRAITS:
        told.append(trait)


def _is_word(text: str) -> bool:
    end: i64 = len(text)
    at: i64 = 0
    while at < end:
        code: i64 = ord(text[at])
        if code >= _ASCII or _IN_WORDS[code] == 0:
            return False
        at += 1
    return end > 0


def _remember(text: str, place: _Place) -> str:
    """How a word is told; empty for what is no word of a closed list."""
    if not _is_word(text) or text.strip(" ").lower() in CALENDAR:
        return ""
    title = text[:1].isupper() and not text.isupper()
    hashed = crc32((text.lower() if title else text).encode("ascii")) & HASH
    if len(place.words) >= WORDS:
        place.words.clear()
    _room.known += 1
    found = place.words[text] = f"{place.path}={hashed:x}{'T' if title else ''}"
    return found
