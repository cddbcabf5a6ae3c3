"""Notifications for tests, made by the router from a finding; what matters to the test is then replaced."""

from __future__ import annotations

from typing import Any

import msgspec

from monitor.alerting.router import Router
from monitor.notify.outbox import Outbox
from schemas.alert import Notification, NotificationReason
from schemas.config import Config
from schemas.finding import IS_BACK
from tests.doubles.clock import START
from tests.doubles.findings import finding


def notification(sequence: int = 1, **changes: Any) -> Notification:
    """A page for payments; `sequence` above 1 is an update that rings nobody, `status="resolved"` ends it."""
    (made,) = Router(Config()).step([finding()], START)
    if sequence > 1:
        changes = {"mention": False, "reason": NotificationReason.EVIDENCE} | changes
    if changes.get("status") == "resolved":
        changes = {"resolved_at": START + 60.0, "reason": NotificationReason.ALL_RESOLVED} | changes
        back = finding(60.0, status="resolved", reason=IS_BACK)
        over = {"ends_at": START + 60.0, "recovery": back}
        changes["alerts"] = tuple(msgspec.structs.replace(each, **over) for each in made.alerts)
    return msgspec.structs.replace(made, sequence=sequence, **changes)


def put(outbox: Outbox, *told: Notification) -> None:
    """Let an outbox have notifications, and send what comes of them."""
    for each in told:
        outbox.put(each)
    outbox.release()
