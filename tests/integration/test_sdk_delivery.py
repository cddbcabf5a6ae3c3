"""The SDK against real sockets: servers that refuse, die and come back; real forks; real interpreters that end."""

import contextlib
import gzip
import http.server
import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter

import forewarn
import pytest

WAIT = 20.0
"""Seconds after which a condition that should come is given up."""


class Server:
    """A monitor's intake, as far as a client sees it: scripted answers, then 202; everything taken is in `events`."""

    def __init__(self, port: int = 0) -> None:
        server = self
        self.answers: list[tuple[int, dict[str, str], bytes]] = []
        self.requests: list[dict[str, str]] = []
        self.events: list[dict] = []
        self.times: list[float] = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                server.times.append(time.monotonic())
                server.requests.append({**self.headers, "path": self.path})
                status, headers, answer = server.answers.pop(0) if server.answers else (202, {}, b"{}")
                if status == 202:
                    server.events += [json.loads(line) for line in body.splitlines()]
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.endpoint = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server():
    server = Server()
    yield server
    server.stop()


@contextlib.contextmanager
def an_emitter(endpoint: str, **settings):
    emitter = forewarn.Emitter("refund-agent", "v12", endpoint, **{"linger_seconds": 0.0, **settings})
    try:
        yield emitter
    finally:
        emitter.close(0.0)


def say(emitter, number, start=0):
    for n in range(start, start + number):
        emitter.complaint("x" * 100, user=f"u{n}")


def until(condition) -> None:
    end = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < end, "the condition never came"
        time.sleep(0.01)


def users(server) -> list[str]:
    return [event["user"] for event in server.events]


def test_batches_arrive_compressed_in_order_with_the_token(server) -> None:
    with an_emitter(server.endpoint + "/", token="s3cret", linger_seconds=0.2) as emitter:
        say(emitter, 1200)
        assert emitter.flush(WAIT)
    assert users(server) == [f"u{n}" for n in range(1200)]
    assert [request["path"] for request in server.requests] == ["/v1/events"] * 3
    assert {request["Content-Encoding"] for request in server.requests} == {"gzip"}
    assert {request["Content-Type"] for request in server.requests} == {"application/x-ndjson"}
    assert {request["Authorization"] for request in server.requests} == {"Bearer s3cret"}
    assert emitter.counts.snapshot() == {"emitted": 1200, "sent": 1200}


@pytest.mark.parametrize("status", [408, 429, 502, 503, 504])
def test_busy_servers_get_it_again_once(server, status) -> None:
    server.answers = [(status, {"Retry-After": "0"}, b"")] * 2
    with an_emitter(server.endpoint) as emitter:
        say(emitter, 1)
        assert emitter.flush(WAIT)
        assert users(server) == ["u0"]
        assert len(server.requests) == 3
        assert emitter.dropped == {}
        assert emitter.counts.get("retries") == 2


def test_retry_after_is_obeyed_even_while_flushing(server) -> None:
    server.answers = [(429, {"Retry-After": "1"}, b"")]
    with an_emitter(server.endpoint) as emitter:
        say(emitter, 1)
        assert emitter.flush(WAIT)
    first, second = server.times
    assert second - first >= 0.99


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 413, 415, 500])
def test_refusals_are_counted_and_not_repeated(server, status, caplog) -> None:
    server.answers = [(status, {"Location": "/elsewhere"}, b'{"error": "no such tenant"}')]
    with an_emitter(server.endpoint) as emitter:
        say(emitter, 1)
        assert emitter.flush(WAIT)
        assert emitter.dropped == {"refused": 1}
    assert len(server.requests) == 1
    assert f"HTTP {status}: no such tenant" in caplog.text


def test_events_refused_among_others_are_counted_with_their_reason(server, caplog) -> None:
    answer = {"accepted": 2, "skipped": 0, "rejected": [{"index": 1, "reason": "too_long", "detail": "run"}]}
    server.answers = [(200, {}, json.dumps(answer).encode())]
    with an_emitter(server.endpoint, linger_seconds=0.3) as emitter:
        say(emitter, 3)
        until(lambda: emitter.counts.get("sent"))
        assert emitter.counts.snapshot() == {"emitted": 3, "sent": 2, "refused": 1}
    assert "refused 1 events: too_long: run" in caplog.text


def test_a_server_that_is_not_there_yet(server) -> None:
    server.stop()
    with an_emitter(server.endpoint) as emitter:
        say(emitter, 10)
        assert not emitter.flush(0.3)
        again = Server(server.port)
        try:
            assert emitter.flush(WAIT)
            assert users(again) == [f"u{n}" for n in range(10)]
            assert emitter.dropped == {}
        finally:
            again.stop()


def test_given_up_after_its_time(server) -> None:
    server.stop()
    with an_emitter(server.endpoint, retry_seconds=0.0) as emitter:
        say(emitter, 3)
        assert emitter.flush(WAIT)
        assert emitter.dropped == {"undelivered": 3}


def test_a_full_queue_drops_the_oldest_and_blocks_nobody() -> None:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0), backlog=1)) as deaf:  # accepts, never answers
        endpoint = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        with an_emitter(endpoint, queue_events=100) as emitter:
            say(emitter, 1)
            until(lambda: not emitter._delivery._queue)  # the first is under way
            say(emitter, 5000, start=1)
            assert emitter.dropped == {"queue_full": 4900}
            assert b'"u5000"' in emitter._delivery._queue[-1].body
            emitter.close(0.0)
            assert emitter.dropped == {"queue_full": 4900, "undelivered": 100}
            say(emitter, 1)
            assert emitter.dropped["closed"] == 1


def test_a_queue_is_bounded_in_bytes_too() -> None:
    with (
        contextlib.closing(socket.create_server(("127.0.0.1", 0), backlog=1)) as deaf,
        an_emitter(f"http://127.0.0.1:{deaf.getsockname()[1]}") as emitter,
    ):
        for _ in range(4000):
            emitter.complaint("y" * 16_000)
        assert emitter._delivery._bytes <= 32 * 1024 * 1024
        assert emitter.dropped["queue_full"] > 1000


def test_an_idle_connection_that_the_server_closed_is_opened_again(server) -> None:
    server.answers = [(202, {"Connection": "close"}, b"")]
    with an_emitter(server.endpoint) as emitter:
        say(emitter, 1)
        assert emitter.flush(WAIT)
        say(emitter, 1)
        assert emitter.flush(WAIT)
        assert emitter.counts.get("sent") == 2


SERVER = """
import http.server, sys, time
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            import gzip
            body = gzip.decompress(body)
        with open(sys.argv[2], "ab") as taken:
            taken.write(body + b"\\n")
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *_):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
"""


def test_a_server_that_is_killed_and_comes_back_gets_everything(tmp_path) -> None:
    taken = tmp_path / "taken"

    def start(port: int) -> tuple[subprocess.Popen, int]:
        process = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(port), str(taken)], stdout=subprocess.PIPE, text=True
        )
        return process, int(process.stdout.readline())

    process, port = start(0)
    try:
        with an_emitter(f"http://127.0.0.1:{port}", linger_seconds=0.02) as emitter:
            say(emitter, 500)
            until(lambda: emitter.counts.get("sent") > 0)
            process.kill()
            process.wait()
            say(emitter, 500, start=500)
            until(lambda: emitter.counts.get("retries") > 0)
            process, _ = start(port)
            assert emitter.flush(WAIT)
            assert emitter.dropped == {}
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    events = [json.loads(line) for line in taken.read_bytes().splitlines() if line]
    assert {event["user"] for event in events} == {f"u{n}" for n in range(1000)}
    assert len({event["id"] for event in events}) == 1000  # sent again, perhaps; but under the same ids


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_fork_sends_everything_once(server) -> None:
    with an_emitter(server.endpoint, linger_seconds=0.5) as emitter:
        say(emitter, 50)  # queued, and the thread lingers
        with emitter.run("parent-run") as run:
            child = os.fork()
            if child == 0:
                code = 1
                with contextlib.suppress(BaseException):
                    say(emitter, 20, start=1000)
                    run.tool("in-child", result=1)
                    code = 0 if emitter.flush(WAIT) and emitter.counts.get("sent") == 21 else 2
                os._exit(code)
            _, status = os.waitpid(child, 0)
            assert os.waitstatus_to_exitcode(status) == 0
            say(emitter, 50, start=50)
        assert emitter.flush(WAIT)
        assert emitter.counts.get("sent") == 102
    seen = Counter(event["user"] for event in server.events if event["kind"] == "complaint")
    assert seen == Counter({f"u{n}": 1 for n in [*range(100), *range(1000, 1020)]})
    assert len({event["id"] for event in server.events}) == len(server.events) == 123


def _in_a_child(endpoint: str) -> None:
    emitter = forewarn.Emitter("child", endpoint=endpoint, linger_seconds=5.0)
    emitter.complaint("from a child", user="child")


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_child_of_multiprocessing_flushes_at_its_end(server, method) -> None:
    process = multiprocessing.get_context(method).Process(target=_in_a_child, args=(server.endpoint,))
    process.start()
    process.join(WAIT)
    assert process.exitcode == 0
    assert users(server) == ["child"]


def run_script(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *arguments],
        capture_output=True,
        text=True,
        timeout=WAIT * 2,
        check=False,
    )


def test_the_end_of_the_interpreter_flushes(server) -> None:
    ended = run_script(
        """
        import forewarn, sys
        emitter = forewarn.Emitter("refund-agent", endpoint=sys.argv[1], linger_seconds=60)
        for n in range(300):
            emitter.complaint("x", user=f"u{n}")
        raise SystemExit(3)
        """,
        server.endpoint,
    )
    assert (ended.returncode, ended.stderr) == (3, "")
    assert users(server) == [f"u{n}" for n in range(300)]


def test_the_end_of_the_interpreter_is_not_held_up_by_a_deaf_server() -> None:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0), backlog=1)) as deaf:
        ended = run_script(
            """
            import atexit, time, sys
            atexit.register(lambda: print(time.monotonic() - began))
            import forewarn
            emitters = [forewarn.Emitter("a", endpoint=sys.argv[1]) for _ in range(5)]
            for emitter in emitters:
                emitter.heartbeat()
            began = time.monotonic()
            """,
            f"http://127.0.0.1:{deaf.getsockname()[1]}",
        )
    assert ended.returncode == 0
    assert "Traceback" not in ended.stderr
    assert float(ended.stdout) < 6.0  # the limit is three seconds; the machine may be busy


def test_a_terminated_agent_that_exits_in_order_flushes(server) -> None:
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import forewarn, signal, sys, time\n"
            "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n"
            "emitter = forewarn.Emitter('a', endpoint=sys.argv[1], linger_seconds=60)\n"
            "emitter.complaint('x', user='u0')\n"
            "print('ready', flush=True)\n"
            "time.sleep(60)\n",
            server.endpoint,
        ],
        stdout=subprocess.PIPE,
    )
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(WAIT) == 0
    process.stdout.close()
    assert users(server) == ["u0"]


def test_emitting_from_a_signal_handler_does_not_lock_up(server) -> None:
    with an_emitter(server.endpoint) as emitter:
        old = signal.signal(signal.SIGALRM, lambda *_: emitter.complaint("from a handler", user="handler"))
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
        try:
            say(emitter, 3000)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, old)
        assert emitter.flush(WAIT)
        assert emitter.counts.get("sent") == emitter.counts.get("emitted")
    assert len(users(server)) == emitter.counts.get("sent") > 3000
