"""Events at a steady rate on the real clock, and probes among them: agents that break their contract once.

    python -m benchmarks.kafka.load BOOTSTRAP TOPIC PARTITIONS RATE PROBES WARM_SECONDS SECONDS

Prints one line of JSON when the run that breaks a probe's contract is sent: `{"probe": 3, "sent": 1800000000.123}`. A
process of its own, so that making events delays nobody's clock.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import aiokafka

from benchmarks.kafka.traffic import Fleet, lines
from monitor.runtime.kafka.events import partition_of

SLICE_SECONDS = 0.02
HEALTHY_SECONDS = 2.0
"""Between two runs of a probe that keep its contract."""


async def main() -> None:
    """Send for `WARM_SECONDS`, then for `SECONDS` in which one probe after the other breaks its contract."""
    bootstrap, topic, *numbers = sys.argv[1:]
    partitions, rate, probes = map(int, numbers[:3])
    warm, seconds = map(float, numbers[3:])
    producer = aiokafka.AIOKafkaProducer(bootstrap_servers=bootstrap, compression_type="lz4", max_batch_size=512 * 1024)
    await producer.start()
    await producer.partitions_for(topic)
    begun = time.time()
    fleet = Fleet(per_second=rate, events=int(rate * (warm + seconds)), partitions=partitions)
    source = (line for line in lines(fleet, begun) if line.key is not None)
    waiting = next(source, None)
    due = [(begun + HEALTHY_SECONDS * number / probes, number, 0) for number in range(probes)]
    breaks = {number: begun + warm + seconds * number / probes for number in range(probes)}
    while (now := time.time()) < begun + warm + seconds:
        batches = {}
        while waiting is not None and waiting.time <= now:
            if waiting.partition not in batches:
                batches[waiting.partition] = producer.create_batch()
            batches[waiting.partition].append(key=waiting.key, value=waiting.value, timestamp=int(now * 1000))
            waiting = next(source, None)
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
