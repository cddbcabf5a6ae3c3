"""Recorded runs of real agents as events: JSON lines, one a step, fields as the recordings' own notes describe them.

The data stay where they are; the path is an argument. Times inside a run are kept (where the source has no clock, its
steps are a second apart); when a run starts is up to who resamples it.
"""

from __future__ import annotations

import gzip
import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from benchmarks.detection.feed import RUN_SECONDS
from schemas.event import Event, raw

ENDED_BADLY = {"max_steps", "too_many_errors"}
"""How a run ended that the recording itself calls cut off."""

Lines = list[dict[str, Any]]


@dataclass(frozen=True)
class Version:
    """All recorded runs of one version of one agent."""

    agent: str
    version: str
    runs: list[Lines]

    def tasks(self) -> set[str]:
        """What its runs were asked to do, where the recording says so."""
        return {run[0]["task_id"] for run in self.runs if "task_id" in run[0]}

    def tool_mix(self) -> dict[str, float]:
        """Share of each tool in the agent's calls."""
        calls = Counter(line["tool"] for run in self.runs for line in run if is_own_call(line))
        total = sum(calls.values())
        return {tool: count / total for tool, count in calls.items()}


@dataclass(frozen=True)
class Files:
    """What a folder holds: files of whole runs, of requests alone, and of how runs really went."""

    runs: list[Path]
    requests: list[Path]
    labels: list[Path]


def files_of(folder: Path) -> Files:
    """The recordings in a folder, told apart by their first line: a run begins with its start, labels say `success`.

    Raises `ValueError` where there are none.
    """
    found = Files([], [], [])
    for path in sorted(folder.glob("*.jsonl.gz")):
        first = next(lines_of(path), {})
        if "success" in first:
            found.labels.append(path)
        elif "kind" in first:
            (found.runs if first["kind"] == "run_start" else found.requests).append(path)
    if not found.runs and not found.requests:
        raise ValueError(f"no recordings in {folder}: *.jsonl.gz, a line a step, with run_id, agent, kind and ts")
    return found


def lines_of(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a gzipped JSON-lines file."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def versions(paths: Iterable[Path]) -> list[Version]:
    """Recorded runs by agent and version, in the order of the files."""
    runs: dict[str, Lines] = {}
    for path in paths:
        for line in lines_of(path):
            runs.setdefault(line["run_id"], []).append(line)
    found: dict[tuple[str, str], list[Lines]] = defaultdict(list)
    for run in runs.values():
        found[(run[0]["agent"], run[0].get("version", ""))].append(run)
    return [Version(agent, version, seen) for (agent, version), seen in found.items()]


def distance(one: Version, other: Version) -> float:
    """Half of what the shares of the tools differ by: nought for the same mix, one for none in common."""
    a, b = one.tool_mix(), other.tool_mix()
    return sum(abs(a.get(tool, 0.0) - b.get(tool, 0.0)) for tool in {*a, *b}) / 2.0


def events_of(run: Lines, name: str, start: float, version: str | None) -> list[Event]:
    """The events of one recorded run under a new name and start, in order of time."""
    first = min(line["ts"] for line in run)
    common = {"agent": run[0]["agent"], "version": version, "run": name}
    events = []
    output = None
    for i, line in enumerate(run):
        at = start + line["ts"] - first
        kind = line["kind"]
        identity = f"{name}.{i}"
        if kind == "run_start":
            events.append(Event(kind="run_started", time=at, id=identity, **common))
        elif kind == "llm":
            if line.get("text"):
                output = line["text"]
            events.append(_model_call(line, at, identity, common))
        elif kind == "tool":
            events.append(_tool_call(line, at, identity, common))
        elif kind == "run_end":
            cut = line.get("status") in ENDED_BADLY
            last = Event(
                kind="run_finished", time=at, id=identity, status="error" if cut else "ok",
                error_type=line.get("status") if cut else None, duration_seconds=at - start, **common,
            )  # fmt: skip
            if output is not None:
                last.output = raw(output)
            events.append(last)
    events.sort(key=lambda event: (event.at, event.kind == "run_finished"))
    return events


def _model_call(line: dict[str, Any], at: float, identity: str, common: dict[str, Any]) -> Event:
    event = Event(
        kind="llm_call", time=at, id=identity, status="ok" if line.get("ok", True) else "error",
        model=line.get("model"), input_tokens=line.get("tokens_in"), output_tokens=line.get("tokens_out"),
        cost_usd=line.get("cost_usd"), duration_seconds=line.get("latency_s"), **common,
    )  # fmt: skip
    if line.get("text"):
        event.output = raw(line["text"])
    return event


def _tool_call(line: dict[str, Any], at: float, identity: str, common: dict[str, Any]) -> Event:
    event = Event(
        kind="tool_call", time=at, id=identity, status="ok" if line.get("ok", True) else "error", tool=line["tool"],
        actor="user" if line.get("actor") == "user" else "agent", duration_seconds=line.get("latency_s"),
        call_id=line.get("call_id"), **common,
    )  # fmt: skip
    if "args" in line:
        event.arguments = raw(line["args"])
    if "result" in line:
        event.result = raw(line["result"])
    return event


def is_own_call(line: dict[str, Any]) -> bool:
    """Whether it is a tool call of the agent, not of the user."""
    return line["kind"] == "tool" and line.get("actor") != "user"


def resampled(version: Version, count: int, start: float, seed: int, named: bool) -> list[list[Event]]:
    """`count` runs drawn with replacement, ten starting each minute. `named`: whether the version is sent."""
    rng = random.Random(f"{version.agent} {version.version} {seed}")
    sent = version.version if named else None
    return [
        events_of(rng.choice(version.runs), f"{version.version} {seed} {i}", start + i * RUN_SECONDS, sent)
        for i in range(count)
    ]


def merged(runs: list[list[Event]]) -> list[Event]:
    """The events of many runs in order of time; those of one run keep theirs."""
    return sorted((event for run in runs for event in run), key=lambda event: event.at)


def requests(path: Path, agent: str) -> list[Event]:
    """Recorded model requests of one agent, each a run of one call; no duration is known, so it ends as it begins."""
    events = []
    for i, line in enumerate(lines_of(path)):
        if line["agent"] != agent:
            continue
        common = {"agent": agent, "version": line.get("version"), "run": line["run_id"], "time": line["ts"]}
        status: Literal["ok", "error"] = "ok" if line.get("ok", True) else "error"
        events += [
            Event(kind="run_started", id=f"{i}.s", **common),
            Event(
                kind="llm_call", id=f"{i}.m", status=status,
                input_tokens=line.get("tokens_in"), output_tokens=line.get("tokens_out"), **common,
            ),
            Event(kind="run_finished", id=f"{i}.f", status=status, **common),
        ]  # fmt: skip
    events.sort(key=lambda event: event.at)
    return events
