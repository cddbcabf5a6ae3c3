"""How fast we may write to Slack, so that it never has to refuse us.

Pure: time is a parameter. Slack takes about one post a second and channel, some hundred posts a minute and workspace,
and 50 calls a minute of most other methods. A turn is taken before the call; what was not planned for may be taken in
debt and pushes the next turn back. Invariant: in no minute more calls of a method are let through than its limit.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct


class Rate(Struct, frozen=True):
    """`burst` calls at once, then one each `seconds`."""

    seconds: float
    burst: int = 1


CHANNEL = Rate(1.05)
"""Posts in one channel."""

RATES = {
    "chat.postMessage": Rate(0.25, 40),
    "chat.update": Rate(1.5, 10),
    "conversations.history": Rate(1.5, 10),
    "conversations.replies": Rate(1.5, 10),
    "conversations.list": Rate(3.6, 3),
    "files.getUploadURLExternal": Rate(1.5, 10),
}
"""Calls of one workspace. In the worst minute: burst + 60 / seconds."""

CHANNELS = 10_000
"""Channels whose last post is remembered. Beyond, the oldest is forgotten; a second has then passed for long."""


class Pace:
    """Turns by method and channel."""

    def __init__(self) -> None:
        self._due: dict[str, float] = {}

    def turn(self, methods: Iterable[str], channel: str, now: float) -> float:
        """When all of these may be called; at `now` or before, the turn is taken."""
        wanted = [(method, RATES[method]) for method in methods if method in RATES]
        if any(method == "chat.postMessage" for method, _ in wanted):
            wanted.append((f"channel {channel}", CHANNEL))
        at = max((self._opens(name, rate) for name, rate in wanted), default=now)
        if at > now:
            return at
        for name, rate in wanted:
            self._take(name, rate, now)
        return now

    def owe(self, method: str, channel: str, now: float) -> None:
        """A call that nobody planned was made."""
        if method in RATES:
            self._take(method, RATES[method], now)
        if method == "chat.postMessage":
            self._take(f"channel {channel}", CHANNEL, now)

    def _opens(self, name: str, rate: Rate) -> float:
        return self._due.get(name, float("-inf")) - rate.seconds * (rate.burst - 1)

    def _take(self, name: str, rate: Rate, now: float) -> None:
        self._due[name] = max(self._due.pop(name, now), now) + rate.seconds
        if len(self._due) > CHANNELS:
            del self._due[next(iter(self._due))]
