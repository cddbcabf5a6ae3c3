"""Deploys: a new version's nodes are paid in advance from a pool, and the finding says how much of it was that."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from monitor.engine import Engine
from monitor.evidence import accounts
from monitor.evidence.within import deploys
from monitor.evidence.within.deploys import Deploys
from monitor.saved.states import Account
from monitor.signals import DEPLOY_SHARE
from schemas.config import Config
from schemas.event import Event
from schemas.finding import Finding
from schemas.records import Grant
from tests.doubles.fleet_log import START, bernoulli, events, firing, log, replay

QUIET = {"agent.traffic": {"mode": "off"}}
CONFIG = Config.model_validate({"owners": {"one": {}}, "detectors": QUIET})
KEYS = [(("run.failed", "v2", None), "one"), (("run.silent", "v2", None), "one"), (("tool.failed", "v2", "t"), "two")]


def _account(hours: float) -> Account:
    account = accounts.empty()
    accounts.renew(account, Grant("one", "x", START, START + 3_600.0 * hours, 1e-6, 1e-6), [], START)
    return account


def _page(seed: int, config: Config = CONFIG, more: list[Event] | None = None) -> Finding | None:
    runs = bernoulli(
        "x", seed, lambda i: 0.02 if i < 1_500 else 0.12, runs=2_400, version=lambda i: "v1" if i < 1_500 else "v2"
    )
    happened = sorted([*events(runs), *(more or [])], key=lambda event: event.at)
    _, findings = replay(config, happened)
    return next((one for one in firing(findings) if one.time >= START + 1_500 * 60), None)


def test_a_fault_that_comes_with_a_version_is_found_sooner_and_says_so() -> None:
    """The same runs, once with two versions and once without: the deploy's mass makes the difference."""
    sooner, began_there = [], []
    for seed in range(8):
        page = _page(seed)
        assert page is not None
        assert page.node == {"agent": "x", "version": "v2"}
        assert page.deploy_share is not None
        runs = bernoulli("x", seed, lambda i: 0.02 if i < 1_500 else 0.12, runs=2_400)
        _, findings = replay(CONFIG, events(runs))
        without = next((one for one in firing(findings) if one.time >= START + 1_500 * 60), None)
        assert without is None or without.deploy_share is None
        sooner.append(float("inf") if without is None else without.time - page.time)
        began_there.append(page.deploy_share)
    assert min(sooner) >= 0.0
    assert sum(seconds > 0 for seconds in sooner) >= 4
    assert sorted(began_there)[1] > 0.75, "nearly all of the evidence began with the deploy, but for a late page"


def test_an_old_fault_is_not_put_on_the_deploy() -> None:
    """The fault began in v1; v2 comes an hour later and has it as well."""
    runs = bernoulli(
        "x", 2, lambda i: 0.02 if i < 1_500 else 0.5, runs=1_700, version=lambda i: "v1" if i < 1_560 else "v2"
    )
    _, findings = replay(CONFIG, events(runs))
    page = next(one for one in firing(findings) if one.time >= START + 1_500 * 60)
    assert page.deploy_share is None


@pytest.mark.parametrize(
    ("component", "stage", "depends_on", "prepaid", "why"),
    [
        ("agent:x", "full", [], True, "the agent itself"),
        ("agent:x", None, [], True, "without a stage it is the whole agent"),
        ("agent:x", "shadow", [], False, "a shadow serves nobody"),
        ("agent:y", "full", [], False, "another agent"),
        ("prompt:p", "full", ["prompt:p"], True, "what it depends on"),
        ("model:m", "full", ["prompt:p"], False, "what it does not depend on"),
    ],
)
def test_a_change_pays_the_nodes_of_whom_it_concerns(
    component: str, stage: Any, depends_on: list[str], prepaid: bool, why: str
) -> None:
    config = Config.model_validate(
        {"owners": {"one": {}}, "detectors": QUIET, "components": [{"agent": "x", "depends_on": depends_on}]}
    )
    runs = events(bernoulli("x", 1, lambda _: 0.02, runs=400))
    change = Event(kind="change", time=START + 401 * 60, id="c", component=component, version="v2", stage=stage)
    engine, _ = replay(config, [*runs, change])
    slices = engine.partition.agents["x"].slices
    promised = [key for key, _ in slices.table.deploys.promises]
    paid = [key for key, node in slices.nodes.items() if node.prepaid > 0.0]
    assert bool(promised or paid) is prepaid, why


def test_a_first_version_is_no_deploy() -> None:
    """Nobody knows the agent yet."""
    engine, _ = replay(CONFIG, events(bernoulli("x", 1, lambda _: 0.02, runs=150, version=lambda i: f"v{i // 20}")))
    assert engine.partition.agents["x"].slices.table.deploys.names == {}


def test_a_version_is_paid_once_however_it_is_first_heard_of() -> None:
    runs = bernoulli("x", 1, lambda _: 0.02, runs=420, version=lambda i: "v1" if i < 400 else "v2")
    change = Event(kind="change", time=START + 399 * 60, id="c", component="agent:x", version="v2")
    engine = Engine(CONFIG)
    happened = sorted([*events(runs), change], key=lambda event: event.at)
    records = log(happened)
    pools = []
    for record in records:
        engine.step([record])
        agent = engine.partition.agents.get("x")
        pools.append(agent.slices.accounts["one"].pool if agent is not None else 0.0)
    falls = [one for one, later in itertools.pairwise(pools) if later < one]
    assert len(falls) == 1


def test_a_deploy_takes_half_of_what_its_owner_has_and_splits_it() -> None:
    book = {"one": _account(100.0), "two": _account(100.0)}
    now = START + 50.0 * 3_600.0
    half = book["one"].page_rate * DEPLOY_SHARE * 50.0 * 3_600.0 * deploys.PART
    state = Deploys({}, [])
    deploys.begin(state, "v2", KEYS, book, "one", now)
    promised = dict(state.promises)
    assert promised[KEYS[0][0]] == promised[KEYS[1][0]]
    assert promised[KEYS[0][0]] * 2 + state.drift == pytest.approx(half)
    assert promised[KEYS[2][0]] == pytest.approx(half)
    assert book["one"].pool == pytest.approx(half)


def test_deploys_never_take_more_than_dripped() -> None:
    """A version with each run for two days, then nothing for a month: what is paid stays below the share."""
    book = {"one": _account(24.0 * 40)}
    state = Deploys({}, [])
    for i in range(2_000):
        deploys.begin(state, f"v{i}", KEYS[:2], book, "one", START + i * 86.4)
    paid = sum(mass for _, mass in state.promises) + state.drift
    assert paid <= book["one"].page_rate * DEPLOY_SHARE * 2_000 * 86.4
    deploys.begin(state, "later", KEYS[:2], book, "one", START + 86_400.0 * 39)
    most = book["one"].page_rate * DEPLOY_SHARE * accounts.DEPLOY_SECONDS
    assert book["one"].pool <= most * deploys.PART * 1.000001, "at most a week's worth waits"
    assert len(state.names) <= deploys.REMEMBERED
    assert len(state.promises) <= deploys.PROMISES
