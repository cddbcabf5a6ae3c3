"""On Kafka the active router says that nobody watched, once, whatever of its saves is lost."""

from __future__ import annotations

import pytest

from monitor.alerting.routing.receivers import plan
from monitor.intake import dead_letters
from monitor.notify.outbox import Outbox
from monitor.runtime.kafka.broker.fetched import Record
from monitor.runtime.kafka.central import TAKEOVER_SECONDS, RouterCore
from monitor.runtime.kafka.partition import LetterParts
from schemas.config import Config
from schemas.records import Tick, encode_control
from tests.doubles.clock import START

CONFIG = Config.model_validate({"owners": {"payments": {}, "platform": {}}, "defaults": {"owner": "platform"}})


def core(saved: dict[str, bytes] | None = None) -> RouterCore:
    made = RouterCore(
        CONFIG, Outbox(plan(CONFIG, slack=False)), LetterParts(dead_letters.dead_letter, dead_letters.encode)
    )
    made.load((saved or {}).items())
    return made


def log(*times: float) -> list[Record]:
    return [
        Record(offset=place, key=None, value=encode_control(Tick(START + at)), headers=(), time=START)
        for place, at in enumerate(times)
    ]


def kept(found: RouterCore) -> dict[str, bytes]:
    return {key: value for key, value in found.changes() if value is not None}


@pytest.mark.parametrize(
    ("why", "times", "told"),
    [
        ("a takeover is no gap", (0.0, 1.0, 1.0 + TAKEOVER_SECONDS), []),
        ("longer is one", (0.0, 1.0, 2.0 + TAKEOVER_SECONDS), [("platform", "firing")]),
        ("over when time goes on", (0.0, 1.0, 40.0, *range(41, 341)), [("platform", "resolved")]),
    ],
)
def test_a_gap_in_the_ticks(why: str, times: tuple[float, ...], told: list[tuple[str, str]]) -> None:
    whole, one_by_one = core(), core()
    whole.step(log(*times))
    for record in log(*times):
        one_by_one.step([record])
    for found in (whole, one_by_one):
        assert [(each.owner, each.status) for each in found.router.incidents()] == told, why


@pytest.mark.parametrize("saved_before_the_gap", [False, True])
def test_a_crash_says_nothing_twice(saved_before_the_gap: bool) -> None:
    records = log(0.0, 1.0, 90.0, 91.0)
    first = core()
    first.step(records[:2] if saved_before_the_gap else records[:3])
    again = core(kept(first))
    again.step(records)
    (incident,) = again.router.incidents()
    assert [entry.time for entry in incident.timeline] == [START + 90.0]
    assert again.outbox.pending() == 1
