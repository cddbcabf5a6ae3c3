"""The README's examples do what it says, against the real monitor with the README's own configuration."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.services.monitor_process import MonitorProcess

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
WRITTEN = "http://127.0.0.1:4319"
WAIT_SECONDS = 20.0


def _block(language: str, having: str) -> str:
    """The one code block of a language that holds these words."""
    found = [text for text in re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL) if having in text]
    assert len(found) == 1, f"{len(found)} blocks of {language} with {having!r}"
    return str(found[0])


@pytest.fixture(scope="module")
def monitor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MonitorProcess]:
    process = MonitorProcess(tmp_path_factory.mktemp("readme"), _block("yaml", "budget: 1 per week"))
    yield process.start()
    process.close()


def _until(condition: Callable[[], Any], what: str) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < end, f"never came: {what}"
        time.sleep(0.05)


def _runs(monitor: MonitorProcess) -> dict[str, Any]:
    return {run["run"]: run for run in monitor.get("/api/v1/runs")["runs"]}


def test_the_shell_examples_send_a_run_and_a_change(monitor: MonitorProcess) -> None:
    block = _block("sh", "curl -s").replace(WRITTEN, monitor.url).replace(".venv/bin/forewarn", '"$FOREWARN" "$SERVER"')
    environment = {**os.environ, "FOREWARN": sys.executable, "SERVER": str(ROOT / "forewarn_server.py")}
    done = subprocess.run(
        ["bash", "-euc", block], env=environment | {"FOREWARN_ENDPOINT": monitor.url}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert '"accepted":1' in done.stdout.replace(" ", "")
    _until(lambda: "r-1" in _runs(monitor), "the run of the curl example")
    assert _runs(monitor)["r-1"]["status"] == "ok"


def test_the_python_example_sends_a_run(monitor: MonitorProcess) -> None:
    code = (
        _block("python", "import forewarn") + "\nemitter.close(10.0)\nassert emitter.dropped == {}, emitter.dropped\n"
    )
    environment = {**os.environ, "FOREWARN_ENDPOINT": monitor.url, "PYTHONPATH": str(ROOT / "sdk" / "src")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    _until(lambda: any(run["outcome"] == "resolved" for run in _runs(monitor).values()), "the run of the SDK example")
    run = next(run for run in _runs(monitor).values() if run["outcome"] == "resolved")
    assert (run["agent"], run["version"], run["tools"]) == ("refund-agent", "v12", {"issue_refund": 1})


def test_the_picture_is_there() -> None:
    for path in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README):
        assert (ROOT / path).stat().st_size > 1_000, path
