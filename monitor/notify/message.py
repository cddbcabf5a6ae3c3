"""A message for a person, in no medium yet: title, facts, examples, timeline; and how foreign words become harmless.

Pure. All text in it is harmless and redacted (`redact`), none of it is escaped: that is the renderer's part. What is
said of which notification stands in `incidents`, `lists` and `rollouts` beside this.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from urllib.parse import quote

import msgspec
from msgspec import Struct

from monitor.alerting.changes import words
from monitor.alerting.changes.words import LINK_LENGTH
from monitor.notify.chart.series import Chart
from monitor.notify.redact import name, redact
from schemas.alert import AlertStatus, NotificationReason, Severity
from schemas.config import Config
from schemas.finding import Finding

TITLE_LENGTH = 140
TIMELINE = 6
"""Latest entries of the timeline that are shown."""

_SLACK_ID = re.compile(r"\bslack:[UW][A-Z0-9]{1,20} (?=\S)")
_NAME_LENGTHS = {"agent": 40, "version": 24, "tool": 40, "model": 40, "provider": 30, "tenant": 30, "owner": 40}


class Fact(Struct, frozen=True):
    """A name and what stands beside it; `time` (epoch seconds) where it is a moment. `ours`: no foreign word in it.

    `note`: foreign words behind the value, in lists; `share_of`: before it, of what it is the share.
    `at`: a moment behind the value; `spread`: how exactly `time` is known. Each medium has its own way to show times.
    """

    name: str
    value: str
    time: float | None = None
    ours: bool = False
    note: str = ""
    share_of: str = ""
    at: float | None = None
    spread: tuple[float, float] | None = None

    @property
    def plain(self) -> str:
        """What stands beside the name, as text with all times in UTC."""
        side = f"{self.share_of}: " if self.share_of else ""
        value = side + (self.value if self.time is None else utc(self.time) + self.value)
        behind = f", {_short(self.at)}" if self.at is not None else ""
        return value + behind + (words.between(*self.spread) if self.spread is not None else "")


class Listed(Struct, frozen=True):
    """A heading and what stands below it, a line each."""

    title: str
    rows: tuple[Fact, ...]


class RunLink(Struct, frozen=True):
    """An example run, and where to look at it; `beside`: the run of the same input."""

    run: str
    url: str | None
    beside: RunLink | None = None


class Call(Struct, frozen=True):
    """For what a message rings an owner that tells of several incidents: its title, and how many more there are.

    `given`: it was handed over to them.
    """

    owner: str
    title: str
    more: int = 0
    given: bool = False


class Message(Struct, frozen=True, kw_only=True):
    """What a person is shown of an incident. Times in epoch seconds."""

    status: AlertStatus
    severity: Severity
    reason: NotificationReason
    title: str
    owner: str
    incident: str
    mentions: tuple[str, ...] = ()
    """Slack users' or groups' ids to ring, each once."""
    calls: tuple[Call, ...] = ()
    """For what it rings, one for each owner; empty for what its own title says."""
    states: tuple[Fact, ...] = ()
    """Who is on it and what holds it back: acknowledged, silenced, escalated, no data."""
    facts: tuple[Fact, ...]
    cause: str = ""
    cause_url: str | None = None
    """Where the change behind it stands."""
    cause_times: tuple[tuple[str, float], ...] = ()
    """Times of day in `cause`, in their order, and the moments (epoch seconds) that they mean."""
    impact: tuple[Fact, ...] = ()
    affected: tuple[str, ...]
    unaffected: tuple[str, ...]
    errors: tuple[str, ...]
    runs: tuple[RunLink, ...]
    others: tuple[str, ...]
    timeline: tuple[Fact, ...]
    footer: tuple[str, ...]
    link: str | None
    chart: Chart | None = None
    incidents: tuple[str, ...] = ()
    """What buttons act on; empty where there is nothing to do any more."""
    owners: tuple[str, ...] = ()
    """To whom it can be handed."""
    grouped: bool = False
    """`others` belong to other incidents than the title."""
    acked: bool = False
    lists: tuple[Listed, ...] = ()
    verdict: str = ""
    """Of a rollout; empty for all else."""

    @property
    def word(self) -> str:
        """`PAGE`, `Notice`, `Resolved`, `Handed over`, `Digest`, `Report` or `Rollout`."""
        if self.reason is NotificationReason.REPORT:
            return "Report"
        if self.verdict:
            return "Rollout"
        if self.reason is NotificationReason.DIGEST:
            return "Digest"
        if self.status == "resolved":
            return "Handed over" if self.reason is NotificationReason.HANDED_OVER else "Resolved"
        return "PAGE" if self.severity == "page" else "Notice"


def harmless(finding: Finding, config: Config) -> Finding:
    """The finding with every foreign word cleaned and cut."""
    privacy = config.runtime.privacy
    excerpts = finding.error_types if privacy.excerpts else ()
    return msgspec.structs.replace(
        finding,
        signal=name(finding.signal, 60),
        node={label: name(value, _NAME_LENGTHS.get(label, 40)) or "?" for label, value in finding.node.items()},
        affected=tuple(name(side, 80) for side in finding.affected),
        unaffected=tuple(name(side, 80) for side in finding.unaffected),
        error_types=tuple(redact(text, privacy.excerpt_length) for text in excerpts if privacy.excerpt_length),
        reason=redact(finding.reason),
        words=redact(finding.words),
        detail=redact(finding.detail),
        corroborated=tuple(name(signal, 60) for signal in finding.corroborated),
        share_of=name(finding.share_of, 80),
    )


def happened(text: str, limit: int) -> str:
    """An entry of a timeline, redacted, with people by their names alone."""
    return redact(_SLACK_ID.sub("", text[: 4 * limit]), limit)


def _short(time: float) -> str:
    return utc(time)[:16] + " UTC"


def utc(time: float) -> str:
    """A time in UTC, to the second."""
    try:
        return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return "an unknown time"


def run_link(run: str, template: str | None) -> RunLink:
    """A run's name, and its link by the template with `{run}` in it."""
    url = template.replace("{run}", quote(run, safe="", errors="replace")) if template is not None else None
    return RunLink(name(run, 80), url if url is not None and len(url) <= LINK_LENGTH else None)


def clip(title: str) -> str:
    """A title that fits."""
    return title if len(title) <= TITLE_LENGTH else title[: TITLE_LENGTH - 1].rstrip() + "…"
