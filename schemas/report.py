"""The report: how well the monitor served its owners in a period. Numbers and names only; times are epoch seconds.

A lead is the first complaint's time minus that of the alert: positive where the alert came first.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from schemas.news import ObjectiveSeen, SignalState

Obstacle = Literal["budget", "notices", "tolerance", "reference", "off", "digest", "nothing"]
"""What stood between a complaint and an alert: the owner's budget of pages or of notices, a tolerance, a reference that
is still being learned, a signal that is off, the daily digest; or no signal showed anything."""


class IncidentLine(Struct, frozen=True, kw_only=True):
    """One incident. `signal`, `title`: of its leading alert; the title may hold names from the agent."""

    incident: str
    component: str
    signal: str
    title: str
    severity: Literal["page", "notice"]
    opened_at: float
    onset: float
    resolved_at: float | None = None
    complained_at: float | None = None
    complaints: int = 0
    verdict: str = ""
    root: str = ""
    in_digest: bool = False
    """Told in the daily digest, not by a message of its own."""

    @property
    def lead_seconds(self) -> float | None:
        """Seconds from the alert to the first complaint; negative where the complaint came first; None without one."""
        return None if self.complained_at is None else self.complained_at - self.opened_at


class Remedy(Struct, frozen=True, kw_only=True):
    """The smallest setting that would have brought an alert by the time of a complaint, as things stood then.

    `setting`: the line of the YAML; empty where none is known. `why`: in words. `factor`: of `budget` and `notices`, by
    how much more would have been accepted.
    """

    obstacle: Obstacle
    setting: str = ""
    why: str = ""
    factor: float | None = None


class Missed(Struct, frozen=True, kw_only=True):
    """A complaint without an alert: what the detectors knew when it was heard, and what would have caught it."""

    complaint: str
    time: float
    agent: str
    version: str = ""
    run: str = ""
    source: str = ""
    known: tuple[SignalState, ...] = ()
    remedy: Remedy
    incident: str = ""
    """The incident that waited for the daily digest, where there was one."""


class SignalLine(Struct, frozen=True, kw_only=True):
    """How often one signal led an incident, and how often people called that a false alarm."""

    signal: str
    incidents: int
    pages: int
    false: int


class ComponentLine(Struct, frozen=True, kw_only=True):
    """One component: its incidents, complaints and misses. `lead_seconds`: the median of the leads; None without."""

    component: str
    incidents: int
    complaints: int
    missed: int
    false: int
    lead_seconds: float | None = None


class OwnerReport(Struct, frozen=True, kw_only=True):
    """One owner. `budget`, `notices`: false alarms accepted per second; `pages_accepted`: in the watched period.

    `incidents`: those that began in the period, the latest first. `pages`, `notices_told`: of them, told as such at
    once; `false_pages`, `false_notices`: those that a person called a false alarm.
    """

    owner: str
    incidents: tuple[IncidentLine, ...]
    missed: tuple[Missed, ...]
    complaints: int
    components: tuple[ComponentLine, ...]
    signals: tuple[SignalLine, ...]
    objectives: tuple[ObjectiveSeen, ...]
    budget: float
    notices: float
    pages: int
    false_pages: int
    pages_accepted: float
    notices_told: int
    false_notices: int
    notices_accepted: float


class Report(Struct, frozen=True, kw_only=True):
    """All owners from `since` to `until`. `watched_since`: from when on the monitor kept this; at least `since`.

    `undecided`: complaints that are younger than a day and have no alert yet; no misses so far.
    """

    since: float
    until: float
    watched_since: float
    owners: tuple[OwnerReport, ...]
    undecided: int = 0
