"""Where the time of one event goes in the worker: each stage by itself, in CPU time, without a broker.

The stages are those of `monitor.runtime.kafka.events:EventsCore`, over the records of `traffic`, a batch of one
partition at a time as they are fetched: decode the JSON, read what the text says, drop the text, step the engine, and
every `LONGEST_SAVE_SECONDS` of event time make the state that changed. Fetching, producing and what `EventsCore`
itself costs are not here; the difference to what the worker reaches is theirs.
"""

from __future__ import annotations

import time

from benchmarks.kafka.traffic import Fleet, Line, lines
from monitor.engine import PartitionEngine, Record
from monitor.runtime.kafka.microbatch import BATCH_RECORDS
from monitor.runtime.kafka.partition import LONGEST_SAVE_SECONDS
from schemas.config import Config
from schemas.event import Event, decode
from schemas.finding import encode_finding
from schemas.records import decode_control, is_control
from schemas.texts import derive

STAGES = ("decode", "read the text", "drop the text", "step the engine", "make the changed state")
STATE = "bytes of changed state"


def measure(fleet: Fleet, warm: int) -> dict[str, float]:
    """Stage → CPU microseconds per event, after `warm` events; `STATE` per event besides."""
    partitions = [_Partition(number) for number in range(fleet.partitions)]
    begun = False
    for count, line in enumerate(lines(fleet, float(int(time.time())))):
        partition = partitions[line.partition]
        partition.waiting.append(line)
        if len(partition.waiting) == BATCH_RECORDS:
            partition.work()
        if count >= warm and not begun:
            begun = True
            for each in partitions:
                each.forget()
    events = sum(partition.events for partition in partitions)
    return {
        name: sum(partition.took[name] for partition in partitions) * (1.0 if name == STATE else 1e6) / events
        for name in (*STAGES, STATE)
    }


class _Partition:
    def __init__(self, number: int) -> None:
        self.engine = PartitionEngine(Config(), number, reads=False)
        self.waiting: list[Line] = []
        self.offset = 0
        self.saved = 0.0
        self.forget()

    def forget(self) -> None:
        """Begin to count."""
        self.took = dict.fromkeys((*STAGES, STATE), 0.0)
        self.events = 0

    def work(self) -> None:
        """Step what waits."""
        clock = [time.process_time()]
        records: list[tuple[int, Record]] = []
        events: list[Event] = []
        for line in self.waiting:
            self.offset += 1
            if is_control(line.value):
                records.append((self.offset, decode_control(line.value)))
                continue
            event = decode(line.value)
            event.observed_time = line.time
            events.append(event)
            records.append((self.offset, event))
        clock.append(time.process_time())
        for event in events:
            self.engine.reader.read(event)
        clock.append(time.process_time())
        for event in events:
            derive.drop_text(event)
        clock.append(time.process_time())
        for finding in self.engine.step(records).findings:
            encode_finding(finding)
        clock.append(time.process_time())
        if self.engine.now - self.saved >= LONGEST_SAVE_SECONDS:
            self.saved = self.engine.now
            self.took[STATE] += sum(len(value or b"") for _, value in self.engine.changes())
            clock.append(time.process_time())
        for stage, before, after in zip(STAGES, clock, clock[1:], strict=False):
            self.took[stage] += after - before
        self.events += len(events)
        self.waiting.clear()
