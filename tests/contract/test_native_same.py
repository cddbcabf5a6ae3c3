"""Compiled or interpreted, the engine says the same, bit for bit; and what is compiled is what stands in the source."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import hatch_build
from schemas.event import encode
from tests.doubles.drift_log import events, healthy

ROOT = Path(hatch_build.__file__).parent
RUNS = 900
CHANGED_AT = 600
YAML = 'owners:\n  a: {slack: "#a", budget: 1 per day, notices: 10 per day}\ndefaults: {owner: a}\n'


def test_compiled_and_interpreted_say_the_same(tmp_path: Path) -> None:
    """A replay of runs whose tools begin to fail and whose answers change, by the sources without what was compiled."""
    if not hatch_build.made():
        if os.environ.get("CI") == "true":
            pytest.fail("nothing is compiled: `make native` before the tests")
        pytest.skip("nothing is compiled: install gcc and python3-dev, then `make native`")
    rng = random.Random(7)
    works = []
    for number in range(RUNS):
        work = healthy(rng)
        if number >= CHANGED_AT:
            work = work.changed(output="I looked it up for you.", error_type="timeout" if rng.random() < 0.4 else None)
        works.append(work)
    log = tmp_path / "log.jsonl"
    log.write_bytes(b"\n".join(encode(event) for event in events(works)))
    (tmp_path / "forewarn.yaml").write_text(YAML)
    bare = tmp_path / "bare"
    for package in ("schemas", "detectors", "monitor"):
        shutil.copytree(ROOT / package, bare / package, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    shutil.copy(ROOT / "forewarn_server.py", bare)
    compiled, interpreted = _replay(ROOT, tmp_path), _replay(bare, tmp_path)
    assert any(b'"finding"' in line for line in compiled)
    assert compiled == interpreted


def test_every_module_that_is_compiled_is_there() -> None:
    missing = [module for module in hatch_build.MODULES if not (ROOT / module).exists()]
    assert not missing


def _replay(root: Path, folder: Path) -> list[bytes]:
    """The lines of `forewarn replay --json` by the sources in `root`, without the summary, which tells the time."""
    script = "import forewarn_server; forewarn_server.main()"
    done = subprocess.run(
        [sys.executable, "-c", script, "replay", "--json", str(folder / "forewarn.yaml"), str(folder / "log.jsonl")],
        env={**os.environ, "PYTHONPATH": str(root)}, cwd=root, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    return [line for line in done.stdout.splitlines() if b'"type": "summary"' not in line]
