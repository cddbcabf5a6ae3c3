"""Whoever reads a command's output may go away (`| head -1`), or be a full disk: tried with real processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from monitor.cli import PIPE_CLOSED

FILE = 'owners: {me: {slack: "#me"}}\n'
LINES = "".join(
    json.dumps({"kind": "run_finished", "agent": "a", "run": f"r{run}", "time": 1.76e9 + run, "status": "ok"}) + "\n"
    for run in range(5)
)


def _run(folder: Path, arguments: list[str], *, errors_too: bool = False, closed: bool) -> tuple[int, str]:
    """Exit code, and what a person still reads on standard error."""
    (folder / "me.yaml").write_text(FILE, encoding="utf-8")
    (folder / "events.jsonl").write_text(LINES, encoding="utf-8")
    reader, writer = os.pipe()
    command = [sys.executable, "-m", "forewarn_server", *arguments]
    stderr = writer if errors_too else subprocess.PIPE
    process = subprocess.Popen(command, cwd=folder, stdout=writer, stderr=stderr, env=_environment(), text=True)
    os.close(writer)
    if closed:
        os.close(reader)
    else:
        with os.fdopen(reader) as output:
            output.read()
    _, said = process.communicate(timeout=60)
    return process.returncode, said or ""


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONSAFEPATH": "1"}


@pytest.mark.parametrize(
    ("why", "arguments", "errors_too"),
    [
        ("lines of JSON", ["replay", "me.yaml", "events.jsonl", "--json"], False),
        ("a summary for a person", ["replay", "me.yaml", "events.jsonl"], False),
        ("a report", ["report", "-c", "me.yaml", "--from", "events.jsonl"], False),
        ("an explanation", ["explain", "a", "-c", "me.yaml", "--from", "events.jsonl"], False),
        ("more than a pipe holds", ["schema", "config"], False),
        ("help, before any command", ["--help"], False),
        ("an error of use, where errors go to the pipe as well", ["chek"], True),
        ("an error of ours to say, where errors go to the pipe as well", ["check", "nowhere.yaml"], True),
    ],
)
def test_a_closed_pipe_ends_a_command_quietly_and_is_no_problem_found(
    why: str, arguments: list[str], errors_too: bool, tmp_path: Path
) -> None:
    assert _run(tmp_path, arguments, errors_too=errors_too, closed=True) == (PIPE_CLOSED, ""), why


@pytest.mark.parametrize(
    ("why", "arguments", "code"),
    [
        ("all was read", ["replay", "me.yaml", "events.jsonl"], 0),
        ("a problem is still a problem", ["explain", "nobody", "-c", "me.yaml", "--from", "events.jsonl"], 1),
        ("and wrong use is wrong use", ["chek"], 2),
    ],
)
def test_a_pipe_that_is_read_to_its_end_changes_no_code(
    why: str, arguments: list[str], code: int, tmp_path: Path
) -> None:
    assert _run(tmp_path, arguments, closed=False)[0] == code, why


def test_an_output_that_is_full_is_said_in_a_sentence(tmp_path: Path) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, "-m", "forewarn_server", "schema", "event"],
            cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, env=_environment(), text=True, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (2, "forewarn: cannot write: No space left on device\n")


def test_what_is_said_on_standard_error_needs_no_reader_of_the_output(tmp_path: Path) -> None:
    code, said = _run(tmp_path, ["check", "nowhere.yaml"], closed=True)
    assert (code, "cannot read nowhere.yaml" in said) == (2, True)
