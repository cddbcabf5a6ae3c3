"""What is known of a tool's interface from its calls: a sentence per case."""

from __future__ import annotations

import random

import msgspec
import pytest

from monitor.drift.tools import interfaces
from monitor.drift.tools.interfaces import Interface, Seen

PLAIN = ["argument order_id:string", "result amount:number", "result status:string"]


def _known(names: list[str] = PLAIN, runs: int = 300) -> dict[str, Interface]:
    tools: dict[str, Interface] = {}
    for _ in range(runs):
        interfaces.observe(tools, "t", names)
    return tools


def test_nothing_is_said_before_fifty_runs() -> None:
    tools: dict[str, Interface] = {}
    said = [interfaces.observe(tools, "t", PLAIN if i % 2 else PLAIN[:1]) for i in range(50)]
    assert said == [None] * 50
    assert interfaces.observe(tools, "t", PLAIN) == Seen((), ())


def test_a_new_field_is_told_for_two_hundred_runs_and_is_normal_after_that() -> None:
    tools = _known()
    told = [interfaces.observe(tools, "t", [*PLAIN, "result note:string"]) for _ in range(260)]
    assert told[0] == Seen(("result note:string",), ())
    assert [seen is not None and bool(seen.young) for seen in told] == [i < 200 for i in range(260)]


def test_a_field_that_goes_is_missed_until_the_runs_without_it_are_half() -> None:
    tools = _known()
    told = [interfaces.observe(tools, "t", PLAIN[:2]) for _ in range(300)]
    assert told[0] == Seen((), ("result status:string",))
    missed = [seen is not None and bool(seen.missing) for seen in told]
    assert missed.index(False) >= 60
    assert not any(missed[-40:])


def test_another_type_is_a_new_field_and_a_missing_one() -> None:
    tools = _known()
    changed = [*PLAIN[:2], "result status:object"]
    assert interfaces.observe(tools, "t", changed) == Seen(("result status:object",), ("result status:string",))
    assert interfaces.changes(tools["t"]) == Seen(("result status:object",), ("result status:string",))


def test_optional_fields_are_no_change() -> None:
    """A field in half of the runs is neither missed when it is away nor new when it is there."""
    rng = random.Random(1)
    tools: dict[str, Interface] = {}
    told = [interfaces.observe(tools, "t", PLAIN if rng.random() < 0.5 else PLAIN[:2]) for _ in range(2_000)]
    assert not any(seen for seen in told if seen != Seen((), ()))


def test_counting_runs_that_are_alike_at_once_is_the_same_as_one_by_one() -> None:
    rng = random.Random(2)
    tools: dict[str, Interface] = {}
    for _ in range(900):
        interfaces.observe(tools, "t", PLAIN if rng.random() < 0.9 else PLAIN[:2])
        whole = tools["t"]
        assert whole.n <= interfaces.WINDOW
        assert all(field.k + whole.same <= whole.n + whole.same for field in whole.fields.values())
    field = tools["t"].fields["result status:string"]
    assert 0.8 < field.k / tools["t"].n < 0.97


def test_ever_new_names_fill_no_memory() -> None:
    tools: dict[str, Interface] = {}
    for i in range(500):
        interfaces.observe(tools, f"t{i % 60}", [f"result f{i}.{j}:string" for j in range(30)])
    assert len(tools) == interfaces.TOOLS
    assert all(len(tool.fields) <= interfaces.FIELDS for tool in tools.values())


@pytest.mark.parametrize("part", [0.5, 0.9, 0.93])
def test_what_is_optional_is_not_missed_by_chance(part: float) -> None:
    """A search that finds nothing in one run of fourteen; of a tool more, and of twenty tools many would be missed."""
    rng = random.Random(4)
    tools: dict[str, Interface] = {}
    told = [interfaces.observe(tools, "t", ["lines"] if rng.random() < part else ["empty"]) for _ in range(2_000)]
    assert not any(seen.missing for seen in told if seen is not None)
    assert interfaces.observe(_known(["line"]), "t", ["lines"]) == Seen(("lines",), ("line",))


LAPSES: list[tuple[int, int, bool, str]] = [
    (1, 50, True, "each miss of one run in fifty"),
    (1, 25, False, "one run in twenty-five was always without it: it was core by chance"),
    (40, 400, True, "the runs of a stretch that lasts are not held against it"),
]


@pytest.mark.parametrize(("without", "of", "missed", "why"), LAPSES, ids=[row[3] for row in LAPSES])
def test_a_core_field_that_comes_and_goes_is_optional(without: int, of: int, missed: bool, why: str) -> None:
    tools = _known(PLAIN)
    for _ in range(300):
        interfaces.observe(tools, "t", PLAIN)
    told = []
    for number in range(400):
        names = PLAIN[:2] if number % of >= of - without else PLAIN
        seen = interfaces.observe(tools, "t", names)
        if names != PLAIN:
            told.append(seen is not None and bool(seen.missing))
    assert told[0], "the first one is a surprise"
    assert told[-1] is missed, why


@pytest.mark.parametrize("tenths", [2, 3, 8])
def test_a_field_that_is_away_now_and_then_is_missed_for_two_hundred_runs(tenths: int) -> None:
    """A part of the servers behind a tool was updated; it is what is normal after that."""
    rng = random.Random(tenths)
    tools = _known(PLAIN, 600)
    missed, counted = 0, 0
    for number in range(400):
        away = rng.random() < tenths / 10.0
        seen = interfaces.observe(tools, "t", PLAIN[:2] if away else PLAIN)
        counted += away and number < 120
        missed += seen is not None and bool(seen.missing)
        if number == 119:
            assert missed == counted, "each run without it"
    assert counted < missed <= counted + 80 * tenths / 10.0 + 12
    assert seen == Seen((), ())


def test_a_core_field_that_was_away_once_is_still_core() -> None:
    tools = _known(PLAIN, 600)
    for without in (1, 100, 200):
        assert interfaces.observe(tools, "t", PLAIN[:2]) == Seen((), ("result status:string",)), without
        for _ in range(99):
            assert interfaces.observe(tools, "t", PLAIN) == Seen((), ())
    assert tools["t"].fields["result status:string"].core


def test_results_of_a_rare_kind_that_come_in_rows_are_told_twice_at_most() -> None:
    """`{"found": false}` for one customer's six calls in a row, every 350 calls: after that it is a habit."""
    tools = _known(["result id:string"], 400)
    told: list[bool] = []
    for number in range(3_500):
        rare = number % 350 < 6
        seen = interfaces.observe(tools, "t", ["result found:boolean"] if rare else ["result id:string"])
        assert seen is not None
        assert rare or seen == Seen((), ())
        told.append(seen != Seen((), ()))
    assert [sum(told[at : at + 350]) for at in range(0, 3_500, 350)] == [6, 6, 0, 0, 0, 0, 0, 0, 0, 0]


def test_a_field_that_came_back_twice_is_missed_again_when_it_was_there_for_long() -> None:
    tools = _known(PLAIN, 400)
    for _ in range(2):
        for number in range(250):
            interfaces.observe(tools, "t", PLAIN[:2] if number < 5 else PLAIN)
    assert interfaces.observe(tools, "t", PLAIN[:2]) == Seen((), ())
    for _ in range(interfaces.LATELY // 2):
        interfaces.observe(tools, "t", PLAIN)
    assert interfaces.observe(tools, "t", PLAIN[:2]) == Seen((), ())
    for _ in range(interfaces.LATELY + interfaces.WINDOW):
        interfaces.observe(tools, "t", PLAIN)
    assert interfaces.observe(tools, "t", PLAIN[:2]) == Seen((), ("result status:string",))


def test_what_is_known_is_put_back_as_it_was() -> None:
    tools = _known(PLAIN)
    interfaces.observe(tools, "t", PLAIN[:2])
    interfaces.observe(tools, "t", PLAIN)
    assert tools["t"].fields["result status:string"].kept == 1
    again: dict[str, Interface] = {}
    interfaces.load(again, interfaces.save(tools))
    assert interfaces.save(again) == interfaces.save(tools)
    assert interfaces.observe(again, "t", [*PLAIN[:2], "new"]) == interfaces.observe(tools, "t", [*PLAIN[:2], "new"])


def test_a_state_of_before_fields_were_known_to_be_away_is_read() -> None:
    tools: dict[str, Interface] = {}
    interfaces.load(tools, msgspec.msgpack.encode({"t": (300, 200, {"a": (-200, 200, True)}, ["a"], True, 3)}))
    assert interfaces.observe(tools, "t", []) == Seen((), ("a",))
