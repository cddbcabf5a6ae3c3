"""What an agent must have before production lets it in, and what a new configuration must keep, as the YAML says it.

`forewarn ready` and the monitor judge by the first, `forewarn replay --against` by the second.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from schemas.settings.quantities import Share, Strict

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
    mode: Literal["notice", "digest", "off"] = "notice"
    """Voice of the word about a new agent or tool in production that is not ready."""
