"""`forewarn run` from start to end: refusals in one line, a stop that writes what waits, what a restart says."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sqlite3
import threading
import time

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

from monitor.runtime.store import FILE
from tests.services.agent_events import Fleet
from tests.services.agent_spans import one_run
from tests.services.monitor_process import MonitorProcess

EVENTS = "/v1/events"
PROTOBUF = {"Content_Type": "application/x-protobuf"}


@pytest.fixture
def monitor(tmp_path):
    process = MonitorProcess(tmp_path)
    yield process
    process.close()


def fails(monitor: MonitorProcess, *arguments: str) -> str:
    """What it says when it cannot run: exit code 2, no traceback."""
    monitor.start(*arguments, listens=False)
    assert monitor.wait() == 2, monitor.said()
    assert "Traceback" not in monitor.said()
    return monitor.said()


def one_line(text: str) -> str:
    (line,) = text.strip().splitlines()
    return line


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_under_load_keeps_all_that_was_answered(monitor, number) -> None:
    monitor.start()
    fleet = Fleet(3, time.time() - 5.0, step=0.0005)
    lines = fleet.lines(2_000)
    bodies = [b"[" + b",".join(lines[at : at + 200]) + b"]" for at in range(0, len(lines), 200)]
    answered: list[int] = []

    def send() -> None:
        for body in bodies:
            try:
                status, answer = monitor.ask(EVENTS, body)
            except OSError:
                return
            if status == 200:
                answered.append(json.loads(answer)["accepted"])

    sending = threading.Thread(target=send)
    sending.start()
    while len(answered) < 3:
        time.sleep(0.005)
    assert monitor.stop(number) == 0, monitor.said()
    sending.join()
    assert "Traceback" not in monitor.said()
    assert "ERROR" not in monitor.said()
    monitor.start()
    assert monitor.metrics()["forewarn_events_received_total"] >= sum(answered)
    for body in bodies:
        assert monitor.ask(EVENTS, body)[0] == 200
    agents = monitor.get("/api/v1/agents")["agents"]
    assert {each["agent"]: each["runs"] for each in agents} == fleet.told.runs
    assert monitor.stop() == 0


def test_spans_that_waited_for_their_root_survive_a_kill(monitor) -> None:
    monitor.start()
    *children, root = one_run("refund-agent", tools=3, fails=True)
    for span in children:
        assert monitor.ask("/v1/traces", encode_spans([span]).SerializeToString(), **PROTOBUF)[0] == 200
    monitor.kill()
    monitor.start()
    assert monitor.ask("/v1/traces", encode_spans([root]).SerializeToString(), **PROTOBUF)[0] == 200
    while not (found := monitor.get("/api/v1/runs")["runs"]):
        time.sleep(0.05)
    (run,) = found
    assert (run["agent"], run["status"], run["tools"]) == ("refund-agent", "error", {"lookup": 3})
    assert monitor.stop() == 0


def test_a_port_in_use_is_one_clear_line(monitor) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = one_line(fails(monitor, "--port", str(port)))
    assert said == (
        f"forewarn: cannot listen on 127.0.0.1:{port}: Address already in use; choose another with --port or --host"
    )
    assert not monitor.data.exists(), "what never ran leaves nothing behind"


def test_an_open_address_without_a_token_is_refused(monitor) -> None:
    assert "set runtime.token" in one_line(fails(monitor, "--host", "0.0.0.0"))
    assert not monitor.data.exists()


def test_a_directory_that_cannot_be_written_is_one_clear_line(monitor, tmp_path) -> None:
    (tmp_path / "data").write_text("a file stands here")
    assert one_line(fails(monitor)).endswith("set runtime.directory")


def test_a_directory_in_use_is_one_clear_line(monitor, tmp_path) -> None:
    monitor.start()
    (tmp_path / "other").mkdir()
    other = MonitorProcess(tmp_path / "other")
    other.data = monitor.data
    try:
        assert "in use by another monitor" in one_line(fails(other))
    finally:
        other.close()


def test_a_bad_configuration_is_shown_with_carets(tmp_path) -> None:
    monitor = MonitorProcess(tmp_path, "owners:\n  payments: {slak: '#p'}\n")
    said = fails(monitor)
    assert "forewarn.yaml:2:" in said and "^" in said and "slack" in said


def test_state_of_another_version_is_refused_in_one_line(monitor) -> None:
    monitor.start()
    assert monitor.ask(EVENTS, b'{"kind":"run_started","agent":"a","run":"r","time":%d}' % time.time())[0] == 200
    assert monitor.stop() == 0
    db = sqlite3.connect(monitor.data / FILE)
    db.execute("UPDATE state SET value = CAST(x'09' || substr(value, 2) AS BLOB) WHERE key LIKE 'agent/%'")
    db.commit()
    db.close()
    assert "cannot be read" in one_line(fails(monitor))


def test_a_file_that_breaks_while_the_monitor_runs_ends_it_without_an_answer(monitor) -> None:
    monitor.start()
    db = sqlite3.connect(monitor.data / FILE)
    db.execute("DROP TABLE log")
    db.commit()
    db.close()
    try:
        status, _ = monitor.ask(EVENTS, b'{"kind":"run_started","agent":"a","run":"r","time":%d}' % time.time())
    except OSError:
        status = 0
    assert status in (0, 503), "nothing was stored, so nothing is answered for"
    assert monitor.wait() == 2
    assert "Traceback" not in monitor.said()
    assert "cannot write to" in monitor.said()


async def test_a_stop_does_not_wait_for_pages_that_watch(monitor) -> None:
    await asyncio.to_thread(monitor.start)
    host, port = monitor.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET /api/v1/live HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
    assert b"200" in await reader.readline()
    began = time.monotonic()
    assert await asyncio.to_thread(monitor.stop) == 0
    assert time.monotonic() - began < 8.0, "the grace for requests is ten seconds"
    writer.close()
