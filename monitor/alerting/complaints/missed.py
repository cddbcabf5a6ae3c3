"""The smallest setting that would have brought an alert by the time of a complaint, from what was known then.

The evidence of a node is linear in what drips into it, so a node at evidence e would have spoken at the latest by then,
had its owner's budget been 1 / e of what it was: exactly, where the owner's other settings stay. It need not have been
the first to speak under that budget. A tolerance is named where the latest level lies above the reference and within
it: evidence grows only beyond the tolerance, so one below that ratio is needed. A node that still learns what is normal
judges at once where that is declared.

Pure, and only a decision. Asked of the signals in this order: evidence, tolerance, reference, what is off.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from monitor.alerting.headline import share_text
from schemas.config import DAY, WEEK, Owner
from schemas.news import SignalState
from schemas.report import Remedy

LARGEST_FACTOR = 100.0
"""A budget that would have to be larger is no setting. So much only where the level had moved by `MOVED` in odds."""
TELLING_FACTOR = 10.0
"""Elsewhere: evidence that would need a still larger budget is what chance gathers. Beyond it a tolerance is named
first, if one stands in the way."""
MOVED = 1.5
LEAST_RATIO = 1.02
"""Odds of the latest level against the reference from which on a tolerance stands in the way."""


def remedy(known: Sequence[SignalState], owners: Mapping[str, Owner], owner: str) -> Remedy:
    """What would have caught it. `owner`: of the agent that the complaint is about."""
    watching = [one for one in known if one.state == "watching" and one.evidence > 0.0]
    near = max(watching, key=lambda one: one.evidence, default=None)
    within = max(
        (one for one in known if one.state == "watching" and LEAST_RATIO < _ratio(one) <= one.tolerance),
        key=_ratio,
        default=None,
    )
    if near is not None:
        largest = LARGEST_FACTOR if within is None and _ratio(near) >= MOVED else TELLING_FACTOR
        if near.evidence * largest >= 1.0:
            return _more(near, 1.0 / near.evidence, owners.get(near.owner) or _DEFAULT, owner)
    if within is not None:
        return Remedy(
            obstacle="tolerance",
            setting=f"detectors: {{{within.signal}: {{tolerance: {_below(_ratio(within))}}}}}",
            why=f"{_name(within)} was at {_levels(within)}, within the tolerance of {within.tolerance:g}",
        )
    warming = next((one for one in known if one.state == "warming up"), None)
    if warming is not None:
        return Remedy(
            obstacle="reference",
            setting=f"detectors: {{{warming.signal}: {{reference: <what is normal>}}}}",
            why=f"{_name(warming)} had no reference yet ({warming.waiting_for})",
        )
    off = next((one for one in known if one.state == "off"), None)
    if off is not None:
        return Remedy(
            obstacle="off", setting=f"detectors: {{{off.signal}: {{mode: notice}}}}", why=f"{off.signal} is off"
        )
    return Remedy(obstacle="nothing", why="no signal that is watched had moved")


def digested(known: Sequence[SignalState], notices: float) -> Remedy:
    """An incident there was, and it waited for the daily digest."""
    told = next((one for one in known if one.state == "firing"), None)
    if told is not None and told.mode == "digest":
        setting = f"detectors: {{{told.signal}: {{mode: notice}}}}"
    else:
        setting = f"notices: {at_least(max(notices * 2.0, 1.0 / DAY))}"
    return Remedy(obstacle="digest", setting=setting, why="an alert waited for the daily digest")


def at_least(per_second: float) -> str:
    """A budget as the YAML takes it, rounded up to three digits, so that it is never too small."""
    period, unit = (DAY, "day") if per_second * DAY > 1.0 else (WEEK, "week")
    value = per_second * period
    digits = 2 - math.floor(math.log10(value))
    scale = 10.0**digits
    return f"{math.ceil(value * scale - 1e-9) / scale:.{max(digits, 0)}f}".rstrip("0").rstrip(".") + f" per {unit}"


def _more(near: SignalState, factor: float, accepts: Owner, owner: str) -> Remedy:
    """More of the budget that the node drips, which may be that of a tool's owner."""
    pages = near.mode == "page"
    line = f"budget: {at_least(accepts.budget * factor)}" if pages else f"notices: {at_least(accepts.notices * factor)}"
    return Remedy(
        obstacle="budget" if pages else "notices",
        setting=line if near.owner in ("", owner) else f"owners: {{{near.owner}: {{{line}}}}}",
        why=f"{_name(near)} had {share_text(near.evidence)} of the evidence for a {'page' if pages else 'notice'}"
        + (f", at {_levels(near)}" if near.reference is not None else ""),
        factor=factor,
    )


def _ratio(one: SignalState) -> float:
    """Odds of the level against those of the reference; 0 where there are none."""
    level, normal = one.level, one.reference
    if normal is None or not 0.0 < normal < 1.0 or level <= 0.0:
        return 0.0
    return math.inf if level >= 1.0 else level / (1.0 - level) * (1.0 - normal) / normal


def _below(ratio: float) -> str:
    """Just below a ratio, at least 1, with two places."""
    return f"{max(math.ceil(ratio * 100.0 - 1.0) / 100.0 - 0.01, 1.0):.2f}".rstrip("0").rstrip(".")


def _levels(one: SignalState) -> str:
    return f"{share_text(one.level)} against {share_text(one.reference or 0.0)}"


def _name(one: SignalState) -> str:
    return " ".join((one.signal, *(f"{label}={value}" for label, value in sorted(one.labels.items()))))


_DEFAULT = Owner()
