"""The fields of an answer that is JSON: which there are, what they look like, and whether what they hold is the same.

    {"order_id": "A-1", "items": [{"price": 9.5}]}
    →  items:array#1, items[]:object, items[].price:number#c9e, order_id:code#e46

As deep as `LEVELS`; names as `monitor.reading.calls.fields` has them, strings by what they look like. Of what a field
holds a few bits of a hash are kept.

Answers of one agent are mostly alike, so the paths are remembered, each with the names below it and with what it was
told as last. Invariant: what is remembered is bounded and shows in nothing that is told.
"""

from __future__ import annotations

from typing import Any, Final
from zlib import crc32

from librt.vecs import vec
from mypy_extensions import i64

from monitor.reading import tally
from monitor.reading.calls.fields import FIELDS, ITEMS, MORE, NAME_CHARACTERS, WIDE, folded
from monitor.reading.calls.strings import SHORT, STRINGS, looks

LEVELS: Final = 4
"""How deep an answer is read."""
VALUES: Final = 400
"""Values of an answer that are read; what stands behind them is not."""
HASH: Final = 0xFFF
"""Bits of a hash that are kept of a value: of two values one pair in 4,096 has the same."""
PATHS: Final = 4_096
"""Names and paths of answers that are remembered. More: all are forgotten before the next answer."""
ORDERS: Final = 512
"""Orders of paths that are remembered. More: all are forgotten."""

_NO_HASH: Final = -1
_MARKS: Final = ["", *(f"#{hashed:x}" for hashed in range(HASH + 1))]
"""A hash as it is written; from `_NO_HASH` on."""
_NULL: Final = crc32(b"None") & HASH
_TRUE: Final = crc32(b"True") & HASH
_FALSE: Final = crc32(b"False") & HASH
_SMALL: Final = 1_000
_SMALLS: Final[vec[i64]] = vec[i64]([i64(crc32(b"%d" % number) & HASH) for number in range(_SMALL)])
"""The hashes of the first numbers."""


class _Place:
    """A path, and what the answer that is read holds there: one kind and hash, or `more` of them."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.names: dict[str, _Place] = {}
        """What is below, by its name in the answer."""
        self.items: _Place | None = None
        self.answer = i64(0)
        """The number of the answer that was here last."""
        self.kind = ""
        self.hashed = i64(_NO_HASH)
        self.more: _Several | None = None
        self.told_kind = ""
        self.told_hash = i64(_NO_HASH)
        self.told = ""
        self.before = ""
        """What of `told` stands before the hash."""

    def tell(self, kind: str, hashed: i64) -> str:
        """A kind and hash of this path, as it is written; mostly what was here last, and then the same text."""
        if kind != self.told_kind:
            self.told_kind = kind
            self.before = f"{self.path}:{kind}"
        elif hashed == self.told_hash:
            return self.told
        self.told_hash = hashed
        self.told = told = self.before + _MARKS[hashed + 1]
        return told


class _Several:
    """Of a path with more than one value: the different kinds and hashes."""

    def __init__(self, place: _Place) -> None:
        self.kinds = [place.kind]
        self.hashes = [place.hashed] if place.hashed != _NO_HASH else []

    def add(self, kind: str, hashed: i64) -> None:
        if kind not in self.kinds:
            self.kinds.append(kind)
        if hashed != _NO_HASH and hashed not in self.hashes:
            self.hashes.append(hashed)

    def tell(self, place: _Place, told: list[str]) -> None:
        """Its kinds, sorted; the hash of all values with the first of them."""
        hashed: i64 = _NO_HASH
        if self.hashes:
            hashed = 0
            for one in self.hashes:
                hashed ^= one
        if len(self.kinds) == 1:
            told.append(place.tell(self.kinds[0], hashed))
            return
        for kind in sorted(self.kinds):
            told.append(f"{place.path}:{kind}{_MARKS[hashed + 1]}")
            hashed = _NO_HASH


class _Look:
    """What a short string looks like, and the bits that are kept of its hash."""

    def __init__(self, kind: str, hashed: i64) -> None:
        self.kind = kind
        self.hashed = hashed


class _Room:
    """What is remembered of paths and short strings; of an answer itself only while it is read."""

    def __init__(self) -> None:
        self.answer = i64(0)
        self.strings: dict[str, _Look] = {}
        self.forget()

    def forget(self) -> None:
        """Begin anew, with the whole answer as the only place."""
        self.top = _Place("")
        self.paths: dict[str, _Place] = {}
        self.known = 0
        self.orders: dict[tuple[str, ...], list[_Place]] = {}

    def below(self, place: _Place, name: str) -> _Place:
        """Where the value of a name stands that is not among `place.names`."""
        found = self._at((place.path + "." if place.path else "") + folded(name))
        if len(name) <= NAME_CHARACTERS:
            place.names[name] = found
            self.known += 1
        return found

    def items(self, place: _Place) -> _Place:
        """Where the items of an array stand."""
        found = place.items
        if found is None:
            found = place.items = self._at(place.path + "[]")
        return found

    def in_order(self, noted: list[_Place]) -> list[_Place]:
        """Places in the order of their paths. Not to be changed: it is remembered."""
        paths = tuple([place.path for place in noted])
        found = self.orders.get(paths)
        if found is None:
            if len(self.orders) >= ORDERS:
                self.orders.clear()
            found = self.orders[paths] = [self.paths[path] for path in sorted(paths)]
        return found

    def look(self, text: str) -> _Look:
        """A short string's look."""
        found = self.strings.get(text)
        if found is None:
            if len(self.strings) >= STRINGS:
                self.strings.clear()
            raw = text.encode("ascii") if text.isascii() else text.encode("utf-8", "replace")
            found = self.strings[text] = _Look(looks(text), tally.crc(raw) & HASH)
        return found

    def _at(self, path: str) -> _Place:
        found = self.paths.get(path)
        if found is None:
            found = self.paths[path] = _Place(path)
            self.known += 1
        return found


_room: Final = _Room()


def forms(value: Any) -> list[str]:
    """`path:kind#hash` of each field of an answer, sorted, at most `FIELDS` and one `MORE`.

    `kind`: the type; of a string what it looks like (`looks`). The hash stands with the first kind of a path, and is of
    all that the path holds: of an array's items whatever their order, of an array how many it has.
    """
    room = _room
    if room.known > PATHS:
        room.forget()
    room.answer += 1
    answer = room.answer
    noted: list[_Place] = []
    boxes: list[Any] = [value]
    places = [room.top]
    left: i64 = VALUES
    at: i64 = 0
    for _ in range(LEVELS):
        end: i64 = len(boxes)
        while at < end:
            box, place = boxes[at], places[at]
            at += 1
            if isinstance(box, dict):
                names = place.names
                is_wide = len(box) > WIDE
                for name, each in box.items():
                    if left <= 0:
                        break
                    left -= 1
                    if is_wide:
                        name = "*"
                    found = names.get(name)
                    if found is None:
                        found = room.below(place, name)
                    if _note(found, each, answer, noted):
                        boxes.append(each)
                        places.append(found)
            else:
                found = room.items(place)
                for each in box[:ITEMS]:
                    if left <= 0:
                        break
                    left -= 1
                    if _note(found, each, answer, noted):
                        boxes.append(each)
                        places.append(found)
    told: list[str] = []
    for place in room.in_order(noted):
        more = place.more
        if more is None:
            told.append(place.tell(place.kind, place.hashed))
        else:
            more.tell(place, told)
    return told if len(told) <= FIELDS else [*told[:FIELDS], MORE]


def _note(place: _Place, value: Any, answer: i64, noted: list[_Place]) -> bool:
    """Note one value; whether it is a container that is to be looked into."""
    is_new = place.answer != answer
    if is_new and len(noted) > FIELDS:
        return False
    is_box = False
    hashed: i64 = _NO_HASH
    if isinstance(value, str):
        if len(value) <= SHORT:
            look = _room.look(value)
            kind, hashed = look.kind, look.hashed
        else:
            kind, hashed = looks(value), crc32(value.encode("utf-8", "replace")) & HASH
    elif isinstance(value, dict):
        kind, is_box = "object", True
    elif isinstance(value, list):
        kind, hashed, is_box = "array", len(value) & HASH, True
    elif value is None:
        kind, hashed = "null", _NULL
    elif isinstance(value, bool):
        kind, hashed = "boolean", _TRUE if value else _FALSE
    else:
        kind, hashed = "number", _of_number(value)
    if is_new:
        place.answer = answer
        place.kind = kind
        place.hashed = hashed
        place.more = None
        noted.append(place)
    elif hashed != place.hashed or kind != place.kind:
        more = place.more
        if more is None:
            more = place.more = _Several(place)
        more.add(kind, hashed)
    return is_box


def _of_number(value: Any) -> i64:
    if isinstance(value, int) and 0 <= value < _SMALL:
        return _SMALLS[value]
    return tally.crc(str(value).encode("ascii")) & HASH
