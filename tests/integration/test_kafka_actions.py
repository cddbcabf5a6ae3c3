"""What people do on Kafka: durable in control, stepped by the active router, with the router wherever it goes."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from schemas.actions import Deed, Matcher, PostedAlert, SilenceEnded, SilenceSet
from tests.services.kafka_broker import Broker
from tests.services.kafka_monitor import Recorder, config_of, monitor_of, recorders, until

ROOT = Path(__file__).resolve().parents[2]
SILENCE = "00000000-0000-4000-8000-000000000001"


def posted(host: str) -> PostedAlert:
    labels = {"alertname": "DiskFull", "owner": "payments", "severity": "page", "host": host}
    return PostedAlert(time=time.time(), labels=labels, ends_at=time.time() + 3_600.0)


async def test_actions_survive_the_worker_that_took_them(broker: Broker, prefix: str, tmp_path: Path) -> None:
    given: dict[str, Any] = {
        "bootstrap": broker.bootstrap, "prefix": prefix, "directory": tmp_path, "owners": {"payments": {}},
    }  # fmt: skip
    config = config_of(**given)
    recorder = Recorder()
    first = monitor_of(config, recorders(config, recorder))
    await first.start()
    try:
        await until(lambda: first.gauges()["tick_age_seconds"] > 0, what="ticks in the log")
        await first.act(posted("a"), posted("b"))
        await until(lambda: recorder.shown, what="the message")
        (incident,) = first.incidents()
        now = time.time()
        await first.act(Deed(time=now, incident=incident.id, act="ack", by="token:ops alice"))
        await first.act(
            SilenceSet(
                time=now, id=SILENCE, matchers=(Matcher("host", "b"),), starts_at=now, ends_at=now + 3_600.0,
                created_by="alice", comment="known",
            )
        )  # fmt: skip
        await until(lambda: first.router and first.router.silences(), what="the silence")
        assert first.incidents()[0].acked_by == "token:ops alice"
        assert {view.state for view in first.router.alerts() if view.silenced_by} == {"suppressed"}  # type: ignore[union-attr]
        assert first.counts()["actions:alert"] == 2 and first.counts()["actions:ack"] == 1
    finally:
        await first.stop()

    # Another worker takes over, and is killed in the middle of what comes.
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.services.kafka_monitor", json.dumps(given, default=str),
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert await asyncio.wait_for(process.stdout.readline(), 60.0) == b"ready\n"
    finally:
        process.kill()
        await process.wait()

    told = Recorder()
    last = monitor_of(config, recorders(config, told))
    await last.start()
    try:
        await until(lambda: last.router is not None and last.incidents(), what="the incident on the new worker")
        (moved,) = last.incidents()
        assert (moved.id, moved.acked_by, len(moved.alerts)) == (incident.id, "token:ops alice", 2)
        assert last.router is not None
        assert [(view.id, view.status) for view in last.router.silences()] == [(SILENCE, "active")]
        await last.act(SilenceEnded(time=time.time(), id=SILENCE, by="bob"))
        await until(lambda: last.router.silences()[0].status == "expired", what="the end of the silence")  # type: ignore[union-attr]
        assert told.posts == [], "the message is known and was not sent again"
    finally:
        await last.stop()
