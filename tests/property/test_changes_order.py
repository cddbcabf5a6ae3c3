"""Changes and findings in any order, cut and restarted anywhere: the cause that stands at the end is the same."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.alerting.router import Router
from schemas.alert import Incident
from schemas.config import Config
from schemas.finding import Finding
from schemas.news import ChangeSeen
from tests.doubles.changes import announced, sighted
from tests.doubles.clock import START
from tests.doubles.findings import finding

AGENTS = {"refund-agent": "payments", "order-agent": "search", "chat-agent": "support"}
CONFIG = Config.model_validate(
    {
        "owners": {"platform": {}, **{owner: {} for owner in AGENTS.values()}},
        "components": [
            {"tool": "issue_refund", "owner": "platform"},
            *(
                {"agent": agent, "owner": owner, "depends_on": ["tool:issue_refund", f"prompt:{agent}"]}
                for agent, owner in AGENTS.items()
            ),
        ],
        "defaults": {"owner": "platform"},
        "detectors": {"change.unannounced": {"mode": "off"}},
    }
)
NOW = START + 1_000.0

news = st.builds(
    lambda at, agent, kind: (
        announced(at)
        if kind == "announced"
        else announced(at, f"prompt:{agent}", "7")
        if kind == "prompt"
        else sighted(at, agent=agent)
        if kind == "tool"
        else sighted(at, f"agent:{agent}", "v2")
    ),
    st.integers(100, 300),
    st.sampled_from(sorted(AGENTS)),
    st.sampled_from(("announced", "prompt", "tool", "version")),
)


def failing(agent: str, at: int) -> Finding:
    """An agent fails from `at` on; told a minute later."""
    owner = AGENTS[agent]
    return finding(at + 60.0, key=agent, signal="run.failed", node={"agent": agent}, owner=owner, onset=float(at))


def causes(router: Router) -> dict[str, tuple[str, list[tuple[str, str, float]]]]:
    found: dict[str, Incident] = {each.alerts[0].finding.node["agent"]: each for each in router.incidents()}
    return {
        agent: (each.cause, [(c.component, c.version, round(c.odds, 6)) for c in each.causes])
        for agent, each in found.items()
    }


def step(router: Router, record: ChangeSeen | Finding) -> None:
    told = [record] if isinstance(record, ChangeSeen) else []
    found = [record] if isinstance(record, Finding) else []
    router.step(found, NOW, (), told)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(news, max_size=5, unique_by=lambda each: each.id),
    st.lists(st.integers(150, 300), min_size=3, max_size=3),
    st.randoms(use_true_random=False),
    st.integers(0, 8),
)
def test_the_cause_does_not_depend_on_what_came_first(
    changes: list[ChangeSeen], onsets: list[int], any_order, cut
) -> None:  # type: ignore[no-untyped-def]
    fails = [failing(agent, at) for agent, at in zip(sorted(AGENTS), onsets, strict=True)]
    straight, shuffled = Router(CONFIG), Router(CONFIG)
    for record in [*changes, *fails]:
        step(straight, record)
    mixed: list[ChangeSeen | Finding] = [*changes, *fails]
    any_order.shuffle(mixed)
    for record in mixed[:cut]:
        step(shuffled, record)
    again = Router(CONFIG)
    again.load((key, value) for key, value in shuffled.changes() if value is not None)
    for record in mixed[cut:]:
        step(again, record)
    before, after = causes(straight), causes(again)
    assert before.keys() == after.keys()
    for agent, (_, named) in before.items():
        other = after[agent][1]
        assert {name[:2] for name in named} == {name[:2] for name in other}
