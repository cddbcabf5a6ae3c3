"""The channels of a bank whose values are shares of one: categories, mixes, rates. All their cells lie in one array.

A category or a mix has a cell per known name (the `NAMED` most frequent), one for the rest, and one for what was never
seen, whose mass is Good and Turing's: what was seen only once, over all. A rate has one cell. A set is like a mix, but
its names have rates of their own: nothing is bet on the rest, of which a run may have several.

Invariant: a channel that is not live, or says nothing of a run, has e-values of exactly one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
from librt.vecs import vec
from mypy_extensions import i64, u8
from numpy.typing import NDArray

from detectors.drift.bets import odds
from detectors.drift.bets.odds import BETS
from detectors.drift.channels import Channel, Value
from detectors.drift.references import learning, memory
from detectors.drift.references.learning import KNOWN, LIVE, LONGEST
from detectors.drift.references.numbers import HALVED_AT, NONE, WINDOW
from detectors.drift.references.share import STEPS, Name, ShareChannel

Learned = tuple[ShareChannel, dict[Name, float], float, float]
"""A channel, what is counted per name, of how many runs, and the parts of them that went to further names."""


class ShareChannels:
    """Channels of the kinds category, share and rate. `evidence` arrays of the bank follow `moved` after a freeze."""

    def __init__(self, plan: Sequence[Channel], places: Sequence[tuple[int, float]]) -> None:
        """The channels of a plan, and of those that lie here their position in it and their tolerance."""
        self.channels = [
            ShareChannel(position, plan[position].kind, tolerance, learning.Shares({}))
            for position, tolerance in places
        ]
        self._plan = plan
        self.size = 0
        """Cells of all channels."""
        self.counts = memory.filled(0, 0.0)
        """What was counted in each cell."""
        self.slopes = memory.filled(0, 0.0)
        self.scales = memory.filled(0, 1.0)
        """Per cell, its bets in a row."""
        self.learners: list[ShareChannel] = []
        self.readers: list[ShareChannel] = []
        """Live channels."""
        self.note()

    def restore(
        self,
        channels: list[ShareChannel],
        counts: NDArray[np.float64],
        slopes: NDArray[np.float64],
        scales: NDArray[np.float64],
    ) -> None:
        """Put back what was saved."""
        self.channels = channels
        self._hold(counts, slopes, scales)
        self.note()

    def note(self) -> None:
        """Follow the channels' flags in what is kept beside them for speed."""
        self.learners = [channel for channel in self.channels if channel.learner is not None]
        self.readers = [channel for channel in self.channels if channel.live]

    def ripe(self) -> list[ShareChannel]:
        """Those that have learned enough to be bet on: nothing, where the most that is normal is declared."""
        return [
            one for one in self.learners if not one.live and one.learner is not None
            if one.learner.n >= LIVE or self._plan[one.position].declared is not None
        ]  # fmt: skip

    def begin(self, channel: ShareChannel) -> None:
        """Start to collect what is there now, beside the frozen reference."""
        channel.learner = learning.Shares({})
        self.note()

    def drop(self, channel: ShareChannel, keep: bool) -> None:
        """Forget the reference; `keep` what a learner beside it collected."""
        self.silence(channel)
        channel.live = False
        self.learn(channel, False)
        if not keep or channel.learner is None:
            channel.learner = learning.Shares({})
        self.note()

    def inherit(
        self, other: ShareChannels, pairs: Sequence[tuple[ShareChannel, ShareChannel]]
    ) -> NDArray[np.intp] | None:
        """Take over another's references, mine from theirs, scaled down to `INHERITED` runs. Returns as `settle`."""
        found: list[Learned] = []
        for mine, theirs in pairs:
            factor = min(learning.INHERITED / theirs.n, 1.0) if theirs.n else 1.0
            sums = {name: total * factor for name, total in other.sums(theirs).items()}
            found.append((mine, sums, theirs.n * factor, theirs.met * factor))
        return self.settle(found)

    def learn_from(self, rows: list[list[Value]]) -> None:
        """Give the values of runs to the channels that learn."""
        for channel in self.learners:
            channel.learn_from(rows)

    def read(self, values: list[Value], run: int, out: vec[float], first: int) -> None:
        """Read one run's values of all channels; write the e-values, `BETS` a cell, to `out` from `first` on."""
        scales, slot = self.scales, run % WINDOW
        base: i64 = first
        at: i64 = 0
        size: i64 = len(scales)
        while at < size:
            out[base + at] = scales[at]
            at += 1
        for channel in self.readers:
            value = values[channel.position]
            kind = channel.kind
            if value is None:
                _forget(channel, slot)
                at = base + channel.start * BETS
                end: i64 = at + channel.cells * BETS
                while at < end:
                    out[at] = 1.0
                    at += 1
                continue
            if channel.learns:
                channel.n += 1.0
            if kind == "category":
                last = max(channel.cells - 2, 0)
                cell = channel.names.get(cast(Name, value), last)
                if cell >= last:
                    cell = self._meet(channel, cast(Name, value), 1.0)
                channel.tape[slot] = u8(cell)
                self._bet(channel.start + cell, 1.0, out, base, channel.learns)
            elif kind == "rate":
                part = cast(float, value)
                channel.tape[slot] = u8(int(part * STEPS + 0.5))
                self._bet(channel.start, part, out, base, channel.learns)
            else:
                self._read_mix(channel, cast("dict[str, float]", value), slot, out, base)

    def _read_mix(self, channel: ShareChannel, value: dict[str, float], slot: int, out: vec[float], base: i64) -> None:
        """The parts of a mix or set; names without a cell of their own share one."""
        names, tape, cells = channel.names, channel.tape, channel.cells
        last = max(cells - 2, 0)
        first: i64 = slot * cells
        at: i64 = first
        end: i64 = first + cells
        while at < end:
            tape[at] = u8(0)
            at += 1
        shared: dict[int, float] | None = None
        for name, part in value.items():
            cell = names.get(name, last)
            if cell >= last:
                cell = self._meet(channel, name, part)
                if shared is None:
                    shared = {}
                shared[cell] = shared.get(cell, 0.0) + part
            else:
                self._bet(channel.start + cell, part, out, base, channel.learns)
            at = first + cell
            tape[at] = u8(min(i64(tape[at]) + int(part * STEPS + 0.5), NONE - 1))
        if shared is not None:
            for cell, part in shared.items():
                self._bet(channel.start + cell, min(part, 1.0), out, base, channel.learns)

    def _bet(self, cell: i64, part: float, out: vec[float], base: i64, learns: bool) -> None:
        """L = (1 + slope * y) * scale of one cell's bets, and count it."""
        slopes, scales = self.slopes, self.scales
        at: i64 = cell * BETS
        end: i64 = at + BETS
        while at < end:
            out[base + at] = (slopes[at] * part + 1.0) * scales[at]
            at += 1
        if learns:
            self.counts[cell] += part

    def _meet(self, channel: ShareChannel, name: Name, part: float) -> int:
        """The cell of a name that has none of its own, which is counted by name."""
        if isinstance(name, str):
            name = name[:LONGEST]
        cell = channel.names.get(name, channel.cells - 1)
        if cell >= channel.cells - 2 and channel.learns:
            if name in channel.others:
                channel.others[name] += part
            elif len(channel.others) < KNOWN:
                channel.others[name] = part
            else:
                channel.met += part
        return cell

    def sums(self, channel: ShareChannel) -> dict[Name, float]:
        """What was counted per name, those of the rest included."""
        if channel.kind == "rate":
            return {"": self.counts[channel.start]}
        found = {
            name: self.counts[channel.start + cell] for name, cell in channel.names.items() if cell < channel.cells - 2
        }
        return found | channel.others

    def freeze(self, channels: Sequence[ShareChannel]) -> NDArray[np.intp] | None:
        """Make what these learned their references. Returns as `settle`."""
        return self.settle(
            [(one, one.learner.sums, float(one.learner.n), one.learner.met) for one in channels if one.learner]
        )

    def refresh(self, found: Sequence[tuple[ShareChannel, NDArray[np.float64] | None]]) -> NDArray[np.intp] | None:
        """Make tables from what was counted since, but not from a channel's suspicious stretch. Returns as `settle`."""
        learned: list[Learned] = []
        for channel, held_back in found:
            if held_back is not None:
                self.uncount(channel, held_back)
            sums, n, met = self.sums(channel), channel.n, channel.met
            if n >= HALVED_AT:
                sums = {name: total / 2.0 for name, total in sums.items()}
                n /= 2.0
                met /= 2.0
            learned.append((channel, sums, n, met))
        moved = self.settle(learned)
        for channel, _, n, _ in learned:
            channel.due = min(2.0 * n, HALVED_AT)
        return moved

    def uncount(self, channel: ShareChannel, past: NDArray[np.float64]) -> None:
        """Take the runs of a changed stretch, (runs, cells), out of the reference."""
        told = past[~np.isnan(past[:, 0])]
        counts = memory.view(self.counts)[channel.start : channel.start + channel.cells].copy()
        for parts in told:
            counts -= parts
        channel.n = max(channel.n - len(told), 0.0)
        self._set_counts(channel, np.clip(counts, 0.0, channel.n).tolist())
        if channel.kind == "rate":
            return
        end = channel.start + channel.cells
        rest, known = self.counts[end - 1] + self.counts[end - 2], sum(channel.others.values(), 0.0)
        if known > rest:
            channel.others = {name: total * rest / known for name, total in channel.others.items() if rest}

    def probability(self, channel: ShareChannel, cell: int) -> float:
        """The learned share of a cell."""
        if channel.kind == "rate":
            return (self.counts[channel.start] + 0.5) / (channel.n + 1.0)
        count = self.counts[channel.start + cell]
        if cell == channel.cells - 1:
            count = sum([total for total in self.sums(channel).values() if total <= 1.0], 0.0) + channel.met
        elif cell == channel.cells - 2:  # what was met only once stands for what was never seen
            once = [total for name, total in channel.others.items() if total <= 1.0 and name in channel.names]
            count = max(count - sum(once, 0.0), 0.0)
        return min((count + 0.5) / (channel.n + 1.0), 1.0 - 0.25 / (channel.n + 1.0))

    def probabilities(self, channel: ShareChannel, changed: NDArray[np.float64]) -> list[float]:
        """The learned share of each cell, without the (runs, cells) of a changed stretch that are in it so far."""
        found = [self.probability(channel, cell) for cell in range(channel.cells)]
        if not channel.learns:
            return found
        n = max(channel.n - len(changed), 0.0)
        for cell in range(channel.cells if channel.kind == "rate" else channel.cells - 1):
            count = min(max(self.counts[channel.start + cell] - sum(changed[:, cell].tolist()), 0.0), n)
            found[cell] = min((count + 0.5) / (n + 1.0), 1.0 - 0.25 / (n + 1.0))
        return found

    def past(self, channel: ShareChannel, first: int, end: int) -> NDArray[np.float64]:
        """The parts, (runs, cells), of runs `first` to `end`, at most `WINDOW`; NaN where a run said nothing."""
        tape = memory.view_bytes(channel.tape).reshape(WINDOW, channel.width)
        marks = tape[np.arange(first, end) % WINDOW]
        if channel.kind == "category":
            found: NDArray[np.float64] = (marks == np.arange(channel.cells, dtype=np.uint8)).astype(np.float64)
        else:
            found = marks / STEPS
        found[marks[:, 0] == NONE] = np.nan
        return found

    def bets(self, channel: ShareChannel, past: NDArray[np.float64]) -> NDArray[np.float64]:
        """The e-values, (runs, cells * BETS), that the present tables give for runs of the past."""
        cells = slice(channel.start, channel.start + channel.cells)
        slopes, scales = memory.view(self.slopes).reshape(-1, BETS), memory.view(self.scales).reshape(-1, BETS)
        found: NDArray[np.float64] = (slopes[cells] * past[:, :, None] + 1.0) * scales[cells]
        found[np.isnan(past[:, 0])] = 1.0
        return found.reshape(len(past), -1)

    def title(self, channel: ShareChannel, cell: int) -> str:
        """What a cell is called; what was never seen goes by the newcomer that was met most."""
        if channel.kind == "rate":
            return ""
        if cell == channel.cells - 2:
            return "all others"
        if cell < channel.cells - 2:
            return next(str(name) for name, at in channel.names.items() if at == cell)
        met = [(total, str(name)) for name, total in channel.others.items() if name not in channel.names]
        return max(met)[1] if met else "never seen before"

    def silence(self, channel: ShareChannel) -> None:
        """No bets any more, until the next `freeze` or `refresh`."""
        for at in range(channel.start * BETS, (channel.start + channel.cells) * BETS):
            self.slopes[at], self.scales[at] = 0.0, 1.0

    def learn(self, channel: ShareChannel, learns: bool) -> None:
        """Whether runs are counted into the reference."""
        channel.learns = learns

    def settle(self, found: Sequence[Learned]) -> NDArray[np.intp] | None:
        """Make what is known of some channels their references.

        Returns for each cell of the bank the old one, or -1; None if all stay.
        """
        before: dict[int, tuple[dict[Name, int], int, int]] = {}
        counted: list[tuple[ShareChannel, list[float]]] = []
        for channel, sums, n, met in found:
            old = channel.names, channel.cells, channel.start
            counted.append((channel, self._name(channel, sums, n, met)))
            if channel.cells != old[1] or any(
                channel.names.get(name) != cell for name, cell in old[0].items() if cell < channel.cells - 2
            ):
                before[channel.position] = old
        moved = self._lay_out(before) if before else None
        for channel, counts in counted:
            self._set_counts(channel, counts)
            if not channel.live or channel.position in before:
                channel.tape = memory.filled_bytes(WINDOW * channel.width, NONE)
            channel.live, channel.learner = True, None
            self.learn(channel, True)
            limits = self._plan[channel.position]
            for cell in range(channel.cells):
                slopes, scales = odds.bets(
                    self.probability(channel, cell), channel.n + 1.0, channel.tolerance, limits.harmless,
                    limits.declared,
                )  # fmt: skip
                if channel.kind == "set" and cell == channel.cells - 2:
                    slopes, scales = [0.0] * BETS, [1.0] * BETS
                for at, (slope, scale) in enumerate(zip(slopes, scales, strict=True), (channel.start + cell) * BETS):
                    self.slopes[at], self.scales[at] = slope, scale
        self.note()
        return moved

    def _name(self, channel: ShareChannel, sums: dict[Name, float], n: float, met: float) -> list[float]:
        """Give a channel's cells to the names that are the most; what is counted in each cell."""
        channel.n, channel.due = n, max(2.0 * n, LIVE)
        ranked = sorted(sums, key=lambda name: (-sums[name], str(name)))
        if channel.kind == "rate":
            channel.cells, channel.names, channel.met = 1, {}, met
            return [sums.get("", 0.0)]
        # names that have a cell keep it, so that what was remembered of past runs stays true
        names, cells, named = channel.names, channel.cells, channel.named
        top = sorted(ranked[:named], key=lambda name: min(names.get(name, named), cells))
        channel.cells = len(top) + 2
        channel.names = {name: i for i, name in enumerate(top)} | dict.fromkeys(ranked[named:KNOWN], len(top))
        channel.others = {name: sums[name] for name in ranked[named:KNOWN]}
        channel.met = met + sum([sums[name] for name in ranked[KNOWN:]], 0.0)
        return [*[sums[name] for name in top], sum(channel.others.values(), 0.0), 0.0]

    def _set_counts(self, channel: ShareChannel, counts: Sequence[float]) -> None:
        for cell, count in enumerate(counts, channel.start):
            self.counts[cell] = count

    def _hold(self, counts: NDArray[np.float64], slopes: NDArray[np.float64], scales: NDArray[np.float64]) -> None:
        """What lies in all cells; of bets (cells, BETS)."""
        self.size = len(counts)
        self.counts = memory.floats(counts.tolist())
        self.slopes, self.scales = memory.floats(slopes.ravel().tolist()), memory.floats(scales.ravel().tolist())

    def _lay_out(self, before: dict[int, tuple[dict[Name, int], int, int]]) -> NDArray[np.intp]:
        """Make room for the cells of channels that changed, by position: their names, cells and place until now.

        Evidence on a name stays with the name.
        """
        moved: list[int] = []
        for channel in self.channels:
            start = len(moved)
            old = before.get(channel.position)
            if old is None:
                moved += range(channel.start, channel.start + channel.cells)
            else:
                names, old_cells, old_start = old
                if channel.kind == "rate":
                    moved.append(old_start if old_cells else -1)
                else:
                    for name in [name for name, cell in channel.names.items() if cell < channel.cells - 2]:
                        at = names.get(name, -1)
                        moved.append(old_start + at if 0 <= at < old_cells - 2 else -1)
                    moved += [old_start + old_cells - 2, old_start + old_cells - 1] if old_cells else [-1, -1]
            channel.start = start
        found = np.array(moved, dtype=np.intp)
        self._hold(
            memory.follow(memory.view(self.counts), found, 0.0),
            memory.follow(memory.view(self.slopes).reshape(-1, BETS), found, 0.0),
            memory.follow(memory.view(self.scales).reshape(-1, BETS), found, 1.0),
        )
        self.note()
        return found


def _forget(channel: ShareChannel, slot: int) -> None:
    width = channel.width
    for at in range(slot * width, (slot + 1) * width):
        channel.tape[at] = u8(NONE)
