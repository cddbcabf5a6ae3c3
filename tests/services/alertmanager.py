"""The real Alertmanager, and a webhook that notes what it says and when. What `start` started, `stop` ends.

Any version from 0.25 on: the timelines that are compared use only what has not changed since.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

NAMES = ("alertmanager", "prometheus-alertmanager")
REMEDY = "no alertmanager here; install the package prometheus-alertmanager"
READY_SECONDS = 20.0


class _Server(ThreadingHTTPServer):
    """All receivers are told at once; a connection beyond the backlog would come a second later."""

    request_queue_size = 128


@dataclass
class Heard:
    """One webhook call: when it came (epoch seconds), for which receiver, and the payload."""

    time: float
    receiver: str
    payload: dict[str, Any]


@dataclass
class Webhook:
    """Takes every POST; `url` + a receiver's name is where that receiver writes to."""

    heard: list[Heard] = field(default_factory=list)
    url: str = ""


@contextmanager
def webhook() -> Iterator[Webhook]:
    """A listener on a free loopback port."""
    found = Webhook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            now = time.time()
            payload = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            found.heard.append(Heard(now, payload["receiver"], payload))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing on standard error."""

    server = _Server(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()


def binary() -> str | None:
    """Where the program is, if it is."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@contextmanager
def alertmanager(program: str, config: str) -> Iterator[str]:
    """A running Alertmanager with this configuration; its address."""
    directory = Path(tempfile.mkdtemp(prefix="alertmanager-"))
    (directory / "alertmanager.yml").write_text(config, encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                program, f"--config.file={directory / 'alertmanager.yml'}", f"--storage.path={directory / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=",
            ],
            stdout=log, stderr=log,
        )  # fmt: skip
    try:
        _until_ready(url, process, directory / "log")
        yield url
    finally:
        process.terminate()
        process.wait(10.0)
        shutil.rmtree(directory, ignore_errors=True)


def post(url: str, what: str, body: Any) -> None:
    """One call of the API v2."""
    request = urllib.request.Request(
        f"{url}/api/v2/{what}", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=5.0):
        pass


def _until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/-/ready", timeout=1.0):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise AssertionError(f"alertmanager did not start:\n{log.read_text(errors='replace')}")
