"""A configuration that changes under a running monitor: taken, or refused with a reason; never at the cost of state."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.monitor_process import MonitorProcess

BEFORE = """
owners: {payments: {}, platform: {}}
route: {receiver: payments, group_by: [alertname], group_wait: 1s, group_interval: 1s}
"""
AFTER = BEFORE.replace("receiver: payments", "receiver: platform") + "runtime: {run_timeout: 5m}\n"
BROKEN = BEFORE.replace("receiver: payments", "receiver: paymnets")
WAIT = 30.0


@pytest.fixture
def monitor(tmp_path: Path) -> Iterator[MonitorProcess]:
    process = MonitorProcess(tmp_path, BEFORE).start()
    yield process
    process.close()


def until(condition, what: str) -> None:  # type: ignore[no-untyped-def]
    end = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < end, f"never came: {what}"
        time.sleep(0.05)


def post(monitor: MonitorProcess, name: str) -> None:
    assert monitor.ask("/api/v2/alerts", json.dumps([{"labels": {"alertname": name}}]).encode())[0] == 200


def receivers(monitor: MonitorProcess, name: str) -> list[str]:
    (found,) = monitor.get(f"/api/v2/alerts?filter=alertname={name}")
    return [each["name"] for each in found["receivers"]]


def test_a_reload_moves_routes_and_keeps_alerts_silences_and_what_was_told(monitor: MonitorProcess) -> None:
    post(monitor, "First")
    until(lambda: "First" in monitor.said(), "the first notification")
    monitor.write(AFTER)
    status, text = monitor.ask("/-/reload", b"")
    assert (status, text) == (200, b"runtime: takes a restart\n")
    assert monitor.get("/api/v2/status")["config"]["original"].count("receiver: platform") == 1
    assert receivers(monitor, "First") == ["platform"]
    post(monitor, "Second")
    until(lambda: "┃ Second" in monitor.said(), "the message of the other route")
    # The first alert has come to a receiver who did not know of it, and its old message says so; nobody is told twice.
    assert monitor.said().count("new message") == 3 and monitor.said().count("┃ First") == 3, monitor.said()
    assert monitor.said().count("┏ Handed over for payments edited: handed over") == 1

    # what was reloaded is what a restart finds; a message whose sending was not noted yet would be sent again
    until(lambda: b"\nforewarn_outbox_pending 0" in monitor.ask("/metrics")[1], "nothing waits to be sent")
    post(monitor, "Second")  # answered when all that was noted before is durable
    monitor.kill()
    monitor.start()
    assert {each["labels"]["alertname"] for each in monitor.get("/api/v2/alerts")} == {"First", "Second"}
    post(monitor, "Third")
    until(lambda: "┃ Third" in monitor.said(), "what is new after the restart")
    assert monitor.said().count("new message") == 1, "nobody was told again"
    assert monitor.stop() == 0


def test_a_file_that_is_wrong_leaves_the_old_one_in_force_and_says_where(monitor: MonitorProcess) -> None:
    monitor.write(BROKEN)
    status, text = monitor.ask("/-/reload", b"")
    assert status == 500 and b"failed to reload config" in text
    assert b"forewarn.yaml:3:19" in text and b"paymnets" in text and b"payments" in text, text
    monitor.send(signal.SIGHUP)
    until(lambda: monitor.said().count("the configuration was not reloaded, the old one stands") == 2, "both refusals")
    post(monitor, "First")
    assert receivers(monitor, "First") == ["payments"]
    assert monitor.metrics()["forewarn_reloads_failed_total"] >= 1
    monitor.write(AFTER)
    monitor.send(signal.SIGHUP)
    until(lambda: "the configuration was reloaded; runtime: takes a restart" in monitor.said(), "the reload")
    assert receivers(monitor, "First") == ["platform"]
    assert monitor.stop() == 0


def test_an_owner_who_is_in_no_file_has_the_default_owner_told(monitor: MonitorProcess) -> None:
    monitor.write("owners: {payments: {}, platform: {}}\n")
    assert monitor.ask("/-/reload", b"")[0] == 200
    alerts = [{"labels": {"alertname": f"Disk{owner}", "owner": owner}} for owner in ("platform", "Platform")]
    assert monitor.ask("/api/v2/alerts", json.dumps(alerts).encode())[0] == 200
    until(lambda: "meant for Platform" in monitor.said(), "the page of an owner whom nobody knows")
    assert receivers(monitor, "DiskPlatform") == ["payments"] and receivers(monitor, "Diskplatform") == ["platform"]
    assert b"\nforewarn_owners_unknown_total 1" in monitor.ask("/metrics")[1]
    until(lambda: "payments/console was told" in monitor.said(), "the line of the log")

    assert monitor.stop() == 0
    monitor.write("owners: {payments: {}}\n")
    monitor.start()
    alerts[0]["endsAt"] = "2020-01-01T00:00:00Z"  # type: ignore[assignment]
    assert monitor.ask("/api/v2/alerts", json.dumps(alerts[:1]).encode())[0] == 200
    until(lambda: "Resolved for platform" in monitor.said(), "the end, where its owner was taken out")
    assert monitor.said().count("┏") == 1, "the message that was there stays as it is"
