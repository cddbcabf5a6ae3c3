"""Recorded files → one history: every form, any order, and what cannot be read is named."""

from __future__ import annotations

import gzip
import json
import random

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from monitor.history import BAD_SHOWN, CannotRead, read
from schemas.records import Grant, Tick, encode_control
from tests.services.agent_events import Fleet

TIMEOUT = 60.0
START = 1_760_000_000.0


@pytest.fixture
def lines() -> list[bytes]:
    return Fleet(1, START).lines(50)


def test_the_order_of_lines_and_files_changes_nothing(tmp_path, lines) -> None:
    whole = tmp_path / "whole.jsonl"
    whole.write_bytes(b"\n".join(lines))
    random.Random(5).shuffle(lines)
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl.gz"
    first.write_bytes(b"\r\n".join(lines[:70]) + b"\r\n\r\n")
    second.write_bytes(gzip.compress(b"[" + b",".join(lines[70:]) + b"]\n"))
    wanted = read([whole], TIMEOUT).records
    assert len(wanted) == 200
    assert read([first, second], TIMEOUT).records == wanted == read([second, first], TIMEOUT).records


@pytest.mark.parametrize("packed", [False, True])
def test_a_mark_of_the_byte_order_is_no_part_of_the_first_line(tmp_path, lines, packed) -> None:
    content = b"\xef\xbb\xbf" + b"\r\n".join(lines)
    file = tmp_path / "marked.jsonl"
    file.write_bytes(gzip.compress(content) if packed else content)
    history = read([file], TIMEOUT)
    assert (len(history.records), history.dead_letters) == (len(lines), 0)


def test_at_the_same_time_a_start_comes_first_and_an_end_last(tmp_path) -> None:
    events = [
        {"kind": "run_finished", "status": "ok", "id": "a"},
        {"kind": "tool_call", "tool": "t", "attempt": 2, "id": "b"},
        {"kind": "tool_call", "tool": "t", "attempt": 1, "id": "c"},
        {"kind": "run_started", "id": "d"},
    ]
    said = [json.dumps({"agent": "a", "run": "r", "time": START} | event) for event in events]
    file = tmp_path / "ties.jsonl"
    found = []
    for order in (said, said[::-1]):
        file.write_text("\n".join(order))
        found.append([event.id for event in read([file], TIMEOUT).records])
    assert found == [["d", "c", "b", "a"]] * 2


def test_what_is_no_event_is_named_with_its_line_and_the_rest_goes_on(tmp_path, lines) -> None:
    file = tmp_path / "mixed.jsonl"
    bad = [
        b"{",
        b'{"kind":"run_finished","time":1}',
        b'{"kind":"dream","time":1}',
        b'"word"',
        b"\xff",
        b'{"output":' * 99_999,
    ]
    file.write_bytes(b"\n".join([lines[0], *bad, lines[1]]))
    history = read([file], TIMEOUT)
    assert [event.id for event in history.records] == ["run-0/0", "run-0/1"]
    assert (history.dead_letters, history.skipped) == (5, 1)
    assert [(place.split(":")[1], place.split(": ")[1]) for place in history.bad] == [
        ("2", "not_json"),
        ("3", "no_agent"),
        ("5", "not_an_object"),
        ("6", "not_utf8"),
        ("7", "too_deep"),
    ]


def test_only_the_first_bad_lines_are_named_and_all_are_counted(tmp_path) -> None:
    file = tmp_path / "bad.jsonl"
    file.write_bytes(b"{\n" * 500)
    history = read([file], TIMEOUT)
    assert (history.dead_letters, len(history.bad)) == (500, BAD_SHOWN)


def test_recorded_ticks_are_kept_and_grants_are_made_anew(tmp_path, lines) -> None:
    file = tmp_path / "topic.jsonl"
    records = [Tick(START, None), Grant("o", "agent-0", START, START + 60.0, 1.0, 1.0), Tick(START + 1.0, START)]
    file.write_bytes(b"\n".join([*lines[:4], *(encode_control(record) for record in records)]))
    history = read([file], TIMEOUT)
    assert [type(record).__name__ for record in history.records] == ["Tick", "Event", "Event", "Event", "Event", "Tick"]
    assert history.dead_letters == 0


def spans_of_a_run() -> list[object]:
    kept = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    tracer = provider.get_tracer("test")
    agent = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "otel-agent"}
    tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "lookup"}
    with tracer.start_as_current_span("invoke_agent", attributes=agent):
        tracer.start_span("execute_tool", attributes=tool).end()
    return list(kept.get_finished_spans())


def test_otlp_bodies_are_history_too_whole_or_in_pieces(tmp_path) -> None:
    spans = spans_of_a_run()
    whole = tmp_path / "all.traces.bin"
    whole.write_bytes(encode_spans(spans).SerializeToString())
    pieces = [tmp_path / f"{number}.bin.gz" for number in range(len(spans))]
    for piece, span in zip(pieces, spans, strict=True):
        piece.write_bytes(gzip.compress(encode_spans([span]).SerializeToString()))
    wanted = read([whole], TIMEOUT)
    assert [record.kind for record in wanted.records] == ["run_started", "tool_call", "run_finished"]
    assert read(pieces, TIMEOUT).records == wanted.records == read(pieces[::-1], TIMEOUT).records


def test_lines_of_events_and_of_otlp_bodies_may_stand_in_one_file(tmp_path, lines) -> None:
    file = tmp_path / "both.jsonl"
    file.write_bytes(b"\n".join([lines[0], b'{"resourceSpans":[]}', *lines[1:]]))
    history = read([file], TIMEOUT)
    assert (len(history.records), history.dead_letters) == (len(lines), 0)
    file.write_bytes(b'\n{\n  "resourceSpans": [\n  ]\n}\n')
    assert read([file], TIMEOUT).dead_letters == 0, "one body over several lines"


def test_an_otlp_body_of_nonsense_is_one_dead_letter(tmp_path) -> None:
    file = tmp_path / "body.json"
    file.write_text('{"resourceSpans": 7}')
    history = read([file], TIMEOUT)
    assert history.dead_letters == 1
    assert "not_otlp" in history.bad[0]


@pytest.mark.parametrize("content", [None, b"\x1f\x8bnonsense", gzip.compress(b"x" * 9_999, mtime=0)[:-20]])
def test_a_file_that_cannot_be_opened_is_named(tmp_path, content) -> None:
    file = tmp_path / "gone.jsonl"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(CannotRead, match=r"gone\.jsonl"):
        read([file], TIMEOUT)
