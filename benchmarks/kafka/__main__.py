"""Forewarn on Kafka beside plain Faust, Bytewax, Quix Streams and the ceilings, in one run on one broker.

    make bench-kafka                                        # installs the other contestants, then all sections
    make bench-kafka ARGS="--section match --rounds 5"
    make bench-kafka ARGS="--section latency --rates 1000 20000"

A broker is started and stopped here (`FOREWARN_TEST_KAFKA` names another). Numbers of one run are comparable with each
other, not with those of another machine; nothing else should run meanwhile. Beside events per second of wall time stand
events per second of CPU time, which a busy machine spoils less.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Callable

from benchmarks.kafka import latency, match, pair, recovery, stages
from benchmarks.kafka.contestants.ours import config_of
from benchmarks.kafka.traffic import Fleet, fill
from monitor.evidence import nodes as nodes_module
from monitor.runtime.kafka import topics as layout
from monitor.saved.collecting import collect_rarely
from schemas.signals import SIGNALS
from tests.services import kafka_broker

TOPIC = "bench.events"
UPDATES = ("node_updates", "channel_updates", "findings")


def run_match(options: argparse.Namespace, bootstrap: str) -> None:
    """All contestants over one topic."""
    fleet = _filled(options, bootstrap)
    chosen = match.contestants(fleet, options.warm)
    if options.only:
        chosen = [chosen[0], *(each for each in chosen[1:] if options.only in each.title)]
    rows = match.play(bootstrap, TOPIC, chosen, options.rounds, options.seconds, fleet.events)
    print(match.table(rows))
    for name in UPDATES:
        rate = rows[0].median(lambda result, name=name: result[name] / result["seconds"])  # type: ignore[misc]
        print(f"forewarn, {name.replace('_', ' ')}: {rate:,.0f} a second")


def run_stages(options: argparse.Namespace, _: str) -> None:
    """Where the time goes."""
    collect_rarely()
    found = stages.measure(_fleet(options), options.warm)
    for stage in stages.STAGES:
        print(f"{found[stage]:6.2f} µs an event: {stage}")
    print(f"{sum(found[stage] for stage in stages.STAGES):6.2f} µs in all; {found[stages.STATE]:.0f} {stages.STATE}")


def run_pair(options: argparse.Namespace, bootstrap: str) -> None:
    """Two workers beside one."""
    fleet = _filled(options, bootstrap)
    found = pair.measure(bootstrap, TOPIC, fleet, options.pair_warm, options.pair_events, options.share, options.rounds)
    print(
        f"two workers {found.two:,.0f} events/s, one {found.one:,.0f}: {found.two / found.one:.2f} times, "
        f"each held to {options.share:.0%} of a core ({found.how})"
    )


def run_latency(options: argparse.Namespace, bootstrap: str) -> None:
    """From an event to Slack."""
    for rate in options.rates:
        found = asyncio.run(
            latency.measure(
                bootstrap, options.partitions, rate, options.probes, options.learn_seconds, options.latency_workers
            )
        )
        print(latency.line_of(rate, found, options.probes))


def run_recovery(options: argparse.Namespace, bootstrap: str) -> None:
    """A worker that starts again, and one that takes over."""
    fleet = Fleet(options.recovery_agents, options.per_second, options.recovery_events, options.partitions)
    found = asyncio.run(recovery.measure(bootstrap, fleet))
    print(
        f"{found.agents:,} agents after {found.events:,} events: ready {found.recovery:.1f} s after the start; "
        f"taken over {found.takeover:.1f} s after kill -9"
    )


SECTIONS: dict[str, Callable[[argparse.Namespace, str], None]] = {
    "match": run_match,
    "stages": run_stages,
    "pair": run_pair,
    "latency": run_latency,
    "recovery": run_recovery,
}


def main() -> None:
    """Run the sections that were asked for."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.kafka", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--section", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--agents", type=int, default=1_000)
    parser.add_argument("--partitions", type=int, default=16)
    parser.add_argument("--per-second", type=int, default=100_000, help="events per second of event time")
    parser.add_argument("--events", type=int, default=2_000_000, help="events in the topic")
    parser.add_argument("--warm", type=int, default=800_000, help="events that ours learns from and that do not count")
    parser.add_argument("--seconds", type=float, default=10.0, help="seconds in which a contestant is measured")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", help="beside ours, the contestants whose title holds this")
    parser.add_argument("--share", type=float, default=0.4, help="of a core, for each worker of the pair")
    parser.add_argument("--pair-warm", type=int, default=200_000)
    parser.add_argument("--pair-events", type=int, default=400_000)
    parser.add_argument("--rates", type=int, nargs="+", default=[1_000, 20_000], help="events/s, for latency")
    parser.add_argument("--latency-workers", type=int, default=1, help="that share the load")
    parser.add_argument("--probes", type=int, default=100, help="pages that are waited for, for latency")
    parser.add_argument(
        "--learn-seconds", type=float, default=90.0, help="of load before the first of them, in which agents are new"
    )
    parser.add_argument("--recovery-agents", type=int, default=10_000)
    parser.add_argument("--recovery-events", type=int, default=1_600_000)
    options = parser.parse_args()
    compiled = "interpreted" if str(nodes_module.__file__).endswith(".py") else "compiled"
    print(f"forewarn {compiled}, default detectors: {', '.join(SIGNALS)}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does: with its broker
    try:
        broker = kafka_broker.start() if set(options.section) - {"stages"} else None
    except kafka_broker.BrokerUnavailableError as error:
        sys.exit(str(error))
    try:
        for section in options.section:
            print(f"-- {section}", flush=True)
            SECTIONS[section](options, broker.bootstrap if broker is not None else "")
    finally:
        if broker is not None:
            broker.stop()


def _fleet(options: argparse.Namespace) -> Fleet:
    return Fleet(options.agents, options.per_second, options.events, options.partitions)


def _filled(options: argparse.Namespace, bootstrap: str) -> Fleet:
    """The fleet, and the topic written, once for all sections."""
    fleet = _fleet(options)
    runtime = config_of(bootstrap, TOPIC, "bench", "", fleet.partitions).runtime
    made = layout.create(runtime.kafka, [spec for spec in layout.specification(runtime) if spec.name == TOPIC])
    if made:
        mean, _ = asyncio.run(fill(bootstrap, TOPIC, fleet))
        print(
            f"{fleet.events:,} events of {mean:.0f} bytes on average, {fleet.agents:,} agents, "
            f"{fleet.partitions} partitions, {fleet.per_second:,} a second of event time"
        )
    return fleet


if __name__ == "__main__":
    main()
