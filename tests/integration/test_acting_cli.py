"""Look and act from the terminal, against a monitor that runs with tokens that open little or all."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from monitor.cli import cli
from tests.services.monitor_process import MonitorProcess

CONFIG = """\
owners: {payments: {}, platform: {}}
defaults: {owner: payments}
runtime:
  tokens:
    - {name: reader, token: look-only, roles: [read]}
    - {name: ops, token: may-act, roles: [read, act, emit]}
"""


@pytest.fixture(scope="module")
def monitor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MonitorProcess]:
    """A monitor to which another system has posted two alerts."""
    process = MonitorProcess(tmp_path_factory.mktemp("acting"), CONFIG)
    try:
        process.start()
        alerts = [
            {
                "labels": {"alertname": "DiskFull", "host": "db1", "severity": "page"},
                "annotations": {"summary": "full"},
            },
            {"labels": {"alertname": "Slow", "host": "db2", "severity": "notice"}},
        ]
        headers = {"Content-Type": "application/json", "Authorization": "Bearer may-act"}
        request = urllib.request.Request(f"{process.url}/api/v2/alerts", json.dumps(alerts).encode(), headers)
        with urllib.request.urlopen(request, timeout=10.0):
            pass
        yield process
    finally:
        process.close()


def forewarn(monitor: MonitorProcess, *arguments: str, token: str | None = "may-act") -> Result:
    environment = {"FOREWARN_ENDPOINT": monitor.url, "USER": "ann", "FOREWARN_TOKEN": token}
    return CliRunner(env=environment).invoke(cli, list(arguments))


def told(monitor: MonitorProcess, *arguments: str) -> Any:
    result = forewarn(monitor, *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_alerts_are_listed_and_narrowed(monitor: MonitorProcess) -> None:
    assert {each["labels"]["alertname"] for each in told(monitor, "alerts")} == {"DiskFull", "Slow"}
    (found,) = told(monitor, "alerts", "host=~db.*", "severity=page")
    assert (found["state"], found["receivers"]) == ("active", ["payments"])
    shown = forewarn(monitor, "alerts").stdout
    assert re.search(r"^DiskFull +active +20\d\d-.* UTC +host=db1 severity=page +-$", shown, re.MULTILINE), shown
    assert told(monitor, "alerts", "--receiver", "platform") == []


def test_a_silence_from_beginning_to_end(monitor: MonitorProcess) -> None:
    made = forewarn(monitor, "silence", "add", "Slow", "host=db2", "--for", "90m", "--comment", "deploy")
    assert made.exit_code == 0, made.output
    name = made.stdout.strip()
    (silence,) = told(monitor, "silence", "list")
    assert (silence["id"], silence["status"], silence["comment"]) == (name, "active", "deploy")
    assert silence["created_by"] == "token:ops ann"
    assert silence["ends_at"] - silence["starts_at"] == pytest.approx(5_400.0, abs=60.0)
    assert [each["labels"]["alertname"] for each in told(monitor, "alerts", "--active")] == ["DiskFull"]
    (slow,) = told(monitor, "alerts", "Slow")
    assert (slow["state"], slow["silenced_by"]) == ("suppressed", [name])
    reasons = forewarn(monitor, "explain", "Slow").stdout
    assert re.search(rf"silenced  by {name} until .* UTC, by token:ops ann: deploy", reasons), reasons
    ended = forewarn(monitor, "silence", "expire", name[:8])
    assert (ended.exit_code, ended.stdout) == (0, f"{name} has ended\n")
    assert told(monitor, "silence", "list") == []
    assert [each["status"] for each in told(monitor, "silence", "list", "--expired")] == ["expired"]
    again = forewarn(monitor, "silence", "expire", name[:8])
    assert (again.exit_code, "there is no silence that is not over like" in again.stderr) == (1, True)


def test_an_incident_from_ack_to_verdict(monitor: MonitorProcess) -> None:
    (page,) = [each for each in told(monitor, "incidents") if each["severity"] == "page"]
    name = page["id"]
    first = forewarn(monitor, "ack", name[:6], "--note", "on it")
    assert (first.exit_code, first.stdout) == (0, f"incident {name} is acknowledged; this ends with the incident\n")
    assert re.search(rf"^{name} +page +acknowledged by token:ops ann +payments", forewarn(monitor, "incidents").stdout,
                     re.MULTILINE)  # fmt: skip
    assert told(monitor, "ack", name, "--undo", "--by", "bob") == {
        "incident": name,
        "act": "unack",
        "by": "token:ops bob",
    }
    for arguments, why in (
        (["--to", "nobody"], "there is no owner `nobody`; owners: payments, platform"),
        ([], "nobody is next in line after payments, say `to`; owners: payments, platform"),
    ):
        refused = forewarn(monitor, "ack", name, "--not-mine", *arguments)
        assert (refused.exit_code, refused.stdout) == (1, "") and refused.stderr.rstrip().endswith(why), refused.stderr
    assert forewarn(monitor, "ack", name, "--not-mine", "--to", "platform").exit_code == 0
    (handed,) = [each for each in told(monitor, "incidents", "--owner", "platform") if each["id"] == name]
    assert handed["handed_from"] == "payments"
    assert forewarn(monitor, "ack", name, "--false-alarm").exit_code == 0
    assert name not in {each["id"] for each in told(monitor, "incidents")}
    (over,) = [each for each in told(monitor, "incidents", "--all") if each["id"] == name]
    assert over["verdict"] == "false_alarm"
    later = forewarn(monitor, "ack", name, "--new-normal")
    assert (later.exit_code, later.stdout) == (0, f"incident {name} was the new normal\n")
    (over,) = [each for each in told(monitor, "incidents", "--all") if each["id"] == name]
    assert over["verdict"] == "new_normal"
    shown = forewarn(monitor, "explain", name[:6]).stdout
    for reason in ("first notification", "acknowledged", "acknowledgement taken back", "false alarm"):
        assert re.search(rf"decided .*: told, {reason}$", shown, re.MULTILINE), reason + shown
    decided = told(monitor, "explain", name)["decisions"]
    assert decided[0]["reason"] == "first notification"


def test_the_state_on_disk_says_the_same(monitor: MonitorProcess) -> None:
    """Read only, while the monitor runs."""
    file = Path(monitor.directory / "stored.yaml")
    file.write_text(f"{CONFIG.rstrip()}\n  directory: {monitor.data}\n", encoding="utf-8")
    assert told(monitor, "incidents", "--all", "-c", str(file)) == told(monitor, "incidents", "--all")
    (running, kept) = (told(monitor, "silence", "list", "--expired", *more) for more in ((), ("-c", str(file))))
    assert [each["id"] for each in kept] == [each["id"] for each in running]
    stored = told(monitor, "alerts", "-c", str(file))
    assert [each["labels"] for each in stored] == [each["labels"] for each in told(monitor, "alerts")]


@pytest.mark.parametrize(
    ("sentence", "arguments", "token", "code", "words"),
    [
        ("without a token", ["alerts"], None, 2, "wants a token (HTTP 401): set FOREWARN_TOKEN"),
        ("with a wrong one", ["alerts"], "guessed", 2, "knows no such token (HTTP 401): set FOREWARN_TOKEN"),
        ("a reader may look", ["incidents"], "look-only", 0, ""),
        (
            "a reader may not act",
            ["silence", "add", "X"],
            "look-only",
            2,
            "has not the role `act`, which this needs",
        ),
        ("no such incident", ["ack", "zzzz"], "may-act", 1, "there is no incident like 'zzzz'"),
        ("no such owner", ["ack", "", "--to", "x"], "may-act", 2, "--to belongs to --not-mine"),
        ("two at once", ["ack", "", "--undo", "--false-alarm"], "may-act", 2, "one of --undo, --not-mine"),
        ("no length of time", ["silence", "add", "X", "--for", "soon"], "may-act", 2, "'soon' is no duration"),
        ("no matcher", ["silence", "add", "host=~("], "may-act", 2, "no matcher"),
        ("a silence of everything", ["silence", "add", "host=~.*"], "may-act", 1, "answered 400"),
        ("no address", ["alerts", "--url", "ftp://x"], "may-act", 2, "is no http address"),
        ("nobody there", ["alerts", "--url", "http://127.0.0.1:9"], "may-act", 2, "start one with `forewarn run`"),
    ],
)
def test_what_is_refused_says_why(
    monitor: MonitorProcess, sentence: str, arguments: list[str], token: str | None, code: int, words: str
) -> None:
    result = forewarn(monitor, *arguments, token=token)
    assert (result.exit_code, words in result.stderr) == (code, True), sentence + result.output
