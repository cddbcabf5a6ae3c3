"""Alertmanager's webhook, payload version 4, over HTTP.

At least once: a lost answer is sent again with the same `Idempotency-Key`, so the receiver can tell. Redirects are not
followed. Invariant: the URL is a secret and appears in no error, log or repr.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import aiohttp
import msgspec

from monitor.notify.composing import message_of
from monitor.notify.delivery import Delivery, DeliveryError, FailureReason, reason_of_status, seconds_of
from monitor.notify.message import Message
from schemas.alert import Alert, Notification
from schemas.config import Config

TIMEOUT_SECONDS = 10.0
_ZERO_TIME = "0001-01-01T00:00:00Z"
_FIRST_SECOND, _LAST_SECOND = -62_135_596_800.0, 253_402_300_799.0
"""Of the years 1 and 9999."""


class WebhookNotifier:
    """Posts to one URL. `max_alerts`: alerts in one payload, 0 for all; the rest is counted in `truncatedAlerts`."""

    def __init__(
        self, url: str, config: Config, *, max_alerts: int = 0, timeout_seconds: float = TIMEOUT_SECONDS
    ) -> None:
        self._url = url
        self._config = config
        self._max_alerts = max_alerts
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)

    async def send(self, delivery: Delivery) -> str:
        """Post the payload; the idempotency key comes back as reference."""
        body = json.dumps(payload(delivery.notification, self._config, self._max_alerts)).encode()
        key = hashlib.blake2b(delivery.key.encode(), digest_size=16).hexdigest()
        await post(self._url, body, {"Idempotency-Key": key}, self._timeout)
        return key

    def turn(self, delivery: Delivery, now: float) -> float:
        """A receiver says itself when it has enough."""
        del delivery
        return now


async def post(url: str, body: bytes, headers: dict[str, str], timeout: aiohttp.ClientTimeout) -> None:
    """Post JSON; 2xx is good. Raises `DeliveryError` for all else, without a word of the URL or the answer."""
    headers = {"Content-Type": "application/json", **headers}
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(url, data=body, headers=headers, allow_redirects=False) as response,
        ):
            status, retry_after = response.status, seconds_of(response.headers.get("Retry-After"))
    except TimeoutError:
        raise _lost(FailureReason.DEADLINE, "no answer in time") from None
    except (aiohttp.ClientConnectorError, aiohttp.InvalidURL) as error:
        raise DeliveryError(FailureReason.OTHER, f"cannot connect: {type(error).__name__}", retryable=True) from None
    except (aiohttp.ClientError, OSError) as error:
        raise _lost(FailureReason.OTHER, f"connection lost: {type(error).__name__}") from None
    if not 200 <= status < 300:
        reason, retryable = reason_of_status(status)
        raise DeliveryError(
            reason, f"status {status}", retryable=retryable, retry_after=retry_after, uncertain=status >= 500
        )


def payload(notification: Notification, config: Config, max_alerts: int = 0) -> dict[str, Any]:
    """Alertmanager's JSON, version 4."""
    shown = notification.alerts[:max_alerts] if max_alerts else notification.alerts
    external = config.runtime.external_url or ""
    message = message_of(notification, config)
    return {
        "version": "4",
        "groupKey": notification.group_key,
        "truncatedAlerts": len(notification.alerts) - len(shown) + notification.alerts_dropped,
        "status": notification.status,
        "receiver": notification.receiver,
        "groupLabels": notification.group_labels,
        "commonLabels": _common([alert.labels for alert in shown]),
        "commonAnnotations": _told(message) if notification.lines else _common([each.annotations for each in shown]),
        "externalURL": external,
        "alerts": [_alert(alert, message.link or "") for alert in shown],
        "forewarn": _ours(notification),
    }


def _ours(notification: Notification) -> dict[str, Any]:
    """What Alertmanager has no field for: the likely cause, and when the change behind it began."""
    return {
        "incident": notification.incident,
        "reason": str(notification.reason),
        "cause": notification.cause,
        "causes": [msgspec.structs.asdict(cause) | {"time": rfc3339(cause.time)} for cause in notification.causes],
        "onsetFrom": None if notification.onset_from is None else rfc3339(notification.onset_from),
        "onsetTo": None if notification.onset_to is None else rfc3339(notification.onset_to),
    }


def _told(message: Message) -> dict[str, str]:
    """What a message without alerts says: the weekly report."""
    return {"summary": message.title, "description": "\n".join(message.others)}


def _alert(alert: Alert, link: str) -> dict[str, Any]:
    return {
        "status": alert.status,
        "labels": alert.labels,
        "annotations": alert.annotations,
        "startsAt": rfc3339(alert.starts_at),
        "endsAt": _ZERO_TIME if alert.ends_at is None else rfc3339(alert.ends_at),
        "generatorURL": link,
        "fingerprint": alert.fingerprint,
    }


def _common(dicts: list[dict[str, str]]) -> dict[str, str]:
    first = dicts[0] if dicts else {}
    return {name: value for name, value in first.items() if all(each.get(name) == value for each in dicts)}


def rfc3339(time: float) -> str:
    """A time in UTC, to the millisecond; one that no year can be written of is the first or the last that can."""
    within = min(max(time, _FIRST_SECOND), _LAST_SECOND)
    return datetime.fromtimestamp(within, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _lost(reason: FailureReason, detail: str) -> DeliveryError:
    return DeliveryError(reason, detail, retryable=True, uncertain=True)
