"""A change of the output's shape alone: status, tokens, steps and durations go on as before, the version too.

One agent, default configuration, ten runs a minute: 3,000 healthy runs, which should page nobody, then the change in
every run. Counted: changed runs that had finished when the page came.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from benchmarks.detection import outputs, table
from benchmarks.detection.feed import RUN_SECONDS, START, Feed, began, pages
from benchmarks.detection.outputs import Change
from schemas.event import Event, raw

HEALTHY = 3_000
CHANGED = 60
"""Changed runs; a kind that has not paged by then is said to have missed."""


@dataclass
class Found:
    """Of one kind of change over the seeds: runs until the page, and until any word; None where none came."""

    paged: list[int | None] = field(default_factory=list)
    said: list[int | None] = field(default_factory=list)
    signals: set[str] = field(default_factory=set)


def runs(make: Callable[..., str], change: Change | None, first: int, count: int, seed: int) -> Iterator[list[Event]]:
    """Runs of one agent, one after the other, that differ in nothing but what they answer."""
    for i in range(first, first + count):
        rng = random.Random(f"{seed} {i}")
        start = START + i * RUN_SECONDS + rng.random() * 2.0
        seconds = rng.lognormvariate(0.3, 0.3)
        tokens_in, tokens_out = int(rng.lognormvariate(6.5, 0.4)), int(rng.lognormvariate(4.5, 0.3))
        about = outputs.record(rng)
        text = make(about, rng)
        if change is not None:
            text = change(text, about, rng)
        common: dict[str, Any] = {"agent": "desk", "version": "v1", "run": f"{seed}.{i}"}
        yield [
            Event(kind="run_started", time=start, id=f"{seed}.{i}.s", **common),
            Event(
                kind="llm_call", time=start + 0.9 * seconds, id=f"{seed}.{i}.m", model="large", status="ok",
                input_tokens=tokens_in, output_tokens=tokens_out, duration_seconds=0.8 * seconds, **common,
            ),
            Event(
                kind="run_finished", time=start + seconds, id=f"{seed}.{i}.f", status="ok", output=raw(text),
                duration_seconds=seconds, **common,
            ),
        ]  # fmt: skip


def after(feed: Feed, make: Callable[..., str], change: Change, seed: int, found: Found) -> None:
    """Feed changed runs until the page."""
    paged = said = None
    for i, run in enumerate(runs(make, change, HEALTHY, CHANGED, seed), start=1):
        findings = feed.take(run)
        findings += feed.tick(float(int(run[-1].at) + 1))
        if said is None and began(findings):
            said = i
        found.signals |= {finding.signal for finding in began(findings)}
        if pages(findings):
            paged = i
            break
    found.paged.append(paged)
    found.said.append(said)


def measure(seeds: int) -> tuple[dict[tuple[str, str], Found], list[str]]:
    """Every family and kind; and what was said in the healthy parts."""
    found: dict[tuple[str, str], Found] = {}
    healthy = []
    for family, (make, changes) in outputs.FAMILIES.items():
        for seed in range(seeds):
            feed = Feed()
            for run in runs(make, None, 0, HEALTHY, seed):
                healthy += [f"{one.mode} {one.signal} ({family})" for one in began(feed.take(run))]
            for kind, change in changes.items():
                after(feed.fork(), make, change, seed, found.setdefault((family, kind), Found()))
    return found, healthy


def main(quick: bool) -> None:
    """Print a row per kind of change."""
    seeds = 1 if quick else 4
    table.heading(
        "Output shape",
        f"One agent, ten runs a minute, default configuration; {HEALTHY:,} healthy runs, then the change in every run "
        f"(at most {CHANGED}); {seeds} seed{'s' if seeds > 1 else ''} of each family. Cells: runs until the page, "
        "median and slowest; in brackets until any word, where that came earlier.",
    )
    found, healthy = measure(seeds)
    families = list(outputs.FAMILIES)
    table.heads("change", *[f"{family} answers" for family in families])
    slow = 0
    for kind in dict.fromkeys(kind for _, kind in found):
        cells = []
        for family in families:
            one = found.get((family, kind))
            cells.append("" if one is None else cell(one))
            slow += one is not None and any(runs is None or runs > 25 for runs in one.paged)
        table.row(kind, *cells)
    print(f"\nHealthy runs: {HEALTHY * seeds * len(families):,}, said: {', '.join(healthy) or 'nothing'}.")
    print(f"Cells with a seed that took more than 25 runs: {slow} of {len(found)}.", flush=True)


def cell(one: Found) -> str:
    """Median and slowest run of the page; runs until any word if that came earlier."""
    ranked = sorted(CHANGED + 1 if runs is None else runs for runs in one.paged)
    median, slowest = ranked[len(ranked) // 2], ranked[-1]
    text = "missed" if median > CHANGED else f"{median}"
    if slowest != median:
        text += f", {'missed' if slowest > CHANGED else slowest}"
    said = [runs for runs in one.said if runs is not None]
    if said and sorted(said)[len(said) // 2] < median:
        text += f" ({sorted(said)[len(said) // 2]})"
    return text


if __name__ == "__main__":
    main(quick=True)
