"""The table of silent failures in docs/detection.md: every signal and every test that it names exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from schemas.signals import SIGNALS

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "detection.md").read_text(encoding="utf-8")
SECTION = TEXT.partition("## Silent failures")[2].partition("\n## ")[0]
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in SECTION.splitlines()
    if line.startswith("| ") and "---" not in line
][1:]


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_a_row_names_what_there_is(row: list[str]) -> None:
    what, signals, happens, nearly = row
    names = re.findall(r"`([a-z_.]+)`", signals)
    assert names, what
    assert [name for name in names if name not in SIGNALS] == []
    tests = re.findall(r"`(\w+)::(\w+)`", happens)
    assert tests, what
    beside = re.findall(r"`(\w+)::(\w+)`", nearly)
    assert beside or nearly == "the same", what
    for file, name in (*tests, *beside):
        code = (ROOT / "tests" / "unit" / f"{file}.py").read_text(encoding="utf-8")
        assert f"def {name}(" in code, f"{file}::{name}"


def test_the_table_is_whole() -> None:
    assert len(ROWS) >= 20
