"""The banks of one agent: one for the agent, and one for each version once there are two. Runs go in, words come out.

A version's bank begins with what the agent's bank knows; each takes every run of its own. The budget drips in time as
it does for nodes: half to the agent's bank, half shared by the versions (`detectors.shares`); without versions the
agent's bank has three quarters.

A bank is large, a run is small: what is saved of a run is its values, and a bank only now and then. A bank that was
saved some runs ago is restored by giving it those runs again.

Invariant: what was dripped into the banks together never exceeds what flowed into the profile.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec
from msgspec import Struct

from detectors import shares
from detectors.drift import Bank, Channel, Plan, Signal, Word, state
from detectors.drift.channels import Value
from monitor.drift import anomaly
from monitor.drift.channels import ROWS
from schemas.config import DetectorSettings

VERSIONS = 20
"""Versions of an agent with a bank. More: the one that was quiet longest is forgotten, counted as `banks_evicted`."""
KNOWN_RUNS = 200
"""Runs after which an agent is known: a version that comes later is another one, and has a bank."""
RING = 64
"""Latest runs whose values are kept: to say which version changed, and to restore banks."""
CHUNK = 16
"""Runs that are saved together."""
STALE = RING - CHUNK
"""A bank that was saved so many runs ago is saved anew."""
TIMED = frozenset(("run.duration_seconds", "run.steps", "run.tokens", "run.cost_usd", "run.retries"))
"""Signals that hang on how long runs take: of a new version the quick ones end first."""
WEIGHTS = {"run.output_shape": 3.0, "run.tool_mix": 3.0}
"""Parts of the budget; of every other signal 1."""
SUSTAINED = {"run.output_shape": 12}
"""Runs that a page needs where the YAML does not say: who reads outputs by machine breaks at once."""

AGENT = ""
"""The name of the agent's own bank among those of versions."""

CHANNELS: tuple[Channel, ...] = tuple(Channel(row.name, row.signal, row.kind) for row in ROWS)
POSITIONS = {channel.name: i for i, channel in enumerate(CHANNELS)}
_CHUNKS = RING // CHUNK + 1
_AGENT_PART, _VERSIONS_PART = 0.5, 0.5
_ALONE_PART, _NEWCOMERS_PART = 0.75, 0.25
_TIMED_ROWS = tuple(i for i, row in enumerate(ROWS) if row.signal in TIMED)


class Sample(Struct, array_like=True, gc=False):
    """One run as the banks took it. `notice`, `page`: what was dripped into the agent's bank, and the version's."""

    number: int
    run: str
    version: str
    at: float
    values: list[Value]
    notice: float
    page: float
    version_notice: float = 0.0
    version_page: float = 0.0
    timed: bool = True
    """Whether the version's bank takes what hangs on the duration, too."""


class Slot(Struct, array_like=True):
    """One bank, without what it learned."""

    place: int
    began: float
    share: float
    """Part of what flows into the profile."""
    last: float
    """Up to here the flow was counted, epoch seconds."""
    notice: float = 0.0
    page: float = 0.0
    """Flowed and not yet dripped."""
    runs: int = 0
    stepped: int = -1
    """The number of its latest run."""
    saved: int = -1
    """The number of the first run that is not in the bank as it was saved; negative: it must be saved."""


class Rates(Struct, frozen=True):
    """What flows into the profile: expected false alarms per second, until `end`."""

    notice: float
    page: float
    end: float


def signals_of(settings: Mapping[str, DetectorSettings]) -> tuple[Signal, ...]:
    """The signals of a bank as the YAML wants them; one that is off has no part of the budget."""
    names = list(dict.fromkeys(row.signal for row in ROWS))
    on = [name for name in names if is_on(name, settings)]
    whole = sum(WEIGHTS.get(name, 1.0) for name in on) or 1.0
    found = []
    for name in names:
        setting = settings.get(name, _NO_SETTING)
        share = WEIGHTS.get(name, 1.0) / whole if name in on else 0.0
        written = "sustained" in setting.model_fields_set
        found.append(
            Signal(
                name,
                notice_share=share,
                page_share=share if setting.mode in (None, "page") else 0.0,
                tolerance=setting.tolerance or 1.5,
                sustained=setting.sustained if written else SUSTAINED.get(name, setting.sustained),
                points=setting.material.share,
                factor=setting.material.factor,
            )
        )
    return tuple(found)


_samples = msgspec.msgpack.Decoder(list[Sample])
_samples_out = msgspec.msgpack.Encoder()


def is_on(signal: str, settings: Mapping[str, DetectorSettings]) -> bool:
    """Whether the banks watch a signal: not where it is off, and not where a detector of river's does."""
    if signal == anomaly.SIGNAL:
        return anomaly.wanted(settings)
    setting = settings.get(signal)
    return setting is None or (setting.mode != "off" and setting.method is None)


_NO_SETTING = DetectorSettings()


class Saved(Struct, array_like=True):
    """A profile without its banks and its latest runs."""

    slots: dict[str, Slot]
    versions: dict[str, float]
    number: int
    known: int
    newcomers: int
    rates: Rates


class Profile:
    """`count(name)` counts what was evicted."""

    def __init__(self, plan: Plan, count: Callable[[str], None]) -> None:
        self.plan = plan
        self.count = count
        self.banks: dict[str, Bank] = {}
        self.slots: dict[str, Slot] = {}
        self.versions: dict[str, float] = {}
        """Version → when it was first seen; the one that was seen last stands last."""
        self.ring: list[Sample] = []
        self.number = 0
        """Runs so far."""
        self.known = 0
        self.newcomers = 0
        """Versions with a bank when the grant came, and those since."""
        self.rates = Rates(0.0, 0.0, 0.0)
        self.forgotten: list[str] = []
        """Versions whose bank is no more, until the next run."""
        self._saved = 0
        """Up to here runs were saved."""
        self._gone: dict[str, bytes | None] = {}

    # -- runs

    def observe(
        self, run: str, version: str | None, values: list[Value], now: float, usual: float, paid: Callable[[], float]
    ) -> list[tuple[str, Word]]:
        """One closed run; what its banks say, with the bank's name.

        `usual`: seconds that nearly all runs take. `paid` gives the expected false pages that were paid in advance for
        a deploy; a version that begins takes them.
        """
        self.forgotten.clear()
        name = version or AGENT
        new = bool(name) and self._see(name, now)
        own = self.slots.get(AGENT) or self._begin(AGENT, now)
        slot = self.slots.get(name) if name else None
        if slot is None and name and own.runs >= KNOWN_RUNS and len(self.versions) > 1:
            slot = self._begin(name, now)
            if new:
                slot.page += paid()
        sample = Sample(self.number, run, name, now, values, *self._drip(own, now))
        if slot is not None:
            sample.version_notice, sample.version_page = self._drip(slot, now)
            sample.timed = now - self.versions[name] >= usual
        self.number += 1
        self.ring.append(sample)
        del self.ring[:-RING]
        own.runs += 1
        own.stepped = sample.number
        said = [(AGENT, word) for word in _step(self.banks[AGENT], AGENT, sample)]
        if slot is not None:
            slot.runs += 1
            slot.stepped = sample.number
            said += [(name, word) for word in _step(self.banks[name], name, sample)]
        return said

    def since(self, onset: float) -> dict[str, int]:
        """Version → its runs since `onset`, of those that are kept; runs without version under `AGENT`."""
        found: dict[str, int] = {}
        for sample in self.ring:
            if sample.at >= onset:
                found[sample.version] = found.get(sample.version, 0) + 1
        return found

    def heights(self, channel: str, onset: float) -> dict[str, float]:
        """Version with a bank → how much its runs since the onset look changed in one channel (a CUSUM)."""
        position = POSITIONS[channel]
        return {name: bank.height(position, onset) for name, bank in self.banks.items() if name != AGENT}

    def usual(self, channel: str, onset: float) -> tuple[str, float] | None:
        """The word of a category that most runs since the onset have, and their share, as far as runs are kept."""
        position = POSITIONS[channel]
        found: dict[str, int] = {}
        for sample in self.ring:
            value = sample.values[position]
            if sample.at >= onset and value is not None:
                found[str(value)] = found.get(str(value), 0) + 1
        if not found:
            return None
        word = max(found, key=lambda word: (found[word], word))
        return word, found[word] / sum(found.values())

    def rebaseline(self, bank: str, signal: str) -> None:
        """Let a bank learn anew what is normal for one signal."""
        if bank in self.banks:
            self.banks[bank].rebaseline(signal)
            self.slots[bank].saved = -1

    def forget(self, version: str) -> None:
        """A version gets no more runs: should it come back, it is a new one."""
        self.versions.pop(version, None)
        slot = self.slots.pop(version, None)
        if slot is not None:
            del self.banks[version]
            self._gone[f"bank{slot.place}"] = None
            self.forgotten.append(version)

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
        changed: dict[str, bytes | None] = {}
        fresh = [sample for sample in self.ring if sample.number >= self._saved]
        for place in sorted({_place(sample.number) for sample in fresh}):
            chunk = [sample for sample in self.ring if _place(sample.number) == place]
            changed[f"runs{place}"] = _samples_out.encode(chunk)
        self._saved = self.number
        for name, slot in self.slots.items():
            if slot.saved < 0 or (slot.stepped >= slot.saved and self.number - slot.saved >= STALE):
                changed[f"bank{slot.place}"] = state.to_bytes(self.banks[name])
                slot.saved = self.number
        changed.update(self._gone)
        self._gone = {}
        saved = Saved(self.slots, self.versions, self.number, self.known, self.newcomers, self.rates)
        return saved, changed

    def load(self, saved: Saved, blocks: Mapping[str, bytes]) -> None:
        """Put back what was saved; banks take the runs that came since they were."""
        self.slots, self.versions, self.rates = saved.slots, saved.versions, saved.rates
        self.number, self.known, self.newcomers = saved.number, saved.known, saved.newcomers
        self._saved = self.number
        runs = [
            sample for name, block in blocks.items() if name.startswith("runs") for sample in _samples.decode(block)
        ]
        self.ring = sorted((one for one in runs if one.number >= self.number - RING), key=lambda one: one.number)
        for name, slot in self.slots.items():
            bank = self.banks[name] = state.from_bytes(self.plan, blocks[f"bank{slot.place}"])
            for sample in self.ring:
                if sample.number >= slot.saved and name in (AGENT, sample.version):
                    _step(bank, name, sample)

    # -- inner

    def _see(self, version: str, now: float) -> bool:
        """Note a version; whether it is seen for the first time."""
        first = self.versions.pop(version, None)
        self.versions[version] = now if first is None else first
        if len(self.versions) > VERSIONS:
            self.forget(next(iter(self.versions)))
            self.count("versions_forgotten")
        return first is None

    def _begin(self, name: str, now: float) -> Slot:
        """A bank: the agent's own, or a version's, which knows what the agent's knows."""
        bank = self.banks[name] = Bank(self.plan)
        if name == AGENT:
            share = _ALONE_PART
        else:
            bank.inherit(self.banks[AGENT])
            self.newcomers += 1
            share = (_VERSIONS_PART if self.known else _NEWCOMERS_PART) * shares.newcomer_share(
                self.known, self.newcomers
            )
        taken = {slot.place for slot in self.slots.values()}
        place = next(i for i in range(VERSIONS + 1) if i not in taken)
        self._gone.pop(f"bank{place}", None)
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
        return bank.observe(sample.values, sample.run, sample.at, sample.notice, sample.page)
    values = sample.values
    if not sample.timed:
        values = list(values)
        for i in _TIMED_ROWS:
            values[i] = None
    return bank.observe(values, sample.run, sample.at, sample.version_notice, sample.version_page)


def _place(number: int) -> int:
    return number // CHUNK % _CHUNKS
