"""Short ways that runs take, against the plain ones: checksums, blocks, bins of durations, lengths, fields shown."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from zlib import crc32

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from detectors import durations
from monitor.changes.sightings import TOOLS, Sightings
from monitor.runs import Closed, Run, Work
from monitor.runs.packing import FEW_IDS, SHORT_ID, checksums, runs_to_bytes
from monitor.runs.work import length_of
from schemas.news import News

IDS = st.text(max_size=2 * SHORT_ID)
FIELDS = [["a:string"], ["a:string", "b:integer"], ["b:integer"], ["c:null", "d:number"]]


@given(st.sets(IDS, max_size=2 * FEW_IDS))
@example({f"run-{number}" for number in range(FEW_IDS)})
@example({f"run-{number}" for number in range(FEW_IDS + 1)})
@example({"x" * SHORT_ID, "x" * (SHORT_ID + 1)})
def test_checksums_of_ids_are_those_of_zlib_in_order(ids: set[str]) -> None:
    assert checksums(ids) == array("I", sorted(crc32(each.encode()) for each in ids)).tobytes()


@pytest.mark.parametrize("count", [0, 1, 15, 16, 64, 255, 256, 70])
def test_a_block_of_packed_runs_is_a_list_of_them(count: int) -> None:
    packed = [msgspec.msgpack.encode([number, "run"]) for number in range(count)]
    assert runs_to_bytes(packed) == msgspec.msgpack.encode([msgspec.Raw(each) for each in packed])


@given(st.floats())
@example(0.001)
@example(math.nan)
def test_a_duration_is_counted_in_the_bin_of_its_upper_edge(seconds: float) -> None:
    edges = [0.001 * 2.0 ** (number / 4.0) for number in range(durations.BINS - 1)]
    histogram = durations.new_histogram()
    durations.add(histogram, seconds)
    assert histogram.index(1) == bisect_left(edges, seconds)
    assert sum(histogram) == 1


@given(st.floats(min_value=-2.0, max_value=70.0))
@example(51.999)
@example(52.5)
@example(63.999999)
def test_a_length_is_rounded_as_python_rounds(log: float) -> None:
    power = int(log)
    plain = float(round((log - power + 1.0) * (1 << power)) - 1) if 0 <= power < 64 else None
    assert length_of([log]) == plain


@given(st.integers(0, 2_000))
def test_half_a_character_goes_to_the_even_one(twice: int) -> None:
    power = max((twice + 1).bit_length() - 2, 0)
    log = power + (twice + 1) / 2.0 / (1 << power) - 1.0
    if int(log) == power:
        assert length_of([log]) == float(round((twice + 1) / 2.0) - 1)


@given(
    st.lists(st.dictionaries(st.integers(0, TOOLS + 1), st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=3))
)
@example([{tool: (0, 1)} for tool in range(TOOLS + 2)] * 2)
def test_lists_of_fields_that_are_shared_show_what_equal_ones_show(shown: list[dict[int, tuple[int, int]]]) -> None:
    found: list[list[object]] = []
    for shared in (True, False):
        told: list[News] = []
        counted: list[str] = []
        seen = Sightings("a", told.append, counted.append)
        entries: list[object] = []
        for number, tools in enumerate(shown):
            seen.run(_closed(tools, shared), 600 * number, 0.0)
            entries += seen.changes()
        found.append([entries, [*told], counted])
    assert found[0] == found[1]


def _closed(tools: dict[int, tuple[int, int]], shared: bool) -> Closed:
    """A run with these tools; their results and arguments have the fields of that number, if there are any."""
    lists = [each if shared else [*each] for each in FIELDS]
    work = Work(
        result_fields={f"t{tool}": lists[number] for tool, (number, _) in tools.items() if number < len(lists)},
        argument_fields={f"t{tool}": lists[number] for tool, (_, number) in tools.items() if number < len(lists)},
    )
    run = Run("r", "v", 0, 0.0, 0.0, set(), {f"t{tool}": [1, 0, 0, 0] for tool in tools}, work)
    return Closed(run, "ok", 0.0, 1.0, None, None, work)
