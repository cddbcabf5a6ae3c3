"""The message of any notification: of an incident, a digest or a report, or of a rollout.

Pure. It knows which kind is composed where, and nothing about how.
"""

from __future__ import annotations

from monitor.notify.incidents import message as incidents
from monitor.notify.lists import message as lists
from monitor.notify.message import Message
from monitor.notify.rollouts.message import compose as compose_rollout
from schemas.alert import Notification
from schemas.config import Config


def message_of(notification: Notification, config: Config, *, mention: bool = False) -> Message:
    """What a person is shown; `mention`: ring the owner with it."""
    if notification.rollout is not None:
        return compose_rollout(notification, notification.rollout, config)
    if notification.reason in lists.REASONS:
        return lists.compose(notification, config)
    return incidents.compose(notification, config, mention=mention)
