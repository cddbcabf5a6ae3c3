"""Silence and volume: a counting process that runs slower than it should (T10).

Under the null the intensity is at least `rate` (events per second). The bet on `rho * rate` grows as
exp((1 - rho) * rate * dt) while nothing comes and is multiplied by rho at each event; rho in 0, 0.25, 0.5, 0.75. Exact
if the intensity bound holds; with a learned bound (what like hours had) it is a heuristic, and said so.
"""

from __future__ import annotations

import math
from typing import Final

from detectors.recursion import PAGE

RHOS: Final = (0.0, 0.25, 0.5, 0.75)
"""The last one is half of what is usual where the bound is two thirds of it."""
SIZE: Final = len(RHOS)
STILL: Final = -1
"""No bet led to a page."""
_EXPONENT_CAP: Final = 60.0
_RESOLUTION_DRIP: Final = 0.01
"""Flows in per event that is expected; a false resolution at level 20 then takes 2,000 of them on average."""


def advance(evidence: list[float], rate: float, seconds: float, events: float, drip: float) -> int:
    """`seconds` of waiting while `drip` flows evenly, then `events` arrivals (in place; a fraction where arrivals come
    in bursts and a burst counts as one).

    The index of the bet that leads if it is a page, and evidence is zero again; else `STILL`. `rate` must be positive.
    """
    total = 0.0
    for j, rho in enumerate(RHOS):
        lean = (1.0 - rho) * rate
        growth = math.exp(min(lean * seconds, _EXPONENT_CAP))
        flow = drip / SIZE * ((growth - 1.0) / (lean * seconds)) if seconds > 0.0 else 0.0
        grown = (evidence[j] * growth + flow) * (rho**events if events else 1.0)
        evidence[j] = grown
        total += grown
    if total < PAGE:
        return STILL
    leads = max(range(SIZE), key=evidence.__getitem__)
    for j in range(SIZE):
        evidence[j] = 0.0
    return leads


def lean(score: float, rate: float, seconds: float, events: float) -> float:
    """How much more likely the weakest bet is than the null, in nats, since it was last refuted (then zero)."""
    rho = RHOS[-1]
    return max(score + (1.0 - rho) * rate * seconds + math.log(rho) * events, 0.0)


def seconds_until_page(evidence: list[float], rate: float, drip_rate: float) -> float:
    """A lower bound on the silence after which `advance` would page (infinite where it cannot)."""
    if rate <= 0.0:
        return math.inf
    # sum R(t) <= (sum R + drip_rate / rate) * exp(rate * t): no bet grows faster than that of rho = 0
    start = sum(evidence) + drip_rate / rate
    return math.log(PAGE / start) / rate if 0.0 < start < PAGE else (math.inf if start <= 0.0 else 0.0)


def resolve(evidence: float, rate: float, after: float, seconds: float, events: float) -> float:
    """Evidence for "back at `rate`" against "still at most `after`" (likelihood ratio of two Poisson processes)."""
    growth = events * math.log(rate / after) - (rate - after) * seconds
    drip = _RESOLUTION_DRIP * min(rate * seconds, 1.0)
    return (evidence + drip) * math.exp(max(min(growth, _EXPONENT_CAP), -_EXPONENT_CAP))
