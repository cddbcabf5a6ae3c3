"""`forewarn check` and `forewarn schema` as a user or a script sees them, and the table of commands."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from monitor.cli import COMMANDS, cli


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_check_ends_with_0_and_says_good(folder: Path) -> None:
    (folder / "f.yaml").write_text("owners: {a: {}}\n", encoding="utf-8")
    result = CliRunner().invoke(cli, ["check", "f.yaml"])
    assert (result.exit_code, result.output) == (0, "f.yaml: good\n")


def test_check_ends_with_0_on_warnings_alone(folder: Path) -> None:
    (folder / "f.yaml").write_text("owners: {a: {slack: '#a'}}\n", encoding="utf-8")
    result = CliRunner().invoke(cli, ["check", "f.yaml"])
    assert result.exit_code == 0
    assert result.output.endswith("f.yaml: good, 1 warning\n")


def test_check_ends_with_1_on_problems(folder: Path) -> None:
    (folder / "f.yaml").write_text("owers: {}\ntest: []\n", encoding="utf-8")
    result = CliRunner().invoke(cli, ["check", "f.yaml"])
    assert result.exit_code == 1
    assert result.output == (
        "f.yaml:1:1: unknown key `owers`\n  1 | owers: {}\n    | ^^^^^ did you mean `owners`?\n"
        "f.yaml:2:1: unknown key `test`\n  2 | test: []\n    | ^^^^ did you mean `tests`?\n"
        "f.yaml: 2 problems\n"
    )


@pytest.mark.parametrize("name", ["nowhere.yaml", "."])
def test_check_ends_with_2_when_it_cannot_run(folder: Path, name: str) -> None:
    assert CliRunner().invoke(cli, ["check", str(folder / name)]).exit_code == 2


def test_check_json_is_for_programs(folder: Path) -> None:
    (folder / "f.yaml").write_text("owers: {}\n", encoding="utf-8")
    result = CliRunner().invoke(cli, ["check", "f.yaml", "--json"])
    assert result.exit_code == 1
    answer = json.loads(result.output)
    assert answer["ok"] is False
    assert {key: answer["problems"][0][key] for key in ("line", "column", "path", "suggestion", "severity")} == {
        "line": 1,
        "column": 1,
        "path": "owers",
        "suggestion": "owners",
        "severity": "error",
    }


@pytest.mark.parametrize("what", ["event", "config"])
def test_schema_prints_a_json_schema(what: str) -> None:
    result = CliRunner().invoke(cli, ["schema", what])
    assert result.exit_code == 0
    schema = json.loads(result.output)
    assert schema["$schema"].endswith("2020-12/schema")
    assert "$defs" in schema


def test_schema_of_the_configuration_refuses_unknown_keys() -> None:
    schema = json.loads(CliRunner().invoke(cli, ["schema", "config"]).output)
    assert schema["additionalProperties"] is False
    assert "continue" in schema["$defs"]["Route"]["properties"]


def test_an_unknown_command_is_told_the_nearest() -> None:
    result = CliRunner().invoke(cli, ["chek"])
    assert result.exit_code == 2
    assert "did you mean 'check'?" in result.output


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(name: str) -> None:
    result = CliRunner().invoke(cli, [name, "--help"])
    assert result.exit_code == 0, result.output
    assert "Example" in result.output
    assert f"forewarn {name}" in result.output.split("Example", 1)[1]


def test_help_imports_no_command() -> None:
    """`forewarn --help` and a shell's completion must not wait for the imports of a Kafka worker."""
    program = (
        "import sys\nfrom monitor.cli import cli\ncli.main(['--help'], standalone_mode=False)\n"
        "heavy = [name for name in sys.modules if name in ('faust', 'aiohttp', 'slack_sdk', 'pydantic')]\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
