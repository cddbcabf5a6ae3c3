"""Objectives: exact tests of "is the error budget burning?", for success targets that the YAML declares.

The null is the target itself: at most eps = 1 - target of the runs fail (with an error, hung, or silently). Per factor
q there is one bet on q * eps, the likelihood ratio of run-level outcomes, all with equal weights; so a page is paid
from the account of the node and proved by T1, without a reference to learn.

Factors are those of the SRE workbook's burn rates, and 50 for an outage; one that a rate cannot reach (q * eps >= 1) is
left out, or refused at load where the owner wrote it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from detectors import failure
from detectors.failure import Bets
from monitor.saved.states import Firing
from monitor.signals import OBJECTIVE
from schemas.config import Objective

SIGNAL = OBJECTIVE
FACTORS = (3.0, 6.0, 14.4, 50.0)
PAGING_BURN: Final = 6.0
"""From this burn on it is a page: six times faster than the budget lasts."""
PAGING_PART: Final = 0.02
"""It is a page as well if an hour at this burn takes more than this part of the window's whole budget."""
HOUR: Final = 3600.0
_LATE: Final = 2.5
"""Nats by which the rule of thumb for delays is short (measured for these bets)."""


class Burn(Struct, frozen=True):
    """One objective of an agent, ready to bet. `eps`: the share of runs that may fail; `window` in seconds."""

    name: str
    eps: float
    window: float
    bets: Bets


def reachable(factors: Sequence[float], eps: float) -> tuple[float, ...]:
    """The factors that a failure rate can reach; where none can, the one halfway (by ratio) to all runs failing."""
    found = tuple(factor for factor in factors if factor * eps < 1.0)[: failure.SIZE]
    return found or (math.sqrt(1.0 / eps),)


def of(objective: Objective) -> Burn:
    """What the YAML declares, as bets."""
    eps = 1.0 - objective.target
    factors = reachable(objective.burn or FACTORS, eps)
    none = [0.0] * (failure.SIZE - len(factors))
    # L = q for a failure and (1 - q eps) / (1 - eps) else is 1 + slope * (y - eps) with slope = (q - 1) / (1 - eps)
    slopes = [(factor - 1.0) / (1.0 - eps) for factor in factors] + none
    weights = [1.0 / len(factors)] * len(factors) + none
    return Burn(objective.name, eps, objective.window, failure.made(eps, slopes, weights))


def severity(burn: Burn, firing: Firing) -> str:
    """How loudly it is said: by how fast the error budget is consumed since the onset."""
    factor = firing.bad / max(firing.n, 1.0) / burn.eps
    pages = factor >= PAGING_BURN or factor * HOUR / burn.window > PAGING_PART
    return "page" if pages else "notice"


def words(burn: Burn, firing: Firing) -> str:
    """What is said beside the numbers."""
    factor = firing.bad / max(firing.n, 1.0) / burn.eps
    return f"objective {burn.name} {_percent(1.0 - burn.eps)}: the error budget burns {factor:.2g} times too fast"


def runs_needed(burn: Burn, drip: float) -> float:
    """About how many runs it takes to find the paging burn, at `drip` expected false pages per run.

    (ln(1/b) + ln J - c) / KL: a rule of thumb for delays, for people to know what to wait for.
    """
    level = min(PAGING_BURN * burn.eps, (1.0 + burn.eps) / 2.0)
    nats = level * math.log(level / burn.eps) + (1.0 - level) * math.log((1.0 - level) / (1.0 - burn.eps))
    bets = sum(1 for weight in burn.bets.weights if weight)
    return max((math.log(1.0 / max(drip, 1e-12)) + math.log(bets) - _LATE) / nats, 1.0)


def _percent(share: float) -> str:
    return f"{100.0 * share:.6g}%"
