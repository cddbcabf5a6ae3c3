"""Stretches: how often something begins and goes on, and how unlikely the stretch is that lasts.

Invariant: nothing is said before it was asked `WARM` times.
"""

from __future__ import annotations

from typing import Any, Final

from detectors.drift.references.shortest import shortest

WARM: Final = 100
"""Answers before it is known how they move."""
WINDOW: Final = 256
"""A stretch of so many answers is what is normal by now. Of twice as many, all counts are halved."""
MOSTLY: Final = 0.5
"""Of a field that, once away, stays away more often than this, or a value that so often comes again, a stretch says
nothing."""

Packed = tuple[int, float, float, float, float, int, float]
"""What is written of stretches, as it is read: the arguments of new ones."""


class Stretches:
    """How often something begins and goes on: a field that is away, a value that comes again.

    `out`: answers after one without it, `began`: those of them with it; `within`: answers after one with it, `stayed`:
    those of them with it again. `length`: of the stretch that lasts; it is counted when it is over, for it would make
    itself normal. `odds`: how unlikely that stretch is.
    """

    def __init__(
        self,
        seen: int = 0,
        out: float = 0.0,
        began: float = 0.0,
        within: float = 0.0,
        stayed: float = 0.0,
        length: int = 0,
        odds: float = 1.0,
    ) -> None:
        self.seen = seen
        self.out = out
        self.began = began
        self.within = within
        self.stayed = stayed
        self.length = length
        self.odds = odds

    def take(self, lasts: bool, limit: float) -> bool:
        """One more answer; whether the stretch is less likely than `limit`."""
        self.seen += 1
        if self.seen <= WARM:
            self._learn(lasts)
            return False
        if not lasts:
            self._close(False)
            return False
        begins = (self.began + 0.5) / (self.out + 1.0)
        stays = (self.stayed + 0.5) / (self.within + 2.0)
        self.odds *= stays if self.length else begins
        self.length += 1
        if self.length >= WINDOW:
            self._close(True)
        return self.odds < limit and begins <= MOSTLY and stays <= MOSTLY

    def rest(self, times: int) -> None:
        """So many more answers in none, behind one that was in none: the same as `take` one by one."""
        learned = min(max(WARM - self.seen, 0), times)
        self.seen += times
        if learned < times:
            self.odds = 1.0
        for number in range(times):
            self.out += 1.0
            if number >= learned:
                self._halve()

    def _learn(self, lasts: bool) -> None:
        """Count one answer at once."""
        if self.length:
            self.within += 1.0
            self.stayed += 1.0 if lasts else 0.0
        else:
            self.out += 1.0
            self.began += 1.0 if lasts else 0.0
        self.length = self.length + 1 if lasts else 0

    def _close(self, lasts: bool) -> None:
        """Count a stretch, or an answer that is in none."""
        self.out += 1.0
        if self.length:
            self.began += 1.0
            self.within += float(self.length)
            self.stayed += float(self.length if lasts else self.length - 1)
        self._halve()
        self.length, self.odds = int(lasts), 1.0

    def _halve(self) -> None:
        """Keep the counts low."""
        if self.out + self.within > 2.0 * WINDOW:
            self.out /= 2.0
            self.began /= 2.0
            self.within /= 2.0
            self.stayed /= 2.0

    def packed(self) -> tuple[Any, ...]:
        """What is written of it."""
        return (
            self.seen, shortest(self.out), shortest(self.began), shortest(self.within), shortest(self.stayed),
            self.length, shortest(self.odds),
        )  # fmt: skip


class Known:
    """Something that answers have or have not. `first`, `latest`: the answer that had it first, and the latest one, by
    number; `away`: how it was away."""

    def __init__(self, name: str, first: int, latest: int, away: Stretches) -> None:
        self.name = name
        self.first = first
        self.latest = latest
        self.away = away


def take_away(known: list[Known], count: int, limit: float) -> tuple[list[str], list[str]]:
    """Take answer number `count` for all that is known: what has been away for longer than `limit` allows.

    Behind it what has been away for `WINDOW` answers, and is to be known no more.
    """
    gone: list[str] = []
    normal: list[str] = []
    for one in known:
        away = one.away
        if one.latest == count:
            away.take(False, limit)
        elif away.length >= WINDOW - 1:
            normal.append(one.name)
        elif away.take(True, limit):
            gone.append(one.name)
    return gone, normal
