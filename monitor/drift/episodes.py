"""Episodes of drift: what the banks of an agent say becomes findings, one story at a time.

Signals that change together are one story: the first that speaks leads, others whose change began within ten minutes
of its own stand in its finding and do not speak for themselves. The same signal in the agent's bank and in a version's
is the same change. An episode is over when all its members are.

A page never hides in a notice: where a signal of a notice pages, it speaks for itself, once for the whole story.

Invariant: a (bank, signal) that fires is a member of an episode, at most of one that pages.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from msgspec import Struct, field

from detectors import resolution
from detectors.drift import Change, Crossing, Ended, Word
from detectors.drift.channels import How
from monitor.drift import words
from monitor.drift.banks.profile import AGENT, Profile
from monitor.drift.banks.regimes import Returned
from monitor.drift.banks.slots import Saved, Sessions
from monitor.drift.channels import ROW_OF
from monitor.drift.memory import Memory
from monitor.drift.tools.pace import Pace
from monitor.evidence.nodes import GONE_SECONDS
from monitor.evidence.within import hitters
from monitor.evidence.within.episodes import ACKS
from monitor.evidence.words import no_data_since
from schemas.config import DetectorSettings
from schemas.finding import Finding, FindingStatus, Mode, known_state
from schemas.records import Ack

TOGETHER_SECONDS = 600.0
"""Onsets that are not farther apart are one story."""
QUIET_SECONDS = 3600.0
"""An episode that hears of no run for so long says so, once; it goes on firing, because silence is no evidence."""
ALIKE = 8.0
"""Height of a CUSUM from which on a version shares the change."""
WELL = 4.0
"""Height up to which a version that had `ENOUGH` runs does not."""
ENOUGH = 5
MIXED = 20.0
"""A change of the agent that its versions together show no more than this is a change of their mix, and no alarm."""
OPEN = 20
"""Episodes of one agent at once. One more: the oldest is closed, counted as `drift_episodes_dropped`."""
SIBLINGS = 5
"""Versions that are named as not affected."""


class Episode(Struct, array_like=True):
    """One story. `bank`, `signal`: who leads it; `members`: the (bank, signal) that still fire."""

    key: str
    signal: str
    bank: str
    mode: Mode
    onset: float
    change: Change
    level: words.Level
    detail: str
    node: dict[str, str]
    watched: dict[str, str]
    runs: list[str]
    members: list[tuple[str, str]]
    affected: list[str] = []
    unaffected: list[str] = []
    corroborated: list[str] = []
    how: str = ""
    """How the leading signal ended, if it did."""
    seen: float = 0.0
    """The latest run of the slice that it names."""
    quiet: bool = False
    said: int = 0
    n: float = 0.0
    others: float = 0.0
    gap: float = 0.0
    gone: float = 0.0
    """Runs of the version since the onset, other runs, those since its latest one, and the evidence that it is gone."""


class Whole(Struct, array_like=True):
    """What is written of an agent's drift beside its banks, runs and tools."""

    profile: Saved
    outputs: list[int]
    episodes: list[Episode]
    documents: dict[str, list[int]] = {}
    session: int = 0
    paces: dict[str, Pace] = {}
    returned: list[Episode] = []
    sessions: Sessions = field(default_factory=Sessions)


class Episodes:
    """`emit` takes findings; `identify(parts)` names them after the present record."""

    def __init__(
        self,
        agent: str,
        owner: str,
        settings: Mapping[str, DetectorSettings],
        profile: Profile,
        memory: Memory,
        emit: Callable[[Finding], None],
        identify: Callable[..., str],
    ) -> None:
        self.agent = agent
        self.owner = owner
        self.settings = settings
        self.profile = profile
        self.memory = memory
        self.emit = emit
        self.identify = identify
        self.open: list[Episode] = []
        self.returned: list[Episode] = []
        """Returns to a known state that were told of late, at most one a bank."""

    def take(self, bank: str, word: Word | Returned, now: float) -> None:
        """What one bank says."""
        if isinstance(word, Returned):
            self._return(bank, word, now)
        elif isinstance(word, Crossing):
            self._cross(bank, word, now)
        else:
            self._end_member(bank, word, now)

    def count_run(self, version: str | None, now: float) -> None:
        """A run of the agent was taken; episodes of versions that it is none of may get no more runs."""
        for episode in list(self.open):
            mine = episode.node.get("version")
            if mine is None or mine == version:
                episode.seen = now
                episode.quiet = False
                episode.n += 1.0
                episode.others += episode.gap
                episode.gap = episode.gone = 0.0
            elif self._is_gone(episode, now):
                self._drop_version(episode, mine, now)

    def say_quiet(self, now: float) -> None:
        """Episodes that heard of no run for a while say since when; what was said of a return is over."""
        for episode in [one for one in self.returned if now - one.seen >= QUIET_SECONDS]:
            self._close(episode, now, "")
        for episode in self.open:
            if not episode.quiet and now - episode.seen >= QUIET_SECONDS:
                episode.quiet = True
                self._say(episode, "update", now, no_data_since(episode.seen))

    def next_quiet(self) -> float:
        """The next tick at which `say_quiet` may have something to say; infinity for never."""
        waiting = [one.seen for one in self.open if not one.quiet] + [one.seen for one in self.returned]
        return min(waiting, default=math.inf) + QUIET_SECONDS

    def forget(self, version: str, now: float) -> None:
        """The bank of a version is no more."""
        for episode in list(self.open):
            episode.members = [member for member in episode.members if member[0] != version]
            if not episode.members:
                self._close(episode, now, f"version {version} gets no more runs")

    def drop_orphans(self, now: float) -> None:
        """After a restore: episodes of banks that had to learn anew are over, for nothing can say that they are."""
        for episode in list(self.open):
            episode.members = [(bank, signal) for bank, signal in episode.members if self.profile.fires(bank, signal)]
            if not episode.members:
                self._close(episode, now, "what is normal is learned anew")

    def acknowledge(self, ack: Ack, now: float) -> bool:
        """A human's word: a false alarm or the new normal ends the episode, and what is there now is learned."""
        if ack.word not in ACKS:
            return False
        mine = [one for one in self.open if ack.node in (one.key, one.signal)]
        for episode in mine:
            if episode not in self.open:
                continue  # it ended with the one before it
            members = list(episode.members)
            for bank, signal in members:
                self.profile.rebaseline(bank, signal, vouched=True)
            episode.how = episode.how or "rebaselined"
            self._close(episode, now, ACKS[ack.word])
            for member in members:  # it may be a part of another episode, which is over once nothing of it fires
                self._leave(member, "rebaselined", now)
        return bool(mine)

    # -- beginning

    def _cross(self, bank: str, crossing: Crossing, now: float) -> None:
        member = (bank, crossing.signal)
        mode = self._mode(crossing)
        known = any(member in one.members for one in self.open)
        if not known and self._is_mixed(bank, crossing):
            self.profile.rebaseline(bank, crossing.signal)
            self.profile.count("drift_mixed")
            return
        near = [one for one in self.open if self._is_story(one, crossing)]
        page = next((one for one in near if one.mode == "page"), None)
        if page is not None:
            self._join(page, member, now)
        elif mode == "page":
            mine = next((one for one in near if one.signal == crossing.signal), None)
            if mine is not None:
                self._escalate(mine, bank, crossing, now)
            else:
                beside = dict.fromkeys(signal for one in near for signal in (one.signal, *one.corroborated))
                self._begin(bank, crossing, mode, [signal for signal in beside if signal != crossing.signal], now)
        elif near:
            self._join(near[0], member, now)
        else:
            self._begin(bank, crossing, mode, [], now)

    def _join(self, episode: Episode, member: tuple[str, str], now: float) -> None:
        """One more signal of a story that is told already."""
        if member not in episode.members:
            episode.members.append(member)
        if member[1] != episode.signal and member[1] not in episode.corroborated:
            episode.corroborated.append(member[1])
            self._say(episode, "update", now)

    def _is_story(self, episode: Episode, crossing: Crossing) -> bool:
        """Whether a change belongs to an episode: it is of the same signal, or began at the same time."""
        signal = crossing.signal
        same = signal == episode.signal or signal in episode.corroborated
        return same or abs(episode.onset - crossing.onset) <= TOGETHER_SECONDS

    def _begin(self, bank: str, crossing: Crossing, mode: Mode, beside: list[str], now: float) -> None:
        episode = self._episode(bank, crossing, mode, beside, now)
        if len(self.open) >= OPEN:
            self._close(self.open[0], now, "too many episodes at once")
            self.profile.count("drift_episodes_dropped")
        self.open.append(episode)
        self._say(episode, "firing", now)

    def _episode(self, bank: str, crossing: Crossing, mode: Mode, beside: list[str], now: float) -> Episode:
        node, affected, unaffected = self._slice(bank, crossing)
        level, detail, labels = self._described(bank, crossing, node)
        watched = {"agent": self.agent} | ({"version": bank} if bank != AGENT else {})
        episode = Episode(
            self.identify("drift", bank, crossing.signal), crossing.signal, bank, mode, crossing.onset,
            crossing.change, level, detail, node | labels, watched, crossing.runs, [(bank, crossing.signal)],
            affected, unaffected, beside, seen=now, n=crossing.change.after_n,
        )  # fmt: skip
        since = self.profile.recent.since(crossing.onset)
        episode.others = float(sum(since.values()) - since.get(node.get("version", AGENT), 0))
        return episode

    def _escalate(self, episode: Episode, bank: str, crossing: Crossing, now: float) -> None:
        """What was a notice is sustained and material now."""
        episode.mode = "page"
        episode.change, episode.runs = crossing.change, crossing.runs
        node, affected, unaffected = self._slice(bank, crossing)
        episode.level, episode.detail, labels = self._described(bank, crossing, node)
        episode.node, episode.affected, episode.unaffected = node | labels, affected, unaffected
        self._say(episode, "firing", now)

    def _is_mixed(self, bank: str, crossing: Crossing) -> bool:
        """Whether the agent changed only because more runs are of a version that was always like that."""
        if bank != AGENT:
            return False
        since = self.profile.recent.since(crossing.onset)
        heights = self.profile.heights(crossing.change.channel, crossing.onset)
        if not heights or since.get(AGENT) or any(version not in heights for version in since):
            return False
        together = 1.0
        for height in heights.values():
            together *= max(height, 1.0)
        return together < MIXED

    def _slice(self, bank: str, crossing: Crossing) -> tuple[dict[str, str], list[str], list[str]]:
        """The slice that explains the change, and the versions and tenants that share it or do not."""
        node = {"agent": self.agent}
        since = self.profile.recent.since(crossing.onset)
        heights = self.profile.heights(crossing.change.channel, crossing.onset)
        hot = {version for version, height in heights.items() if height >= ALIKE and since.get(version)}
        if bank != AGENT:
            hot.add(bank)
        elif len(since) == 1:
            hot |= set(since) - {AGENT}
        calm = sorted(
            version for version, height in heights.items() if height <= WELL and since.get(version, 0) >= ENOUGH
        )
        if len(hot) == 1:
            node["version"] = next(iter(hot))
        calm = [version for version in calm if version not in hot]
        table = self.profile.recent.table(crossing.hits, None if bank == AGENT else bank)
        part = hitters.smallest(table, crossing.normal)
        affected = [f"version={version}" for version in sorted(hot)]
        spared = [f"version={one}" for one in calm[-SIBLINGS:]]
        if part:
            dimension, _, value = part.partition("=")
            node[dimension] = value
            affected.append(part)
            spared += hitters.unaffected(table, part, crossing.normal)[:SIBLINGS]
        return node, affected, spared

    def _described(
        self, bank: str, crossing: Crossing, node: Mapping[str, str]
    ) -> tuple[words.Level, str, dict[str, str]]:
        return words.described(self.profile, self.memory, bank, crossing, node.get("version"))

    def _mode(self, crossing: Crossing) -> Mode:
        setting = self.settings.get(crossing.signal)
        wanted = setting.mode if setting is not None else None
        if wanted in ("notice", "digest"):
            return wanted
        return "page" if crossing.voice == "page" else "notice"

    def _return(self, bank: str, returned: Returned, now: float) -> None:
        """A bank is in a state that it knows: what it told is over, and of the return there is a word at most."""
        member = (bank, returned.crossing.signal)
        self._leave(member, "known", now)
        for episode in [one for one in self.returned if one.bank == bank]:
            self._close(episode, now, "")
        setting = self.settings.get(returned.crossing.signal)
        if returned.voice:
            mode = "digest" if setting is not None and setting.mode == "digest" else returned.voice
            episode = self._episode(bank, returned.crossing, mode, [], now)
            episode.how = "known"
            self.returned.append(episode)
            self._say(episode, "firing", now, known_state(returned.entered - 1))
        self.profile.count("drift_returns")

    # -- ending

    def _end_member(self, bank: str, ended: Ended, now: float) -> None:
        self._leave((bank, ended.signal), ended.how, now)

    def _leave(self, member: tuple[str, str], how: How, now: float) -> None:
        """A signal of a bank does not fire any more."""
        for episode in list(self.open):
            if member in episode.members:
                episode.members.remove(member)
                if member[1] == episode.signal:
                    episode.how = how
                if not episode.members:
                    self._close(episode, now, "")

    def _close(self, episode: Episode, now: float, reason: str) -> None:
        if not reason:
            reason = words.ENDINGS[episode.how or "back"]
        self._say(episode, "resolved", now, reason)
        (self.returned if episode in self.returned else self.open).remove(episode)

    def _is_gone(self, episode: Episode, now: float) -> bool:
        """Whether the version plainly gets no more runs; the null as in `evidence.nodes.observe_elsewhere`."""
        episode.gap += 1.0
        share = min((episode.n + 1.0) / (episode.n + episode.others + 1.0), 0.9)
        if episode.gone < resolution.RESOLVED:
            episode.gone = (episode.gone + resolution.drip(episode.n + episode.others)) / (1.0 - share / 2.0)
        return episode.gone >= resolution.RESOLVED and now - episode.seen >= GONE_SECONDS

    def _drop_version(self, episode: Episode, version: str, now: float) -> None:
        """The version's members end with it; what the agent's own bank says of it ends by evidence."""
        self.profile.forget(version)
        self.forget(version, now)
        episode.gap = episode.gone = 0.0

    # -- words

    def _say(self, episode: Episode, status: FindingStatus, now: float, reason: str = "") -> None:
        episode.said += 1
        level, change = episode.level, episode.change
        over = status == "resolved"
        back = over and episode.how in ("", "back")
        after = level.before if back else level.after
        shares = level.unit == "share" and (bool(level.share_of) or ROW_OF[change.channel].kind != "number")
        self.emit(
            Finding(
                id=self.identify(episode.key, status, str(episode.said)),
                incident_key=episode.key,
                status=status,
                time=now,
                signal=episode.signal,
                direction=change.direction,
                mode=episode.mode,
                owner=self.owner,
                node=episode.node,
                watched=episode.watched,
                before=level.before,
                after=after,
                before_n=change.before_n,
                after_n=0.0 if back else max(change.after_n, episode.n),
                before_bad=level.before * change.before_n if shares else 0.0,
                after_bad=after * max(change.after_n, episode.n) if shares and not back else 0.0,
                onset=episode.onset,
                reference="declared" if change.declared else "learned",
                runs=tuple(episode.runs),
                affected=tuple(episode.affected),
                unaffected=tuple(episode.unaffected),
                reason=reason,
                detail=episode.detail,
                corroborated=tuple(episode.corroborated),
                unit=level.unit,
                share_of=level.share_of,
            )
        )
