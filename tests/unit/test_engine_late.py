"""What others say of a run afterwards, what people say of an alert, and the slices that an alert names."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from monitor.engine import Engine
from monitor.evidence.judged import late
from monitor.evidence.within import hitters
from schemas.config import Config
from schemas.event import Event
from schemas.finding import Finding
from schemas.records import Ack, Tick
from tests.doubles.fleet_log import START, Run, bernoulli, events, firing, log, replay

QUIET = {"agent.traffic": {"mode": "off"}}
CONFIG = Config.model_validate({"owners": {"one": {}}, "detectors": QUIET})


def _event(kind: str, **fields: Any) -> Event:
    return Event(kind=kind, time=START, id="e", **fields)


@pytest.mark.parametrize(
    ("event", "said", "why"),
    [
        (_event("evaluation", score=0.2), ("run.rejected", 1.0), "a low score"),
        (_event("evaluation", score=0.5), ("run.rejected", 0.0), "half is enough"),
        (_event("evaluation", label="FAIL", score=0.9), ("run.rejected", 1.0), "the label is stronger"),
        (_event("evaluation", label="pass"), ("run.rejected", 0.0), "a good word"),
        (_event("evaluation", label="category-7"), None, "a word that says neither"),
        (_event("feedback", rating=-0.1), ("user.unhappy", 1.0), "a thumb down"),
        (_event("feedback", rating=0.0), None, "a thumb nowhere"),
        (_event("feedback"), None, "text alone"),
        (_event("complaint"), ("user.unhappy", 1.0), "a complaint"),
        (_event("heartbeat"), None, "no judgement"),
    ],
)
def test_what_an_event_says_of_a_run(event: Event, said: tuple[str, float] | None, why: str) -> None:
    assert late.verdict(event) == said, why


def _judged(rate: Callable[[int], float], runs: int, kind: str, seed: int = 1, **fields: Any) -> list[Event]:
    """Healthy runs of two versions, each judged 30 s after it closed; v2 from the middle on."""
    rng = random.Random(seed)
    found = events(
        bernoulli("x", seed, lambda _: 0.0, runs=runs, version=lambda i: "v2" if i >= runs // 2 and i % 2 else "v1")
    )
    for i in range(runs):
        bad = rng.random() < rate(i)
        at = START + i * 60 + 30
        if kind == "evaluation":
            score = 0.1 if bad else 0.9
            found.append(Event(kind=kind, time=at, id=f"j{i}", run=f"x-{i}", name="judge", score=score, agent="x"))
        elif bad:
            found.append(Event(kind=kind, time=at, id=f"j{i}", run=f"x-{i}", agent="x", **fields))
    return sorted(found, key=lambda event: event.at)


def _of(findings: list[Finding], signal: str) -> list[Finding]:
    return [one for one in firing(findings) if one.signal == signal]


@pytest.mark.parametrize(("kind", "signal"), [("evaluation", "run.rejected"), ("complaint", "user.unhappy")])
def test_late_truth_finds_the_version(kind: str, signal: str) -> None:
    """Runs end ok; what is said of those of v2 afterwards is bad."""
    happened = _judged(lambda i: 0.4 if i >= 600 and i % 2 else 0.02, 1_200, kind)
    _, findings = replay(CONFIG, happened)
    (said,) = _of(findings, signal)
    assert said.node == {"agent": "x", "version": "v2"}
    assert said.mode == "notice"
    assert START + 600 * 60 < said.time < START + 700 * 60


@pytest.mark.parametrize(("kind", "signal"), [("evaluation", "run.rejected"), ("complaint", "user.unhappy")])
def test_the_usual_share_of_bad_words_says_nothing(kind: str, signal: str) -> None:
    _, findings = replay(CONFIG, _judged(lambda _: 0.05, 1_000, kind))
    assert _of(findings, signal) == []


def test_a_run_counts_once_however_much_is_said_of_it() -> None:
    happened = events(bernoulli("x", 1, lambda _: 0.0, runs=300))
    at = START + 299 * 60 + 5
    happened += [Event(kind="complaint", time=at + i, id=f"k{i}", run=f"x-{i % 3}", agent="x") for i in range(200)]
    engine, findings = replay(CONFIG, happened)
    node = engine.partition.agents["x"].slices.nodes[("user.unhappy", None, None)]
    assert node.k == 3
    assert _of(findings, "user.unhappy") == []


def test_the_good_ones_are_the_runs_that_nobody_complained_of() -> None:
    happened = events(bernoulli("x", 1, lambda _: 0.0, runs=300))
    complaint = Event(kind="complaint", time=START + 250 * 60 + 1, id="k", agent="x", user="u")
    engine, _ = replay(CONFIG, sorted([*happened, complaint], key=lambda event: event.at))
    node = engine.partition.agents["x"].slices.nodes[("user.unhappy", None, None)]
    assert (node.k, node.n) == (1.0, 301.0)


# -- what people say of an alert


def _fired(word: str | None, *, after: float = 0.3, by: Callable[[Finding], str] | None = None) -> list[Finding]:
    """A learned reference that is too low: 2 % at first, later 30 % for good. At the alert somebody says a word."""
    happened = events(bernoulli("x", 4, lambda i: 0.02 if i < 600 else after, runs=1_800))
    engine = Engine(CONFIG)
    findings: list[Finding] = []
    said = False
    offset = 0
    for _, record in log(happened):
        findings += engine.step([(offset, record)]).findings
        offset += 1
        fired = next((one for one in firing(findings) if one.signal == "run.failed"), None)
        if fired is not None and word is not None and not said and isinstance(record, Tick):
            if record.time < fired.time + 1_200.0:
                continue
            name = by(fired) if by is not None else fired.incident_key
            findings += engine.step([(offset, Ack(record.time, "x", name, word))]).findings
            offset += 1
            said = True
    return [one for one in findings if one.signal == "run.failed" and one.status != "update"]


def test_without_a_word_it_goes_on_firing() -> None:
    assert [one.status for one in _fired(None)] == ["firing"]


@pytest.mark.parametrize("word", ["false_alarm", "new_normal"])
def test_a_humans_word_ends_it_and_the_new_level_is_normal(word: str) -> None:
    fired, ended = _fired(word)
    assert (fired.status, ended.status) == ("firing", "resolved")
    assert ended.reason.startswith("a human calls it ")
    assert ended.incident_key == fired.incident_key


def test_a_word_may_name_the_node() -> None:
    def name(fired: Finding) -> str:
        return "|".join(("run.failed", fired.node.get("version", ""), fired.node.get("tool", "")))

    assert [one.status for one in _fired("new_normal", by=name)] == ["firing", "resolved"]


@pytest.mark.parametrize(
    ("word", "name"), [("new_normal", "somebody else's"), ("a word that nobody knows", None), ("false_alarm", "")]
)
def test_a_word_for_nobody_changes_nothing(word: str, name: str | None) -> None:
    by = None if name is None else lambda _: name
    assert [one.status for one in _fired(word, by=by)] == ["firing"]


def test_after_a_word_a_worse_fault_is_found_again() -> None:
    happened = events(bernoulli("x", 4, lambda i: 0.02 if i < 600 else 0.2 if i < 1_400 else 0.95, runs=1_500))
    engine = Engine(CONFIG)
    findings: list[Finding] = []
    for offset, record in log(happened):
        findings += engine.step([(2 * offset, record)]).findings
        last = findings[-1] if findings else None
        if last is not None and last.status == "firing" and len(list(firing(findings))) == 1:
            ack = Ack(engine.partition.now, "x", last.incident_key, "new_normal")
            findings += engine.step([(2 * offset + 1, ack)]).findings
    pages = [one for one in firing(findings) if one.signal == "run.failed"]
    assert pages[-1].time >= START + 1_400 * 60
    assert pages[-1].before == pytest.approx(0.2, abs=0.07)


@pytest.mark.parametrize(("word", "over"), [("false_alarm", True), ("a word that nobody knows", False)])
def test_a_word_for_a_node_above_agents_ends_its_episode(word: str, over: bool) -> None:
    """A tool fails for six agents; its owner hears of it and says that this is no alarm."""
    rng = random.Random(1)
    config = Config.model_validate(
        {
            "owners": {"one": {}, "platform": {}},
            "detectors": QUIET,
            "components": [{"tool": "search", "owner": "platform"}],
            "defaults": {"owner": "one"},
        }
    )
    runs = [
        Run(f"x{number}", START + i * 60 + number * 7, name=f"{number}-{i}",
            tools={"search": (1, int(rng.random() < (0.4 if i >= 300 else 0.03)))})
        for i in range(340)
        for number in range(6)
    ]  # fmt: skip
    engine = Engine(config)
    findings: list[Finding] = []
    said: Finding | None = None
    for offset, record in log(events(runs)):
        findings += engine.step([(2 * offset, record)]).findings
        if said is None:
            said = next((one for one in firing(findings) if one.watched == {"tool": "search"}), None)
            if said is not None:
                findings += engine.step([(2 * offset + 1, Ack(said.time, "", said.incident_key, word))]).findings
    assert said is not None
    ended = [one for one in findings if one.incident_key == said.incident_key and one.status == "resolved"]
    assert [one.reason for one in ended] == (["a human calls it a false alarm"] if over else [])


# -- slices


def _tenants(
    bad: Callable[[str, str], float], *, runs: int = 1_000, labels: bool = False, seed: int = 3
) -> tuple[Engine, list[Finding]]:
    """Runs of three tenants with two models; from run 800 on they fail as `bad(tenant, model)` says."""
    config = Config.model_validate(
        {"owners": {"one": {}}, "detectors": QUIET, "slices": {"labels": ["region"]} if labels else {}}
    )
    rng = random.Random(seed)
    found = []
    for i in range(runs):
        tenant, model = rng.choice(("acme", "blue", "cyan")), rng.choice(("openai/gpt-4o", "acme-ai/small"))
        failed = rng.random() < (0.02 if i < 800 else bad(tenant, model))
        common: dict[str, Any] = {"agent": "x", "version": "v1", "run": f"r{i}", "tenant": tenant}
        if labels:
            common["labels"] = {"region": "eu" if tenant == "acme" else "us", "secret": f"{i}"}
        at = START + i * 60
        found.append(Event(kind="llm_call", time=at, id=f"r{i}.l", model=model, **common))
        found.append(Event(kind="run_finished", time=at, id=f"r{i}.f", status="error" if failed else "ok", **common))
    return replay(config, found)


def test_the_smallest_slice_is_named_and_the_others_are_well() -> None:
    _, findings = _tenants(lambda tenant, _: 0.8 if tenant == "acme" else 0.02)
    (page,) = [one for one in firing(findings) if one.signal == "run.failed"]
    assert page.node["tenant"] == "acme"
    assert "tenant=acme" in page.affected
    last = [one for one in findings if one.signal == "run.failed"][-1]
    assert {"tenant=blue", "tenant=cyan"} <= set(last.unaffected)


def test_a_model_is_named_once_that_is_no_chance() -> None:
    """One model of two may be so by chance in the first few runs; some runs later it is told."""
    _, findings = _tenants(lambda _, model: 0.8 if model == "acme-ai/small" else 0.02)
    said = [one for one in findings if one.signal == "run.failed"]
    named = next(one for one in said if "model" in one.node)
    assert named.node["model"] == "acme-ai/small"
    assert named.after_n <= 40
    assert "model=openai/gpt-4o" in said[-1].unaffected
    assert not [one for one in said if "tenant" in one.node]


def test_a_fault_of_all_names_no_part() -> None:
    for seed in range(4):
        _, findings = _tenants(lambda _t, _m: 0.5, seed=seed)
        for page in firing(findings):
            assert not {"tenant", "model", "provider"} & page.node.keys()


def test_declared_labels_are_slices_and_others_are_not() -> None:
    engine, findings = _tenants(lambda tenant, _: 0.8 if tenant == "acme" else 0.02, labels=True)
    (page,) = [one for one in firing(findings) if one.signal == "run.failed"]
    assert page.node.get("region") == "eu" or page.node.get("tenant") == "acme"
    names = {name for node in engine.partition.agents["x"].slices.nodes.values() for name in node.counts}
    assert not [name for name in names if name.startswith("secret=")]


def test_a_table_is_bounded_and_keeps_who_comes_often() -> None:
    table: hitters.Table = {}
    rng = random.Random(1)
    evicted = 0
    for i in range(5_000):
        heavy = rng.random() < 0.3
        evicted += hitters.count(table, ["tenant=heavy" if heavy else f"tenant=t{i}"], float(heavy))
    assert len(table) <= hitters.ENTRIES + 1
    assert evicted > 3_000
    assert table["tenant=heavy"][1] > 1_000
    assert hitters.smallest(table, 0.01) == "tenant=heavy"


@pytest.mark.parametrize(
    ("table", "part", "why"),
    [
        ({"": [0, 40, 20], "t=a": [0, 20, 19], "t=b": [0, 20, 1]}, "t=a", "it has nearly all of the excess"),
        ({"": [0, 40, 20], "t=a": [0, 20, 12], "t=b": [0, 20, 8]}, "", "both have it"),
        ({"": [0, 4, 3], "t=a": [0, 2, 2], "t=b": [0, 2, 1]}, "", "too few to tell"),
        ({"": [0, 40, 20], "m=x": [0, 40, 20]}, "", "all runs are of it, so it tells nothing"),
        ({"": [0, 40, 19], "t=a": [0, 20, 19], "r=eu": [0, 25, 19]}, "t=a", "the narrower of two"),
        ({"": [0, 40, 0], "t=a": [0, 20, 0]}, "", "nothing is wrong"),
        ({}, "", "nothing was counted"),
    ],
)
def test_which_part_explains_the_excess(table: hitters.Table, part: str, why: str) -> None:
    assert hitters.smallest(table, 0.02) == part, why


def test_who_tells_only_the_end_of_a_run_can_have_it_judged_by_its_name() -> None:
    ends = [
        Event(kind="run_finished", time=START + i, id=f"f{i}", run=f"r{i}", agent="x", status="ok") for i in range(9)
    ]
    words = [
        Event(kind="evaluation", time=START + 60 + i, id=f"e{i}", run=f"r{i}", name="judge", score=0.1)
        for i in range(9)
    ]
    engine, _ = replay(CONFIG, [*ends, *words])
    assert (engine.partition.counts["evaluation"], engine.partition.counts.get("unassigned", 0)) == (9, 0)
