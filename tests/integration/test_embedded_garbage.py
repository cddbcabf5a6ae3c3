"""What no well-meaning sender sends, to the running monitor: a dead letter, a skip or a new time, and it goes on."""

from __future__ import annotations

import gzip
import json
import time
import zlib
from typing import Any

import pytest

from monitor.intake.dead_letters import decode
from monitor.runtime.store import Store
from monitor.web.metrics import unlisted
from tests.services.serving import running, until

SECRET = "card-4111-1111"
EVENTS, TRACES = "/v1/events", "/v1/traces"
GZIP = {"Content_Encoding": "gzip"}
JSON = {"Content_Type": "application/json"}
PROTOBUF = {"Content_Type": "application/x-protobuf"}


def event(**fields: Any) -> dict[str, Any]:
    return {"kind": "run_finished", "agent": "a", "run": "r", "time": time.time(), "output": SECRET} | fields


def packed(content: bytes) -> bytes:
    return gzip.compress(content, 1)


def bomb() -> bytes:
    """100 MB of spaces in 100 KB."""
    squeeze = zlib.compressobj(9, wbits=31)
    return b"".join([squeeze.compress(b" " * 1_000_000) for _ in range(100)]) + squeeze.flush()


def body_of(**fields: Any) -> bytes:
    return json.dumps(event(**fields)).encode()


def refused(status: int) -> str:
    return f'forewarn_bodies_refused_total{{reason="{status}"}}'


def dead(reason: str) -> str:
    return f'forewarn_dead_letters_total{{reason="{reason}"}}'


TABLE = [
    # what it is, path, headers, body, status, sample that counts it, dead letters that it leaves
    ("no JSON", EVENTS, JSON, f'{{"kind": "{SECRET}'.encode(), 400, dead("not_json"), 1),
    ("no object", EVENTS, JSON, f'"{SECRET}"'.encode(), 400, dead("not_an_object"), 1),
    ("a wrong type", EVENTS, JSON, body_of(run=[SECRET]), 400, dead("wrong_type"), 1),
    ("no agent", EVENTS, JSON, body_of(agent=None), 400, dead("no_agent"), 1),
    ("10 MB of nesting", EVENTS, JSON, b"[" * 10_000_000, 400, dead("too_large"), 1),
    ("deep in a field", EVENTS, JSON, b'{"output":' * 100_000, 400, dead("too_deep"), 1),
    ("invalid UTF-8", EVENTS, JSON, body_of().replace(b"card", b"\xff\xfe"), 400, dead("not_utf8"), 1),
    ("a time that is none", EVENTS, JSON, body_of(time=SECRET), 400, dead("unreadable_time"), 1),
    ("milliseconds", EVENTS, JSON, body_of(time=1.76e12), 400, dead("unreadable_time"), 1),
    ("a word of ours", EVENTS, JSON, body_of(kind="forewarn.tick"), 400, dead("reserved_kind"), 1),
    ("an unknown kind", EVENTS, JSON, body_of(kind="dream"), 200, "forewarn_events_skipped_total", 0),
    ("a gzip bomb", EVENTS, GZIP, bomb(), 413, refused(413), 0),
    ("half a gzip", EVENTS, GZIP, packed(json.dumps([*range(9999)]).encode())[:-999], 400, refused(400), 0),
    ("a word processor's", EVENTS, {"Content_Type": "text/rtf"}, b"{}", 415, refused(415), 0),
    ("cut protobuf", TRACES, PROTOBUF, b"\x0a\x80\x01abc", 400, dead("not_otlp"), 1),
    ("JSON that is no OTLP", TRACES, JSON, b'{"resourceSpans": 7}', 400, dead("not_otlp"), 1),
]  # fmt: skip


async def test_each_kind_of_garbage_is_counted_and_the_monitor_goes_on(tmp_path) -> None:
    wanted: dict[str, int] = {}
    letters = 0
    async with running(tmp_path) as monitor:
        for name, path, headers, body, status, sample, left in TABLE:
            assert await monitor.post(path, body, **headers) == status, name
            wanted[sample] = wanted.get(sample, 0) + 1
            letters += left
        good = body_of(run="good")
        assert await monitor.post(EVENTS, good) == 200
        assert await monitor.post("/v1/metrics", b"", **PROTOBUF) == 200
        metrics = await monitor.metrics()
        (agent,) = (await monitor.get("/api/v1/agents"))["agents"]
        assert agent["runs"] == 1
        assert unlisted(monitor.view) == []
    for sample, count in wanted.items():
        whole = 2 if sample == refused(400) else 0  # what is no OTLP is refused whole
        assert metrics[sample] == count + whole, sample
    assert metrics['forewarn_bodies_ignored_total{reason="metrics"}'] == 1
    store = Store(tmp_path)
    kept = store.dead_letters()
    store.close()
    assert len(kept) == letters
    assert all(decode(letter).reason for letter in kept)
    assert SECRET.encode() not in b"".join(kept)
    assert SECRET.encode() not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


@pytest.mark.parametrize("off", [+864_000.0, -864_000.0, +3e8, +599.0])
async def test_a_clock_that_is_wrong_silences_nobody(tmp_path, off) -> None:
    """One producer's event from another time moves neither the clock nor the state of other agents."""
    async with running(tmp_path) as monitor:
        now = time.time()
        open_run = event(agent="steady", run="open", kind="run_started", time=now)
        assert await monitor.post(EVENTS, json.dumps(open_run).encode()) == 200
        skewed = [
            event(agent="skewed", run=f"s{number}", time=now + off, producer="edge-7", kind=kind)
            for number in range(3)
            for kind in ("run_started", "run_finished")
        ]
        assert await monitor.post(EVENTS, json.dumps(skewed).encode()) == 200
        ticks = (await monitor.metrics())["forewarn_ticks_total"]
        await until(lambda: monitor.view.counts().get("ticks", 0) >= ticks + 2, "two more ticks")
        metrics = await monitor.metrics()
        agents = {each.agent: each for each in monitor.view.agents()}
        assert metrics["forewarn_tick_age_seconds"] < 5.0
        assert metrics["forewarn_blind_gaps_total"] == 0.0
        states = {name: (each.open_runs, each.hung, each.state) for name, each in agents.items()}
        assert states == {"steady": (1, 0, "warming up"), "skewed": (0, 0, "warming up")}
        assert agents["skewed"].runs == 3
        assert abs(agents["skewed"].last_seen - now) < 30.0
        retimed = metrics.get('forewarn_events_skewed_total{producer="edge-7"}', 0)
        assert retimed == (6 if abs(off) > 600.0 else 0)
        assert all(abs(run.started - now) < 700.0 for run in monitor.view.runs(9))
