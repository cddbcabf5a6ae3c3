"""The ceilings: what aiokafka fetches in this process, and what of it can be decoded besides. No detection at all."""

from __future__ import annotations

import asyncio

import aiokafka

from benchmarks.kafka.contestants.meter import arguments, further
from schemas.event import BadEvent, decode


async def main(decoding: bool) -> None:
    """Fetch as the monitor's worker does; with `decoding`, make an event of each record."""
    bootstrap, topic, _, meter = arguments()
    consumer = aiokafka.AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest",
        max_partition_fetch_bytes=4 * 1024 * 1024, enable_auto_commit=False,
    )  # fmt: skip
    await consumer.start()
    meter.set(0)  # from here on: what is fetched ahead must not look as if it took no time
    while True:
        for records in (await consumer.getmany(timeout_ms=1_000)).values():
            if decoding:
                for record in records:
                    try:
                        decode(record.value)
                    except BadEvent:  # a tick
                        continue
            meter.add(len(records))


if __name__ == "__main__":
    asyncio.run(main(further() == ["decode"]))
