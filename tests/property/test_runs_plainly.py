"""Short ways that runs take, against the plain ones: blocks, fields shown."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from monitor.changes.sightings import TOOLS, Sightings
from monitor.runs import Closed, Run, Work
from monitor.runs.packing import runs_to_bytes
from schemas.news import News

FIELDS = [["a:string"], ["a:string", "b:integer"], ["b:integer"], ["c:null", "d:number"]]


@pytest.mark.parametrize("count", [0, 1, 15, 16, 64, 255, 256, 70])
def test_a_block_of_packed_runs_is_a_list_of_them(count: int) -> None:
    packed = [msgspec.msgpack.encode([number, "run"]) for number in range(count)]
    assert runs_to_bytes(packed) == msgspec.msgpack.encode([msgspec.Raw(each) for each in packed])


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
