"""Outages above agents, stepped in any way, say the same: cut anywhere, restarted anywhere, on any partition."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.engine import Engine, PartitionEngine, Record, Step
from monitor.evidence.aggregator import Aggregator
from monitor.signals import DRIFT_SIGNALS
from schemas.config import Config
from schemas.event import Event
from schemas.finding import Finding
from schemas.records import Cover, EvidenceBatch, Pooled, Ruling, Tick
from tests.doubles.nodes import nodes_of

START = 1_800_000_000
OFF = {name: {"mode": "off"} for name in ("agent.traffic", *DRIFT_SIGNALS)}
CONFIG = Config.model_validate(
    {
        "owners": {"one": {"budget": "20 per week"}, "two": {}},
        "components": [{"agent": f"agent-{number}", "owner": "two"} for number in (1, 3)],
        "defaults": {"owner": "one"},
        "detectors": OFF,
    }
)
AGENTS = 7
KNOWN = 255
"""Runs of each agent before anything breaks; the last agent begins only then."""
LENGTH = 45

few = settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
Item = tuple[int, Record]


def _log(seed: int) -> list[Item]:
    """A run of each agent in every ten seconds; later a model, or a tool, or everything breaks for a while."""
    rng = random.Random(seed)
    broken = rng.choice(("model", "all", "tool", "agent"))
    begins = KNOWN + 15
    ends = begins + rng.randint(8, 20)
    records: list[Record] = []
    for i in range(KNOWN + LENGTH):
        now = START + 10 * i
        records.append(Tick(float(now), float(now - 10) if i else None))
        for number in rng.sample(range(AGENTS), AGENTS):
            if number == AGENTS - 1 and i < KNOWN:
                continue
            provider, model = ("p", rng.choice("mn")) if number % 3 else (None, "m")
            during = begins <= i < ends
            hit = {"model": provider == "p" and model == "m", "all": True, "agent": number == 1}.get(broken, False)
            failed = rng.random() < (0.9 if during and hit else 0.03)
            name = f"{number}.{i}"
            common: dict[str, Any] = {
                "agent": f"agent-{number}",
                "run": name,
                "version": rng.choice(("v1", "v2")),
                "time": float(now),
            }
            if number % 2:
                soft = rng.random() < (0.9 if during and broken == "tool" else 0.02)
                records.append(Event(kind="tool_call", id=f"{name}t", tool="search", soft_error=soft, **common))
            records.append(Event(kind="llm_call", id=f"{name}m", provider=provider, model=model, **common))
            records.append(Event(kind="run_finished", id=f"{name}f", status="error" if failed else "ok", **common))
    records.append(Tick(float(START + 10 * (KNOWN + LENGTH)), None))
    return list(enumerate(records))


def _said(findings: Iterable[Finding]) -> list[bytes]:
    return [msgspec.json.encode(finding) for finding in findings]


def _cut(rng: random.Random, items: list[Item], most: int) -> Iterator[list[Item]]:
    start = 0
    while start < len(items):
        size = rng.randint(1, most)
        yield items[start : start + size]
        start += size


@few
@given(st.integers(0, 2**32), st.integers(0, 2**32))
def test_cuts_and_restarts_change_nothing(seed: int, cuts: int) -> None:
    rng, whole = random.Random(cuts), Engine(CONFIG)
    step = whole.step(_log(seed))
    stored: dict[str, bytes] = {}
    other, found, rulings = Engine(CONFIG), list[bytes](), list[Ruling]()
    for batch in _cut(rng, _log(seed), 400):
        part = other.step(batch)
        found += _said(part.findings)
        rulings += part.rulings
        for key, value in other.changes():
            if value is None:
                stored.pop(key, None)
            else:
                stored[key] = value
        if rng.random() < 0.3:
            other = Engine(CONFIG)
            entries = list(stored.items())
            rng.shuffle(entries)
            other.load(entries)
    assert found == _said(step.findings)
    assert rulings == step.rulings
    assert other.aggregator.parents == whole.aggregator.parents
    assert other.aggregator.budgets() == whole.aggregator.budgets()
    assert other.partition.covers.known == whole.partition.covers.known
    for name, agent in whole.partition.agents.items():
        assert nodes_of(other.partition.agents[name].slices) == nodes_of(agent.slices)
        assert other.partition.agents[name].slices.above.pooled == agent.slices.above.pooled


@few
@given(st.integers(0, 2**32), st.integers(0, 2**32))
def test_the_order_of_partitions_and_of_evidence_changes_nothing(seed: int, order: int) -> None:
    rng = random.Random(order)
    told = []
    for shuffled in (False, True):
        parts = [PartitionEngine(CONFIG, number) for number in range(2)]
        offsets = [0, 0]
        aggregator, said, above = Aggregator(CONFIG), list[bytes](), list[bytes]()

        def step(
            number: int, record: Record, parts: list[PartitionEngine] = parts, offsets: list[int] = offsets
        ) -> Step:
            offsets[number] += 1
            return parts[number].step([(offsets[number], record)])

        for _, record in _log(seed):
            if isinstance(record, Event):
                found = step(int((record.agent or "0")[-1]) % 2, record).findings
                said += _said(found)
                aggregator.spend(found)
                continue
            assert isinstance(record, Tick)
            evidence: list[EvidenceBatch] = []
            for number in (0, 1) if not shuffled or rng.random() < 0.5 else (1, 0):
                result = step(number, record)
                said += _said(result.findings)
                aggregator.spend(result.findings)
                evidence += result.evidence
            if shuffled:
                rng.shuffle(evidence)
                evidence += evidence[:1]
            for batch in evidence:
                aggregator.take(batch)
            findings, rulings = aggregator.tick(record.time)
            above += _said(findings)
            for ruling in rulings:
                for number in (0, 1) if isinstance(ruling, Cover) else (int(ruling.agent[-1]) % 2,):
                    step(number, ruling)
        told.append((sorted(said), above, aggregator.budgets()))
    assert told[0] == told[1]


def test_the_outages_are_told_and_rulings_of_every_kind_are_made() -> None:
    """Or the properties above would hold of nothing."""
    nodes, kinds = set(), set()
    for seed in range(8):
        step = Engine(CONFIG).step(_log(seed))
        nodes |= {tuple(sorted(one.node)) for one in step.findings if one.status == "firing"}
        kinds |= {type(ruling) for ruling in step.rulings}
    assert {Cover, Pooled} <= kinds
    assert {("model", "provider"), ("tool",)} <= nodes
    assert any("agent" in labels for labels in nodes)
