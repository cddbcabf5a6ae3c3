"""Releases: each version of a component, who announced it when, and which agents showed it first.

The router owns it. Bound: `RELEASES`; beyond, the one heard of longest ago is forgotten and counted; of each the latest
`ANNOUNCED` announcements and the first `AGENTS` agents. Each release is one entry of the state; a crash before it is
written repeats the news, and news that is known changes nothing.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator

from msgspec import Struct

from monitor.alerting.entries import Entries
from schemas.news import ChangeSeen

RELEASES = 5_000
"""Versions that are kept. Beyond, the one heard of longest ago is forgotten; counted as `changes forgotten`."""
ANNOUNCED = 8
"""Announcements of one version (stages, repeated deploys) that are kept. Beyond, the oldest gives way."""
AGENTS = 200
"""Agents of which is known when they first showed a version. Further ones count as the first of them."""
PREFIX = "router/change/"


class Release(Struct, kw_only=True):
    """One version of a component. `agents`: agent → when it showed the version first, epoch seconds.

    `first`: the first sighting. `told_at`: when its owner was told that nobody announced it; `ended`: that is over.
    """

    component: str
    version: str
    announced: list[ChangeSeen] = []
    first: ChangeSeen | None = None
    agents: dict[str, float] = {}
    told_at: float | None = None
    ended: bool = False

    @property
    def latest(self) -> float:
        """When it was last heard of, epoch seconds."""
        times = [each.time for each in self.announced]
        return max([*times, max(self.agents.values(), default=0.0)])


class Changes:
    """Releases by component and version. `counts`: what came of news, by name."""

    def __init__(self) -> None:
        self._kept = Entries(PREFIX, Release)
        self._of: dict[str, dict[str, None]] = {}
        self.counts: Counter[str] = Counter()

    def __iter__(self) -> Iterator[Release]:
        """All that are kept."""
        return iter(self._kept)

    def take(self, news: ChangeSeen) -> Release | None:
        """Keep a change; the release that it told something new of. One that is known changes nothing."""
        name = _name(news.component, news.version)
        release = self._kept.get(name) or Release(component=news.component, version=news.version)
        if not _told(release, news):
            self.counts["change repeated"] += 1
            return None
        self._kept.put(name, release)
        self._of.setdefault(news.component, {})[name] = None
        self.counts["change" if news.announced else "change first seen"] += 1
        if len(self._kept) > RELEASES:
            self._make_room(release)
        return release

    def of(self, components: Iterable[str]) -> list[Release]:
        """The releases of some components, in the order of their names and of their coming."""
        names = [name for component in sorted(components) for name in self._of.get(component, ())]
        return [release for name in names if (release := self._kept.get(name)) is not None]

    def touch(self, release: Release) -> None:
        """Note that a release changed in itself."""
        self._kept.put(_name(release.component, release.version), release)

    def seen(self) -> list[ChangeSeen]:
        """Announcements and first sightings that are kept, the latest first."""
        found = [each for release in self._kept for each in release.announced]
        found += [release.first for release in self._kept if release.first is not None]
        return sorted(found, key=lambda each: (each.time, each.id), reverse=True)

    def changes(self) -> list[tuple[str, bytes | None]]:
        """Entries that changed since the last call."""
        return self._kept.changes()

    def load(self, entries: Iterable[tuple[str, bytes]]) -> None:
        """Take up what `changes` gave."""
        self._kept.load(entries)
        for name, release in self._kept.items():
            self._of.setdefault(release.component, {})[name] = None

    def _make_room(self, fresh: Release) -> None:
        """A hundredth at once, so that ever new versions do not cost a search each."""
        oldest = sorted(self._kept, key=lambda each: (each.latest, each.component, each.version))
        for release in oldest[: max(RELEASES // 100, 1)]:
            if release is not fresh:
                self._forget(release)
                self.counts["changes forgotten"] += 1

    def _forget(self, release: Release) -> None:
        name = _name(release.component, release.version)
        self._kept.drop(name)
        names = self._of[release.component]
        del names[name]
        if not names:
            del self._of[release.component]


def _told(release: Release, news: ChangeSeen) -> bool:
    """Add news to its release; False if that is known."""
    if news.announced:
        if any(each.id == news.id for each in release.announced):
            return False
        known = sorted([*release.announced, news], key=lambda each: (each.time, each.id))
        release.announced = known[-ANNOUNCED:]
        return news in release.announced
    if news.agent in release.agents:
        return False
    first = release.first
    if first is None or (news.time, news.id) < (first.time, first.id):
        release.first = news
    elif len(release.agents) >= AGENTS:
        return False
    release.agents = {**release.agents, news.agent: news.time}
    return True


def _name(component: str, version: str) -> str:
    """Names come from producers: the entry of a release is named by their digest."""
    return hashlib.blake2b(f"{component}\x1f{version}".encode("utf-8", "replace"), digest_size=12).hexdigest()
