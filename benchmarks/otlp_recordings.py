"""Evaluates recorded OTLP bodies: which runs intake finds in them, which failed, with which tools and tokens.

    python benchmarks/otlp_recordings.py FOLDER [--json] [--expect FILE]

FOLDER holds `NAME.traces|logs.NN.bin`, request bodies as they came over the wire, and `NAME.meta.json` with their
headers. FILE says what is known of the runs, in order of their start: `{"NAME": ["ok", "error", …]}`; child runs are
not in it. Exit code 1 if something differs.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from monitor.intake.assembler import Assembler
from monitor.intake.otlp import decode_logs, decode_traces
from schemas.event import Event

DECODERS: dict[str, Any] = {"traces": decode_traces, "logs": decode_logs}


def main() -> int:
    """Prints a table, or JSON lines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--json", action="store_true", help="one JSON object per run")
    parser.add_argument("--expect", type=Path, help="JSON with the status of each run")
    options = parser.parse_args()
    expected = json.loads(options.expect.read_text()) if options.expect else {}
    wrong = 0
    total = Counter[str]()
    for meta in sorted(options.folder.glob("*.meta.json")):
        name = meta.name.removesuffix(".meta.json")
        runs, counts = evaluate(options.folder, json.loads(meta.read_text()))
        total.update(counts)
        for run in runs:
            sys.stdout.write((json.dumps({"recording": name} | run) if options.json else _line(name, run)) + "\n")
        found = [run["status"] for run in runs if run["parent_run"] is None]
        if name in expected and found != expected[name]:
            wrong += 1
            sys.stderr.write(f"{name}: expected {expected[name]}, found {found}\n")
    sys.stderr.write(", ".join(f"{name} {count}" for name, count in sorted(total.items())) + "\n")
    return 1 if wrong else 0


def evaluate(folder: Path, bodies: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], Counter[str]]:
    """The runs of one recording in the order in which they started, and what was counted."""
    assembler = Assembler()
    counts = Counter[str]()
    started = time.perf_counter()
    for body in bodies:
        decoder = DECODERS.get(body["path"].rpartition("/")[2])
        if decoder is None:
            continue
        raw = (folder / body["file"]).read_bytes()
        headers = {key.lower(): value for key, value in body["headers"].items()}
        decoded = decoder(gzip.decompress(raw) if headers.get("content-encoding") == "gzip" else raw)
        counts["rejected"] += decoded.rejected
        assembler.add(decoded.spans, now=0.0)
    events = assembler.flush()
    counts["milliseconds"] = round(1000 * (time.perf_counter() - started))
    counts.update(assembler.counts)
    by_run: dict[str, list[Event]] = {}
    for event in events:
        by_run.setdefault(str(event.run), []).append(event)
    return sorted((_run(found) for found in by_run.values()), key=lambda run: run["start"]), counts


def _run(events: list[Event]) -> dict[str, Any]:
    finished = next((event for event in events if event.kind == "run_finished"), None)
    tools = Counter[str]()
    for event in events:
        if event.kind == "tool_call":
            failed = event.status == "error" or event.soft_error
            tools[f"{event.tool}{' failed' if failed else ''}"] += 1
    return {
        "start": min(event.at for event in events),
        "run": events[0].run,
        "parent_run": events[0].parent_run,
        "agent": events[0].agent,
        "version": events[0].version,
        "status": finished.status if finished else None,
        "error_type": finished.error_type if finished else None,
        "tools": dict(sorted(tools.items())),
        "llm_calls": sum(event.kind == "llm_call" for event in events),
        "input_tokens": sum(event.input_tokens or 0 for event in events),
        "output_tokens": sum(event.output_tokens or 0 for event in events),
        "kinds": dict(Counter(event.kind for event in events)),
    }


def _line(name: str, run: dict[str, Any]) -> str:
    tools = ", ".join(f"{tool} x{count}" for tool, count in run["tools"].items()) or "no tools"
    child = " (child)" if run["parent_run"] else ""
    status = run["error_type"] if run["status"] == "error" else ""
    return (
        f"{name:28} {run['run'][:8]} {run['agent']}{child} {run['version']}: {run['status']} {status} | {tools} | "
        f"{run['llm_calls']} calls, {run['input_tokens']}+{run['output_tokens']} tokens"
    )


if __name__ == "__main__":
    raise SystemExit(main())
