"""How versions are compared while both run: `rollout:`, for all agents and for one."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from schemas.settings.quantities import Share, Strict, parse_share

RolloutSignal = Literal[
    "run.failed",
    "run.silent",
    "run.hung",
    "run.loop",
    "contract.violated",
    "run.rejected",
    "run.cost_usd",
    "run.duration_seconds",
    "run.steps",
    "run.tokens",
    "run.output_length",
]
"""Signals that a verdict can hear."""
DECIDING: tuple[RolloutSignal, ...] = (
    "run.failed",
    "run.silent",
    "run.hung",
    "contract.violated",
    "run.rejected",
    "run.cost_usd",
    "run.duration_seconds",
    "run.steps",
)
Alpha = Annotated[float, BeforeValidator(parse_share), Field(ge=1e-6, le=0.2)]


class RolloutSettings(Strict):
    """What a verdict on a canary or a shadow needs. What an agent's own `rollout:` leaves out is that of the file."""

    alpha: Alpha = 0.01
    """Probability of a wrong `roll back`, at any number of looks."""
    randomised: Literal["run", "session", "no"] = "no"
    """What is given to a version by lot. `no`: runs differ in more than the version, and the test is not exact."""
    margin: Annotated[Share, Field(gt=0.0, lt=1.0)] = 0.05
    """By how much a share (of failures …) may be higher, in points, for `promote`."""
    factor: float = Field(default=1.5, ge=1.0, le=100.0)
    """By what factor a number (cost, seconds …) may be higher."""
    minimum_runs: int = Field(default=30, ge=1, le=100_000)
    """Runs of the candidate without which there is no `promote`."""
    signals: list[RolloutSignal] = Field(default=list(DECIDING), min_length=1, max_length=11)
    """What the verdict hears. Other signals are shown only."""
