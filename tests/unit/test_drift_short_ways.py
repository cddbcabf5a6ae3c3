"""What drift does in short for runs that are like the ones before them, beside the plain way of doing it."""

from __future__ import annotations

import math
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.drift.references.shortest import shortest
from monitor.drift import channels
from monitor.drift.banks import packed, recent
from monitor.drift.banks.slots import Sample
from monitor.drift.memory import Reading
from monitor.drift.outputs.answers import AWAY, Answers
from monitor.drift.outputs.marks import Marks
from monitor.drift.outputs.stretches import WARM, WINDOW, Stretches
from monitor.drift.tools import interfaces, paces
from monitor.drift.tools.interfaces import Interface
from monitor.drift.tools.stuck import Stuck
from monitor.evidence.within.node import Node
from monitor.runs import Closed, Run, Work
from monitor.saved.states import NodeState, WorkState

# Which of a few texts comes how often in a row: what is alike lasts, as in life.
_TURNS = st.lists(st.tuples(st.integers(0, 5), st.integers(1, 300)), max_size=8)
_NAMES = st.sampled_from(["a", "a:b", "b:c", "b.c:d", "ü", "ü:", "", ":"])
_FIELDS = st.sampled_from(["a", "a:b", "a:b#1", "a:b#2", "a:c#1", "b:c#", "b.c:d##", "ü:#3", "", "#", ":"])
_NUMBERS = st.floats() | st.integers(-(2**60), 2**60).map(float) | st.integers(-(2**54), 2**54).map(lambda n: n / 2)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 700)), max_size=12))
def test_answers_in_no_stretch_are_counted_together_as_one_by_one(turns: list[tuple[bool, int]]) -> None:
    plain, short = Stretches(), Stretches()
    for lasts, times in turns:
        for one in (plain, short):
            one.take(lasts, AWAY)
            one.take(False, AWAY)
        for _ in range(times):
            plain.take(False, AWAY)
        short.rest(times)
        assert short.packed() == plain.packed()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(_NAMES, max_size=6), min_size=6, max_size=6), _TURNS, st.integers(1, 400))
def test_marks_that_repeat_are_taken_as_one_by_one(
    texts: list[list[str]], turns: list[tuple[int, int]], n: int
) -> None:
    plain, short = Marks(), Marks()
    for text, times in turns:
        for number in range(times):
            plain.save()
            plain._latest = None  # or it would do the same
            plain.observe([*texts[text]])
            short.observe([*texts[text]])
            assert (short.known, short.young, short.gone) == (plain.known, plain.young, plain.gone)
            if number % n == 0:
                assert short.save() == plain.save()
    assert short.save() == plain.save()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(_FIELDS, max_size=9), min_size=6, max_size=6), _TURNS)
def test_fields_that_are_expected_are_taken_as_those_that_are_looked_up(
    answers: list[list[str]], turns: list[tuple[int, int]]
) -> None:
    short, count = Answers(), 0
    first: dict[str, int] = {}
    away: dict[str, Stretches] = {}
    last: dict[str, str] = {}
    for answer, times in turns:
        for _ in range(times):
            count += 1
            names = {field.partition("#")[0] for field in answers[answer]}
            first = {name: first.get(name, count) for name in [*first, *sorted(names)]}
            lost = [name for name in away if name not in names and away[name].length >= WINDOW - 1]
            away = {name: away.get(name) or Stretches() for name in first if name not in lost}
            first = {name: at for name, at in first.items() if name in away}
            gone = [name for name, one in away.items() if one.take(name not in names, AWAY)]
            for field in answers[answer]:
                name, hashed, value = field.partition("#")
                if hashed:
                    last[name[: name.rfind(":")]] = value
            short.observe([*answers[answer]], 1, None)
            assert (short.known, sorted(short.gone)) == (count > WARM, sorted(gone))
    found = msgspec.msgpack.decode(short.save())
    assert (found[2], found[4]) == (first, last)
    assert found[3] == {name: list(one.packed()) for name, one in away.items()}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(_NAMES, max_size=4), min_size=6, max_size=6), _TURNS)
def test_calls_that_repeat_are_counted_as_those_that_are_compared(
    calls: list[list[str]], turns: list[tuple[int, int]]
) -> None:
    plain: dict[str, Interface] = {}
    short: dict[str, Interface] = {}
    for call, times in turns:
        for tool in ("one", "another")[: 1 + times % 2]:
            for _ in range(times):
                names, told = sorted(set(calls[call])), [*calls[call]]
                seen = interfaces.observe(plain, tool, names)
                if interfaces.repeats(short, tool, told, []):
                    assert seen == interfaces.NOTHING
                else:
                    assert interfaces.observe(short, tool, names) == seen
                    short[tool].told = told, []
            interfaces.save(short)  # what it keeps of that must not be kept too long
    assert interfaces.save(short) == interfaces.save(plain)


@given(st.lists(st.integers(0, 60), max_size=300))
def test_the_tool_that_was_quiet_longest_gives_way_and_stands_first(asked: list[int]) -> None:
    known, plain = Stuck(), dict[str, None]()
    for number in asked:
        known.observe({f"t{number}": (number, 1)})
        plain.pop(f"t{number}", None)
        plain[f"t{number}"] = None
        plain = dict.fromkeys([*plain][-40:])
    assert list(msgspec.msgpack.decode(known.save())) == [*plain]


@given(st.floats(1e-9, paces.MOST))
def test_times_are_told_in_steps(times: float) -> None:
    grain = paces.GRAIN
    while times > paces.FINEST * grain:
        grain *= 2.0
    told = paces.told(times)
    assert (told / grain).is_integer()
    assert abs(told - times) <= grain / 2.0


@given(
    st.lists(_NUMBERS | st.none() | st.text() | st.dictionaries(st.text(), _NUMBERS, max_size=3), max_size=20),
    st.integers(0, len(channels.ROWS) - 20),
)
def test_a_run_is_packed_number_by_number_in_the_fewest_bytes(some: list[Any], at: int) -> None:
    values: list[Any] = [row.place.words[-1] if row.place and row.place.words else 1.0 for row in channels.ROWS]
    values[at : at + len(some)] = some
    sample = Sample(7, "r", "v", 1e9, values, -0.5, 2.0, 3.0, whose=["tenant=a"], roots=2)
    written: list[Any] = []
    for row, value in zip(channels.ROWS, values, strict=True):
        if isinstance(value, float):
            written.append(shortest(value))
        elif isinstance(value, dict):
            written.append({word: shortest(part) for word, part in value.items()})
        elif isinstance(value, str) and row.place is not None and value in row.place.words:
            written.append(row.place.words.index(value))
        else:
            written.append(value)
    fields = (7, "r", "v", 10**9, written, -0.5, 2, 3, 0, True, True, ["tenant=a"], 2)
    assert packed.pack(sample) == msgspec.msgpack.encode(fields)


@settings(deadline=None)
@given(st.lists(st.integers(0, 150), max_size=6), st.integers(0, 100))
def test_what_is_saved_of_runs_are_the_chunks_with_new_ones(counts: list[int], skipped: int) -> None:
    ring, number = recent.Recent(), skipped
    ring.load([], skipped)
    blocks: dict[str, bytes | memoryview] = {}
    for count in counts:
        for _ in range(count):
            ring.add(Sample(number, "r", "", 1.0, [], 0.0, 0.0))
            number += 1
        places = {at // recent.CHUNK % 9 for at in range(max(number - count, number - recent.RING), number)}
        changed = ring.save()
        assert list(changed) == [f"runs{place}" for place in sorted(places)]
        blocks |= {name: raw for name, raw in changed.items() if raw is not None}
    again = recent.Recent()
    again.load(blocks.values(), number)
    assert [one.number for one in again.samples()] == [*range(max(number - recent.RING, skipped), number)]


def test_what_is_written_of_a_node_and_of_work_is_in_the_order_in_which_it_is_read() -> None:
    names = NodeState.__struct_fields__
    numbers = {name: 0.5 + at for at, name in enumerate(names) if NodeState.__annotations__[name] == "float"}
    node = Node("s", "v", "t", "o", (1.0, 2.0, 3.0, 4.0, 5.0, 6.0), **numbers | {"k": 7.0}, declared=0.25)
    assert node.fields() == [getattr(node, name) for name in names]
    assert [type(value) for value in node.fields()[7:10]] == [float, int, float]
    work = Work()
    for at, name in enumerate(WorkState.__struct_fields__):
        kinds = {"str": name, "int": at, "float": at + 0.5, "bool": at % 2 == 0, "list": [name], "dict": {name: at}}
        kind = WorkState.__annotations__[name].partition(" ")[0].partition("[")[0]
        if kind in kinds:
            setattr(work, name, kinds[kind])
    assert work.fields(None, None) == [getattr(work, name) for name in WorkState.__struct_fields__]


@given(st.integers(0, 90), st.integers(-3, 40), st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_a_shape_is_copied_as_its_rows_read_it(length: int, code: int, number: float) -> None:
    shape = [float(code) if at % 3 else math.fabs(number) % 7.0 for at in range(length)]
    run = Run("r", "v", 0, 1.0, 2.0, set(), {"t": [2, 1, 0, 0]}, Work(output_shape=shape if length else None))
    reading = Reading(Closed(run, "ok", 2.0, 1.0, None, None, run.work), None, None, None, None)

    def read(row: channels.Row) -> Any:
        if row.place is None:
            return row.read(reading)
        if row.place.at >= length:
            return None
        value, words = shape[row.place.at], row.place.words
        return words[max(min(int(value), len(words) - 1), -len(words))] if words else value

    if all(-len(row.place.words) <= code for row in channels.ROWS if row.place is not None and row.place.words):
        assert channels.values_of(reading, frozenset()) == [read(row) for row in channels.ROWS]
