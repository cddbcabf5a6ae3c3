"""The banks of one agent: one for the agent, and one for each version once there are two. Runs go in, words come out.

A version's bank begins with what the agent's bank knows; each takes every run of its own. The budget drips in time as
it does for nodes: half to the agent's bank, half shared by the versions (`detectors.shares`); without versions the
agent's bank has three quarters.

A bank is large, a run is small: what is saved of a run is its values, and a bank only now and then. A bank that was
saved some runs ago is restored by giving it those runs again, and that when it is needed for the first time: most of
what it takes to put an agent back is its banks, and a worker that takes over a thousand agents is ready without them.

Invariant: what was dripped into the banks together never exceeds what flowed into the profile.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from detectors import shares
from detectors.drift import Bank, Crossing, Ended, Plan, Word, state
from detectors.drift.channels import Value
from monitor.drift.banks import regimes, serial, sessions
from monitor.drift.banks.plan import POSITIONS, TIMED_POSITIONS
from monitor.drift.banks.recent import CHUNK, RING, Recent
from monitor.drift.banks.regimes import Regimes, Returned, Seen
from monitor.drift.banks.slots import Rates, Sample, Saved, Slot

VERSIONS: Final = 20
"""Versions of an agent with a bank. More: the one quiet longest is forgotten, counted as `versions_forgotten`."""
KNOWN_RUNS: Final = 200
"""Runs after which an agent is known: a version that comes later is another one, and has a bank."""
LATE: Final = 1_000
"""Runs of an agent after which a version that had none of them is of the past."""
STALE = RING - CHUNK
"""A bank that was saved so many runs ago is saved anew."""

AGENT: Final = ""
"""The name of the agent's own bank among those of versions."""

_AGENT_PART, _VERSIONS_PART = 0.5, 0.5
_ALONE_PART, _NEWCOMERS_PART = 0.75, 0.25


class Profile:
    """`count(name)` counts what was evicted."""

    def __init__(self, plan: Plan, count: Callable[[str], None]) -> None:
        self.plan = plan
        self.count = count
        self._banks: dict[str, Bank] = {}
        self.slots: dict[str, Slot] = {}
        self.versions: dict[str, float] = {}
        """Version → when it was first seen; the one that was seen last stands last."""
        self._recent = Recent()
        self._asleep: dict[str, bytes | memoryview] | None = None
        """The blocks from which banks and latest runs are put back when they are needed; None: they are."""
        self.number = 0
        """Runs so far."""
        self.known = 0
        self.newcomers = 0
        """Versions with a bank when the grant came, and those since."""
        self.alone = True
        """Whether what the agent's bank knows is the experience of one version."""
        self.rates = Rates(0.0, 0.0, 0.0)
        self.forgotten: list[str] = []
        """Versions whose bank is no more, until the next run."""
        self._gone: dict[str, bytes | None] = {}
        self.regimes: dict[str, Regimes] = {}
        """The states that banks went through, of those in which something changed once."""
        self.serial: list[int] = []  # what runs in a row are worth, of the latest stretches
        self._met: set[str] = set()
        """Banks whose states changed since they were saved."""

    @property
    def banks(self) -> dict[str, Bank]:
        """The banks by version, that of the agent itself under `AGENT`."""
        if self._asleep is not None:
            self._put_back()
        return self._banks

    @property
    def recent(self) -> Recent:
        """The agent's latest runs."""
        if self._asleep is not None:
            self._put_back()
        return self._recent

    # -- runs

    def observe(
        self,
        run: str,
        version: str | None,
        values: list[Value],
        now: float,
        usual: float,
        paid: Callable[[], float],
        learns: bool = True,
        whose: list[str] | None = None,
        roots: int = 0,
    ) -> list[tuple[str, Word | Returned]]:
        """One closed run; what its banks say, with the bank's name.

        `usual`: seconds that nearly all runs take. `paid` gives the expected false pages that were paid in advance for
        a deploy; a version that begins takes them. `learns`: whether channels that do not know yet what is normal learn
        it from this run; not from one of a fault, whose end would else be a change. `whose`, `roots`:
        see `Sample`.
        """
        banks = self.banks
        self.forgotten.clear()
        if self.number % LATE == 0:
            self.tidy()
        name = version or AGENT
        new = bool(name) and self._see(name, now)
        own = self.slots.get(AGENT) or self._begin(AGENT, now)
        slot = self.slots.get(name) if name else None
        if slot is None and name and own.runs >= KNOWN_RUNS and len(self.versions) > 1:
            slot = self._begin(name, now, self._forebear(name, new))
            if new:
                slot.page += paid()
        sample = Sample(self.number, run, name, now, values, *self._drip(own, now))
        if slot is not None:
            sample.version_notice, sample.version_page = self._drip(slot, now)
            sample.timed = now - self.versions[name] >= usual
        sample.roots = roots or serial.second(self.serial)
        sample.learns = learns and sessions.teaches(sample.number, sample.roots)
        sample.whose = whose or sample.whose
        self.number += 1
        self._recent.add(sample)
        if serial.is_due(self.number, RING):
            self.serial = serial.followed(self.serial, self._recent.alike())
        own.runs += 1
        own.stepped = sample.number
        said = self._said(AGENT, _step(banks[AGENT], AGENT, sample))
        if slot is not None:
            slot.runs += 1
            slot.stepped = sample.number
            said += self._said(name, _step(banks[name], name, sample))
        return said

    def heights(self, channel: str, onset: float) -> dict[str, float]:
        """Version → how changed its runs since the onset look in one channel (a CUSUM), where its bank can tell."""
        position = POSITIONS[channel]
        return {
            name: bank.height(position, onset)
            for name, bank in self.banks.items()
            if name != AGENT and bank.live()[position]
        }

    def newcomer(self, bank: str, channel: str, onset: float) -> str | None:
        """What a bank never saw before `onset` in a mix or set, and most runs have since."""
        known = self.banks.get(bank)
        if known is None:
            return None
        share = known.shares.channels[self.plan.place[POSITIONS[channel]]]
        return self.recent.newcomer(channel, share.names, onset)

    def fires(self, bank: str, signal: str) -> bool:
        """Whether a signal of a bank is in an episode."""
        known = self.banks.get(bank)
        return known is not None and any(known.plan.signals[at].name == signal for at in known.episodes)

    def rebaseline(self, bank: str, signal: str, *, vouched: bool = False) -> None:
        """Let a bank learn anew what is normal for one signal. `vouched`: a person says that nothing is wrong."""
        if bank in self.banks:
            kept = self.regimes.get(bank)
            for ended in self.banks[bank].rebaseline(signal):
                if kept is not None:
                    if vouched:
                        regimes.vouch(kept)
                    regimes.end(kept, self.banks[bank], ended)
                    self._met.add(bank)
            self.slots[bank].saved = -1

    def learn_anew(self, channel: str) -> bool:
        """Let all banks learn one channel anew, unless its signal fires in some; whether they do."""
        position = POSITIONS[channel]
        signal = self.plan.signal_of[position]
        if any(signal in bank.episodes for bank in self.banks.values()):
            return False
        for name, bank in self.banks.items():
            bank.learn_anew(signal, keep=False, only=position)
            self.slots[name].saved = -1  # its runs alone would not do it again
        return True

    def forget(self, version: str) -> None:
        """A version gets no more runs: should it come back, it is a new one."""
        self.versions.pop(version, None)
        slot = self.slots.pop(version, None)
        if slot is not None:
            del self.banks[version]
            self._gone[f"bank{slot.place}"] = None
            if self.regimes.pop(version, None) is not None:
                self._gone[f"regimes{slot.place}"] = None
            self.forgotten.append(version)

    def tidy(self) -> None:
        """Where only one version had runs of late, forget the others: the agent's bank is that version's again.

        Not while a bank fires: what it says goes on in that bank.
        """
        if len(self.slots) <= 1 or any(bank.episodes for bank in self.banks.values()):
            return
        late = [name for name, slot in self.slots.items() if name != AGENT and slot.stepped >= self.number - LATE]
        if len(late) != 1 or self.slots[late[0]].runs < LATE:
            return
        for name in [name for name in self.slots if name not in (AGENT, late[0])]:
            self.forget(name)
        kept, own = self.slots[late[0]], self.slots[AGENT]
        self.banks[AGENT] = self.banks[late[0]]
        self.regimes[AGENT] = self.regimes.get(late[0]) or Regimes([])
        self._met.add(AGENT)
        own.saved = -1
        own.notice += kept.notice
        own.page += kept.page
        seen = self.versions[late[0]]
        self.forget(late[0])
        self.versions = {late[0]: seen}
        self.alone = True

    # -- budget

    def flow(self, rates: Rates, now: float) -> None:
        """From now on so much flows in; the versions that are known by now share anew."""
        for slot in self.slots.values():
            self._settle(slot, now)
        self.rates = rates
        versions = [slot for name, slot in self.slots.items() if name != AGENT]
        self.known, self.newcomers = len(versions), 0
        for slot in versions:
            slot.share = _VERSIONS_PART * shares.known_share(self.known)
        if AGENT in self.slots:
            self.slots[AGENT].share = _AGENT_PART if versions else _ALONE_PART

    # -- state

    def save(self) -> tuple[Saved, dict[str, bytes | None]]:
        """The profile, and by name what changed since the last call: chunks of runs, and banks saved long ago."""
        changed: dict[str, bytes | None] = {} if self._asleep is not None else self._recent.save()
        for name, slot in self.slots.items():
            if slot.saved < 0 or (slot.stepped >= slot.saved and self.number - slot.saved >= STALE):
                changed[f"bank{slot.place}"] = state.to_bytes(self.banks[name])
                slot.saved = self.number
            if name in self._met:
                changed[f"regimes{slot.place}"] = msgspec.msgpack.encode(self.regimes[name])
        changed.update(self._gone)
        self._gone = {}
        self._met.clear()
        counts = self.number, self.known, self.newcomers, self.alone, self.rates, self.serial
        return Saved(self.slots, self.versions, *counts), changed

    def load(self, saved: Saved, blocks: Mapping[str, bytes | memoryview]) -> None:
        """Put back what was saved, banks when they are needed. Raises `KeyError` where the block of one is missing."""
        self.slots, self.versions, self.rates = saved.slots, saved.versions, saved.rates
        self.number, self.known, self.newcomers, self.alone = saved.number, saved.known, saved.newcomers, saved.alone
        self.serial = saved.serial
        self._asleep = {name: raw for name, raw in blocks.items() if name.startswith("runs")}
        for name, slot in self.slots.items():
            if f"regimes{slot.place}" in blocks:
                self.regimes[name] = msgspec.msgpack.decode(blocks[f"regimes{slot.place}"], type=Regimes)
        self._asleep |= {name: blocks[name] for name in (f"bank{slot.place}" for slot in self.slots.values())}

    # -- inner

    def _put_back(self) -> None:
        """The banks as they were saved, given the runs that came since they were.

        A bank of a version of ours that watched other channels learns anew, counted as `banks_relearned`.
        """
        blocks, self._asleep = self._asleep, None
        assert blocks is not None
        self._recent.load((raw for name, raw in blocks.items() if name.startswith("runs")), self.number)
        samples = self._recent.samples(min((slot.saved for slot in self.slots.values()), default=0))
        for name, slot in self.slots.items():
            try:
                bank = self._banks[name] = state.from_bytes(self.plan, blocks[f"bank{slot.place}"])
            except ValueError:
                bank = self._banks[name] = Bank(self.plan)
                slot.saved = -1
                if self.regimes.pop(name, None) is not None:
                    self._gone[f"regimes{slot.place}"] = None
                self.count("banks_relearned")
                continue
            for sample in samples:
                if sample.number >= slot.saved and name in (AGENT, sample.version):
                    _step(bank, name, sample)

    def _said(self, name: str, words: list[Word]) -> list[tuple[str, Word | Returned]]:
        """What a bank says, with what is known of its states."""
        kept = self.regimes.get(name)
        if not words and (kept is None or not kept.waiting):
            return []
        if kept is None:
            kept = self.regimes[name] = Regimes([])
        self._met.add(name)
        bank, samples, forgotten = self.banks[name], self._recent.samples(), kept.forgotten
        seen = [Seen(_values(name, one), one.version) for one in samples if name in (AGENT, one.version)]
        now = samples[-1].at
        found: list[Word | Returned] = []
        for word in words:
            if isinstance(word, Ended):
                found += [*regimes.end(kept, bank, word), word]
        if kept.waiting:
            found += regimes.look(kept, bank, seen, now)
        for word in words:
            # what else changed with a return is a part of it
            if isinstance(word, Crossing) and not (found and isinstance(found[-1], Returned)):
                found += regimes.hear(kept, bank, word, seen, now)
        if found and isinstance(found[-1], Returned):
            self.slots[name].saved = -1  # its runs alone would not do it again
        for _ in range(kept.forgotten - forgotten):
            self.count("drift_states_forgotten")
        return [(name, one) for one in found]

    def _see(self, version: str, now: float) -> bool:
        """Note a version; whether it is seen for the first time."""
        first = self.versions.pop(version, None)
        self.versions[version] = now if first is None else first
        own = self.slots.get(AGENT)
        if len(self.versions) > 1 and first is None:
            # the second version that an agent has; the first one begins with the agent's experience as well
            self.alone = own is not None and own.runs >= KNOWN_RUNS and len(self.versions) == 2
        if len(self.versions) > VERSIONS:
            self.forget(next(iter(self.versions)))
            self.count("versions_forgotten")
        return first is None

    def _forebear(self, version: str, new: bool) -> Bank | None:
        """Whose experience a version begins with: that of the version that most runs are of, or the agent's own where
        that knew one version only. What was learned of several is nobody's experience."""
        if new:
            since = self.recent.since(0.0)
            most = max((name for name in since if name != version), key=lambda name: (since[name], name), default=AGENT)
            if most in self.banks:
                return self.banks[most]
        return self.banks[AGENT] if self.alone else None

    def _begin(self, name: str, now: float, forebear: Bank | None = None) -> Slot:
        """A bank: the agent's own, or a version's."""
        bank = self.banks[name] = Bank(self.plan)
        if name == AGENT:
            share = _ALONE_PART
        else:
            if forebear is not None:
                bank.inherit(forebear)
                for other, slot in self.slots.items():
                    if self.banks[other] is forebear:
                        slot.saved = -1  # giving counts what waited, which the runs alone would not do again
                        if other in self.regimes:
                            self.regimes[name] = regimes.handed_on(self.regimes[other], forebear.runs)
                            self._met.add(name)
            self.newcomers += 1
            share = (_VERSIONS_PART if self.known else _NEWCOMERS_PART) * shares.newcomer_share(
                self.known, self.newcomers
            )
        taken = {slot.place for slot in self.slots.values()}
        place = next(i for i in range(VERSIONS + 1) if i not in taken)
        self._gone.pop(f"bank{place}", None)
        if name in self.regimes:
            self._gone.pop(f"regimes{place}", None)
        slot = self.slots[name] = Slot(place, now, share, now)
        return slot

    def _drip(self, slot: Slot, now: float) -> tuple[float, float]:
        """What flowed into a bank since its last run: notices, pages."""
        self._settle(slot, now)
        flowed = slot.notice, slot.page
        slot.notice = slot.page = 0.0
        return flowed

    def _settle(self, slot: Slot, now: float) -> None:
        """Count the flow up to `now` at the present rates."""
        seconds = min(now, self.rates.end) - slot.last
        if seconds > 0.0:
            slot.notice += slot.share * self.rates.notice * seconds
            slot.page += slot.share * self.rates.page * seconds
        slot.last = max(now, slot.last)


def _step(bank: Bank, name: str, sample: Sample) -> list[Word]:
    """Give one run to one bank."""
    if name == AGENT:
        return bank.observe(
            sample.values, sample.run, sample.at, sample.notice, sample.page, sample.learns, sample.roots
        )
    values = _values(name, sample)
    drips = sample.version_notice, sample.version_page
    return bank.observe(values, sample.run, sample.at, *drips, sample.learns, sample.roots)


def _values(name: str, sample: Sample) -> list[Value]:
    """What one bank takes of a run."""
    values = sample.values
    if name != AGENT and not sample.timed:
        values = list(values)
        for i in TIMED_POSITIONS:
            values[i] = None
    return values
