"""What `forewarn report` prints, and what the weekly message looks like in Slack.

`make golden` writes the files anew; look at the diff.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from monitor.alerting.report.reporter import messages
from monitor.cli import cli
from monitor.config import load
from monitor.notify.composing import message_of
from monitor.notify.slack.blocks import render
from schemas.report import Report
from tests.doubles import block_rules, report_log

FOLDER = Path(__file__).parent
DOCS = FOLDER.parents[1] / "docs"
REPLAYED = ["report", "-c", "forewarn.yaml", "--from", "history.jsonl"]
CASES = [
    ("report", REPLAYED, 0),
    ("report-owner", [*REPLAYED, "--owner", "payments", "--since", "2026-01-01T12:00:00Z"], 0),
    ("report-nobody", [*REPLAYED, "--owner", "pay"], 2),
    ("report-backwards", [*REPLAYED, "--since", "2026-01-02T00:00:00Z", "--until", "2026-01-01T00:00:00Z"], 2),
    ("report-after-its-end", [*REPLAYED, "--since", "2030-01-02T00:00:00Z"], 2),
    ("report-slack", [*REPLAYED, "--slack"], 0),
    ("report-no-config", ["report", "--from", "history.jsonl"], 2),
    ("report-nothing", ["report", "-c", "forewarn.yaml"], 2),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "forewarn.yaml").write_text(report_log.CONFIG, encoding="utf-8")
    (tmp_path / "history.jsonl").write_text(report_log.text(), encoding="utf-8")
    return tmp_path


def golden(path: Path, shown: str) -> None:
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(shown, encoding="utf-8")
    assert shown == path.read_text(encoding="utf-8"), "UPDATE_GOLDEN=1 writes it anew"


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(("name", "arguments", "code"), CASES)
def test_what_a_person_is_shown(name: str, arguments: list[str], code: int) -> None:
    result = CliRunner().invoke(cli, arguments)
    golden(FOLDER / "cli" / f"{name}.txt", f"$ forewarn {' '.join(arguments)}\n{result.stderr}{result.stdout}")
    assert result.exit_code == code


def test_the_json_says_the_same_and_the_message_fits_slack(folder: Path) -> None:
    result = CliRunner().invoke(cli, [*REPLAYED, "--json"])
    report = msgspec.json.decode(result.stdout, type=Report)
    assert [(each.owner, len(each.incidents), len(each.missed)) for each in report.owners] == [
        ("payments", 1, 1), ("platform", 1, 0),
    ]  # fmt: skip
    config = load(folder / "forewarn.yaml", {})
    told = messages(report, None, report.until, report.until)
    blocks, fallback = render(message_of(told[0], config), buttons=True)
    assert block_rules.problems(blocks) == []
    golden(
        FOLDER / "slack" / "report.json",
        json.dumps({"blocks": blocks, "text": fallback}, indent=2, ensure_ascii=False) + "\n",
    )


def test_a_long_report_stays_within_what_slack_takes(folder: Path) -> None:
    result = CliRunner().invoke(cli, [*REPLAYED, "--json"])
    report = msgspec.json.decode(result.stdout, type=Report)
    (one, *_), long = report.owners, "<!channel> " + "x" * 5_000
    line = msgspec.structs.replace(one.incidents[0], title=long)
    many = msgspec.structs.replace(one, incidents=(line,) * 500, missed=one.missed * 500, owner=long)
    told = messages(msgspec.structs.replace(report, owners=(many,) * 3), "platform", report.until, report.until)
    blocks, _ = render(message_of(told[0], load(folder / "forewarn.yaml", {})))
    assert block_rules.problems(blocks) == []
    assert block_rules.total(blocks) <= 13_000


@pytest.mark.usefixtures("folder")
def test_the_page_shows_what_the_command_prints() -> None:
    page = DOCS / "report.md"
    text = page.read_text(encoding="utf-8")
    shown = CliRunner().invoke(cli, REPLAYED).stdout
    block = re.compile(
        r"(?<=```text\n)\$ forewarn report -c forewarn\.yaml --from history\.jsonl\n.*?(?=```)", re.DOTALL
    )
    assert block.search(text)
    renewed = block.sub(lambda _: f"$ forewarn {' '.join(REPLAYED)}\n{shown}", text)
    if os.environ.get("UPDATE_GOLDEN"):
        page.write_text(renewed, encoding="utf-8")
    assert page.read_text(encoding="utf-8") == renewed, "`make golden` writes it anew"
