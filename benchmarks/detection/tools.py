"""A tool that starts to fail: from 0.3 % of its calls to a quarter of them, through the engine as it is by default."""

from __future__ import annotations

import random
from typing import Any

from benchmarks.detection import table
from benchmarks.detection.feed import RUN_SECONDS, START, Feed, began, pages
from schemas.event import Event

BEFORE = 1_000
AFTER = 60
USUAL = 0.003
FAULT = 0.25
CALLS = (1, 2, 3)


def run(rng: random.Random, number: int, calls: int, share: float) -> list[Event]:
    """A run that calls two sound tools and, `calls` times, the one in question; half of its errors are soft."""
    start = START + number * RUN_SECONDS + rng.random()
    common: dict[str, Any] = {"agent": "desk", "version": "v1", "run": f"{number}"}
    events = [Event(kind="run_started", time=start, id=f"{number}.s", **common)]
    names = ["lookup", "write", *["refund"] * calls]
    for i, tool in enumerate(names, start=1):
        bad = rng.random() < (share if tool == "refund" else USUAL)
        soft = bad and rng.random() < 0.5
        call = Event(
            kind="tool_call", time=start + 0.5 * i, id=f"{number}.{i}", tool=tool, duration_seconds=0.2,
            status="error" if bad and not soft else "ok", soft_error=soft, **common,
        )  # fmt: skip
        events.append(call)
    seconds = 0.5 * (len(names) + 1)
    events.append(
        Event(
            kind="run_finished", time=start + seconds, id=f"{number}.f", status="ok", duration_seconds=seconds, **common
        )
    )
    return events


def delay(calls: int, seed: int) -> tuple[int | None, int]:
    """Runs with the fault until the page that names the tool, and what was said before the fault."""
    rng = random.Random(f"{calls} {seed}")
    feed = Feed()
    said = 0
    for number in range(BEFORE):
        said += len(began(feed.take(run(rng, number, calls, USUAL))))
    for number in range(AFTER):
        events = run(rng, BEFORE + number, calls, FAULT)
        findings = feed.take(events) + feed.tick(float(int(events[-1].at) + 1))
        if any(finding.node.get("tool") == "refund" for finding in pages(findings)):
            return number + 1, said
    return None, said


def main(quick: bool) -> None:
    """Print a row per number of calls in a run."""
    seeds = 5 if quick else 100  # failures are few: with twenty, the median is off by two runs
    table.heading(
        "A tool that fails in a quarter of its calls, from 0.3 %",
        f"One agent, ten runs a minute, {BEFORE:,} runs before, default configuration, half of the errors soft; "
        f"{seeds} seeds. Runs until the page that names the tool.",
    )
    table.heads("calls of the tool in a run", "median", "mean", "slowest in ten", "missed in 60", "said before")
    for calls in CALLS:
        found = [delay(calls, seed) for seed in range(seeds)]
        runs = sorted(AFTER + 1 if one is None else one for one, _ in found)
        mean = sum(runs) / seeds
        table.row(
            calls, runs[seeds // 2], f"{mean:.1f}", runs[int(0.9 * seeds)], sum(count > AFTER for count in runs),
            sum(said for _, said in found),
        )  # fmt: skip


if __name__ == "__main__":
    main(quick=True)
