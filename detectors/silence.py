"""Silence and volume: a counting process that runs slower than it should (T10).

Under the null the intensity is at least `rate` (events per second). The bet on `rho * rate` grows as
exp((1 - rho) * rate * dt) while nothing comes and is multiplied by rho at each event; rho in 0, 0.25, 0.5. Exact if the
intensity bound holds; with a learned bound (a low quantile of what was seen) it is a heuristic, and said so.
"""

from __future__ import annotations

import math

from detectors.recursion import PAGE

RHOS = (0.0, 0.25, 0.5)
SIZE = len(RHOS)
_EXPONENT_CAP = 60.0
_RESOLUTION_DRIP = 0.01
"""Flows in per event that is expected; a false resolution at level 20 then takes 2,000 of them on average."""


def advance(evidence: list[float], rate: float, seconds: float, events: float, drip: float) -> bool:
    """`seconds` of waiting while `drip` flows evenly, then `events` arrivals (in place; a fraction where arrivals come
    in bursts and a burst counts as one).

    True is a page; evidence is zero again. `rate` must be positive.
    """
    total = 0.0
    for j, rho in enumerate(RHOS):
        lean = (1.0 - rho) * rate
        growth = math.exp(min(lean * seconds, _EXPONENT_CAP))
        flow = drip / SIZE * ((growth - 1.0) / (lean * seconds)) if seconds > 0.0 else 0.0
        grown = (evidence[j] * growth + flow) * (rho**events if events else 1.0)
        evidence[j] = grown
        total += grown
    if total >= PAGE:
        for j in range(SIZE):
            evidence[j] = 0.0
        return True
    return False


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
