"""Names of incidents: the same in a replay, and never of two incidents, however long ago the first one was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from monitor.alerting.blind import Blindness, blind
from monitor.alerting.incidents import record as records
from monitor.alerting.incidents import store as incidents
from monitor.alerting.router import Router
from monitor.alerting.routing.receivers import plan
from monitor.notify.outbox import Outbox
from monitor.runtime.store import Store
from schemas.actions import PostedAlert
from schemas.alert import Notification
from schemas.config import DAY, Config
from tests.doubles.clock import START
from tests.doubles.findings import finding

CONFIG = Config.model_validate({"owners": {"payments": {}}})
LABELS = {"alertname": "DiskFull", "severity": "critical", "owner": "payments"}
KEPT_SECONDS = CONFIG.runtime.retention.incidents


class Life:
    """A router and its outbox; what is put is delivered at once."""

    def __init__(self, config: Config = CONFIG) -> None:
        self.router, self.outbox = Router(config), Outbox(plan(config, slack=False))
        self.sent: list[tuple[str, str]] = []

    def take(self, told: list[Notification], now: float) -> None:
        for each in told:
            self.outbox.put(each)
        self.outbox.release()
        for delivery in self.outbox.due(now):
            self.outbox.sent(delivery, "console", now)
            self.sent.append((delivery.incident, delivery.notification.status))

    def posted(self, now: float) -> None:
        """An alert of another system, for ten minutes."""
        alert = PostedAlert(time=now, labels=LABELS, starts_at=now, ends_at=now + 600.0)
        self.take(self.router.step((), now, [alert]), now)
        self.take(self.router.tick(now + 601.0), now + 601.0)

    def blind(self, now: float) -> None:
        """A producer whose heartbeat stays away, for ten minutes."""
        fires = blind(Blindness.HEARTBEAT, "payments", now, now, who="billing")
        self.take(self.router.step((fires,), now), now)
        over = blind(Blindness.HEARTBEAT, "payments", now, now + 601.0, "resolved", who="billing")
        self.take(self.router.step((over,), now + 601.0), now + 601.0)


@pytest.mark.parametrize("episode", [Life.posted, Life.blind])
def test_what_comes_again_after_the_retention_is_told_as_a_new_incident(
    episode: Callable[[Life, float], None],
) -> None:
    life, later = Life(), START + KEPT_SECONDS + 5 * DAY
    episode(life, START)
    life.take(life.router.tick(later - 60.0), later - 60.0)
    assert not life.router.incidents(), "the first is forgotten"
    episode(life, later)
    names = [name for name, _ in life.sent]
    assert [status for _, status in life.sent] == ["firing", "resolved"] * 2
    assert len(set(names)) == 2 and life.outbox.counts["replayed"] == 0


def test_nor_does_a_name_come_again_where_many_others_were_closed_since(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incidents, "CLOSED", 1)
    life = Life()
    life.posted(START)
    life.blind(START + 3_000.0)
    life.posted(START + 9_000.0)
    assert len(life.sent) == 6 and len({name for name, _ in life.sent}) == 3


def test_what_is_stepped_again_after_a_crash_has_the_name_that_the_outbox_knows(tmp_path: Path) -> None:
    life, store = Life(), Store(tmp_path)
    life.take(life.router.tick(START), START)
    before = [(key, raw) for key, raw in life.router.changes() if raw is not None]
    life.posted(START + 10.0)
    store.commit((), life.outbox.changes())  # the deliveries are durable, the incidents not yet
    store.close()
    again, store = Life(), Store(tmp_path)
    again.router.load(before)
    again.outbox.load(store.entries())
    store.close()
    again.posted(START + 10.0)
    assert [each.id for each in again.router.incidents()] == [life.sent[0][0]]
    assert again.sent == [] and again.outbox.counts["replayed"] == 2


def test_an_incident_that_was_named_before_goes_on_under_its_name() -> None:
    life = Life()
    alert = PostedAlert(time=START, labels=LABELS, starts_at=START)
    life.take(life.router.step((), START, [alert]), START)
    (known,) = life.router.incidents()
    key = known.alerts[0].key
    old = records.incident_id(key, 1)
    saved = []
    for name, raw in life.router.changes():
        assert raw is not None
        if name == f"incident/{known.id}":
            record = records.decode(raw)
            record.change(id=old)
            name, raw = f"incident/{old}", records.encode(record)
        saved.append((name, raw))
    after = Life()
    after.router.load(saved)
    over = msgspec.structs.replace(alert, time=START + 60.0, ends_at=START + 60.0)
    after.take(after.router.step((), START + 60.0, [over]), START + 60.0)
    assert [(each.id, each.status) for each in after.router.incidents()] == [(old, "resolved")]


def test_a_finding_of_the_engine_names_its_incident_by_its_episode_alone() -> None:
    names = []
    for at in (0.0, 500.0):
        router = Router(CONFIG)
        router.step([finding(at)], START + at)
        names += [each.id for each in router.incidents()]
    assert names == [records.incident_id(finding().incident_key, 1)] * 2
