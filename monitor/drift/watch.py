"""Drift of one agent, whole: closed runs and time go in, findings come out; the state is saved in blocks.

Not here: how a run is read (`channels`), what the banks know (`profile`), what is said and when it ends (`episodes`).

Invariant: with the same runs and ticks the same is said, however often the state was saved and put back between them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from monitor.drift import channels, memory
from monitor.drift.anomaly import SIGNAL as UNUSUAL
from monitor.drift.anomaly import Unusual
from monitor.drift.banks import sessions
from monitor.drift.banks.plan import Plans
from monitor.drift.banks.profile import Profile
from monitor.drift.banks.slots import Rates
from monitor.drift.episodes import Episodes, Whole
from monitor.drift.memory import Memory
from monitor.drift.tools import interfaces, paces
from monitor.evidence.within import hitters
from monitor.runs import Closed
from monitor.signals import DRIFT_SHARE
from schemas.finding import Finding
from schemas.records import Ack

PREFIX = "d"
"""The names of all blocks of drift begin so."""
_OUTPUTS = "outputs"
"""Before the number of a slot of `Versions`."""
_CALLS = "calls"
_BEFORE = ("answers", "stuck", "tools", "forms")
"""Blocks of versions before, which nobody writes any more."""
_LATER = (_OUTPUTS, _CALLS, "unusual", *_BEFORE)
"""What nothing but a run, or a word about `unusual`, looks at."""


class Drift:
    """`emit` takes findings, `identify(parts)` names them after the present record, `count` counts what was evicted."""

    def __init__(
        self,
        agent: str,
        owner: str,
        plans: Plans,
        emit: Callable[[Finding], None],
        identify: Callable[..., str],
        count: Callable[[str], None],
    ) -> None:
        self.plans = plans
        self._memory = Memory(count=count)
        self.profile = Profile(plans.plan, count)
        self.episodes = Episodes(agent, owner, plans.settings, self.profile, self._memory, emit, identify)
        self.unusual = Unusual() if plans.unusual else None
        self._touched = False
        self._calls_touched = False
        self._old: list[str] = []
        """The blocks of `_BEFORE` that are there, to be removed once what they hold stands in others."""
        self._restored = False
        self._asleep: dict[str, bytes | memoryview] = {}
        """What was saved of the memory, until a run needs it: of ten thousand agents, few run at once."""

    @property
    def memory(self) -> Memory:
        """What is remembered between runs."""
        if self._asleep:
            self._put_back()
        return self._memory

    # -- runs and time

    def observe(
        self, closed: Closed, now: float, usual: float, paid: Callable[[], float], *, learns: bool = True
    ) -> None:
        """A closed run that is no shadow's. `usual`: seconds that nearly all take; `paid`, `learns`: see
        `Profile.observe`."""
        if closed.status == "hung" or not self.plans.on:
            return
        self._touched = True
        self._tidy_up(now)
        kept = self.memory
        unusual = self.unusual.score(closed) if self.unusual is not None else None
        reading = memory.recall(kept, closed, unusual)
        self._calls_touched |= bool(closed.run.tools)
        values = channels.values_of(reading, self.plans.off)
        run = closed.run
        whose = hitters.whose(run, self.plans.labels)
        roots = sessions.take(kept.sessions, closed.work.session)
        said = self.profile.observe(run.run, run.version, values, now, usual, paid, learns, whose, roots)
        for bank, word in said:
            self.episodes.take(bank, word, now)
        tools = closed.work.tool_seconds
        if tools and paces.is_stale(kept.paces, tools) and self.profile.learn_anew(channels.SLOWEST):
            paces.renew(kept.paces)
        if self.episodes.open:
            for version in self.profile.forgotten:
                self.episodes.forget(version, now)
            self.episodes.count_run(run.version, now)

    def tick(self, now: float) -> None:
        """Time went on to `now`."""
        self._tidy_up(now)
        if self.episodes.next_quiet() <= now:
            self._touched = True
            self.episodes.say_quiet(now)

    def next_wake(self) -> float:
        """The next tick at which something is due if no run comes; infinity for never."""
        return self.episodes.next_quiet()

    def flow(self, notice_rate: float, page_rate: float, end: float, now: float) -> None:
        """What the agent is granted from now until `end`, false alarms per second; drift has its part of it."""
        self._touched = True
        self.profile.flow(Rates(DRIFT_SHARE * notice_rate, DRIFT_SHARE * page_rate, end), now)

    def acknowledge(self, ack: Ack, now: float) -> bool:
        """A human's word for an episode; False if there is none of that name."""
        self._touched = True
        mine = [one for one in self.episodes.open if ack.node in (one.key, one.signal)]
        unlike = any(signal == UNUSUAL for one in mine for _, signal in one.members)
        known = self.episodes.acknowledge(ack, now)
        if known and unlike and self.unusual is not None:
            self._put_back()
            self.unusual.restart()  # the trees learn what is there now as well
        return known

    # -- state

    def save(self) -> dict[str, bytes | None]:
        """The blocks that changed since the last call, by name; None: it is no more."""
        if not self._touched:
            return {}
        saved, changed = self.profile.save()
        memory = self._memory  # what sleeps is not touched, and saved already
        core = Whole(
            saved, memory.outputs, self.episodes.open, memory.documents, memory.session, memory.paces,
            self.episodes.returned, memory.sessions,
        )  # fmt: skip
        blocks: dict[str, bytes | None] = {f"{PREFIX}{name}": raw for name, raw in changed.items()}
        blocks[f"{PREFIX}core"] = msgspec.msgpack.encode(core)
        for slot, raw in memory.versions.changed().items():
            blocks[f"{PREFIX}{_OUTPUTS}{slot}"] = raw
        if self._calls_touched or self._old:
            blocks[f"{PREFIX}{_CALLS}"] = msgspec.msgpack.encode(memory.saved_parts())
        for name in self._old:
            blocks[f"{PREFIX}{name}"] = None
        self._old = []
        if self.unusual is not None and self.unusual.changed:
            blocks[f"{PREFIX}unusual"] = self.unusual.save()
        self._touched = self._calls_touched = False
        return blocks

    def load(self, blocks: Mapping[str, bytes | memoryview]) -> None:
        """Put back saved blocks, before the first run."""
        found = {name.removeprefix(PREFIX): raw for name, raw in blocks.items()}
        if "core" not in found:
            return
        core = msgspec.msgpack.decode(found["core"], type=Whole)
        for output in core.outputs:
            self._memory.note(output)
        self._memory.documents.update(core.documents)
        self._memory.session, self._memory.sessions = core.session, core.sessions
        self._memory.paces.update(core.paces)
        self._asleep = {name: raw for name, raw in found.items() if name.startswith(_LATER)}
        self.profile.load(core.profile, found)
        self.episodes.open[:] = core.episodes
        self.episodes.returned[:] = core.returned
        self._restored = True

    def _put_back(self) -> None:
        """The memory as it was saved."""
        found = {name: bytes(raw) for name, raw in self._asleep.items()}
        self._asleep = {}
        memory = self._memory
        slots = {name: raw for name, raw in found.items() if name.startswith(_OUTPUTS)}
        memory.versions.load({int(name.removeprefix(_OUTPUTS)): raw for name, raw in slots.items()})
        self._old = [name for name in _BEFORE if name in found]
        if "answers" in found and not slots:
            memory.versions.load_answers(found["answers"])
        if _CALLS in found:
            memory.load_calls(found[_CALLS])
        if "stuck" in found:
            memory.stuck.load(found["stuck"])
        if "tools" in found:
            interfaces.load(memory.tools, found["tools"])
        if "forms" in found:
            interfaces.load(memory.forms, found["forms"])
        if "unusual" in found and self.unusual is not None:
            self.unusual.load(found["unusual"])

    def _tidy_up(self, now: float) -> None:
        """Once after a restore."""
        if self._restored:
            self._restored = False
            self.episodes.drop_orphans(now)
