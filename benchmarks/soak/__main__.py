"""A monitor on Kafka under load, with faults: what it counted, found and said must be exact at the end.

    make soak MINUTES=30 SEED=1
    .venv/bin/python -m benchmarks.soak --minutes 2 --seed 1 --workers 2 --rate 1000

A real broker, workers as `forewarn run`, a Slack on loopback. Faults come by a plan drawn from the seed
(`benchmarks.soak.plan`): workers and the router killed, frozen, restarted; the broker killed and restarted; Slack down;
producers' clocks that jump, duplicates, reordering. Prints what held, what did not, and how memory grew. Exit code 1 if
anything did not hold.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from benchmarks.soak import judge, memory
from benchmarks.soak.cluster import Cluster
from benchmarks.soak.fleet import Fleet
from benchmarks.soak.plan import SECONDS, faults
from benchmarks.soak.trouble import Trouble, say

PARTITIONS = 8
SETTLE_SECONDS = 240.0
"""After the last fault and the last event, so long may it take until everything is counted and told."""


async def soak(options: argparse.Namespace, directory: Path) -> int:
    """Run it; the number of complaints."""
    cluster = Cluster(directory, options.workers, PARTITIONS)
    try:
        await cluster.start()
        say(f"broker and {options.workers} workers are up")
        topic = cluster.config.runtime.kafka.topics.events
        fleet = Fleet(cluster.broker.bootstrap, topic, options.seed, options.rate)
        stop = asyncio.Event()
        began = time.monotonic()
        loading = asyncio.create_task(fleet.work(stop))
        plan = faults(options.seed, options.minutes * 60.0, options.only)
        trouble = asyncio.create_task(Trouble(cluster, fleet, options.seed).happen(plan))
        await asyncio.wait({loading, trouble}, timeout=options.minutes * 60.0, return_when=asyncio.FIRST_EXCEPTION)
        await trouble
        stop.set()
        await loading
        loaded = time.monotonic() - began
        say(f"{loaded:6.1f} s  load and faults are over; everything must be counted and told")
        complaints = [*await settle(cluster, fleet)]
        settled = time.monotonic() - began - loaded
        say(f"{loaded + settled:6.1f} s  " + ("; ".join(complaints) or "all is counted and told"))
        again = await asyncio.to_thread(judge.step_again, cluster.config)
        seen = await cluster.agents() or {}
        say(f"{time.monotonic() - began:6.1f} s  the topics were stepped once more")
        checks = {
            "counts exact": judge.counts(fleet.truth, seen, again),
            "findings as in a replay of the topics": judge.findings(cluster.config, again),
            "incidents as in a replay of the topics": judge.incidents(cluster.config, again),
            "one message per incident": judge.messages(*cluster.posts(), again),
        }
        report(cluster, fleet, again, loaded, settled, options)
        for name, found in checks.items():
            wrong = list(found)
            print(f"{'held' if not wrong else 'DID NOT HOLD'}: {name}")
            complaints += wrong
        unasked = [f"{worker.name} ended by itself: {words}" for worker in cluster.workers for words in worker.unasked]
        for words in [*complaints, *unasked]:
            print(f"  {words}")
        return len(complaints)
    finally:
        await cluster.close()


async def settle(cluster: Cluster, fleet: Fleet) -> list[str]:
    """Wait until all is counted and told; what was still open when the time was over."""

    async def counted() -> bool:
        found = await cluster.agents()
        return found is not None and {agent: runs for agent, (runs, _) in found.items()} == dict(fleet.truth.runs)

    async def told() -> bool:
        gauges = await cluster.gauges()
        return all(each and not each["outbox_pending"] for each in gauges)

    async def caught_up() -> bool:
        gauges = await cluster.gauges()
        return all(each and each.get("tick_age_seconds", 0.0) < 5.0 for each in gauges)

    wanted: list[tuple[str, Callable[[], Awaitable[bool]]]] = [
        ("every run is counted", counted), ("every message is told", told), ("ticks are seen everywhere", caught_up),
    ]  # fmt: skip
    open_things = []
    for what, holds in wanted:
        deadline = time.monotonic() + SETTLE_SECONDS
        while not await holds():
            if time.monotonic() > deadline:
                open_things.append(f"within {SETTLE_SECONDS:.0f} s it did not come true that {what}")
                break
            await asyncio.sleep(0.5)
    return open_things


def report(
    cluster: Cluster, fleet: Fleet, again: judge.Again, loaded: float, settled: float, options: argparse.Namespace
) -> None:
    """What was done to it, and what came of it."""
    truth = fleet.truth
    lives = [life for worker in cluster.workers for life in worker.lives]
    top, lines = cluster.posts()
    grown = memory.slope(lives)
    done = ", ".join(f"{count} {kind}" for kind, count in sorted(cluster.faults.items())) or "none"
    print(f"soak: seed {options.seed}, {loaded:.0f} s of load, {options.workers} workers, {PARTITIONS} partitions")
    print(f"faults: {done}")
    print(
        f"written: {truth.events} events of {sum(truth.runs.values())} runs, {truth.repeated} of them twice; "
        f"{again.records['events']} records in the topic; all counted and told {settled:.0f} s after the last"
    )
    print(
        f"found: {len(again.findings)} findings, {len(again.incidents)} incidents, {len(top)} messages with "
        f"{len(lines)} lines below them; longest time without a tick {again.longest_gap:.0f} s"
    )
    slope = "too short to say" if grown is None else f"{grown:+.1f} MiB/h over {memory.measured_seconds(lives):.0f} s"
    print(f"memory: at most {memory.most(lives):.0f} MiB a worker; slope {slope}")


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rate", type=float, default=1000.0, help="events per second")
    parser.add_argument("--only", action="append", choices=list(SECONDS), help="this kind of fault; may be repeated")
    parser.add_argument("--keep", type=Path, help="an empty folder that keeps what the workers said")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # both end it as Ctrl-C does: with all that it started
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # a broker that is away is what we want
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    if options.keep is not None:
        return min(asyncio.run(soak(options, options.keep)), 1)
    with tempfile.TemporaryDirectory(prefix="forewarn-soak-") as directory:
        return min(asyncio.run(soak(options, Path(directory))), 1)


if __name__ == "__main__":
    raise SystemExit(main())
