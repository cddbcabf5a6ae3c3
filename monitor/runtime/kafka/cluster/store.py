"""The state that a worker holds, by partition, and up to which offset of the changelog it is complete.

Faust's own memory store forgets standby partitions at each rebalance and reads everything anew; this one keeps both,
so that a partition that stays costs nothing and one that was stood by for costs only its tail. Not here: who writes
(`saving.changelog`).

Owner: the worker; Faust's recovery fills it, `write` follows what the broker has acknowledged. Bound: the partitions
that are assigned or stood by for; others are dropped when a recovery completes. A crash loses all of it, and the
changelog has it. Every record says in which generation of the group it was written (`GENERATION`): what comes after a
later one was written by a worker that had lost the partition unawares, and is left out. Invariant: `held[partition]` is
what the changelog says up to `persisted_offset` and nothing beyond, so a save that was cut in two is read back as far
as it went.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

from faust.stores import memory
from faust.types import TP

GENERATION = "forewarn-generation"
"""Header of a changelog record: the generation in which its writer had the partition."""

Generation = tuple[int, ...]
"""The group's generation, mostly alone. Kafka counts from one again when a group was deleted, or was empty for a week:
then how far groups of that name had counted stands before it. Compared as tuples are. One number more each time that a
group begins anew and has not yet counted beyond the one before."""


class PartitionStore(memory.Store[bytes, bytes]):
    """Keys and values of one table, raw. `outdated`: records that were left out because a later owner had written."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.held: dict[int, dict[bytes, bytes]] = {}
        self.outdated = 0
        self.stale: dict[int, set[bytes]] = {}
        """By partition, the keys over which a former owner wrote. Compaction keeps its values and drops those that we
        hold, so the next write repeats them."""
        self.topic = ""
        """The changelog; records of another are not ours. Empty: whatever comes is."""
        self._offsets: dict[TP, int] = {}
        self._generations: dict[TP, Generation] = {}

    def entries(self, partition: int) -> Iterable[tuple[bytes, bytes]]:
        """What is held of a partition."""
        return self.held.get(partition, {}).items()

    def value(self, partition: int, key: bytes) -> bytes | None:
        """What is held under a key."""
        return self.held.get(partition, {}).get(key)

    def generation(self, place: TP) -> Generation:
        """The latest in which anybody is known to have written."""
        return self._generations.get(place, (0,))

    def write(
        self,
        place: TP,
        entries: Mapping[bytes, bytes | None],
        offset: int,
        generation: Generation = (0,),
        late: Iterable[bytes] = (),
    ) -> None:
        """The changelog has these entries, up to `offset`, written in `generation`; over `late` others wrote since."""
        self._generations[place] = max(generation, self.generation(place))
        stale = self.stale.get(place.partition, set()).difference(entries).union(late)
        if stale:
            self.stale[place.partition] = stale
        else:
            self.stale.pop(place.partition, None)
        self._offsets[place] = offset
        self._keep(place, entries)

    def _keep(self, place: TP, entries: Mapping[bytes, bytes | None]) -> None:
        part = self.held.setdefault(place.partition, {})
        for key, value in entries.items():
            if value is None:
                part.pop(key, None)
            else:
                part[key] = value

    def apply_changelog_batch(
        self, batch: Iterable[Any], to_key: Callable[[Any], Any], to_value: Callable[[Any], Any]
    ) -> None:
        """Called by Faust's recovery, with the batches that `microbatch` makes of a changelog, in order.

        Release 0.15.3 gives what is left of a partition that has gone to the table that it filled last.
        """
        del to_key, to_value  # raw: the records have both
        for event in batch:
            place = event.message.tp
            if self.topic and place.topic != self.topic:
                continue
            held = self._offsets.get(place, -1)
            records = [record for record in event.value.records if record.offset > held]
            if records:
                latest, entries, late = self.generation(place), {}, set[bytes]()
                for record in records:
                    written = generation_of(record.headers)
                    if written < latest:
                        self.outdated += 1
                        late.add(record.key)
                        continue
                    latest = written
                    entries[record.key] = record.value
                    late.discard(record.key)
                self.write(place, entries, records[-1].offset, latest, late)

    def persisted_offset(self, tp: TP) -> int | None:
        """Where a recovery may go on."""
        return self._offsets.get(tp)

    def set_persisted_offset(self, tp: TP, offset: int) -> None:
        """Not used: `write` knows."""

    async def on_recovery_completed(self, active_tps: set[TP], standby_tps: set[TP]) -> None:
        """Let go of what is neither ours nor stood by for: its tombstones may be gone when it comes back."""
        kept = active_tps | standby_tps
        for tp in [tp for tp in self._offsets if tp not in kept]:
            self._forget(tp)

    def _forget(self, tp: TP) -> None:
        self._offsets.pop(tp, None)
        self._generations.pop(tp, None)
        self.held.pop(tp.partition, None)
        self.stale.pop(tp.partition, None)


def generation_of(headers: Iterable[tuple[str, bytes]]) -> Generation:
    """The generation that a record names; 0 where it names none, as an older monitor's do."""
    for name, value in headers:
        if name == GENERATION:
            return _numbers(value)
    return (0,)


@lru_cache(maxsize=256)
def _numbers(value: bytes) -> Generation:
    """What a header says; of a million records of a changelog, nearly all say the same."""
    numbers = value.split(b".")
    return tuple(map(int, numbers)) if all(number.isdigit() for number in numbers) else (0,)


def named(generation: Generation) -> tuple[str, bytes]:
    """The header that `generation_of` reads."""
    return GENERATION, b".".join([b"%d" % number for number in generation])


def after(latest: Generation, generation: int) -> Generation:
    """What an owner in this generation of the group writes, where `latest` was the last that was written.

    Above that, and above whatever an owner in an earlier generation of the same group writes, or might yet write.
    """
    for place, number in enumerate(latest):
        if generation > number:
            return (*latest[:place], generation)
    return (*latest, generation)
