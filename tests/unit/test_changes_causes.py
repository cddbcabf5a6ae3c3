"""The cause in the incident: which change is named, how sure, and who hears of it."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.alerting.router import Router
from schemas.alert import Incident, Notification, NotificationReason
from schemas.config import Config
from schemas.finding import Finding
from schemas.news import ChangeSeen
from tests.doubles.changes import announced, sighted
from tests.doubles.clock import START
from tests.doubles.findings import finding

CONFIG = Config.model_validate(
    {
        "owners": {"platform": {}, "payments": {}, "search": {}, "models": {}},
        "components": [
            {"tool": "issue_refund", "owner": "platform", "depends_on": ["tool:ledger"]},
            {"tool": "ledger", "owner": "platform"},
            {"model": "m", "owner": "models"},
            {
                "agent": "refund-agent",
                "owner": "payments",
                "depends_on": ["tool:issue_refund", "model:m", "prompt:refund"],
            },
            {"agent": "order-agent", "owner": "search", "depends_on": ["tool:issue_refund", "model:m"]},
        ],
        "defaults": {"owner": "platform"},
    }
)


def agent(at: float = 300.0, name: str = "refund-agent", owner: str = "payments", **more: Any) -> Finding:
    """An agent's runs fail since `onset` (60 s before) with 30 % instead of 2 %, seen every two seconds."""
    fields: dict[str, Any] = {
        "key": name,
        "signal": "run.failed",
        "node": {"agent": name},
        "owner": owner,
        "before": 0.02,
        "after": 0.3,
        "after_n": 30.0,
        "unaffected": (),
    }
    return finding(at, **(fields | more))


def tool(at: float = 300.0, name: str = "refund-agent", **more: Any) -> Finding:
    """The tool fails in an agent, told to the tool's owner."""
    node = {"agent": name, "tool": "issue_refund"}
    return agent(at, **({"key": f"tool {name}", "signal": "tool.failed", "node": node, "owner": "platform"} | more))


def run(*records: ChangeSeen | Finding, config: Config = CONFIG) -> tuple[Router, list[Notification]]:
    router, told = Router(config), []
    for record in sorted(records, key=lambda each: each.time):
        news = [record] if isinstance(record, ChangeSeen) else []
        findings = [record] if isinstance(record, Finding) else []
        told += router.step(findings, record.time, (), news)
    return router, told


def named(incident: Incident) -> list[str]:
    return [f"{each.component} {each.version}" for each in incident.causes]


ROWS: list[tuple[str, list[ChangeSeen], Finding, list[str]]] = [
    ("a tool that an agent declares to use", [announced(230)], agent(), ["tool:issue_refund 4"]),
    ("what the tool itself depends on", [announced(230, "tool:ledger")], agent(), ["tool:ledger 4"]),
    ("a prompt", [announced(230, "prompt:refund")], agent(), ["prompt:refund 4"]),
    ("its model answers as another", [sighted(230, "model:m", "m-2")], agent(), ["model:m m-2"]),
    ("its own version, seen first", [sighted(230, "agent:refund-agent", "v13")], agent(), ["agent:refund-agent v13"]),
    ("a tool that nobody has to do with", [announced(230, "tool:search")], agent(), []),
    ("after the onset", [sighted(290)], agent(), []),
    ("announced when the pipeline was done", [announced(290)], agent(), ["tool:issue_refund 4"]),
    ("a shadow is not in production", [announced(230, stage="shadow")], agent(), []),
    ("rolled back before the onset", [announced(230, version="3", stage="rolled_back")], agent(),
     ["tool:issue_refund 3"]),
    ("rolled back after it, which is what was done about it",
     [announced(480, version="3", stage="rolled_back")], agent(), []),
    ("what was rolled back, and not the rollback",
     [announced(230), announced(480, version="3", stage="rolled_back")], agent(), ["tool:issue_refund 4"]),
    ("its own version, not the one that it went back to",
     [announced(230, "agent:refund-agent", "v13"), announced(480, "agent:refund-agent", "v12", stage="rolled_back")],
     agent(), ["agent:refund-agent v13"]),
    ("two days before", [announced(-2 * 86_400)], agent(), []),
    ("of two, the one that came with it", [announced(-7_200), announced(235, "prompt:refund")], agent(),
     ["prompt:refund 4"]),
    ("the slice names the version", [announced(230), sighted(230, "agent:refund-agent", "v13")],
     agent(node={"agent": "refund-agent", "version": "v13"}, unaffected=("version=v12",)),
     ["agent:refund-agent v13"]),
    ("the slice is of another version than came", [sighted(230, "agent:refund-agent", "v13")],
     agent(node={"agent": "refund-agent", "version": "v12"}), []),
    ("announced as what follows the version of the slice",
     [announced(230, "agent:refund-agent", "v13", previous="v12")],
     agent(node={"agent": "refund-agent", "version": "v12"}), []),
    ("announced under a name that runs do not use", [announced(230, "agent:refund-agent", "build 7")],
     agent(node={"agent": "refund-agent", "version": "v12"}), ["agent:refund-agent build 7"]),
    ("the slice names the tool", [announced(230), announced(230, "tool:ledger")], tool(), ["tool:issue_refund 4"]),
    ("the tool in no agent alone", [sighted(230)], finding(300, node={"tool": "issue_refund"}, owner="platform"),
     ["tool:issue_refund 4"]),
]  # fmt: skip


@pytest.mark.parametrize(("why", "changes", "found", "names"), ROWS, ids=[row[0] for row in ROWS])
def test_which_change_is_named(why: str, changes: list[ChangeSeen], found: Finding, names: list[str]) -> None:
    router, _ = run(*changes, found)
    (incident,) = router.incidents()
    assert named(incident)[:1] == names, why
    if names:
        assert incident.causes[0].odds > 0.75
    else:
        assert incident.cause == "not known: no change of it or of what it depends on came near the onset"


def test_the_cause_says_who_when_where_and_how_sure() -> None:
    router, told = run(announced(230, url="https://git.example/7"), agent(deploy_share=0.9))
    (incident,) = router.incidents()
    (cause,) = incident.causes
    assert (cause.owner, cause.author, cause.url, cause.time) == (
        "platform",
        "kim",
        "https://git.example/7",
        START + 230,
    )
    assert (cause.announced, cause.share) == (True, 0.9)
    assert incident.cause == (
        "tool:issue_refund 4, live since 08:57 UTC, announced by kim "
        "(99 % likely, 90 % of the evidence began with a deploy)"
    )
    assert incident.onset_from is not None
    assert incident.onset_to is not None
    assert START + 200 < incident.onset_from < START + 240 < incident.onset_to < START + 270
    assert (told[0].causes, told[0].onset_from) == (incident.causes, incident.onset_from)


def test_what_nobody_announced_is_named_by_its_first_sighting() -> None:
    router, _ = run(sighted(235), agent())
    (incident,) = router.incidents()
    assert incident.cause.startswith(
        "tool:issue_refund 4, first seen 08:57 UTC in calls of refund-agent, not announced (99 % likely"
    )


def test_several_candidates_are_named_with_their_odds() -> None:
    router, _ = run(announced(230), announced(232, "prompt:refund", "7"), agent())
    (incident,) = router.incidents()
    assert named(incident) == ["prompt:refund 7", "tool:issue_refund 4"]
    assert sum(each.odds for each in incident.causes) > 0.95
    assert incident.cause.startswith(
        "not sure: prompt:refund 7, live since 08:57 UTC, announced by kim (50 %) or tool:"
    )


def test_a_change_hours_before_is_named_as_little_likely() -> None:
    router, _ = run(announced(-10_000), agent())
    (incident,) = router.incidents()
    assert 0.05 < incident.causes[0].odds < 0.2
    assert "none of these" in incident.cause


def test_two_agents_that_suffer_tell_the_tool_from_the_prompt() -> None:
    """Each by itself could as well be its own prompt; both together are the tool."""
    router, _ = run(announced(230), announced(231, "prompt:refund", "7"), agent(), agent(301, "order-agent", "search"))
    first, second = router.incidents()
    assert named(first)[0] == named(second)[0] == "tool:issue_refund 4"
    assert first.causes[0].odds > 0.85


def test_what_broke_others_before_is_not_blamed_for_this_as_well() -> None:
    """A tool broke two agents; half a minute later another one breaks two more, which use the first one too."""
    common = [sighted(200, agent=name) for name in ("refund-agent", "order-agent", "a", "b")]
    second = [sighted(235, "tool:find", "2", agent=name) for name in ("a", "b")]
    first = [
        agent(265, name, owner, onset=205) for name, owner in (("refund-agent", "payments"), ("order-agent", "search"))
    ]
    later = [
        agent(300, name, owner, signal="tool.failed", node={"agent": name, "tool": "find"})
        for name, owner in (("a", "payments"), ("b", "search"))
    ]
    router, _ = run(*common, *second, *first, *later)
    found = {each.alerts[0].finding.node["agent"]: each for each in router.incidents()}
    assert named(found["refund-agent"])[0] == "tool:issue_refund 4"
    assert named(found["a"])[0] == named(found["b"])[0] == "tool:find 2"
    assert found["a"].causes[0].odds > 0.75


OWN = Config.model_validate(
    {
        "owners": {"payments": {}},
        "defaults": {"owner": "payments"},
        "detectors": {"change.unannounced": {"mode": "off"}},
    }
)


def bad_version(at: float, name: str, version: str = "v13", **more: Any) -> Finding:
    """A tool fails in a version of an agent since five seconds, and almost none did before."""
    node = {"agent": name, "version": version, "tool": "issue_refund"}
    return agent(at, name, **({"key": f"{name} {version}", "node": node, "onset": at - 5, "deploy_share": 1.0} | more))


def two_versions(*more: Finding) -> tuple[Router, list[Notification]]:
    """Two agents of one owner break with a version of their own each, a minute apart, in one incident."""
    news = [
        change
        for at, name in ((100, "refund-agent"), (160, "killbot"))
        for change in (announced(at, f"agent:{name}", "v13", previous="v12"), sighted(at, f"agent:{name}", "v13"))
    ]
    found = bad_version(105, "refund-agent"), bad_version(165, "killbot", signal="tool.failed")
    return run(*news, *found, *more, config=OWN)


def test_what_broke_with_a_change_of_its_own_later_is_no_rival_of_the_first() -> None:
    router, told = two_versions()
    (incident,) = router.incidents()
    assert len(incident.alerts) == 2
    assert named(incident) == ["agent:refund-agent v13"]
    assert incident.causes[0].odds > 0.99
    assert incident.cause == (
        "agent:refund-agent v13, live since 08:55 UTC, announced by kim "
        "(99 % likely, 100 % of the evidence began with a deploy)"
        "; later, of killbot v13: agent:killbot v13, live since 08:56 UTC, announced by kim"
    )
    assert [str(each.reason) for each in told] == ["first notification", "new alerts added"]
    assert told[-1].cause == incident.cause
    assert incident.timeline[-1].text == (
        "likely cause of killbot v13: agent:killbot v13, live since 08:56 UTC, announced by kim"
    )


def test_the_cause_of_the_first_alert_stays_when_that_is_over() -> None:
    router, told = two_versions(bad_version(200, "refund-agent", status="resolved"))
    (incident,) = router.incidents()
    assert incident.status == "firing"
    assert named(incident) == ["agent:refund-agent v13"]
    assert incident.cause == told[1].cause


def test_a_second_version_of_the_same_agent_is_no_rival_of_the_first() -> None:
    news = [sighted(at, "agent:refund-agent", version) for at, version in ((100, "v13"), (700, "v14"))]
    router, _ = run(
        *news, bad_version(105, "refund-agent"), bad_version(705, "refund-agent", "v14", signal="cost"), config=OWN
    )
    (incident,) = router.incidents()
    assert named(incident) == ["agent:refund-agent v13"]
    assert "; later, of refund-agent v14: agent:refund-agent v14, first seen" in incident.cause


def test_a_later_alert_whose_change_is_known_leaves_the_first_unknown() -> None:
    """Its change is told as what it is, also where it is announced after the alert joined, and to its owner."""
    later = bad_version(165, "killbot", node={"agent": "killbot", "version": "v13"})
    change = announced(200, "agent:killbot", "v13", previous="v12")
    config = Config.model_validate(
        {
            "owners": {"payments": {}, "bots": {}},
            "components": [{"agent": "killbot", "owner": "bots"}],
            "defaults": {"owner": "payments"},
        }
    )
    first = agent(105, node={"agent": "refund-agent", "version": "v13"})
    whole = agent(106, key="all", node={}, signal="run.failed")
    router, told = run(first, whole, later, change, config=config)
    (incident,) = router.incidents()
    assert incident.causes == ()
    assert incident.cause == (
        "not known: no change of it or of what it depends on came near the onset"
        "; later, of killbot v13: agent:killbot v13, live since 08:56 UTC, announced by kim"
    )
    assert [(each.receiver, str(each.reason)) for each in told[-2:]] == [
        ("payments", "evidence updated"),
        ("bots", "likely cause of another incident"),
    ]


def test_a_storm_of_one_cause_names_it_once() -> None:
    found = [agent(300.0 + at, f"a{at}", node={"agent": f"a{at}", "tool": "issue_refund"}) for at in range(40)]
    router, _ = run(sighted(235, agent="a0"), *found, config=OWN)
    (incident,) = router.incidents()
    assert named(incident) == ["tool:issue_refund 4"]
    assert "later" not in incident.cause


def test_what_is_loaded_says_the_same_of_a_later_cause() -> None:
    before, _ = two_versions()
    again = Router(OWN)
    again.load((key, value) for key, value in before.changes() if value is not None)
    over = bad_version(200, "refund-agent", status="resolved")
    assert before.step([over], START + 200.0) == again.step([over], START + 200.0)
    assert before.incidents() == again.incidents()


def test_the_owner_of_the_change_hears_of_it_in_its_own_way() -> None:
    _, told = run(announced(230), agent(), agent(400, status="resolved"))
    assert [(each.receiver, str(each.reason), each.mention, each.severity) for each in told] == [
        ("payments", "first notification", True, "page"),
        ("platform", "likely cause of another incident", False, "notice"),
        ("payments", "all alerts resolved", False, "page"),
        ("platform", "all alerts resolved", False, "notice"),
    ]


def test_both_dependents_stand_in_the_incident_of_the_tool() -> None:
    router, told = run(announced(230), tool(), tool(302, "order-agent"))
    (incident,) = router.incidents()
    assert (incident.owner, named(incident)) == ("platform", ["tool:issue_refund 4"])
    assert [(each.component, each.owner, each.declared) for each in incident.impact] == [
        ("agent:refund-agent", "payments", True),
        ("agent:order-agent", "search", True),
    ]
    firsts = {each.receiver: str(each.reason) for each in reversed(told)}
    assert firsts == {
        "platform": "first notification",
        "payments": "affected by another incident",
        "search": "affected by another incident",
    }


def test_an_announcement_that_comes_later_names_its_author() -> None:
    router, told = run(sighted(235), agent(), announced(400))
    (incident,) = router.incidents()
    assert incident.causes[0].author == "kim"
    assert str(told[-1].reason) == "likely cause found"
    assert incident.timeline[-1].text == "likely cause: tool:issue_refund 4, live since 08:57 UTC, announced by kim"


def drift_of_v12() -> Finding:
    """A small drift, told as a notice; how old it is, is not dated well."""
    node = {"agent": "refund-agent", "version": "v12"}
    return agent(signal="run.duration", mode="notice", node=node, before=1.0, after=1.2, unit="seconds")


def test_what_is_announced_after_the_version_that_drifts_is_no_news_of_it() -> None:
    news = [announced(310, "agent:refund-agent", "v13", previous="v12"), sighted(311, "agent:refund-agent", "v13")]
    router, told = run(drift_of_v12(), *news)
    (incident,) = router.incidents()
    assert incident.cause.startswith("not known")
    assert [str(each.reason) for each in told] == ["first notification"]
    assert not [entry.text for entry in incident.timeline if "cause" in entry.text]


@pytest.mark.parametrize("at_once", [True, False])
def test_a_cause_that_does_not_hold_is_taken_back(at_once: bool) -> None:
    """Nobody said what it follows; the first run of it shows that the drift is of another version."""
    news = [announced(310, "agent:refund-agent", "v13", previous=""), sighted(311, "agent:refund-agent", "v13")]
    router, told = run(drift_of_v12())
    for part in [news] if at_once else [[each] for each in news]:
        told += router.step([], part[-1].time, (), part)
    (incident,) = router.incidents()
    reasons = [str(each.reason) for each in told]
    assert reasons[-1] == "evidence updated"
    assert ("likely cause found" in reasons) is not at_once
    assert incident.timeline[-1].text.startswith("no longer the likely cause: agent:refund-agent v13, live since")
    for each in told:
        assert (each.reason is NotificationReason.CAUSE_FOUND) <= (not each.cause.startswith("not known"))
    assert told[-1].cause == incident.cause
    again = Router(CONFIG)
    again.load((key, value) for key, value in router.changes() if value is not None)
    assert again.incidents() == [incident]


def test_what_was_loaded_finds_the_same() -> None:
    before, _ = run(announced(230), agent())
    again = Router(CONFIG)
    again.load((key, value) for key, value in before.changes() if value is not None)
    for router in (before, again):
        router.step([agent(302, "order-agent", "search")], START + 302.0)
    assert before.incidents() == again.incidents()
    assert named(again.incidents()[1]) == ["tool:issue_refund 4"]


def test_a_posted_alert_has_no_cause_of_ours() -> None:
    router, _ = run(announced(230), finding(300, words="disk full", node={}))
    (incident,) = router.incidents()
    assert (incident.cause, incident.causes) == ("", ())


def test_an_onset_after_the_finding_is_taken_as_its_own_time() -> None:
    """Events of a clock that is ahead: the change is judged all the same, and nothing ends."""
    ahead = agent(300.0, onset=START + 3_600.0)
    router, told = run(sighted(200.0, "agent:refund-agent", "8", agent="refund-agent"), ahead)
    assert told and router.incidents()
