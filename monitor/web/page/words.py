"""Numbers and signals as words: what the page says, and nothing about how it looks.

Pure: `now` is a parameter. Units stand beside every number.
"""

from __future__ import annotations

from monitor.alerting.headline import how_it_ended, share_text, told
from monitor.web.page.markup import visible
from schemas.alert import Alert
from schemas.signals import SIGNALS

WORDS_SHOWN = 200
"""Characters of what another system, or the monitor itself, says in words."""

_UP = {
    "run.failed": "Runs fail more often",
    "run.silent": "More runs go wrong silently",
    "run.hung": "More runs never end",
    "run.loop": "More runs go in circles",
    "run.rejected": "More runs are judged bad",
    "tool.failed": "Tool calls fail more often",
    "tool.schema": "Tool calls no longer fit their schema",
    "agent.traffic": "Traffic rose",
    "agent.fallback": "More fallbacks",
    "agent.escalation": "More escalations",
    "agent.guardrail": "Guardrails act more often",
    "retrieval.empty": "More retrievals find nothing",
    "contract.violated": "The contract is violated",
    "user.unhappy": "Users are less happy",
}
_DOWN = {
    "agent.traffic": "Traffic fell",
    "agent.fallback": "Fewer fallbacks",
    "agent.escalation": "Fewer escalations",
    "agent.guardrail": "Guardrails act less often",
}


def headline(alert: Alert) -> str:
    """What happened, in a few words; where the signal has many sides, which of them, as messages say it."""
    finding = alert.finding
    known = (_UP if finding.direction == "up" else _DOWN).get(finding.signal)
    if known and not finding.detail and not finding.words:
        return known
    said = told(finding)
    if not finding.words and not said.startswith(finding.signal):
        said = said[:1].upper() + said[1:]
    return visible(said if len(said) <= WORDS_SHOWN else said[: WORDS_SHOWN - 1] + "…")


def ended(alert: Alert, verdict: str) -> str:
    """What became of it, where it did not go back to normal by itself. `verdict`: what a person called it."""
    if alert.recovery is None:
        return verdict.replace("_", " ")
    said = how_it_ended(alert.recovery)
    return visible(said[:WORDS_SHOWN]) if said else ""


def level(signal: str, value: float) -> str:
    """A level with its unit: shares as percent, rates per second, minute or hour, others by the signal's name."""
    public = SIGNALS.get(signal)
    form = public.form if public is not None else "number"
    if form == "share" or (form == "category" and 0.0 <= value <= 1.0):  # of the side that moved most
        return share_text(value)
    if form == "rate":
        return rate(value * 60.0)
    if signal.endswith("_seconds"):
        return span(value)
    if signal.endswith("_usd"):
        return f"${value:,.2f}" if abs(value) >= 0.1 else f"${value:,.4f}"
    return f"{value:,.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def rate(per_minute: float) -> str:
    """Runs or events per second, minute or hour, whichever reads best."""
    number, unit = per_minute, "min"
    if per_minute >= 600.0:
        number, unit = per_minute / 60.0, "s"
    elif 0.0 < per_minute < 1.0:
        number, unit = per_minute * 60.0, "h"
    return f"{number:,.0f}/{unit}" if number >= 9.95 or number == int(number) else f"{number:.1f}/{unit}"


def span(seconds: float) -> str:
    """A length of time in its one or two largest units."""
    seconds = max(seconds, 0.0)
    if seconds < 10.0:
        return f"{seconds:.1f} s" if seconds % 1 else f"{seconds:.0f} s"
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    if seconds < 5970.0:
        return f"{seconds / 60.0:.0f} min"
    hours, minutes = divmod(round(seconds / 60.0), 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes and hours < 10 else f"{hours} h"
    return f"{hours / 24.0:.0f} days"


def ago(time: float, now: float) -> str:
    """How long ago, or `now`."""
    return "now" if now - time < 1.0 else f"{span(float(int(now - time)))} ago"


def whole(number: float) -> str:
    """A count with thousands apart; sums of parts keep one decimal."""
    return f"{number:,.0f}" if number == int(number) else f"{number:,.1f}"


def plural(number: int, noun: str) -> str:
    """`1 run`, `2 runs`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
