"""Alert, Incident, Notification: what the router makes of findings.

An alert is a finding with labels, firing or resolved. An incident is the alerts that belong together, from the first
firing to the last resolution, with one owner. A notification says one receiver what an incident looks like now, and
why it is told. They hold numbers and names, no agent text. Times are epoch seconds.
"""

from __future__ import annotations

import enum
from typing import Any, Literal

from msgspec import Struct

from schemas.actions import Matcher
from schemas.finding import Finding
from schemas.view import RolloutView, rollout_line

Severity = Literal["page", "notice"]
AlertStatus = Literal["firing", "resolved"]

LABELS = ("agent", "version", "tool", "model", "provider", "tenant", "producer")
"""Labels that a node can give to its alert, beside `alertname`, `severity` and `owner`."""


class NotificationReason(enum.StrEnum):
    """Why a notification is sent, in Alertmanager's words where it has one."""

    FIRST = "first notification"
    NEW_ALERTS = "new alerts added"
    ALL_RESOLVED = "all alerts resolved"
    SOME_RESOLVED = "some alerts resolved"
    REPEAT = "repeat interval elapsed"
    EVIDENCE = "evidence updated"
    DIGEST = "daily digest"
    ACKNOWLEDGED = "acknowledged"
    UNACKNOWLEDGED = "acknowledgement taken back"
    ESCALATED = "escalated"
    HANDED_OVER = "handed over"
    IMPACT = "impact changed"
    AFFECTED = "affected by another incident"
    SILENCED = "silenced"
    UNSILENCED = "silence ended"
    FLAPPING = "flapping"
    FALSE_ALARM = "false alarm"
    NEW_NORMAL = "new normal"
    NO_DATA = "no data"
    BLIND = "monitor blind"
    CAUSE = "likely cause of another incident"
    CAUSE_FOUND = "likely cause found"
    COMPLAINED = "first complaint"
    REPORT = "weekly report"
    ROLLOUT_BEGAN = "rollout began"
    VERDICT = "verdict changed"
    ROLLOUT_ENDED = "rollout ended"


class Alert(Struct, frozen=True, kw_only=True):
    """A finding with labels.

    `starts_at`: when it fired (the change itself began at `finding.onset`). `ends_at`: when the evidence said that the
    signal is back; None while it fires. `finding`: the latest that fired or updated; `recovery`: the one that resolved.
    `fingerprint`: 16 hex digits over the labels.
    """

    labels: dict[str, str]
    annotations: dict[str, str]
    starts_at: float
    ends_at: float | None
    fingerprint: str
    finding: Finding
    recovery: Finding | None = None
    generator_url: str = ""
    """Where a posted alert came from."""
    posted: bool = False
    """Sent by another system; `finding` then holds its words and no numbers."""

    @property
    def key(self) -> str:
        """The episode: the same from firing to resolution, even where the labels get sharper."""
        return self.finding.incident_key

    @property
    def status(self) -> AlertStatus:
        """`firing` until evidence or a human ends it."""
        return "firing" if self.ends_at is None else "resolved"

    @property
    def severity(self) -> Severity:
        """`page` rings, `notice` does not."""
        return "page" if self.finding.mode == "page" else "notice"


class TimelineEntry(Struct, frozen=True):
    """One thing that happened to an incident or a rollout. `loud`: the channel is to see it, not the thread alone."""

    time: float
    text: str
    loud: bool = False


class Impact(Struct, frozen=True, kw_only=True):
    """A component that suffers from an incident because it depends on its root.

    `component`: as `depends_on` writes it, e.g. `agent:refund-agent`. `since`: when it fired or was first seen to
    suffer; epoch seconds. `declared`: the YAML says that it depends on the root; else it was seen in runs. `incident`:
    its own one, where it has one.
    """

    owner: str
    component: str
    since: float
    declared: bool
    incident: str = ""


class Cause(Struct, frozen=True, kw_only=True):
    """A change that an incident may have begun with.

    `component`: as `depends_on` writes it; `owner`: whose it is. `time`: when it came to what suffers, as it was
    announced or first seen there; epoch seconds. `odds`: how likely it is the cause, 0..1, beside the other changes and
    "none of them". `share`: part of the evidence that began with a deploy; None where no deploy was near or none was
    paid for. `announced`: a `change` said so; else `agent` showed it first, in the field `what`.
    """

    component: str
    version: str
    owner: str
    time: float
    odds: float
    share: float | None = None
    stage: str = "full"
    announced: bool = True
    agent: str = ""
    what: str = ""
    author: str = ""
    url: str = ""


class Incident(Struct, frozen=True, kw_only=True):
    """Alerts of one owner that belong together. `alerts` in the order in which they joined."""

    id: str
    owner: str
    severity: Severity
    status: AlertStatus
    opened_at: float
    resolved_at: float | None = None
    complained_at: float | None = None
    """When the first complaint about it came; the lead is this minus `opened_at`. None: none is known."""
    complaints: int = 0
    """Complaints that belong to it."""
    alerts: tuple[Alert, ...]
    timeline: tuple[TimelineEntry, ...] = ()
    runs: tuple[str, ...] = ()
    alerts_dropped: int = 0
    """Alerts that joined beyond the bound and are not listed."""
    timeline_dropped: int = 0
    """Entries of the timeline that gave way to later ones."""
    acked_by: str = ""
    acked_at: float | None = None
    escalated_to: str = ""
    """The owner who was told because nobody acknowledged."""
    handed_from: str = ""
    """The owner who said that it is not theirs."""
    impact: tuple[Impact, ...] = ()
    root: str = ""
    """The incident whose impact this one is; it then has no page of its own."""
    cause: str = ""
    """The likely cause in words, or that none is known; empty where nobody looked."""
    causes: tuple[Cause, ...] = ()
    """Changes that may have caused it, the likeliest first."""
    onset_from: float | None = None
    onset_to: float | None = None
    """Between these the change behind it began, as far as its alerts can tell; epoch seconds."""
    silenced_until: float | None = None
    no_data_since: float | None = None
    """Nothing was heard of what it is about since then; it does not end by that."""
    reopened: int = 0
    """How often it fired again soon after its end."""
    verdict: str = ""
    """`false_alarm` or `new_normal` where a person ended it, or said so of it afterwards."""

    @property
    def onset(self) -> float:
        """The earliest estimated start of a change behind it."""
        return min((alert.finding.onset for alert in self.alerts), default=self.opened_at)


class Standing(Struct, frozen=True, kw_only=True):
    """How the incident of one alert stands in a message that tells of several. `incident`: empty for a posted alert."""

    incident: str
    acked_by: str = ""
    acked: bool = False
    silenced: bool = False
    escalated_to: str = ""
    root: str = ""


class Call(Struct, frozen=True, kw_only=True):
    """For what a message rang last: the alert of a `fingerprint`, whose it is, and how many `more` of theirs rang.

    `given`: it was handed over to them, so that it is they who are called, whoever else the message goes to.
    """

    fingerprint: str
    owner: str
    more: int = 0
    given: bool = False


class Notification(Struct, frozen=True, kw_only=True):
    """What one receiver is to know of one incident now, and why.

    `sequence` counts the notifications of this incident to this receiver from 1: the same number is the same
    notification, however often it is replayed. `mention`: ring the owner. `alerts`: those that this receiver is told
    of, the leading one first.
    """

    time: float
    receiver: str
    owner: str
    reason: NotificationReason
    status: AlertStatus
    severity: Severity
    incident: str
    sequence: int
    group_key: str
    group_labels: dict[str, str]
    alerts: tuple[Alert, ...]
    opened_at: float
    resolved_at: float | None = None
    mention: bool = False
    runs: tuple[str, ...] = ()
    timeline: tuple[TimelineEntry, ...] = ()
    alerts_dropped: int = 0
    incidents: tuple[str, ...] = ()
    """Ids of the incidents that a group of a written `route:` holds; where routing is by owner: the one."""
    acked_by: str = ""
    acked_at: float | None = None
    escalated_to: str = ""
    impact: tuple[Impact, ...] = ()
    root: str = ""
    """For `affected by another incident`: the incident that this owner suffers from."""
    cause: str = ""
    causes: tuple[Cause, ...] = ()
    onset_from: float | None = None
    onset_to: float | None = None
    silenced_until: float | None = None
    no_data_since: float | None = None
    series: tuple[tuple[float, float], ...] = ()
    """Time and level of the leading alert as it was reported, oldest first: for a chart."""
    complained_at: float | None = None
    """When the first complaint about it came."""
    lines: tuple[str, ...] = ()
    """What a message that tells of no alert says, the title first: the weekly report."""
    rollout: RolloutView | None = None
    """What it is about, where that is no incident: `incident` is then the rollout's id, `alerts` one alert in words."""
    signed: bool = False
    """For `verdict_configs` alone, which get nothing else."""
    standings: tuple[Standing, ...] = ()
    """Of each alert, in the order of `alerts`, where a group holds several incidents. `acked_by`, `root` and
    `silenced_until` then say what holds for all that fires, all else is the leading alert's."""
    call: Call | None = None
    """Of a group: for what it rang last."""
    instead_of: str = ""
    """The owner in whose place the receiver is told, for the configuration does not name them."""
    calls: tuple[Call, ...] = ()
    """Beside `call`, where pages of several owners rang together: one for each of the others."""
    gone_to: tuple[str, ...] = ()
    """Of a group: receivers that are told now of alerts that left its message; it is over where all did."""

    @property
    def called(self) -> tuple[Call, ...]:
        """For what it rang last, one for each owner."""
        return () if self.call is None else (self.call, *self.calls)


class AlertView(Struct, frozen=True, kw_only=True):
    """An alert as Alertmanager's API shows it.

    `state`: `unprocessed` before its group was looked at, `suppressed` while silences, other alerts or time intervals
    mute it. `silenced_by`: ids of silences; `inhibited_by`: fingerprints; `muted_by`: names of time intervals.
    `ends_at`: None where neither evidence nor a time-out has set one.
    """

    labels: dict[str, str]
    annotations: dict[str, str]
    starts_at: float
    ends_at: float | None
    updated_at: float
    fingerprint: str
    generator_url: str
    state: Literal["active", "suppressed", "unprocessed"]
    silenced_by: tuple[str, ...] = ()
    inhibited_by: tuple[str, ...] = ()
    muted_by: tuple[str, ...] = ()
    receivers: tuple[str, ...] = ()


class GroupView(Struct, frozen=True, kw_only=True):
    """Alerts that one receiver is told of together.

    `next_at`: when it is looked at next, epoch seconds; None where an incident is the group, which does not wait.
    `looked`: whether it ever was, or still waits for its `group_wait`.
    """

    labels: dict[str, str]
    receiver: str
    alerts: tuple[AlertView, ...]
    key: str = ""
    next_at: float | None = None
    looked: bool = True


class SilenceView(Struct, frozen=True, kw_only=True):
    """A silence and whether it holds now."""

    id: str
    status: Literal["pending", "active", "expired"]
    matchers: tuple[Matcher, ...]
    starts_at: float
    ends_at: float
    updated_at: float
    created_by: str
    comment: str


class Decision(Struct, frozen=True):
    """One thing that the router decided: for `forewarn explain`.

    `what`: `told`, `quiet`, `muted`, `joined`, `ended` …; `about`: the incident's id or the group's key; `reason`: one
    that has a name.
    """

    time: float
    what: str
    about: str
    receiver: str
    reason: str
    labels: dict[str, str] = {}


def notification_line(notification: Notification) -> dict[str, Any]:
    """The JSON line of `forewarn replay --json` for a notification."""
    return {
        "type": "notification",
        "time": notification.time,
        "receiver": notification.receiver,
        "owner": notification.owner,
        "reason": str(notification.reason),
        "status": notification.status,
        "incident": notification.incident,
        "group_labels": notification.group_labels,
        "alerts": [
            {
                "labels": alert.labels,
                "status": alert.status,
                "starts_at": alert.starts_at,
                "ends_at": alert.ends_at,
            }
            for alert in notification.alerts
        ],
    } | ({} if notification.rollout is None else {"rollout": rollout_line(notification.rollout)})
