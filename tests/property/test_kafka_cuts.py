"""A partition of the events topic, cut into batches at any places, says and counts the same.

Whatever names no agent is about a run that may have started a record before, in this batch or in an earlier one.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.intake import dead_letters
from monitor.intake.bodies import read_events
from monitor.runtime.counting import published
from monitor.runtime.kafka.broker.fetched import Record
from monitor.runtime.kafka.events import EventsCore, partition_of
from monitor.runtime.kafka.partition import LetterParts, Outgoing
from schemas.config import Config
from schemas.event import Event, encode
from schemas.finding import decode_finding
from schemas.news import is_news
from schemas.records import Grant, Tick, encode_control, is_control
from tests.doubles.clock import START

LETTERS = LetterParts(dead_letters.dead_letter, dead_letters.encode)
KINDS = ("complaint", "feedback", "evaluation")


def config_of(partitions: int) -> Config:
    return Config.model_validate(
        {
            "owners": {"payments": {"budget": "60 per minute", "notices": "60 per minute"}},
            "defaults": {"owner": "payments"},
            "detectors": {"run.failed": {"reference": "2%"}, "user.unhappy": {"reference": "1%"}},
            "runtime": {"kind": "kafka", "kafka": {"partitions": partitions}},
        }
    )


CONFIGS = {partitions: config_of(partitions) for partitions in (1, 3)}


class Said(NamedTuple):
    """All that a partition says that does not depend on when it is asked, in its order."""

    findings: list[bytes]
    news: list[bytes]
    sent_on: list[Outgoing]
    counts: Counter[str]
    inside: list[tuple[object, ...]]


def log_of(seed: int, partitions: int, seconds: int) -> list[Record]:
    """A log of the partition 0."""
    values = _values(random.Random(seed), partitions, seconds)
    return [Record(place, None, value, at, ()) for place, (at, value) in enumerate(values)]


def _values(rng: random.Random, partitions: int, seconds: int) -> Iterator[tuple[float, bytes]]:
    names = (f"agent-{number}" for number in range(100))
    agents = [name for name in names if partition_of(name, partitions) == 0][:3]
    open_runs: list[dict[str, str]] = []
    number = 0
    for second in range(seconds):
        now = START + second
        yield now, encode_control(Tick(now, now - 1.0 if second else None))
        if second % 5 == 4:
            for name in agents:
                yield now, encode_control(Grant("payments", name, now, now + 5.0, 0.5, 0.5))
        for _ in range(rng.randrange(6)):
            number += 1
            about = rng.choice(({"session": f"s{rng.randrange(9)}"}, {"user": f"u{rng.randrange(9)}"}, {}))
            if rng.random() < 0.3:
                kind = rng.choice(KINDS)
                run = {"run": f"r{rng.randrange(max(number - 9, 0), number + 1)}"}
                yield now, encode(_judgement(kind, now, f"j{number}", about if kind != "evaluation" and about else run))
            elif rng.random() < 0.05:
                component = rng.choice(("tool:t", f"agent:{agents[0]}"))
                yield now, encode(Event(kind="change", time=now, id=f"c{number}", component=component, version="2"))
            elif not open_runs or rng.random() < 0.5:
                open_runs.append({"agent": rng.choice(agents), "run": f"r{number}", **about})
                yield now, encode(Event(kind="run_started", time=now, id=f"s{number}", **open_runs[-1]))
            else:
                run = open_runs.pop(rng.randrange(len(open_runs)))
                status = "error" if second > seconds // 2 and rng.random() < 0.8 else "ok"
                yield now, encode(Event(kind="run_finished", time=now, id=f"f{number}", status=status, **run))


def _judgement(kind: str, now: float, name: str, about: dict[str, str]) -> Event:
    if kind == "evaluation":
        return Event(kind=kind, time=now, id=name, name="judge", label="fail", **about)
    if kind == "feedback":
        return Event(kind=kind, time=now, id=name, rating=-1.0, **about)
    return Event(kind=kind, time=now, id=name, **about)


def said_of(config: Config, batches: Sequence[Sequence[Record]]) -> Said:
    core = EventsCore(config, 0, read_events, LETTERS)
    topics = config.runtime.kafka.topics
    said = Said([], [], [], Counter(), [])
    for batch in batches:
        for out in core.step(batch):
            value = out.value or b""
            if out.topic == topics.events:
                said.sent_on.append(out)
            elif out.topic == topics.findings and is_news(value):
                said.news.append(value)
            elif out.topic == topics.findings and not is_control(value):  # a sighting says how far a batch came
                assert decode_finding(value)
                said.findings.append(value)
    said.counts.update(published(core.engine.counts) + core.counted())
    for name, agent in sorted(core.engine.agents.items()):
        said.inside.append((name, agent.offset, agent.runs, agent.failed, sorted(agent.loose_ids)))
    return said


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32), st.sampled_from((1, 3)), st.integers(5, 90), st.sampled_from((2, 7, 1000)), st.randoms())
def test_any_cut_of_a_partition_says_the_same(
    seed: int, partitions: int, seconds: int, most: int, rng: random.Random
) -> None:
    config, log = CONFIGS[partitions], log_of(seed, partitions, seconds)
    alone = said_of(config, [[record] for record in log])
    cut: list[list[Record]] = []
    while (done := sum(map(len, cut))) < len(log):
        cut.append(log[done : done + rng.randint(1, most)])
    assert said_of(config, cut) == alone
    assert said_of(config, [log]) == alone


def test_the_logs_have_what_they_are_for() -> None:
    """Or the test above proves nothing: findings, news, what is claimed, what is sent on and what nobody knows."""
    alone = [said_of(CONFIGS[1], [log_of(seed, 1, 90)]) for seed in range(5)]
    spread = [said_of(CONFIGS[3], [log_of(seed, 3, 90)]) for seed in range(5)]
    assert all(said.findings and said.news for said in (*alone, *spread))
    assert all(said.counts["events_unattributed"] and not said.sent_on for said in alone)
    assert all(said.sent_on and not said.counts["events_unattributed"] for said in spread)
