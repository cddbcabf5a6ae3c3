"""Two shares and their difference, with intervals that hold at any look, from counts alone.

The interval holds what the likelihood does not rule out: rates (p, q) stay in as long as

    log mixture(data) - log likelihood(data | p, q) < log(1 / alpha)

where the mixture knows neither rate (half of it: one rate for both, half: a rate each; KT mixtures with weights
Beta(1/2, 1/2)). By Ville's inequality the true pair leaves at any time with probability alpha at most. Counts may be
sums of numbers in [0, 1]: the likelihood ratio is convex in each. It is proved for rates that stand still; where they
move, it is an interval for what they were on the whole.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

STEPS: Final = 26
"""Halvings of a search for a rate: right to a millionth of a percent."""
EDGE_STEPS: Final = 16
"""Halvings of a search for the end of an interval: right to two thousandths of a percent, on the outer side."""
_EDGE: Final = 1e-12


def log_mixture(bad: float, n: float) -> float:
    """log of the KT mixture's likelihood of `bad` among `n`, nats."""
    return math.lgamma(bad + 0.5) + math.lgamma(n - bad + 0.5) - math.lgamma(n + 1.0) - math.log(math.pi)


def log_likelihood(bad: float, n: float, rate: float) -> float:
    """log likelihood of `bad` among `n` at a rate, nats."""
    rate = min(max(rate, _EDGE), 1.0 - _EDGE)
    return bad * math.log(rate) + (n - bad) * math.log1p(-rate)


def interval(bad: float, n: float, alpha: float) -> tuple[float, float]:
    """The rates that are not ruled out at level `alpha`, at any look."""
    if n <= 0.0:
        return 0.0, 1.0
    least = log_mixture(bad, n) - math.log(1.0 / alpha)
    best = bad / n
    low = _edge(lambda rate: log_likelihood(bad, n, rate) >= least, best, 0.0)
    return low, _edge(lambda rate: log_likelihood(bad, n, rate) >= least, best, 1.0)


def difference(base: tuple[float, float], other: tuple[float, float], alpha: float) -> tuple[float, float]:
    """The differences (other minus base) that are not ruled out. Each is (bad, n)."""
    if base[1] <= 0.0 or other[1] <= 0.0:
        return -1.0, 1.0
    least = _log_mixtures(base, other) - math.log(1.0 / alpha)
    best = other[0] / other[1] - base[0] / base[1]
    low = _edge(lambda gap: profile(base, other, gap) >= least, best, -1.0)
    return low, _edge(lambda gap: profile(base, other, gap) >= least, best, 1.0)


def against(base: tuple[float, float], other: tuple[float, float], gap: float) -> float:
    """The e-value against "the difference is at least `gap`"; at 1 / alpha the interval's upper end falls below it."""
    if base[1] <= 0.0 or other[1] <= 0.0 or other[0] / other[1] - base[0] / base[1] >= gap:
        return 0.0
    return math.exp(min(_log_mixtures(base, other) - profile(base, other, gap), 300.0))


def unlike(base: tuple[float, float], other: tuple[float, float]) -> float:
    """The e-value against "both have the same rate"."""
    both, n = base[0] + other[0], base[1] + other[1]
    if base[1] <= 0.0 or other[1] <= 0.0:
        return 0.0
    apart = log_mixture(*base) + log_mixture(*other)
    return math.exp(min(apart - log_likelihood(both, n, both / n), 300.0))


def profile(base: tuple[float, float], other: tuple[float, float], gap: float) -> float:
    """The best log likelihood of rates that differ by `gap`."""
    low = max(0.0, -gap)
    high = min(1.0, 1.0 - gap)
    bad, its_bad = base[0], other[0]
    good, its_good = base[1] - bad, other[1] - its_bad
    for _ in range(STEPS):  # the likelihood is concave: its slope says on which side the best rate lies
        middle = (low + high) / 2.0
        ours, theirs = _inside(middle), _inside(middle + gap)
        if bad / ours - good / _inside(1.0 - middle) + its_bad / theirs - its_good / _inside(1.0 - middle - gap) > 0.0:
            low = middle
        else:
            high = middle
    rate = (low + high) / 2.0
    return log_likelihood(*base, rate) + log_likelihood(*other, rate + gap)


def _inside(rate: float) -> float:
    """Not quite zero."""
    return rate if rate > _EDGE else _EDGE


def _log_mixtures(base: tuple[float, float], other: tuple[float, float]) -> float:
    apart = log_mixture(*base) + log_mixture(*other)
    alike = log_mixture(base[0] + other[0], base[1] + other[1])
    top = max(apart, alike)
    return top + math.log(0.5 * math.exp(apart - top) + 0.5 * math.exp(alike - top))


def _edge(stays: Callable[[float], bool], inside: float, outside: float) -> float:
    """The last value on the way from `inside` to `outside` that stays in."""
    if stays(outside):
        return outside
    for _ in range(EDGE_STEPS):
        middle = (inside + outside) / 2.0
        if stays(middle):
            inside = middle
        else:
            outside = middle
    return outside
