"""The two accounts per signal of a bank, notice and page: one R per bet, for all bets in one array each.

    R <- (R + drip * weight) * L;  an account is full when the sum over its signal's bets is at least one

The bets of all channels of a signal may pay together, because an account's weights sum to at most its share of the
drip (T1, T3). Blocked bets of the page account take the mean of L over a block of runs, an e-value under any dependence
inside the block (T6). A page account may be full for a while without paying: the number of pages plus R minus the drip
is a supermartingale all the while, so R may be spent at any later time at which it is at least one.

Bets of numbers come first, then those of shares; within numbers the blocked ones first, within shares last.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from detectors.drift.bets import odds, shapes
from detectors.drift.channels import Voice
from detectors.drift.plan import Plan
from detectors.drift.references.shares import ShareChannels, follow

CAP = 1e30
"""What a bet holds at most; more would say nothing more."""
_NUMBER, _SHARE = shapes.BETS, odds.BETS


class Accounts:
    """Evidence of all signals of `plan`; `lay_out` and `weigh` must follow every change of what is live."""

    __slots__ = (
        "_blocked", "_free", "_least", "_owner", "_weights", "block_drip", "block_runs", "block_sums", "notice", "page",
        "plan", "split",
    )  # fmt: skip

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.notice = np.zeros(0)
        self.page = np.zeros(0)
        self.block_sums = np.zeros(0)
        """Sums of L over the block so far, of blocked bets only."""
        self.block_runs = 0
        self.block_drip = 0.0
        self.split = 0
        """Bets of numbers; those of shares follow."""
        self._free = slice(0, 0)
        self._least = 1.0
        self._owner = np.zeros(0, dtype=np.intp)
        """Position of the channel of each row: a number, or a cell of a share."""
        self._weights: dict[Voice, NDArray[np.float64]] = {}
        self._blocked = False

    def step(self, bets: NDArray[np.float64], notice_drip: float, page_drip: float) -> None:
        """Multiply one run's e-values in."""
        notice, page, free = self.notice, self.page, self._free
        if notice_drip:
            self._drip(notice, "notice", notice_drip, 0, len(notice))
        np.multiply(notice, bets, out=notice)
        if page_drip:
            self._drip(page, "page", page_drip, free.start, free.stop)
        np.multiply(page[free], bets[free], out=page[free])
        if self._blocked:
            sums, first = self.block_sums, free.start
            np.add(sums[:first], bets[:first], out=sums[:first])
            if len(sums) > first:
                np.add(sums[first:], bets[free.stop :], out=sums[first:])
            self.block_drip += page_drip
            self.block_runs += 1
            if self.block_runs >= self.plan.block:
                self._close_block()

    def full(self, voice: Voice) -> list[int]:
        """The signals whose account holds at least one."""
        held = self.notice if voice == "notice" else self.page
        if np.maximum.reduce(held) < self._least:
            return []
        if voice == "page":
            np.minimum(held, CAP, out=held)
        totals = np.bincount(self._owner_signals(), weights=self._row_sums(held), minlength=len(self.plan.signals))
        return [int(i) for i in np.flatnonzero(totals >= 1.0)]

    def by_channel(self, voice: Voice, signal: int) -> dict[int, float]:
        """What each channel of a signal holds, by its position in the plan."""
        sums = self._row_sums(self.notice if voice == "notice" else self.page)
        found = dict.fromkeys(self.plan.members[signal], 0.0)
        for owner, total in zip(self._owner.tolist(), sums.tolist(), strict=True):
            if owner in found:
                found[owner] += total
        return found

    def held(self, voice: Voice, first: int, end: int) -> NDArray[np.float64]:
        """R of the bets `first` to `end`."""
        return (self.notice if voice == "notice" else self.page)[first:end]

    def empty(self, voice: Voice, signal: int) -> None:
        """Set a signal's account to zero: it has paid, or what it bet on is gone."""
        held = self.notice if voice == "notice" else self.page
        rows = self._owner_signals() == signal
        split = self.split // _NUMBER
        held[: self.split].reshape(-1, _NUMBER)[rows[:split]] = 0.0
        held[self.split :].reshape(-1, _SHARE)[rows[split:]] = 0.0

    def lay_out(self, numbers: int, shares: ShareChannels, moved: NDArray[np.intp] | None) -> None:
        """Follow the channels: `numbers` rows of numbers, and the cells of shares, moved as their freeze said."""
        free = self._free
        sums = np.full(len(self.page), float(self.block_runs))
        sums[: free.start], sums[free.stop :] = self.block_sums[: free.start], self.block_sums[free.start :]
        self.notice = self._laid_out(self.notice, numbers, shares.size, moved, 0.0)
        self.page = self._laid_out(self.page, numbers, shares.size, moved, 0.0)
        sums = self._laid_out(sums, numbers, shares.size, moved, float(self.block_runs))
        self.place(numbers, shares)
        self.block_sums = np.concatenate([sums[: self._free.start], sums[self._free.stop :]])

    def place(self, numbers: int, shares: ShareChannels) -> None:
        """Say which row is whose."""
        self.split = numbers * _NUMBER
        plan = self.plan
        owners = list(plan.numbers[:numbers])
        for channel in shares.channels:
            owners += [channel.position] * channel.cells
        self._owner = np.array(owners, dtype=np.intp)
        free_cells = sum(channel.cells for channel in shares.channels[: plan.free_others])
        self._free = slice(min(plan.blocked_numbers, numbers) * _NUMBER, self.split + free_cells * _SHARE)
        self._blocked = self._free != slice(0, len(self.notice))

    def weigh(self, voice: Voice, live: Sequence[bool], on: Sequence[bool]) -> None:
        """Split each signal's share of the drip evenly over its live channels, and over each one's bets.

        `live` per channel, `on` per signal: a signal that fires drips nothing.
        """
        plan = self.plan
        rows = np.bincount(self._owner, minlength=len(plan.channels)).tolist()
        bets = [
            count * (_NUMBER if channel.kind == "number" else _SHARE)
            for count, channel in zip(rows, plan.channels, strict=True)
        ]
        weights = np.zeros(len(plan.channels))
        for signal, members, one in zip(on, plan.members, plan.signals, strict=True):
            watched = [at for at in members if live[at] and bets[at]]
            share = one.notice_share if voice == "notice" else one.page_share
            for at in watched if signal else ():
                weights[at] = share / (len(watched) * bets[at])
        self._weights[voice] = weights[self._owner]
        most = max((sum(bets[at] for at in members) for members in plan.members), default=0)
        self._least = 0.999 / max(most, 1)  # a bank that was saved young has no bets yet

    def _drip(self, held: NDArray[np.float64], voice: Voice, drip: float, first: int, end: int) -> None:
        amounts = self._weights[voice] * drip
        split, rows = self.split, self.split // _NUMBER
        if first < split:
            part = held[first : min(end, split)].reshape(-1, _NUMBER)
            part += amounts[first // _NUMBER : min(end, split) // _NUMBER, None]
        if end > split:
            start = max(first, split)
            part = held[start:end].reshape(-1, _SHARE)
            at = rows + (start - split) // _SHARE
            part += amounts[at : at + len(part), None]

    def _close_block(self) -> None:
        means = self.block_sums / float(self.block_runs)
        free = self._free
        for first, end, part in (
            (0, free.start, means[: free.start]),
            (free.stop, len(self.page), means[free.start :]),
        ):
            if first < end:
                self._drip(self.page, "page", self.block_drip, first, end)
                np.multiply(self.page[first:end], part, out=self.page[first:end])
        self.block_sums.fill(0.0)
        self.block_runs, self.block_drip = 0, 0.0

    def _laid_out(
        self, held: NDArray[np.float64], numbers: int, cells: int, moved: NDArray[np.intp] | None, filling: float
    ) -> NDArray[np.float64]:
        found = np.full(numbers * _NUMBER + cells * _SHARE, filling)
        found[: self.split] = held[: self.split]
        shares = held[self.split :].reshape(-1, _SHARE)
        found[numbers * _NUMBER :] = (shares if moved is None else follow(shares, moved, filling)).ravel()
        return found

    def _row_sums(self, held: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sums over the bets of each row, column by column: the order of additions is the same on every machine."""
        numbers, shares = held[: self.split].reshape(-1, _NUMBER), held[self.split :].reshape(-1, _SHARE)
        sums = np.zeros(len(self._owner))
        for part, rows in ((numbers, sums[: len(numbers)]), (shares, sums[len(numbers) :])):
            for bet in range(part.shape[1]):
                np.add(rows, part[:, bet], out=rows)
        return sums

    def _owner_signals(self) -> NDArray[np.intp]:
        return np.array(self.plan.signal_of, dtype=np.intp)[self._owner]
