"""The report in words: for the terminal and for the weekly message alike.

Pure wording. Names stand in it as the producer wrote them, so whoever shows a line cleans and escapes it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from monitor.alerting.headline import budget_text, share_text, span_text
from schemas.config import DAY
from schemas.news import ObjectiveSeen
from schemas.report import ComponentLine, IncidentLine, Missed, Obstacle, OwnerReport, Report

LISTED = 10
"""Misses, leads, components and objectives that are listed for an owner, of each. Beyond: a count; JSON has all."""
_DOES: dict[Obstacle, str] = {
    "budget": "would have caught it",
    "notices": "would have caught it",
    "digest": "would have told it at once",
    "tolerance": "lets evidence grow",
    "reference": "judges at once",
    "off": "watches it",
    "nothing": "",
}
"""What a setting does about an obstacle."""
SIGNALS = 3
"""Signals that are named as the noisiest."""


def period(report: Report) -> str:
    """From when to when, and whether the monitor was there for all of it."""
    text = f"{_moment(report.since)} to {_moment(report.until)} UTC"
    if report.watched_since > report.since:
        text += f" (watched from {_moment(report.watched_since)})"
    return text


def title(owner: OwnerReport) -> str:
    """What there was, in one line."""
    told = [_many(owner.pages, "page"), _many(owner.notices_told, "notice")]
    lost = f", {len(owner.missed)} missed" if owner.missed else ""
    return f"{owner.owner}: {' and '.join(told)}; {_many(owner.complaints, 'complaint')}{lost}"


def lines(owner: OwnerReport) -> list[str]:
    """What follows the title, most important first: misses, leads, components, false alarms, noise, objectives."""
    found = _cut("missed", [_missed(each) for each in owner.missed])
    led = [line for line in owner.incidents if line.lead_seconds is not None and not line.in_digest]
    late = [line for line in led if (line.lead_seconds or 0.0) < 0.0]
    found += _cut("late", [_led(each) for each in late])
    found += _cut("lead", [_led(each) for each in led if each not in late])
    found += _cut("component", [_component(each) for each in owner.components])
    found.append(f"false alarms: {_budget(owner)}")
    noisy = [
        f"{one.signal} {_many(one.incidents, 'incident')}{f' ({one.false} false)' if one.false else ''}"
        for one in owner.signals[:SIGNALS]
    ]
    if noisy:
        found.append(f"noisiest: {', '.join(noisy)}")
    return found + _cut("objective", [_objective(each) for each in owner.objectives])


def objective_left(seen: ObjectiveSeen) -> float:
    """The share of the error budget of its runs that is left; negative where more was used than there is."""
    allowed = seen.runs * (1.0 - seen.target)
    return 1.0 - seen.bad / allowed if allowed > 0.0 else 1.0


def _cut(what: str, texts: list[str]) -> list[str]:
    shown = [f"{what}: {text}" for text in texts[:LISTED]]
    return [*shown, f"{what}: … and {len(texts) - LISTED} more"] if len(texts) > LISTED else shown


def _led(line: IncidentLine) -> str:
    lead = line.lead_seconds or 0.0
    side = "before the first complaint" if lead >= 0.0 else "after the first complaint"
    complaints = f" of {line.complaints}" if line.complaints > 1 else ""
    verdict = " (called a false alarm)" if line.verdict == "false_alarm" else ""
    when = _moment(line.opened_at)
    return (
        f"{span_text(abs(lead))} {side}{complaints}, {line.severity} {line.incident} of {when}: {line.title}{verdict}"
    )


def _component(line: ComponentLine) -> str:
    words = [_many(line.incidents, "incident")]
    if line.lead_seconds is not None:
        side = "before" if line.lead_seconds >= 0.0 else "after"
        words.append(f"median {span_text(abs(line.lead_seconds))} {side} the first complaint")
    if line.missed:
        words.append(f"{line.missed} missed")
    if line.false:
        words.append(f"{line.false} called false")
    return f"{line.component} {', '.join(words)}"


def _missed(one: Missed) -> str:
    slice_ = " ".join(word for word in (one.agent, one.version) if word)
    run = f" run {one.run}" if one.run else ""
    remedy = one.remedy
    setting = f"; `{remedy.setting}` {_DOES[remedy.obstacle]}" if remedy.setting else ""
    return f"{_moment(one.time)} {slice_}{run}, no alert: {remedy.why}{setting}"


def _budget(owner: OwnerReport) -> str:
    """How many of the alerts were called false, and how many the owner accepts."""
    return (
        f"{owner.false_pages} of {_many(owner.pages, 'page')} "
        f"({owner.pages_accepted:.2g} accepted at {budget_text(owner.budget)}), "
        f"{owner.false_notices} of {_many(owner.notices_told, 'notice')} "
        f"({owner.notices_accepted:.2g} accepted at {budget_text(owner.notices)})"
    )


def _objective(seen: ObjectiveSeen) -> str:
    good = share_text(1.0 - seen.bad / seen.runs, 3) if seen.runs else "none"
    left = objective_left(seen)
    budget = (
        f"{share_text(left)} of the error budget left"
        if left >= 0.0
        else f"error budget overdrawn {1.0 - left:.2g} times"
    )
    days = f"{(seen.time - seen.since) / DAY:.2g} of {seen.window / DAY:.3g} days"
    return f"{seen.agent} {seen.name} {share_text(seen.target, 4)}: {good} of {seen.runs:,} runs in {days}, {budget}"


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M")


def _many(count: int, noun: str, several: str = "") -> str:
    return f"{count} {noun if count == 1 else several or f'{noun}s'}"


def all_lines(report: Report) -> Iterable[str]:
    """The whole report: one line per thing, those of an owner indented under its title."""
    yield f"report of {period(report)}"
    if report.undecided:
        yield f"younger than a day, an alert may still come: {_many(report.undecided, 'miss', 'misses')}"
    for owner in report.owners:
        yield ""
        yield title(owner)
        yield from (f"  {line}" for line in lines(owner))
