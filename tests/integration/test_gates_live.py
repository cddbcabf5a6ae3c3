"""Gates against a monitor that runs: its traffic, its answers, and its word about what came without passing."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result

from monitor.cli import cli
from tests.doubles import gate_log
from tests.services.monitor_process import MonitorProcess

WAIT = 30.0


@pytest.fixture(scope="module")
def monitor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MonitorProcess]:
    """A monitor that has got an hour of a small fleet, up to now."""
    process = MonitorProcess(tmp_path_factory.mktemp("gates"), gate_log.COMPLETE + "ready: {settle: 0s}\n")
    try:
        process.start()
        events = gate_log.fleet(160)
        late = time.time() - max(event["time"] for event in events)
        for event in events:
            event["time"] += late
        body = gate_log.lines(events)
        request = urllib.request.Request(f"{process.url}/v1/events", body, {"Content-Type": "application/x-ndjson"})
        with urllib.request.urlopen(request, timeout=10.0):
            pass
        yield process
    finally:
        process.close()


def forewarn(monitor: MonitorProcess, *arguments: str) -> Result:
    return CliRunner(env={"FOREWARN_ENDPOINT": monitor.url}).invoke(cli, list(arguments))


def eventually(ask: Callable[[], Any], good: Callable[[Any], bool]) -> Any:
    end = time.monotonic() + WAIT
    while not good(found := ask()):
        assert time.monotonic() < end, found
        time.sleep(0.1)
    return found


def test_ready_judges_the_file_by_what_the_monitor_has_seen(monitor: MonitorProcess) -> None:
    file = str(monitor.directory / "forewarn.yaml")
    result = forewarn(monitor, "ready", "refund-agent", "-c", file)
    assert (result.exit_code, "160 of 50 production runs seen" in result.stdout) == (0, True), result.output
    told = json.loads(forewarn(monitor, "ready", "shopping-bot", "-c", file, "--json").stdout)
    assert {"owner", "calls", "versions"} <= set(told["missing"])


def test_several_workers_are_asked_together(monitor: MonitorProcess) -> None:
    both = f"{monitor.url}, {monitor.url}"
    file = str(monitor.directory / "forewarn.yaml")
    result = forewarn(monitor, "impact", "tool:issue_refund", "-c", file, "--endpoint", both)
    assert result.stdout.count("agent:refund-agent  payments") == 1, result.output
    result = forewarn(monitor, "impact", "tool:issue_refund", "--endpoint", both)
    assert (result.exit_code, "-c forewarn.yaml" in result.stderr) == (2, True)


def test_impact_asks_the_monitor_or_compares_a_file_with_it(monitor: MonitorProcess, tmp_path: Any) -> None:
    result = forewarn(monitor, "impact", "tool:issue_refund")
    assert result.exit_code == 0, result.output
    assert [line.split()[0] for line in result.stdout.splitlines()[2:5]] == [
        "agent:refund-agent", "agent:shopping-bot", "agent:front-desk",
    ]  # fmt: skip
    (tmp_path / "new.yaml").write_text("owners: {one: {}}\n", encoding="utf-8")
    result = forewarn(monitor, "impact", "tool:issue_refund", "-c", str(tmp_path / "new.yaml"))
    assert "agent:refund-agent" in result.stdout and "seen, not declared" in result.stdout


def test_what_came_without_passing_is_one_notice(monitor: MonitorProcess) -> None:
    found = eventually(
        lambda: json.loads(forewarn(monitor, "incidents", "--all", "--json").stdout),
        lambda incidents: any(one["alerts"][0]["labels"]["alertname"] == "agent.unready" for one in incidents),
    )
    unready = [one for one in found if one["alerts"][0]["labels"]["alertname"] == "agent.unready"]
    assert [(one["owner"], one["severity"]) for one in unready] == [("platform", "notice")]
    agents = {alert["labels"]["agent"] for alert in unready[0]["alerts"]}
    assert agents == {"front-desk", "shopping-bot"}
    explained = forewarn(monitor, "explain", unready[0]["id"])
    assert "is in production and not ready: it lacks" in explained.stdout
