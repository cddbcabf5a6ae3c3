"""A rollout in words: its title, the levels of both versions, their difference, and what a verdict still needs.

Pure wording for messages, the page and the terminal alike, not a renderer: names stand in it as the producer wrote
them, so whoever shows them cleans and escapes them.
"""

from __future__ import annotations

import math
from typing import Literal

from monitor.alerting.headline import level_text, subject
from schemas.finding import Unit
from schemas.news import Compared, RolloutSeen
from schemas.signals import SIGNALS
from schemas.view import RolloutView

State = Literal["worse", "undecided", "same", "shown only"]

STATES: dict[State, str] = {
    "worse": "Worse", "undecided": "Undecided", "same": "No worse", "shown only": "Shown only",
}  # fmt: skip
"""How a signal stands, in the order in which a reader wants them, and the heading of each."""
DIGITS = 3
"""Of a level: enough to see the difference of two."""
_FORMS: dict[str, Unit] = {"share": "share", "rate": "rate"}
_END = {"quiet": "no runs any more", "replaced": "another version took its place", "rolled back": "rolled back"}
_WHY = {"promote": "shown to be no worse", "roll back": "shown to be worse"}


def title(view: RolloutView) -> str:
    """One sentence: what to do, or that nobody knows yet."""
    seen = view.seen
    what = subject({"agent": seen.agent, "version": seen.candidate})
    if view.ended_at is not None:
        verdict = "without a verdict" if seen.verdict == "hold" else f"its verdict was {seen.verdict}"
        return f"{what}: {seen.mode} is over, {_END.get(seen.ended, seen.ended)}; {verdict}"
    beside = f"{seen.mode} beside {seen.baseline}"
    if seen.verdict == "hold":
        return f"{what}: {beside}, no verdict yet"
    return f"{seen.verdict.capitalize()} {what}: {beside}, {_WHY[seen.verdict]}"


def by_state(seen: RolloutSeen) -> dict[State, list[Compared]]:
    """The signals, those that decide first, by how they stand."""
    found: dict[State, list[Compared]] = {state: [] for state in STATES}
    for each in seen.signals:
        found[each.state if each.decides else "shown only"].append(each)
    return {state: each for state, each in found.items() if each}


def levels(compared: Compared) -> str:
    """The old version's level and the new one's: `5.1 % → 14.8 %`, `812 → 1,240 characters`."""
    unit = _unit(compared)
    old, new = (level_text(value, unit, DIGITS) for value in (compared.baseline, compared.candidate))
    return f"{old.removesuffix(f' {unit}')} → {new}"


def difference(compared: Compared) -> str:
    """New minus old with its interval: `+9.7 points (3.1 to 16.4)`, `+428 (310 to 540)`."""
    unit = _unit(compared)
    effect = ("+" if compared.effect > 0.0 else "") + _bare(compared.effect, unit)
    effect += " points" if unit == "share" else ""
    if not (math.isfinite(compared.low) and math.isfinite(compared.high)):
        return f"{effect} (no interval yet)"
    return f"{effect} ({_bare(compared.low, unit)} to {_bare(compared.high, unit)})"


def needed(seen: RolloutSeen) -> str:
    """What a verdict still needs: `about 240 more runs of v13, some 11 h at this rate`."""
    if seen.verdict != "hold":
        return "nothing"
    if seen.runs_needed is None:
        return "cannot be said yet"
    runs = f"about {seen.runs_needed:,} more {'run' if seen.runs_needed == 1 else 'runs'}"
    if seen.per_hour <= 0.0:
        return f"{runs}; none come at present"
    return f"{runs}, {span_text(seen.runs_needed / seen.per_hour * 3600.0)} at this rate"


def drawn(seen: RolloutSeen) -> str:
    """How sure a verdict is, and what was drawn by lot."""
    if seen.mode == "shadow":
        return f"paired by input: a wrong `roll back` with probability {level_text(seen.alpha, 'share')} at most"
    if seen.randomised == "no":
        return "not by lot: runs may differ in more than the version, so this is no exact test"
    unit = "a run each" if seen.randomised == "run" else "a session each"
    return f"by lot, {unit}: a wrong `roll back` with probability {level_text(seen.alpha, 'share')} at most"


def runs(seen: RolloutSeen) -> str:
    """How many runs were compared, without names: `412 old, 398 new`; of a shadow how many pairs."""
    if seen.mode == "shadow":
        return f"{seen.pairs:,} of one input"
    return f"{seen.baseline_runs:,} old, {seen.candidate_runs:,} new"


def agreement(seen: RolloutSeen) -> str:
    """The share of pairs with the same result, with its interval; empty where there is none."""
    if seen.agreement is None:
        return ""
    low, high = (level_text(each, "share", DIGITS) for each in (seen.agreement_low, seen.agreement_high))
    return f"{level_text(seen.agreement, 'share', DIGITS)} ({low} to {high})"


def span_text(seconds: float) -> str:
    """A length of time that is only about right: `40 min`, `11 h`, `3 days`."""
    for size, unit in ((86_400.0, "days"), (3_600.0, "h"), (60.0, "min")):
        if seconds >= 2.0 * size:
            return f"{seconds / size:,.0f} {unit}"
    return f"{seconds:.0f} s"


def _unit(compared: Compared) -> Unit:
    public = SIGNALS.get(compared.signal)
    return compared.unit or _FORMS.get(public.form if public is not None else "", "")


def _bare(value: float, unit: Unit) -> str:
    """A difference without the word of its unit, for its levels say it."""
    if not math.isfinite(value):
        return "unknown"
    sign = "-" if value < 0.0 else ""
    digits = DIGITS if unit == "share" and abs(value) >= 0.01 else 2
    return sign + level_text(abs(value), unit, digits).removesuffix(" %").removesuffix(f" {unit}")
