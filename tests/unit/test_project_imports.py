"""The import contract sees what breaks it: a copy of the source, one forbidden line, the real import-linter."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINT = Path(sys.executable).with_name("lint-imports")

FORBIDDEN = [
    ("schemas/limits.py", "import detectors", "One direction"),
    ("detectors/failure.py", "import monitor.engine", "One direction"),
    ("monitor/engine.py", "import monitor.intake", "One direction"),
    ("monitor/notify/console.py", "import monitor.web", "One direction"),
    ("monitor/runtime/store.py", "import monitor.app", "One direction"),
    ("detectors/failure.py", "import river", "river has one importer"),
    ("monitor/app.py", "import faust", "Faust is imported by the Kafka runtime alone"),
    ("monitor/notify/webhook.py", "import slack_sdk.web", "slack_sdk has one importer"),
    ("monitor/alerting/router.py", "import pydantic", "pydantic stays at the borders"),
    ("schemas/event.py", "from pydantic import BaseModel", "pydantic stays at the borders"),
]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tree = tmp_path_factory.mktemp("source")
    for name in ("schemas", "detectors", "monitor"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tree)
    return tree


def _lint(tree: Path) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PYTHONPATH": str(tree), "PYTHONSAFEPATH": "1", "COLUMNS": "200"}
    return subprocess.run([LINT, "--no-cache"], cwd=tree, env=environ, capture_output=True, text=True, check=False)


def test_the_source_keeps_the_contract(copy: Path) -> None:
    done = _lint(copy)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("path", "line", "contract"), FORBIDDEN)
def test_a_forbidden_import_is_seen(copy: Path, path: str, line: str, contract: str) -> None:
    file = copy / path
    before = file.read_text(encoding="utf-8")
    file.write_text(f"{before}\n{line}\n", encoding="utf-8")
    try:
        done = _lint(copy)
    finally:
        file.write_text(before, encoding="utf-8")
    assert done.returncode == 1
    broken = [text for text in done.stdout.splitlines() if text.endswith("BROKEN") or " BROKEN " in text]
    assert [text for text in broken if text.startswith(contract)], done.stdout
