"""Which few values a field of a tool's results goes through, and whether one stands in the place of another of late.

A word that was renamed is new, and the one that it replaces never comes again; both are about as frequent. So a value
that is only new is not told of, nor is one that is only away: a rare word comes, a topic goes. Names change with what
they name, so a word that begins with a capital only counts in place of the same word in small letters, and the reverse.
The words of a field are judged if they are few, were so for a while, and come in any order: what stays the same for
long is a state of the world.

Invariant: nothing is said of a field before its first `WARM` runs; at most `TERMS` of its values are known.
"""

from __future__ import annotations

from typing import Final

WARM: Final = 100
"""Runs before it is known which values there are."""
QUIET: Final = 75
"""Runs without a new value before one that comes is news."""
YOUNG: Final = 200
"""Runs after a new value after which it is as usual."""
WINDOW: Final = 512
"""Runs after which what is usual is counted half."""
TERMS: Final = 8
"""Values of a field. One with more is open: it may hold anything."""
SURE: Final = 3
"""Runs with a new value before it counts."""
AWAY: Final = 1e-4
"""How unlikely it is that a value stays away for so long by chance, before it is gone."""
FITS: Final = 2.0
"""Times as frequent as what is gone, at most, and as many times less."""
MIXED: Final = 0.5
"""Part of the changes from run to run that values in any order would have, at least."""
VARIED: Final = 0.2
"""Changes from run to run that values in any order would have, at least; what nearly always is the same word is none
of a list."""
LEAST: Final = {"=": 0.25, ":": 0.25, "*": 0.9}
"""How frequent must be what is gone: a word, a type, and several items of a list where there always were several."""
TITLE: Final = "T"
"""Stands behind the hash of a word that begins with a capital."""
_ITEMS: Final = {"0": "no item", "1": "one item", "2": "several items"}


class Terms:
    """One field; `kind` is the sign between its path and its value.

    `said`: what stands in the place of what, empty where nothing does; `runs`: those with the field, `n`: the same, of
    late; `known`: value → the run that had it first, the latest one, and how many had it of late; `begun`: the run of
    the first new value of late, 0 where there is none; `fresh`: the run of the latest one; `moved`: runs of late with
    another value than the run before; `is_open`: whether the field may hold anything.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.said = ""
        self.runs = 0
        self.n = 0
        self.known: dict[str, list[int]] = {}
        self.begun = 0
        self.fresh = 0
        self.moved = 0
        self.last = ""
        self.is_open = False

    def take(self, value: str, is_first: bool) -> None:
        """One value of a run; `is_first`: the first of that run."""
        if self.is_open:
            return
        if is_first:
            self.runs += 1
            self.n += 1
            if value != self.last:
                self.moved += 1
                self.last = value
        counts = self.known.get(value)
        if counts is None:
            self._learn(value)
        elif is_first or counts[1] != self.runs:
            counts[1] = self.runs
            counts[2] += 1
        if self.begun:
            self._judge()
        elif self.n >= WINDOW:
            self._halve()

    def packed(self) -> list[object]:
        """What is written of it."""
        return [
            self.kind, self.said, self.runs, self.n, self.known, self.begun, self.fresh, self.moved, self.last,
            self.is_open,
        ]  # fmt: skip

    def _learn(self, value: str) -> None:
        runs = self.runs
        if len(self.known) >= TERMS:
            self.is_open = True
            self.known.clear()
            self.begun, self.said = 0, ""
            return
        if runs > WARM and not self.begun and runs - self.fresh >= QUIET:
            self.begun = runs
        self.fresh = runs
        self.known[value] = [runs, runs, 1]

    def _halve(self) -> None:
        self.n //= 2
        self.moved //= 2
        for counts in self.known.values():
            counts[2] //= 2

    def _judge(self) -> None:
        since = self.runs - self.begun + 1
        self.said = ""
        if since >= YOUNG:
            self._settle(since)
            return
        young = {value: counts[2] for value, counts in self.known.items() if counts[0] >= self.begun}
        if sum(young.values()) < SURE:
            return
        gone = {value: counts[2] for value, counts in self.known.items() if counts[0] < self.begun >= counts[1]}
        if self.kind == "=":
            young, gone = _as_written(young, gone), _as_written(gone, young)
        before = self.n - since
        if not young or not gone or before <= 0:
            return
        left, came = min(sum(gone.values()) / before, 0.999), min(sum(young.values()) / since, 1.0)
        if left < LEAST[self.kind] or (1.0 - left) ** since > AWAY or not left <= FITS * came <= FITS * FITS * left:
            return
        if self.kind != "=" or self._is_mixed(before):
            self.said = _told(
                self.kind, max(gone, key=lambda one: (gone[one], one)), max(young, key=lambda one: (young[one], one))
            )

    def _is_mixed(self, before: int) -> bool:
        """Whether the usual values came in any order."""
        same = sum([(counts[2] / before) ** 2 for counts in self.known.values() if counts[0] < self.begun])
        return same <= 1.0 - VARIED and self.moved >= MIXED * (1.0 - same) * self.n

    def _settle(self, since: int) -> None:
        """What is new is as usual by now, and what is gone was so."""
        before, begun = max(self.n - since, 1), self.begun
        self.known = {value: counts for value, counts in self.known.items() if counts[1] >= begun}
        for counts in self.known.values():
            if counts[0] < begun:
                counts[2] = counts[2] * since // (before + since)
        self.moved = self.moved * since // (before + since)
        self.n, self.begun = since, 0


def load(packed: list[object]) -> Terms:
    """The field that was written."""
    kind, said, runs, n, known, begun, fresh, moved, last, is_open = packed
    assert isinstance(kind, str) and isinstance(said, str) and isinstance(last, str) and isinstance(known, dict)
    assert isinstance(runs, int) and isinstance(n, int) and isinstance(begun, int) and isinstance(fresh, int)
    assert isinstance(moved, int)
    found = Terms(kind)
    found.said, found.runs, found.n, found.known, found.begun = said, runs, n, known, begun
    found.fresh, found.moved, found.last, found.is_open = fresh, moved, last, bool(is_open)
    return found


def _as_written(mine: dict[str, int], others: dict[str, int]) -> dict[str, int]:
    """Without words that begin with a capital, where the others have not the same in small letters."""
    return {word: n for word, n in mine.items() if not word.endswith(TITLE) or word[:-1] in others}


def _told(kind: str, gone: str, young: str) -> str:
    if kind == "=":
        same = gone.removesuffix(TITLE) == young.removesuffix(TITLE)
        return "the same word with other capitals" if same else "a new word in place of a usual one"
    if kind == "*":
        return f"{_ITEMS[young]} in place of {_ITEMS[gone]}"
    return f"{young} in place of {gone}"
