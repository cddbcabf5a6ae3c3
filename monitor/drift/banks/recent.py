"""The latest runs of an agent as its banks took them: what they show of a change, and what restores a bank.

They lie packed (`packed`), as they are saved: less memory, and a save copies them. They are unpacked where a change is
told, which is rare.

Invariant: the latest `RING` runs, whole, in the order in which they closed.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from typing import Final

import msgspec
from msgspec import Raw

from detectors.drift import Change
from monitor.drift.banks import packed as packing
from monitor.drift.banks import serial
from monitor.drift.banks.columns import Columns
from monitor.drift.banks.plan import CHANNELS, POSITIONS
from monitor.drift.banks.slots import Sample, SampleNumber
from monitor.evidence.within import hitters

RING: Final = 64
"""Runs that are kept: to say which version changed, and to restore banks."""
CHUNK: Final = 8
"""Runs that are saved together."""
_CHUNKS = RING // CHUNK + 1


class Recent:
    """The ring."""

    def __init__(self) -> None:
        self._packed: list[bytes] = []
        self._end = 0
        """The number of the next run; those that are kept are the ones before it."""
        self._saved = 0
        """Up to here runs were saved."""

    def add(self, sample: Sample) -> None:
        """One more run; its number is one more than that of the last."""
        self._packed.append(packing.pack(sample))
        self._end = sample.number + 1
        if len(self._packed) > RING:
            del self._packed[0]

    def samples(self, first: int = 0) -> list[Sample]:
        """The runs from number `first` on, the latest last."""
        skipped = max(first - (self._end - len(self._packed)), 0)
        return [packing.unpack(packed) for packed in self._packed[skipped:]]

    def alike(self) -> int:
        """What these runs are worth as news, in square roots: see `serial`."""
        if _columns.read(self._packed):
            return serial.look_at(_columns)
        return serial.look([one.values for one in self.samples()])

    def since(self, onset: float) -> dict[str, int]:
        """Version → its runs since `onset`, of those that are kept; runs without version under the empty name."""
        found: dict[str, int] = {}
        for sample in self.samples():
            if sample.at >= onset:
                found[sample.version] = found.get(sample.version, 0) + 1
        return found

    def table(self, hits: Sequence[float | None], version: str | None) -> hitters.Table:
        """Who had the bad part of the latest runs: `hits` of each, the latest last; of a version, if given."""
        mine = [sample for sample in self.samples() if version in (None, sample.version)]
        size = min(len(mine), len(hits))
        found: hitters.Table = {}
        for sample, hit in zip(mine[len(mine) - size :], hits[len(hits) - size :], strict=True):
            if hit is not None:
                hitters.count(found, sample.whose, hit)
        return found

    def usual(self, channel: str, version: str | None, onset: float) -> tuple[str, float] | None:
        """The word of a category that most runs since the onset have, and their share, as far as runs are kept.

        Of a mix, the word with the largest part of a run.
        `version`: only of its runs, if given.
        """
        position = POSITIONS[channel]
        found: dict[str, float] = {}
        for sample in self.samples():
            value = sample.values[position]
            if sample.at >= onset and value is not None and version in (None, sample.version):
                for word, part in (value if isinstance(value, dict) else {str(value): 1.0}).items():
                    found[word] = found.get(word, 0.0) + part
        if not found:
            return None
        word = max(found, key=lambda word: (found[word], word))
        return word, found[word] / sum(found.values())

    def newcomer(self, channel: str, known: Container[str | int], onset: float) -> str | None:
        """The name that is not among the known ones and has most of the runs since the onset, as far as these are kept;
        None: there is none."""
        position = POSITIONS[channel]
        found: dict[str, float] = {}
        for sample in self.samples():
            value = sample.values[position]
            if sample.at >= onset and isinstance(value, dict):
                for name, part in value.items():
                    if name not in known:
                        found[name] = found.get(name, 0.0) + part
        return max(found, key=lambda name: (found[name], name)) if found else None

    def narrowed(self, change: Change, version: str, onset: float) -> Change:
        """A change of the agent as the runs of one version show it, as far as runs are kept; else as it is."""
        position = POSITIONS[change.channel]
        mine = [
            value
            for value in (one.values[position] for one in self.samples() if one.version == version and one.at >= onset)
            if value is not None
        ]
        if not mine or change.unseen:
            return change
        numbers = [value for value in mine if isinstance(value, float)]
        if CHANNELS[position].kind == "number":
            if not numbers:
                return change
            return msgspec.structs.replace(
                change, median_after=sorted(numbers)[len(mine) // 2], after_n=float(len(mine))
            )
        if CHANNELS[position].kind == "rate":
            parts = numbers
        else:
            parts = [
                float(value.get(change.what, 0.0) if isinstance(value, dict) else str(value) == change.what)
                for value in mine
            ]
        return msgspec.structs.replace(change, after=sum(parts) / len(mine), after_n=float(len(mine)))

    # -- state

    def save(self) -> dict[str, bytes | None]:
        """The chunks that changed since the last call, by name."""
        if self._saved >= self._end:
            return {}
        first = self._end - len(self._packed)
        found: dict[int, bytes] = {}
        for chunk in range(max(self._saved, first) // CHUNK, (self._end - 1) // CHUNK + 1):
            begin, end = max(chunk * CHUNK - first, 0), (chunk + 1) * CHUNK - first
            # of those that are kept each chunk has a place of its own
            some = self._packed[begin:end]
            found[chunk % _CHUNKS] = packing.LISTS[len(some)] + b"".join(some)
        changed: dict[str, bytes | None] = {f"runs{place}": found[place] for place in sorted(found)}
        self._saved = self._end
        return changed

    def load(self, chunks: Iterable[bytes | memoryview], number: int) -> None:
        """Put back saved chunks; `number`: runs so far."""
        runs = {_number(raw).number: bytes(raw) for chunk in chunks for raw in _chunk.decode(chunk)}
        self._packed = [runs[at] for at in range(number - RING, number) if at in runs]
        self._end = self._saved = number


_chunk = msgspec.msgpack.Decoder(list[Raw])
_number = msgspec.msgpack.Decoder(SampleNumber).decode
_columns: Final = Columns(len(CHANNELS), RING, packing.WORDED)
