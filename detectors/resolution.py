"""Resolution by evidence: the recursion the other way round.

While a node fires, the null is "still at or above `level`"; the bet is on the reference. For y in [0, 1] with mean at
or above `level`, L = 1 + slope * (level - y) with slope = (level - reference) / (level * (1 - level)) is an e-value,
the likelihood ratio where y is 0 or 1. Resolved when the evidence reaches 20.

`level` is a lower bound of what the fault really does (Wilson, two standard errors), taken from the observations
before this one: seven failures in seven runs do not make a level of 100 %, or the first success would end the incident.
The drip falls as 1 / (10 + n): while a fault lasts for n runs, at most about ln(n / 10) / 20 false resolutions are
expected.
"""

from __future__ import annotations

import math
from typing import Final

RESOLVED: Final = 20.0
_CLOSEST: Final = 1.5
"""The level is taken at least this factor above the reference, so that there is something to tell apart."""
_STANDARD_ERRORS: Final = 2.0
_HIGHEST: Final = 0.98


def drip(n: float) -> float:
    """What flows in at the n-th observation since the fault began."""
    return 1.0 / (10.0 + n)


def level(reference: float, bad: float, n: float) -> float:
    """The rate that must be refuted, in (reference, 1), from `bad` among `n` observations."""
    z2 = _STANDARD_ERRORS * _STANDARD_ERRORS
    share = min(bad / n, 1.0) if n > 0.0 else 0.0
    spread = math.sqrt(share * (1.0 - share) * n + z2 / 4.0) * _STANDARD_ERRORS
    lower = (share * n + z2 / 2.0 - spread) / (n + z2)
    return min(max(lower, min(reference * _CLOSEST, (1.0 + reference) / 2.0)), _HIGHEST)


def slope(reference: float, level: float) -> float:
    """How strongly to bet on the reference against the level."""
    return (level - reference) / (level * (1.0 - level))


def step(evidence: float, y: float, reference: float, level: float, n: float) -> float:
    """The evidence for "back to the reference" after one observation; at `RESOLVED` it is enough."""
    return (evidence + drip(n)) * max(1.0 + slope(reference, level) * (level - y), 0.0)
