"""However spans are cut into bodies, shuffled and repeated, and wherever the process restarts: the same events."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.intake.assembler import Assembler
from monitor.intake.otlp import decode_logs, decode_traces
from monitor.intake.spans import LogRecord, Record, Span
from schemas.event import BadEvent, check, decode, encode

OI, OP = "openinference.span.kind", "gen_ai.operation.name"
ROLES: list[dict[str, Any]] = [
    {OP: "invoke_agent", "gen_ai.agent.name": "a"},
    {OP: "invoke_agent", "gen_ai.agent.name": "b"},
    {OP: "invoke_agent"},
    {OP: "invoke_workflow", "gen_ai.workflow.name": "flow"},
    {OP: "chat", "gen_ai.usage.input_tokens": 3},
    {OP: "execute_tool", "gen_ai.tool.name": "t", "gen_ai.tool.call.result": '{"error": "x"}'},
    {OI: "CHAIN"},
    {OI: "AGENT"},
    {OI: "GUARDRAIL"},
    {OI: "TOOL"},
    {OP: "retrieval"},
    {OP: "handoff"},
    {},
]
NAMES = ["", "handoff to b", "step", "invoke_agent a"]


@st.composite
def traces(draw: st.DrawFn) -> list[Record]:
    """Two traces of any shape: lost parents, several roots, circles."""
    found: list[Record] = []
    for number in range(draw(st.integers(1, 14))):
        trace, start = draw(st.integers(1, 2)), draw(st.integers(0, 20))
        above = draw(st.none() | st.integers(0, 16))
        found.append(
            Span(
                trace_id=f"{trace:032x}",
                span_id=f"{number + 1:016x}",
                parent_id="" if above is None else f"{above + 1:016x}",
                name=draw(st.sampled_from(NAMES)),
                start=1000.0 + start,
                end=1000.0 + start + draw(st.integers(0, 20)),
                status=draw(st.sampled_from(["unset", "ok", "error"])),
                attributes=draw(st.sampled_from(ROLES)),
                resource={"service.name": "shop"},
                remote_parent=draw(st.sampled_from([None, False, True])),
                observed_time=1100.0,
            )
        )
        if draw(st.integers(0, 4)) == 0:
            attributes = {"gen_ai.evaluation.name": "n", "gen_ai.evaluation.score.value": draw(st.integers(0, 2))}
            name = "gen_ai.evaluation.result"
            log = LogRecord(trace_id=f"{trace:032x}", span_id=f"{number + 1:016x}", name=name, time=1050.0)
            log.attributes = attributes
            found.append(log)
    return found


def told(found: Assembler, now: float) -> list[bytes]:
    return sorted(encode(check(event)) for event in found.tick(now))


@settings(max_examples=150, deadline=None)
@given(st.data(), traces())
def test_any_cut_any_order_any_repetition_any_restart(data: st.DataObject, spans: list[Record]) -> None:
    whole = Assembler()
    whole.add(spans, now=0.0)
    expected = told(whole, now=100.0)

    pieces = data.draw(st.permutations(spans + data.draw(st.lists(st.sampled_from(spans), max_size=5))))
    found, stored = Assembler(), dict[str, bytes]()
    while pieces:
        size = data.draw(st.integers(1, len(pieces)))
        found.add(pieces[:size], now=0.0)
        pieces = pieces[size:]
        for key, value in found.changes():
            assert value is not None
            stored[key] = value
        if data.draw(st.booleans()):
            found = Assembler()
            found.load(stored.items())
    assert told(found, now=100.0) == expected
    assert len({decode(raw).id for raw in expected}) == len(expected)


@settings(max_examples=150, deadline=None)
@given(traces())
def test_every_span_of_a_run_is_in_one_run_and_runs_are_whole(spans: list[Record]) -> None:
    found = Assembler()
    found.add(spans, now=0.0)
    events = found.tick(100.0)
    started = [event.run for event in events if event.kind == "run_started"]
    finished = [event.run for event in events if event.kind == "run_finished"]
    assert len(set(started)) == len(started) and sorted(map(str, started)) == sorted(map(str, finished))
    parents = {event.parent_run for event in events} - {None}
    assert parents <= set(started)
    for event in events:
        assert event.kind == "evaluation" or event.run in started


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    for decoder in (decode_traces, decode_logs):
        for encoding in (None, "protobuf", "json"):
            try:
                decoder(body, encoding)  # type: ignore[operator]
            except BadEvent as error:
                assert error.reason == "not_otlp"
