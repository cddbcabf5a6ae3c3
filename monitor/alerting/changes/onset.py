"""Between which times a change began, as far as one finding can tell.

A detector dates the onset where the evidence begins to grow; how exactly, depends on how different the two levels are
and on how often something is observed. Of a share, each observation away from the true onset loses the Kullback-Leibler
divergence of the two levels on average; the interval is what loses less than `NATS`, around the date of the detector's
middling bet and, where that is later, of its strong one: a stray failure before the change makes the first too early.
Calibrated, see `tests/simulation/test_changes_onset.py`. Of other levels less is known: it reaches as far back as the
change is old.
"""

from __future__ import annotations

import math

from schemas.finding import Finding

NATS = 3.0
"""What the ends of the interval lose against the best date."""
TICK_SECONDS = 1.0
"""Findings are dated in ticks."""
LEAST, MOST = 0.001, 0.999


def interval(finding: Finding) -> tuple[float, float]:
    """The earliest and the latest likely onset, epoch seconds; the latter at most when the finding was made.

    Never reversed: an onset after the finding (events of a clock that is ahead) is taken as the finding's own time.
    """
    onset = min(finding.onset, finding.time)
    seconds = max(finding.time - onset, TICK_SECONDS)
    if not _is_share(finding):
        return onset - seconds, finding.time
    before, after = (min(max(level, LEAST), MOST) for level in (finding.before, finding.after))
    gap = seconds / max(finding.after_n - 1.0, 1.0)
    earlier = max(NATS / max(_divergence(before, after), 1e-6), 1.0) * gap
    later = max(NATS / max(_divergence(after, before), 1e-6), 1.0) * gap
    latest = max(onset, finding.onset_latest or 0.0)
    return onset - earlier - TICK_SECONDS, min(latest + later + TICK_SECONDS, finding.time)


def _is_share(finding: Finding) -> bool:
    known = finding.unit in ("", "share") and finding.after_n > 0.0 and not finding.detail
    return known and 0.0 <= finding.before <= 1.0 and 0.0 <= finding.after <= 1.0


def _divergence(p: float, q: float) -> float:
    """KL(p || q) of two coins, nats."""
    return p * math.log(p / q) + (1.0 - p) * math.log((1.0 - p) / (1.0 - q))
