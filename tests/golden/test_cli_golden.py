"""What the commands of the router print for a person: timelines, scenarios, differences, reasons, tables.

`make golden` writes the files anew; look at the diff.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from monitor.alerting.routing.receivers import plan
from monitor.cli import cli
from monitor.config import load
from monitor.intake.assembler import Assembler
from monitor.notify.outbox import Outbox
from monitor.runtime.steps import Steps
from monitor.runtime.store import Store
from schemas.actions import Deed, Matcher, PostedAlert, SilenceSet
from schemas.records import Tick

FOLDER = Path(__file__).parent / "cli"
DOCS = Path(__file__).parents[2] / "docs"
START = 1_760_000_000.0
OWNERS = """\
owners:
  db: {slack: "#db", escalate: {after: 20m, to: platform}}
  platform: {slack: "#platform"}
defaults: {owner: db}
"""
ROUTED = (
    OWNERS
    + """\
route:
  receiver: all
  group_by: [alertname]
  group_wait: 1m
  routes:
    - {matchers: [team="night"], receiver: later, mute_time_intervals: [mornings]}
receivers: [{name: all}, {name: later}]
inhibit_rules: [{source_matchers: [alertname="DatacenterDown"], target_matchers: [alertname="Disk"], equal: [dc]}]
time_intervals: [{name: mornings, time_intervals: [{times: [{start_time: "00:00", end_time: "12:00"}]}]}]
"""
)
SCENARIO = (
    OWNERS
    + """\
tests:
  - name: a full disk
    alerts: [{labels: {alertname: Disk, host: db1, severity: page}, at: 1m, until: 40m}]
    deeds: [{at: 50m, act: ack, labels: {host: db1}}]
    expect:
      - at: 5m
        notifications: [{receiver: platform, status: firing}]
      - at: 30m
        alerts: []
      - at: 1h
        notifications:
          - {reason: all alerts resolved, count: 2}
  - name: a full disk at night
    alerts: [{labels: {alertname: Disk, host: db1, severity: page}, at: 1m, until: 40m}]
    expect: [{at: 5m, alerts: [{labels: {host: db1}, state: active}]}]
"""
)


def alert(at: float, ends: float, **labels: str) -> dict[str, object]:
    return {"type": "alert", "time": START + at, "labels": labels, "ends_at": START + ends}


TIMELINE = [
    alert(0.0, 9e3, alertname="DatacenterDown", dc="x", severity="page"),
    alert(5.0, 9e3, alertname="Disk", dc="x", host="db1", severity="page"),
    alert(10.0, 9e3, alertname="Disk", dc="y", host="db2", severity="page"),
    alert(20.0, 9e3, alertname="Slow", team="night", severity="notice"),
    {"type": "silence", "time": START + 200.0, "starts_at": START + 200.0, "ends_at": START + 5e3, "id": "5f0d7f",
     "matchers": ['host="db2"'], "created_by": "ann", "comment": "moving disks"},
]  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Configurations, a timeline, and the state of a monitor that has stopped; files are named as a person would."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "forewarn.yaml").write_text(OWNERS, encoding="utf-8")
    (tmp_path / "routed.yaml").write_text(ROUTED, encoding="utf-8")
    (tmp_path / "scenario.yaml").write_text(SCENARIO, encoding="utf-8")
    (tmp_path / "timeline.jsonl").write_text("\n".join(map(json.dumps, TIMELINE)), encoding="utf-8")
    (tmp_path / "stopped.yaml").write_text(OWNERS + "runtime: {directory: data}\n", encoding="utf-8")
    return tmp_path


@pytest.fixture
def stopped(folder: Path) -> Path:
    """The state of a monitor: a page that is acknowledged, a notice, one that is silenced, one that is over."""
    config = load(folder / "stopped.yaml", {})
    store = Store(folder / "data")
    steps = Steps(config, store, Assembler(trace_timeout=60.0), Outbox(plan(config, slack=False)))

    def step(at: float, *actions: object) -> None:
        begun = int(steps.now - START) if steps.now else int(at)
        times = [*range(begun + 10, int(at), 10), at]  # nobody was away meanwhile
        ticks = [Tick(START + each, START + each - 1.0) for each in times]
        store.commit(*steps.step(ticks, (), actions))  # type: ignore[arg-type]

    def posted(at: float, ends: float, **labels: str) -> PostedAlert:
        words = {"summary": f"{labels['alertname']} on {labels['host']}"}
        begun = START + at
        return PostedAlert(time=begun, labels=labels, annotations=words, starts_at=begun, ends_at=START + ends)

    step(0.0)
    step(1.0, posted(1.0, 9e3, alertname="Disk", host="db1", severity="page"))
    step(2.0, posted(2.0, 9e3, alertname="Slow\x1b[31m", host="db2", severity="notice", owner="platform"))
    step(3.0, posted(3.0, 9e3, alertname="Cpu", host="db3", severity="page", owner="platform"))
    step(4.0, posted(4.0, 60.0, alertname="Net", host="db4", severity="page"))
    first = next(each for each in steps.router.incidents() if each.alerts[0].labels["alertname"] == "Disk")
    step(30.0, Deed(time=START + 30.0, incident=first.id, act="ack", by="ann", note="on it"))
    step(
        40.0,
        SilenceSet(
            time=START + 40.0, id="5f0d7f", matchers=(Matcher("host", "db3|db9", is_regex=True),),
            starts_at=START + 40.0, ends_at=START + 7_240.0, created_by="bob", comment="known",
        ),
    )  # fmt: skip
    step(70.0)
    step(600.0)
    store.close()
    return folder


CASES = [
    ("test-failed", ["test", "scenario.yaml"], 1),
    (
        "against",
        ["replay", "forewarn.yaml", "timeline.jsonl", "--until", str(START + 300), "--against", "routed.yaml"],
        1,
    ),
    ("explain-muted", ["explain", "Disk", str(START + 250), "-c", "routed.yaml", "--from", "timeline.jsonl"], 0),
    (
        "explain-waits",
        ["explain", "DatacenterDown", str(START + 30), "-c", "routed.yaml", "--from", "timeline.jsonl"],
        0,
    ),
    ("explain-time", ["explain", "Slow", str(START + 90), "-c", "routed.yaml", "--from", "timeline.jsonl"], 0),
    ("replay-timeline", ["replay", "routed.yaml", "timeline.jsonl", "--json", "--until", str(START + 400)], 0),
    ("explain-nobody", ["explain", "Dsk", str(START + 90), "-c", "routed.yaml", "--from", "timeline.jsonl"], 1),
]
STORED = [
    ("alerts", ["alerts", "-c", "stopped.yaml"], 0),
    ("alerts-narrowed", ["alerts", "-c", "stopped.yaml", 'host=~"db.*"', "severity=page", "--active"], 0),
    ("alerts-json", ["alerts", "-c", "stopped.yaml", "Disk", "--json"], 0),
    ("incidents", ["incidents", "-c", "stopped.yaml", "--all"], 0),
    ("incidents-owner", ["incidents", "-c", "stopped.yaml", "--owner", "platform"], 0),
    ("silences", ["silence", "list", "-c", "stopped.yaml"], 0),
    ("alerts-no-matcher", ["alerts", "-c", "stopped.yaml", "host=~"], 0),
    ("alerts-bad-matcher", ["alerts", "-c", "stopped.yaml", "host=~(", "x"], 2),
    ("alerts-nothing", ["alerts", "-c", "routed.yaml"], 2),
]  # fmt: skip


def compare(name: str, arguments: list[str], code: int) -> None:
    result = CliRunner().invoke(cli, arguments)
    shown = f"$ forewarn {' '.join(arguments)}\n{result.stderr}{result.stdout}"
    shown = re.sub(r'"seconds": [\d.e-]+', '"seconds": 0.1', shown)
    golden = FOLDER / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(shown, encoding="utf-8")
    assert shown == golden.read_text(encoding="utf-8"), "UPDATE_GOLDEN=1 writes it anew"
    assert result.exit_code == code
    assert "\x1b" not in shown, "what others wrote does not steer a terminal"


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(("name", "arguments", "code"), CASES)
def test_of_a_replay(name: str, arguments: list[str], code: int) -> None:
    compare(name, arguments, code)


@pytest.mark.usefixtures("stopped")
@pytest.mark.parametrize(("name", "arguments", "code"), STORED)
def test_of_a_monitor_that_has_stopped(name: str, arguments: list[str], code: int) -> None:
    compare(name, arguments, code)


def test_the_example_of_the_docs_holds_and_prints_what_they_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = DOCS / "test.md"
    text = page.read_text(encoding="utf-8")
    example = re.search(r"^```yaml\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert example is not None
    monkeypatch.chdir(tmp_path)
    Path("forewarn.yaml").write_text(example[1], encoding="utf-8")
    result = CliRunner().invoke(cli, ["test", "forewarn.yaml"])
    block = re.compile(r"(?<=```text\n)\$ forewarn test forewarn\.yaml\n.*?(?=```)", re.DOTALL)
    renewed = block.sub(lambda _: f"$ forewarn test forewarn.yaml\n{result.output}", text)
    if os.environ.get("UPDATE_GOLDEN"):
        page.write_text(renewed, encoding="utf-8")
    assert page.read_text(encoding="utf-8") == renewed, "`make golden` writes it anew"
    assert result.exit_code == 0, result.output
