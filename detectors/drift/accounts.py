"""The two accounts per signal of a bank, notice and page: one R per bet, for all bets in one array each.

    R <- (R + drip * weight) * L;  an account is full when the sum over its signal's bets is at least one

The bets of all channels of a signal may pay together, because an account's weights sum to at most its share of the
drip (T1, T3). Blocked bets of the page account take the mean of L over a block of runs, an e-value under any dependence
inside the block (T6). A page account may be full for a while without paying: the number of pages plus R minus the drip
is a supermartingale all the while, so R may be spent at any later time at which it is at least one.

Bets of numbers come first, then those of shares; within numbers the blocked ones first, within shares last.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from librt.vecs import vec
from mypy_extensions import i64
from numpy.typing import NDArray

from detectors.drift.bets import odds, shapes
from detectors.drift.channels import Voice
from detectors.drift.plan import Plan
from detectors.drift.references import memory
from detectors.drift.references.shares import ShareChannels

CAP: Final = 1e30
"""What a bet holds at most; more would say nothing more."""
_NUMBER: Final = shapes.BETS
_SHARE: Final = odds.BETS


class Held:
    """One voice: R of each bet, what each row's bets get of the drip, and what each signal's account holds."""

    def __init__(self, signals: int) -> None:
        self.evidence = memory.filled(0, 0.0)
        self.weights = memory.filled(0, 0.0)
        self.totals = memory.filled(signals, 0.0)
        self.fullest = 0.0

    def step(self, bets: vec[float], signals: vec[i64], drip: float, split: int, first: int, end: int) -> None:
        """R <- (R + drip * weight) * L for the bets `first` to `end`; the others stay. Bets of numbers end at `split`.

        Sums run row by row and bet by bet, in the same order on every machine.
        """
        evidence, weights, totals = self.evidence, self.weights, self.totals
        self.begin()
        at: i64 = 0
        row: i64 = 0
        size: i64 = len(evidence)
        numbers: i64 = split
        wide: i64 = _NUMBER
        narrow: i64 = _SHARE
        begin: i64 = first
        stop: i64 = end
        while at < size:
            last: i64 = at + (wide if at < numbers else narrow)
            total = 0.0
            if begin <= at < stop:
                amount = weights[row] * drip
                while at < last:
                    grown = (evidence[at] + amount) * bets[at]
                    evidence[at] = grown
                    total += grown
                    at += 1
            else:
                while at < last:
                    total += evidence[at]
                    at += 1
            totals[signals[row]] += total
            row += 1
        self.weigh_up()

    def begin(self) -> None:
        """No totals yet."""
        totals = self.totals
        width: i64 = len(totals)
        at: i64 = 0
        while at < width:
            totals[at] = 0.0
            at += 1

    def empty(self, signal: int, signals: vec[i64], split: int) -> None:
        """Set a signal's account to zero."""
        at = 0
        for row in range(len(signals)):
            last = at + (_NUMBER if at < split else _SHARE)
            if signals[row] == signal:
                for bet in range(at, last):
                    self.evidence[bet] = 0.0
            at = last
        self.totals[signal] = 0.0
        self.weigh_up()

    def full(self) -> list[int]:
        """The signals whose account holds at least one."""
        if self.fullest < 1.0:
            return []
        return [signal for signal, total in enumerate(self.totals) if total >= 1.0]

    def cap(self) -> None:
        """Cut what a full account holds beyond `CAP`."""
        for at in range(len(self.evidence)):
            if self.evidence[at] > CAP:
                self.evidence[at] = CAP

    def weigh_up(self) -> None:
        """Note what the fullest account holds."""
        fullest = 0.0
        for total in self.totals:
            if total > fullest:
                fullest = total
        self.fullest = fullest


class Accounts:
    """Evidence of all signals of `plan`; `lay_out` and `weigh` must follow every change of what is live."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.block_sums = np.zeros(0)
        """Sums of L over the block so far, of blocked bets only."""
        self.block_runs = 0
        self.block_drip = 0.0
        self.split = 0
        """Bets of numbers; those of shares follow."""
        self.size = 0
        """All bets."""
        self._held = {"notice": Held(len(plan.signals)), "page": Held(len(plan.signals))}
        self._notice, self._page = self._held["notice"], self._held["page"]
        self._first, self._end = 0, 0
        """The bets between these two are free: stepped by each run, not by blocks."""
        self._owner: list[int] = []
        """Position of the channel of each row: a number, or a cell of a share."""
        self._signals = memory.indices([])
        """The signal of each row."""
        self._blocked = False

    @property
    def notice(self) -> NDArray[np.float64]:
        """R of all bets for notices, to be read."""
        return memory.view(self._notice.evidence)

    @property
    def page(self) -> NDArray[np.float64]:
        """R of all bets for pages, to be read."""
        return memory.view(self._page.evidence)

    def restore(self, notice: NDArray[np.float64], page: NDArray[np.float64]) -> None:
        """Put back R of all bets; `place` and `weigh` must follow."""
        self._notice.evidence, self._page.evidence = memory.floats(notice.tolist()), memory.floats(page.tolist())
        self.size = len(notice)

    def step(self, bets: vec[float], notice_drip: float, page_drip: float, roots: int = 0) -> None:
        """Multiply one run's e-values in, or so many square roots of them (in place) where it is less than news."""
        if roots > 0:
            _soften(bets, self.size, roots)
        self._multiply(bets, notice_drip, page_drip)
        if self._blocked:
            rows = memory.view(bets)[: self.size]
            self.block_sums = self.block_sums + np.concatenate([rows[: self._first], rows[self._end :]])
            self.block_drip += page_drip
            self.block_runs += 1
            if self.block_runs >= self.plan.block:
                self._close_block()

    def _multiply(self, bets: vec[float], notice_drip: float, page_drip: float) -> None:
        """Both voices take one run's e-values in one pass, pages those of free bets alone."""
        signals, notice, page = self._signals, self._notice, self._page
        noticed, notice_weights, notice_totals = notice.evidence, notice.weights, notice.totals
        paged, page_weights, page_totals = page.evidence, page.weights, page.totals
        notice.begin()
        page.begin()
        at: i64 = 0
        row: i64 = 0
        size: i64 = self.size
        numbers: i64 = self.split
        wide: i64 = _NUMBER
        narrow: i64 = _SHARE
        first: i64 = self._first
        end: i64 = self._end
        while at < size:
            last: i64 = at + (wide if at < numbers else narrow)
            notice_total, page_total = 0.0, 0.0
            notice_amount, page_amount = notice_weights[row] * notice_drip, page_weights[row] * page_drip
            if first <= at < end:
                while at < last:
                    bet = bets[at]
                    grown = (noticed[at] + notice_amount) * bet
                    noticed[at] = grown
                    notice_total += grown
                    grown = (paged[at] + page_amount) * bet
                    paged[at] = grown
                    page_total += grown
                    at += 1
            else:
                while at < last:
                    grown = (noticed[at] + notice_amount) * bets[at]
                    noticed[at] = grown
                    notice_total += grown
                    page_total += paged[at]
                    at += 1
            signal = signals[row]
            notice_totals[signal] += notice_total
            page_totals[signal] += page_total
            row += 1
        notice.weigh_up()
        page.weigh_up()

    def full(self, voice: Voice) -> list[int]:
        """The signals whose account holds at least one."""
        found = self._held[voice].full()
        if found and voice == "page":
            self._page.cap()
        return found

    def by_channel(self, voice: Voice, signal: int) -> dict[int, float]:
        """What each channel of a signal holds, by its position in the plan."""
        evidence = self._held[voice].evidence
        found = dict.fromkeys(self.plan.members[signal], 0.0)
        at = 0
        for owner in self._owner:
            last = at + (_NUMBER if at < self.split else _SHARE)
            if owner in found:
                total = 0.0
                for bet in range(at, last):
                    total += evidence[bet]
                found[owner] += total
            at = last
        return found

    def means(self, bets: list[float]) -> list[float]:
        """Of each signal, the mean that an account for notices takes of its bets."""
        weights, signals, found = self._notice.weights, self._signals, [0.0] * len(self.plan.signals)
        at = 0
        for row in range(len(signals)):
            last = at + (_NUMBER if at < self.split else _SHARE)
            for bet in range(at, last):
                found[signals[row]] += weights[row] * bets[bet]
            at = last
        shares = [signal.notice_share for signal in self.plan.signals]
        return [total / share if share else 0.0 for total, share in zip(found, shares, strict=True)]

    def held(self, voice: Voice, first: int, end: int) -> NDArray[np.float64]:
        """R of the bets `first` to `end`."""
        return (self.notice if voice == "notice" else self.page)[first:end]

    def empty(self, voice: Voice, signal: int) -> None:
        """Set a signal's account to zero: it has paid, or what it bet on is gone."""
        self._held[voice].empty(signal, self._signals, self.split)

    def lay_out(self, numbers: int, shares: ShareChannels, moved: NDArray[np.intp] | None) -> None:
        """Follow the channels: `numbers` rows of numbers, and the cells of shares, moved as their freeze said."""
        first, end = self._first, self._end
        sums = np.full(self.size, float(self.block_runs))
        sums[:first], sums[end:] = self.block_sums[:first], self.block_sums[first:]
        self.restore(
            self._laid_out(self.notice, numbers, shares.size, moved, 0.0),
            self._laid_out(self.page, numbers, shares.size, moved, 0.0),
        )
        sums = self._laid_out(sums, numbers, shares.size, moved, float(self.block_runs))
        self.place(numbers, shares)
        self.block_sums = np.concatenate([sums[: self._first], sums[self._end :]])

    def place(self, numbers: int, shares: ShareChannels) -> None:
        """Say which row is whose."""
        self.split = numbers * _NUMBER
        plan = self.plan
        owners = list(plan.numbers[:numbers])
        for channel in shares.channels:
            owners += [channel.position] * channel.cells
        self._owner = owners
        self._signals = memory.indices([plan.signal_of[owner] for owner in owners])
        for held in (self._notice, self._page):
            held.weights = memory.filled(len(owners), 0.0)
        free_cells = sum([channel.cells for channel in shares.channels[: plan.free_others]])
        self._first = min(plan.blocked_numbers, numbers) * _NUMBER
        self._end = self.split + free_cells * _SHARE
        self._blocked = (self._first, self._end) != (0, self.size)

    def weigh(self, voice: Voice, live: Sequence[bool], on: Sequence[bool]) -> None:
        """Split each signal's share of the drip evenly over its live channels, and over each one's bets.

        `live` per channel, `on` per signal: a signal that fires drips nothing.
        """
        plan = self.plan
        bets = [0] * len(plan.channels)
        for owner in self._owner:
            bets[owner] += _NUMBER if plan.channels[owner].kind == "number" else _SHARE
        weights = [0.0] * len(plan.channels)
        for signal, members, one in zip(on, plan.members, plan.signals, strict=True):
            watched = [at for at in members if live[at] and bets[at]]
            share = one.notice_share if voice == "notice" else one.page_share
            for at in watched if signal else ():
                weights[at] = share / (len(watched) * bets[at])
        self._held[voice].weights = memory.floats([weights[owner] for owner in self._owner])

    def _close_block(self) -> None:
        """One observation for all blocked bets: the mean of the block."""
        means, bets = self.block_sums / float(self.block_runs), np.ones(self.size)
        bets[: self._first], bets[self._end :] = means[: self._first], means[self._first :]
        packed = memory.floats(bets.tolist())
        for first, end in ((0, self._first), (self._end, self.size)):
            if first < end:
                self._page.step(packed, self._signals, self.block_drip, self.split, first, end)
        self.block_sums = np.zeros(len(self.block_sums))
        self.block_runs, self.block_drip = 0, 0.0

    def _laid_out(
        self, held: NDArray[np.float64], numbers: int, cells: int, moved: NDArray[np.intp] | None, filling: float
    ) -> NDArray[np.float64]:
        found = np.full(numbers * _NUMBER + cells * _SHARE, filling)
        found[: self.split] = held[: self.split]
        shares = held[self.split :].reshape(-1, _SHARE)
        found[numbers * _NUMBER :] = (shares if moved is None else memory.follow(shares, moved, filling)).ravel()
        return found


def _soften(bets: vec[float], size: i64, roots: int) -> None:
    at: i64 = 0
    while at < size:
        value = bets[at]
        for _ in range(roots):
            value = math.sqrt(value)
        bets[at] = value
        at += 1
