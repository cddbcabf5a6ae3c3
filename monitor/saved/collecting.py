"""When Python looks for reference cycles: seldom, and never while state is put back.

Our state has next to none, and its size makes each look dear. Owner of the setting: the process; nothing is lost when
it ends anywhere. Invariant: `uncollected` leaves the collector as it found it.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


def collect_rarely() -> None:
    """Let Python look for reference cycles seldom; worth a good part of the engine's speed."""
    gc.set_threshold(500_000, 20, 100)


@contextmanager
def uncollected() -> Iterator[None]:
    """No look for cycles inside: what is put back all stays, and looking at it as it grows takes longer than that."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
