"""`forewarn demo` as a person starts it: a process, its fleet, its console, Ctrl-C."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WAIT = 120.0
"""Seconds after which a condition that should come is given up."""

ONCE_SECONDS = 400.0
"""For the whole story on a busy machine; about 40 on a quiet one."""


@contextlib.contextmanager
def a_demo(tmp_path, *arguments):
    """The demo in a session of its own, as in a terminal of its own, with its output in a file."""
    tmp_path.mkdir(exist_ok=True)
    output = tmp_path / "output"
    with output.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "forewarn_server.py"), "demo", *arguments],
            cwd=tmp_path,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
            env={
                **os.environ,
                "TMPDIR": str(tmp_path),
                "OTEL_SDK_DISABLED": "true",
                "HTTP_PROXY": "http://127.0.0.1:9",
            },
        )
    try:
        yield process, lambda: output.read_text("utf-8", "replace")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def until(condition, process=None) -> None:
    end = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < end, "the condition never came"
        assert process is None or process.poll() is None, "the demo ended"
        time.sleep(0.05)


def members(session: int) -> set[int]:
    """Process ids of a session, from the kernel."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            text = entry.read_text()
            state, _, _, its_session = text.rpartition(")")[2].split()[:4]
            if int(its_session) == session and state != "Z":
                found.add(int(entry.parent.name))
    return found


def test_once_shows_the_incident_and_its_resolution(tmp_path) -> None:
    with a_demo(tmp_path, "--once", "--port", "0") as (process, output):
        code = process.wait(ONCE_SECONDS)
        text = output()
        assert code == 0, text
        assert members(process.pid) == set()
    page, resolved = text.index("┏ PAGE for payments"), text.index("┏ Resolved for payments")
    assert text.index("Nobody announces it") < page < text.index("The tool is repaired") < resolved
    assert "#payments-oncall" in text
    assert re.search(r"┃ refund-agent v13: tool issue_refund fails \d+ % of runs, was [\d.]+ %", text)
    assert re.search(r"http://127\.0\.0\.1:\d+/", text)
    assert text.count("new message") == 1
    assert "Traceback" not in text
    assert [path.name for path in tmp_path.iterdir()] == ["output"]


def test_ctrl_c_ends_it_cleanly_and_a_second_one_finds_another_port(tmp_path) -> None:
    with a_demo(tmp_path / "one") as (first, first_output):
        until(lambda: "agents are at work" in first_output(), first)
        with a_demo(tmp_path / "two") as (second, second_output):
            until(lambda: "agents are at work" in second_output(), second)
            ports = [re.search(r"127\.0\.0\.1:(\d+)/", output())[1] for output in (first_output, second_output)]
            assert len(set(ports)) == 2
            for process, output in ((first, first_output), (second, second_output)):
                assert len(members(process.pid)) == 2
                os.killpg(process.pid, signal.SIGINT)  # what a terminal does on Ctrl-C
                assert process.wait(WAIT) == 0, output()
                assert members(process.pid) == set()
                assert "Traceback" not in output()
                assert output().rstrip().endswith("The demo ends.")
    assert sorted(path.name for path in tmp_path.glob("*/*")) == ["output", "output"]


def test_the_fleet_does_not_outlive_a_demo_that_was_killed(tmp_path) -> None:
    with a_demo(tmp_path, "--port", "0") as (process, output):
        until(lambda: "agents are at work" in output(), process)
        process.kill()
        process.wait()
        until(lambda: members(process.pid) == set())


def test_a_port_that_was_asked_for_and_is_taken_is_an_error(tmp_path) -> None:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = str(taken.getsockname()[1])
        with a_demo(tmp_path, "--port", port) as (process, output):
            assert process.wait(WAIT) == 2
            assert f"cannot listen on 127.0.0.1:{port}" in output()
            assert "Traceback" not in output()


@pytest.mark.parametrize("missing", ["opentelemetry.sdk", "opentelemetry.exporter"])
def test_without_opentelemetry_it_says_what_to_install(missing) -> None:
    script = (
        "import importlib.util, sys\n"
        "real = importlib.util.find_spec\n"
        f"importlib.util.find_spec = lambda name, *rest: None if name.startswith({missing!r}) else real(name, *rest)\n"
        "from monitor.cli import cli\n"
        "cli(['demo'])\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "pip install opentelemetry-sdk opentelemetry-exporter-otlp-proto-http" in ended.stderr
