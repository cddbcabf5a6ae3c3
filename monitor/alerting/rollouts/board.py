"""How each rollout stands, and when somebody is to be told of it.

The router owns it. A new rollout, another verdict and the end are told at once; numbers that moved at most every
`NUMBERS_SECONDS`. Bound: `ROLLOUTS`; beyond, one that is over gives way, else the one heard of longest ago. What is
over is forgotten after the retention of incidents. Each is one entry of the state, written with what the outbox is to
say of it: a crash before that repeats the news, and news that is not newer changes nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

import msgspec
from msgspec import Struct

from monitor.alerting.entries import Entries
from schemas.alert import NotificationReason, TimelineEntry
from schemas.config import DAY
from schemas.news import RolloutSeen, Verdict
from schemas.view import RolloutView

ROLLOUTS = 1_000
"""Rollouts that are kept. Beyond, one gives way; counted as `rollouts forgotten`."""
NUMBERS_SECONDS = 300.0
"""Numbers that moved are told at most so often; the page and `forewarn rollout` have them as they come."""
LOST_SECONDS = 30 * DAY
"""Of what nothing was heard for so long, the end was missed: it is over then, as `quiet`."""
TIMELINE = 40
"""Entries that one rollout's timeline keeps, the latest. Beyond, the oldest gives way."""
PREFIX = "router/rollout/"


class Told(Struct, array_like=True):
    """What was told last: when, how it was known then (its `time`), and with which verdict."""

    at: float
    seen: float
    verdict: Verdict
    ended: bool


class Standing(Struct, kw_only=True):
    """One rollout. `sequences`: how many notifications each receiver got. `verdicts`: how often the verdict changed."""

    seen: RolloutSeen
    heard_at: float
    verdict_at: float | None = None
    ended_at: float | None = None
    timeline: list[TimelineEntry] = []
    told: Told | None = None
    sequences: dict[str, int] = {}
    verdicts: int = 0

    @property
    def view(self) -> RolloutView:
        """As others see it."""
        return RolloutView(seen=self.seen, heard_at=self.heard_at, verdict_at=self.verdict_at, ended_at=self.ended_at)


class Rollouts:
    """Rollouts by id. `counts`: what came of news, by name."""

    def __init__(self) -> None:
        self._kept = Entries(PREFIX, Standing)
        self._wakes: dict[str, float] = {}
        self._retention = math.inf
        self.counts: Counter[str] = Counter()

    def reload(self, retention: float) -> None:
        """Keep what is over for `retention` seconds from now on."""
        self._retention = retention
        for standing in self._kept:
            self._sleep(standing)

    def take(self, news: RolloutSeen) -> Standing | None:
        """Keep how a rollout stands; what is not newer than what is known changes nothing, and gives None."""
        standing = self._kept.get(news.id)
        if standing is not None and news.time <= standing.seen.time:
            self.counts["rollout repeated"] += 1
            return None
        if standing is None:
            standing = Standing(seen=news, heard_at=news.time)
            _happened(standing, f"{news.mode} of {news.candidate} beside {news.baseline} began")
            verdict: Verdict = "hold"
        else:
            verdict, standing.seen = standing.seen.verdict, news
        if news.verdict != verdict:
            standing.verdict_at, standing.verdicts = news.time, standing.verdicts + 1
            _happened(standing, f"verdict {news.verdict}: {news.reason}", loud=True)
        if news.ended and standing.ended_at is None:
            standing.ended_at = news.time
            _happened(standing, f"over: {news.ended}")
        elif not news.ended and standing.ended_at is not None:
            standing.ended_at = None
            _happened(standing, "goes on")
        self.counts["rollout"] += 1
        self.touch(standing)
        self._make_room()
        return standing

    def touch(self, standing: Standing) -> None:
        """It changed in itself."""
        self._kept.put(standing.seen.id, standing)
        self._sleep(standing)

    def due(self, now: float) -> list[Standing]:
        """Those of which something is to be told at `now` (epoch seconds). What is over for long is forgotten."""
        found: list[Standing] = []
        for name in sorted(name for name, at in self._wakes.items() if at <= now):
            standing = self._kept.get(name)
            if standing is None:
                self._wakes.pop(name)
                continue
            if standing.ended_at is not None and now >= standing.ended_at + self._retention:
                self._forget(name)
                continue
            if standing.ended_at is None and now >= standing.seen.time + LOST_SECONDS:
                standing.ended_at = now
                standing.seen = msgspec.structs.replace(standing.seen, ended="quiet")
                _happened(standing, "over: nothing was heard of it any more")
            found.append(standing)
            self._sleep(standing)
        return found

    def next_due(self) -> float | None:
        """When `due` has something to do, epoch seconds."""
        return min(self._wakes.values(), default=None)

    def views(self) -> list[RolloutView]:
        """Those that go on, then those that are over, the latest first."""
        found = sorted(self._kept, key=lambda each: (each.seen.time, each.seen.id), reverse=True)
        return [each.view for each in sorted(found, key=lambda each: each.ended_at is not None)]

    def changes(self) -> list[tuple[str, bytes | None]]:
        """Entries that changed since the last call."""
        return self._kept.changes()

    def load(self, entries: Iterable[tuple[str, bytes]]) -> None:
        """Take up what `changes` gave."""
        self._kept.load(entries)
        for standing in self._kept:
            self._sleep(standing)

    def _sleep(self, standing: Standing) -> None:
        """Note when it is to be looked at next."""
        wakes = [standing.seen.time + LOST_SECONDS]
        if standing.ended_at is not None:
            wakes = [standing.ended_at + self._retention]
        if is_urgent(standing) or standing.told is None:
            wakes.append(standing.seen.time)
        elif standing.told.seen != standing.seen.time:
            wakes.append(standing.told.at + NUMBERS_SECONDS)
        self._wakes[standing.seen.id] = min(wakes)

    def _make_room(self) -> None:
        if len(self._kept) > ROLLOUTS:
            first = min(self._kept, key=lambda each: (each.ended_at is None, each.seen.time, each.seen.id))
            self._forget(first.seen.id)
            self.counts["rollouts forgotten"] += 1

    def _forget(self, name: str) -> None:
        self._kept.drop(name)
        self._wakes.pop(name, None)


def reason_of(standing: Standing) -> NotificationReason | None:
    """Why somebody is to be told of it now; None if there is nothing new. A verdict is said before all else."""
    told, ended = standing.told, standing.ended_at is not None
    if standing.seen.verdict != ("hold" if told is None else told.verdict):
        return NotificationReason.VERDICT
    if told is None:
        return NotificationReason.ROLLOUT_BEGAN
    if ended != told.ended:
        return NotificationReason.ROLLOUT_ENDED if ended else NotificationReason.ROLLOUT_BEGAN
    return NotificationReason.EVIDENCE if told.seen != standing.seen.time else None


def is_urgent(standing: Standing) -> bool:
    """Whether it is told at once: all but numbers that moved."""
    return reason_of(standing) not in (None, NotificationReason.EVIDENCE)


def _happened(standing: Standing, text: str, *, loud: bool = False) -> None:
    standing.timeline.append(TimelineEntry(standing.seen.time, text, loud))
    del standing.timeline[:-TIMELINE]
