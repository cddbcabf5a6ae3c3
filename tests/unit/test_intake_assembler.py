"""When a trace closes, what comes later, what a limit does, and that a restart changes nothing."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from monitor.intake import assembler as module
from monitor.intake.assembler import Assembler
from monitor.intake.assembly import heads
from monitor.intake.dialects.reading import Reading
from monitor.intake.spans import LogRecord, Span
from schemas import limits
from schemas.event import Event, decode, encode
from schemas.texts.derive import keep_no_text

OP = "gen_ai.operation.name"
AGENT = {OP: "invoke_agent", "gen_ai.agent.name": "support"}
CHAT, TOOL = {OP: "chat"}, {OP: "execute_tool", "gen_ai.tool.name": "refund"}


def span(trace: int, number: int, above: int | None, said: dict[str, Any], **more: Any) -> Span:
    return Span(
        trace_id=f"{trace:032x}",
        span_id=f"{number:016x}",
        parent_id="" if above is None else f"{above:016x}",
        attributes=said,
        resource={"service.name": "shop"},
        **{"start": 100.0 + number, "end": 200.0 - number, "observed_time": 200.0} | more,
    )


def kinds(events: list[Event]) -> list[str]:
    return [event.kind for event in events]


RUN = [span(1, 2, 1, CHAT), span(1, 3, 1, TOOL), span(1, 1, None, AGENT)]


def test_a_trace_closes_a_moment_after_its_topmost_span() -> None:
    found = Assembler(trace_timeout=60.0, grace=1.0)
    found.add(RUN[:2], now=10.0)
    assert found.next_wake() == 70.0 and found.tick(50.0) == []
    found.add(RUN[2:], now=51.0)
    assert found.next_wake() == 52.0 and found.tick(51.9) == []
    assert kinds(found.tick(52.0)) == ["run_started", "tool_call", "llm_call", "run_finished"]
    assert found.next_wake() is None and found.tick(99.0) == found.flush() == []
    assert found.counts == {"spans": 3, "runs_assembled": 1}


def test_children_may_follow_within_the_grace() -> None:
    found = Assembler()
    found.add(RUN[2:], now=10.0)
    found.add(RUN[:2], now=10.9)
    assert len(found.tick(11.0)) == 4


def test_a_run_without_its_topmost_span_ends_by_time_out() -> None:
    found = Assembler(trace_timeout=60.0)
    found.add(RUN[:1], now=10.0)
    found.add(RUN[1:2], now=30.0)
    assert found.tick(89.0) == []
    assert kinds(found.tick(90.0)) == ["run_started", "tool_call", "llm_call", "run_finished"]
    assert (found.counts["runs_headless"], found.counts["traces_timed_out"]) == (1, 1)


def _runs_with_their_heads(found: Assembler, count: int) -> None:
    for number in range(100, 100 + count):
        found.add([span(number, 2, 1, CHAT), span(number, 1, None, AGENT)], now=1.0)
    assert len(found.tick(2.0)) == 3 * count


def test_a_call_that_takes_minutes_ends_no_run_whose_head_will_come() -> None:
    """A provider that hangs until the client gives up is a failed run, not a good one that was short."""
    found = Assembler(trace_timeout=60.0)
    _runs_with_their_heads(found, heads.FEW)
    found.add(RUN[:2], now=10.0)
    assert found.tick(600.0) == []
    found.add([span(1, 4, 1, CHAT, status="error"), span(1, 1, None, AGENT, status="error")], now=611.0)
    (finished,) = [event for event in found.tick(612.0) if event.kind == "run_finished"]
    assert finished.status == "error"
    assert "spans_late" not in found.counts


def test_a_head_that_never_comes_is_waited_for_long_but_not_for_ever() -> None:
    found = Assembler(trace_timeout=60.0)
    _runs_with_their_heads(found, heads.FEW)
    found.add(RUN[:2], now=10.0)
    assert found.tick(10.0 + heads.PATIENCE - 0.1) == []
    assert len(found.tick(10.0 + heads.PATIENCE)) == 4
    found.add([span(2, 2, 1, CHAT), span(2, 3, 1, TOOL, status="error", end=300.0)], now=2_000.0)
    assert len(found.tick(2_060.0)) == 4, "what failed at last may have ended there"


def test_where_heads_mostly_do_not_come_none_is_waited_for_longer() -> None:
    found = Assembler(trace_timeout=60.0)
    _runs_with_their_heads(found, heads.FEW)
    at = 10.0
    found.add(RUN[:2], now=at)
    assert len(found.tick(at + heads.PATIENCE)) == 4
    found.add([span(2, 2, 1, CHAT), span(2, 3, 1, TOOL)], now=at + heads.PATIENCE)
    assert len(found.tick(at + heads.PATIENCE + 60.0)) == 4


def test_a_head_that_came_late_is_none_that_does_not_come() -> None:
    """An agent all of whose calls take minutes: what was closed too early at first says that it is to be waited for."""
    found = Assembler(trace_timeout=60.0)
    for number in range(100, 100 + heads.FEW):
        at = 100.0 * number
        found.add([span(number, 2, 1, CHAT), span(number, 3, 1, TOOL)], now=at)
        assert len(found.tick(at + 60.0)) == 4, "nothing is known of it yet"
        found.add([span(number, 1, None, AGENT)], now=at + 61.0)
        assert len(found.tick(at + 62.0)) == 1
    found.add(RUN[:2], now=90_000.0)
    assert found.tick(90_000.0 + heads.PATIENCE - 1.0) == []


def test_heads_are_known_by_their_own_service_whoever_tells_of_a_trace_first() -> None:
    """The span of a tool that has a process of its own ends first, and is sent first."""
    found = Assembler(trace_timeout=60.0)
    for number in range(100, 100 + heads.FEW):
        tool = span(number, 9, 3, {}, remote_parent=True, start=110.0, end=111.0)
        tool = msgspec.structs.replace(tool, resource={"service.name": "stock"})
        found.add([tool, span(number, 2, 1, CHAT), span(number, 3, 1, TOOL), span(number, 1, None, AGENT)], now=1.0)
    assert len(found.tick(2.0)) == 4 * heads.FEW
    found.add(RUN[:2], now=10.0)
    assert found.tick(10.0 + heads.PATIENCE - 1.0) == []


def test_what_is_known_of_services_is_bounded_and_of_late() -> None:
    known = heads.Heads()
    for number in range(heads.SERVICES):
        for _ in range(heads.FEW):
            known.note(f"s{number}", True)
    first, last = (Reading(span_id="1", start=1.0, end=2.0, service=f"s{at}") for at in (0, heads.SERVICES - 1))
    assert known.patience([first], 60.0) == known.patience([last], 60.0) == heads.PATIENCE
    assert known.patience([first], 3_600.0) == 3_600.0
    known.note("new", True)
    assert (known.patience([first], 60.0), known.patience([last], 60.0)) == (60.0, heads.PATIENCE)
    for _ in range(50 * heads.WINDOW):
        known.note("new", True)
    for _ in range(heads.WINDOW // 5):
        known.note("new", False)
    assert known.patience([Reading(span_id="1", start=1.0, end=2.0, service="new")], 60.0) == 60.0


def test_a_run_whose_parent_is_in_another_process_is_topmost_here() -> None:
    found = Assembler()
    found.add([span(1, 2, 1, CHAT), span(1, 1, 9, AGENT, remote_parent=True)], now=10.0)
    assert {event.run for event in found.tick(11.0)} == {f"{1:032x}"}


def test_unless_spans_of_the_other_process_are_here_too() -> None:
    caller = {OP: "invoke_agent", "gen_ai.agent.name": "caller"}
    found = Assembler()
    found.add([span(1, 6, 5, CHAT), span(1, 2, 1, CHAT), span(1, 1, 7, AGENT, remote_parent=True)], now=10.0)
    assert found.tick(20.0) == []
    found.add([span(1, 7, 5, TOOL), span(1, 5, None, caller)], now=21.0)
    events = found.tick(22.0)
    assert {(event.agent, event.parent_agent) for event in events} == {("caller", None), ("support", "caller")}


def test_a_request_may_end_long_before_its_agent() -> None:
    found = Assembler(trace_timeout=60.0)
    found.add([span(1, 3, 2, CHAT), span(1, 1, None, {"http.route": "/jobs"})], now=10.0)
    assert found.tick(20.0) == []  # the chat's parent is still on the way
    found.add([span(1, 4, 2, TOOL), span(1, 2, 1, AGENT)], now=30.0)
    assert kinds(found.tick(31.0)) == ["run_started", "tool_call", "llm_call", "run_finished"]


def test_or_before_any_span_of_it() -> None:
    found = Assembler(trace_timeout=60.0)
    found.add([span(1, 1, None, {"http.route": "/jobs"})], now=10.0)
    assert found.tick(20.0) == []
    found.add([span(1, 3, 2, CHAT)], now=30.0)
    found.add([span(1, 2, 1, AGENT)], now=40.0)
    assert kinds(found.tick(41.0)) == ["run_started", "llm_call", "run_finished"]


def test_late_spans_are_told_of_the_same_run() -> None:
    found = Assembler()
    found.add(RUN[2:], now=10.0)
    assert kinds(found.tick(11.0)) == ["run_started", "run_finished"]
    found.add(RUN[:2], now=15.0)
    assert kinds(found.tick(16.0)) == ["tool_call", "llm_call"]
    assert found.counts["spans_late"] == 2


def test_a_late_sub_agent_is_a_child_run_of_the_same_trace() -> None:
    sub = {OP: "invoke_agent", "gen_ai.agent.name": "billing"}
    found = Assembler()
    found.add(RUN, now=10.0)
    found.tick(11.0)
    found.add([span(1, 8, 7, CHAT)], now=15.0)  # its agent is still on the way: wait
    assert found.tick(17.0) == []
    found.add([span(1, 7, 3, sub)], now=18.0)
    events = found.tick(19.0)
    assert kinds(events) == ["run_started", "llm_call", "run_finished"]
    assert {(e.run, e.parent_run, e.agent) for e in events} == {(f"{1:032x}/{7:016x}", f"{1:032x}", "billing")}


def test_a_late_topmost_span_ends_the_headless_run_again() -> None:
    found = Assembler(trace_timeout=60.0)
    found.add(RUN[:2], now=10.0)
    (finished,) = [event for event in found.tick(70.0) if event.kind == "run_finished"]
    found.add([span(1, 1, None, AGENT, status="error")], now=100.0)
    (again,) = found.tick(101.0)
    assert (finished.status, again.status, again.run) == ("ok", "error", finished.run)


def test_repeated_spans_are_dropped_before_and_after_closing() -> None:
    found = Assembler()
    found.add(RUN + RUN, now=10.0)
    assert len(found.tick(11.0)) == 4
    found.add(RUN, now=12.0)
    assert found.tick(999.0) == [] and found.counts["spans_ignored:duplicate"] == 6


def test_after_an_hour_a_trace_is_forgotten() -> None:
    found = Assembler()
    found.add(RUN, now=10.0)
    found.tick(11.0)
    found.changes()
    assert found.tick(11.0 + 3600.0) == [] and found.changes() == [(f"trace/{1:032x}", None)]


def test_an_evaluation_finds_its_run_while_it_is_remembered() -> None:
    judged = {"gen_ai.evaluation.name": "tone", "gen_ai.evaluation.score.value": 1.0}
    log = LogRecord(
        trace_id=f"{1:032x}", span_id=f"{2:016x}", name="gen_ai.evaluation.result", time=300.0, attributes=judged
    )
    found = Assembler()
    found.add(RUN, now=10.0)
    found.tick(11.0)
    found.add([log], now=20.0)
    (event,) = found.tick(21.0)
    assert (event.kind, event.run, event.agent, event.score, event.time) == (
        "evaluation",
        f"{1:032x}",
        "support",
        1.0,
        300,
    )
    unknown = msgspec.structs.replace(log, trace_id=f"{2:032x}")
    found.add([unknown], now=30.0)
    (event,) = found.tick(90.0)
    assert (event.run, event.agent) == (f"{2:032x}", None)


def test_too_many_open_traces_close_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "OPEN_TRACES", 2)
    found = Assembler()
    for trace in (1, 2, 3):
        found.add([span(trace, 2, 1, CHAT), span(trace, 3, 1, TOOL)], now=float(trace))
    assert {event.run for event in found.tick(3.0)} == {f"{1:032x}"}
    assert found.counts["evicted:open_traces"] == 1 and found.open_traces == 2


def test_too_many_spans_of_a_trace_are_dropped_but_for_the_topmost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SPANS_PER_TRACE", 3)
    found = Assembler()
    found.add([span(1, n, 1, CHAT) for n in range(2, 10)] + [span(1, 1, None, AGENT)], now=10.0)
    assert kinds(found.tick(11.0)) == ["run_started", *["llm_call"] * 3, "run_finished"]
    assert found.counts["evicted:trace_spans"] == 5


def test_texts_beyond_the_limit_of_a_trace_are_read_and_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [TOOL | {"gen_ai.tool.call.result": f'{{"error": "{number} {"x" * 400}"}}'} for number in range(2, 12)]
    spans = [*(span(1, number, 1, said) for number, said in enumerate(answers, 2)), span(1, 1, None, AGENT)]
    expected = Assembler(keep_text=True)
    expected.add(spans, now=10.0)
    monkeypatch.setattr(module, "TRACE_TEXT_BYTES", 1_000)
    found = Assembler(keep_text=True)
    for each in spans:
        found.add([each], now=10.0)
        entries = [(key, value) for key, value in found.changes() if value is not None]
        assert all(len(value) < 5_000 for _, value in entries)
        counts, found = found.counts, Assembler(keep_text=True)
        found.load(entries)  # the limit outlives a restart
        found.counts.update(counts)
    assert found.counts["evicted:trace_texts"] == 8, "seven calls, and the agent's own span"
    told, whole = found.tick(11.0), expected.tick(11.0)
    assert sum(bool(bytes(event.result)) for event in told) == 3
    assert [encode(keep_no_text(event)) for event in told] == [encode(keep_no_text(event)) for event in whole]
    found.add([span(1, 20, 1, answers[0])], now=12.0)
    assert any(bytes(event.result) for event in found.flush()), "what comes late has a limit of its own"


def test_too_many_remembered_traces_forget_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REMEMBERED_TRACES", 2)
    found = Assembler()
    for trace in (1, 2, 3):
        found.add([span(trace, 1, None, AGENT)], now=float(10 * trace))
        found.tick(10.0 * trace + 1)
    assert found.counts["evicted:remembered_traces"] == 1
    assert (f"trace/{1:032x}", None) in found.changes()


def test_a_clock_far_off_is_taken_at_receipt_with_its_durations() -> None:
    found = Assembler()
    found.add([msgspec.structs.replace(one, observed_time=100_200.0) for one in RUN], now=10.0)
    started, *_, finished = found.tick(11.0)
    assert (finished.time, finished.observed_time) == (100_200.0, 100_200.0)
    assert finished.time - started.time == finished.duration_seconds == 98.0
    assert (found.counts["events_skewed"], found.counts["events_skewed_by:shop"]) == (4, 4)


def test_producers_with_wrong_clocks_are_told_apart_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "COUNT_NAMES", 5)
    found = Assembler()
    for number in range(9):
        resource = {"service.name": f"pod-{number}"}
        far_off = [msgspec.structs.replace(one, observed_time=100_200.0, resource=resource) for one in RUN]
        found.add([msgspec.structs.replace(one, trace_id=f"{number + 7:032x}") for one in far_off], now=10.0)
    found.tick(11.0)
    assert sum(name.startswith("events_skewed_by:") for name in found.counts) <= 5
    assert found.counts["events_skewed_by:_other"] >= 16
    assert found.counts["runs_assembled"] == 9, "what has a fixed name is always told apart"


def test_a_long_run_is_not_skewed_by_its_length() -> None:
    found = Assembler()
    found.add([span(1, 1, None, AGENT, start=1000.0, end=9000.0, observed_time=9002.0)], now=10.0)
    started, finished = found.tick(11.0)
    assert (started.time, started.observed_time) == (1000.0, 1002.0) and (finished.time, finished.observed_time) == (
        9000,
        9002,
    )
    assert "events_skewed" not in found.counts


def test_a_span_of_ages_is_an_event_that_can_be_read() -> None:
    found = Assembler()
    ages = {"start": 1.0, "end": 1.7e9, "observed_time": 1.7e9}
    found.add([span(1, 2, 1, TOOL, **ages), span(1, 1, None, AGENT, **ages)], now=10.0)
    told = found.tick(11.0)
    assert [decode(encode(event)).duration_seconds for event in told] == [None, *[limits.DURATION_SECONDS] * 2]


def test_changes_name_what_changed_and_a_restart_goes_on() -> None:
    first = Assembler()
    first.add(RUN[:1], now=10.0)
    ((key, value),) = first.changes()
    assert key == f"trace/{1:032x}" and value is not None and first.changes() == []
    second = Assembler()
    second.load([(key, value)])
    second.add(RUN[1:], now=12.0)
    assert len(second.tick(13.0)) == 4


def test_an_entry_of_another_version_is_refused() -> None:
    found = Assembler()
    found.add(RUN, now=10.0)
    ((key, value),) = found.changes()
    assert value is not None and value[1] == module.VERSION
    with pytest.raises(ValueError, match="version 9"):
        Assembler().load([(key, value[:1] + b"\x09" + value[2:])])
