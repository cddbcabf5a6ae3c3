"""Shares of nodes above agents: never more than the whole, whatever comes, goes, or changes its group."""

from __future__ import annotations

from collections import Counter, defaultdict

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors import shares
from detectors.shares import Split
from monitor.evidence.aggregator import Aggregator
from monitor.evidence.outages.state import Parent
from monitor.signals import AGGREGATOR_SHARE
from schemas.config import Config
from schemas.records import Evidence, EvidenceBatch

START = 1_800_000_000.0
ROUNDING = 1.0 + 1e-9
WEIGHTS = {"a": 1.0, "b": 0.01, "c": 5.0, "d": 0.2}


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(st.sampled_from(sorted(WEIGHTS)), st.just("turn")), max_size=120))
def test_the_shares_of_an_epoch_are_at_most_one(steps: list[str]) -> None:
    split, given_out, members = Split(), 0.0, Counter[str]()
    for step in steps:
        if step == "turn":
            split = msgspec.msgpack.decode(msgspec.msgpack.encode(shares.split(members, WEIGHTS)), type=Split)
            given_out = sum(split.share(group) * count for group, count in members.items())
        else:
            share = split.newcomer(step)
            assert share > 0.0
            given_out += share
            members[step] += 1
        assert given_out <= ROUNDING


def test_hundreds_of_tools_leave_the_provider_its_part() -> None:
    members = {"tool": 500, "provider": 1, "fleet": 1}
    split = shares.split(members, dict.fromkeys(members, 1.0))
    assert split.share("provider") == split.share("fleet") > 100 * split.share("tool")
    assert split.share("provider") > 0.15


CONFIG = Config.model_validate(
    {
        "owners": {"one": {"budget": "3 per week"}, "two": {}},
        "components": [{"agent": f"a{number}", "owner": "two"} for number in range(3)],
        "defaults": {"owner": "one"},
    }
)
said = st.tuples(
    st.integers(0, 6),
    st.sampled_from(("run.failed", "run.hung", "tool.failed")),
    st.sampled_from(("p\x1fm", "p\x1fn", "q\x1fm", "\x1f", "\x1fm")),
    st.integers(0, 30),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from((1.0, 61.0, 4_000.0, 700_000.0)), st.lists(said, max_size=6)), max_size=25))
def test_nodes_of_one_owner_together_drip_no_more_than_their_part(
    ticks: list[tuple[float, list[tuple[int, str, str, int]]]],
) -> None:
    aggregator, now, earlier = Aggregator(CONFIG), START, dict[str, tuple[Parent, float, float]]()
    flowed: defaultdict[str, float] = defaultdict(float)
    for seconds, pieces in ticks:
        now += seconds
        for number, signal, place, tool in pieces:
            cell = f"{signal}|tool|t{tool}" if signal == "tool.failed" else f"{signal}|run|{place}"
            evidence = Evidence(cell, (0,) * 6, 5, 0, 1 << 30)
            aggregator.take(EvidenceBatch(f"a{number}", 0, now, (evidence,), ("one",)))
            now += 0.001
        aggregator.tick(now)
        for name, parent in aggregator.parents.items():
            known, share, last = earlier.get(name, (None, 0.0, 0.0))
            if known is parent:  # another of that name began anew, and what flowed to the one before it is counted
                flowed[parent.owner] += share * (parent.last - last)
            earlier[name] = (parent, parent.share, parent.last)
        by_owner: defaultdict[str, float] = defaultdict(float)
        for parent in aggregator.parents.values():
            by_owner[parent.owner] += parent.share
        assert all(share <= ROUNDING for share in by_owner.values())
    for view in aggregator.budgets():
        rate = aggregator.ledger.parent_rate(view.owner, "page")
        assert flowed[view.owner] * rate <= AGGREGATOR_SHARE * 3.0 / 604_800.0 * (now - START) * ROUNDING
