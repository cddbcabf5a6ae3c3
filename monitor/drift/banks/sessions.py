"""How many runs of a session there are: what one run of an agent is worth as news.

Runs of one session are about one thing, and a bank bets as if they were drawn apart. The product of a session's
e-values, each to the power 1 / m for its m runs, is an e-value whatever hangs on what within the session (Hölder's
inequality). How many runs there will be is not known beforehand, so m is what was usual so far, as a power of two: a
number of square roots, which every machine takes alike. What is normal is learned from one run in m.

Calibrated, not proved: sessions differ. Not here: single signals that skip a session that goes on by themselves.
"""

from __future__ import annotations

from typing import Final
from zlib import crc32

from monitor.drift.banks.slots import Sessions

LATEST: Final = 64
"""Sessions that are remembered, the latest. A run of an older one begins a session."""
APART: Final = 64
"""Runs of an agent in a row that are of one session alone: it then says nothing, such as the name of a process."""
STEP: Final = 1.0 / 64.0
"""Part by which the usual share of runs that begin a session follows each run."""
MOST: Final = 4
"""Square roots at most: sessions of more than eleven runs count as if they had sixteen."""


def take(kept: Sessions, session: str | None) -> int:
    """Count a run; how many square roots of its e-values count, by the runs before it."""
    share = kept.begins
    kept.begins = share + STEP * ((1.0 if _begins(kept, session) else 0.0) - share)
    return roots_of(share)


def _begins(kept: Sessions, session: str | None) -> bool:
    if session is None:
        kept.alone = 0
        return True
    latest, before = kept.latest, kept.runs
    name = crc32(session.encode())
    known = latest.pop(name, None)
    alone = kept.alone + 1 if known == before else 0
    kept.runs, kept.alone = before + 1, alone
    latest[name] = before + 1
    if len(latest) > LATEST:
        del latest[next(iter(latest))]
    return known is None or alone >= APART


def teaches(number: int, roots: int) -> bool:
    """Whether what is normal is learned from this run of an agent: one in 2 ** `roots`, by Fibonacci hashing.

    Not every m-th: where each session is a question and its follow-up, these would be the questions alone.
    """
    return roots == 0 or (number * 0x9E37_79B1 & 0xFFFF_FFFF) >> (32 - roots) == 0


def roots_of(begins: float) -> int:
    """The power of two that is nearest to 1 / `begins`, the runs that are worth one, by factors."""
    roots, share = 0, begins * begins * 2.0
    while share < 1.0 and roots < MOST:
        roots, share = roots + 1, share * 4.0
    return roots
