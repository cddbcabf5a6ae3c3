"""What a monitor wrote down says, replayed, what the monitor said: bit for bit, restarts and all."""

from __future__ import annotations

import json
import time

import msgspec
from click.testing import CliRunner

from monitor import history
from monitor.cli import cli
from monitor.runtime import steps
from monitor.runtime.replay import Replay
from monitor.runtime.store import FILE
from schemas.config import Config
from schemas.finding import Finding
from tests.services.agent_events import Fleet
from tests.services.serving import running, until

CONFIG = {"owners": {"payments": {}}}


class Listening(steps.Router):
    """The router, and what it heard."""

    heard: list[Finding] = []  # noqa: RUF012 (one monitor after the other writes into it)

    def step(self, findings, now, *beside):
        self.heard.extend(findings)
        return super().step(findings, now, *beside)


async def test_the_log_replayed_says_what_the_monitor_said(tmp_path, monkeypatch) -> None:
    heard: list[Finding] = []
    monkeypatch.setattr(Listening, "heard", heard)
    monkeypatch.setattr(steps, "Router", Listening)
    fleet = Fleet(2, time.time() - 20.0, step=0.002, agents=2)
    for count, broken in ((1_600, False), (500, True), (600, False)):  # three monitors, one directory
        async with running(tmp_path / "data", **CONFIG) as monitor:
            lines = fleet.lines(count, broken=broken)
            for at in range(0, len(lines), 333):
                assert await monitor.post("/v1/events", b"[" + b",".join(lines[at : at + 333]) + b"]") == 200
            assert await monitor.post("/v1/events", b"[" + b",".join(lines[:333]) + b"]") == 200
            ticks = monitor.view.counts()["ticks"]
            await until(lambda before=ticks, view=monitor.view: view.counts()["ticks"] > before, "a tick")
            agents = monitor.view.agents()
            posted = b'[{"labels": {"alertname": "DiskFull", "owner": "payments"}}]'
            assert await monitor.post("/api/v2/alerts", posted) == 200
    assert {finding.status for finding in heard} >= {"firing", "resolved"}

    recorded = history.read([tmp_path / "data" / FILE], 60.0)
    assert recorded.dead_letters == 0
    replay = Replay(Config.model_validate(CONFIG))
    said = [one for one in replay.said(recorded.records) if isinstance(one, Finding)]
    assert [msgspec.json.encode(one) for one in said] == [msgspec.json.encode(one) for one in heard]
    summary = replay.summary(0, 0, 0.0)
    assert {name: agent["runs"] for name, agent in summary["agents"].items()} == fleet.told.runs
    assert {view.agent: view.failed for view in agents} == fleet.told.failed

    # and from the command line, with another configuration
    other = tmp_path / "other.yaml"
    other.write_text("owners: {payments: {}}\ndetectors: {tool.failed: {mode: 'off'}, run.failed: {mode: 'off'}}\n")
    result = CliRunner().invoke(cli, ["replay", str(other), str(tmp_path / "data" / FILE), "--json"])
    assert result.exit_code == 0, result.output
    *before, last = [json.loads(line) for line in result.stdout.splitlines()]
    assert last["type"] == "summary"
    assert not {line["signal"] for line in before if line["type"] == "finding"} & {"tool.failed", "run.failed"}
    result = CliRunner().invoke(cli, ["replay", str(other), str(tmp_path / "data" / FILE), str(other)])
    assert result.exit_code == 2
    assert "replayed alone" in result.stderr
