"""Root first, parents and children, flapping, growth, data that stopped: what an incident becomes."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.alerting.incidents.alerts import Step
from monitor.alerting.incidents.record import decode, encode, new_record
from schemas.alert import Notification
from schemas.config import Config
from schemas.finding import Finding
from tests.doubles.alert_log import Told
from tests.doubles.clock import START
from tests.doubles.findings import finding

DECLARED = Config.model_validate(
    {
        "owners": {"platform": {}, "payments": {}, "search": {}},
        "components": [
            {"tool": "issue_refund", "owner": "platform"},
            {"agent": "refund-agent", "owner": "payments", "depends_on": ["tool:issue_refund"]},
            {"agent": "front-agent", "owner": "search", "depends_on": ["agent:refund-agent"]},
        ],
        "defaults": {"owner": "platform"},
    }
)


def tool(at: float = 0.0, **more: Any) -> Finding:
    """The tool fails, told to its owner."""
    return finding(at, **{"key": "tool", "node": {"tool": "issue_refund"}, "owner": "platform", **more})


def agent(at: float, name: str = "refund-agent", owner: str = "payments", **more: Any) -> Finding:
    """An agent fails."""
    return finding(at, **{"key": name, "signal": "run.failed", "node": {"agent": name}, "owner": owner, **more})


def brief(told: list[Notification]) -> list[str]:
    return [
        f"{each.receiver} {each.reason}{'!' if each.mention else ''}{'.' if each.status == 'resolved' else ''}"
        for each in told
    ]


def run(*findings: Finding, config: Config = DECLARED) -> Told:
    told = Told(config)
    told.take(*findings)
    return told


def test_what_depends_on_a_root_that_fires_has_one_line_and_no_page() -> None:
    told = run(tool(), agent(60), agent(90, "front-agent", "search"))
    assert brief(told.notifications) == [
        "platform first notification!",
        "payments affected by another incident", "platform impact changed",
        "search affected by another incident", "platform impact changed",
    ]  # fmt: skip
    root, *others = told.router.incidents()
    assert {each.root for each in others} == {root.id}
    assert [(each.component, each.owner, each.declared) for each in root.impact] == [
        ("agent:refund-agent", "payments", True), ("agent:front-agent", "search", True),
    ]  # fmt: skip
    assert {each.severity for each in told.notifications if each.receiver != "platform"} == {"notice"}


def test_a_root_that_fires_later_takes_over_what_was_paged_before() -> None:
    told = run(agent(0), tool(60))
    assert brief(told.notifications) == [
        "payments first notification!", "platform first notification!", "payments affected by another incident",
    ]  # fmt: skip
    told.until(6 * 3600)
    assert [each.receiver for each in told.notifications[3:]] == ["platform"], "no repeat of what another causes"
    assert told.notifications[1].impact[0].component == "agent:refund-agent"


def test_what_goes_on_after_its_root_is_paged_itself() -> None:
    told = run(tool(), agent(60), tool(120, status="resolved"))
    assert brief(told.notifications)[-2:] == ["platform all alerts resolved.", "payments new alerts added!"]
    assert told.router.incidents()[0].root == ""


def test_an_end_with_its_root_is_told_once_each() -> None:
    told = run(tool(), agent(60), agent(100, status="resolved"), tool(120, status="resolved"))
    assert brief(told.notifications)[3:] == [
        "payments all alerts resolved.", "platform impact changed", "platform all alerts resolved.",
    ]  # fmt: skip


def test_what_was_over_and_fires_again_under_a_root_has_one_line_and_no_page() -> None:
    told = run(agent(0), agent(100, status="resolved"), tool(140), agent(150))
    assert brief(told.notifications) == [
        "payments first notification!", "payments all alerts resolved.", "platform first notification!",
        "payments affected by another incident", "platform impact changed",
    ]  # fmt: skip
    assert told.notifications[3].status == "firing"
    assert told.notifications[0].incident == told.notifications[3].incident


def test_onsets_far_apart_are_no_cause() -> None:
    told = run(tool(), agent(4000))
    assert "payments first notification!" in brief(told.notifications)


def test_an_agent_in_which_the_tool_was_seen_to_fail_is_impact_though_nobody_declared_it() -> None:
    seen = ("agent=night-agent", "agent=refund-agent")
    told = run(tool(affected=seen))
    impact = told.router.incidents()[0].impact
    assert [(each.component, each.declared) for each in impact] == [
        ("agent:night-agent", False), ("agent:refund-agent", True),
    ]  # fmt: skip
    # One line to the other owner; the default owner, who has the incident, is told anyway.
    assert brief(told.notifications) == ["platform first notification!", "payments affected by another incident"]
    told.take(tool(60, status="update", after=0.5, affected=seen), tool(200, status="resolved"))
    assert brief(told.notifications)[2:] == [
        "platform evidence updated", "platform all alerts resolved.", "payments all alerts resolved.",
    ]  # fmt: skip


def test_dependencies_are_learned_from_what_was_seen_to_use_them() -> None:
    config = Config.model_validate({"owners": {"platform": {}, "payments": {}}})
    seen = agent(0, node={"agent": "a", "tool": "search"})
    told = run(seen, agent(60, status="resolved"), config=config)
    told.take(tool(9000, node={"tool": "search"}), agent(9060, key="later", node={"agent": "a"}))
    assert brief(told.notifications)[2:] == [
        "platform first notification!", "payments affected by another incident", "platform impact changed",
    ]  # fmt: skip


def test_a_parent_absorbs_its_children() -> None:
    config = Config.model_validate({"owners": {"platform": {}, "payments": {}}})
    told = run(agent(0, onset=-5000), tool(60, absorbs=("refund-agent",)), config=config)
    assert brief(told.notifications)[2] == "payments affected by another incident"
    child = next(each for each in told.router.incidents() if each.owner == "payments")
    assert child.root and child.status == "firing"


def test_a_fire_soon_after_the_end_reopens_the_incident_and_rings_nobody() -> None:
    told = run(
        finding(), finding(300, status="resolved"), finding(900, key="k2"), finding(1200, key="k2", status="resolved")
    )
    assert brief(told.notifications) == [
        "payments first notification!", "payments all alerts resolved.", "payments flapping",
        "payments all alerts resolved.",
    ]  # fmt: skip
    (incident,) = told.router.incidents()
    assert incident.reopened == 1 and len({each.incident for each in told.notifications}) == 1
    assert [each.sequence for each in told.notifications] == [1, 2, 3, 4]


def test_a_loop_that_comes_back_after_each_stretch_of_clean_runs_is_one_incident() -> None:
    """An agent that loops in every seventh run: each end needs 22 clean runs, and each loop is a new episode."""
    told = Told(Config.model_validate({"owners": {"payments": {}}}))
    loop: dict[str, Any] = {"signal": "run.loop", "node": {"agent": "a"}, "mode": "page", "detail": "search again"}
    for n in range(8):
        begin = n * 29 * 300.0
        told.take(finding(begin, key=f"loop{n}", **loop))
        told.take(finding(begin + 22 * 300.0, key=f"loop{n}", status="resolved", **loop))
    assert sum(each.mention for each in told.notifications) == 1
    assert len(told.router.incidents()) == 1 and told.router.incidents()[0].reopened == 7


def test_a_fact_that_grows_from_notice_to_page_stays_one_incident_and_rings_then() -> None:
    told = run(finding(mode="notice"), finding(60))
    assert brief(told.notifications) == ["payments first notification", "payments new alerts added!"]
    assert len(told.router.incidents()) == 1 and told.router.incidents()[0].severity == "page"
    told.until(4 * 3600 + 100)
    assert brief(told.notifications)[2:] == ["payments repeat interval elapsed"]


def test_a_digest_entry_that_grows_to_a_page_is_told_at_once() -> None:
    told = run(finding(mode="digest"), finding(60))
    assert brief(told.notifications) == ["payments first notification!"]


def test_an_agent_without_traffic_says_since_when_there_is_no_data_and_does_not_end() -> None:
    silent = finding(100, key="t", signal="agent.traffic", direction="down", after=0.0, onset=40, mode="notice",
                     node={"agent": "refund-agent"})  # fmt: skip
    told = run(finding(), silent)
    assert told.notifications[-1].no_data_since == START + 40
    told.until(30 * 86_400)
    assert told.router.incidents()[0].status == "firing"
    told.take(finding(31 * 86_400, key="t", status="resolved", signal="agent.traffic", node={"agent": "refund-agent"}))
    assert told.router.incidents()[0].no_data_since is None


def test_a_deploy_is_the_likely_cause() -> None:
    told = run(finding(deploy_share=0.9))
    assert told.notifications[0].cause == "began with a deploy: version v13, tool issue_refund"


def test_the_chart_has_the_levels_as_they_were_told_within_a_bound() -> None:
    told = run(finding())
    for n in range(1, 400):
        told.take(finding(n * 10, status="update", after=0.16 + n / 1000))
    series = told.notifications[-1].series
    assert series[0] == (START, 0.16) and 60 <= len(series) <= 120
    assert [at for at, _ in series] == sorted(at for at, _ in series)


COST: dict[str, Any] = {"key": "cost", "signal": "run.cost_usd", "unit": "usd", "node": {"agent": "refund-agent"}}


def test_a_chart_is_of_the_alert_that_leads_and_of_no_other() -> None:
    told = run(finding(after=0.3, before=0.03, **COST))
    told.take(finding(60))
    for n in range(2, 6):
        told.take(finding(60 * n, id=f"u{n}", status="update", after=0.3 + n / 20, before=0.03, **COST))
    last = told.notifications[-1]
    assert [each.finding.signal for each in last.alerts] == ["tool.failed", "run.cost_usd"]
    assert last.series == ((START + 60.0, 0.16),), "the tool spoke once; what the cost was has another name and unit"
    told.take(finding(400, status="resolved", after=0.04))
    last = told.notifications[-1]
    assert last.alerts[0].finding.signal == "run.cost_usd", "it leads now"
    assert last.series == ((START, 0.3), *((START + 60.0 * n, 0.3 + n / 20) for n in range(2, 6)))


SHARPER: list[tuple[str, dict[str, Any], int]] = [
    ("the same slice goes on", {}, 2),
    ("a sharper slice has levels of its own", {"node": {"agent": "refund-agent", "version": "v13"}}, 1),
    ("so has another unit", {"unit": "seconds"}, 1),
    ("and the share of something else", {"share_of": "kind is table"}, 1),
]


@pytest.mark.parametrize(("why", "change", "points"), SHARPER, ids=[row[0] for row in SHARPER])
def test_levels_of_different_things_are_no_chart(why: str, change: dict[str, Any], points: int) -> None:
    told = run(finding(), finding(60, status="update", after=0.5, **change))
    assert len(told.notifications[-1].series) == points, why


def test_a_slice_that_fires_again_goes_on_in_its_chart() -> None:
    told = run(finding(), finding(100, status="resolved", after=0.04), finding(300, key="k2", after=0.2))
    assert [level for _, level in told.notifications[-1].series] == [0.16, 0.04, 0.2]


def test_the_levels_of_so_many_alerts_of_an_incident_are_kept() -> None:
    tools = [finding(n, key=f"k{n}", node={"agent": "refund-agent", "tool": f"t{n}"}, onset=-n) for n in range(9)]
    record = new_record("i1", tools[0])
    for each in tools[1:]:
        record.take(Step.OPEN, each)
    assert list(record.levels) == [f"k{n}" for n in (8, 7, 6, 5)], "of those that began first"
    assert decode(encode(record)) == record


def test_a_chart_that_was_written_before_each_alert_had_one_is_still_its_alerts() -> None:
    record = new_record("i1", finding())
    record.series, record.series_key, record.levels = [(START, 0.16), (START + 9.0, 0.2)], "k1", {}
    read = decode(encode(record))
    assert read.series_of(read.incident.alerts[0]) == ((START, 0.16), (START + 9.0, 0.2))
