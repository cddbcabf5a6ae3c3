"""What one `run.tool(...)` costs the agent, in microseconds: with a healthy monitor, a deaf one, and none.

    python benchmarks/bench_sdk_overhead.py [CALLS]

The call is timed in the agent's thread, the sending thread included as far as it takes the interpreter's lock.
"""

from __future__ import annotations

import contextlib
import http.server
import multiprocessing
import socket
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection

import forewarn

ARGUMENTS = {"order_id": "A-1009", "amount": 41.5, "currency": "EUR", "lines": [1, 2, 3], "note": "damaged in transit"}
RESULT = {"refund_id": "r-77", "status": "issued", "text": "x" * 400}


class _Healthy(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


def _serve(to_parent: Connection) -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Healthy)
    to_parent.send(server.server_address[1])
    server.serve_forever()


@contextlib.contextmanager
def healthy() -> Iterator[str]:
    """A server in a process of its own that accepts everything."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        process.kill()
        process.join()


@contextlib.contextmanager
def deaf() -> Iterator[str]:
    """Accepts connections and never answers."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0), backlog=8)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@contextlib.contextmanager
def absent() -> Iterator[str]:
    """Nobody listens."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
    yield f"http://127.0.0.1:{port}"


def measure(endpoint: str, calls: int) -> tuple[list[float], dict[str, int]]:
    """Seconds of each call, and the emitter's counts."""
    emitter = forewarn.Emitter("refund-agent", "v12", endpoint)
    seconds = []
    with emitter.run() as run:
        for _ in range(calls):
            began = time.perf_counter()
            with run.tool("issue_refund", arguments=ARGUMENTS) as call:
                call.result = RESULT
            seconds.append(time.perf_counter() - began)
    emitter.close(5.0 if endpoint else 0.0)
    return seconds, emitter.counts.snapshot()


def main() -> None:
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    servers: list[Callable[[], contextlib.AbstractContextManager[str]]] = [healthy, deaf, absent]
    sys.stdout.write(f"{'server':<9}{'median':>9}{'p99':>9}{'max':>11}   microseconds a call, {calls:,} calls\n")
    for server in servers:
        with server() as endpoint:
            seconds, counts = measure(endpoint, calls)
        percentiles = statistics.quantiles(seconds, n=100)
        cells = [statistics.median(seconds), percentiles[98], max(seconds)]
        shown = "".join(f"{1e6 * cell:>{width}.1f}" for cell, width in zip(cells, (9, 9, 11), strict=True))
        sys.stdout.write(f"{server.__name__:<9}{shown}   {counts}\n")


if __name__ == "__main__":
    main()
