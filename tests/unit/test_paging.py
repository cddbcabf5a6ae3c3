"""Memory in large pages: which stretches are taken, and that the kernel does as it is asked."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from monitor.serving.paging import LARGE, Mapping, mappings

SETTING = Path("/sys/kernel/mm/transparent_hugepage/enabled")
SMAPS = b"""\
55d0c0000000-55d0c0400000 rw-p 00000000 00:00 0                          [heap]
Size:               4096 kB
KernelPageSize:        4 kB
Rss:                4096 kB
AnonHugePages:      2048 kB
VmFlags: rd wr mr mw me ac hg
7f0000000000-7f0000100000 r-xp 00001000 08:01 42                         /usr/lib/x86_64-linux-gnu/libc.so.6
Rss:                1024 kB
AnonHugePages:         0 kB
7f1000000000-7f1000500000 rw-p 00000000 00:00 0
Rss:                5120 kB
AnonHugePages:         0 kB
7f2000000000-7f2000800000 rw-p 00000000 00:00 0                          [stack]
Rss:                8192 kB
AnonHugePages:         0 kB
7f3000000000-7f3000800000 rw-p 00000000 00:00 0
Rss:                 120 kB
AnonHugePages:         0 kB
"""
GROWN = """
import json
from monitor.serving.paging import gather_what_stays, look

objects = [(number, str(number)) for number in range(400_000)]
large = [sum(mapping.large for mapping in look())]
before = 0
for _ in range(3):
    before = gather_what_stays(before)
    large.append(sum(mapping.large for mapping in look()))
print(json.dumps([*large, all(number == int(text) for number, text in objects)]))
"""


def test_memory_of_objects_is_told_from_files_and_stacks() -> None:
    assert list(mappings(SMAPS)) == [
        Mapping(0x55D0C0000000, 0x55D0C0400000, 4 * 2**20, 2 * 2**20),
        Mapping(0x7F1000000000, 0x7F1000500000, 5 * 2**20, 0),
        Mapping(0x7F3000000000, 0x7F3000800000, 120 * 2**10, 0),
    ]


@pytest.mark.parametrize(
    ("mapping", "to_do"),
    [
        (Mapping(0, 3 * LARGE, 3 * LARGE, 0), (0, 3 * LARGE)),
        (Mapping(4_096, 3 * LARGE + 4_096, 3 * LARGE, LARGE), (LARGE, 3 * LARGE)),
        (Mapping(4_096, 3 * LARGE + 4_096, 3 * LARGE, 2 * LARGE), None),
        (Mapping(0, 3 * LARGE, 2 * LARGE, 0), None),
        (Mapping(4_096, 2 * LARGE - 4_096, 2 * LARGE - 8_192, 0), None),
    ],
    ids=["full", "ends within pages", "nothing left", "a third is empty", "no whole page inside"],
)
def test_what_is_full_is_taken_but_once(mapping: Mapping, to_do: tuple[int, int] | None) -> None:
    assert mapping.to_do() == to_do


def test_objects_move_into_large_pages_once_memory_grows_no_more_and_stay_what_they_are() -> None:
    told = subprocess.run([sys.executable, "-c", GROWN], capture_output=True, text=True, check=True, timeout=60)
    before, growing, after, again, whole = json.loads(told.stdout)
    assert whole
    assert growing == before, "there was nothing at the look before"
    assert again >= after >= before
    if SETTING.exists() and "[never]" not in SETTING.read_text():
        assert after >= 10 * LARGE, "some 50 MB of objects"
