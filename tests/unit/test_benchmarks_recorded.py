"""The benchmark of recorded runs reads any folder in the format of the recordings; here, small ones made up."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from benchmarks import bench_rollouts
from benchmarks.detection import recorded, recordings
from benchmarks.detection.feed import START

Line = dict[str, Any]


def written(path: Path, lines: Iterable[Line]) -> None:
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)


def run(agent: str, version: str, number: int, calls: list[Line]) -> list[Line]:
    """A run: it begins, calls tools, says something, and ends."""
    steps: list[Line] = [{"kind": "run_start", "model": "m"}]
    steps += [{"kind": "tool", "ok": True, **call} for call in calls]
    steps.append({"kind": "llm", "model": "m", "text": f"Order {number} is on its way.", "tokens_in": 90, "ok": True})
    steps.append({"kind": "run_end", "status": "done"})
    common = {"agent": agent, "version": version, "run_id": f"{agent} {version} {number}"}
    return [{**common, "ts": START + 1_000.0 * number + i, **step} for i, step in enumerate(steps)]


def call(tool: str, order: int, **more: Any) -> Line:
    return {"tool": tool, "args": {"order": order}, "result": {"order": order, "state": "open"}, **more}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two versions of a shop's agent, of which the second uses other tools and loops; one with errors for answers; and
    lone requests. Labels and notes lie beside them."""
    lines: list[Line] = []
    for number in range(20):
        lines += run("shop", "v1", number, [call("look", number), call("look", number + 500), call("price", number)])
        stuck = [call("write", number)] * 6 if number % 4 == 0 else [call("write", number)]
        user = [call("reboot", 1, actor="user")] * 9
        lines += run("shop", "v2", number, [call("price", number), *stuck, *user])
    soft = call("book", 1, result={"error": "no seat left"}, soft_error=True)
    hard = call("book", 1, ok=False, result="timeout", error="timeout")
    theirs = call("pay", 1, actor="user", result={"error": "declined"}, soft_error=True)
    for number in range(5):
        lines += run("travel", "v1", number, [call("find", number), soft, hard, theirs])
    written(tmp_path / "runs.jsonl.gz", lines)
    written(tmp_path / "runs.labels.jsonl.gz", [{"run_id": "shop v1 0", "success": True}])
    rng = random.Random(3)
    at = START
    requests = []
    for number in range(400):
        at += rng.expovariate(0.5)
        requests.append(
            {"ts": at, "run_id": f"r{number}", "agent": "proxy", "kind": "llm", "tokens_in": 100, "ok": True}
        )
    written(tmp_path / "requests.jsonl.gz", requests)
    (tmp_path / "README.md").write_text("notes")
    return tmp_path


def cells(printed: str, *heads: str) -> list[str]:
    """The other cells of the row that begins with these."""
    rows = [line.strip("| \n").split(" | ") for line in printed.splitlines() if line.startswith("| ")]
    found = [row for row in rows if tuple(row[: len(heads)]) == heads]
    assert found, (heads, rows)
    return found[-1][len(heads) :]


def test_files_are_told_apart_by_what_they_hold(folder: Path) -> None:
    files = recordings.files_of(folder)
    assert [path.name for path in files.runs] == ["runs.jsonl.gz"]
    assert [path.name for path in files.requests] == ["requests.jsonl.gz"]


def test_a_folder_without_recordings_is_said_to_be_one(tmp_path: Path) -> None:
    written(tmp_path / "runs.labels.jsonl.gz", [{"run_id": "shop v1 0", "success": True}])
    with pytest.raises(ValueError, match="no recordings in"):
        recordings.files_of(tmp_path)


def test_loops_are_those_of_the_agent_not_of_the_user(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recorded.loops(recordings.versions(recordings.files_of(folder).runs))
    printed = capsys.readouterr().out
    assert cells(printed, "shop", "v1")[:3] == ["20", "0", "0"]
    runs, looping, findings, _ = cells(printed, "shop", "v2")
    assert (runs, looping) == ("20", "5")
    assert int(findings) >= 1
    assert "travel" not in printed, "five runs are too few"


def test_errors_for_answers_are_counted_as_failures(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recorded.soft_errors(recordings.versions(recordings.files_of(folder).runs))
    printed = capsys.readouterr().out
    assert cells(printed, "travel") == ["5", "10", "5", "10"]
    assert "shop" not in printed, "none of its calls failed"


def test_a_swap_of_versions_is_found(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recorded.swaps(recordings.versions(recordings.files_of(folder).runs), quick=True)
    printed = capsys.readouterr().out
    sent, nameless = cells(printed, "shop", "v1", "v2")[1:3]
    assert int(sent.split()[0]) <= 20
    assert int(nameless.split()[0]) <= 20
    assert "4 of 4 within 20 runs" in printed


def test_agents_of_one_version_have_nothing_to_swap(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    versions = [one for one in recordings.versions(recordings.files_of(folder).runs) if one.version == "v1"]
    recorded.swaps(versions, quick=False)
    assert "within 20 runs" not in capsys.readouterr().out


def test_requests_are_runs_of_one_call(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recorded.traffic(recordings.files_of(folder).requests)
    assert cells(capsys.readouterr().out, "proxy")[:3] == ["400", "0.2", "0"]


def test_versions_on_the_same_tasks_are_judged_as_shadows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines: list[Line] = []
    labels: list[Line] = []
    for number in range(25):
        for version in ("v1", "v2"):
            its = run("shop", version, number, [call("look", number)])
            its[0]["task_id"] = f"task {number}"
            lines += its
            labels.append({"run_id": its[0]["run_id"], "success": version == "v1"})
    lines += run("shop", "v3", 1, [])
    written(tmp_path / "all.jsonl.gz", lines)
    written(tmp_path / "truth.jsonl.gz", labels)
    bench_rollouts.shadow(recordings.files_of(tmp_path))
    printed = capsys.readouterr().out
    assert "Shadow: shop, v1 serves, v2 beside it" in printed
    assert "25 tasks" in printed
    assert printed.count("###") == 1, "v3 has no task in common with the others"
    assert cells(printed, "run.rejected")[:3] == ["0", "1", "+1"]
