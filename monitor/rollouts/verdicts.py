"""The verdict on a rollout, its reason in words, and how many runs are still needed. Pure functions.

    roll back   some deciding signal is worse
    promote     enough runs, and every deciding signal is no worse than allowed; what is only said of some runs later
                (evaluations) can speak against a version, and nobody waits for it
    hold        neither yet

A verdict stays; only `promote` can become `roll back`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from detectors.arms import labels, shares
from monitor.alerting.headline import level_text
from monitor.rollouts import comparing
from monitor.rollouts.readings import REJECTED, ROW_OF
from monitor.rollouts.state import Rollout
from schemas.config import RolloutSettings
from schemas.news import Compared, Verdict

DIGITS: Final = 3
"""Of a level in a reason, as in the messages."""
FARTHEST: Final = 1_000_000
"""More runs than that are not foretold."""
_LEAST: Final = -5.0
"""log evidence below which no debt grows: what a likelihood pays for rates that it does not know."""


def judge(rollout: Rollout, rows: Sequence[Compared], settings: RolloutSettings) -> tuple[Verdict, str]:
    """Verdict and reason, from rows with or without intervals."""
    deciding = [row for row in rows if row.decides]
    bad = sorted((row for row in deciding if row.state == "worse"), key=lambda row: -row.evidence)
    if bad or rollout.verdict == "roll back":
        told = bad or sorted(deciding, key=lambda row: -row.evidence)[:1]
        return "roll back", "; ".join(_worse(row) for row in told[:3])
    needed = [row for row in deciding if row.signal != REJECTED]
    open_ = [row for row in needed if row.state != "same"]
    runs = int(rollout.pairing.same[1]) if rollout.mode == "shadow" else rollout.runs[1]
    if rollout.verdict == "promote" or (needed and not open_ and runs >= settings.minimum_runs):
        return "promote", f"no worse than allowed in {', '.join(row.signal for row in needed)}"
    if rollout.mode == "shadow" and not runs:
        return "hold", "no pairs yet: both runs of an input carry the same `pair`"
    if settings.randomised == "session" and not rollout.sessions and rollout.left_out:
        return "hold", "the runs name no `session`, and sessions are what is randomised"
    if not rollout.runs[1] or not needed:
        missing = "candidate" if not rollout.runs[1] else "baseline"
        return "hold", f"no run of the {missing} yet"
    if runs < settings.minimum_runs:
        return "hold", f"{runs} of at least {settings.minimum_runs} {_counted(rollout)}"
    return "hold", f"undecided: {', '.join(row.signal for row in open_) or 'nothing'}"


def runs_needed(rollout: Rollout, rows: Sequence[Compared], settings: RolloutSettings) -> int | None:
    """Further runs (pairs) of the candidate until a verdict is likely, if all goes on so; None: not foretold."""
    sides = rollout.runs
    if rollout.verdict != "hold" or not all(sides):
        return None
    part = comparing.parts(settings)
    deciding = [row for row in rows if row.decides]
    until_worse = min((_until_worse(rollout, row, settings, part[row.signal]) for row in deciding), default=math.inf)
    waited_for = [row for row in deciding if row.signal != REJECTED and row.state != "same"]
    until_same = max((_until_same(rollout, row, settings) for row in waited_for), default=0.0)
    least = float(settings.minimum_runs - sides[1])
    total = min(until_worse, max(until_same, least)) if waited_for or least > 0 else math.inf
    return max(math.ceil(total), 1) if total <= FARTHEST else None


def _worse(row: Compared) -> str:
    new, old = (level_text(value, row.unit, DIGITS) for value in (row.candidate, row.baseline))
    return f"{row.signal} is worse: {new} against {old}"


def _counted(rollout: Rollout) -> str:
    return "pairs" if rollout.mode == "shadow" else "runs of the candidate"


def _until_worse(rollout: Rollout, row: Compared, settings: RolloutSettings, part: float) -> float:
    bar = math.log(1.0 / (settings.alpha * part))
    have = math.log(max(comparing.worse(rollout, row.signal), 1e-9))
    if ROW_OF[row.signal].form == "number" or rollout.mode == "shadow":
        return _at_this_pace(rollout, bar, have, row.candidate_n)
    base, other, share = _rates(row)
    if other <= base:
        return math.inf
    nats = labels.information(base, other, share)
    return (bar - max(have, _LEAST)) / nats * share if nats > 0.0 else math.inf


def _until_same(rollout: Rollout, row: Compared, settings: RolloutSettings) -> float:
    bar = math.log(1.0 / settings.alpha)
    have = math.log(max(comparing.no_worse(rollout, row.signal, settings), 1e-9))
    if ROW_OF[row.signal].form == "number" or rollout.mode == "shadow":
        return _at_this_pace(rollout, bar, have, row.candidate_n)
    base, other, share = _rates(row)
    if other - base >= settings.margin:
        return math.inf
    mine, theirs = (base * (1.0 - share), 1.0 - share), (other * share, share)
    best = shares.log_likelihood(*mine, base) + shares.log_likelihood(*theirs, other)
    nats = best - shares.profile(mine, theirs, settings.margin)
    return (bar - max(have, _LEAST)) / nats * share if nats > 1e-9 else math.inf


def _rates(row: Compared) -> tuple[float, float, float]:
    """Rates that are not quite zero or one, and the candidate's share of the runs."""
    base = (row.baseline * row.baseline_n + 0.5) / (row.baseline_n + 1.0)
    other = (row.candidate * row.candidate_n + 0.5) / (row.candidate_n + 1.0)
    return base, other, row.candidate_n / (row.candidate_n + row.baseline_n)


def _at_this_pace(rollout: Rollout, bar: float, have: float, n: int) -> float:
    """As fast as the best bet has grown: the mixture holds only its part of it."""
    grown = have + math.log(4.0 if rollout.mode == "shadow" else 2.0)
    return (bar - have) / (grown / n) if grown > 0.0 and n else math.inf
