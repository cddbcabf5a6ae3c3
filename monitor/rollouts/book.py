"""The rollouts of one agent: which there are, which runs are theirs, and when they are over.

A canary begins with the first run that says `variant: canary`, with a `change` of stage canary, or when two versions
go on side by side (`versions`). A shadow begins with the first run of `variant: shadow`. A canary's runs are fed in the
order in which they started, each once those before it have closed or passed the usual p99 duration: failures are often
faster than successes. Runs that a node above agents explains are left out, whichever version they are of.

State: owned by the agent, saved in blocks of its own (`save`), bounded by the limits below. The news of a step is a
function of that state and the records, so what a crash repeats is told with the same id and time. An older state has no
such blocks: rollouts begin anew.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final
from zlib import crc32

import msgspec

from monitor.evidence.above import Above
from monitor.evidence.judged import late
from monitor.rollouts import pairing, readings, sides, telling, versions
from monitor.rollouts.state import Half, Judged, Reading, Rollout, Saved, Waiting
from monitor.runs import Closed, Run
from schemas.config import RolloutSettings
from schemas.event import Event
from schemas.news import News

PREFIX: Final = "o"
"""The names of all blocks of rollouts begin so."""
SHADOWS: Final = 3
"""Shadows of one agent at a time. One more: the oldest ends as `replaced`."""
WAITING: Final = 300
"""Runs of a canary that wait for earlier ones. One more: from now on half as many count, drawn by name (those that
closed first are the fast ones, which fail more often); counted as `rollouts_forced`."""
JUDGED: Final = 1_000
"""Runs of which it is known what was said, and those whose pair is known. More: the oldest is forgotten."""
SESSIONS: Final = 5_000
"""Sessions that have had their observation. More: the oldest may have a second one."""
QUIET_SECONDS: Final = 86_400.0
"""A rollout whose candidate has had no run for so long is over."""

Known = Callable[[str, str], tuple[float, float]]
"""Signal and version → bad runs and runs that are known of it."""


class Rollouts:
    """`known`: what the agent's nodes learned; `tell` takes news, `count` counts limits that were reached."""

    def __init__(
        self,
        agent: str,
        owner: str,
        settings: RolloutSettings,
        above: Above,
        known: Known,
        count: Callable[[str], None],
        tell: Callable[[News], None],
    ) -> None:
        self.agent = agent
        self.owner = owner
        self.settings = settings
        self.above = above
        self.state = Saved()
        self.judged = Judged()
        self.halves: dict[str, Half] = {}
        self.waiting: list[Waiting] = []
        self._known = known
        self._count = count
        self._tell = tell
        self._touched: set[str] = set()

    @property
    def open(self) -> list[Rollout]:
        """The rollouts that go on."""
        canary = self.state.canary
        return [*([] if canary is None else [canary]), *self.state.shadows.values()]

    # -- runs and events

    def observe(self, closed: Closed, now: float) -> None:
        """A run has closed, of whatever variant."""
        run, state = closed.run, self.state
        version = run.version or ""
        pair, watch = closed.work.pair, state.watch
        if state.canary is None and pair is None and run.variant == "stable" and version == watch.current:
            if watch.young:
                self._touched.add("core")
                versions.see(watch, version, now)
            return
        if run.variant != "shadow":
            self._watch(run, version, now)
            if state.canary is not None:
                self._observe_canary(state.canary, closed, version, now)
        if pair is not None:
            self._observe_pair(pair, readings.read(closed), run.variant == "shadow", now)
        elif run.variant == "shadow" and self._shadow(version, now) is not None:
            self._count("shadows_without_pair")

    def change(self, event: Event, now: float) -> None:
        """A change of this agent was announced."""
        version, stage = event.version or "", event.stage or "full"
        canary = self.state.canary
        self._touched.add("core")
        if stage == "canary":
            if canary is None or canary.candidate != version:
                before = event.previous or self.state.watch.current
                self._begin_canary(version, "" if before == version else before, by_variant=False, now=now)
            elif canary.block:
                canary.block.clear()  # the share may have changed: labels are alike only within one
        elif stage == "rolled_back":
            for rollout in self.open:
                beside = event.previous is None and rollout is canary and version == rollout.baseline
                if rollout.candidate in (version, event.previous) or beside:
                    self._end(rollout, "rolled back", now)
        elif stage == "full":
            versions.serve(self.state.watch, version, now)
            self._end_for(version, now)

    def judge(self, event: Event, run: Run | None) -> None:
        """An evaluation of a run that has closed; of each run the first one counts."""
        verdict, judged = late.verdict(event), self.judged
        if run is None or verdict is None or verdict[0] != late.REJECTED or not self.open or run.run in judged.said:
            return
        y = verdict[1]
        self._touched.add("core")
        self._touched.add("judged")
        judged.said[run.run] = y
        _forget(judged.said, JUDGED)
        for name, partner, is_shadow in pairing.partners(judged, run.run, self.state.shadows):
            rollout = next((one for one in self.state.shadows.values() if one.id == name), None)
            other = judged.said.get(partner)
            if rollout is not None and other is not None:
                base, its = (other, y) if is_shadow else (y, other)
                pairing.share(rollout, late.REJECTED, base, its)
        canary = self.state.canary
        if canary is not None and self.settings.randomised != "session":
            side = _side(canary, run.variant, run.version or "")
            if side is not None:
                sides.judge(canary, late.REJECTED, y, side, self.settings)

    # -- time

    def tick(self, now: float, starts: Callable[[float], float]) -> None:
        """Time went on. `starts`: when the first run started that is open and need still be waited for."""
        if self.state.canary is None and not self.state.shadows and not self.halves:
            return
        if self.waiting:
            self._release(starts(now))
        if pairing.expire(self.halves, now):
            self._touched.add("halves")
        for rollout in self.open:
            if now - max(rollout.last[1], rollout.started) >= QUIET_SECONDS:
                self._end(rollout, "quiet", now, gone=False)
            elif telling.say(self.agent, self.owner, rollout, self.settings, now, self._tell):
                self._touched.add("core")

    def next_wake(self, now: float) -> float:
        """The next tick at which something is due if no run comes; infinity for never."""
        if self.state.canary is None and not self.state.shadows:
            return math.inf
        wakes = [telling.next_word(rollout, now) for rollout in self.open]
        wakes += [max(rollout.last[1], rollout.started) + QUIET_SECONDS for rollout in self.open]
        if self.waiting:
            wakes.append(now + 1.0)
        return min(wakes)

    # -- state

    def save(self) -> dict[str, bytes | None]:
        """The blocks that changed since the last call, by name."""
        encode = msgspec.msgpack.encode
        blocks: dict[str, bytes | None] = {}
        if "core" in self._touched:
            blocks[f"{PREFIX}core"] = encode(self.state)
        if "judged" in self._touched:
            blocks[f"{PREFIX}judged"] = encode(self.judged)
        if "halves" in self._touched:
            blocks[f"{PREFIX}halves"] = encode(self.halves)
        if "waiting" in self._touched:
            blocks[f"{PREFIX}waiting"] = encode(self.waiting)
        self._touched.clear()
        return blocks

    def load(self, blocks: dict[str, bytes]) -> None:
        """Put back saved blocks, before the first run. Evidence that rests on other settings is given up."""
        decode = msgspec.msgpack.decode
        if f"{PREFIX}core" in blocks:
            self.state = decode(blocks[f"{PREFIX}core"], type=Saved)
        if f"{PREFIX}judged" in blocks:
            self.judged = decode(blocks[f"{PREFIX}judged"], type=Judged)
        if f"{PREFIX}halves" in blocks:
            self.halves = decode(blocks[f"{PREFIX}halves"], type=dict[str, Half])
        if f"{PREFIX}waiting" in blocks:
            self.waiting = decode(blocks[f"{PREFIX}waiting"], type=list[Waiting])
        for rollout in self.open:
            if rollout.rules != self._rules():
                rollout.rules = self._rules()
                rollout.rates, rollout.numbers = {}, {}
                rollout.block, rollout.late = [], []
                rollout.verdict, rollout.decided_at = "hold", None
                self._seed(rollout)

    # -- inner: canaries

    def _watch(self, run: Run, version: str, now: float) -> None:
        """Which version serves, and whether a canary has begun or is over."""
        state, watch = self.state, self.state.watch
        self._touched.add("core")
        canary = state.canary
        if run.variant == "canary":
            if canary is None or canary.candidate != version or not canary.by_variant:
                if canary is not None and canary.candidate == version:
                    canary.by_variant = True  # it was announced, and its runs say so as well
                elif versions.may_begin(watch, "canary", version, _goes_on(canary, now), now):
                    self._begin_canary(version, watch.current, by_variant=True, now=now)
            return
        if not watch.current and canary is not None and version == canary.candidate:
            return  # it was announced before anything else was seen
        versions.see(watch, version, now)
        if versions.has_taken_over(watch, version) and not self._is_on_trial(version):
            versions.serve(watch, version, now)
            self._end_for(version, now)
        elif canary is None and versions.goes_beside(watch, version, now):
            self._begin_canary(version, watch.current, by_variant=False, now=now)

    def _is_on_trial(self, version: str) -> bool:
        """Whether all runs went to an announced candidate at once: its trial goes on, against the past."""
        canary = self.state.canary
        return (
            canary is not None
            and canary.candidate == version
            and canary.runs[0] < versions.BESIDE_RUNS
            and self.state.watch.young[version].streak < versions.TRIAL
        )

    def _begin_canary(self, version: str, baseline: str, by_variant: bool, now: float) -> None:
        if self.state.canary is not None:
            self._end(self.state.canary, "replaced", now)
        self.waiting.clear()
        self.state.watch.over.pop(f"canary/{version}", None)
        name = f"{self.agent}/canary/{version or 'canary'}/{now:.0f}"
        rollout = Rollout(name, "canary", baseline, version, by_variant, now, self._rules())
        self._seed(rollout)
        self.state.canary = rollout
        self._touched |= {"core", "waiting"}

    def _seed(self, rollout: Rollout) -> None:
        """Without a lot the past of the baseline is its reference."""
        if rollout.mode == "canary" and self.settings.randomised == "no" and rollout.baseline:
            for row in readings.ROWS:
                bad, runs = self._known(row.signal, rollout.baseline)
                if runs > 0.0:
                    sides.count(rollout, row.signal, 0.0, candidate=False)
                    rollout.rates[row.signal].base = [bad, runs]

    def _observe_canary(self, canary: Rollout, closed: Closed, version: str, now: float) -> None:
        run = closed.run
        if not canary.baseline and run.variant == "stable" and version != canary.candidate:
            canary.baseline = version
        candidate = _side(canary, run.variant, version)
        if candidate is None:
            return
        self._touched.add("core")
        canary.last[candidate] = now
        if run.started < canary.started and not (candidate and canary.by_variant):
            return  # of what was under way when it began only the long runs, mostly good ones, would count
        session = closed.work.session or ""
        if self._is_explained(closed) or (self.settings.randomised == "session" and not session):
            canary.left_out += 1
            return
        item = Waiting(candidate, session, readings.read(closed))
        if not sides.drawn(item, canary.every):
            return
        self._touched.add("waiting")
        self.waiting.append(item)
        if len(self.waiting) > WAITING:
            canary.every *= 2
            kept = [each for each in self.waiting if sides.drawn(each, canary.every)][:WAITING]
            for _ in range(len(self.waiting) - len(kept)):
                self._count("rollouts_forced")
            self.waiting = kept

    def _is_explained(self, closed: Closed) -> bool:
        """Whether a node above agents fires that explains what the run shows."""
        above, run = self.above, closed.run
        if not above.covering:
            return False
        failed = [tool for tool, calls in run.tools.items() if calls[1]]
        place = above.place(closed.work)
        return above.covered("run.failed", None, place, run.started) or above.tool_covered(failed, run.started)

    def _release(self, before: float) -> None:
        """Feed what need not wait any longer."""
        ready = sorted((item for item in self.waiting if item.reading.started < before), key=_start)
        if ready:
            self.waiting = [item for item in self.waiting if item.reading.started >= before]
            self._touched |= {"core", "waiting"}
            for item in ready:
                self._feed(item)

    def _feed(self, item: Waiting) -> None:
        canary = self.state.canary
        if canary is None:
            return
        if self.settings.randomised == "session":
            session = crc32(item.session.encode())
            if session in canary.sessions:
                return
            canary.sessions[session] = None
            _forget(canary.sessions, SESSIONS)
        canary.runs[item.candidate] += 1
        sides.add(canary, item.reading, item.candidate, self.settings)

    # -- inner: shadows

    def _shadow(self, version: str, now: float) -> Rollout | None:
        """The rollout of a run that is a shadow's; None where that is over, and this one a straggler."""
        shadows = self.state.shadows
        rollout = shadows.get(version)
        if rollout is None:
            full = len(shadows) >= SHADOWS
            if not versions.may_begin(self.state.watch, "shadow", version, full, now):
                return None
            if full:
                self._end(next(iter(shadows.values())), "replaced", now)
            name = f"{self.agent}/shadow/{version or 'shadow'}/{now:.0f}"
            current = self.state.watch.current
            rollout = shadows[version] = Rollout(name, "shadow", current, version, True, now, self._rules())
        rollout.last[1] = now
        self._touched.add("core")
        return rollout

    def _observe_pair(self, pair: str, reading: Reading, is_shadow: bool, now: float) -> None:
        if is_shadow and self._shadow(reading.version, now) is None:
            return
        self._touched.add("halves")
        running = [name for name, each in self.state.shadows.items() if now - each.last[1] <= pairing.HALF_SECONDS]
        found = pairing.meet(self.halves, pair, Half(is_shadow, now, reading), running)
        if pairing.make_room(self.halves):
            self._count("pairs_forgotten")
        for base, its in found:
            if (rollout := self._shadow(its.version, now)) is None:
                continue
            rollout.baseline = base.version or rollout.baseline
            rollout.last = [now, now]
            rollout.runs = [rollout.runs[0] + 1, rollout.runs[1] + 1]
            pairing.add(rollout, base, its, self.settings)
            self._touched.add("judged")
            pairing.remember(self.judged, rollout.id, base, its)
            _forget(self.judged.partners, JUDGED)

    # -- inner: ends

    def _end_for(self, version: str, now: float) -> None:
        """A version serves now: what compared others is over."""
        for rollout in self.open:
            mine = rollout.candidate == version  # the others of a shadow go on, beside another baseline
            self._end(rollout, "promoted" if mine else "replaced", now, gone=mine or rollout.mode == "canary")

    def _end(self, rollout: Rollout, why: str, now: float, gone: bool = True) -> None:
        """`gone`: what its candidate still runs is left over."""
        if gone:
            versions.finish(self.state.watch, rollout.mode, rollout.candidate, now)
        if rollout is self.state.canary:
            self.waiting.clear()  # those before them go on: what closed first of these is fast, and fails more often
            self.state.canary = None
        else:
            self.state.shadows.pop(rollout.candidate, None)
        rollout.ended = why
        telling.say(self.agent, self.owner, rollout, self.settings, now, self._tell)
        self._touched |= {"core", "waiting"}

    def _rules(self) -> tuple[str, float]:
        return self.settings.randomised, self.settings.factor


def _side(canary: Rollout, variant: str, version: str) -> bool | None:
    """Whether a run is the candidate's (True) or the baseline's (False); None: neither."""
    if canary.by_variant and variant == "canary":
        return True if version == canary.candidate else None
    if version == canary.candidate and not canary.by_variant:
        return True
    return False if version == canary.baseline and variant == "stable" else None


def _goes_on(canary: Rollout | None, now: float) -> bool:
    """Whether the canary has runs at present."""
    return canary is not None and now - max(canary.last[1], canary.started) < versions.LINGER_SECONDS


def _start(item: Waiting) -> tuple[float, str]:
    return item.reading.started, item.reading.run


def _forget(known: dict[Any, Any], most: int) -> None:
    while len(known) > most:
        del known[next(iter(known))]
