"""When Python looks for reference cycles: seldom, and never while state is put back.

Our state has next to none, and its size makes each look dear: some 30 ms for `YOUNG` objects, which wait for it and
are looked at once. Owner of the setting: the process; nothing is lost when it ends anywhere. Invariant: `uncollected`
leaves the collector on or off as it found it.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

YOUNG: Final = 50_000
"""Objects that have come and not gone since the last look. Ten times as many made a pause of 0.3 s."""


def collect_rarely() -> None:
    """Let Python look for reference cycles seldom; worth a good part of the engine's speed."""
    gc.set_threshold(YOUNG, 200, 100)


@contextmanager
def uncollected() -> Iterator[None]:
    """No look for cycles inside, and what is put back is old at its end: it all stays, and to look at it while it is
    young takes longer than to read it. What is in no cycle goes as ever when nobody needs it any more."""
    was_on = gc.isenabled()
    gc.collect(0)  # what is garbage by now would grow old with the rest
    gc.disable()
    try:
        yield
        gc.freeze()  # the two together make all objects old and look at none
        gc.unfreeze()
    finally:
        if was_on:
            gc.enable()
