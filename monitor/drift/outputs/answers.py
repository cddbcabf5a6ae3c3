"""What an agent's answers hold, field by field: which fields and kinds of values there are, and whether they move.

The fields are those of answers that are JSON (`monitor.reading.calls.answers.forms`); an answer that is no JSON is one
field. A field with its kind is a word, so `amount:words` where there was `amount:number` is one that is new and one
that is gone. Seen for the first time it is *young* for the next answers, and an answer that has it is a changed one. It
is *gone* where it has been away for longer than it ever would, and its value *stands still* where that has been the
same for longer than it ever would: the chance of so long a stretch, by how such stretches began and went on before, is
below a limit. Stretches, and not single answers, because answers about one thing come in a row.

Not here: the text; a value is three hexadecimal digits of a hash, which tell two of them apart, mostly.

Invariant: nothing is said before the first `WARM` answers, nor within a session that goes on: the same may be asked
again.
"""

from __future__ import annotations

from typing import Final, cast

import msgspec

from monitor.drift.outputs.stretches import WARM, Known, Packed, Stretches, take_away

YOUNG: Final = 200
"""Answers for which a field is new."""
AWAY: Final = 1e-4
"""How unlikely a stretch without a field is before it counts."""
STILL: Final = 1e-6
"""How unlikely a stretch of one value is before it counts. A page needs twelve more runs of it."""
FIELDS: Final = 80
"""Fields that are known, and values that are followed. More: the field that is away longest, or the value that was seen
least, is forgotten, counted as `answers_forgotten`."""

_WHOLE: Final = ""
"""The one field of an answer that is no JSON."""
_AHEAD: Final = 4
"""Known fields that an answer may be without, or have of another kind, before the next one is looked up."""


class _Value:
    """What a field holds, whatever its kind: the latest value, and how it comes again."""

    def __init__(self, last: str, same: Stretches) -> None:
        self.last = last
        self.same = same
        self.is_known = True
        """Not once it gave way to another."""


class _Field(Known):
    """A field with its kind."""

    def __init__(self, name: str, first: int, latest: int, away: Stretches) -> None:
        super().__init__(name, first, latest, away)
        self.head = name + "#"
        """Of the word for it with a value."""
        self.at = 0
        """Its place in `Answers._order`."""
        self.path = name[: name.rfind(":")]
        self.value: _Value | None = None
        """Of its path; shared by the kinds of that, and looked up once."""


class Answers:
    """An agent's answers.

    `known`: whether it could be told of the latest one what is `young` in it, what is `gone` from it; `still`: what
    stands still there. `lost`: fields that gave way to others, until somebody counts them.
    """

    def __init__(self) -> None:
        self.count = 0
        """Answers that had fields."""
        self.known = False
        self.young: list[str] = []
        self.gone: list[str] = []
        self.still: list[str] = []
        self.lost = 0
        self._session: str | None = None
        self._fields: dict[str, _Field] = {}
        self._values: dict[str, _Value] = {}
        """By path."""
        self._order: list[_Field] = []
        """All that are known, by path, as answers have them: which one a word is for is mostly told by the word before,
        and not looked up. Empty where others came to be known since."""

    def observe(self, fields: list[str] | None, hashed: int | None, session: str | None) -> bool:
        """One answer. `fields`: None if it is no JSON; `hashed`: of the whole. False within a session that goes on."""
        self.clear()
        goes_on = session is not None and session == self._session
        self._session = session
        if goes_on:
            return False
        if fields is None:
            if hashed is not None:
                self._follow(_WHOLE, None, f"{hashed & 0xFFFFFFFF:x}")
            return True
        count = self.count = self.count + 1
        self.known = count > WARM
        order, at = self._in_order(), 0
        for field in fields:
            known = _expected(order, at, field)
            if known is not None:
                mark = len(known.head) - 1
                if mark >= len(field):
                    mark = -1
            else:
                mark = field.find("#")
                name = field if mark < 0 else field[:mark]
                known = self._fields.get(name)
                if known is None:
                    if mark >= 0:
                        self._follow(name[: name.rfind(":")], None, field[mark + 1 :])
                    self._meet(name)
                    order = self._order = []
                    continue
            at = known.at + 1
            if mark >= 0:
                self._follow(known.path, known, field[mark + 1 :])
            known.latest = count
            if count - known.first < YOUNG and known.first > WARM:
                self.young.append(known.name)
        self.gone, normal = take_away(cast("list[Known]", list(self._fields.values())), count, AWAY)
        for name in normal:
            del self._fields[name]
            self._order = []
        return True

    def clear(self) -> None:
        """Nothing was answered."""
        self.known = False
        if self.young:
            self.young = []
        if self.gone:
            self.gone = []
        if self.still:
            self.still = []

    def save(self) -> bytes:
        """The state."""
        first = {name: one.first for name, one in self._fields.items()}
        away = {name: one.away.packed() for name, one in self._fields.items()}
        last = {path: one.last for path, one in self._values.items()}
        same = {path: one.same.packed() for path, one in self._values.items()}
        return _encode((self.count, self._session, first, away, last, same))

    def load(self, raw: bytes) -> None:
        """Put back a saved state; what the latest answer showed is not in it."""
        self.count, self._session, first, away, last, same = _saved.decode(raw)
        self._order = []
        self._fields = {name: _Field(name, first[name], 0, Stretches(*packed)) for name, packed in away.items()}
        self._values = {path: _Value(last[path], Stretches(*packed)) for path, packed in same.items()}

    # -- inner

    def _in_order(self) -> list[_Field]:
        order = self._order
        if not order:
            order = self._order = sorted(self._fields.values(), key=lambda one: one.path)
            for at in range(len(order)):
                order[at].at = at
        return order

    def _meet(self, name: str) -> None:
        """A field that is not known; the one that is away longest gives way to it."""
        fields = self._fields
        if len(fields) >= FIELDS:
            del fields[min(fields, key=lambda one: (-fields[one].away.length, one))]
            self.lost += 1
        fields[name] = _Field(name, self.count, self.count, Stretches())
        if self.count > WARM:
            self.young.append(name)

    def _follow(self, path: str, known: _Field | None, value: str) -> None:
        """What a path holds now; `known`: its field, where that is known."""
        held = known.value if known is not None else None
        if held is None or not held.is_known:
            held = self._values.get(path)
            if held is None:
                self._hold(path, value)
                return
            if known is not None:
                known.value = held
        if held.same.take(value == held.last, STILL):
            self.still.append(path)
        held.last = value

    def _hold(self, path: str, value: str) -> None:
        """A path that is not known; the one of which least was seen gives way to it."""
        values = self._values
        if len(values) >= FIELDS:
            rarest = min(values, key=lambda one: (values[one].same.seen, one))
            values.pop(rarest).is_known = False
            self.lost += 1
        values[path] = _Value(value, Stretches())


def _expected(order: list[_Field], at: int, field: str) -> _Field | None:
    """The field that a word is for, if it is one of the next few."""
    for place in range(at, min(at + _AHEAD, len(order))):
        known = order[place]
        if field.startswith(known.head) or field == known.name:
            return known
    return None


_encode: Final = msgspec.msgpack.Encoder().encode
_saved: Final = msgspec.msgpack.Decoder(
    tuple[int, str | None, dict[str, int], dict[str, Packed], dict[str, str], dict[str, Packed]]
)
