"""Memory in large pages, where Linux lets a process ask for them (`transparent_hugepage`: madvise or always).

What the engine knows is some hundred megabytes of small objects, read in no order: with pages of 4 KiB nearly every one
of them costs a walk through the page tables, two of them on a virtual machine. Pages of 2 MiB make that rare.

Owner: one thread of the process, which looks every `EVERY` seconds at `/proc/self/smaps` and asks the kernel to put
what is full (`FULL`) and private into large pages; contents and addresses stay. Bound: memory grows by the gaps in what
is full, a tenth at most. Nothing hangs on it: where the kernel says no, or the system is another one, all stays as it
was. A process that forks would copy a large page for each byte that it writes then; nothing here does. Whoever asks for
memory waits while a page is copied. So memory that grows fast, as at a start, is left alone, and then a few pages are
copied at a time, with a pause behind them.
"""

from __future__ import annotations

import ctypes
import logging
import re
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

LARGE: Final = 2 * 2**20
"""Bytes of a large page, on x86 and on ARM with small pages of 4 KiB."""
FULL: Final = 0.9
"""The part of a mapping that must be in memory: a thread's stack is mostly empty, and would grow."""
EVERY: Final = 5.0
"""Seconds between two looks."""
FAST: Final = 1.3
"""How much more there is at a look than at the one before, where memory grows fast. State that is put back after a
start grows it by more than half between two looks; agents that are new and learn, as fast as can be, by a quarter."""
PORTION: Final = 2 * LARGE
"""Bytes that are copied at a time."""
REST: Final = 4.0
"""The pause behind them, in the time that they took."""
_ADVISE: Final = 14  # MADV_HUGEPAGE of <linux/mman.h>
_COLLAPSE: Final = 25  # MADV_COLLAPSE, since Linux 6.1; before that khugepaged does it in its own time
_SMAPS: Final = Path("/proc/self/smaps")
_HEAD: Final = re.compile(rb"^([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \d+ *(.*)$")
_started = threading.Lock()
_log = logging.getLogger(__name__)


class Mapping(NamedTuple):
    """A stretch of private, anonymous, writable memory; all in bytes."""

    first: int
    end: int
    resident: int
    large: int
    """So much of it is in large pages."""

    def to_do(self) -> tuple[int, int] | None:
        """The large pages inside, from and to, if the stretch is full and not in large pages already."""
        first, end = -(-self.first // LARGE) * LARGE, self.end // LARGE * LARGE
        full = self.resident >= FULL * (self.end - self.first)
        return (first, end) if full and self.large < end - first else None


def mappings(smaps: bytes) -> Iterator[Mapping]:
    """The stretches of memory that may be put into large pages, of a text as `/proc/self/smaps` has it."""
    first = end = resident = large = 0
    ours = False
    for line in smaps.splitlines():
        head = _HEAD.match(line)
        if head is not None:
            if ours:
                yield Mapping(first, end, resident, large)
            first, end, resident, large = int(head[1], 16), int(head[2], 16), 0, 0
            ours = head[3] == b"rw-p" and head[4] in (b"", b"[heap]")
        elif line.startswith(b"Rss:"):
            resident = 1_024 * int(line.split()[1])
        elif line.startswith(b"AnonHugePages:"):
            large = 1_024 * int(line.split()[1])
    if ours:
        yield Mapping(first, end, resident, large)


def look() -> list[Mapping]:
    """The stretches of this process's memory that may be put into large pages. Raises `OSError` without `/proc`."""
    return list(mappings(_SMAPS.read_bytes()))


def gather(found: Iterable[Mapping]) -> None:
    """Put what is full into large pages, once. What has gone meanwhile the kernel passes over."""
    madvise = ctypes.CDLL(None).madvise
    madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    for mapping in found:
        pages = mapping.to_do()
        if pages is None:
            continue
        # All of the mapping, so that it becomes one with a neighbour that was advised before: a large page may
        # lie across both.
        madvise(mapping.first, mapping.end - mapping.first, _ADVISE)
        for first in range(*pages, PORTION):
            begun = time.perf_counter()
            madvise(first, min(PORTION, pages[1] - first), _COLLAPSE)
            time.sleep(REST * (time.perf_counter() - begun))


def gather_what_stays(before: int) -> int:
    """One look: gather, unless there is much more than the `before` bytes of the last look; the bytes that there are.
    Raises `OSError` without `/proc`."""
    found = look()
    now = sum(mapping.resident for mapping in found)
    if now <= FAST * before:
        gather(found)
    return now


def in_large_pages() -> None:
    """Keep this process's memory in large pages from now on; worth a tenth to a third of the engine's speed."""
    if sys.platform == "linux" and _SMAPS.exists() and _started.acquire(blocking=False):
        threading.Thread(target=_keep, name="large pages", daemon=True).start()


def _keep() -> None:
    before = 0
    try:
        while True:
            time.sleep(EVERY)
            before = gather_what_stays(before)
    except (OSError, AttributeError) as error:  # /proc is hidden, or a C library without madvise
        _log.info("memory stays in small pages: %s", error)
