"""Side by side in one run on one broker: the contestants one after the other over one topic, round by round.

Each is a process of its own that measures itself (`contestants.meter`); the numbers of a contestant are the median of
its rounds. Ratios are what counts: absolute numbers are this machine's.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kafka import KafkaAdminClient

from benchmarks.kafka.traffic import Fleet

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENTS = ROOT / ".cache" / "contestants"
PATIENCE_SECONDS = 600.0
"""A contestant that has no number by then has none."""

Result = dict[str, float]


@dataclass(frozen=True)
class Contestant:
    """One row of the table. `environment`: the name of its lock in `requirements/`; empty: the project's own."""

    title: str
    module: str
    warm: int
    environment: str = ""
    arguments: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    """Topics that it wants to be there, after its own name."""
    whole: bool = False
    """Measured over the whole topic, however long it takes: so fast that what was fetched ahead would decide."""

    @property
    def python(self) -> Path:
        """Its interpreter, which may not be there."""
        return ENVIRONMENTS / self.environment / "bin" / "python" if self.environment else Path(sys.executable)


@dataclass
class Row:
    """The rounds of one contestant."""

    contestant: Contestant
    results: list[Result] = field(default_factory=list)
    problem: str = ""

    def median(self, of: Callable[[Result], float]) -> float:
        """The median over the rounds; nan without any."""
        return statistics.median(map(of, self.results)) if self.results else float("nan")

    @property
    def per_second(self) -> float:
        """Events per second of wall time."""
        return self.median(lambda result: result["events"] / result["seconds"])

    @property
    def per_cpu_second(self) -> float:
        """Events per second of CPU time."""
        return self.median(lambda result: result["events"] / result["cpu_seconds"])


def contestants(fleet: Fleet, warm: int) -> list[Contestant]:
    """All of them; `warm` events teach ours what is normal."""
    module = "benchmarks.kafka.contestants."
    partitions = str(fleet.partitions)
    return [
        Contestant("forewarn, one worker", f"{module}ours", warm, arguments=(partitions,)),
        Contestant("Faust + pydantic + river", f"{module}plain_faust", 5_000, topics=("findings",)),
        Contestant(
            "the same without a table", f"{module}plain_faust", 5_000, arguments=("memory",), topics=("findings",)
        ),
        Contestant("Bytewax + msgspec + river", f"{module}bytewax_flow", 50_000, "bytewax", topics=("findings",)),
        Contestant(
            "Bytewax, its state saved each second",
            f"{module}bytewax_flow",
            50_000,
            "bytewax",
            arguments=("recovery",),
            topics=("findings",),
        ),
        Contestant("Quix Streams + river", f"{module}quix_stream", 20_000, "quix", topics=("findings",)),
        Contestant("ceiling: fetch and decode", f"{module}ceiling", 0, arguments=("decode",), whole=True),
        Contestant("ceiling: fetch", f"{module}ceiling", 0, arguments=("fetch",), whole=True),
    ]


def play(bootstrap: str, topic: str, chosen: Sequence[Contestant], rounds: int, seconds: float, last: int) -> list[Row]:
    """All rounds; says on standard error what is being done."""
    rows = [Row(contestant) for contestant in chosen]
    for number in range(1, rounds + 1):
        for row in rows:
            if row.problem:
                continue
            try:
                row.results.append(measure(bootstrap, topic, row.contestant, seconds, last))
            except RuntimeError as error:
                row.problem = str(error)
                print(f"{row.contestant.title}: {error}", file=sys.stderr)
                continue
            rate = row.results[-1]["events"] / row.results[-1]["seconds"]
            print(f"round {number}: {row.contestant.title}: {rate:,.0f} events/s", file=sys.stderr)
    return rows


def measure(bootstrap: str, topic: str, contestant: Contestant, seconds: float, last: int) -> Result:
    """One round of one contestant. Raises `RuntimeError` where it has no number."""
    name = f"bench-{uuid.uuid4().hex[:12]}"
    process = start(bootstrap, topic, name, contestant, PATIENCE_SECONDS if contestant.whole else seconds, last)
    try:
        out, errors = process.communicate(timeout=PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"no number after {PATIENCE_SECONDS:.0f} s") from None
    finally:
        process.kill()
        process.wait()
    return read(out, errors)


def start(
    bootstrap: str, topic: str, name: str, contestant: Contestant, seconds: float, last: int, prefix: Sequence[str] = ()
) -> subprocess.Popen[str]:
    """The contestant's process. Raises `RuntimeError` where it is not installed."""
    if not contestant.python.exists():
        raise RuntimeError(f"not installed: run `make bench-kafka`, which fills {ENVIRONMENTS.name}/")
    make_topics(bootstrap, [f"{name}.{topic}" for topic in contestant.topics])
    command = [*prefix, str(contestant.python), "-m", contestant.module, bootstrap, topic, name]
    command += [str(contestant.warm), str(seconds), str(last), *contestant.arguments]
    variables = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'sdk' / 'src'}"}
    return subprocess.Popen(command, cwd=ROOT, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def read(out: str, errors: str) -> Result:
    """What a contestant printed last. Raises `RuntimeError` with what it complained of."""
    for line in reversed(out.splitlines()):
        if line.startswith("{"):
            found: Result = json.loads(line)
            return found
    raise RuntimeError("it ended without a number: " + " | ".join(errors.splitlines()[-3:])[-400:])


def make_topics(bootstrap: str, names: Sequence[str]) -> None:
    """Topics of one partition."""
    if not names:
        return
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        admin.create_topics({name: {"num_partitions": 1, "replication_factor": 1} for name in names})
    finally:
        admin.close()


def table(rows: Sequence[Row]) -> str:
    """Markdown, as README shows it: the first row is ours."""
    ours = rows[0]
    lines = [
        "| | events/s | events per CPU second | ours, times this (wall, CPU) |",
        "| --- | ---: | ---: | ---: |",
    ]
    for row in rows:
        if row.problem:
            lines.append(f"| {row.contestant.title} | {row.problem} | | |")
            continue
        ratio = (
            ""
            if row is ours
            else f"{ours.per_second / row.per_second:.1f}, {ours.per_cpu_second / row.per_cpu_second:.1f}"
        )
        lines.append(f"| {row.contestant.title} | {row.per_second:,.0f} | {row.per_cpu_second:,.0f} | {ratio} |")
    return "\n".join(lines)
