"""Routing in the YAML: the tree, receivers, inhibition, time intervals, escalation.

The grammar is Alertmanager's. What matchers and times mean stands in `monitor.alerting`; what is wrong with them is
told by `monitor.config.routing`.
"""

from __future__ import annotations

from pydantic import Field, SecretStr

from schemas.settings.quantities import Duration, Strict


class Escalation(Strict):
    """Whom to tell when nobody acknowledged."""

    after: Duration
    to: str


class Route(Strict):
    """A node of the routing tree, in Alertmanager's grammar."""

    receiver: str | None = None
    matchers: list[str] = Field(default_factory=list)
    group_by: list[str] | None = None
    group_wait: Duration | None = None
    group_interval: Duration | None = None
    repeat_interval: Duration | None = None
    continue_: bool = Field(default=False, alias="continue")
    mute_time_intervals: list[str] = Field(default_factory=list)
    active_time_intervals: list[str] = Field(default_factory=list)
    routes: list[Route] = Field(default_factory=list)


class InhibitRule(Strict):
    """While an alert of the source side fires, those of the target side are muted."""

    name: str = ""
    source_matchers: list[str] = Field(default_factory=list)
    target_matchers: list[str] = Field(default_factory=list)
    equal: list[str] = Field(default_factory=list)
    """Labels that must be equal on both sides; a missing one equals an empty one."""


class TimeRange(Strict):
    """Part of a day, `HH:MM`: the start included, the end not, `24:00` allowed."""

    start_time: str
    end_time: str


class TimeSpec(Strict):
    """A time fits if each field that is given has an entry that fits."""

    times: list[TimeRange] | None = None
    weekdays: list[str] | None = None
    """`monday`, `monday:friday`; weeks begin on Sunday."""
    days_of_month: list[str | int] | None = None
    """`1`, `1:5`, `-3:-1` from the end of the month."""
    months: list[str | int] | None = None
    """`january`, `1`, `january:march`."""
    years: list[str | int] | None = None
    """`2026`, `2026:2030`."""
    location: str | None = None
    """An IANA zone such as `Europe/Berlin`; UTC by default."""


class NamedInterval(Strict):
    """Times under a name that routes mute or act by; one of them must fit."""

    name: str
    time_intervals: list[TimeSpec] = Field(default_factory=list)


class Global(Strict):
    """What holds for all alerts of other systems."""

    resolve_timeout: Duration = 300.0
    """After so long an alert that came without an end is over, unless it is sent again."""


class SlackReceiver(Strict):
    """A Slack channel, written to with the bot token of `slack:`."""

    channel: str
    send_resolved: bool = True


class WebhookReceiver(Strict):
    """An HTTP endpoint that takes Alertmanager's webhook payload, version 4."""

    url: SecretStr | None = None
    url_file: str | None = None
    send_resolved: bool = True
    max_alerts: int = Field(default=0, ge=0)


class VerdictReceiver(Strict):
    """An HTTP endpoint that is told the verdicts on rollouts, signed, and nothing else."""

    url: SecretStr | None = None
    url_file: str | None = None
    secret: SecretStr | None = None
    """Signs each request; `whsec_…` is read as base64, as Standard Webhooks has it."""
    secret_file: str | None = None


class ConsoleReceiver(Strict):
    """Standard output of the monitor."""

    send_resolved: bool = True


class Receiver(Strict):
    """Where notifications go."""

    name: str
    slack_configs: list[SlackReceiver] = Field(default_factory=list)
    webhook_configs: list[WebhookReceiver] = Field(default_factory=list)
    console_configs: list[ConsoleReceiver] = Field(default_factory=list)
    verdict_configs: list[VerdictReceiver] = Field(default_factory=list, max_length=20)
