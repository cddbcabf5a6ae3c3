"""Events at a steady rate on the real clock, and probes among them: agents that break their contract once.

    python -m benchmarks.kafka.load BOOTSTRAP TOPIC PARTITIONS RATE PROBES WARM_SECONDS SECONDS

Prints one line of JSON when the run that breaks a probe's contract is sent: `{"probe": 3, "sent": 1800000000.123}`. A
process of its own, so that making events delays nobody's clock; they are made before the first is sent, and only
stamped then, so that on a small machine the load takes little from who bears it.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import NamedTuple

import aiokafka

from benchmarks.kafka.traffic import Fleet, lines
from monitor.runtime.kafka.events import partition_of

SLICE_SECONDS = 0.02
HEALTHY_SECONDS = 2.0
"""Between two runs of a probe that keep its contract."""
_TIME = b'"time":'


class Made(NamedTuple):
    """An event without its time: when it is due, in seconds from the beginning, and what stands around the time."""

    due: float
    partition: int
    key: bytes | None
    head: bytes
    tail: bytes

    def at(self, now: float) -> bytes:
        """The event as it is sent."""
        return b"%b%.6f%b" % (self.head, now, self.tail)


def made(fleet: Fleet) -> list[Made]:
    """The events of a fleet, in order."""
    found = []
    for line in lines(fleet, 0.0):
        if line.key is not None:
            head, _, rest = line.value.partition(_TIME)
            found.append(Made(line.time, line.partition, line.key, head + _TIME, rest[rest.index(b",") :]))
    return found


async def main() -> None:
    """Send for `WARM_SECONDS`, then for `SECONDS` in which one probe after the other breaks its contract."""
    bootstrap, topic, *numbers = sys.argv[1:]
    partitions, rate, probes = map(int, numbers[:3])
    warm, seconds = map(float, numbers[3:])
    producer = aiokafka.AIOKafkaProducer(bootstrap_servers=bootstrap, compression_type="zstd", max_batch_size=2**19)
    await producer.start()
    await producer.partitions_for(topic)
    events = made(Fleet(per_second=rate, events=int(rate * (warm + seconds)), partitions=partitions))
    begun, sent = time.time(), 0
    due = [(begun + HEALTHY_SECONDS * number / probes, number, 0) for number in range(probes)]
    breaks = {number: begun + warm + seconds * number / probes for number in range(probes)}
    while (now := time.time()) < begun + warm + seconds or breaks:  # the last is due in the last 20 ms
        batches = {}
        while sent < len(events) and (event := events[sent]).due <= now - begun:
            if event.partition not in batches:
                batches[event.partition] = producer.create_batch()
            value = event.at(begun + event.due)
            batches[event.partition].append(key=event.key, value=value, timestamp=int(now * 1000))
            sent += 1
        for partition, batch in batches.items():
            await producer.send_batch(batch, topic, partition=partition)
        for place, (at, number, run) in enumerate(due):
            if at > now:
                continue
            broken = at >= breaks.get(number, at + 1.0)
            if broken:
                del breaks[number]
            await _probe(producer, topic, partitions, number, run, broken)
            due[place] = (at + HEALTHY_SECONDS, number, run + 1)
        await asyncio.sleep(max(0.0, SLICE_SECONDS - (time.time() - now)))
    await producer.stop()
    late = warm + seconds - events[min(sent, len(events) - 1)].due
    if late > 1.0:
        sys.exit(f"the load was {late:.0f} s late at the end: {rate:,} events a second are too many for this machine")


async def _probe(
    producer: aiokafka.AIOKafkaProducer, topic: str, partitions: int, number: int, run: int, broken: bool
) -> None:
    agent = f"probe-{number}"
    for kind, more in (
        ("run_started", {}),
        ("run_finished", {"status": "ok", "outcome": "lost" if broken else "resolved"}),
    ):
        sent = time.time()
        event = {"kind": kind, "time": sent, "agent": agent, "version": "v1", "run": f"{agent}-{run}"} | more
        event["id"] = f"{agent}-{run}-{kind}"
        if broken and kind == "run_finished":
            sys.stdout.write(json.dumps({"probe": number, "sent": sent}) + "\n")
            sys.stdout.flush()
        await producer.send(
            topic, json.dumps(event).encode(), key=agent.encode(), partition=partition_of(agent, partitions)
        )


if __name__ == "__main__":
    asyncio.run(main())
