"""News: what engines tell beside findings. The router keeps each once, and over a restart."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from monitor.alerting.changes import ledger
from monitor.alerting.complaints import book
from monitor.alerting.rollouts import board
from monitor.alerting.router import Router
from monitor.alerting.routing.receivers import plan
from monitor.engine import PartitionEngine
from monitor.intake import dead_letters
from monitor.intake.bodies import read_events
from monitor.notify.outbox import Outbox
from monitor.runtime.kafka.broker.fetched import Record
from monitor.runtime.kafka.central import RouterCore
from monitor.runtime.kafka.events import EventsCore
from monitor.runtime.kafka.partition import LetterParts
from monitor.runtime.replay import Replay
from schemas.config import Config
from schemas.event import Event, encode
from schemas.news import ChangeSeen, ComplaintSeen, News, RolloutSeen, decode_news, encode_news, is_news
from schemas.records import Tick, encode_control
from tests.doubles.clock import START

CONFIG = Config.model_validate({"owners": {"payments": {}}, "components": [{"tool": "refund", "owner": "payments"}]})
LETTERS = LetterParts(dead_letters.dead_letter, dead_letters.encode)
CHANGE = Event(
    kind="change", time=START + 1.0, id="c1", component="tool:refund", version="4", previous="3", author="kim",
    url="https://git.example/4",
)  # fmt: skip
SEEN = ChangeSeen(
    id="c1", time=START + 1.0, component="tool:refund", version="4", previous="3", author="kim",
    url="https://git.example/4",
)  # fmt: skip


def rollout(name: str, at: float) -> RolloutSeen:
    return RolloutSeen(
        id=name, time=START + at, agent="a", owner="payments", mode="canary", baseline="1", candidate="2",
        started=START, verdict="hold", reason="undecided",
    )  # fmt: skip


def complaint(name: str, at: float) -> ComplaintSeen:
    return ComplaintSeen(id=name, time=START + at, agent="a", owner="payments")


@pytest.mark.parametrize("news", [SEEN, rollout("r", 0.0), complaint("x", 0.0)])
def test_news_comes_back_from_json(news: News) -> None:
    raw = encode_news(news)
    assert is_news(raw)
    assert decode_news(raw) == news


def test_a_change_is_told_once_and_by_one_name_on_every_partition() -> None:
    for partition in range(3):
        engine = PartitionEngine(CONFIG, partition)
        told = engine.step([(0, Tick(START)), (1, msgspec.structs.replace(CHANGE))]).news
        assert told == [SEEN]


def test_a_change_that_names_an_agent_is_told_by_its_agent_once() -> None:
    engine = PartitionEngine(CONFIG)
    named = [msgspec.structs.replace(CHANGE, agent="a") for _ in range(2)]
    told = engine.step([(0, Tick(START)), *enumerate(named, 1)]).news
    assert told == [msgspec.structs.replace(SEEN, agent="a")]


@pytest.mark.parametrize(
    ("news", "kept", "why"),
    [
        ([SEEN, SEEN], [SEEN], "an id that is known changes nothing"),
        ([rollout("r", 0.0), rollout("r", 5.0)], [rollout("r", 5.0)], "the later stands"),
        ([rollout("r", 5.0), rollout("r", 0.0)], [rollout("r", 5.0)], "what is not newer changes nothing"),
        ([complaint("x", 0.0), complaint("x", 1.0)], [complaint("x", 0.0)], "an id that is known changes nothing"),
        ([complaint("x", 0.0), complaint("y", 1.0)], [complaint("y", 1.0), complaint("x", 0.0)], "the latest first"),
    ],
)
def test_the_router_keeps_news_over_a_restart(news: list[News], kept: list[News], why: str) -> None:
    router = Router(CONFIG)
    router.step((), START + 10.0, (), news)
    again = Router(CONFIG)
    again.load((key, value) for key, value in router.changes() if value is not None)
    again.step((), START + 11.0, (), news)
    for each in (router, again):
        assert [*each.changes_seen(), *(one.seen for one in each.rollouts()), *each.complaints()] == kept, why


@pytest.mark.parametrize(
    ("news", "bound", "name"),
    [
        (
            [msgspec.structs.replace(SEEN, id=str(n), version=str(n), time=float(n)) for n in range(3)],
            (ledger, "RELEASES"),
            "changes",
        ),
        ([rollout(str(n), float(n)) for n in range(3)], (board, "ROLLOUTS"), "rollouts"),
        ([complaint(str(n), float(n)) for n in range(3)], (book, "COMPLAINTS"), "complaints"),
    ],
)
def test_beyond_the_bound_the_earliest_is_forgotten(
    news: Sequence[News], bound: tuple[object, str], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(*bound, 2)
    router = Router(CONFIG)
    router.step((), START, (), news)
    kept = [*router.changes_seen(), *(each.seen for each in router.rollouts()), *router.complaints()]
    assert [each.id for each in kept] == ["2", "1"]
    assert router.counts[f"{name} forgotten"] == 1


def test_a_replay_shows_what_was_announced() -> None:
    replay = Replay(CONFIG)
    list(replay.said([CHANGE]))
    assert replay.changes_seen() == [SEEN]
    assert (replay.rollouts(), replay.complaints()) == ([], [])


def test_on_kafka_news_goes_beside_the_findings() -> None:
    def record(offset: int, value: bytes | None) -> Record:
        return Record(offset=offset, key=None, value=value, headers=(), time=START + 1.0)

    events = EventsCore(CONFIG, 0, read_events, LETTERS)
    sent = [
        out.value
        for out in events.step([record(0, encode_control(Tick(START))), record(1, encode(CHANGE))])
        if out.topic == CONFIG.runtime.kafka.topics.findings
    ]
    router = RouterCore(CONFIG, Outbox(plan(CONFIG, slack=False)), LETTERS)
    beside = [encode_control(Tick(START)), *sent, *sent, encode_control(Tick(START + 2.0))]
    assert router.step([record(place, value) for place, value in enumerate(beside)]) == []
    assert router.router.changes_seen() == [SEEN]
    again = RouterCore(CONFIG, Outbox(plan(CONFIG, slack=False)), LETTERS)
    again.load((key, value) for key, value in router.changes() if value is not None)
    assert again.router.changes_seen() == [SEEN]
