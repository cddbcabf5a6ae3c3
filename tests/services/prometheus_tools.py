"""Prometheus and amtool as the distribution ships them: real programs, started and asked, ended by their process.

A program that is missing is `ToolMissingError`, with what to install. Invariant: no process outlives `stop`.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

READY_SECONDS = 60.0
STOP_SECONDS = 20.0
COMMAND_SECONDS = 30.0

PACKAGES = {"amtool": "prometheus-alertmanager", "prometheus": "prometheus", "promtool": "prometheus"}
"""Program → Debian's package."""


class ToolMissingError(Exception):
    """The program is not installed; the message says how to get it."""


def program(name: str) -> str:
    """Where the program is. Raises `ToolMissingError`."""
    path = shutil.which(name)
    if path is None:
        raise ToolMissingError(f"no {name} here; install it: apt-get install {PACKAGES[name]}")
    return path


class Amtool:
    """Alertmanager's command line, pointed at one monitor."""

    def __init__(self, url: str) -> None:
        self._command = [program("amtool"), f"--alertmanager.url={url}"]

    def __call__(self, *arguments: str, code: int = 0) -> str:
        """What it prints. Fails where it ends with another code than `code`."""
        done = subprocess.run(
            [*self._command, *arguments], capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout if code == 0 else done.stdout + done.stderr

    def json(self, *arguments: str) -> Any:
        """The same, read."""
        return json.loads(self(*arguments, "-o", "json"))


class Promtool:
    """Prometheus's own trial of alerting rules, on series that it is told."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def alerts(self, rules: str, series: dict[str, str], after: str) -> set[str]:
        """Names of the alerts of `rules` that fire `after` a time such as `20m`; a series has a value a minute."""
        (self._directory / "rules.yml").write_text(rules)
        names = sorted({line.split("alert:")[1].strip() for line in rules.splitlines() if "alert:" in line})
        return {name for name in names if not self._passes(series, after, name)}

    def _passes(self, series: dict[str, str], after: str, alert: str) -> bool:
        """Whether the trial passes that expects no such alert."""
        trial = {
            "interval": "1m",
            "input_series": [{"series": name, "values": values} for name, values in series.items()],
            "alert_rule_test": [{"eval_time": after, "alertname": alert, "exp_alerts": []}],
        }
        file = self._directory / "trial.yml"
        file.write_text(json.dumps({"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": [trial]}))
        done = subprocess.run(
            [program("promtool"), "test", "rules", str(file)],
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        said = done.stdout + done.stderr
        assert done.returncode == 0 or "exp:[" in said.replace(" ", ""), said
        return done.returncode == 0


class PrometheusServer:
    """A Prometheus that evaluates rules each second and sends alerts to one monitor."""

    def __init__(self, directory: Path, monitor: str, rules: str, token: str = "") -> None:
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        host = monitor.removeprefix("http://")
        credentials = f"      authorization: {{credentials: {token}}}\n" if token else ""
        (directory / "rules.yml").write_text(rules)
        (directory / "prometheus.yml").write_text(
            "global: {evaluation_interval: 1s, scrape_interval: 1s}\n"
            f"rule_files: ['{directory}/rules.yml']\n"
            "alerting:\n  alertmanagers:\n"
            f"    - static_configs: [{{targets: ['{host}']}}]\n      api_version: v2\n{credentials}"
            "scrape_configs:\n  - job_name: forewarn\n"
            f"    static_configs: [{{targets: ['{host}']}}]\n{credentials.replace('      ', '    ')}"
        )

    def start(self) -> PrometheusServer:
        """Start it, and wait until it is ready."""
        with socket.socket() as chosen:
            chosen.bind(("127.0.0.1", 0))
            port = chosen.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        command = [
            program("prometheus"),
            f"--config.file={self._directory}/prometheus.yml",
            f"--storage.tsdb.path={self._directory}/tsdb",
            f"--web.listen-address=127.0.0.1:{port}",
            "--rules.alert.resend-delay=1s",
            "--web.enable-lifecycle",
        ]
        with (self._directory / "said.txt").open("wb") as stream:
            self._process = subprocess.Popen(command, stdout=stream, stderr=stream)
        end = time.monotonic() + READY_SECONDS
        while self._asked("/-/ready")[0] != 200:
            assert self._process.poll() is None and time.monotonic() < end, self.said()
            time.sleep(0.05)
        return self

    def rewrite(self, rules: str) -> None:
        """Go on with other rules."""
        (self._directory / "rules.yml").write_text(rules)
        assert self._asked("/-/reload", b"")[0] == 200, self.said()

    def query(self, expression: str) -> list[dict[str, Any]]:
        """What it knows now: a vector."""
        status, body = self._asked(f"/api/v1/query?query={expression}")
        found: list[dict[str, Any]] = json.loads(body)["data"]["result"] if status == 200 else []
        return found

    def said(self) -> str:
        """Its log."""
        return (self._directory / "said.txt").read_text("utf-8", "replace")

    def stop(self) -> None:
        """End it, whatever it does."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _asked(self, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        try:
            with urllib.request.urlopen(self.url + path, data=body, timeout=10.0) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        except OSError:
            return 0, b""
