"""How the signals of a rollout compare: from what was counted to what is said of it. Changes nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final, Literal

from detectors.arms import labels, medians, pairs, shares
from monitor.alerting.headline import share_text
from monitor.rollouts.readings import ROW_OF, ROWS, Row
from monitor.rollouts.state import Number, Rate, Rollout, evidence_of
from schemas.config import RolloutSettings
from schemas.news import Compared

State = Literal["worse", "same", "undecided"]
TOOL_MIX: Final = "run.tool_mix"
PAIRED: Final = ("pair.outcome", "pair.tools", "pair.arguments", "pair.shape")
"""Shares of pairs in which something differs, as they are named; only shown."""


def parts(settings: RolloutSettings) -> dict[str, float]:
    """Signal → the part of `alpha` that it may spend; together one."""
    weights = {row.signal: row.weight for row in ROWS if row.signal in settings.signals}
    whole = sum(weights.values())
    return {signal: weight / whole for signal, weight in weights.items()}


def compare(rollout: Rollout, settings: RolloutSettings, bounds: bool = True) -> list[Compared]:
    """All signals that both versions have shown. Without `bounds` the intervals are not worked out."""
    part = parts(settings)
    found: list[Compared] = []
    for row in ROWS:
        rate, number = rollout.rates.get(row.signal), rollout.numbers.get(row.signal)
        if row.signal not in part and not (rate is not None and rate.base[0] + rate.other[0]):
            continue  # nobody asked for it, and there is nothing to see
        if rate is not None and rate.base[1] and rate.other[1]:
            found.append(_of_rate(rollout, row, rate, settings, part.get(row.signal, 0.0), bounds))
        elif number is not None and number.base and number.other:
            one = _of_number(rollout, row, number, settings, part.get(row.signal, 0.0), bounds)
            if one is not None:
                found.append(one)
    if bounds and rollout.mode == "shadow":
        found += _of_pairs(rollout, settings)
    elif bounds:
        found += _of_tools(rollout, settings)
    return found


def no_worse(rollout: Rollout, signal: str, settings: RolloutSettings) -> float:
    """The e-value against "worse than the margin allows"."""
    number = rollout.numbers.get(signal)
    if ROW_OF[signal].form == "number":
        if number is None:
            return 0.0
        return pairs.evidence(number.down) if rollout.mode == "shadow" else _ranked(number.down)
    rate = rollout.rates.get(signal)
    if rate is None:
        return 0.0
    if rollout.mode == "shadow":
        return pairs.against(rate.gaps, settings.margin)
    return shares.against(_pair(rate.base), _pair(rate.other), settings.margin)


def worse(rollout: Rollout, signal: str) -> float:
    """The e-value against "no worse"."""
    number = rollout.numbers.get(signal)
    if number is not None:
        return pairs.evidence(number.up) if rollout.mode == "shadow" else _ranked(number.up)
    rate = rollout.rates.get(signal)
    return 0.0 if rate is None else evidence_of(rate, rollout.mode == "shadow")


def _of_rate(rollout: Rollout, row: Row, rate: Rate, settings: RolloutSettings, part: float, bounds: bool) -> Compared:
    base, other = _pair(rate.base), _pair(rate.other)
    low, high = -1.0, 1.0
    if bounds:
        low, high = (
            pairs.interval(rate.gaps, settings.alpha)
            if rollout.mode == "shadow"
            else shares.difference(base, other, settings.alpha)
        )
    level, its = base[0] / base[1], other[0] / other[1]
    evidence, state = _state(rollout, row.signal, settings, part)
    if state == "worse":
        low = max(low, 0.0)  # the test knows more than the interval, which knows neither rate
    return Compared(
        signal=row.signal, baseline=level, candidate=its, baseline_n=int(base[1]), candidate_n=int(other[1]),
        effect=its - level, low=low, high=high, evidence=evidence, state=state, unit=row.unit, decides=part > 0.0,
        detail=f"{_whole(other[0])} of {int(other[1])} against {_whole(base[0])} of {int(base[1])}",
    )  # fmt: skip


def _of_number(
    rollout: Rollout, row: Row, number: Number, settings: RolloutSettings, part: float, bounds: bool
) -> Compared | None:
    """None while so few are known that the interval has no end."""
    low, high = medians.difference(number.base, number.other, settings.alpha) if bounds else (0.0, 0.0)
    if not math.isfinite(low) or not math.isfinite(high):
        return None
    level, its = medians.median(number.base), medians.median(number.other)
    if row.unit in ("count", "tokens", "characters"):
        level, its = float(round(level)), float(round(its))
    evidence, state = _state(rollout, row.signal, settings, part)
    return Compared(
        signal=row.signal, baseline=level, candidate=its, baseline_n=sum(number.base.values()),
        candidate_n=sum(number.other.values()), effect=its - level, low=low, high=high, evidence=evidence, state=state,
        unit=row.unit, decides=part > 0.0, detail=f"medians; up to {settings.factor:g} times is allowed",
    )  # fmt: skip


def _state(rollout: Rollout, signal: str, settings: RolloutSettings, part: float) -> tuple[float, State]:
    """The evidence, in such units that `1 / alpha` is enough, and what it comes to."""
    evidence = worse(rollout, signal) * (part or 1.0 / len(ROWS))
    if evidence >= 1.0 / settings.alpha:
        return evidence, "worse"
    return evidence, "same" if no_worse(rollout, signal, settings) >= 1.0 / settings.alpha else "undecided"


def _of_pairs(rollout: Rollout, settings: RolloutSettings) -> Iterator[Compared]:
    pairing = rollout.pairing
    tallies = (pairing.end, pairing.tools, pairing.arguments, pairing.shape)
    for signal, (hits, n) in zip(PAIRED, tallies, strict=True):
        if n:
            low, high = shares.interval(hits, n, settings.alpha)
            yield Compared(
                signal=signal, baseline=0.0, candidate=hits / n, baseline_n=int(n), candidate_n=int(n),
                effect=hits / n, low=low, high=high, evidence=0.0, unit="share", decides=False,
                detail=f"differs in {int(hits)} of {int(n)} pairs",
            )  # fmt: skip


def _of_tools(rollout: Rollout, settings: RolloutSettings) -> Iterator[Compared]:
    """The tool whose use differs most; the others differ less."""
    base_n, other_n = (float(n) for n in rollout.runs)
    if not rollout.tools or not base_n or not other_n:
        return
    count = len(rollout.tools)
    sides = {tool: ((used[0], base_n), (used[1], other_n)) for tool, used in sorted(rollout.tools.items())}
    tool = max(sides, key=lambda tool: shares.unlike(*sides[tool]))
    base, other = sides[tool]
    low, high = shares.difference(base, other, settings.alpha / count)
    yield Compared(
        signal=TOOL_MIX, baseline=base[0] / base_n, candidate=other[0] / other_n, baseline_n=int(base_n),
        candidate_n=int(other_n), effect=other[0] / other_n - base[0] / base_n, low=low, high=high,
        evidence=shares.unlike(base, other) / count, unit="share", better=None, decides=False,
        detail=f"{tool} is called in {share_text(other[0] / other_n)} of runs against {share_text(base[0] / base_n)}",
    )  # fmt: skip


def _ranked(logs: list[float]) -> float:
    return labels.evidence(logs, labels.RANK_WEIGHTS)


def _pair(side: list[float]) -> tuple[float, float]:
    return side[0], side[1]


def _whole(value: float) -> str:
    return f"{value:g}" if value == int(value) else f"{value:.1f}"
