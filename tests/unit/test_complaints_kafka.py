"""Complaints on Kafka: the events topic, then beside the findings to the router; what a crash repeats counts once."""

from __future__ import annotations

from monitor.alerting.routing.receivers import plan
from monitor.intake import dead_letters
from monitor.intake.bodies import read_events
from monitor.notify.outbox import Outbox
from monitor.runtime.kafka.central import RouterCore
from monitor.runtime.kafka.events import EventsCore
from monitor.runtime.kafka.microbatch import Record
from monitor.runtime.kafka.partition import LetterParts
from schemas.config import Config
from schemas.event import Event, encode
from schemas.finding import encode_finding
from schemas.news import is_news
from schemas.records import Tick, encode_control
from tests.doubles.clock import START
from tests.doubles.findings import finding

CONFIG = Config.model_validate({"owners": {"payments": {}}, "runtime": {"kind": "kafka", "kafka": {"partitions": 1}}})
LETTERS = LetterParts(dead_letters.dead_letter, dead_letters.encode)


def record(offset: int, value: bytes | None, at: float) -> Record:
    return Record(offset=offset, key=None, value=value, headers=(), time=at)


def test_a_complaint_finds_its_incident_with_the_time_at_which_the_user_spoke() -> None:
    spoke, heard = START + 600.0, START + 7_200.0
    said = Event(kind="complaint", time=spoke, id="c", agent="refund-agent", source="mail")
    events = EventsCore(CONFIG, 0, read_events, LETTERS)
    sent = events.step([record(0, encode_control(Tick(heard)), heard), record(1, encode(said), heard)])
    (news,) = [out.value for out in sent if is_news(out.value)]

    router = RouterCore(CONFIG, Outbox(plan(CONFIG, slack=False)), LETTERS)
    beside = [encode_control(Tick(START)), encode_finding(finding(1.0)), encode_control(Tick(heard)), news, news]
    router.step([record(place, value, heard) for place, value in enumerate(beside)])
    again = RouterCore(CONFIG, Outbox(plan(CONFIG, slack=False)), LETTERS)
    again.load((key, value) for key, value in router.changes() if value is not None)
    again.step([record(9, news, heard)])
    for core in (router, again):
        incident = core.router.incidents()[0]  # another one says that nobody watched meanwhile
        assert (incident.complained_at, incident.complaints) == (spoke, 1)
        (owner,) = core.router.report(START, heard).owners
        assert [line.lead_seconds for line in owner.incidents if line.signal == "tool.failed"] == [599.0]
