"""What `forewarn replay` prints: for a person as a file, for programs the lines of JSON as documented.

`make golden` writes the file anew; look at the diff.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from monitor.cli import cli
from tests.services.agent_events import Fleet

FOLDER = Path(__file__).parent / "replay"
START = 1_760_000_000.0
CONFIG = """
owners:
  payments: {slack: "#payments-oncall"}
  platform: {}
components:
  - {agent: agent-0, owner: payments}
defaults: {owner: platform}
"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> Path:
    """A configuration, and more than an hour in which one tool breaks and is mended."""
    directory = tmp_path_factory.mktemp("replay")
    fleet = Fleet(8, START, step=0.25, agents=2)
    lines = fleet.lines(3_000) + fleet.lines(500, broken=True) + fleet.lines(1_000)
    lines[7:7] = [b"{", b'{"kind":"dream","time":1}', lines[3]]
    (directory / "events.jsonl").write_bytes(b"\n".join(lines))
    (directory / "forewarn.yaml").write_text(CONFIG)
    return directory


def replay(directory: Path, *arguments: str) -> Result:
    here = Path.cwd()
    os.chdir(directory)  # so that places are named as a person would type them
    try:
        return CliRunner().invoke(cli, ["replay", "forewarn.yaml", "events.jsonl", *arguments])
    finally:
        os.chdir(here)


def test_what_a_person_sees(recorded) -> None:
    result = replay(recorded)
    assert result.exit_code == 0
    shown = f"$ forewarn replay forewarn.yaml events.jsonl\n{result.stderr}{result.stdout}"
    shown = re.sub(r" in [\d.e-]+ s, ", " in 1.234 s, ", shown)
    golden = FOLDER / "broken-tool.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(shown)
    assert shown == golden.read_text(), "UPDATE_GOLDEN=1 writes it anew"


def test_what_a_program_reads(recorded) -> None:
    result = replay(recorded, "--json")
    assert result.exit_code == 0
    lines: list[dict[str, Any]] = [json.loads(line) for line in result.stdout.splitlines()]
    assert {line["type"] for line in lines} == {"finding", "notification", "summary"}
    assert [line["type"] for line in lines].index("summary") == len(lines) - 1
    finding = next(line for line in lines if line["type"] == "finding")
    assert finding.keys() >= {
        "time", "node", "signal", "direction", "before", "after", "onset", "mode", "runs",
    }  # fmt: skip
    assert finding["node"] == {"agent": "agent-0", "version": "v1", "tool": "issue_refund"}
    assert (finding["signal"], finding["direction"], finding["mode"]) == ("tool.failed", "up", "page")
    assert START + 2_980.0 < finding["onset"] <= finding["time"] < START + 3_060.0
    notifications = [line for line in lines if line["type"] == "notification"]
    for line in notifications:
        assert line.keys() >= {"time", "receiver", "owner", "reason", "status", "incident", "group_labels", "alerts"}
        assert all(alert.keys() >= {"labels", "status", "starts_at", "ends_at"} for alert in line["alerts"])
    assert (notifications[0]["reason"], notifications[0]["status"]) == ("first notification", "firing")
    assert (notifications[-1]["reason"], notifications[-1]["status"]) == ("all alerts resolved", "resolved")
    assert {line["incident"] for line in notifications} == {notifications[0]["incident"]}
    summary = lines[-1]
    assert (summary["events"], summary["duplicates"], summary["dead_letters"], summary["skipped"]) == (18_000, 1, 1, 1)
    assert summary["seconds"] > 0.0
    agent = summary["agents"]["agent-0"]
    assert agent.keys() >= {"runs", "failed", "silent", "versions"}
    assert (agent["runs"], agent["versions"]) == (2_250, ["v1"])
    assert summary["budget"]["payments"].keys() >= {"granted", "spent"}
    assert summary["budget"]["payments"]["spent"] >= 1


def test_the_same_input_gives_the_same_output(recorded) -> None:
    first, second = (re.sub(r'"seconds": [\d.]+', "", replay(recorded, "--json").stdout) for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["gone.yaml", "events.jsonl"], "cannot read gone.yaml"),
        (["forewarn.yaml", "gone.jsonl"], "cannot read gone.jsonl: No such file"),
        (["forewarn.yaml", "."], "cannot read .: Is a directory"),
        (["bad.yaml", "events.jsonl"], "bad.yaml:1:"),
        (["forewarn.yaml", "events.jsonl", "--until", "soon"], "write epoch seconds or 2026-01-31T12:00:00Z"),
        (["forewarn.yaml"], "Missing argument"),
        (["forewarn.yaml", "garbage.jsonl"], "there is no event in garbage.jsonl"),
        (["forewarn.yaml", "empty.jsonl"], "there is no event in empty.jsonl"),
        (["forewarn.yaml", "empty.jsonl", "--against", "forewarn.yaml"], "there is no event in empty.jsonl"),
    ],
)
def test_what_cannot_run_says_why_and_exits_with_2(recorded, monkeypatch, arguments, said) -> None:
    monkeypatch.chdir(recorded)
    Path("bad.yaml").write_text("ownrs: {}\n")
    Path("garbage.jsonl").write_text("this is\nno history\n")
    Path("empty.jsonl").touch()
    result = CliRunner().invoke(cli, ["replay", *arguments])
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("until", ["1760050000", "2025-10-09T22:53:20Z"])
def test_until_is_a_moment_in_either_form(recorded, monkeypatch, until) -> None:
    monkeypatch.chdir(recorded)
    Path("declared.yaml").write_text(CONFIG + "detectors: {agent.traffic: {reference: 1000 per hour}}\n")
    result = CliRunner().invoke(cli, ["replay", "declared.yaml", "events.jsonl", "--json", "--until", until])
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    silent = [line for line in lines if line["type"] == "finding" and line["signal"] == "agent.traffic"]
    assert {line["node"]["agent"] for line in silent} == {"agent-0", "agent-1"}
    assert all(line["direction"] == "down" and line["mode"] == "page" for line in silent)
