"""False pages of one owner whose agents do not change: many owner-weeks of the vectorised core.

An owner has agents, tools and a node of its own. A run is one observation of its agent's node; the same e-values feed
the node of the agent's tool and the owner's (T4). All nodes together drip the whole budget, one page a week: three
quarters over the agents, equally, one eighth over the tools, one eighth for the owner. The real ledger keeps a reserve
and shares by signal as well, so this spends more than it would. References are learned from two weeks before the one
that is counted, unless they are declared. After a page a node starts anew.

Invariant: what is here multiplies the numbers of `benchmarks.detection.lanes`; nothing pages by a rule of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.detection import table
from benchmarks.detection.lanes import Flags, Floats, Lanes
from detectors import failure, recursion, reference
from monitor.signals import RUN_FAILED

DAY = 86_400.0
WEEK = 7 * DAY
LEVELS = (0.005, 0.02, 0.05, 0.1, 0.2)
CALLS = 5
HISTORY_DAYS = 14.0
BURST = 200
BURST_SECONDS = 10.0
DEPLOY_PART = 0.1
"""Part of an agent's drip that is kept for deploys and paid out at once when one comes."""


@dataclass(frozen=True)
class Fleet:
    """What an owner has, and what is peculiar about it."""

    title: str
    agents: int = 100
    tools: int = 10
    per_day: tuple[float, ...] = (10.0, 30.0, 100.0, 300.0)
    """Runs a day of the agents, in turn."""
    tolerance: float = 1.0
    declared: bool = False
    clustered: float = 0.0
    """Correlation of the calls of one run; the run's observation is the share of its calls that failed."""
    per_call: bool = False
    """Each call an observation of its own: what not to do."""
    swing: float = 0.0
    """The odds of failing go up and down by so much over the day, for all agents at once."""
    nested: bool = False
    """Every run calls a run of another agent and fails with it four times out of five."""
    deploys: bool = False
    """Once a day a new version starts 200 runs within 10 s; failures end ten times sooner than successes."""
    as_closed: bool = False
    """Runs are fed as they close, not as they started: what not to do."""


STANDARD = Fleet("independent runs, declared references", declared=True)
LEARNED = Fleet("independent runs, learned references")
FLEETS = (
    STANDARD,
    LEARNED,
    replace(LEARNED, title="the same at the default tolerance", tolerance=RUN_FAILED.tolerance),
    replace(LEARNED, title="calls of a run correlated by 0.1", clustered=0.1),
    replace(LEARNED, title="calls of a run correlated by 0.3", clustered=0.3),
    replace(STANDARD, title="*contrast: each call fed by itself, correlated by 0.1*", clustered=0.1, per_call=True),
    replace(STANDARD, title="*contrast: each call fed by itself, correlated by 0.3*", clustered=0.3, per_call=True),
    replace(LEARNED, title="±40 % over the day, default tolerance", swing=0.4, tolerance=RUN_FAILED.tolerance),
    replace(LEARNED, title="nested runs", nested=True),
    replace(LEARNED, title="deploys, failures ten times faster than successes", deploys=True),
    replace(LEARNED, title="*contrast: the same, fed as runs close*", deploys=True, as_closed=True),
)
LARGE = tuple(replace(fleet, agents=1_979, tools=20, per_day=(4.0, 10.0, 25.0, 60.0)) for fleet in (STANDARD, LEARNED))


class Owners:
    """Many owners with the same fleet and schedule and outcomes of their own; a lane is an owner."""

    def __init__(self, fleet: Fleet, owners: int, days: float, seed: int) -> None:
        self.fleet = fleet
        self.width = owners
        self.days = days
        self.rng = np.random.default_rng(seed)
        self.pages = np.zeros(owners)
        self.dripped = 0.0
        budget = 1.0 / WEEK
        self.agent_rate = 0.75 * budget / fleet.agents
        grid: failure.Grid = "bounded" if fleet.clustered and not fleet.per_call else "odds"
        self.levels = [LEVELS[i % len(LEVELS)] for i in range(fleet.agents)]
        self.agents = [
            Lanes(owners, grid, fleet.tolerance, 0.0, self._mean(i) if fleet.declared else None)
            for i in range(fleet.agents)
        ]
        self.parents = [Lanes(owners, grid, 1.0, 0.0) for _ in range(fleet.tools + 1)]
        self.rates = [0.125 * budget / fleet.tools] * fleet.tools + [0.125 * budget]
        self.last = [0.0] * (fleet.agents + len(self.parents))
        self.deploy_pool = [0.0] * fleet.agents

    def run(self) -> None:
        """Through `days`, after the agents have learned from the time before."""
        if not self.fleet.declared:
            for i, lanes in enumerate(self.agents):
                self._remember(i, lanes)
        for at, i, burst in self._schedule():
            if burst:
                self._burst(i, at)
            elif self.fleet.nested and i % 2:
                continue
            else:
                self._one(i, at)

    # -- inner

    def _schedule(self) -> Iterator[tuple[float, int, bool]]:
        """Starts of runs, in order, the same for all owners; a burst counts once."""
        found: list[tuple[float, int, bool]] = []
        end = self.days * DAY
        for i in range(self.fleet.agents):
            count = round(self.fleet.per_day[i % len(self.fleet.per_day)] * self.days)
            found += [(at, i, False) for at in (self.rng.random(count) * end).tolist()]
            if self.fleet.deploys:
                found += [(day * DAY + float(self.rng.random()) * DAY, i, True) for day in range(int(self.days))]
        return iter(sorted(found))

    def _mean(self, i: int) -> float:
        level = self.levels[i]
        return 1.0 - (1.0 - level) * (1.0 - 0.8 * self.levels[i + 1]) if self.fleet.nested and i % 2 == 0 else level

    def _outcome(self, i: int, at: float, count: int = 1) -> Floats:
        """Outcomes of `count` runs in every lane: 0, 1, or the share of calls that failed; [count, lanes]."""
        fleet, level, shape = self.fleet, self.levels[i], (count, self.width)
        if fleet.clustered:
            spread = (1.0 - fleet.clustered) / fleet.clustered
            share = self.rng.beta(level * spread, (1.0 - level) * spread, shape)
            return self.rng.binomial(CALLS, share) / CALLS
        if fleet.swing:
            odds = level / (1.0 - level) * (1.0 + fleet.swing * np.sin(2.0 * np.pi * at / DAY))
            level = odds / (1.0 + odds)
        return (self.rng.random(shape) < level).astype(float)

    def _remember(self, i: int, lanes: Lanes) -> None:
        runs = max(round(self.fleet.per_day[i % len(self.fleet.per_day)] * HISTORY_DAYS), reference.LIVE_RUNS)
        lanes.n += runs
        if self.fleet.clustered:
            lanes.k += self._outcome(i, 0.0, runs).sum(axis=0)
        elif self.fleet.swing:
            for hour in range(24):
                part = runs * (hour + 1) // 24 - runs * hour // 24
                lanes.k += self._outcome(i, hour * 3600.0, part).sum(axis=0)
        else:
            lanes.k += self.rng.binomial(runs, self._mean(i), self.width)

    def _one(self, i: int, at: float) -> None:
        if self.fleet.per_call:
            share = self._outcome(i, at)[0]
            bad = np.round(share * CALLS)
            for call in range(CALLS):  # which of them failed does not matter to a sum of logs; first those that did
                self._observe(i, (bad > call).astype(float), at, True)
            return
        y = self._outcome(i, at)[0]
        if self.fleet.nested:
            child = self._outcome(i + 1, at)[0]
            self._observe(i + 1, child, at, False)
            y = np.maximum(y, child * (self.rng.random(self.width) < 0.8))
        self._observe(i, y, at, True)

    def _observe(self, i: int, y: Floats, at: float, root: bool) -> None:
        values, weights, live = self.agents[i].bet(y)
        self._feed(i, values, weights, live, at, root)

    def _feed(self, i: int, values: Floats, weights: Floats, live: Flags | None, at: float, root: bool) -> None:
        flowed = self.agent_rate * (at - self.last[i])
        self.last[i] = at
        if self.fleet.deploys:
            self.deploy_pool[i] += DEPLOY_PART * flowed
            flowed *= 1.0 - DEPLOY_PART
        self.pages += self.agents[i].feed(values, weights, flowed, live)
        self.dripped += flowed
        if not root:
            return
        if live is not None:
            values = np.where(live, values, 1.0)
        for j in (i % self.fleet.tools, self.fleet.tools):
            account = self.fleet.agents + j
            flowed = self.rates[j] * (at - self.last[account])
            self.last[account] = at
            self.dripped += flowed
            self.pages += self.parents[j].feed(values, _LONG, flowed)

    def _burst(self, i: int, at: float) -> None:
        """A deploy: bets are made as runs close, failures first; nodes are fed as runs started, or as they close."""
        lanes = self.agents[i]
        y = self._outcome(i, at, BURST)
        order = np.argsort(1.0 - y, axis=0, kind="stable")
        closing = np.take_along_axis(y, order, axis=0)
        values = np.empty((BURST, failure.SIZE, self.width))
        weights = np.empty_like(values)
        lives = np.empty((BURST, self.width), dtype=bool)
        for run in range(BURST):
            value, weight, live = lanes.bet(closing[run])
            values[run], weights[run] = value, weight
            lives[run] = True if live is None else live
        if not self.fleet.as_closed:
            back = np.argsort(order, axis=0, kind="stable")
            values = np.take_along_axis(values, back[:, np.newaxis, :], axis=0)
            weights = np.take_along_axis(weights, back[:, np.newaxis, :], axis=0)
            lives = np.take_along_axis(lives, back, axis=0)
        lanes.evidence = lanes.evidence + self.deploy_pool[i] * weights[0]
        self.dripped += self.deploy_pool[i]
        self.deploy_pool[i] = 0.0
        for run in range(BURST):
            self._feed(i, values[run], weights[run], lives[run], max(at, self.last[i]), True)


_LONG = np.array(failure.LONG_WEIGHTS)[:, np.newaxis]
assert recursion.PAGE == 1.0


def main(quick: bool) -> None:
    """Print a row per case."""
    owners, large = (500, 100) if not quick else (200, 60)
    days = 7.0 if not quick else 2.0
    table.heading(
        "False pages per owner and week where nothing changes",
        f"Budget one page a week, all of it dripped. {owners * days / 7.0:.0f} owner-weeks of 111 nodes (100 agents of "
        f"10 to 300 runs a day that fail in 0.5 to 20 %, 10 tools, the owner); {large * days / 7.0:.0f} owner-weeks of "
        "2,000 nodes (4 to 60 runs a day). Tolerance 1 unless said: the hardest. Pages include those of nodes that "
        "paged before.",
    )
    table.heads("", "nodes", "dripped a week", "pages a week", "± one standard error")
    for fleet in FLEETS:
        _row(fleet, owners, days)
    for fleet in LARGE:
        _row(fleet, large, days)


def _row(fleet: Fleet, owners: int, days: float) -> None:
    seen = Owners(fleet, owners, days, seed=11)
    seen.run()
    weeks = days / 7.0
    mean, error = table.mean_and_error((seen.pages / weeks).tolist())
    nodes = fleet.agents + fleet.tools + 1
    table.row(fleet.title, f"{nodes:,}", f"{seen.dripped / weeks:.2f}", f"{mean:.2f}", f"{error:.2f}")


if __name__ == "__main__":
    main(quick=True)
