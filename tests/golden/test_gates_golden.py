"""What the commands that judge before something goes live print for a person, and that the docs show the same.

`make golden` writes the files and the blocks anew; look at the diff.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from monitor.cli import cli
from tests.doubles import gate_log
from tests.services.agent_events import Fleet

FOLDER = Path(__file__).parent / "cli"
DOCS = Path(__file__).parents[2] / "docs"
NEW = (
    gate_log.COMPLETE
    + """\
detectors:
  tool.failed: {mode: off}
backtest:
  pages: 2 per week
  owners: {payments: {pages: 1 per week, notices: 1 per day}}
  must_catch:
    - {labels: {tool: issue_refund}, at: 2025-10-09T09:08:20Z, within: 10m}
  lost: 0
  lost_lead: 5m
"""
)
WEEK = ["-c", "forewarn.yaml", "--from", "week.jsonl"]

CASES = [
    ("impact", ["impact", "tool:issue_refund", *WEEK], 0),
    ("impact-declared", ["impact", "tool:issue_refund", "-c", "forewarn.yaml"], 0),
    ("impact-agent", ["impact", "agent:refund-agent", *WEEK], 0),
    ("ready", ["ready", "refund-agent", "--from", "week.jsonl"], 0),
    ("ready-missing", ["ready", "shopping-bot", "--from", "week.jsonl"], 1),
    ("ready-declared", ["ready", "front-desk", "--from", "week.jsonl"], 1),
    ("ready-json", ["ready", "front-desk", "--from", "week.jsonl", "--json"], 1),
    ("replay-gate", ["replay", "forewarn.yaml", "broken.jsonl", "--against", "new.yaml"], 1),
    ("replay-gate-json", ["replay", "forewarn.yaml", "broken.jsonl", "--against", "new.yaml", "--json"], 1),
    ("impact-unknown", ["impact", "tool:isue_refund", *WEEK], 1),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "forewarn.yaml").write_text(gate_log.COMPLETE, encoding="utf-8")
    (tmp_path / "week.jsonl").write_bytes(gate_log.lines(gate_log.fleet()))
    fleet = Fleet(8, gate_log.START, step=0.5, agents=1)
    (tmp_path / "broken.jsonl").write_bytes(b"\n".join(fleet.lines(450) + fleet.lines(150, broken=True)))
    (tmp_path / "new.yaml").write_text(NEW, encoding="utf-8")
    return tmp_path


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(("name", "arguments", "code"), CASES)
def test_what_a_person_reads(name: str, arguments: list[str], code: int) -> None:
    result = CliRunner().invoke(cli, arguments)
    shown = f"$ forewarn {' '.join(arguments)}\n{result.stderr}{result.stdout}"
    golden = FOLDER / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(shown, encoding="utf-8")
    assert shown == golden.read_text(encoding="utf-8"), "UPDATE_GOLDEN=1 writes it anew"
    assert result.exit_code == code


@pytest.mark.parametrize("page", ["impact", "ready", "replay"])
def test_the_docs_show_what_is_printed(page: str) -> None:
    path = DOCS / f"{page}.md"
    text = path.read_text(encoding="utf-8")
    shown = {golden.read_text(encoding="utf-8") for golden in FOLDER.glob(f"{page}*.txt")}
    by_command = {each.splitlines()[0]: each for each in shown}
    block = re.compile(r"(?<=```text\n)(\$ forewarn [^\n]*\n)(?:.*?)(?=```)", re.DOTALL)
    assert any(match[1].rstrip("\n") in by_command for match in block.finditer(text)), "an example is a golden file"
    renewed = block.sub(lambda match: by_command.get(match[1].rstrip("\n"), match[0]), text)
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(renewed, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == renewed, "`make golden` writes it anew"
