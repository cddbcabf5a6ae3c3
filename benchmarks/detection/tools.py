"""Tools that change, through the engine as it is by default: one that starts to fail, from 0.3 % of its calls to a
quarter of them, and one whose results are in another unit, by another name or one for several, fields the same."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from benchmarks.detection import table
from benchmarks.detection.feed import RUN_SECONDS, START, Feed, began, pages
from schemas.event import Event, raw

BEFORE = 1_000
AFTER = 60
CHANGED = 120
"""Runs with another result at most."""
USUAL = 0.003
FAULT = 0.25
CALLS = (1, 2, 3)

Result = dict[str, Any]
Change = Callable[[Result], Result]


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


def result(rng: random.Random) -> Result:
    """What a tool gives that looks up an order: prices with a heavy tail, a closed list, lists of varied length."""
    price = round(rng.lognormvariate(3.0, 1.0), 2)
    lines = [{"sku": f"S-{rng.randrange(99)}", "price": price} for _ in range(rng.randrange(2, 6))]
    return {
        "id": f"A-{rng.randrange(9_999)}", "total": round(rng.lognormvariate(3.5, 0.9), 2),
        "sure": round(rng.betavariate(6.0, 2.0), 3), "metres": round(rng.lognormvariate(7.0, 0.6), 1),
        "outside": round(rng.gauss(15.0, 7.0), 1), "state": rng.choice(("open", "shipped", "shipped", "done")),
        "hits": [{"n": rng.randrange(99)} for _ in range(rng.randrange(2, 9))], "of": {"lines": lines},
    }  # fmt: skip


def _state(one: Result, usual: str, new: str) -> Result:
    return one | {"state": new if one["state"] == usual else one["state"]}


FAMILIES: tuple[tuple[str, Change], ...] = (
    ("cents in place of dollars", lambda one: one | {"total": round(100.0 * one["total"] + 0.1, 1)}),
    ("a percentage in place of a part", lambda one: one | {"sure": round(100.0 * one["sure"], 1)}),
    ("kilometres in place of metres", lambda one: one | {"metres": one["metres"] / 1_000.0}),
    ("Fahrenheit in place of Celsius", lambda one: one | {"outside": round(1.8 * one["outside"] + 32.0, 1)}),
    ("`in_transit` in place of `shipped`", lambda one: _state(one, "shipped", "in_transit")),
    ("`complete` in place of `done`, a quarter of the words", lambda one: _state(one, "done", "complete")),
    ("one result in place of several", lambda one: one | {"hits": one["hits"][:1]}),
    ("none in place of several, further in", lambda one: one | {"of": {"lines": []}}),
    ("prices as text, further in", lambda one: one | {
        "of": {"lines": [line | {"price": str(line["price"])} for line in one["of"]["lines"]]}}),
)  # fmt: skip


def lookup(rng: random.Random, number: int, change: Change | None) -> list[Event]:
    """A run that calls a tool once or twice."""
    start = START + number * RUN_SECONDS
    common: dict[str, Any] = {"agent": "desk", "version": "v1", "run": f"{number}"}
    events = [Event(kind="run_started", time=start, id=f"{number}.s", **common)]
    for i in range(rng.choice((1, 1, 2))):
        given = result(rng)
        call = Event(
            kind="tool_call", time=start + 1.0 + i, id=f"{number}.{i}", tool="lookup", duration_seconds=0.2,
            status="ok", arguments=raw({"id": rng.random()}), result=raw(change(given) if change else given), **common,
        )  # fmt: skip
        events.append(call)
    finished = Event(
        kind="run_finished", time=start + 4.0, id=f"{number}.f", status="ok", duration_seconds=4.0, **common
    )
    return [*events, finished]


def changed(seed: int) -> tuple[list[int | None], int]:
    """For each of `FAMILIES`, the runs with the change until the page; and what was said before it."""
    rng = random.Random(f"changed {seed}")
    feed = Feed()
    said = 0
    for number in range(BEFORE):
        said += len(began(feed.take(lookup(rng, number, None))))
    found: list[int | None] = []
    for _, change in FAMILIES:
        fork, until = feed.fork(), None
        for number in range(CHANGED):
            events = lookup(rng, BEFORE + number, change)
            findings = fork.take(events) + fork.tick(float(int(events[-1].at) + 1))
            if any(one.signal == "tool.schema" and one.node.get("tool") == "lookup" for one in pages(findings)):
                until = number + 1
                break
        found.append(until)
    return found, said


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
    seeds = 3 if quick else 30
    table.heading(
        "A tool whose results are as they were, in another unit, by another name or one for several",
        f"One agent, ten runs a minute, {BEFORE:,} runs before, default configuration; {seeds} seeds. Runs until the "
        "page that names the tool.",
    )
    table.heads("change", "median", "slowest in ten", f"missed in {CHANGED}", "said before")
    each = [changed(seed) for seed in range(seeds)]
    before = sum(said for _, said in each)
    for number, (name, _) in enumerate(FAMILIES):
        runs = sorted(CHANGED + 1 if one is None else one for one in (until[number] for until, _ in each))
        table.row(name, runs[seeds // 2], runs[int(0.9 * seeds)], sum(count > CHANGED for count in runs), before)


if __name__ == "__main__":
    main(quick=True)
