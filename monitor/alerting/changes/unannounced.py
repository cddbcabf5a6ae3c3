"""A version that nobody announced is itself a notice, to the owner of the component; one for each version.

It waits for `grace` seconds after the first sighting, because pipelines announce when they are done. The notice ends
when somebody announces the version after all, or by itself after `STANDS_SECONDS`: there is nothing that would show
evidence of an end. It is a fact, no bet, and costs no budget; of one owner `AT_ONCE` a day are told at once, the others
in the digest, and of one component `OF_ONE` at all. What was told stands in the releases, so a crash before they are
written tells the same again, under the same id.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime

from monitor.alerting.changes.ledger import Changes, Release
from schemas.config import DAY, Config
from schemas.finding import Finding, FindingStatus, Mode

SIGNAL = "change.unannounced"
VERSIONS = ("version", "tool_version", "response_model")
"""Sightings that are versions; a new field of an interface is one of `tool.schema`."""
AT_ONCE = 5
"""Notices of one owner in a day that are told at once. Beyond: in the digest."""
OF_ONE = 3
"""Versions of one component of which its owner is told in a day. Beyond, nothing is said; counted as `unannounced
unsaid`."""
STANDS_SECONDS = DAY

_WHERE = {
    "version": "runs have it",
    "tool_version": "calls of {agent} have it",
    "response_model": "it answers {agent}",
}


class Unannounced:
    """Which releases wait for an announcement. `owner`: who is told of a component."""

    def __init__(self, changes: Changes, config: Config, owner: Callable[[str], str]) -> None:
        self._changes = changes
        self._owner = owner
        self._told: dict[str, list[float]] = {}
        self._waiting: dict[tuple[str, str], Release] = {}
        self.counts: Counter[str] = Counter()
        self._soonest: float | None = math.inf
        self.reload(config)

    def reload(self, config: Config) -> None:
        """Go on under another configuration."""
        setting = config.detectors.get(SIGNAL)
        self._mode: Mode = setting.mode if setting is not None and setting.mode is not None else "notice"
        self._grace = config.changes.grace
        self.loaded()

    def loaded(self) -> None:
        """The releases were loaded: know which of them wait, and what was told lately."""
        self._waiting, self._told = {}, {}
        for release in self._changes:
            self.hear(release)
        for release in sorted(self._changes, key=lambda each: each.told_at or 0.0):
            if release.told_at is not None:
                self._note(self._owner(release.component), release.told_at)

    def hear(self, release: Release) -> None:
        """Something new is known of a release."""
        name = (release.component, release.version)
        if math.isfinite(self._due(release)):
            self._waiting[name] = release
        else:
            self._waiting.pop(name, None)
        self._soonest = None

    def next_due(self) -> float | None:
        """When there is something to say next, epoch seconds; None while nothing waits."""
        if self._soonest is None:  # asked far more often than anything changes
            self._soonest = min((self._due(release) for release in self._waiting.values()), default=math.inf)
        return self._soonest if self._soonest < math.inf else None

    def due(self, now: float) -> list[Finding]:
        """What there is to say at `now`."""
        found = sorted((self._due(release), *name) for name, release in self._waiting.items())
        due = [self._waiting[(name, version)] for at, name, version in found if at <= now]
        return [finding for release in due if (finding := self._say(release, now)) is not None]

    def _due(self, release: Release) -> float:
        """When a release is to be told of or is over; infinite where neither is to come."""
        announced = bool(release.announced)
        if release.told_at is not None:
            if release.ended:
                return math.inf
            return release.latest if announced else release.told_at + STANDS_SECONDS
        first = release.first
        if announced or first is None or first.what not in VERSIONS or self._mode == "off":
            return math.inf
        return first.time + self._grace

    def _note(self, owner: str, at: float) -> None:
        self._told[owner] = [*self._told.get(owner, ()), at][-AT_ONCE:]

    def _say(self, release: Release, now: float) -> Finding | None:
        owner, mode = self._owner(release.component), self._mode
        status: FindingStatus = "firing"
        unsaid = False
        if release.told_at is None:
            of_one = [each.told_at for each in self._changes.of((release.component,)) if each.told_at is not None]
            unsaid = sum(at > now - DAY for at in of_one) >= OF_ONE
            lately = [at for at in self._told.get(owner, ()) if at > now - DAY]
            mode = "digest" if len(lately) >= AT_ONCE else mode
            release.told_at, release.ended = now, unsaid
            if not unsaid:
                self._note(owner, now)
        else:
            release.ended = True
            status = "resolved"
        self._changes.touch(release)
        self.hear(release)
        self.counts["unannounced unsaid"] += unsaid
        return None if unsaid else _finding(release, owner, mode, status, now)


def is_unannounced(finding: Finding) -> bool:
    """Whether a finding says that nobody announced a version; a posted alert of such a name does not."""
    return finding.signal == SIGNAL and finding.incident_key.startswith(f"{SIGNAL}/")


def _finding(release: Release, owner: str, mode: Mode, status: FindingStatus, now: float) -> Finding:
    kind, _, name = release.component.partition(":")
    first = release.first
    assert first is not None
    key = f"{SIGNAL}/{release.component}/{release.version}"
    before = f", before it {first.previous}" if first.previous else ""
    where = _WHERE[first.what].format(agent=first.agent)
    since = datetime.fromtimestamp(first.time, UTC).strftime("%H:%M UTC")
    words = f"Nobody announced {kind} {name} {release.version}: {where} since {since}{before}"
    reason = ""
    if status == "resolved":
        last = release.announced[-1] if release.announced else None
        by = f" by {last.author}" if last is not None and last.author else ""
        reason = f"announced{by}" if last is not None else "told a day ago, and nobody announced it"
    return Finding(
        id=f"{key}/{status}",
        incident_key=key,
        status=status,
        time=now,
        signal=SIGNAL,
        direction="up",
        mode=mode,
        owner=owner,
        node={kind: name, "version": release.version},
        watched={},
        before=0.0,
        after=0.0,
        before_n=0.0,
        after_n=0.0,
        before_bad=0.0,
        after_bad=0.0,
        onset=first.time,
        reason=reason,
        paid=False,
        words=words,
    )
