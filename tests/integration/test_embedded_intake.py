"""What the running monitor does with what it is sent: bodies that are packed, and runs that end twice."""

from __future__ import annotations

import gzip
import json
import time
import zlib

import pytest
from google.rpc.status_pb2 import Status

from monitor.runtime.store import Store
from monitor.web.view import View
from schemas import event
from tests.services.serving import Running, running, until

EVENTS, TRACES = "/v1/events", "/v1/traces"
JSON, PROTOBUF = "application/json", "application/x-protobuf"


async def ask(monitor: Running, path: str, body: bytes, encoding: str, kind: str = JSON) -> tuple[int, str, bytes]:
    """Status, content type and body of the answer."""
    headers = {"Content-Type": kind, "Content-Encoding": encoding}
    async with monitor.session.post(monitor.url + path, data=body, headers=headers) as answer:
        return answer.status, answer.content_type, await answer.read()


@pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "gzip, br"])
async def test_a_packing_that_we_do_not_know_is_refused_in_the_senders_encoding(tmp_path, encoding) -> None:
    async with running(tmp_path) as monitor:
        packed = zlib.compress(b"{}")
        status, kind, body = await ask(monitor, TRACES, packed, encoding, PROTOBUF)
        assert (status, kind) == (415, PROTOBUF)
        assert "gzip" in Status.FromString(body).message
        status, kind, body = await ask(monitor, TRACES, packed, encoding)
        assert (status, kind) == (415, JSON)
        assert "gzip" in json.loads(body)["message"]
        status, kind, body = await ask(monitor, EVENTS, packed, encoding)
        assert (status, kind) == (415, JSON)
        assert "gzip" in json.loads(body)["error"]


@pytest.mark.parametrize("cut", [slice(0, 8), slice(0, 30), slice(0, -1)])
async def test_gzip_that_is_cut_off_is_refused_and_whole_gzip_is_taken(tmp_path, cut) -> None:
    sent = {"kind": "run_finished", "agent": "a", "run": "r", "time": 1_790_000_000.0}
    packed = gzip.compress(json.dumps(sent).encode())
    async with running(tmp_path) as monitor:
        for path in (EVENTS, TRACES):
            status, kind, _ = await ask(monitor, path, packed[cut], "gzip")
            assert (status, kind) == (400, JSON)
        status, kind, body = await ask(monitor, TRACES, packed[cut], "gzip", PROTOBUF)
        assert (status, kind) == (400, PROTOBUF)
        assert Status.FromString(body).code == 3
        status, _, body = await ask(monitor, EVENTS, packed, "gzip")
        assert (status, json.loads(body)["accepted"]) == (200, 1)
        assert (await monitor.metrics())['forewarn_bodies_refused_total{reason="400"}'] == 3


def span(number: int, above: int | None, said: dict[str, str], code: int = 0) -> dict[str, object]:
    now = time.time_ns()
    return {
        "traceId": f"{7:032x}",
        "spanId": f"{number:016x}",
        "parentSpanId": "" if above is None else f"{above:016x}",
        "startTimeUnixNano": str(now - 2_000_000_000 + number),
        "endTimeUnixNano": str(now - number),
        "attributes": [{"key": key, "value": {"stringValue": value}} for key, value in said.items()],
        "status": {"code": code},
    }


def export(*spans: dict[str, object]) -> bytes:
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).encode()


def _nodes(view: View) -> list[tuple[str, dict[str, str], float]]:
    """What the nodes of all agents have seen; traffic goes on by itself."""
    found = [signal for agent in view.agents() for signal in view.signals(agent.agent)]
    return [(node.signal, node.labels, node.n) for node in found if node.signal != "agent.traffic"]


async def test_a_topmost_span_that_comes_after_its_run_was_closed_is_late_and_changes_nothing(tmp_path) -> None:
    """Headless, the run was told as ok; the span that says otherwise ends the same run again, under another id."""
    operation, name = "gen_ai.operation.name", "gen_ai.agent.name"
    chat = {operation: "chat", name: "support"}
    tool = {operation: "execute_tool", name: "support", "gen_ai.tool.name": "t"}
    agent = {operation: "invoke_agent", name: "support"}
    async with running(tmp_path, runtime={"trace_timeout": "1s"}) as monitor:
        assert await monitor.post(TRACES, export(span(2, 1, chat), span(3, 1, tool))) == 200
        await until(lambda: monitor.view.counts().get("runs_closed") == 1, "the headless run")
        shown = _nodes(monitor.view)
        before = (monitor.view.agents(), monitor.view.runs(9), monitor.view.budgets(), monitor.view.incidents())
        (run,) = before[1]
        assert (run.run, run.status, run.tools) == (f"{7:032x}", "ok", {"t": 1})
        assert await monitor.post(TRACES, export(span(1, None, agent, code=2))) == 200
        await until(lambda: monitor.view.counts().get("events_late") == 1, "the late end")
        ticks = monitor.view.counts()["ticks"]
        await until(lambda: monitor.view.counts()["ticks"] > ticks, "another tick")
        (view,), runs, budgets, incidents = before
        assert monitor.view.runs(9) == runs and monitor.view.incidents() == incidents == []
        (now,) = monitor.view.agents()
        counted = ("runs", "failed", "hung", "silent", "open_runs", "last_seen", "tools", "versions")
        assert [getattr(now, field) for field in counted] == [getattr(view, field) for field in counted]
        assert _nodes(monitor.view) == shown != []
        assert monitor.view.counts().get("events_duplicate", 0) == 0
        assert [(each.owner, each.spent) for each in monitor.view.budgets()] == [
            (each.owner, each.spent) for each in budgets
        ]
    store = Store(tmp_path)
    ends = [event.decode(record) for _, record in store.records() if b'"run_finished"' in record]
    store.close()
    assert [(each.run, each.status) for each in ends] == [(f"{7:032x}", "ok"), (f"{7:032x}", "error")]
    assert len({each.id for each in ends}) == 2
