"""What an agent's detectors knew when a user complained. Reads, never changes.

The nodes nearest to an alert, of the slice that the complaint is about where its run is remembered. A leaf and its
middle node may pay for a page together (T3), so their evidence stands together where both were fed last at the same
time; else that of the one that has more. With that, a complaint that finds evidence e would have found a page, had the
owner's budget been 1 / e of what it was: the recursion is linear in what drips into it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from detectors.reference import waiting_for
from monitor.drift.banks.profile import AGENT
from monitor.drift.watch import Drift
from monitor.evidence.slices import Slices
from monitor.evidence.volume import traffic
from monitor.evidence.within.node import Node
from monitor.runs import Run
from monitor.saved.states import Account
from monitor.signals import FAILURE_SIGNALS, TRAFFIC, TRAFFIC_SHARE, TRAFFIC_TOLERANCE
from schemas.event import Event
from schemas.news import ComplaintSeen, SignalState

NEAREST = 3
"""Signals with the most evidence. Beside them: the one that moved most, one that warms up, and those that are off."""
OFF = 5
"""Signals that are off which are named. Beyond, the first ones."""
TOOLS = 20
"""Tools of a run that are named. Beyond, the first ones."""
WEEK = 604_800.0


def complaint(
    event: Event, run: Run | None, slices: Slices, drift: Drift, state: traffic.Traffic, now: float
) -> ComplaintSeen | None:
    """A complaint, with what is known before it counts itself; None for one about a shadow run, which no user saw.

    `run`: the one that it is about, if that is remembered. Its time is that at which the user spoke, `now` at the
    latest.
    """
    if run is not None and run.variant == "shadow":
        return None
    version = event.version if run is None else run.version
    tools = () if run is None else tuple(run.tools)[:TOOLS]
    return ComplaintSeen(
        id=event.id,
        time=min(event.at, now),
        heard=now,
        agent=slices.table.agent,
        owner=slices.owner,
        version=version or "",
        tools=tools,
        run=event.run or "",
        session=event.session or "",
        user=event.user or "",
        source=event.source or "",
        started=None if run is None else run.started,
        known=states(slices, drift, state, version, tools, now),
    )


def states(
    slices: Slices, drift: Drift, state: traffic.Traffic, version: str | None, tools: tuple[str, ...], now: float
) -> tuple[SignalState, ...]:
    """The signals nearest to an alert first, then the one that moved most within its tolerance, then what is blind."""
    found = [*_failures(slices, version, tools, now), *_drift(slices, drift, now), *_traffic(slices, state, now)]
    found.sort(key=lambda one: (one.state != "firing", -one.evidence, one.signal, sorted(one.labels.items())))
    watching = [one for one in found if one.state != "warming up"]
    chosen = watching[:NEAREST]
    moved = max((one for one in watching[NEAREST:] if one.reference), key=odds_ratio, default=None)
    if moved is not None and odds_ratio(moved) > 1.0:
        chosen.append(moved)
    chosen += [one for one in found if one.state == "warming up"][:1]
    off = [name for name in (*FAILURE_SIGNALS, TRAFFIC) if _is_off(slices, name)]
    return (*chosen, *(SignalState(signal=name, mode="off", state="off") for name in off[:OFF]))


def odds_ratio(state: SignalState) -> float:
    """The odds of the latest level against those of the reference; 1 where there are none."""
    level, normal = state.level, state.reference
    if normal is None or not 0.0 < normal < 1.0 or level <= 0.0:
        return 1.0
    return math.inf if level >= 1.0 else level / (1.0 - level) * (1.0 - normal) / normal


def _failures(slices: Slices, version: str | None, tools: tuple[str, ...], now: float) -> Iterable[SignalState]:
    """One per signal and tool: of the version that the complaint is about, else of the one with most evidence."""
    leaves: dict[tuple[str, str | None], list[Node]] = {}
    middles: dict[tuple[str, str | None], Node] = {}
    for node in slices.nodes.values():
        if tools and node.tool is not None and node.tool not in tools:
            continue
        place = (node.signal, node.tool)
        if node.version is None:
            middles[place] = node
        elif version is None or node.version == version:
            leaves.setdefault(place, []).append(node)
    for place in {**middles, **leaves}:
        middle, mine = middles.get(place), leaves.get(place, [])
        fed_last = [leaf for leaf in mine if middle is not None and leaf.last == middle.last]
        pairs = [(leaf, _pair(leaf, middle, alone=len(fed_last) == 1)) for leaf in mine]
        lead, evidence = max(pairs, key=lambda each: (each[1], str(each[0].version)), default=(middle, 0.0))
        if lead is None:
            continue
        if not mine:
            evidence = _evidence(lead)
        yield _of_node(lead, middle, evidence, slices.accounts[lead.owner], now)


def _pair(leaf: Node, middle: Node | None, *, alone: bool) -> float:
    if middle is None:
        return _evidence(leaf)
    if alone and leaf.last == middle.last:
        return _evidence(leaf) + _evidence(middle)
    return max(_evidence(leaf), _evidence(middle))


def _evidence(node: Node) -> float:
    return sum(node.evidence, 0.0) + sum(node.deploy, 0.0)


def _of_node(node: Node, middle: Node | None, evidence: float, account: Account, now: float) -> SignalState:
    firing = node.firing or (middle.firing if middle is not None else None)
    rate = account.rate(node.mode) if account.end > now else 0.0
    share = node.share + (middle.share if middle is not None and middle is not node else 0.0)
    warming = firing is None and not node.live
    level, normal = _latest(node), node.reference if node.live else None
    if firing is not None:
        level, normal = firing.bad / max(firing.n, 1.0), firing.before
    return SignalState(
        signal=node.signal,
        labels=node.labels(),
        mode=firing.mode if firing is not None else node.mode,
        evidence=1.0 if firing is not None else min(evidence, 1.0),
        level=level,
        reference=normal,
        n=node.n,
        per_week=share * rate * WEEK,
        waiting_for=waiting_for(node.k, node.n) if warming else "",
        tolerance=node.tolerance,
        state="firing" if firing is not None else "warming up" if warming else "watching",
        owner=node.owner,
    )


def _latest(node: Node) -> float:
    """The level of the newest runs: since the onset of what looks like a change, else of the latest block."""
    if node.since_n > 0.0:
        return node.since_bad / node.since_n
    if node.late_n > 0.0:
        return node.late_k / node.late_n
    return node.k / node.n if node.n else 0.0


def _drift(slices: Slices, drift: Drift, now: float) -> Iterable[SignalState]:
    """The signals of the agent's bank that have evidence; what is told of drift first is a notice."""
    bank = drift.profile.banks.get(AGENT)
    if bank is None:
        return
    account = slices.accounts[slices.owner]
    rate = account.notice_rate if account.end > now else 0.0
    told = {signal for one in drift.episodes.open for _, signal in one.members}
    for number, signal in enumerate(bank.plan.signals):
        held = sum(bank.accounts.by_channel("notice", number).values())
        if held <= 0.0 and signal.name not in told:
            continue
        setting = slices.settings.get(signal.name)
        yield SignalState(
            signal=signal.name,
            mode=setting.mode if setting is not None and setting.mode == "digest" else "notice",
            evidence=1.0 if signal.name in told else min(held, 1.0),
            n=float(drift.profile.slots[AGENT].runs),
            per_week=signal.notice_share * rate * drift.profile.slots[AGENT].share * WEEK,
            tolerance=signal.tolerance,
            state="firing" if signal.name in told else "watching",
            owner=slices.owner,
        )


def _traffic(slices: Slices, state: traffic.Traffic, now: float) -> Iterable[SignalState]:
    if _is_off(slices, TRAFFIC):
        return
    waiting = traffic.waiting_for(state)
    account = slices.accounts[slices.owner]
    setting = slices.settings.get(TRAFFIC)
    mode = "notice" if setting is not None and setting.mode == "notice" else state.mode
    firing = bool(state.firing_key)
    yield SignalState(
        signal=TRAFFIC,
        mode=mode,
        evidence=1.0 if firing else min(sum(state.evidence, 0.0), 1.0),
        n=float(state.total),
        per_week=TRAFFIC_SHARE * account.rate(state.mode) * WEEK if account.end > now else 0.0,
        waiting_for=waiting,
        tolerance=TRAFFIC_TOLERANCE if setting is None or setting.tolerance is None else setting.tolerance,
        state="firing" if firing else "warming up" if waiting else "watching",
        owner=slices.owner,
    )


def _is_off(slices: Slices, signal: str) -> bool:
    setting = slices.settings.get(signal)
    return setting is not None and setting.mode == "off"
