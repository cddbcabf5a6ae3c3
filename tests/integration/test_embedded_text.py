"""What agents, users and tools say is read and let go: the files of a running monitor hold none of it, at no time.

Every text that is posted holds a word of its own, so that a leak names the place it came from.
"""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

from monitor.runtime.store import FILE, Store
from tests.services.serving import Running, running, until

LEAK = re.compile(rb"planted[-a-z_. ]*")
PROTOBUF = {"Content_Type": "application/x-protobuf"}


def planted(place: str) -> str:
    """A text that is no class, no name and no word of ours."""
    return f"the customer wrote to us in many words: planted-{place} 4111-1111"


def messages(place: str) -> str:
    return json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": planted(place)}]}])


def attributes(said: dict[str, str]) -> list[dict[str, Any]]:
    return [{"key": key, "value": {"stringValue": value}} for key, value in said.items()]


SPANS: list[dict[str, str]] = [
    {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "support",
        "gen_ai.output.messages": messages("answer"),
    }
    | {
        "gen_ai.input.messages": messages("question"),
        "gen_ai.system_instructions": planted("system"),
        "x": planted("x"),
    },
    {"gen_ai.operation.name": "chat", "gen_ai.output.messages": messages("chat"), "ai.prompt": planted("prompt")},
    {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "t",
        "gen_ai.tool.call.arguments": planted("arguments"),
    }
    | {"gen_ai.tool.call.result": json.dumps({"error": planted("result")})},
    {"openinference.span.kind": "LLM", "llm.output_messages.0.message.content": planted("flattened")}
    | {"annotations.0.annotation.score": "0", "annotations.0.annotation.explanation": planted("explanation")},
    {
        "openinference.span.kind": "TOOL",
        "tool.name": "t",
        "input.value": planted("input"),
        "output.value": planted("output"),
    },
    {"openinference.span.kind": "GUARDRAIL", "input.value": planted("guarded")},
    {
        "traceloop.span.kind": "tool",
        "traceloop.entity.input": planted("entity"),
        "traceloop.entity.output": planted("out"),
    },
    {"ai.operationId": "ai.toolCall", "ai.toolCall.args": planted("args"), "ai.toolCall.result": planted("vercel")},
    {"http.url": planted("url")},
]


def trace(number: int, whole: bool) -> dict[str, Any]:
    """All spans below the first one; a trace that is not whole lacks it, and so stays open."""
    now = time.time_ns()
    spans = []
    for index, said in enumerate(SPANS):
        happened = [
            (
                "exception",
                {
                    "exception.type": "E",
                    "exception.message": planted("message"),
                    "exception.stacktrace": planted("stack"),
                },
            ),
            ("gen_ai.choice", {"message": planted("choice")}),
            ("gen_ai.user.message", {"content": planted("user")}),
            ("gen_ai.tool.message", {"content": planted("tool")}),
        ]
        span = {
            "traceId": f"{number:032x}",
            "spanId": f"{index + 1:016x}",
            "parentSpanId": f"{1:016x}" if index else "",
            "name": f"step {index}",
            "startTimeUnixNano": str(now - 1_000_000_000 + index),
            "endTimeUnixNano": str(now),
            "attributes": attributes(said),
            "events": [
                {"name": name, "timeUnixNano": str(now), "attributes": attributes(told)} for name, told in happened
            ],
            "status": {"code": 2 if index % 2 else 0, "message": planted("guardrail status")},
        }
        if index or whole:
            spans.append(span)
    resource = {"attributes": attributes({"service.name": "shop", "process.command_line": planted("command")})}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": spans}]}]}


def logs(number: int) -> dict[str, Any]:
    """Log events of a span that is here and of one that is not."""
    records = [
        {
            "traceId": f"{number:032x}",
            "spanId": f"{span:016x}",
            "timeUnixNano": str(time.time_ns()),
            "eventName": name,
            "attributes": attributes(
                {"gen_ai.evaluation.explanation": planted("judged"), "content": planted("content")}
            ),
            "body": {"kvlistValue": {"values": attributes({"message": planted("body")})}},
        }
        for span in (2, 3, 99)
        for name in ("gen_ai.choice", "gen_ai.user.message", "gen_ai.tool.message", "gen_ai.evaluation.result")
    ]
    return {"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}


def events() -> list[dict[str, Any]]:
    said = [
        {"kind": "run_started", "input": {"question": planted("input")}},
        {"kind": "llm_call", "output": planted("said"), "prompt": planted("unknown_field")},
        {"kind": "tool_call", "tool": "t", "arguments": {"q": planted("arguments")}, "result": {"error": planted("r")}},
        {"kind": "tool_call", "tool": "t", "arguments": planted("text"), "result": json.dumps({"error": planted("s")})},
        {"kind": "feedback", "rating": -1, "text": planted("feedback")},
        {"kind": "complaint", "text": planted("complaint"), "source": "mail"},
        {"kind": "run_finished", "output": [planted("output")], "status": "ok"},
    ]
    return [{"agent": "json", "run": "r", "time": time.time()} | each for each in said]


BROKEN = [
    ("/v1/events", json.dumps({"kind": "complaint", "text": planted("broken")}).encode()[:-3], {}),
    ("/v1/events", json.dumps(planted("string")).encode(), {}),
    ("/v1/events", json.dumps({"kind": "run_started", "agent": [planted("type")], "run": "r", "time": 1}).encode(), {}),
    ("/v1/events", json.dumps({"kind": "run_started", "time": planted("time")}).encode(), {}),
    ("/v1/events", json.dumps({"kind": planted("kind"), "time": 1}).encode(), {}),
    ("/v1/events", json.dumps({"kind": "complaint", "time": 1, "text": planted("nobody")}).encode(), {}),
    ("/v1/events", json.dumps({"kind": "complaint", "variant": planted("choice"), "time": 1}).encode(), {}),
    ("/v1/events", planted("prose").encode() + b"\xff", {}),
    ("/v1/traces", json.dumps({"resourceSpans": planted("spans")}).encode(), {}),
    ("/v1/traces", b"\x0a" + planted("protobuf").encode(), PROTOBUF),
    ("/v1/logs", planted("log").encode(), {}),
]


def leaks(directory: Path) -> set[bytes]:
    """What of the planted words stands in any file of the monitor's."""
    return {leak for path in directory.iterdir() for leak in LEAK.findall(path.read_bytes())}


async def send(monitor: Running) -> None:
    assert await monitor.post("/v1/events", json.dumps(events()).encode()) == 200
    for number, whole in ((1, True), (2, False)):
        body = json.dumps(trace(number, whole)).encode()
        assert await monitor.post("/v1/traces", body) == 200
        assert await monitor.post("/v1/logs", json.dumps(logs(number)).encode()) == 200
    bad = trace(3, True)
    bad["resourceSpans"][0]["scopeSpans"][0]["spans"][1]["traceId"] = planted("trace_id")
    assert await monitor.post("/v1/traces", json.dumps(bad).encode()) == 200
    for path, body, headers in BROKEN:
        assert await monitor.post(path, body, **headers) in (200, 400)


async def test_no_text_of_anybody_is_in_any_file(tmp_path) -> None:
    async with running(tmp_path) as monitor:
        await send(monitor)
        assert (tmp_path / f"{FILE}-wal").stat().st_size > 0
        assert leaks(tmp_path) == set()
        await until(lambda: monitor.view.counts().get("runs_closed", 0) >= 3, "the runs")
        counts = monitor.view.counts()
        assert leaks(tmp_path) == set()
        agents = {each.agent: each for each in monitor.view.agents()}
        assert monitor.view.gauges()["traces_open"] == 1
    assert leaks(tmp_path) == set()
    store = Store(tmp_path)
    state, letters, log = store.entries(), store.dead_letters(), [record for _, record in store.records()]
    store.close()
    for each in (*log, *letters, *(value for _, value in state)):
        assert not LEAK.search(each)
    assert f"trace/{2:032x}" in dict(state)
    assert len(letters) == len(BROKEN)  # an unknown kind leaves none, and the bad span leaves one
    assert {"json", "support"} <= agents.keys() and agents["json"].silent == 1
    assert counts["spans_received"] == 3 * len(SPANS) - 2
    assert sum(b'"soft_error":true' in record for record in log) == 4


def test_what_is_planted_would_be_found(tmp_path) -> None:
    (tmp_path / "file").write_bytes(json.dumps([events(), trace(1, True), logs(1)]).encode())
    assert len(leaks(tmp_path)) > 25
