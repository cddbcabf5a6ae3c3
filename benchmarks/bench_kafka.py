"""Forewarn on Kafka beside plain Faust, Bytewax, Quix Streams and the ceilings, in one run on one broker.

    make bench-kafka                     # installs the other contestants, then all sections
    make bench-kafka ARGS="--section match --rounds 5"

A broker is started and stopped here (`FOREWARN_TEST_KAFKA` names another). Numbers of one run are comparable with each
other, not with those of another machine; nothing else should run meanwhile.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.kafka import match
from benchmarks.kafka.contestants.ours import config_of
from benchmarks.kafka.traffic import Fleet, fill
from monitor.evidence import nodes as nodes_module
from monitor.runtime.kafka import topics as layout
from schemas.signals import SIGNALS
from tests.services import kafka_broker


def main() -> None:
    """Run the sections that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", type=int, default=1_000)
    parser.add_argument("--partitions", type=int, default=16)
    parser.add_argument("--per-second", type=int, default=100_000, help="events per second of event time")
    parser.add_argument("--events", type=int, default=2_000_000, help="events in the topic")
    parser.add_argument("--warm", type=int, default=800_000, help="events that ours learns from and that do not count")
    parser.add_argument("--seconds", type=float, default=10.0, help="seconds in which a contestant is measured")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", help="contestants whose title holds this, beside ours")
    options = parser.parse_args()
    fleet = Fleet(options.agents, options.per_second, options.events, options.partitions)
    broker = kafka_broker.start()
    try:
        compiled = "interpreted" if str(nodes_module.__file__).endswith(".py") else "compiled"
        topic = "bench.events"
        layout.create(
            broker.bootstrap,
            [
                spec
                for spec in layout.specification(
                    config_of(broker.bootstrap, topic, "bench", "", options.partitions).runtime
                )
                if spec.name == topic
            ],
        )
        mean, _ = asyncio.run(fill(broker.bootstrap, topic, fleet))
        print(f"{fleet.events:,} events of {mean:.0f} bytes, {fleet.agents:,} agents, {fleet.partitions} partitions")
        print(f"ours: {compiled}, default detectors: {', '.join(signal for signal in SIGNALS)}")
        chosen = match.contestants(fleet, options.warm)
        if options.only:
            chosen = [each for each in chosen if each.title.startswith("forewarn") or options.only in each.title]
        rows = match.play(broker.bootstrap, topic, chosen, options.rounds, options.seconds, fleet.events)
        print(match.table(rows))
        ours = rows[0]
        for name in ("node_updates", "channel_updates", "findings"):
            print(f"ours, {name.replace('_', ' ')}: {ours.median(lambda r, n=name: r[n] / r['seconds']):,.0f} a second")
    finally:
        broker.stop()


if __name__ == "__main__":
    main()
