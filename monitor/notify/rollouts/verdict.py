"""The signed webhook on a verdict: what a pipeline that promotes or rolls back listens to.

As Standard Webhooks has it: `webhook-id` (the same for every attempt), `webhook-timestamp` (epoch seconds of the
attempt) and `webhook-signature`, `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`. At least once: a lost
answer is sent again with the same id. Redirects are not followed. Invariant: neither the URL nor the secret appears in
an error, a log or a repr; they are never sent.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import aiohttp

from monitor.notify.delivery import Delivery, DeliveryError, FailureReason
from monitor.notify.webhook import TIMEOUT_SECONDS, post, rfc3339
from schemas.view import RolloutView, rollout_line

KIND = "rollout.verdict"
PREFIX = "whsec_"


class VerdictNotifier:
    """Posts the verdicts of rollouts to one URL, signed with `secret`."""

    def __init__(self, url: str, secret: str, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._url = url
        self._key = key_of(secret)
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._now = 0.0

    async def send(self, delivery: Delivery) -> str:
        """Post the verdict; its `webhook-id` comes back as reference."""
        rollout = delivery.notification.rollout
        if rollout is None:
            raise DeliveryError(FailureReason.OTHER, "no verdict is in it", retryable=False)
        name = "msg_" + hashlib.blake2b(delivery.key.encode(), digest_size=16).hexdigest()
        body = payload(rollout, delivery.notification.time)
        await post(self._url, body, signed_headers(self._key, name, self._now, body), self._timeout)
        return name

    def turn(self, delivery: Delivery, now: float) -> float:
        """The other end says itself when it has enough."""
        del delivery
        self._now = now  # the attempt is signed with its own time, or a receiver takes a late one for a replay
        return now


def payload(rollout: RolloutView, time: float) -> bytes:
    """The JSON: `type`, `timestamp` of the verdict, and the rollout in `data`."""
    at = rollout.verdict_at if rollout.verdict_at is not None else time
    body: dict[str, Any] = {"type": KIND, "timestamp": rfc3339(at), "data": rollout_line(rollout)}
    return json.dumps(body, ensure_ascii=False, allow_nan=False, default=str).encode()


def signed_headers(key: bytes, name: str, now: float, body: bytes) -> dict[str, str]:
    """The three headers of Standard Webhooks; `now`: epoch seconds."""
    stamp = str(int(now))
    digest = hmac.new(key, b".".join((name.encode(), stamp.encode(), body)), hashlib.sha256).digest()
    return {
        "webhook-id": name,
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def key_of(secret: str) -> bytes:
    """The bytes that sign: of `whsec_…` what its base64 holds, else the text itself. Raises `ValueError`."""
    if not secret.startswith(PREFIX):
        return secret.encode()
    return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
