"""The ledger and the accounts: no owner's grants ever exceed the budget, no node drips without a grant."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.evidence import accounts, nodes
from monitor.evidence.ledger import Book, Ledger
from monitor.evidence.within.node import Node
from monitor.saved.states import Account
from monitor.signals import (
    AGGREGATOR_SHARE,
    DEPLOY_SHARE,
    DRIFT_SHARE,
    FAILURE_SIGNALS,
    OBJECTIVE_SHARE,
    RUN_FAILED,
    RUN_HUNG,
    TOOL_FAILED,
    TRAFFIC_SHARE,
)
from schemas.config import Config
from schemas.records import Grant

START = 1_700_000_000.0
BUDGET = 5.0 / 604_800.0
CONFIG = Config.model_validate({"owners": {"a": {"budget": "5 per week", "notices": "2 per day"}}})
ROUNDING = 1.0 + 1e-9

steps = st.lists(
    st.tuples(
        st.sampled_from(("ask", "ask", "ask", "seen", "tick", "restart", "week")),
        st.integers(0, 12),
        st.floats(0.0, 5_000.0),
    ),
    max_size=80,
)


def _together(grants: dict[str, Grant], now: float) -> float:
    """What all agents may drip at this moment: the last grant of each, while it runs."""
    return sum(grant.page_rate for grant in grants.values() if grant.start <= now < grant.end)


@settings(max_examples=150, deadline=None)
@given(steps)
def test_grants_of_one_owner_never_exceed_the_budget(pattern: list[tuple[str, int, float]]) -> None:
    """Agents that come, go, ask again, are forgotten; ticks that are late; restarts."""
    ledger = Ledger(CONFIG, {})
    now = START
    latest: dict[str, Grant] = {}
    most = (1.0 - AGGREGATOR_SHARE) * BUDGET * ROUNDING
    for what, number, seconds in pattern:
        agent = f"agent-{number}"
        grants: list[Grant] = []
        if what == "ask":
            grant = ledger.ask("a", agent, now)
            grants = [grant] if grant is not None else []
        elif what == "seen":
            ledger.seen(agent, now)
        elif what == "restart":
            books = msgspec.msgpack.encode(list(ledger.books.values()))
            ledger = Ledger(CONFIG, {})
            for book in msgspec.msgpack.decode(books, type=list[Book]):
                ledger.restore(book)
        else:
            now += seconds if what == "tick" else 8 * 86_400.0
            grants, _ = ledger.tick(now)
        for grant in grants:
            assert grant.start == now
            assert grant.end > now or what == "ask"
            latest[grant.agent] = grant
        assert _together(latest, now) <= most
        assert ledger.parent_rate("a", "page") + _together(latest, now) <= BUDGET * ROUNDING
    for view in ledger.view(now):
        assert view.granted <= BUDGET * (now - START) * ROUNDING + 1e-12


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("node"), st.sampled_from(sorted(FAILURE_SIGNALS)), st.booleans()),
            st.tuples(st.just("wait"), st.floats(0.0, 100.0), st.none()),
            st.tuples(st.just("grant"), st.floats(1e-6, 1e-3), st.floats(1.0, 200.0)),
            st.tuples(st.just("drip"), st.integers(0, 100), st.none()),
        ),
        max_size=60,
    )
)
def test_nodes_of_an_account_never_drip_more_than_was_granted(pattern: list[tuple[str, object, object]]) -> None:
    account: Account = accounts.empty()
    known: list[Node] = []
    now, dripped, granted = START, 0.0, 0.0
    rate, until = 0.0, 0.0
    for what, first, second in pattern:
        if what == "node":
            key = (str(first), "v1" if second else None, f"t{len(known)}" if first == "tool.failed" else None)
            share = accounts.newcomer(account, key, lambda: known, now)
            known.append(Node(key[0], key[1], key[2], "a", (0.0,) * 6, now, share=share))
        elif what == "wait":
            assert isinstance(first, float)
            granted += rate * max(min(now + first, until) - min(now, until), 0.0)
            now += first
        elif what == "grant":
            assert isinstance(first, float)
            assert isinstance(second, float)
            if now < until:
                continue  # the ledger gives a new one when the last is over, or the same again
            rate, until = first, now + second
            accounts.renew(account, Grant("a", "x", now, until, rate, rate), known, now)
        elif known:
            assert isinstance(first, int)
            node = known[first % len(known)]
            flowed = nodes.drip(node, now, account.rate(node.mode), account.end)
            assert flowed >= 0.0
            dripped += flowed
    dripped += sum(nodes.drip(node, now, account.rate(node.mode), account.end) for node in known)
    assert sum(node.share for node in known) <= accounts.NODES_SHARE * ROUNDING
    # a head start is given at once; it is part of what the first grant holds until its end
    assert dripped <= (granted + rate * max(until - now, 0.0)) * (1.0 - TRAFFIC_SHARE) * ROUNDING
    if not granted and not rate:
        assert dripped == 0.0


def test_the_parts_of_a_grant_are_one() -> None:
    nodes_share = sum(signal.leaf_share + signal.middle_share for signal in FAILURE_SIGNALS.values())
    others = TRAFFIC_SHARE + DRIFT_SHARE + DEPLOY_SHARE + OBJECTIVE_SHARE + accounts.LOOP_SHARE
    assert abs(nodes_share + others - 1.0) < 1e-12


def test_what_is_reserved_is_lent_until_somebody_needs_it() -> None:
    def shares() -> list[float]:
        return [round(node.share / accounts.NODES_SHARE, 4) for node in known]

    def come(*key: str | None) -> None:
        signal, version, tool = key
        assert signal is not None
        share = accounts.newcomer(account, (signal, version, tool), lambda: known, START + 10.0)
        known.append(Node(signal, version, tool, "a", (0.0,) * 6, START + 10.0, share=share))

    account, known = accounts.empty(), list[Node]()
    accounts.renew(account, Grant("a", "x", START - 1.0, START, 1.0, 1.0), known, START)
    come("tool.failed", None, "t")
    come("run.failed", None, None)
    accounts.renew(account, Grant("a", "x", START, START + 60.0, 1e-3, 1e-3), known, START)
    tool, run = TOOL_FAILED.middle_share, RUN_FAILED.middle_share
    lent = 1.0 + 0.85 * (accounts.NODES_SHARE - tool - run) / (tool + run)
    assert [node.share for node in known] == [pytest.approx(tool * lent), pytest.approx(run * lent)]
    before, dripped = shares(), nodes.drip(known[0], START + 15.0, 1e-3, START + 60.0)
    come("tool.failed", None, "u")
    assert shares()[0] == pytest.approx(0.85 * before[0], rel=1e-3), "the first of its kind takes the reserve back"
    assert known[2].share == pytest.approx(tool * 0.15 / 2.0)
    come("tool.failed", None, "v")
    assert shares()[0] == pytest.approx(0.85 * before[0], rel=1e-3), "the others share it"
    come("run.hung", None, None)
    assert shares()[1] == before[1], "a kind of its own has its own reserve"
    assert known[4].share == pytest.approx(RUN_HUNG.middle_share * 0.15 / 2.0)
    after = nodes.drip(known[0], START + 20.0, 1e-3, START + 60.0)
    assert after == pytest.approx(0.85 * dripped, rel=1e-3), "as much time, at the share of now"
    assert 0.0 < dripped < nodes.MOST_AT_ONCE
    late = START + 20.0 + 10.0 * nodes.MOST_AT_ONCE / (1e-3 * known[0].share)
    assert nodes.drip(known[0], late, 1e-3, late) == nodes.MOST_AT_ONCE, "what gathers is let go"


def test_a_node_without_a_grant_drips_nothing() -> None:
    account = accounts.empty()
    node = Node(
        "run.failed",
        None,
        None,
        "a",
        (0.0,) * 6,
        START,
        share=accounts.newcomer(account, ("run.failed", None, None), list, START),
    )
    assert nodes.drip(node, START + 1e6, account.rate("page"), account.end) == 0.0
    accounts.renew(account, Grant("a", "x", START + 1e6, START + 1e6 + 10.0, 1.0, 1.0), [node], START + 1e6)
    nodes.drip(node, START + 1e6 + 10.0, account.rate("page"), account.end)
    assert nodes.drip(node, START + 2e6, account.rate("page"), account.end) == 0.0  # the grant is over


def test_epochs_turn_short_while_agents_come_and_then_long() -> None:
    ledger = Ledger(CONFIG, {})
    ledger.ask("a", "x", START)
    assert ledger.tick(START + 59.0) == ([], [])
    lengths = []
    now = START
    for _ in range(9):
        now = ledger.books["a"].end
        ((grant,), _) = ledger.tick(now)
        lengths.append(grant.end - grant.start)
    assert lengths == [60.0, 120.0, 240.0, 480.0, 960.0, 1920.0, 3600.0, 3600.0, 3600.0]
    assert ledger.ask("a", "y", now) is not None
    assert {grant.agent for grant in ledger.tick(ledger.books["a"].end)[0]} == {"x", "y"}


def test_an_agent_that_is_gone_for_a_week_gets_no_grants() -> None:
    ledger = Ledger(CONFIG, {})
    ledger.ask("a", "x", START)
    ledger.ask("a", "y", START)
    assert {grant.agent for grant in ledger.tick(START + 3 * 86_400.0)[0]} == {"x", "y"}
    ledger.seen("y", START + 6 * 86_400.0)
    assert {grant.agent for grant in ledger.tick(START + 8 * 86_400.0)[0]} == {"y"}
