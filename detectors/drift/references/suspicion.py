"""From which run on the remembered runs of a channel look changed to one of its bets, by its present tables.

What they look like from there on is held back from the reference, for a fault would become normal otherwise. Each bet
has a CUSUM, max(1, M) * L, whose last start is where its change began; the bet that is highest at the end decides.
"""

from __future__ import annotations

from typing import Final

from librt.vecs import vec
from mypy_extensions import i64

from detectors.drift.bets import odds, shapes
from detectors.drift.bets.shapes import CELLS
from detectors.drift.references import memory
from detectors.drift.references.numbers import NONE, WEIGHTS, WINDOW, NumberChannels
from detectors.drift.references.share import STEPS, ShareChannel
from detectors.drift.references.shares import ShareChannels

NUMBER_BETS: Final = shapes.BETS
SHARE_BETS: Final = odds.BETS
NOTHING: Final = -1
"""Stands for a run that says nothing to the channel."""
SUSPICIOUS: Final = 100.0
"""Runs are held back while the CUSUM of one of the channel's bets is above this."""


def cusum(bets: vec[float]) -> tuple[int, float]:
    """Where the last stretch began of which the e-values of one bet tell, and how high its CUSUM is at the end."""
    height = 1.0
    at: i64 = 0
    runs: i64 = len(bets)
    start: i64 = runs
    while at < runs:
        if height <= 1.0:
            height, start = 1.0, at
        height = height * bets[at]
        at += 1
    return int(start), height


def of_number(channels: NumberChannels, at: int, first: int, end: int) -> int:
    """The run from which on, of runs `first` to `end` (at most `WINDOW`); `end` where nothing looks changed."""
    marks, places, scales, weights = channels.marks, channels.places, channels.scales, WEIGHTS
    size: i64 = channels.size
    channel: i64 = at
    begin: i64 = first
    runs: i64 = end - first
    rows = vec[i64]([i64(NOTHING)] * runs)
    run: i64 = 0
    while run < runs:
        cell: i64 = i64(marks[(begin + run) % WINDOW * size + channel])
        if cell != NONE:
            rows[run] = i64(places[channel * CELLS + cell]) * NUMBER_BETS
        run += 1
    bets = memory.filled(end - first, 1.0)
    highest, since = -1.0, 0
    bet: i64 = 0
    while bet < NUMBER_BETS:
        scale = scales[channel * NUMBER_BETS + bet]
        run = 0
        while run < runs:
            row = rows[run]
            if row != NOTHING:
                bets[run] = weights[row + bet] * scale
            run += 1
        start, height = cusum(bets)
        if height > highest:
            highest, since = height, start
        bet += 1
    return first + since if highest > SUSPICIOUS else end


def of_share(channels: ShareChannels, share: ShareChannel, first: int, end: int) -> int:
    """As `of_number`."""
    tape, slopes, scales = share.tape, channels.slopes, channels.scales
    width: i64 = share.width
    is_category = share.kind == "category"
    begin: i64 = first
    runs: i64 = end - first
    slots = vec[i64]([i64(NOTHING)] * runs)
    run: i64 = 0
    while run < runs:
        slot: i64 = (begin + run) % WINDOW * width
        if tape[slot] != NONE:
            slots[run] = slot
        run += 1
    bets = memory.filled(end - first, 1.0)
    highest, since = -1.0, 0
    bet: i64 = 0
    while bet < share.cells * SHARE_BETS:
        cell = bet // SHARE_BETS
        slope = slopes[share.start * SHARE_BETS + bet]
        scale = scales[share.start * SHARE_BETS + bet]
        run = 0
        while run < runs:
            slot = slots[run]
            if slot != NOTHING:
                if is_category:
                    part = 1.0 if i64(tape[slot]) == cell else 0.0
                else:
                    part = float(i64(tape[slot + cell])) / STEPS
                bets[run] = (slope * part + 1.0) * scale
            run += 1
        start, height = cusum(bets)
        if height > highest:
            highest, since = height, start
        bet += 1
    return first + since if highest > SUSPICIOUS else end
