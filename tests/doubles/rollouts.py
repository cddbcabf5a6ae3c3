"""Rollouts for tests, as an engine would tell them: a canary from its begin to its end, a shadow, a hostile one."""

from __future__ import annotations

import math
from typing import Any

from schemas.news import Compared, RolloutSeen
from tests.doubles.clock import START

HOUR = 3_600.0


def compared(signal: str, baseline: float, candidate: float, low: float, high: float, **changes: Any) -> Compared:
    """One signal of 412 old and 398 new runs; any field can be changed."""
    fields: dict[str, Any] = {
        "signal": signal, "baseline": baseline, "candidate": candidate, "baseline_n": 412, "candidate_n": 398,
        "effect": candidate - baseline, "low": low, "high": high, "evidence": 1.7,
    }  # fmt: skip
    return Compared(**(fields | changes))


SIGNALS = (
    compared("run.failed", 0.051, 0.148, 0.031, 0.164, evidence=412.0, state="worse"),
    compared("run.silent", 0.012, 0.015, -0.011, 0.017, state="same"),
    compared("run.cost_usd", 0.031, 0.029, -0.004, 0.001, unit="usd", state="same"),
    compared("run.duration_seconds", 8.1, 9.4, -0.4, 3.1, unit="seconds"),
    compared("run.steps", 6.2, 6.4, -0.3, 0.8, unit="count"),
    compared("run.tool_mix", 0.0, 0.11, 0.02, 0.2, unit="share", better=None, decides=False,
             detail="search_orders 41 % → 30 % of calls"),
)  # fmt: skip


def rollout(at: float = 0.0, **changes: Any) -> RolloutSeen:
    """A canary of refund-agent, `at` seconds after the start, undecided; any field can be changed."""
    fields: dict[str, Any] = {
        "id": "c4f1a09c2d7e", "time": START + at, "agent": "refund-agent", "owner": "payments", "mode": "canary",
        "baseline": "v12", "candidate": "v13", "started": START, "verdict": "hold",
        "reason": "not enough runs to tell 5.1 % from 9.8 % failures", "baseline_runs": 130, "candidate_runs": 122,
        "runs_needed": 240, "per_hour": 61.0, "signals": tuple(_early(each) for each in SIGNALS),
    }  # fmt: skip
    return RolloutSeen(**(fields | changes))


def _early(each: Compared) -> Compared:
    """The same signal when little was known of it: no interval yet, nothing decided."""
    return compared(
        each.signal, each.baseline, each.candidate, -math.inf, math.inf, unit=each.unit, decides=each.decides,
        better=each.better, baseline_n=130, candidate_n=122,
    )  # fmt: skip


def rolled_back(at: float = 5 * HOUR, **changes: Any) -> RolloutSeen:
    """The same canary, shown to be worse."""
    fields: dict[str, Any] = {
        "verdict": "roll back", "reason": "run.failed is worse: 14.8 % of 398 runs, 5.1 % of 412 with v12",
        "baseline_runs": 412, "candidate_runs": 398, "left_out": 12, "runs_needed": None, "signals": SIGNALS,
        "decided_at": START + at,
    }  # fmt: skip
    return rollout(at, **(fields | changes))


def promoted(at: float = 5 * HOUR, **changes: Any) -> RolloutSeen:
    """The same canary, shown to be no worse."""
    good = tuple(
        compared(each.signal, each.baseline, each.baseline * 0.94, -0.01, 0.012, state="same", unit=each.unit)
        for each in SIGNALS[:3]
    )
    fields: dict[str, Any] = {
        "verdict": "promote", "reason": "v13 is no worse than the margins allow in 3 of 3 signals",
        "baseline_runs": 1_912, "candidate_runs": 1_898, "runs_needed": None, "signals": good,
        "decided_at": START + at,
    }  # fmt: skip
    return rollout(at, **(fields | changes))


def shadow(at: float = HOUR, **changes: Any) -> RolloutSeen:
    """A shadow with pairs that disagree."""
    fields: dict[str, Any] = {
        "id": "5h4d0w", "mode": "shadow", "reason": "not enough pairs", "baseline_runs": 203, "candidate_runs": 207,
        "pairs": 203, "agreement": 0.931, "agreement_low": 0.884, "agreement_high": 0.962,
        "examples": (("run-17", "run-17s"), ("run-40", "run-40s")),
        "signals": (
            compared("run.failed", 0.051, 0.061, -0.022, 0.041, baseline_n=203, candidate_n=203),
            compared("run.output_length", 812.0, 1_240.0, 310.0, 540.0, unit="characters", decides=False),
        ),
    }  # fmt: skip
    return rollout(at, **(fields | changes))


def hostile(at: float = HOUR) -> RolloutSeen:
    """What a producer could put into names to ring people, to break the layout, or to hide."""
    return rollout(
        at, id="h0", agent="<!channel> `code` *bold* _it_", baseline="v1\u202e31v", candidate="<@U1>|x & co" + "x" * 99,
        reason="because\n```<!channel>``` card 4111 1111 1111 1111", mode="shadow", pairs=3, agreement=0.5,
        examples=(("<!here>", "../../etc/passwd?x=1#y"), ("r" * 500, "`run`")),
        signals=tuple(compared(f"tool.`{n}` <!here>", 0.1, 0.2, 0.0, 0.3, detail="<@U1> *x*" * 40) for n in range(40)),
    )  # fmt: skip
