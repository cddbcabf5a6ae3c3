"""Which alerts are one incident: a sentence per row, read as a story of findings and the incidents they make."""

from __future__ import annotations

import pytest

from monitor.alerting.router import Router
from schemas.config import Component, Config
from schemas.finding import Finding
from tests.doubles.clock import START
from tests.doubles.findings import finding

REFUND = {"agent": "refund-agent"}
OTHER = {"agent": "search-agent"}
TOOL = {"tool": "issue_refund"}
CONFIG = Config(components=[Component(agent="search-agent", owner="payments", depends_on=["tool:issue_refund"])])

first = finding()
STORIES: list[tuple[str, list[Finding], list[str]]] = [
    ("one finding is one incident", [first], ["k1"]),
    (
        "another signal of the same agent joins",
        [first, finding(9, key="k2", signal="run.failed", node=REFUND)],
        ["k1 k2"],
    ),
    ("another agent with the same tool joins", [first, finding(9, key="k2", node=OTHER | TOOL)], ["k1 k2"]),
    ("another agent without that tool does not", [first, finding(9, key="k2", node=OTHER)], ["k1", "k2"]),
    ("the tool as a whole joins", [first, finding(9, key="k2", node=TOOL)], ["k1 k2"]),
    (
        "an agent that declares to depend on the tool joins the tool's incident",
        [finding(key="k0", node=TOOL), finding(9, key="k2", signal="run.failed", node=OTHER)],
        ["k0 k2"],
    ),
    (
        "an agent that the tool's finding names as affected joins",
        [finding(key="k0", node=TOOL, affected=("agent=a9",)), finding(9, key="k2", node={"agent": "a9"})],
        ["k0 k2"],
    ),
    ("the fleet joins what is open", [first, finding(9, key="k2", node={})], ["k1 k2"]),
    ("the fleet takes what comes after it", [finding(key="k0", node={}), finding(9, key="k2", node=OTHER)], ["k0 k2"]),
    ("another owner has an incident of their own", [first, finding(9, key="k2", owner="platform")], ["k1", "k2"]),
    ("an onset more than half an hour away is another story", [first, finding(2000, key="k2")], ["k1", "k2"]),
    (
        "unless it says that it belongs to that one",
        [first, finding(2000, key="k2", signal="run.failed", node=REFUND, corroborated=("tool.failed",))],
        ["k1 k2"],
    ),
    (
        "which an agent cannot say of another",
        [first, finding(2000, key="k2", signal="run.failed", node=OTHER | TOOL, corroborated=("tool.failed",))],
        ["k1", "k2"],
    ),
    ("a late finding of an early onset joins", [first, finding(2000, key="k2", onset=600)], ["k1 k2"]),
    ("a notice joins a page", [first, finding(9, key="k2", mode="notice")], ["k1 k2"]),
    ("a page never joins what has not paged", [finding(mode="notice"), finding(9, key="k2")], ["k1", "k2"]),
    ("a notice that becomes a page stays where it is", [finding(mode="notice"), finding(9)], ["k1"]),
    ("a finding in mode off is no alert", [finding(mode="off")], []),
    ("the same finding twice is one", [first, first], ["k1"]),
    ("the same episode fires again, sharper: still one", [first, finding(5)], ["k1"]),
    (
        "a closed incident takes no other slice in",
        [first, finding(60, status="resolved"), finding(70, key="k2", node=REFUND)],
        ["k2", "k1"],
    ),
    (
        "the slice that fires again soon after its end reopens the incident",
        [first, finding(60, status="resolved"), finding(70, key="k2")],
        ["k2"],
    ),
    (
        "the episode that fires again soon after its end reopens the incident",
        [first, finding(60, status="resolved"), finding(70)],
        ["k1"],
    ),
    (
        "what fires again an hour after a short incident is a new one",
        [first, finding(60, status="resolved"), finding(3700, key="k2")],
        ["k2", "k1"],
    ),
    (
        "what lasted long may come again as much later",
        [first, finding(9000, status="resolved"), finding(17_000, key="k2")],
        ["k2"],
    ),
    ("an update of an unknown episode opens nothing", [finding(status="update")], []),
    ("a resolution of an unknown episode opens nothing", [finding(status="resolved")], []),
]


@pytest.mark.parametrize(("why", "findings", "incidents"), STORIES, ids=[row[0] for row in STORIES])
def test_incidents(why: str, findings: list[Finding], incidents: list[str]) -> None:
    router = Router(CONFIG)
    for each in findings:
        router.step([each], each.time)
    made = [" ".join(alert.key for alert in incident.alerts) for incident in router.incidents()]
    assert made == incidents, why


def test_the_nearest_onset_wins_where_two_incidents_fit() -> None:
    router = Router(CONFIG)
    router.step([finding(onset=-1700), finding(0, key="k2", onset=400)], START)
    router.step([finding(500, key="k3", onset=100, node=REFUND)], START + 500)
    assert ["k2", "k3"] in [[alert.key for alert in incident.alerts] for incident in router.incidents()]


def test_the_id_is_the_same_wherever_the_incident_is_made() -> None:
    ids = []
    for _ in range(2):
        router = Router(CONFIG)
        router.step([first], START)
        ids.append(router.incidents()[0].id)
    assert ids[0] == ids[1]
