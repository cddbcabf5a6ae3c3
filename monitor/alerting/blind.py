"""Blind is not broken: what the monitor says of itself when it cannot see, to its own owner.

"The agent is silent" and "the monitor is blind" are different alerts. The runtime knows of the latter; here it becomes
a finding, a notice that never waits for a digest, and takes the way of any other.
"""

from __future__ import annotations

import enum

from schemas.finding import Finding, FindingStatus

PREFIX = "monitor."


class Blindness(enum.StrEnum):
    """Why the monitor cannot see."""

    LAG = "lag"
    GAP = "gap"
    HEARTBEAT = "heartbeat"
    UNREADABLE = "unreadable"
    WARMING_UP = "warming_up"


_WORDS = {
    Blindness.LAG: "The monitor lags behind",
    Blindness.GAP: "The monitor was not there",
    Blindness.HEARTBEAT: "A producer's heartbeat is missing",
    Blindness.UNREADABLE: "Events cannot be read",
    Blindness.WARMING_UP: "Detectors are still learning",
}


def blind(
    why: Blindness, owner: str, since: float, now: float, status: FindingStatus = "firing", detail: str = ""
) -> Finding:
    """The notice that the monitor is blind, to `owner`; `resolved` when it sees again. Times in epoch seconds.

    `detail`: who or how much, as `checkout-worker` or `40 s`. One episode for each `why` and `detail`.
    """
    words = f"{_WORDS[why]}: {detail}" if detail else _WORDS[why]
    return Finding(
        id=f"{PREFIX}{why}/{detail}/{status}/{now!r}",
        incident_key=f"{PREFIX}{why}/{detail}",
        status=status,
        time=now,
        signal=f"{PREFIX}{why}",
        direction="up",
        mode="notice",
        owner=owner,
        node={},
        watched={},
        before=0.0,
        after=0.0,
        before_n=0.0,
        after_n=0.0,
        before_bad=0.0,
        after_bad=0.0,
        onset=since,
        paid=False,
        words=words,
    )


def is_blind(finding: Finding) -> bool:
    """Whether a finding is the monitor's word about itself."""
    return finding.signal.startswith(PREFIX)
