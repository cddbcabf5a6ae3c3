"""A node: one failure signal in one slice of an agent; one account of the alert budget.

A node learns what is normal, gathers evidence against it with the recursion of `detectors.recursion`, and, once it has
paged, gathers evidence that the signal is back. Two CUSUMs run beside it, of a middling bet and of a strong one: they
decide nothing, they date the onset and count what came since. A small reference forgets a stray failure slowly under
the middling bet; the strong one dates what fails mostly.

Invariant: while a node fires its reference is frozen, so that the fault does not become normal.
"""

from __future__ import annotations

import math
import zlib
from typing import Final

from detectors import failure, reference, resolution
from detectors.failure import Bets
from monitor.evidence.within.node import NO_EVIDENCE, SUSPICIOUS, Node
from monitor.saved.states import Firing, Key
from monitor.signals import FAILURE_SIGNALS
from schemas import limits

ONSET_BET: Final = 1
"""The bet whose CUSUM dates the onset: odds ratio 2.5, slope 2.5."""

SHARP: Final = 0.5
"""The strong bet: L = 1 + 0.5 (y - m) / m, so that one good run halves it."""
_MOST: Final = 0.3
"""The part of the failures that must have come since the date of the strong bet, for it to be a date as well."""
_PENALTY: Final = 5.0
"""Nats by which two levels must explain the stretch better than one."""
ERRORS: Final = 5
"""Error types that a node tells apart in an episode; the latest are kept."""
UPDATE_SECONDS: Final = 30.0
"""At most one update of a firing node in so many seconds."""
GONE_SECONDS: Final = 60.0
"""A slice that got no run for less is not called gone. Exporters send in batches, each version's process its own, so
that runs come in blocks of one version: the runs of another between them are no evidence."""
YOUNG: Final = -1.0
"""In place of a reference: nothing is known yet."""
SATURATED: Final = -2.0
"""In place of a reference: nothing worse can be told apart."""
MOST_AT_ONCE: Final = 0.05
"""Expected false pages that one observation of a node may be bet with. What gathered beyond it, while the node was
young or idle, is let go: it would page with little evidence or none."""
BLOCKS: Final = 8
"""Blocks of state that the nodes of one agent are spread over."""


def normal_of(node: Node) -> float:
    """What is normal, where it can be bet against; `YOUNG` or `SATURATED` where it cannot."""
    if node.declared is not None:
        return node.declared
    k, n = node.k, node.n
    if n < reference.LIVE_RUNS and k < reference.LIVE_FAILURES:
        return YOUNG
    if k + 0.5 > reference.HIGHEST * (n + 1.0):
        return SATURATED
    if node.cusum > SUSPICIOUS and node.is_held_back:
        k, n = k - node.since_bad, n - node.since_n
        # failures as near to each other as the strong bet asks for are seldom the chance of a young reference
        return reference.learned(k, n) if node.sharp_cusum > 1.0 else reference.suspected(k, n)
    return reference.learned(k - node.late_k, n - node.late_n)


def block_of(key: Key) -> int:
    """The block of state that a node is saved in."""
    return zlib.crc32("\x1f".join(part or "" for part in key).encode()) % BLOCKS


def bets_of(node: Node, normal: float) -> Bets:
    """The bets against the node's reference `normal`, moved by its tolerance."""
    return failure.bets(FAILURE_SIGNALS[node.signal].grid, failure.tolerated(normal, node.tolerance))


def learn(node: Node, y: float) -> None:
    """Count one observation into the reference, unless that is frozen."""
    if node.firing is None:
        count(node, y)


def count(node: Node, y: float) -> None:
    """Count one observation among the newest, which are part of the reference when their block is full."""
    node.n += 1.0
    late = node.late_n = node.late_n + 1.0
    if y:
        node.k += y
        node.late_k += y
    if late >= reference.LATE_RUNS and reference.is_full(late, node.n):
        node.late_k = node.late_n = 0.0


def drip(node: Node, now: float, rate: float, end: float) -> float:
    """What flowed into the node since its last step: expected false alarms, fixed before the outcome is seen.

    At most `MOST_AT_ONCE`; to lose what is not bet breaks no bound. `rate` is the account's, `end` when its grant
    ends.
    """
    last = node.last
    if now <= last:
        flowed = node.pending
    else:
        until = now if now < end else end
        flowed = node.pending + node.share * rate * (until - last) if until > last else node.pending
        node.last = now
    node.pending = 0.0
    return flowed if flowed < MOST_AT_ONCE else MOST_AT_ONCE


def step(node: Node, bets: Bets, y: float, flowed: float) -> float:
    """One observation by `detectors.recursion`, term by term; the sum of R, which is a page from `PAGE` on.

    The evidence is left to be read.

    What a deploy prepaid has an account of its own beside the drip. The recursion is linear, so both together are one.
    """
    gap, parts = y - bets.mean, bets.parts
    node.r0 = (node.r0 + flowed * parts.w0) * (1.0 + bets.s0 * gap)
    node.r1 = (node.r1 + flowed * parts.w1) * (1.0 + bets.s1 * gap)
    node.r2 = (node.r2 + flowed * parts.w2) * (1.0 + bets.s2 * gap)
    node.r3 = (node.r3 + flowed * parts.w3) * (1.0 + bets.s3 * gap)
    node.r4 = (node.r4 + flowed * parts.w4) * (1.0 + bets.s4 * gap)
    node.r5 = (node.r5 + flowed * parts.w5) * (1.0 + bets.s5 * gap)
    total = node.r0 + node.r1 + node.r2 + node.r3 + node.r4 + node.r5
    if node.prepaid or node.deploy:
        before, paid, node.prepaid = node.deploy or NO_EVIDENCE, node.prepaid, 0.0
        values, weights = bets.values(y), bets.weights
        node.deploy = tuple([(before[at] + paid * weights[at]) * values[at] for at in range(failure.SIZE)])
        total += sum(node.deploy, 0.0)
    return total


def spend(node: Node) -> None:
    """The evidence has paid for a page, or for a part of one."""
    node.evidence = NO_EVIDENCE
    node.deploy = ()


def deploy_share(node: Node) -> float | None:
    """Part of the evidence that grew from what a deploy prepaid; None where none did."""
    from_deploy = sum(node.deploy, 0.0)
    return from_deploy / (from_deploy + sum(node.evidence, 0.0)) if from_deploy > 0.0 else None


def settle(node: Node, now: float, rate: float, end: float) -> None:
    """Keep what flowed at the old rate, before the rate or the share changes."""
    node.pending = drip(node, now, rate, end)


def date(node: Node, value: float, y: float, mean: float, run: str, error: str | None, now: float, runs: float) -> None:
    """Follow the CUSUM that dates the onset, and count what came since it.

    `value`: of `ONSET_BET`. `runs`: of the agent, before this one.
    """
    if node.cusum <= 1.0:
        if node.since_n:
            _restart(node, now)
        node.onset = now
        node.runs_before = runs
        if value <= 1.0:
            return
        node.cusum = value
    else:
        node.cusum *= value
    node.since_n += 1.0
    node.since_bad += y
    node.since_expected += mean
    if node.sharp_cusum <= 1.0:
        if y == 0.0:
            node.sharp_cusum = 0.0
            return
        node.sharp_onset, node.sharp_runs_before, node.sharp_cusum = now, runs, 1.0
        node.sharp_n = node.sharp_bad = node.sharp_expected = 0.0
    node.sharp_cusum *= 1.0 + SHARP * (y - mean) / mean
    node.sharp_n += 1.0
    node.sharp_bad += y
    node.sharp_expected += mean
    if y > 0.0:
        _remember(node, run, error)


def sharpen(node: Node) -> None:
    """Where the strong bet dates the onset better, by the likelihood of what came since, take its date and counts."""
    if node.sharp_cusum <= 1.0 or node.sharp_n >= node.since_n:
        return
    if failure.surprise(node.sharp_bad, node.sharp_n, node.sharp_expected) + failure.surprise(
        node.since_bad - node.sharp_bad, node.since_n - node.sharp_n, node.since_expected - node.sharp_expected
    ) - _PENALTY < failure.surprise(node.since_bad, node.since_n, node.since_expected):
        return
    node.onset, node.runs_before = node.sharp_onset, node.sharp_runs_before
    node.since_n, node.since_bad, node.since_expected = node.sharp_n, node.sharp_bad, node.sharp_expected
    node.examples = node.examples[-max(math.ceil(node.since_bad), 1) :]


def silence_evidence(node: Node) -> None:
    """Lose the evidence gathered so far: costs power, never validity."""
    spend(node)
    _restart(node, node.last)


def unlearn(node: Node, bad: float, n: float) -> None:
    """The fault's own runs leave the reference: what is normal is all that was before it."""
    if node.n > n:
        node.n -= n
        node.k = min(max(node.k - bad, 0.0), node.n)
        node.late_k = node.late_n = 0.0


def fire(node: Node, incident_key: str, now: float, mode: str, watched: Key, runs: float) -> Firing:
    """Begin an episode from what was counted since the onset. `runs`: of the agent, by now."""
    sharpen(node)
    unlearn(node, node.since_bad, node.since_n)
    normal = node.declared if node.declared is not None else reference.learned(node.k, node.n)
    node.firing = Firing(
        incident_key, now, node.onset, normal, node.n, node.k,
        node.since_n, node.since_bad, others=max(runs - node.runs_before - node.since_n, 0.0),
        said_n=node.since_n, said_at=now, mode=mode, watched=watched, deploy_share=deploy_share(node),
        latest=node.sharp_onset if node.sharp_cusum > 1.0 and node.sharp_bad >= _MOST * node.since_bad else 0.0,
    )  # fmt: skip
    spend(node)
    return node.firing


def observe_firing(node: Node, y: float, run: str, error: str | None) -> bool:
    """One observation while the node fires; True when the evidence says that the signal is back."""
    firing = node.firing
    assert firing is not None
    firing.quiet = False
    if firing.back <= resolution.drip(firing.n):
        firing.back_n = firing.back_bad = 0.0
    firing.back_n += 1.0
    firing.back_bad += y
    level = resolution.level(firing.before, firing.bad, firing.n)
    firing.back = resolution.step(firing.back, y, firing.before, level, firing.n)
    firing.others += firing.gap
    firing.gap = firing.gone = 0.0
    if firing.back >= resolution.RESOLVED:
        return True
    firing.n += 1.0
    firing.bad += y
    if y > 0.0:
        _remember(node, run, error)
    return False


def observe_elsewhere(firing: Firing, seconds: float) -> bool:
    """A run of the agent that is none of the firing slice; True when this slice plainly gets no more runs.

    `seconds`: since the slice got its last one; below `GONE_SECONDS` it may still come.
    The null: "it still gets half of its share of the runs"; a run goes elsewhere with probability up to 1 - share / 2.
    """
    firing.gap += 1.0
    share = min((firing.n + 1.0) / (firing.n + firing.others + 1.0), 0.9)
    if firing.gone < resolution.RESOLVED:
        firing.gone = (firing.gone + resolution.drip(firing.n + firing.others)) / (1.0 - share / 2.0)
    return firing.gone >= resolution.RESOLVED and seconds >= GONE_SECONDS


def has_news(firing: Firing, now: float) -> bool:
    """Whether the counts moved enough since the last word, and that was long enough ago."""
    return firing.n - firing.said_n >= max(5.0, 0.25 * firing.said_n) and now - firing.said_at >= UPDATE_SECONDS


def end(node: Node, now: float) -> None:
    """Close the episode; the reference is kept."""
    node.firing, node.last, node.pending = None, now, 0.0
    silence_evidence(node)


def relearn(node: Node, bad: float, n: float) -> None:
    """What is normal is now what was seen in these runs; a declared reference stays."""
    node.k, node.n, node.late_k, node.late_n = min(bad, n), n, 0.0, 0.0


def _restart(node: Node, now: float) -> None:
    node.cusum = 0.0
    node.onset = now
    node.since_n = node.since_bad = node.since_expected = 0.0
    node.sharp_cusum = 0.0
    node.examples = node.errors = ()
    if node.counts:
        node.counts = {}


def _remember(node: Node, run: str, error: str | None) -> None:
    examples = node.examples
    if not examples or examples[-1] != run:
        if len(examples) >= limits.EXAMPLE_RUNS:
            examples = examples[-limits.EXAMPLE_RUNS + 1 :]
        node.examples = (*examples, run)
    if error is not None and (not node.errors or node.errors[-1] != error):
        node.errors = (*[known for known in node.errors if known != error], error)[-ERRORS:]
