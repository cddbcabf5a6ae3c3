"""amtool and a Prometheus server, as the distribution ships them, against a monitor process."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.services.monitor_process import MonitorProcess
from tests.services.prometheus_tools import Amtool, PrometheusServer, Promtool

CONFIG = """
owners:
  payments: {slack: "#payments"}
  platform: {slack: "#platform"}
defaults: {owner: platform}
"""
TREE = """
owners: {payments: {}}
route:
  receiver: all
  group_by: [alertname]
  group_wait: 1s
  group_interval: 1s
  routes:
    - {receiver: databases, matchers: [team="db"], mute_time_intervals: [never]}
receivers:
  - {name: all, console_configs: [{}]}
  - {name: databases, webhook_configs: [{url: "http://127.0.0.1:9/s3cret"}]}
  - {name: chat, slack_configs: [{channel: "#x"}]}
time_intervals:
  - {name: never, time_intervals: [{years: ["1999"]}]}
runtime:
  tokens:
    - {name: prometheus, token: emits-and-reads, roles: [emit, read]}
    - {name: ops, token: acts, roles: [read, act]}
"""
FIRES = """
groups:
  - name: g
    rules:
      - alert: AlwaysOn
        expr: vector(%d) > 0
        labels: {severity: critical, owner: payments}
        annotations: {summary: "it is on"}
"""
WAIT = 30.0

Run = Callable[[str], MonitorProcess]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    started: list[MonitorProcess] = []

    def start(config: str) -> MonitorProcess:
        process = MonitorProcess(tmp_path, config)
        started.append(process)
        return process.start()

    yield start
    for process in started:
        process.close()


def until(condition: Callable[[], Any], what: str) -> Any:
    end = time.monotonic() + WAIT
    while not (found := condition()):
        assert time.monotonic() < end, f"never came: {what}"
        time.sleep(0.05)
    return found


def test_amtool_adds_queries_silences_and_expires(run: Run, amtool: type[Amtool]) -> None:
    monitor = run(CONFIG)
    ask = amtool(monitor.url)
    ask("alert", "add", "DiskFull", "severity=page", "owner=payments", "host=db1", "--annotation=summary=disk is full")
    ask("alert", "add", "DiskFull", "severity=page", "owner=platform", "host=web1")
    (found,) = ask.json("alert", "query", "host=~db.*")
    assert found["labels"] == {"alertname": "DiskFull", "severity": "page", "owner": "payments", "host": "db1"}
    assert found["status"]["state"] == "active" and found["receivers"] == [{"name": "payments"}]
    assert len(ask.json("alert", "query", "DiskFull")) == 2
    assert ask.json("alert", "query", "--receiver=platform")[0]["labels"]["host"] == "web1"
    until(lambda: "PAGE for payments" in monitor.said() and "disk is full" in monitor.said(), "the page")

    name = ask("silence", "add", "alertname=DiskFull", "host=db1", "-d", "1h", "-c", "known", "-a", "alice").strip()
    (silence,) = ask.json("silence", "query", "host=db1")
    assert (silence["id"], silence["createdBy"], silence["status"]["state"]) == (name, "alice", "active")
    assert [each["labels"]["host"] for each in ask.json("alert", "query")] == ["web1"], "silenced ones are left out"
    (muted,) = ask.json("alert", "query", "--silenced")
    assert muted["status"] == {"inhibitedBy": [], "silencedBy": [name], "state": "suppressed"}
    assert name in ask("silence", "update", "-d", "2h", name), "the same one, longer"
    ask("silence", "expire", name)
    assert ask.json("silence", "query") == []
    assert [each["id"] for each in ask.json("silence", "query", "--expired")] == [name]
    assert len(ask.json("alert", "query")) == 2
    ask("silence", "expire", "00000000-0000-4000-8000-000000000000", code=1)

    # what was set survives, and amtool says so
    ask("silence", "add", "host=web1", "-d", "1h", "-c", "deploy", "-a", "bob")
    monitor.kill()
    monitor.start()
    ask = amtool(monitor.url)
    assert [each["createdBy"] for each in ask.json("silence", "query")] == ["bob"]
    assert {each["labels"]["host"] for each in ask.json("alert", "query", "-i", "-s", "-a")} == {"web1", "db1"}
    assert monitor.stop() == 0


def test_amtool_shows_the_routes_of_a_written_tree(run: Run, amtool: type[Amtool]) -> None:
    plain = TREE.partition("runtime:")[0]
    ask = amtool(run(plain).url)
    shown = ask("config", "routes", "show")
    assert "receiver: all" in shown and '{team="db"}  receiver: databases' in shown
    assert ask("config", "routes", "test", "team=db").strip() == "databases"
    assert ask("config", "routes", "test", "team=web").strip() == "all"
    assert "s3cret" not in ask("config", "show")
    assert "disabled" in ask("cluster", "show")


def test_prometheus_fires_resolves_and_scrapes(run: Run, prometheus: type[PrometheusServer], tmp_path: Path) -> None:
    monitor = run(TREE)
    directory = tmp_path / "prometheus"
    directory.mkdir()
    server = prometheus(directory, monitor.url, FIRES % 1, token="emits-and-reads").start()
    reading = {"Authorization": "Bearer acts"}

    def alerts() -> list[dict[str, Any]]:
        status, body = monitor.ask("/api/v2/alerts", **reading)
        assert status == 200, body
        found: list[dict[str, Any]] = json.loads(body)
        return found

    try:
        (found,) = until(alerts, "the alert of the rule")
        assert found["labels"] == {"alertname": "AlwaysOn", "owner": "payments", "severity": "critical"}
        assert found["annotations"] == {"summary": "it is on"} and "/graph?g0.expr=" in found["generatorURL"]
        until(lambda: "it is on" in monitor.said(), "the notification")
        server.rewrite(FIRES % 0)
        until(lambda: "all alerts resolved" in monitor.said(), "the resolution")
        assert alerts() == []
        up = until(lambda: scraped(server), "a scrape with the token")
        assert up == "1"
        assert "err" not in server.said().partition("Server is ready")[2], server.said()
    finally:
        server.stop()
    assert monitor.ask("/api/v2/silences", b"{}", Authorization="Bearer emits-and-reads")[0] == 403
    assert monitor.stop() == 0


def scraped(server: PrometheusServer) -> str:
    values = [each["value"][1] for each in server.query("up")]
    return "1" if "1" in values else ""


READ = [
    (60, 0, True, "nothing that came could be read"),
    (60, 600, True, "one in ten"),
    (60, 60_000, False, "one in a thousand"),
    (0, 600, False, "all was read"),
    (0, 0, False, "nothing came"),
]


def test_the_alert_on_unreadable_events_fires(run: Run, promtool: type[Promtool], tmp_path: Path) -> None:
    """The page's own rules, on the series of a monitor that has just started, with the rise of a row each minute."""
    at_first = run(CONFIG).metrics()
    page = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
    (rules,) = re.findall(r"```yaml\n(groups:.*?)```", page, re.DOTALL)
    for unreadable, taken, fires, why in READ:
        rises = {'forewarn_dead_letters_total{reason="not_json"}': unreadable, "forewarn_events_received_total": taken}
        series = {
            name: f"{value:.0f}+{rises.get(name, 0)}x40" for name, value in at_first.items() if "forewarn" in name
        }
        assert ("ForewarnCannotRead" in promtool(tmp_path).alerts(rules, series, "30m")) == fires, why
