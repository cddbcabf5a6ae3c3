"""What is known of an agent's outputs, version by version: their fields, their marks, and what stands still in them.

Each version has what it knows for itself, so that one that answers in another way may get more of the runs, or all,
without a word. One that is new begins with what is known of the version that ran last: what it changes is told.

Invariant: at most `VERSIONS` are known; the one that was quiet longest gives way, counted as `outputs_forgotten`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from monitor.drift.outputs.answers import Answers
from monitor.drift.outputs.marks import Marks
from monitor.runs import Work

VERSIONS: Final = 4


class Outputs:
    """The outputs of one version. `known`: whether it could be told of the latest one what is `young` in it and what is
    `gone` from it. `slot`: where it is saved, which is its own; `turn`: the change of version that brought it.
    """

    def __init__(self, slot: int) -> None:
        self.slot = slot
        self.turn = 0
        self.answers = Answers()
        self.marks = Marks()
        """Of the latest output: `_texts` or `_values`."""
        self._texts = self.marks
        self._values = Marks()

    @property
    def known(self) -> bool:
        """See the class."""
        return self.answers.known or self.marks.known

    @property
    def young(self) -> bool:
        """Whether something in the latest output is new."""
        return bool(self.answers.young) or bool(self.marks.young)

    @property
    def gone(self) -> bool:
        """Whether something is gone from the latest output."""
        return bool(self.answers.gone) or bool(self.marks.gone)

    def observe(self, work: Work) -> bool:
        """The output of one run; whether there was one."""
        self.marks.clear()
        if work.output_fields is None and work.output_hash is None:
            self.answers.clear()
            return False
        another = self.answers.observe(work.output_fields, work.output_hash, work.session)
        if another and work.output_marks is not None:
            self.marks = self._texts if work.output_fields is None else self._values
            self.marks.observe(work.output_marks)
        return True

    def count_lost(self, count: Callable[[str], None]) -> None:
        """Count what gave way since the last call."""
        answers, texts, values = self.answers, self._texts, self._values
        if not (answers.lost or texts.lost or values.lost):
            return
        for _ in range(answers.lost):
            count("answers_forgotten")
        for _ in range(texts.lost + values.lost):
            count("marks_forgotten")
        answers.lost = texts.lost = values.lost = 0

    def save(self) -> tuple[bytes, bytes, bytes]:
        """The state."""
        return self.answers.save(), self._texts.save(), self._values.save()

    def load(self, answers: bytes, texts: bytes, values: bytes) -> None:
        """Put back a saved state."""
        self.answers.load(answers)
        self._texts.load(texts)
        self._values.load(values)


class Versions:
    """An agent's outputs by version, the one that was quiet longest first. `latest`: those of the version that ran
    last."""

    def __init__(self, count: Callable[[str], None]) -> None:
        """`count`: takes what gave way, by name."""
        self.latest = Outputs(0)
        self._count = count
        self._version: str | None = None
        self._turns = 0
        self._known: dict[str, Outputs] = {}
        self._touched: dict[int, str] = {}
        """Slot → version, of those that are to be saved."""

    def observe(self, version: str | None, work: Work) -> bool:
        """The output of one run; whether there was one."""
        name = version or ""
        if name != self._version:
            self._turn_to(name)
        given = self.latest.observe(work)
        if given:
            self._touched[self.latest.slot] = name
            self.latest.count_lost(self._count)
        return given

    def changed(self) -> dict[int, bytes]:
        """The states that changed since the last call, by slot."""
        found = {}
        for slot, name in self._touched.items():
            outputs = self._known[name]
            found[slot] = _encode((name, outputs.turn, *outputs.save()))
        self._touched = {}
        return found

    def load(self, slots: dict[int, bytes]) -> None:
        """Put back saved states."""
        found = [(_saved.decode(raw), slot) for slot, raw in slots.items()]
        for (name, turn, *parts), slot in sorted(found, key=lambda one: one[0][1]):
            outputs = self._known[name] = self.latest = Outputs(slot)
            outputs.load(*parts)
            outputs.turn = self._turns = turn
            self._version = name

    def load_answers(self, raw: bytes) -> None:
        """Put back what the monitor before this one wrote: of answers that are JSON, whatever their version."""
        self.latest.answers.load(raw)
        self._known[""], self._version = self.latest, ""
        self._touched[self.latest.slot] = ""

    # -- inner

    def _turn_to(self, name: str) -> None:
        known = self._known
        found = known.pop(name, None)
        if found is None:
            if len(known) >= VERSIONS:
                del known[next(iter(known))]
                self._count("outputs_forgotten")
            taken = [one.slot for one in known.values()]
            found = Outputs(min(slot for slot in range(VERSIONS) if slot not in taken))
            if known:
                found.load(*self.latest.save())
        self._turns += 1
        found.turn = self._turns
        known[name] = found  # the order of a dict is that of the latest turns
        self.latest, self._version = found, name
        self._touched[found.slot] = name


_encode: Final = msgspec.msgpack.Encoder().encode
_saved: Final = msgspec.msgpack.Decoder(tuple[str, int, bytes, bytes, bytes])
