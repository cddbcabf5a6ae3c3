"""What an agent must have before production lets it in, and what a new configuration must keep, as the YAML says it.

`forewarn ready` and the monitor judge by the first, `forewarn replay --against` by the second.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from schemas.settings.quantities import DAY, Duration, Rate, Share, Strict
from schemas.settings.scenarios import Labels, Start

Piece = Literal[
    "owner", "contract", "objectives", "escalation", "fallback", "tools", "runs", "calls", "outcomes", "versions",
    "tokens", "costs",
]  # fmt: skip
PIECES: tuple[Piece, ...] = (
    "owner", "contract", "objectives", "escalation", "fallback", "tools", "runs", "calls", "outcomes", "versions",
    "tokens", "costs",
)  # fmt: skip
"""In the order in which they are told."""


class Ready(Strict):
    """What an agent must have."""

    require: list[Piece] = Field(default=list(PIECES), min_length=1)
    """The pieces without which an agent is not ready."""
    runs: int = Field(default=50, ge=1, le=200)
    """Production runs that must have been seen, to judge what they carry."""
    share: Share = 0.95
    """Of the runs, or of a tool's, those that must carry it."""
    settle: Duration = DAY
    """What a monitor sees in its first time is the fleet as it is; what comes later is new."""
    mode: Literal["notice", "digest", "off"] = "notice"
    """Voice of the word about a new agent or tool in production that is not ready."""


class OwnerLimits(Strict):
    """What one owner may be told, in place of the limits for all."""

    pages: Rate | None = None
    notices: Rate | None = None


class MustCatch(Strict):
    """An incident that must be caught: an alert of it has all these `labels`, it was told by `within` after `at`."""

    labels: Labels = Field(min_length=1)
    at: Start
    """When the trouble began."""
    within: Duration = 3_600.0
    severity: Literal["page", "notice"] = "page"
    """`page`: it must ring; `notice`: any voice will do."""


class Backtest(Strict):
    """Limits that a new configuration must keep over recorded history; what is not written is not looked at."""

    pages: Rate | None = None
    """Pages of any one owner, at most; a history shorter than a week counts as a week."""
    notices: Rate | None = None
    owners: dict[str, OwnerLimits] = Field(default_factory=dict)
    must_catch: list[MustCatch] = Field(default_factory=list, max_length=1_000)
    lost: int | None = Field(default=None, ge=0)
    """Incidents that paged under the old configuration and do not under the new one, at most."""
    missed: int | None = Field(default=None, ge=0)
    """Complaints without an alert under the new configuration, at most."""
    lost_lead: Duration | None = None
    """How much later the new configuration may open what both page, at most."""
