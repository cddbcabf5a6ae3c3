"""Two workers of one group beside one alone, each held to a share of a core, over the same topic.

Each worker counts once it has its part of the partitions, over as many events per agent as the one alone; so both do
the same work at the same stage of learning, and neither broker nor producer decides.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import uuid
from dataclasses import dataclass

from benchmarks.kafka import match
from benchmarks.kafka.quota import Quota
from benchmarks.kafka.traffic import Fleet

UNTIL_DONE_SECONDS = 3_600.0
"""How long a worker is measured is said by the number of events here."""


@dataclass(frozen=True)
class Pair:
    """Events per second of wall time, medians over the rounds; `how` the share was held."""

    one: float
    two: float
    how: str


def measure(bootstrap: str, topic: str, fleet: Fleet, warm: int, counted: int, share: float, rounds: int) -> Pair:
    """`warm` events do not count, then `counted` do; of each half the agents half as many."""
    rates: dict[int, list[float]] = {1: [], 2: []}
    how = ""
    for number in range(1, rounds + 1):
        for workers in rates:
            rate, how = _run(bootstrap, topic, fleet, workers, warm, counted, share)
            rates[workers].append(rate)
            print(f"round {number}: {workers} at {share:.0%} of a core: {rate:,.0f} events/s", file=sys.stderr)
    return Pair(statistics.median(rates[1]), statistics.median(rates[2]), how)


def _run(
    bootstrap: str, topic: str, fleet: Fleet, workers: int, warm: int, counted: int, share: float
) -> tuple[float, str]:
    name = f"pair-{uuid.uuid4().hex[:12]}"
    mine = fleet.partitions // workers
    arguments = (str(fleet.partitions), "{}", str(mine))
    contestant = match.Contestant("a worker", "benchmarks.kafka.contestants.ours", warm // workers, arguments=arguments)
    last = (warm + counted) // workers
    running = [match.start(bootstrap, topic, name, contestant, UNTIL_DONE_SECONDS, last) for _ in range(workers)]
    quotas = [Quota(process.pid, share) for process in running]
    try:
        results = [match.read(*process.communicate(timeout=match.PATIENCE_SECONDS)) for process in running]
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"no number after {match.PATIENCE_SECONDS:.0f} s") from None
    finally:
        for process, quota in zip(running, quotas, strict=True):
            process.kill()
            process.wait()
            quota.close()
    return sum(result["events"] / result["seconds"] for result in results), quotas[0].how
