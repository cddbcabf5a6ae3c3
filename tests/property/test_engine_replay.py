"""The engine on any log: cuts into batches, restarts, torn writes and partitions change nothing of what it says."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator

import msgspec
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from monitor.engine import Engine, PartitionEngine, Record, Step
from monitor.evidence.aggregator import Aggregator
from schemas.config import Config
from schemas.event import Event
from schemas.finding import Finding
from schemas.news import RolloutSeen, encode_news
from schemas.records import Ack, Cover, EvidenceBatch, Tick
from tests.doubles.nodes import nodes_of

START = 1_700_000_000
Item = tuple[int, Record]

_OWNERS = {"a": {"budget": "60 per minute", "notices": "60 per minute"}, "b": {"budget": "30 per minute"}}
LEARNED = Config.model_validate({"owners": _OWNERS, "components": [{"tool": "t1", "owner": "b"}]})
DECLARED = Config.model_validate(
    {
        "owners": _OWNERS,
        "components": [
            {"tool": "t1", "owner": "b"},
            {
                "agent": "agent-0",
                "depends_on": ["prompt:p"],
                "objectives": [{"target": "95%"}],
                "contract": {"limits": {"steps": 3}, "tools": {"t0": {}, "t1": {}}},
            },
            {"agent": "agent-1", "owner": "b", "contract": {"severity": "page", "limits": {"steps": 4}}},
        ],
        "slices": {"labels": ["region"]},
        "detectors": {
            "run.failed": {"reference": "3%"},
            "tool.failed": {"reference": "2%", "mode": "notice"},
            "run.hung": {"reference": "1%"},
            "agent.traffic": {"reference": "600 per hour"},
        },
        "runtime": {"run_timeout": "90s"},
    }
)

quick = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])


class Fleet(msgspec.Struct, frozen=True):
    """What a log is made from: the same fleet gives the same log, of fresh events."""

    seed: int
    agents: int
    ticks: int
    per_tick: int
    fast: bool
    declared: bool

    @property
    def config(self) -> Config:
        return DECLARED if self.declared else LEARNED

    def log(self) -> list[Item]:
        return list(enumerate(_records(self)))


BUSY = Fleet(seed=7, agents=1, ticks=110, per_tick=16, fast=True, declared=True)
"""One agent with so many runs that versions which come late are deploys."""
TOGETHER = Fleet(seed=264, agents=2, ticks=13, per_tick=2, fast=False, declared=True)
"""Agents of two partitions whose runs hang: both say so in the tick in which the fleet does."""
NODES = ("run.failed||", "run.failed|v1|", "run.silent||", "tool.failed||t0", "objective.burn||", "run.loop|t0|loop",
         "contract.violated||limit: steps", "agent.traffic")  # fmt: skip
WORDS = ("false_alarm", "new_normal", "a word of nobody")

fleets = st.builds(
    Fleet,
    seed=st.integers(0, 2**32),
    agents=st.integers(1, 4),
    ticks=st.integers(1, 80),
    per_tick=st.integers(0, 12),
    fast=st.booleans(),
    declared=st.booleans(),
)


def _records(fleet: Fleet) -> Iterator[Record]:
    rng = random.Random(fleet.seed)
    versions = random.Random(fleet.seed + 1)  # apart, so that what comes of the other draws stays as it is
    now = START
    open_runs: list[dict[str, object]] = []
    closed: list[dict[str, object]] = []
    sent: list[bytes] = []
    encoder, decoder = msgspec.json.Encoder(), msgspec.json.Decoder(Event)
    number = 0
    before: float | None = None
    bad = {f"agent-{i}": rng.choice((0.02, 0.05, 0.3)) for i in range(fleet.agents)}

    def event(run: dict[str, object], kind: str, **fields: object) -> Event:
        nonlocal number
        number += 1
        jitter = rng.choice((0.0, 0.0, 0.3, -2.0, -40.0))
        found = Event(kind=kind, time=now + jitter, id=f"e{number}", **run, **fields)
        if rng.random() < 0.03:
            found.observed_time = now + rng.choice((0.0, 900.0))
        sent.append(encoder.encode(found))
        return found

    for _ in range(fleet.ticks):
        for _ in range(fleet.per_tick):
            chance = rng.random()
            if sent and chance < 0.04:
                yield decoder.decode(rng.choice(sent))  # a duplicate, or too late
            elif chance < 0.05:
                component = rng.choice(("agent:agent-0", "agent:agent-0", "prompt:p", "tool:t1"))
                yield Event(kind="change", time=float(now), id=f"c{chance}", component=component, version=f"v{now % 9}",
                            stage=versions.choice((None, "canary", "full", "rolled_back")))  # fmt: skip
            elif chance < 0.055:
                yield Ack(float(now), f"agent-{rng.randrange(fleet.agents)}", rng.choice(NODES), rng.choice(WORDS))
            elif chance < 0.08:
                yield _judgement(rng, now, closed, fleet.agents)
            elif not open_runs or chance < 0.5:
                agent = f"agent-{rng.randrange(fleet.agents)}"
                run: dict[str, object] = {"agent": agent, "run": f"r{number}"}
                if rng.random() < 0.9:
                    run["version"] = rng.choice(("v1", "v1", "v2", f"v{3 + now % 40 // 20}"))
                if open_runs and rng.random() < 0.2:
                    run |= {"parent_run": open_runs[-1]["run"], "parent_agent": open_runs[-1]["agent"]}
                if rng.random() < 0.05:
                    run["variant"] = "shadow"
                elif versions.random() < 0.1:
                    run["variant"] = "canary"
                if versions.random() < 0.3:
                    run["pair"] = f"p{versions.randrange(6)}"
                if rng.random() < 0.7:
                    run |= {"tenant": rng.choice("uvw"), "labels": {"region": rng.choice(("eu", "us"))}}
                open_runs.append(run)
                if rng.random() < 0.8:
                    yield event({**run, "version": None} if rng.random() < 0.1 else run, "run_started")
            elif chance < 0.52:
                yield event(rng.choice(open_runs), "llm_call", model=rng.choice(("a/x", "b/y")))
            elif chance < 0.7:
                run = rng.choice(open_runs)
                same = rng.random() < 0.3
                yield event(
                    run,
                    "tool_call",
                    arguments_hash=1 if same else number,
                    result_hash=1 if same else number,
                    tool=f"t{rng.randrange(3)}",
                    actor=rng.choice(("agent", "agent", "agent", "user")),
                    soft_error=rng.random() < 2 * bad[str(run["agent"])],
                )
            else:
                run = open_runs.pop(rng.randrange(len(open_runs)))
                closed.append(run)
                if rng.random() < 0.06:
                    continue  # it hangs
                yield event(
                    run,
                    "run_finished",
                    status="error" if rng.random() < bad[str(run["agent"])] else "ok",
                    duration_seconds=rng.choice((None, 0.5, 30.0)),
                )
        if rng.random() < 0.1:
            agent = f"agent-{rng.randrange(fleet.agents)}"
            bad[agent] = rng.choice((0.02, 0.9))
        now += 1 if fleet.fast else rng.choice((1, 1, 7, 61, 400))
        if rng.random() < 0.03:
            now += rng.choice((5, 4000, 90_000))
            before = rng.choice((before, None))
        yield Tick(float(now), before)
        if rng.random() < 0.02:
            yield Tick(float(now - 5), before)  # a clock that went back
        before = float(now)


def _judgement(rng: random.Random, now: int, closed: list[dict[str, object]], agents: int) -> Event:
    """What somebody says of a run that has closed, or of an agent."""
    about: dict[str, object] = {"agent": f"agent-{rng.randrange(agents)}"}
    if closed and rng.random() < 0.8:
        run = rng.choice(closed[-20:])
        about = {"agent": run["agent"], "run": run["run"]}
    fields: dict[str, object] = {"time": float(now), "id": f"j{now}.{rng.random()}", **about}
    kind = rng.choice(("evaluation", "feedback", "complaint"))
    if kind == "evaluation" and "run" in about:
        return Event(kind=kind, name="judge", score=rng.random(), **fields)
    if kind == "feedback":
        return Event(kind=kind, rating=rng.choice((-1.0, 1.0)), **fields)
    return Event(kind="complaint", **fields)


def _told(step: Step) -> list[bytes]:
    return [encode_news(news) for news in step.news if isinstance(news, RolloutSeen)]


def _said(findings: Iterable[Finding]) -> list[bytes]:
    return [msgspec.json.encode(finding) for finding in findings]


def _inside(engine: Engine) -> object:
    """All that decides what comes next, in an order of its own."""
    found: list[object] = [engine.partition.now, sorted(engine.partition.counts.items())]
    for name, agent in sorted(engine.partition.agents.items()):
        slices = agent.slices
        found += [name, agent.offset, agent.wake, agent.runs, agent.failed, agent.hung, agent.silent, agent.traffic]
        found += [
            sorted(nodes_of(slices).items(), key=str),
            sorted(slices.accounts.items()),
        ]
        found += [sorted(slices.above.saved().items()), slices.order.saved()]
        found += [slices.table.deploys, sorted(slices.judged.items()), sorted(slices.facts.groups.items())]
        found += [slices.facts.begun, agent.calls, agent.tracker.loop_mass]
        found += [getattr(agent.rollouts, name) for name in ("state", "judged", "halves", "waiting")]
        runs = list(filter(None, map(agent.tracker.known, sorted({*agent.tracker.open, *agent.tracker.closed}))))
        found += [[(run.run, run.seen, run.closed, sorted(run.ids), sorted(run.tools)) for run in runs]]
        in_order = sorted(runs, key=lambda run: run.order)
        found += [[run.run for run in in_order], list(agent.tracker.open), agent.tracker.usual, sorted(agent.loose_ids)]
    aggregator = engine.aggregator
    found += [sorted(aggregator.parents.items()), sorted(aggregator.ledger.books.items())]
    return msgspec.msgpack.decode(msgspec.msgpack.encode(found))


def _whole(fleet: Fleet) -> tuple[Engine, list[bytes], list[bytes]]:
    engine = Engine(fleet.config)
    step = engine.step(fleet.log())
    return engine, _said(step.findings), _told(step)


def _cut(rng: random.Random, items: list[Item], most: int) -> Iterator[list[Item]]:
    start = 0
    while start < len(items):
        size = rng.randint(1, most)
        yield items[start : start + size]
        start += size


@quick
@given(fleets, st.sampled_from((1, 7, 1000)), st.randoms(use_true_random=False))
def test_any_cut_into_batches_says_the_same(fleet: Fleet, size: int, rng: random.Random) -> None:
    engine, said, told = _whole(fleet)
    log = fleet.log()
    for batches in ([log[i : i + size] for i in range(0, len(log), size)], list(_cut(rng, fleet.log(), 50))):
        other = Engine(fleet.config)
        found, heard = list[bytes](), list[bytes]()
        for batch in batches:
            step = other.step(batch)
            found += _said(step.findings)
            heard += _told(step)
        assert (found, heard) == (said, told)
        assert _inside(other) == _inside(engine)


@quick
@given(fleets, st.randoms(use_true_random=False))
@example(BUSY, random.Random(3))
def test_a_restart_between_any_two_batches_changes_nothing(fleet: Fleet, rng: random.Random) -> None:
    engine, said, told = _whole(fleet)
    stored: dict[str, bytes] = {}
    other = Engine(fleet.config)
    found, heard = list[bytes](), list[bytes]()
    for batch in _cut(rng, fleet.log(), 60):
        step = other.step(batch)
        found += _said(step.findings)
        heard += _told(step)
        for key, value in other.changes():
            if value is None:
                stored.pop(key, None)
            else:
                stored[key] = value
        if rng.random() < 0.4:
            other = Engine(fleet.config)
            entries = list(stored.items())
            rng.shuffle(entries)
            other.load(entries)
    assert (found, heard) == (said, told)
    assert _inside(other) == _inside(engine)


@quick
@given(fleets, st.randoms(use_true_random=False))
def test_a_torn_write_is_an_old_state_and_says_the_same_again(fleet: Fleet, rng: random.Random) -> None:
    """A crash while entries are written, one after the other: what was stepped and not stored is stepped again."""
    log = fleet.log()
    at = rng.randrange(len(log) + 1)
    second = rng.randrange(at, len(log) + 1)
    whole = PartitionEngine(fleet.config)
    said = {item[0]: _partition_said(whole, [item]) for item in log}

    engine = PartitionEngine(fleet.config)
    stored: dict[str, bytes] = {}
    engine.step(log[:at])
    _store(stored, engine.changes())
    engine.step(fleet.log()[at:second])
    changes = engine.changes()
    _store(stored, changes[: rng.randrange(len(changes) + 1)])

    again = PartitionEngine(fleet.config)
    again.load(stored.items())
    saved = {name: agent.offset for name, agent in again.agents.items()}
    for offset, record in fleet.log()[at:]:
        found = _partition_said(again, [(offset, record)])
        for one in said[offset]:
            agent = str(msgspec.json.decode(one)["node"]["agent"])
            if offset > saved.get(agent, -1):
                assert one in found
        assert set(found) <= set(said[offset])
    for name, agent in whole.agents.items():
        assert nodes_of(again.agents[name].slices) == nodes_of(agent.slices)
        assert again.agents[name].traffic == agent.traffic


def _partition_said(engine: PartitionEngine, batch: list[Item]) -> list[bytes]:
    return _said(engine.step(batch).findings)


def _store(stored: dict[str, bytes], changes: Iterable[tuple[str, bytes | None]]) -> None:
    for key, value in changes:
        if value is None:
            stored.pop(key, None)
        else:
            stored[key] = value


@quick
@given(fleets, st.randoms(use_true_random=False))
@example(TOGETHER, random.Random(2))
def test_two_partitions_say_the_same_whatever_comes_first(fleet: Fleet, rng: random.Random) -> None:
    """Findings and evidence of a tick may reach the aggregator in any order, and evidence twice."""
    results = []
    for shuffled in (False, True):
        parts = [PartitionEngine(fleet.config, number) for number in range(2)]
        aggregator = Aggregator(fleet.config)
        said: list[bytes] = []
        parents: list[bytes] = []
        logs: list[list[Item]] = [[], []]
        offsets = [0, 0]

        def append(number: int, record: Record, logs: list[list[Item]] = logs, offsets: list[int] = offsets) -> None:
            logs[number].append((offsets[number], record))
            offsets[number] += 1

        for _, record in fleet.log():
            if isinstance(record, Event):
                agent = record.agent
                append(0 if agent is None else int(agent[-1]) % 2, record)
                continue
            if isinstance(record, Ack):
                append(int(record.agent[-1]) % 2, record)
                continue
            assert isinstance(record, Tick)
            told: list[Finding | EvidenceBatch] = []
            for number in (0, 1):
                append(number, record)
                step = parts[number].step(logs[number])
                logs[number].clear()
                said += _said(step.findings)
                told += [*step.findings, *step.evidence]
            if shuffled:
                rng.shuffle(told)
                told += [one for one in told if isinstance(one, EvidenceBatch)][:1]
            for one in told:
                if isinstance(one, EvidenceBatch):
                    aggregator.take(one)
                else:
                    aggregator.spend((one,))
            findings, rulings = aggregator.tick(record.time)
            parents += _said(findings)
            for ruling in rulings:
                for number in (0, 1) if isinstance(ruling, Cover) else (int(ruling.agent[-1]) % 2,):
                    append(number, ruling)
        state = {key: msgspec.msgpack.decode(value[1:]) for key, value in aggregator.changes() if value is not None}
        results.append((sorted(said), parents, state))
    assert results[0] == results[1]


def test_the_fleets_say_something() -> None:
    """Or the properties above would hold of nothing."""
    said = [
        finding.status + finding.signal
        for seed in range(6)
        for finding in Engine(DECLARED).step(Fleet(seed, 3, 80, 12, True, True).log()).findings
    ]
    assert {word[:6] for word in said} == {"firing", "update", "resolv"}
    words = {word for word in said if word.startswith("firing")}
    assert words >= {"firingrun.failed", "firingtool.failed", "firingcontract.violated", "firingobjective.burn"}


def test_the_busy_one_deploys_judges_and_hears_people() -> None:
    """Or the restart above would hold of nothing new."""
    engine = Engine(DECLARED)
    engine.step(BUSY.log())
    slices = engine.partition.agents["agent-0"].slices
    assert slices.table.deploys.names
    assert slices.judged
    assert [node for node in slices.nodes.values() if node.counts or node.deploy or node.prepaid]
    assert engine.partition.counts["acks"] > 0
