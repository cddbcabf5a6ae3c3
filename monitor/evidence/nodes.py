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
from collections.abc import Sequence

from msgspec import Struct

from detectors import failure, reference, resolution
from detectors.failure import Bets
from monitor.signals import FAILURE_SIGNALS
from schemas import limits

ONSET_BET = 1
"""The bet whose CUSUM dates the onset: odds ratio 2.5, slope 2.5."""

_SHARP = 0.5
"""The strong bet: L = 1 + 0.5 (y - m) / m, so that one good run halves it."""
_PENALTY = 5.0
"""Nats by which two levels must explain the stretch better than one."""
ERRORS = 5
"""Error types that a node tells apart in an episode; the latest are kept."""
SUSPICIOUS = 3.0
"""CUSUM of the onset above which a stretch looks like a fault."""
COVERING = 1.2
"""Tolerance that covers what holding runs back does to the reference (`benchmarks/bench_detection.py`)."""
HELD_BACK = 0.5
"""At most this part of the runs is held back."""
UPDATE_SECONDS = 30.0
"""At most one update of a firing node in so many seconds."""
YOUNG, SATURATED = -1.0, -2.0  # in place of a reference: nothing is known yet; nothing worse can be told apart
BLOCKS = 8
"""Blocks of state that the nodes of one agent are spread over."""

NO_EVIDENCE = (0.0,) * failure.SIZE

Key = tuple[str, str | None, str | None]
"""Signal, version, tool; None where the node is not of one."""


class Firing(Struct, array_like=True, gc=False):
    """An episode: what was seen when it began, and the evidence that it is over."""

    incident_key: str
    began: float
    onset: float
    before: float
    before_n: float
    before_bad: float
    n: float
    bad: float
    """Observations since the onset, and how many of them were bad."""
    back: float = 0.0
    """Evidence that the signal is back."""
    back_n: float = 0.0
    back_bad: float = 0.0
    """Observations since that evidence began to grow, and how many of them were bad."""
    gone: float = 0.0
    """Evidence that the slice gets no more runs: its version was rolled back, its tool is not called any more."""
    others: float = 0.0
    gap: float = 0.0
    """Other runs of the agent since the onset; those since the last one of this slice."""
    said_n: float = 0.0
    said_at: float = 0.0
    """What the last word about it told, and when."""
    mode: str = "page"
    watched: tuple[str, str | None, str | None] | None = None
    quiet: bool = False
    """Whether it was said that no data come any more."""
    part: str = ""
    """The narrower slice that explains the change, as `model=gpt-4o`."""
    deploy_share: float | None = None
    """Part of the evidence that began with a deploy."""


class Node(Struct, array_like=True, gc=False):
    """State of one node. Probabilities and counts; times in epoch seconds of ticks."""

    signal: str
    version: str | None
    tool: str | None
    owner: str
    evidence: tuple[float, ...]
    last: float
    share: float = 0.0
    """Part of the grant to (owner, agent) that this node drips."""
    pending: float = 0.0
    """Dripped at earlier rates and not yet used."""
    k: float = 0.0
    n: float = 0.0
    seen: float = 0.0
    onset: float = 0.0
    cusum: float = 0.0
    since_n: float = 0.0
    since_bad: float = 0.0
    since_expected: float = 0.0
    runs_before: float = 0.0
    """Runs of the agent, of whatever version, that had closed when the onset was set."""
    sharp_onset: float = 0.0
    sharp_cusum: float = 0.0
    sharp_n: float = 0.0
    sharp_bad: float = 0.0
    sharp_expected: float = 0.0
    sharp_runs_before: float = 0.0
    """The same, as the strong bet dates it."""
    examples: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    """Error types of the bad observations since the onset, the latest last."""
    declared: float | None = None
    tolerance: float = 1.25
    mode: str = "page"
    firing: Firing | None = None
    block: int = 0
    """The block of state that it is saved in."""
    deploy: tuple[float, ...] = ()
    """Evidence that grew from what a deploy prepaid; `evidence` is what grew from the drip. Both count alike."""
    prepaid: float = 0.0
    """Prepaid by a deploy and not yet used."""
    counts: dict[str, list[float]] = {}
    """Narrower slices, counted while a stretch looks like a fault (`monitor.evidence.within.hitters`)."""
    late_k: float = 0.0
    late_n: float = 0.0
    """The newest of `k` and `n`, not yet part of the reference."""

    @property
    def key(self) -> Key:
        """What tells this node from the others of its agent."""
        return (self.signal, self.version, self.tool)

    @property
    def live(self) -> bool:
        """Whether it knows what is normal."""
        return self.declared is not None or reference.is_live(self.k, self.n)

    @property
    def saturated(self) -> bool:
        """Whether what is normal is already so bad that nothing worse can be told apart: no bets are made."""
        return self.declared is None and self.k + 0.5 > reference.HIGHEST * (self.n + 1.0)

    @property
    def reference(self) -> float:
        """What is normal, from what came before the newest runs: a share of one.

        All runs of a stretch that looks like a fault are held back as well, or a slow fault would become normal.
        That makes the reference a little too low, which only a tolerance covers: without one, only the newest are.
        """
        if self.declared is not None:
            return self.declared
        bad, n = self.late_k, self.late_n
        if self.cusum > SUSPICIOUS and self.tolerance >= COVERING and n < self.since_n <= HELD_BACK * self.n:
            bad, n = self.since_bad, self.since_n
        return reference.learned(self.k - bad, self.n - n)

    def labels(self) -> dict[str, str]:
        """Version and tool, where the node is of one."""
        named = (("version", self.version), ("tool", self.tool))
        return {name: value for name, value in named if value is not None}


def normal_of(node: Node) -> float:
    """What is normal, where it can be bet against; `YOUNG` or `SATURATED` where it cannot."""
    if node.declared is not None:
        return node.declared
    k, n = node.k, node.n
    if n < reference.LIVE_RUNS and k < reference.LIVE_FAILURES:
        return YOUNG
    if k + 0.5 > reference.HIGHEST * (n + 1.0):
        return SATURATED
    return node.reference if node.cusum > SUSPICIOUS else reference.learned(k - node.late_k, n - node.late_n)


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

    `rate` is the account's, `end` the time at which the grant ends.
    """
    last = node.last
    if now <= last:
        flowed = node.pending
    else:
        until = now if now < end else end
        flowed = node.pending + node.share * rate * (until - last) if until > last else node.pending
        node.last = now
    node.pending = 0.0
    return flowed


def step(node: Node, values: Sequence[float], weights: Sequence[float], flowed: float) -> float:
    """One observation by `detectors.recursion`, term by term; the sum of R, left to be read, is a page from `PAGE` on.

    What a deploy prepaid has an account of its own beside the drip. The recursion is linear, so both together are one.
    """
    g, h, i, j, k, m = node.evidence
    a, b, c, d, e, f = values
    u, v, w, x, y, z = weights
    g, h, i = (g + flowed * u) * a, (h + flowed * v) * b, (i + flowed * w) * c
    j, k, m = (j + flowed * x) * d, (k + flowed * y) * e, (m + flowed * z) * f
    node.evidence = (g, h, i, j, k, m)
    total = g + h + i + j + k + m
    if node.prepaid or node.deploy:
        before, paid, node.prepaid = node.deploy or NO_EVIDENCE, node.prepaid, 0.0
        node.deploy = tuple([(before[at] + paid * weights[at]) * values[at] for at in range(failure.SIZE)])
        total += sum(node.deploy)
    return total


def spend(node: Node) -> None:
    """The evidence has paid for a page, or for a part of one."""
    node.evidence = NO_EVIDENCE
    node.deploy = ()


def deploy_share(node: Node) -> float | None:
    """Part of the evidence that grew from what a deploy prepaid; None where none did."""
    from_deploy = sum(node.deploy)
    return from_deploy / (from_deploy + sum(node.evidence)) if from_deploy > 0.0 else None


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
    node.sharp_cusum *= 1.0 + _SHARP * (y - mean) / mean
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


def observe_elsewhere(firing: Firing) -> bool:
    """A run of the agent that is none of the firing slice; True when this slice plainly gets no more runs.

    The null: "it still gets half of its share of the runs"; a run goes elsewhere with probability up to 1 - share / 2.
    """
    firing.gap += 1.0
    share = min((firing.n + 1.0) / (firing.n + firing.others + 1.0), 0.9)
    firing.gone = (firing.gone + resolution.drip(firing.n + firing.others)) / (1.0 - share / 2.0)
    return firing.gone >= resolution.RESOLVED


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
