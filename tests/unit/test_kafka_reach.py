"""Reach: the clock of traces goes on only as far as every partition of the Collector's topics has been read."""

from __future__ import annotations

import msgspec
import pytest
from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from monitor.intake import assembler, dead_letters, otlp, spans
from monitor.intake.assembler import Assembler
from monitor.intake.spans import Span
from monitor.runtime.kafka.broker.fetched import Record
from monitor.runtime.kafka.cluster.lease import Progress
from monitor.runtime.kafka.partition import LetterParts, Outgoing
from monitor.runtime.kafka.traces.reach import MARKS, Reach
from monitor.runtime.kafka.traces.spans import AHEAD_SECONDS, AssemblerCore, SpanParts
from schemas.config import Topics
from schemas.event import Event
from schemas.records import Tick, TraceTick, encode_control

A, B = TP("otlp_spans", 0), TP("otlp_spans", 1)
PATIENCE = 60.0


def test_it_shows_the_last_time_up_to_which_all_is_done() -> None:
    reach = Reach(PATIENCE)
    assert reach.look(100.0, {A: Progress(5, 5), B: Progress(0, 0)}) == 100.0
    assert reach.look(101.0, {A: Progress(9, 6), B: Progress(3, 3)}) == 100.0
    assert reach.look(102.0, {A: Progress(12, 8), B: Progress(3, 3)}) == 100.0
    assert reach.look(103.0, {A: Progress(15, 10), B: Progress(7, 3)}) == 101.0, "9 of A is done, 12 is not"
    assert reach.look(104.0, {A: Progress(15, 15), B: Progress(7, 4)}) == 102.0
    assert reach.look(104.0, {A: Progress(16, 15), B: Progress(8, 7)}) == 104.0, "what came since does not count"


def test_a_partition_that_does_not_move_holds_the_others_up_for_so_long_and_no_longer() -> None:
    reach = Reach(PATIENCE)
    shown = [reach.look(float(now), {A: Progress(now, now), B: Progress(5, 2)}) for now in range(1, 120)]
    assert set(shown[:60]) == {0.0}
    assert shown[60:] == [float(now) for now in range(61, 120)]
    assert reach.look(120.0, {A: Progress(120, 120), B: Progress(5, 3)}) == 119.0, "it moves: it is waited for again"


def test_a_partition_that_was_quiet_for_hours_is_waited_for() -> None:
    reach = Reach(PATIENCE)
    for now in range(0, 7200, 10):
        reach.look(float(now), {A: Progress(7, 7)})
    assert reach.look(7200.0, {A: Progress(8, 7)}) == 7190.0


def test_a_long_backlog_that_is_worked_on_holds_it_however_long_and_keeps_few_notes() -> None:
    reach = Reach(PATIENCE)
    end = 10 * MARKS
    for now in range(1, end):
        assert reach.look(float(now), {A: Progress(10_000 + now, now)}) == 0.0
        assert len(reach._marks) <= MARKS
    assert reach.look(float(end), {A: Progress(10_000 + end, 10_000 + end)}) == end


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 5), st.integers(0, 3), st.integers(0, 5)), min_size=1, max_size=150
    )
)
def test_what_it_shows_is_never_ahead_of_what_is_done(steps: list[tuple[int, int, int, int]]) -> None:
    reach, ends = Reach(1e9), {A: 0, B: 0}
    done = dict(ends)
    history: dict[float, dict[TP, int]] = {}
    last = 0.0
    for number, (more_a, did_a, more_b, did_b) in enumerate(steps, start=1):
        ends[A], ends[B] = ends[A] + more_a, ends[B] + more_b
        done[A], done[B] = min(ends[A], done[A] + did_a), min(ends[B], done[B] + did_b)
        history[float(number)] = dict(ends)
        shown = reach.look(float(number), {tp: Progress(ends[tp], done[tp]) for tp in (A, B)})
        assert shown >= last
        assert shown == 0.0 or all(done[tp] >= history[shown][tp] for tp in (A, B))
        last = shown


# -- the assembler of a partition


def core() -> AssemblerCore:
    parts = SpanParts(otlp.decode_traces, otlp.decode_logs, spans.encode, spans.decode, spans.key, Assembler)
    return AssemblerCore(Topics(), 0, parts, LetterParts(dead_letters.dead_letter, dead_letters.encode))


def record(offset: int, value: bytes, time: float) -> Record:
    return Record(offset, None, value, time, ())


def span(number: int, name: str, parent: int | None, trace: str = "ab" * 16, **attributes: str) -> bytes:
    return spans.encode(
        Span(
            trace_id=trace,
            span_id=f"{number:016x}",
            parent_id=f"{parent:016x}" if parent is not None else "",
            name=name,
            start=1000.0,
            end=1001.0,
            attributes={key.replace("__", "."): value for key, value in attributes.items()},
        )
    )


TOP = span(1, "invoke_agent shop", None, gen_ai__operation__name="invoke_agent", gen_ai__agent__name="shop")
TOOL = span(2, "execute_tool refund", 1, gen_ai__operation__name="execute_tool", gen_ai__tool__name="refund")


def kinds(outgoing: list[Outgoing]) -> list[str]:
    return [msgspec.json.decode(out.value, type=Event).kind for out in outgoing if out.value is not None]


def tick(offset: int, time: float, wall: float) -> Record:
    return record(offset, encode_control(TraceTick(time, wall)), wall)


def test_a_trace_waits_while_something_written_before_is_not_read() -> None:
    one = core()
    assert not one.step([tick(0, 2000.0, 2000.0), record(1, TOP, 2000.5)])
    held = [tick(offset, 2000.0, 2000.0 + offset) for offset in range(2, 30)]
    assert not one.step(held), "the wall clock goes on, the reach does not"
    assert not one.step([record(30, TOOL, 2029.5)])
    told = one.step([tick(31, 2030.0, 2030.0), tick(32, 2031.0, 2031.0)])
    assert kinds(told) == ["run_started", "tool_call", "run_finished"]


def test_it_closes_a_second_after_its_topmost_span_was_written_and_not_before() -> None:
    one = core()
    one.step([tick(0, 2000.0, 2000.0), record(1, TOP, 2000.9)])
    assert not one.step([tick(2, 2001.0, 2001.0)]), "a tenth of a second is no grace"
    assert kinds(one.step([tick(3, 2002.0, 2002.0)])) == ["run_started", "run_finished"]


def test_a_worker_whose_clock_is_ahead_keeps_nothing_waiting() -> None:
    one = core()
    one.step([tick(0, 2000.0, 2000.0), record(1, TOP, 9_999.0)])
    assert not one.step([tick(2, 2000.0 + AHEAD_SECONDS, 2000.0 + AHEAD_SECONDS)])
    assert kinds(one.step([tick(3, 2002.0 + AHEAD_SECONDS, 2002.0 + AHEAD_SECONDS)])) == ["run_started", "run_finished"]


def test_ticks_of_an_older_monitor_move_it_too() -> None:
    one = core()
    one.step([record(0, encode_control(Tick(2000.0)), 2000.0), record(1, TOP, 2000.5)])
    assert kinds(one.step([record(2, encode_control(Tick(2002.0)), 2002.0)])) == ["run_started", "run_finished"]


def test_what_is_saved_goes_on_as_if_nothing_had_been() -> None:
    one = core()
    one.step([tick(0, 2000.0, 2000.0), record(1, TOP, 2000.5), tick(2, 2000.0, 2001.0)])
    other = core()
    other.load([(key, value) for key, value in one.changes() if value is not None])
    assert not other.step([record(1, TOP, 2000.5), tick(2, 2000.0, 2001.0)]), "it has seen them"
    told = [one.step([record(3, TOOL, 2001.5), tick(4, 2003.0, 2003.0)])]
    told.append(other.step([record(3, TOOL, 2001.5), tick(4, 2003.0, 2003.0)]))
    assert kinds(told[0]) == kinds(told[1]) == ["run_started", "tool_call", "run_finished"]


def test_too_many_traces_close_while_the_reach_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assembler, "OPEN_TRACES", 2)
    one = core()
    one.step([tick(0, 2000.0, 2000.0)])
    one.step([record(number, span(number, "chat", 99, trace=f"{number:032x}"), 2000.5) for number in (1, 2, 3, 4)])
    assert one.assembler.open_traces == 4
    one.step([tick(5, 2000.0, 2001.0)])
    assert one.assembler.open_traces == 2 and one.assembler.counts["evicted:open_traces"] == 2
