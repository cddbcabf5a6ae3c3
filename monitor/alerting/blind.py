"""Blind is not broken: when the monitor cannot see, and what it then says of itself, to its own owner.

"The agent is silent" and "the monitor is blind" are different alerts. The runtime says what came, in ticks; here it
becomes findings, notices that never wait for a digest and take the way of any other. Not here: what the time in which
nobody watched means for agents (`monitor.engine`). Invariant: nothing is said before the third heartbeat of a producer,
nor of a first start, for which there is no tick before.
"""

from __future__ import annotations

import enum
import math
from collections import Counter, deque
from collections.abc import Iterable
from datetime import UTC, datetime

from msgspec import Struct

from monitor.alerting.entries import Entries
from schemas.config import DAY
from schemas.finding import Finding, FindingStatus
from schemas.records import Sighting

PREFIX = "monitor."
BLIND_SECONDS = 10.0
"""Without a tick for so long the monitor was not there, and the time does not count as watched."""
STAYS_SECONDS = 300.0
"""A notice whose cause is over stays so long: longer than groups usually wait, and one story for what comes back."""
WINDOW_SECONDS = 300.0
"""Dead letters are counted over so long, in slots of `SLOT_SECONDS`."""
SLOT_SECONDS = 10.0
UNREADABLE = 20
"""So many dead letters in the window are many, if they are also more than `UNREADABLE_SHARE` of what came."""
UNREADABLE_SHARE = 0.05
PRODUCERS = 500
"""Producers whose heartbeat is awaited. The heartbeats of more are counted, and nobody misses them."""
BEATS = 3
"""Heartbeats after which a producer has a usual interval."""
RECENT_BEATS = 10
"""Over about so many intervals the usual one is a mean."""
MISSED = 3.0
"""A heartbeat is missing after so many usual intervals, and `MISSING_SECONDS` at least."""
MISSING_SECONDS = 60.0
LAG_SECONDS = 60.0
"""A partition that is so far behind the router's clock is late: well above its sightings, ten seconds apart, and a
takeover."""
PLACES = 10_000
"""Places whose progress is known. Sightings of more are counted, and nobody misses them."""
GONE_SECONDS = DAY
"""A producer that is missing for so long is no longer awaited: it was taken out of service."""


class Blindness(enum.StrEnum):
    """Why the monitor cannot see."""

    GAP = "gap"
    HEARTBEAT = "heartbeat"
    UNREADABLE = "unreadable"
    LAG = "lag"


_WORDS = {
    Blindness.GAP: "The monitor was not there",
    Blindness.HEARTBEAT: "A producer's heartbeat is missing",
    Blindness.UNREADABLE: "Events cannot be read",
    Blindness.LAG: "The monitor is behind",
}


class _Episode(Struct):
    """What is being told. `until`: when it is over, unless it comes again; infinite while the cause must end it."""

    why: Blindness
    who: str
    since: float
    until: float
    detail: str
    seconds: float = 0.0


class _Producer(Struct):
    """Who sends heartbeats. `last`: the tick after the last one; `watched`: whether we were there ever since."""

    beats: int
    last: float
    usual: float = 0.0
    watched: bool = True

    def patience(self) -> float:
        """Seconds after which its heartbeat is missing; infinite while it has no usual interval."""
        return max(MISSED * self.usual, MISSING_SECONDS) if self.beats >= BEATS else math.inf


class _Place(Struct):
    """A partition. `time`: the tick up to which it has come; `excused`: until then nobody could come further."""

    time: float
    excused: float = 0.0


class Sight:
    """What the monitor knows of its own sight; `owner` is told of a gap in the ticks of more than `gap_seconds`.

    `counts`: limits that were met, by name.
    """

    def __init__(self, owner: str, gap_seconds: float = BLIND_SECONDS) -> None:
        self.owner = owner
        self._gap_seconds = gap_seconds
        self.counts: Counter[str] = Counter()
        self._episodes = Entries("sight/episode/", _Episode)
        self._producers = Entries("sight/producer/", _Producer)
        self._places = Entries("sight/place/", _Place)
        self._beating: dict[str, None] = {}
        self._read = self._unread = 0
        self._slots: deque[tuple[float, int, int]] = deque()

    def beat(self, producer: str) -> None:
        """A heartbeat came; all of one producer between two ticks are one."""
        if producer in self._producers or len(self._producers) + len(self._beating) < PRODUCERS:
            self._beating[producer] = None
        elif producer not in self._beating:
            self.counts["producers_unwatched"] += 1

    def came(self, read: int, unread: int) -> None:
        """So many events could be read, so many things were dead letters."""
        self._read += read
        self._unread += unread

    def saw(self, sighting: Sighting) -> None:
        """A place elsewhere tells what it saw; what it tells twice after a crash counts once."""
        if sighting.time:
            known = self._places.get(sighting.place)
            if known is not None and sighting.time <= known.time:
                return
            if known is None and len(self._places) >= PLACES:
                self.counts["places_unwatched"] += 1
            else:
                self._places.put(sighting.place, _Place(sighting.time))
        self.came(sighting.read, sighting.unread)
        for producer in sighting.beats:
            self.beat(producer)

    def tick(self, before: float, now: float) -> list[Finding]:
        """Time went on from the tick `before` (epoch seconds; 0 for the first) to `now`: what there is to say."""
        if now <= before:
            return []
        said = [self._was_away(before, now)] if 0.0 < before < now - self._gap_seconds else []
        said += self._heard(now)
        said += self._missed(now)
        said += self._unreadable(now)
        said += self._behind(before, now)
        over = [key for key, episode in self._episodes.items() if episode.until <= now]
        return said + [self._end(key, now) for key in over]

    def changes(self) -> list[tuple[str, bytes | None]]:
        """Entries that changed since the last call; None deletes. After a crash dead letters are counted anew."""
        return [*self._producers.changes(), *self._places.changes(), *self._episodes.changes()]

    def load(self, entries: Iterable[tuple[str, bytes]]) -> None:
        """Take up what `changes` gave, before the first tick. Entries of others are ignored."""
        entries = list(entries)
        self._producers.load(entries)
        self._places.load(entries)
        self._episodes.load(entries)

    def _was_away(self, before: float, now: float) -> Finding:
        """Nobody could hear a heartbeat meanwhile: producers get their time anew."""
        for name, known in self._producers.items():
            if _key(Blindness.HEARTBEAT, name) not in self._episodes:
                known.last, known.watched = now, False
                self._producers.put(name, known)
        known_gap = self._episodes.get(_key(Blindness.GAP))
        since, seconds = (before, 0.0) if known_gap is None else (known_gap.since, known_gap.seconds)
        seconds += now - before
        started = datetime.fromtimestamp(since, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        detail = f"nobody watched for {_span(seconds)} since {started}"
        return self._say(_Episode(Blindness.GAP, "", since, now + STAYS_SECONDS, detail, seconds), now)

    def _heard(self, now: float) -> list[Finding]:
        said = []
        for name in self._beating:
            known = self._producers.get(name) or _Producer(0, now)
            key = _key(Blindness.HEARTBEAT, name)
            if key in self._episodes:
                said.append(self._end(key, now))
            elif known.beats and known.watched:
                known.usual += (now - known.last - known.usual) / min(known.beats, RECENT_BEATS)
            known.beats, known.last, known.watched = known.beats + 1, now, True
            self._producers.put(name, known)
        self._beating.clear()
        return said

    def _missed(self, now: float) -> list[Finding]:
        said = []
        for name, known in self._producers.items():
            silent, key = now - known.last, _key(Blindness.HEARTBEAT, name)
            if silent > GONE_SECONDS + MISSED * known.usual:
                self._producers.drop(name)
                if key in self._episodes:
                    said.append(self._end(key, now))
            elif silent > known.patience() and key not in self._episodes:
                detail = f"{name}, usually every {_span(known.usual)}"
                said.append(self._say(_Episode(Blindness.HEARTBEAT, name, known.last, math.inf, detail), now))
        return said

    def _unreadable(self, now: float) -> list[Finding]:
        came, fresh = self._read + self._unread, self._unread
        if came:
            slot = now - now % SLOT_SECONDS
            if self._slots and self._slots[-1][0] == slot:
                _, read, unread = self._slots.pop()
                self._slots.append((slot, read + self._read, unread + self._unread))
            else:
                self._slots.append((slot, self._read, self._unread))
            self._read = self._unread = 0
        while self._slots and self._slots[0][0] <= now - WINDOW_SECONDS:
            self._slots.popleft()
        unread = sum(slot[2] for slot in self._slots)
        total = unread + sum(slot[1] for slot in self._slots)
        if not fresh or unread < UNREADABLE or unread <= UNREADABLE_SHARE * total:
            return []
        known = self._episodes.get(key := _key(Blindness.UNREADABLE))
        if known is not None:
            known.until = now + STAYS_SECONDS
            self._episodes.put(key, known)
            return []
        since = next(slot[0] for slot in self._slots if slot[2])
        detail = f"{unread} of {total} in {_span(WINDOW_SECONDS)}"
        return [self._say(_Episode(Blindness.UNREADABLE, "", since, now + STAYS_SECONDS, detail), now)]

    def _behind(self, before: float, now: float) -> list[Finding]:
        if before and now - before > BLIND_SECONDS:  # nobody wrote ticks: no partition could come further
            for name, place in self._places.items():
                self._places.put(name, _Place(place.time, now))
        behind = [now - max(place.time, place.excused) for place in self._places]
        late = [seconds for seconds in behind if seconds > LAG_SECONDS]
        known = self._episodes.get(key := _key(Blindness.LAG))
        if not late:
            return [self._end(key, now)] if known is not None else []
        if known is not None:
            return []
        detail = f"{len(late)} of {len(behind)} partitions by {_span(max(late))}"
        return [self._say(_Episode(Blindness.LAG, "", now - max(late), math.inf, detail), now)]

    def _say(self, episode: _Episode, now: float) -> Finding:
        self._episodes.put(_key(episode.why, episode.who), episode)
        return blind(episode.why, self.owner, episode.since, now, detail=episode.detail, who=episode.who)

    def _end(self, key: str, now: float) -> Finding:
        episode = self._episodes.get(key)
        assert episode is not None, key
        self._episodes.drop(key)
        return blind(episode.why, self.owner, episode.since, now, "resolved", episode.detail, episode.who)


def blind(
    why: Blindness,
    owner: str,
    since: float,
    now: float,
    status: FindingStatus = "firing",
    detail: str = "",
    who: str = "",
) -> Finding:
    """The notice that the monitor is blind, to `owner`; `resolved` when it sees again. Times in epoch seconds.

    `detail`: how much, as `40 s`. `who`: the producer that it is about. One episode for each `why` and `who`.
    """
    words = f"{_WORDS[why]}: {detail}" if detail else _WORDS[why]
    return Finding(
        id=f"{PREFIX}{why}/{who}/{status}/{now!r}",
        incident_key=f"{PREFIX}{why}/{who}",
        status=status,
        time=now,
        signal=f"{PREFIX}{why}",
        direction="up",
        mode="notice",
        owner=owner,
        node={"producer": who} if who else {},
        watched={},
        before=0.0,
        after=0.0,
        before_n=0.0,
        after_n=0.0,
        before_bad=0.0,
        after_bad=0.0,
        onset=since,
        paid=False,
        words=words,
    )


def is_blind(finding: Finding) -> bool:
    """Whether a finding is the monitor's word about itself; a posted alert of such a name is not."""
    return finding.signal.startswith(PREFIX) and finding.incident_key.startswith(PREFIX)


def _key(why: Blindness, who: str = "") -> str:
    return f"{why}/{who}"


def _span(seconds: float) -> str:
    """A length of time as people read it: `40 s`, `5 min`, `26 h`."""
    for unit, size in (("h", 3_600.0), ("min", 60.0)):
        if seconds >= 2.0 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
