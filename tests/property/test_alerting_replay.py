"""Whatever the findings: the router can be stopped anywhere and resumed, and nothing is told twice."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.alerting.router import Router
from schemas.alert import Notification
from schemas.config import Config
from schemas.finding import Finding
from tests.doubles.clock import START
from tests.doubles.findings import finding

CONFIG = Config.model_validate({"owners": {"payments": {"slack": "#p"}, "platform": {}}})

NODES = [
    {"agent": "a1"},
    {"agent": "a1", "version": "v2", "tool": "t1"},
    {"agent": "a2", "tool": "t1"},
    {"tool": "t1"},
    {},
]

Step = tuple[float, list[Finding]]


@st.composite
def histories(draw: st.DrawFn) -> list[Step]:
    """Steps of a log: a time that goes on, and the findings of that moment."""
    steps: list[Step] = []
    now = 0.0
    for number in range(draw(st.integers(1, 14))):
        now += draw(st.sampled_from([1.0, 20.0, 45.0, 1900.0, 15_000.0]))
        findings = [
            finding(
                now,
                id=f"{number}/{index}",
                key=draw(st.sampled_from(["k1", "k2", "k3"])),
                status=draw(st.sampled_from(["firing", "firing", "update", "resolved"])),
                node=draw(st.sampled_from(NODES)),
                mode=draw(st.sampled_from(["page", "notice"])),
                owner=draw(st.sampled_from(["payments", "platform"])),
                after=draw(st.sampled_from([0.16, 0.17, 0.5])),
            )
            for index in range(draw(st.integers(0, 3)))
        ]
        steps.append((START + now, findings))
    return steps


def run(router: Router, steps: list[Step]) -> list[Notification]:
    return [told for now, findings in steps for told in router.step(findings, now)]


@settings(max_examples=120, deadline=None)
@given(histories(), st.data())
def test_resumed_from_any_snapshot_it_tells_the_rest_and_nothing_twice(steps: list[Step], data: st.DataObject) -> None:
    whole = run(Router(CONFIG), steps)
    stop = data.draw(st.integers(0, len(steps)), label="stopped after")
    again = data.draw(st.integers(0, stop), label="log replayed from")
    first = Router(CONFIG)
    stored: dict[str, bytes] = {}
    told: list[Notification] = []
    for step in steps[:stop]:
        told += run(first, [step])
        for key, raw in first.changes():
            if raw is None:
                stored.pop(key, None)
            else:
                stored[key] = raw
    second = Router(CONFIG)
    second.load(reversed(list(stored.items())))
    assert second.incidents() == first.incidents() or stop < len(steps)
    told += run(second, steps[again:])
    assert told == whole


@settings(max_examples=60, deadline=None)
@given(histories())
def test_each_receiver_of_an_incident_hears_a_sane_story(steps: list[Step]) -> None:
    stories: dict[tuple[str, str], list[Notification]] = {}
    for told in run(Router(CONFIG), steps):
        stories.setdefault((told.receiver, told.incident), []).append(told)
    for story in stories.values():
        assert [told.sequence for told in story] == list(range(1, len(story) + 1))
        assert story[0].reason in ("first notification", "daily digest", "affected by another incident")
        assert all(told.alerts for told in story)
        assert sum(told.mention for told in story) <= 1
        for told, after in itertools.pairwise(story):
            again = after.status == "firing" and after.reason in ("flapping", "affected by another incident")
            assert told.status == "firing" or again, "after the end only a re-fire is told"


@settings(max_examples=40, deadline=None)
@given(histories())
def test_every_owner_of_a_finding_that_lasts_is_told(steps: list[Step]) -> None:
    router = Router(CONFIG)
    told = {each.owner for each in run(router, steps)}
    assert {incident.owner for incident in router.incidents() if incident.status == "firing"} <= told


@settings(max_examples=200, deadline=None)
@given(histories())
def test_the_same_incidents_come_of_findings_together_and_one_by_one(steps: list[Step]) -> None:
    """How Kafka cuts records into batches decides nothing."""
    together, apart = Router(CONFIG), Router(CONFIG)
    run(together, steps)
    run(apart, [(now, [one]) for now, findings in steps for one in findings] + [(now, []) for now, _ in steps[-1:]])
    assert together.incidents() == apart.incidents()


def test_what_fires_in_the_moment_of_an_end_reopens_the_incident_however_they_are_cut() -> None:
    """Found by a soak of half an hour: one incident more than a replay of the topics had."""
    first = finding(0.0, id="1", key="k1", status="firing", node=NODES[0])
    end = finding(60.0, id="2", key="k1", status="resolved", node=NODES[0])
    again = finding(60.0, id="3", key="k2", status="firing", node=NODES[0])
    for later in ([(START + 60.0, [end, again])], [(START + 60.0, [end]), (START + 60.0, [again])]):
        router = Router(CONFIG)
        run(router, [(START, [first]), *later])
        assert [(one.status, one.reopened) for one in router.incidents()] == [("firing", 1)]
