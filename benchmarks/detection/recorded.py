"""Real runs and real traffic through the engine with its default configuration: swaps of versions, loops, soft errors,
and two hours of production requests. Needs the recordings, which are no part of the project: `--data PATH`.
"""

from __future__ import annotations

import copy
import itertools
import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from benchmarks.detection import recordings, table
from benchmarks.detection.feed import RUN_SECONDS, START, Feed, began, pages
from benchmarks.detection.recordings import Files, Version
from schemas.event import Event
from schemas.finding import Finding

BEFORE = 1_000
AFTER = 100
LEAST_RUNS = 20
DIFFERENT = 0.2
"""Versions are said to have another tool mix from this distance on."""


@dataclass(frozen=True)
class Swap:
    """After how many runs of the second version something was said, and what; and what was said before."""

    said: int | None
    signal: str
    paged: int | None
    before: list[Finding]


@dataclass(frozen=True)
class Normal:
    """A monitor that has seen a version's runs up to the change, those still open then, and what was said."""

    feed: Feed
    open: list[Event]
    said: list[Finding]


CHANGE = START + BEFORE * RUN_SECONDS


def normal(version: Version, named: bool, seed: int) -> Normal:
    """Runs of one version, up to the change."""
    feed = Feed()
    events = recordings.merged(recordings.resampled(version, BEFORE, START, seed, named))
    said = began(feed.take(event for event in events if event.at < CHANGE))
    return Normal(feed, [event for event in events if event.at >= CHANGE], said)


def swap(before: Normal, second: Version, named: bool, seed: int) -> Swap:
    """Go on with runs of another version; counted are those of them that have ended."""
    feed = before.feed.fork()
    runs = recordings.resampled(second, AFTER, CHANGE, seed, named)
    ids = {run[0].run for run in runs}
    said = paged = None
    signal = ""
    seen = 0
    for event in recordings.merged([before.open, *runs]):
        findings = began(feed.take([copy.copy(event)]))
        seen += event.kind == "run_finished" and event.run in ids
        for finding in findings:
            if said is None and (not named or _names(finding, second.version)):
                said, signal = seen, finding.signal
        if paged is None and pages(findings):
            paged = seen
    return Swap(said, signal, paged, before.said)


def _names(finding: Finding, version: str) -> bool:
    return finding.node.get("version") == version or f"version={version}" in finding.affected


def swaps(versions: list[Version], quick: bool) -> None:
    """Every pair of versions of one agent whose tool mixes differ."""
    pairs = [
        (first, second)
        for first, second in itertools.permutations(_often_seen(versions), 2)
        if first.agent == second.agent and recordings.distance(first, second) >= DIFFERENT
    ]
    if quick:
        pairs = pairs[:4]
    table.heading(
        "Two versions with different tool mix, spliced from real runs",
        f"Runs of one agent drawn with replacement, ten starting a minute, {BEFORE:,} of the first version, then "
        f"{AFTER} of the second; default configuration. `Sent`: runs of the second version that had ended when a "
        "finding named it; `not sent`: when anything was said. In brackets the signal; `before`: pages and notices "
        "during the first version.",
    )
    table.heads("agent", "from", "to", "distance", "sent", "not sent", "before")
    counts = []
    known: dict[tuple[str, str, bool], Normal] = {}
    for first, second in pairs:
        found = []
        for sent in (True, False):
            key = (first.agent, first.version, sent)
            if key not in known:
                known[key] = normal(first, sent, 1)
            found.append(swap(known[key], second, sent, 1))
        named, nameless = found
        counts += [AFTER + 1 if one.said is None else one.said for one in (named, nameless)]
        said = [finding for one in (named, nameless) for finding in one.before]
        table.row(
            first.agent, first.version, second.version, f"{recordings.distance(first, second):.2f}",
            _swap(named), _swap(nameless), f"{len(pages(said))} and {len(said) - len(pages(said))}",
        )  # fmt: skip
    if counts:
        within = sum(count <= 20 for count in counts)
        median = sorted(counts)[len(counts) // 2]
        print(f"\n{within} of {len(counts)} within 20 runs; median {median}.", flush=True)


def _often_seen(versions: list[Version]) -> list[Version]:
    return [one for one in versions if len(one.runs) >= LEAST_RUNS]


def _swap(one: Swap) -> str:
    said = "nothing said" if one.said is None else f"{one.said} ({one.signal})"
    return said + ("" if one.paged is None else f", page {one.paged}")


def loops(versions: list[Version]) -> None:
    """Findings of run.loop, version by version; each version is fed alone."""
    table.heading(
        "Loops in recorded runs",
        f"Each version of at least {LEAST_RUNS} runs alone, its runs once, ten a minute, default configuration.",
    )
    table.heads(
        "agent", "version", "runs", "with the same call three times in a row", "`run.loop` findings", "other findings"
    )
    for version in _often_seen(versions):
        feed = Feed()
        runs = [
            recordings.events_of(run, f"run {i}", START + i * RUN_SECONDS, version.version)
            for i, run in enumerate(version.runs)
        ]
        findings = began(feed.take(recordings.merged(runs)))
        found = Counter(finding.signal for finding in findings)
        looping = found.pop("run.loop", 0)
        others = ", ".join(f"{count} {signal}" for signal, count in sorted(found.items())) or "none"
        table.row(version.agent, version.version, len(runs), sum(map(_repeats, runs)), looping, others)


def _repeats(run: list[Event]) -> bool:
    """Whether the agent made the same call three times in a row."""
    own = [event for event in run if event.kind == "tool_call" and event.actor == "agent"]
    calls = [(event.tool, event.arguments_hash) for event in own]
    return any(len(set(calls[i : i + 3])) == 1 for i in range(len(calls) - 2))


def soft_errors(versions: list[Version]) -> None:
    """Failed calls of tools as the engine counts them, beside what the recordings say: errors, and answers that are."""
    table.heading(
        "Soft errors in recorded runs",
        "Each agent alone, its runs one after another; calls that the agent made. `Soft`: ended with status ok and an "
        "error for an answer, by the recording's own mark. `Counted`: by the engine, as failures of their tool.",
    )
    table.heads("agent", "runs", "failed calls", "of them soft", "counted")
    for agent in dict.fromkeys(version.agent for version in versions):
        runs = [(one.version, run) for one in versions if one.agent == agent for run in one.runs]
        feed = Feed()
        start = START
        recorded = soft = 0
        for i, (version, run) in enumerate(runs):
            events = recordings.events_of(run, f"{agent} {i}", start, version)
            start = math.ceil(max(event.at for event in events)) + RUN_SECONDS
            feed.take(events)
            own = [line for line in run if recordings.is_own_call(line)]
            soft += sum(bool(line.get("soft_error")) for line in own)
            recorded += sum(bool(line.get("soft_error")) or line.get("ok") is False for line in own)
        feed.tick(start + 60.0)
        counted = sum(sum(view.failed_tools.values()) for view in feed.closed)
        if recorded or counted:
            table.row(agent, len(runs), recorded, soft, counted)


def traffic(paths: list[Path]) -> None:
    """An owner's worth of default detectors on production requests."""
    table.heading(
        "Real traffic",
        "Each request a run of one call with its tokens; one owner, default configuration, budget one page a week and "
        "one notice a day. No clock of durations, no text. Streams that call themselves synthetic are left out.",
    )
    table.heads("stream", "requests", "hours", "pages", "notices", "granted pages", "signals")
    for path in paths:
        for agent in sorted({line["agent"] for line in recordings.lines_of(path)}):
            if agent.endswith("synthetic"):
                continue
            events = recordings.requests(path, agent)
            feed = Feed()
            findings = began(feed.take(events))
            findings += began(feed.tick(math.ceil(events[-1].at) + 1.0))
            paged = len(pages(findings))
            granted = sum(view.granted for view in feed.engine.aggregator.budgets())
            table.row(
                agent, f"{len(events) // 3:,}",
                f"{(events[-1].at - events[0].at) / 3600.0:.1f}", paged, len(findings) - paged, f"{granted:.4f}",
                ", ".join(f"{count} {signal}" for signal, count in Counter(one.signal for one in findings).items()),
            )  # fmt: skip


def main(files: Files | None, quick: bool) -> None:
    """Print the tables that need recordings, or say that they are left out."""
    if files is None:
        print("\nLeft out without --data: versions spliced from real runs, loops, soft errors, real traffic.")
        return
    if files.runs:
        versions = recordings.versions(files.runs)
        swaps(versions, quick)
        loops(versions)
        soft_errors(versions)
    if files.requests:
        traffic(files.requests)
