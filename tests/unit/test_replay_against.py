"""`forewarn replay --against`: what two configurations tell of the same history, and what counts as a difference."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from monitor.cli import cli
from tests.services.agent_events import Fleet

START = 1_760_000_000.0
OWNERS = "owners: {db: {}, web: {}}\n"
ROUTED = OWNERS + "receivers: [{name: x}, {name: y}]\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    lines = [
        {"type": "alert", "time": START + at, "labels": {"alertname": name, "severity": "page", "team": team},
         "ends_at": START + 5_000.0}
        for at, name, team in ((0.0, "Disk", "a"), (60.0, "Slow", "b"))
    ]  # fmt: skip
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return tmp_path


def against(folder: Path, here: str, there: str, *arguments: str) -> Result:
    (folder / "here.yaml").write_text(here, encoding="utf-8")
    (folder / "there.yaml").write_text(there, encoding="utf-8")
    given = ["replay", "here.yaml", "t.jsonl", "--against", "there.yaml", "--until", str(START + 6_000.0)]
    return CliRunner().invoke(cli, [*given, *arguments])


def lines(result: Result) -> list[dict[str, Any]]:
    """What differs, and the summary."""
    said = [json.loads(line) for line in result.stdout.splitlines()]
    return [each for each in said if each["type"] in ("difference", "summary")]


def test_the_same_is_no_difference(folder: Path) -> None:
    result = against(folder, OWNERS, OWNERS + "runtime: {port: 1}\n")
    assert (result.exit_code, result.output.splitlines()[0]) == (0, "here.yaml against there.yaml: no difference")
    (summary,) = lines(against(folder, OWNERS, OWNERS, "--json"))
    assert summary == {"type": "summary", "same": True, "incidents": 0, "notifications": 0}


ROUTE = "route: {receiver: x, group_by: [team]}\n"
ROWS: list[tuple[str, str, str, set[str]]] = [
    ("another receiver", ROUTED + ROUTE, ROUTED + ROUTE.replace("receiver: x", "receiver: y"), {"receiver"}),
    ("another wait", ROUTED + ROUTE, ROUTED + ROUTE.replace("[team]", "[team], group_wait: 2m"), {"time"}),
    ("another owner", OWNERS, OWNERS + "defaults: {owner: web}\n", {"owner", "receiver"}),
]


@pytest.mark.parametrize(("sentence", "here", "there", "changed"), ROWS)
def test_what_changed_is_named(folder: Path, sentence: str, here: str, there: str, changed: set[str]) -> None:
    result = against(folder, here, there, "--json")
    assert result.exit_code == 1, sentence
    *found, summary = lines(result)
    assert {each["kind"] for each in found} == {"changed"}, sentence
    assert {name for each in found for name in each["changes"]} == changed, sentence
    assert summary["same"] is False


def test_what_only_one_side_tells(folder: Path) -> None:
    more = "inhibit_rules: [{source_matchers: [alertname=Disk], target_matchers: [alertname=Slow]}]\n"
    *found, _ = lines(against(folder, ROUTED + ROUTE, ROUTED + ROUTE + more, "--json"))
    assert [(each["what"], each["kind"], each["here"]["title"]) for each in found] == [
        ("notification", "only here", "Slow"), ("notification", "only here", "Slow"),
    ]  # fmt: skip
    *found, _ = lines(against(folder, ROUTED + ROUTE + more, ROUTED + ROUTE, "--json"))
    assert {each["kind"] for each in found} == {"only there"}


def test_detection_may_differ_as_well(folder: Path) -> None:
    fleet = Fleet(8, START, step=0.25, agents=1)
    events = fleet.lines(900) + fleet.lines(250, broken=True)
    (folder / "t.jsonl").write_bytes(b"\n".join(events))
    off = OWNERS + "detectors: {tool.failed: {mode: off}, tool.error_type: {mode: off}, run.failed: {mode: off}}\n"
    *found, summary = lines(against(folder, OWNERS, off, "--json"))
    assert summary["incidents"] >= 1
    assert ("incident", "only here") in {(each["what"], each["kind"]) for each in found}
    assert any(each["here"] is not None and "issue_refund" in each["here"]["title"] for each in found)


def test_it_compares_the_true_order(folder: Path) -> None:
    result = against(folder, OWNERS, OWNERS, "--shuffle", "1")
    assert (result.exit_code, "leave out --shuffle" in result.stderr) == (2, True)


def test_a_configuration_that_cannot_be_read(folder: Path) -> None:
    result = against(folder, OWNERS, "ownrs: {}\n")
    assert (result.exit_code, "there.yaml:1:1: unknown key `ownrs`" in result.stderr) == (2, True)
