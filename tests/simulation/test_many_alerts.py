"""5,000 alerts for 50 owners within one minute: everyone is told, nothing grows without bound, and it is over again."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from monitor.alerting.dispatch import book
from monitor.alerting.routing.receivers import plan
from monitor.intake.assembler import Assembler
from monitor.notify.outbox import Outbox
from monitor.runtime.steps import Steps
from monitor.runtime.store import Store
from monitor.web.v2.bodies import posted_alerts
from schemas.config import Config
from schemas.records import Tick
from tests.doubles.clock import START

OWNERS, ALERTS, BATCH, AGAIN = 50, 5_000, 100, 1_000
NAMES = [f"team-{number:02d}" for number in range(OWNERS)]
BY_OWNER = Config.model_validate({"owners": {name: {} for name in NAMES}})
BY_TREE = Config.model_validate(
    {
        "owners": {name: {} for name in NAMES},
        "route": {
            "receiver": NAMES[0],
            "group_by": ["owner"],
            "group_wait": "10s",
            "group_interval": "30s",
            "routes": [{"receiver": name, "matchers": [f"owner={name}"]} for name in NAMES],
        },
    }
)
SENT_MOST = {"by owner": 62, "by tree": 8}
"""Messages and updates for one owner in that minute: at most one a second where an incident is told at once."""


class Sending:
    """A monitor over a real file whose deliveries all succeed."""

    def __init__(self, directory: Path, config: Config) -> None:
        self.store = Store(directory)
        self.store._db.execute("PRAGMA synchronous=OFF")  # this machine does not lose power
        self.outbox = Outbox(plan(config, slack=False))
        self.steps = Steps(config, self.store, Assembler(trace_timeout=60.0), self.outbox)
        self.sent: Counter[str] = Counter()
        self.last: dict[str, str] = {}
        self.pending = 0

    def tick(self, now: float) -> None:
        self._commit(self.steps.step([Tick(now, now - 1.0)]))
        self.pending = max(self.pending, self.outbox.pending())
        while due := self.outbox.due(now):
            for delivery in due:
                self.outbox.sent(delivery, "r", now)
                self.sent[delivery.notification.receiver] += 1
                self.last[delivery.notification.receiver] = delivery.notification.status
        self.store.commit((), self.outbox.changes())

    def post(self, alerts: list[dict[str, Any]], now: float) -> None:
        """As Prometheus does it."""
        taken = posted_alerts(json.dumps(alerts).encode(), now)
        assert not taken.errors
        self._commit(self.steps.step((), (), taken.alerts))

    def _commit(self, written: Any) -> None:
        self.store.commit(*written)
        self.outbox.release()

    def size(self) -> int:
        """Bytes of state on disk."""
        return sum(len(value) for _, value in self.store.entries())


@pytest.mark.parametrize("name", ["by owner", "by tree"])
def test_a_storm_reaches_every_owner_and_passes(name: str, tmp_path: Path) -> None:
    monitor = Sending(tmp_path, BY_OWNER if name == "by owner" else BY_TREE)
    storm = [
        {
            "labels": {"alertname": "Down", "owner": NAMES[number % OWNERS], "host": f"h{number}", "severity": "page"},
            "annotations": {"summary": f"host h{number} is down"},
        }
        for number in range(ALERTS)
    ]
    per_second = ALERTS // 60 + 1
    for second in range(61):
        now = START + second
        monitor.tick(now)
        fresh = storm[second * per_second : (second + 1) * per_second]
        for at in range(0, len(fresh), BATCH):
            monitor.post(fresh[at : at + BATCH], now + 0.5)
    for second in range(61, 100, 3):
        monitor.tick(START + second)
    alerts = monitor.steps.router.alerts()
    assert len(alerts) == ALERTS <= book.ALERTS
    assert set(monitor.sent) == set(NAMES), "an owner was not told"
    assert set(monitor.last.values()) == {"firing"}
    assert max(monitor.sent.values()) <= SENT_MOST[name], monitor.sent
    assert monitor.pending <= OWNERS * 2, "one place to write to for each incident, not one message for each alert"
    assert len(monitor.steps.router.incidents()) <= OWNERS
    assert not monitor.steps.router.counts["alert refused"]
    at_height = monitor.size()
    assert at_height < ALERTS * 4_096, "bytes of state"

    # some of them again change nothing
    before = Counter(monitor.sent)
    monitor.post(storm[:AGAIN], START + 100.5)
    assert len(monitor.steps.router.alerts()) == ALERTS and monitor.size() < at_height * 1.1

    over = [each | {"endsAt": "2025-10-09T08:55:20Z"} for each in storm]  # START + 120
    for second in range(101, 200, 4):
        monitor.tick(START + second)
        if second == 121:
            for at in range(0, ALERTS, AGAIN):
                monitor.post(over[at : at + AGAIN], START + second + 0.5)
    assert set(monitor.last.values()) == {"resolved"}, "an owner was not told that it is over"
    assert min(monitor.sent[name] - before[name] for name in NAMES) >= 1
    for second in (3_700, 5_600, 7_500):
        monitor.tick(START + second)
    left = {each.labels["alertname"] for each in monitor.steps.router.alerts()}
    assert left == {"monitor.gap"}, "hours between two ticks, and nothing else"
    assert monitor.size() < at_height, "what is over is forgotten"
    monitor.store.close()
