"""What the engine says of small fleets: who is named, when, and when it is over."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest

from monitor import views
from monitor.engine import Engine
from schemas.config import Config
from schemas.event import Event
from schemas.finding import Finding
from schemas.records import Tick
from tests.doubles.fleet_log import START, Run, bernoulli, events, firing, log, replay

CONFIG = Config.model_validate({"owners": {"one": {}}, "detectors": {"agent.traffic": {"mode": "off"}}})


def _config(**changes: Any) -> Config:
    return Config.model_validate({"owners": {"one": {}}, "detectors": {"agent.traffic": {"mode": "off"}}} | changes)


def _said(findings: list[Finding], signal: str = "") -> list[tuple[str, str, dict[str, str]]]:
    return [(one.signal, one.status, one.node) for one in findings if one.signal == signal or not signal]


def _change(before: float, after: float, at: int, runs: int, seed: int = 1, **options: Any) -> list[Run]:
    return bernoulli("x", seed, lambda i: before if i < at else after, runs=runs, **options)


# -- finding


def test_the_demo_one_versions_tool_fails_silently_in_most_calls() -> None:
    """From v2 on `refund` returns soft errors in 70 % of calls; v1 and `lookup` stay well. Runs overlap."""
    rng = random.Random(4)
    runs = []
    broken_from = 600
    for i in range(760):
        version = "v2" if i >= broken_from and i % 2 else "v1"
        bad = rng.random() < (0.7 if version == "v2" else 0.02)
        tools = {"refund": (1, int(bad)), "lookup": (2, int(rng.random() < 0.02))}
        runs.append(Run("x", START + i, version=version, tools=tools, seconds=rng.choice((2.0, 6.0, 15.0))))
    _, findings = replay(CONFIG, events(runs))
    found = [one for one in firing(findings) if one.signal == "tool.failed"]
    assert [one.node for one in found] == [{"agent": "x", "version": "v2", "tool": "refund"}]
    page = found[0]
    assert page.unaffected == ("version=v1",)
    assert page.affected == ("version=v2",)
    assert page.error_types == ("soft_error",)
    assert page.after_n <= 22
    assert page.before < 0.06
    assert page.after > 0.4
    assert page.after_bad / page.after_n == pytest.approx(page.after)
    assert abs(page.onset - (START + broken_from)) < 60.0
    assert set(page.runs) <= {f"r{i}" for i in range(broken_from, 760)}
    assert not [one for one in firing(findings) if one.signal != "tool.failed"]


@pytest.mark.parametrize("normal", [0.001, 0.05, 0.2, 0.5])
def test_when_everything_fails_at_once_the_page_comes_within_40_runs(normal: float) -> None:
    took = []
    for seed in range(8):
        _, findings = replay(CONFIG, events(_change(normal, 1.0, 700, 780, seed)))
        (page,) = [one for one in firing(findings) if one.time >= START + 700 * 60]
        took.append((page.time - START) / 60.0 - 700.0)
        assert page.before == pytest.approx(normal, abs=0.08)
        assert page.after >= 0.5
    assert max(took) <= 40


def test_five_to_fifteen_per_cent_is_found_and_dated() -> None:
    delays, errors, before = [], [], []
    for seed in range(12):
        _, findings = replay(CONFIG, events(_change(0.05, 0.15, 2_000, 3_200, seed)))
        pages = [one for one in firing(findings) if one.time >= START + 2_000 * 60]
        if not pages:
            continue  # it fires since before: a false page that took too low a reference from its first runs
        delays.append((pages[0].time - START) / 60.0 - 2_000)
        errors.append((pages[0].onset - START) / 60.0 - 2_000)
        before.append(pages[0].before)
    assert len(delays) >= 11
    delays.sort()
    assert delays[5] < 350
    assert sorted(map(abs, errors))[5] < 60
    assert all(0.035 < level < 0.07 for level in before)


def test_a_version_that_fails_alike_is_not_called_unaffected() -> None:
    """Both versions break; the one with a fifth of the traffic must not be named as well."""
    for seed in range(6):
        runs = _change(0.02, 0.6, 900, 940, seed, version=lambda i: "v2" if i % 5 == 0 else "v1")
        _, findings = replay(CONFIG, events(runs))
        page = next(one for one in firing(findings) if one.time >= START + 900 * 60)
        assert "version=v2" not in page.unaffected
        assert "version" not in page.node or page.node["version"] == "v1"


def test_one_fault_is_one_page_however_many_nodes_see_it() -> None:
    """Leaf, middle, owner and fleet get the same evidence; one of them speaks."""
    pages = []
    for seed in range(10):
        others = [run for i in range(3) for run in bernoulli(f"y{i}", seed, lambda _: 0.03, runs=900)]
        _, findings = replay(CONFIG, events([*_change(0.03, 0.5, 700, 900, seed), *others]))
        pages.append(len([one for one in firing(findings) if one.time >= START + 700 * 60]))
    assert pages.count(1) >= 9
    assert max(pages) <= 2


def test_what_a_failing_tool_makes_silent_is_told_as_the_tool() -> None:
    """Runs whose last call fails end ok. Whichever node sees it first, the tool is named, and one page is enough."""
    for seed in range(4):
        rng = random.Random(seed)
        runs = [
            Run("x", START + i * 20, tools={"t": (1, int(rng.random() < (0.5 if i >= 700 else 0.03)))})
            for i in range(900)
        ]
        _, findings = replay(CONFIG, events(runs))
        pages = [one for one in firing(findings) if one.time >= START + 700 * 20 and one.mode == "page"]
        assert [one.signal for one in pages if one.signal in ("tool.failed", "run.silent")] == ["tool.failed"]


def test_runs_that_are_silent_for_another_reason_are_told_as_such() -> None:
    """The tool fails in a few runs more, the rest ends ok without the call that its contract wants."""
    contract = {"effects": [{"outcome": "done", "requires_tool": "pay"}]}
    config = _config(components=[{"agent": "x", "contract": contract}])
    rng = random.Random(5)
    found = []
    for i in range(800):
        happened = events([Run("x", START + i * 20, tools={"pay": (1, 0)}, name=f"r{i}")])
        if i >= 700 and rng.random() < 0.6:
            happened = [event for event in happened if event.kind != "tool_call"]
        happened[-1].outcome = "done"
        found += happened
    _, findings = replay(config, found)
    said = {one.signal for one in firing(findings)}
    assert "run.silent" in said
    assert "tool.failed" not in said


# -- the order of outcomes


def test_fast_failures_after_a_deploy_are_no_outage() -> None:
    """Failures end after 5 s, successes after 60 s; 600 runs at once of a version that fails as often as the last."""
    pages = 0
    for seed in range(4):
        rng = random.Random(seed)
        runs = [Run("x", START + i * 20.0, rng.random() < 0.05, "v1") for i in range(1_000)]
        deploy = START + 1_000 * 20.0 + 300.0
        runs += [Run("x", deploy + i * 0.01, rng.random() < 0.05, "v2") for i in range(600)]
        for run in runs:
            run.seconds = 5.0 if run.failed else 60.0
        _, findings = replay(CONFIG, events(runs))
        pages += len(list(firing(findings)))
    assert pages == 0


def test_runs_are_not_waited_for_longer_than_usual() -> None:
    """One run stays open for an hour; the fault behind it is found all the same."""
    runs = _change(0.03, 0.9, 500, 560, gap=5.0)
    for run in runs:
        run.seconds = 1.0
    stuck = Run("x", START + 499 * 5.0, version="v1", seconds=3_600.0, name="stuck")
    _, findings = replay(_config(runtime={"run_timeout": "2h"}), events([*runs, stuck]))
    page = next(firing(findings))
    assert page.time <= START + 540 * 5.0


# -- the end


def test_it_is_over_by_evidence_and_only_then() -> None:
    runs = bernoulli("x", 3, lambda i: 0.9 if 700 <= i < 800 else 0.03, runs=1_000)
    _, findings = replay(CONFIG, events(runs))
    assert [one.status for one in findings if one.status != "update"] == ["firing", "resolved"]
    fired, resolved = (one for one in findings if one.status != "update")
    assert resolved.reason == "the signal is back"
    assert fired.incident_key == resolved.incident_key
    assert fired.id != resolved.id
    assert START + 800 * 60 < resolved.time < START + 840 * 60
    updates = [one for one in findings if one.status == "update"]
    assert 0 < len(updates) <= 12  # each a quarter more runs than the last
    assert all(later.time - one.time >= 30.0 for one, later in itertools.pairwise(updates))


def test_the_reference_is_frozen_while_it_fires() -> None:
    engine, findings = replay(CONFIG, events(_change(0.03, 0.5, 700, 1_500)))
    assert [one.status for one in findings if one.status != "update"] == ["firing"]
    node = engine.partition.agents["x"].slices.nodes[("run.failed", None, None)]
    assert node.k / node.n < 0.06


def test_a_version_that_is_rolled_back_is_over() -> None:
    runs = _change(0.02, 0.02, 0, 900, version=lambda i: "v2" if 700 <= i < 780 and i % 2 else "v1")
    for i in range(701, 780, 2):
        runs[i].failed = i % 10 != 1
    _, findings = replay(CONFIG, events(runs))
    assert [(one.status, one.node.get("version")) for one in findings if one.status != "update"] == [
        ("firing", "v2"),
        ("resolved", "v2"),
    ]
    assert findings[-1].reason == "version v2 gets no more runs"
    assert findings[-1].time < START + 830 * 60


def test_a_small_canary_that_goes_on_failing_is_not_called_gone() -> None:
    """One run in twenty is the canary's; gaps of twenty runs are its nature."""
    runs = _change(0.02, 0.02, 0, 2_400, version=lambda i: "v2" if i >= 1_000 and i % 20 == 0 else "v1")
    for i in range(1_000, 2_400, 20):
        runs[i].failed = True
    _, findings = replay(CONFIG, events(runs))
    assert [one.status for one in findings if one.status != "update"] == ["firing"]
    assert findings[0].node == {"agent": "x", "version": "v2"}


def test_a_tool_that_is_no_longer_called_is_over() -> None:
    rng = random.Random(2)
    runs = []
    for i in range(900):
        bad = rng.random() < (0.9 if i >= 700 else 0.02)
        runs.append(Run("x", START + i * 60, tools={"t": (1, int(bad))} if i < 760 else {"u": (1, 0)}))
    _, findings = replay(CONFIG, events(runs))
    told = [
        (one.status, one.node.get("tool"), one.reason)
        for one in findings
        if one.status != "update" and one.signal == "tool.failed"
    ]
    assert told == [("firing", "t", ""), ("resolved", "t", "tool t gets no more runs")]


def test_an_agent_that_is_gone_says_since_when_and_is_not_over() -> None:
    happened = events(_change(0.02, 0.9, 500, 540))
    engine = Engine(CONFIG)
    records = log(happened)
    findings = engine.step(records).findings
    assert [one.status for one in findings if one.status == "firing"] == ["firing"]
    wake = engine.next_wake()
    offset, before = len(records), engine.partition.now
    while wake is not None and offset < len(records) + 500:
        findings += engine.step([(offset, Tick(wake, before))]).findings
        offset, before, wake = offset + 1, wake, engine.next_wake()
    quiet = [one for one in findings if one.reason]
    assert [one.status for one in quiet] == ["update"], "said once, and silence resolves nothing"
    assert quiet[0].reason.startswith("no data since 20")
    assert not [one for one in findings if one.status == "resolved"]


# -- settings


@pytest.mark.parametrize(
    ("setting", "modes", "why"),
    [
        ({}, ["page"], "the default voice"),
        ({"mode": "notice"}, ["notice"], "told without a mention"),
        ({"mode": "off"}, [], "not watched"),
        ({"tolerance": 10}, [], "within what the owner tolerates"),
    ],
)
def test_what_the_yaml_says_of_a_signal(setting: dict[str, Any], modes: list[str], why: str) -> None:
    config = _config(detectors={"run.failed": setting, "agent.traffic": {"mode": "off"}})
    _, findings = replay(config, events(_change(0.05, 0.3, 800, 1_000, seed=2)))
    assert [one.mode for one in firing(findings)] == modes, why


def test_a_declared_reference_needs_no_warming_up() -> None:
    config = _config(detectors={"run.failed": {"reference": "2%"}, "agent.traffic": {"mode": "off"}})
    _, findings = replay(config, events(_change(0.6, 0.6, 0, 60)))
    page = next(firing(findings))
    assert page.reference == "declared"
    assert page.before == 0.02
    assert page.time <= START + 25 * 60


def test_without_a_reference_it_says_what_it_waits_for() -> None:
    engine, findings = replay(CONFIG, events(_change(0.5, 0.5, 0, 12, seed=7)))
    assert findings == []
    (view,) = views.agents(engine.partition)
    assert view.state == "warming up"
    words = {
        signal.waiting_for for signal in views.signals(engine.partition, view.agent) if signal.signal == "run.failed"
    }
    failed = engine.partition.agents["x"].failed
    assert words == {f"warming up: {failed} of about 20 failures or 12 of 200 runs seen"}


def test_a_new_version_starts_with_the_experience_of_its_agent() -> None:
    engine, _ = replay(CONFIG, events(_change(0.05, 0.05, 0, 401, version=lambda i: "v2" if i == 400 else "v1")))
    node = engine.partition.agents["x"].slices.nodes[("run.failed", "v2", None)]
    assert node.n == 401
    assert node.live


# -- above agents


def _outage(owners: dict[str, str], seed: int, tool: bool) -> tuple[list[Finding], float]:
    """Six agents, a run a minute each; from some time on a third of their runs fails, or of one tool's calls."""
    rng = random.Random(seed)
    at = START + 500 * 60
    runs = []
    for number, agent in enumerate(sorted(owners)):
        for i in range(620):
            start = START + i * 60 + number * 7
            bad = rng.random() < (0.35 if start >= at else 0.03)
            tools = {"search": (1, int(bad)), "other": (1, int(rng.random() < 0.03))} if tool else {}
            runs.append(Run(agent, start, bad and not tool, f"v{i % 2}", tools, name=f"{agent}-{i}"))
    components = [{"agent": agent, "owner": owner} for agent, owner in owners.items()]
    config = _config(
        owners={name: {} for name in {*owners.values(), "platform"}},
        components=[*components, {"tool": "search", "owner": "platform"}],
        defaults={"owner": "platform"},
    )
    _, findings = replay(config, events(runs))
    return findings, at


@pytest.mark.parametrize(
    ("owners", "tool", "watched", "owner", "why"),
    [
        (["a"] * 6, True, {"tool": "search"}, "platform", "a tool breaks for all agents: its owner hears of it"),
        (["a"] * 6, False, {"owner": "a"}, "a", "all agents of one owner fail: one word to that owner"),
        (list("abcdef"), False, {}, "platform", "agents of all owners fail: the fleet, to the default owner"),
    ],
)
def test_an_outage_is_found_above_the_agents(
    owners: list[str], tool: bool, watched: dict[str, str], owner: str, why: str
) -> None:
    first = []
    for seed in range(5):
        findings, at = _outage({f"x{i}": name for i, name in enumerate(owners)}, seed, tool)
        pages = [one for one in firing(findings) if one.time >= at]
        assert pages, why
        first.append((pages[0].watched, pages[0].owner))
        assert "agent" not in pages[0].node or pages[0].watched != watched
        assert pages[0].time <= at + 900.0
    assert first.count((watched, owner)) >= 4, why


def test_a_failing_child_and_its_parent_are_one_bet_above_agents() -> None:
    runs = [Run("x", START + i, i % 10 == 0, name=f"p{i}") for i in range(300)]
    runs += [Run("child", START + i, i % 10 == 0, parent=f"p{i}", name=f"c{i}") for i in range(300)]
    engine, _ = replay(CONFIG, events(runs))
    heard = {name: parent.total_n for name, parent in engine.aggregator.parents.items() if "run.failed" in name}
    own = engine.partition.agents["x"].slices.nodes[("run.failed", None, None)].n
    assert own == 300
    assert engine.partition.agents["child"].slices.nodes[("run.failed", None, None)].n == 300
    assert heard
    assert all(n <= 300 for n in heard.values())


# -- time


def test_ticks_that_go_back_are_ignored_and_counted() -> None:
    engine = Engine(CONFIG)
    engine.step([(0, Tick(START)), (1, Tick(START - 5.0)), (2, Tick(START)), (3, Tick(START + 1.0, START))])
    assert engine.partition.now == START + 1.0
    assert engine.partition.counts["ticks_ignored"] == 2


def test_an_event_at_the_beginning_of_time_stops_nothing() -> None:
    engine = Engine(CONFIG)
    first = Event(kind="run_finished", time=0.0, id="a", agent="x", run="r0")
    engine.step([(0, first), (1, Tick(1.0)), (2, Tick(START, 1.0))])
    engine.step([(3, Event(kind="run_finished", time=START, id="b", agent="x", run="r1")), (4, Tick(START + 1, START))])
    assert engine.partition.counts["runs"] == 2
    assert len(engine.partition.agents["x"].traffic.bins) <= 2_100


def test_an_event_far_from_its_receipt_is_taken_at_its_receipt() -> None:
    engine = Engine(CONFIG)
    event = Event(kind="run_finished", time=START - 700.0, observed_time=START, id="a", agent="x", run="r0")
    step = engine.step([(0, event)])
    assert step.closed[0][1].run.started == START
    assert engine.partition.counts["skewed"] == 1


def test_wakes_do_not_pile_up() -> None:
    """A thousand busy seconds leave as many entries as there are agents, more or less."""
    runs = [run for i in range(5) for run in bernoulli(f"x{i}", 1, lambda _: 0.02, runs=1_000, gap=1.0)]
    engine, _ = replay(CONFIG, events(runs))
    assert len(engine.partition._wakes) <= 1_000 + 2 * 5
    assert len(engine.partition._wakes._scheduled) <= 5


def test_ever_new_tools_fill_no_memory() -> None:
    """Each run calls tools that nobody saw before."""
    runs = [Run("x", START + i, tools={f"t{i}.{j}": (1, 0) for j in range(40)}) for i in range(120)]
    engine, findings = replay(CONFIG, events(runs))
    agent = engine.partition.agents["x"]
    assert len(agent.slices.nodes) <= 2_000
    assert len(agent.tools) <= 200
    assert engine.partition.counts["nodes_evicted"] >= 2 * 120 * 40 - 2_000
    assert findings == []
