"""Messages that list: the daily digest and the weekly report.

Pure. All text is harmless and redacted, none of it is escaped, as in `monitor.notify.message`.
"""

from __future__ import annotations

from monitor.alerting.headline import budget_text, headline
from monitor.notify.message import TITLE_LENGTH, Message, clip, harmless
from monitor.notify.redact import name
from schemas.alert import Notification, NotificationReason
from schemas.config import Config

DIGEST_LINES = 20
"""Incidents that a digest shows. Beyond: a count."""

REPORT_LINES = 24
REPORT_LENGTH = 240
"""Lines of the weekly report that its message shows, and characters of each. Beyond: a count."""


REASONS = (NotificationReason.DIGEST, NotificationReason.REPORT)
"""Of notifications that are composed here."""


def compose(notification: Notification, config: Config) -> Message:
    """The message of a digest or a report."""
    if notification.reason is NotificationReason.REPORT:
        return _report(notification, config)
    return _digest(notification, config)


def _digest(notification: Notification, config: Config) -> Message:
    """What waited for the daily message: a line for each incident, those that still fire first."""
    alerts = notification.alerts
    lines = tuple(
        ("" if alert.status == "firing" else "over: ") + clip(headline(harmless(alert.finding, config)))
        for alert in alerts[:DIGEST_LINES]
    )
    more = len(alerts) - len(lines) + notification.alerts_dropped
    count = len(alerts) + notification.alerts_dropped
    firing = sum(alert.status == "firing" for alert in alerts)
    owner = config.owners.get(notification.owner)
    accepted = (f"notices at once: {budget_text(owner.notices)}",) if owner is not None else ()
    title = f"{count} {'notice' if count == 1 else 'notices'} since the last digest, {firing} still true"
    return _listing(notification, config, title, (*lines, f"and {more} more") if more else lines, accepted)


def _report(notification: Notification, config: Config) -> Message:
    """The weekly report: its title and its lines."""
    title, *lines = notification.lines or ("nothing to report",)
    shown = tuple(name(line, REPORT_LENGTH) for line in lines[:REPORT_LINES])
    more = len(lines) - len(shown)
    rest = (*shown, f"and {more} more; `forewarn report` has all") if more else shown
    return _listing(notification, config, name(title, TITLE_LENGTH), rest, ())


def _listing(
    notification: Notification, config: Config, title: str, lines: tuple[str, ...], footer: tuple[str, ...]
) -> Message:
    """A message that lists, with nothing to act on."""
    external = config.runtime.external_url
    return Message(
        status="resolved",
        severity="notice",
        reason=notification.reason,
        title=title,
        owner=name(notification.owner, 60),
        incident=notification.incident,
        facts=(),
        affected=(),
        unaffected=(),
        errors=(),
        runs=(),
        others=lines,
        timeline=(),
        footer=(str(notification.reason), *footer),
        link=None if external is None else f"{external.rstrip('/')}/",
    )
