"""The gate: a new agent or tool in production that is not ready is a notice to the owner of what nobody declared."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from typing import Any

import pytest
import yaml

from monitor import views
from monitor.alerting.router import Router
from monitor.engine import Engine
from monitor.readiness.carried import WINDOW
from monitor.readiness.gate import RECHECK_RUNS, TOLD
from monitor.readiness.pieces import case, judge
from schemas.config import DAY, Config
from schemas.event import decode
from schemas.finding import Finding
from schemas.records import Ack, Tick
from tests.doubles import gate_log
from tests.doubles.gate_log import COMPLETE, MODEL, START, TOOL, run

RUNS = 5


def config(text: str = COMPLETE, **ready: Any) -> Config:
    return Config.model_validate({**yaml.safe_load(text), "ready": {"runs": RUNS, "settle": "0s", **ready}})


_offsets = itertools.count(1)


def step(engine: Engine, events: Iterable[dict[str, Any]], *more: Ack) -> list[Finding]:
    """What the gate says of events, at their times."""
    records = [decode(line) for line in gate_log.lines(events).splitlines()]
    now = max([record.at for record in records], default=engine.partition.now)
    found = engine.step([(next(_offsets), one) for one in (*records, *more, Tick(now + 1.0, now))]).findings
    return [one for one in found if one.signal.endswith(".unready")]


def restarted(stored: dict[str, bytes | None], engine: Engine, other: Config) -> Engine:
    """Another engine on the state of this one."""
    stored.update(engine.changes())
    again = Engine(other)
    again.load((key, value) for key, value in stored.items() if value is not None)
    return again


def runs(agent: str, numbers: Iterable[int], *events: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    return [event for number in numbers for event in run(agent, number, *events, **more)]


def test_a_complete_agent_passes_in_silence() -> None:
    assert step(Engine(config()), runs("refund-agent", range(3 * RUNS), MODEL, TOOL)) == []


def test_a_new_agent_that_lacks_something_is_told_once_to_the_owner_of_what_nobody_declared() -> None:
    engine = Engine(config())
    assert step(engine, runs("shopping-bot", range(RUNS - 1), MODEL)) == []
    (said,) = step(engine, runs("shopping-bot", range(RUNS - 1, 10 * RUNS), MODEL))
    assert (said.signal, said.status, said.mode, said.owner, said.paid) == (
        "agent.unready", "firing", "notice", "platform", False,
    )  # fmt: skip
    assert said.words == (
        "agent shopping-bot is in production and not ready: it lacks owner, contract, objectives, escalation, fallback"
    )
    assert said.node == {"agent": "shopping-bot"}
    assert "forewarn ready shopping-bot" in said.reason


ROWS: list[tuple[str, str, dict[str, Any], int]] = [
    ("without declared agents there is no gate", "owners: {one: {}}", {}, 0),
    ("off", COMPLETE, {"mode": "off"}, 0),
    ("in the digest", COMPLETE, {"mode": "digest"}, 1),
    ("only what is asked for", COMPLETE, {"require": ["tokens"]}, 0),
]


@pytest.mark.parametrize(("sentence", "text", "ready", "count"), ROWS)
def test_when_it_speaks(sentence: str, text: str, ready: dict[str, Any], count: int) -> None:
    said = step(Engine(config(text, **ready)), runs("shopping-bot", range(2 * RUNS), MODEL))
    assert [one.mode for one in said] == [ready.get("mode", "notice")] * count, sentence


def test_an_agent_of_few_runs_is_judged_after_a_day() -> None:
    engine = Engine(config())
    first = run("shopping-bot", 0, MODEL)
    assert step(engine, first) == []
    engine.step([(next(_offsets), Tick(START + DAY + 59.0, START))])
    assert len(step(engine, run("shopping-bot", 1, MODEL, at=START + DAY + 60.0))) == 1


def test_what_a_monitor_sees_in_its_first_day_is_the_fleet_as_it_is() -> None:
    engine = Engine(config(settle="1d"))
    assert step(engine, runs("shopping-bot", range(3 * RUNS), MODEL, TOOL)) == []
    assert step(engine, runs("shopping-bot", range(3 * RUNS, 4 * RUNS), MODEL, TOOL | {"tool": "export"})) == []
    engine = restarted({}, engine, config(settle="1d"))
    engine.step([(next(_offsets), Tick(START + DAY, START))])
    later = [event for n in range(2 * RUNS) for event in run("new", n, MODEL, at=START + DAY + 30.0 * n)]
    later += run("shopping-bot", 5 * RUNS, TOOL | {"tool": "search"}, at=START + 2.0 * DAY)
    assert [one.incident_key for one in step(engine, later)] == ["ready/agent:new", "ready/tool:search"]


def test_without_declared_tools_no_tool_is_judged() -> None:
    bare = "owners: {one: {}}\ncomponents: [{agent: a, owner: one}]"
    engine = Engine(config(bare, require=["owner", "tools"]))
    step(engine, runs("a", range(RUNS), MODEL))
    assert step(engine, runs("a", range(RUNS, 2 * RUNS), TOOL)) == []


def test_shadow_runs_are_not_production() -> None:
    assert step(Engine(config()), runs("shopping-bot", range(3 * RUNS), MODEL, variant="shadow")) == []


def test_a_new_tool_is_told_at_its_first_call_and_once() -> None:
    engine = Engine(config())
    step(engine, runs("refund-agent", range(RUNS), MODEL, TOOL))
    (said,) = step(engine, runs("refund-agent", range(RUNS, 3 * RUNS), MODEL, TOOL, TOOL | {"tool": "export"}))
    assert (said.signal, said.incident_key) == ("tool.unready", "ready/tool:export")
    assert said.node == {"agent": "refund-agent", "tool": "export"}
    assert said.words == "tool export is called in production by refund-agent and not ready: it lacks owner, contract"


def test_tools_that_are_declared_and_versioned_pass() -> None:
    more = COMPLETE.replace("tools: {issue", 'tools: {export: {version: "1"}, issue') + ""
    more = more.replace("  - {tool: issue_refund", "  - {tool: export, owner: support}\n  - {tool: issue_refund")
    engine = Engine(config(more))
    step(engine, runs("refund-agent", range(RUNS), MODEL, TOOL))
    assert step(engine, runs("refund-agent", range(RUNS, 2 * RUNS), TOOL, TOOL | {"tool": "export"})) == []


def test_further_tools_are_counted_and_not_told() -> None:
    engine = Engine(config())
    step(engine, runs("refund-agent", range(RUNS), MODEL, TOOL))
    many = [TOOL | {"tool": f"t{n}"} for n in range(TOLD + 3)]
    assert len(step(engine, run("refund-agent", RUNS, *many))) == TOLD
    assert engine.partition.counts["unready_unsaid"] == 3


def test_it_ends_when_the_pieces_are_there() -> None:
    engine, stored = Engine(config()), dict[str, bytes | None]()
    step(engine, runs("front-desk", range(RUNS), MODEL))
    engine = restarted(stored, engine, config())
    assert step(engine, runs("front-desk", range(RUNS, RUNS + RECHECK_RUNS), MODEL)) == [], (
        "told once, also after a start"
    )
    front = "  - {agent: front-desk, owner: support, depends_on"
    assert front in COMPLETE
    ready = COMPLETE.replace(
        front,
        "  - {agent: front-desk, owner: payments, fallback: human, objectives: [{target: 97%}],"
        " contract: {outcomes: [resolved]}, depends_on",
    )
    begun = RUNS + RECHECK_RUNS
    engine = restarted(stored, engine, config(ready))
    (said,) = step(engine, runs("front-desk", range(begun, begun + RECHECK_RUNS), MODEL))
    assert (said.status, said.reason) == ("resolved", "it is ready now")


def test_it_ends_when_no_run_calls_the_tool_any_more_which_is_no_piece_that_lacks_either() -> None:
    engine = Engine(config())
    step(engine, runs("refund-agent", range(RUNS), MODEL, TOOL))
    (said,) = step(engine, runs("refund-agent", range(RUNS, 2 * RUNS), MODEL, TOOL | {"tool": "export"}))
    assert said.status == "firing"
    without = [run("refund-agent", number, MODEL, TOOL) for number in range(2 * RUNS, 2 * RUNS + 3 * WINDOW)]
    (said,) = [one for each in without for one in step(engine, each)]
    assert (said.status, said.reason) == ("resolved", "no run calls it any more")
    (seen,) = views.seen(engine.partition)
    assert judge(case("refund-agent", config(), seen)).ready


def test_a_person_ends_it() -> None:
    engine = Engine(config())
    (said,) = step(engine, runs("shopping-bot", range(RUNS), MODEL))
    ack = Ack(time=engine.partition.now, agent="shopping-bot", node=said.incident_key, word="new_normal")
    (over,) = step(engine, [], ack)
    assert (over.status, over.incident_key) == ("resolved", said.incident_key)
    assert step(engine, runs("shopping-bot", range(RUNS, 10 * RUNS), MODEL)) == []


def test_an_agent_that_was_known_before_there_was_a_gate_is_not_new() -> None:
    engine = Engine(config(mode="off"))
    step(engine, runs("shopping-bot", range(RUNS), MODEL, TOOL))
    engine.partition.agents["shopping-bot"].gate.standing = None  # type: ignore[assignment]
    again = restarted({}, engine, config())
    assert step(again, runs("shopping-bot", range(RUNS, 5 * RUNS), MODEL, TOOL)) == []
    assert len(step(again, run("shopping-bot", 5 * RUNS, TOOL | {"tool": "export"}))) == 1, "a tool may be"


@pytest.mark.parametrize("cut", [3, 21, 40, 41, 100, 120])
def test_a_restart_anywhere_says_the_same(cut: int) -> None:
    """The same records, stepped by one engine, or by another on its state from `cut` on."""
    told = [event for n in range(3 * RUNS) for event in run("refund-agent", n, MODEL, TOOL)]
    told += [event for n in range(3 * RUNS, 5 * RUNS) for event in run("refund-agent", n, TOOL | {"tool": "export"})]
    told += [event for n in range(5 * RUNS, 7 * RUNS) for event in run("new", n, MODEL)]
    records: list[Any] = [decode(line) for line in gate_log.lines(told).splitlines()]
    ticked = [each for one in records for each in (Tick(one.at, one.at - 1.0), one)]
    log = list(enumerate(ticked, start=1))
    whole = [one.id for one in Engine(config()).step(log).findings]
    first, stored = Engine(config()), dict[str, bytes | None]()
    found = first.step(log[:cut]).findings
    found += restarted(stored, first, config()).step(log[max(cut - 2, 0) :]).findings
    assert [one.id for one in found] == whole
    assert sum(one.signal.endswith(".unready") for one in found) == 2


def test_the_router_makes_one_notice_of_agents_that_show_up_together() -> None:
    told = config()
    engine, router = Engine(told), Router(told)
    events = [event for n in range(RUNS) for agent in ("a", "b") for event in run(agent, n, MODEL)]
    found = step(engine, sorted(events, key=lambda each: each["time"]))
    assert len(found) == 2
    said = router.step(found, engine.partition.now)
    assert len({one.incident for one in said}) == 1
    assert {one.severity for one in said} == {"notice"}
    assert json.dumps([one.owner for one in said]).count("platform") == len(said)
