"""A cause as a sentence: the change, who made it, when it came, how sure that is; or that none is known.

Pure wording. Names stand in it as producers wrote them, so whoever shows it cleans and escapes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from urllib.parse import urlsplit

from monitor.alerting.changes.causes import CERTAIN, LEAST_ODDS
from monitor.alerting.headline import share_text, subject
from schemas.alert import Cause
from schemas.config import DAY
from schemas.finding import Finding

UNKNOWN = "not known: no change of it or of what it depends on came near the onset"

CAUSE_LENGTH = 400
"""Characters of the likely cause that are shown; it may name three changes."""
LINK_LENGTH = 500
"""Characters of a link. A longer one is left out."""

_ADDRESS = re.compile(r"https?://[A-Za-z0-9._~:/?#@!$&()*+,;=%\[\]-]+")
_STAGES = {"canary": " as a canary", "rolled_back": " as a rollback"}
_SEEN = {
    "version": "in its runs",
    "tool_version": "in calls of {agent}",
    "response_model": "in answers to {agent}",
    "fields": "in calls of {agent}",
}


def of(causes: tuple[Cause, ...]) -> str:
    """What an incident says of its cause."""
    if not causes:
        return UNKNOWN
    first = causes[0]
    if first.odds >= CERTAIN:
        return f"{change(first)}{evidence(first)}"
    rest = 1.0 - sum(each.odds for each in causes)
    named = [f"{change(each)} ({odds(each)})" for each in causes]
    if rest >= LEAST_ODDS:
        named.append(f"none of these ({odds_text(rest)})")
    return f"not sure: {' or '.join(named)}"


def later(further: Iterable[tuple[Finding, Cause]]) -> str:
    """What it says beside that of alerts that joined later and have a cause of their own; empty for none."""
    return "".join(f"; later, of {subject(finding.node)}: {change(cause)}" for finding, cause in further)


def change(cause: Cause) -> str:
    """The change itself: `tool:issue_refund 4, live since 14:02 UTC, announced by kim`."""
    clock = clock_of(cause)
    name = f"{cause.component} {cause.version}"
    if cause.announced:
        by = f" by {cause.author}" if cause.author else ""
        return f"{name}, live since {clock}, announced{_STAGES.get(cause.stage, '')}{by}"
    where = _SEEN.get(cause.what, "").format(agent=cause.agent)
    return f"{name}, first seen {clock}{' ' + where if where else ''}, not announced"


def clock_of(cause: Cause) -> str:
    """When it came, as the sentence says it: `14:02 UTC`."""
    return datetime.fromtimestamp(cause.time, UTC).strftime("%H:%M UTC")


def evidence(cause: Cause) -> str:
    """How sure it is, and how much of the evidence began with it."""
    share = f", {share_text(cause.share)} of the evidence began with a deploy" if cause.share is not None else ""
    return f" ({odds(cause)} likely{share})"


def odds(cause: Cause) -> str:
    """Odds in whole percent, never 100."""
    return odds_text(cause.odds)


def odds_text(value: float) -> str:
    """A probability in whole percent; 99 at most, for the stories behind it are assumptions."""
    return f"{min(round(100.0 * value), 99):.0f} %"


def link_of(causes: tuple[Cause, ...]) -> str | None:
    """Where the one change stands that an incident began with."""
    return web_address(causes[0].url) if causes and causes[0].odds >= CERTAIN else None


def between(first: float | None, last: float | None) -> str:
    """How exactly an onset is known, where it is: `, between 14:02:11 and 14:02:40 UTC`."""
    if first is None or last is None or last - first >= DAY:
        return ""
    from_, to = (datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S") for at in (first, last))
    return f", between {from_} and {to} UTC"


def web_address(text: str) -> str | None:
    """A link that somebody gave us, if it is one to a web page and can do nothing else; None otherwise.

    No user or password in it, nothing that ends a link or an attribute in any of our media.
    """
    if len(text) > LINK_LENGTH or not _ADDRESS.fullmatch(text):
        return None
    try:
        parts = urlsplit(text)
        return text if parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc else None
    except ValueError:
        return None
