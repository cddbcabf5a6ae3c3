"""`forewarn run` as a process of its own: started, asked, told to stop, killed.

Waits for what the monitor says, never for time. Invariant: no process outlives `close`.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60.0
STOP_SECONDS = 30.0
_LISTENS = re.compile(r"^Forewarn .* at (http://\S+)$", re.MULTILINE)


class MonitorProcess:
    """One monitor on loopback. `directory`: where configuration, state and what it said are kept."""

    def __init__(self, directory: Path, config: str = "", **environment: str) -> None:
        self.directory = directory
        self.data = directory / "data"
        self.url = ""
        self._said = directory / "said.txt"
        self._file = directory / "forewarn.yaml"
        self._file.write_text(config)
        self._environment = {**os.environ, **environment}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *arguments: str, listens: bool = True) -> MonitorProcess:
        """Start it, and wait until it listens."""
        given = ["-c", str(self._file)] if self._file.stat().st_size else []
        command = [sys.executable, str(ROOT / "forewarn_server.py"), "run", *given]
        command += ["--port", "0", "--directory", str(self.data), *arguments]
        with self._said.open("wb") as stream:
            self._process = subprocess.Popen(command, stdout=stream, stderr=stream, env=self._environment)
        end = time.monotonic() + START_SECONDS
        while listens and (found := _LISTENS.search(self.said())) is None:
            assert self._process.poll() is None, self.said()
            assert time.monotonic() < end, "it never listened"
            time.sleep(0.02)
        if listens:
            assert found is not None
            self.url = found[1]
        return self

    def write(self, config: str) -> None:
        """Another configuration, in the file that it was started with."""
        self._file.write_text(config)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._tell(number)

    def said(self) -> str:
        """Both of its streams, since the start."""
        return self._said.read_text("utf-8", "replace")

    def kill(self) -> None:
        """As a power cut does it."""
        self._tell(signal.SIGKILL)
        self.wait()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """As a supervisor does it; the exit code."""
        self._tell(number)
        return self.wait()

    def wait(self) -> int:
        """Wait until it has ended; the exit code."""
        assert self._process is not None
        return self._process.wait(STOP_SECONDS)

    def close(self) -> None:
        """End it, whatever it does."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def get(self, path: str) -> Any:
        """What the API answers."""
        return json.loads(self.ask(path)[1])

    def ask(self, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
        """Status and body. Raises `OSError` where nobody answers."""
        names = {"Content-Type": "application/json"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        try:
            request = urllib.request.Request(self.url + path, data=body, headers=names)
            with urllib.request.urlopen(request, timeout=60.0) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def metrics(self) -> dict[str, float]:
        """Sample → value, samples named as in the text format."""
        lines = self.ask("/metrics")[1].decode().splitlines()
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[:1] != "#")}

    def _tell(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)
