"""When something is said of a rollout, and what: a verdict and an end at once, numbers now and then.

Numbers are told a minute after the last word at the soonest, once a twentieth more has come in, or else hourly.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from detectors.arms import shares
from monitor.rollouts import comparing, verdicts
from monitor.rollouts.state import Rollout
from schemas.config import RolloutSettings
from schemas.news import News, RolloutSeen

EVERY_SECONDS: Final = 60.0
AT_LEAST_SECONDS: Final = 3_600.0
NEWS_PART: Final = 0.05


def say(
    agent: str, owner: str, rollout: Rollout, settings: RolloutSettings, now: float, tell: Callable[[News], None]
) -> bool:
    """Judge, and tell what is new; whether anything changed (in place)."""
    if rollout.judged != rollout.bets:
        rollout.judged = rollout.bets
        verdict, _ = verdicts.judge(rollout, comparing.compare(rollout, settings, bounds=False), settings)
        if verdict != rollout.verdict:
            rollout.verdict, rollout.decided_at = verdict, now
    told = (rollout.verdict, rollout.ended)
    if told == rollout.said and now < next_word(rollout, now):
        return False
    if told == rollout.said and rollout.said_runs == _size(rollout):
        return False
    rollout.said, rollout.said_at, rollout.said_runs = told, now, _size(rollout)
    tell(seen(agent, owner, rollout, settings, now))
    return True


def next_word(rollout: Rollout, now: float) -> float:
    """When there is something to say if nothing more comes; infinity for never."""
    more = _size(rollout) - rollout.said_runs
    if not more:
        return math.inf
    worth_it = more >= NEWS_PART * rollout.said_runs
    return max(rollout.said_at + (EVERY_SECONDS if worth_it else AT_LEAST_SECONDS), now)


def seen(agent: str, owner: str, rollout: Rollout, settings: RolloutSettings, now: float) -> RolloutSeen:
    """How it stands."""
    rows = comparing.compare(rollout, settings)
    heard = comparing.compare(rollout, settings, bounds=False)  # also what has no interval yet, as the verdict has it
    _, reason = verdicts.judge(rollout, heard, settings)
    alike, pairs = rollout.pairing.same
    low, high = shares.interval(alike, pairs, settings.alpha)
    hours = (now - rollout.started) / 3_600.0
    return RolloutSeen(
        id=rollout.id,
        time=now,
        agent=agent,
        owner=owner,
        mode=rollout.mode,
        baseline=rollout.baseline or "stable",
        candidate=rollout.candidate or rollout.mode,
        started=rollout.started,
        verdict=rollout.verdict,
        reason=reason,
        randomised=settings.randomised if rollout.mode == "canary" else "run",
        alpha=settings.alpha,
        baseline_runs=rollout.runs[0],
        candidate_runs=rollout.runs[1],
        pairs=int(pairs),
        left_out=rollout.left_out,
        runs_needed=verdicts.runs_needed(rollout, heard, settings),
        per_hour=rollout.runs[1] / hours if hours > 0.0 else 0.0,
        agreement=alike / pairs if pairs else None,
        agreement_low=low,
        agreement_high=high,
        signals=tuple(rows),
        examples=tuple(rollout.pairing.examples),
        decided_at=rollout.decided_at,
        ended=rollout.ended,
    )


def _size(rollout: Rollout) -> int:
    """Grows with everything that comes in."""
    judged = rollout.rates.get("run.rejected")
    more = 0.0 if judged is None else judged.base[1] + judged.other[1]
    return sum(rollout.runs) + rollout.left_out + int(more)
