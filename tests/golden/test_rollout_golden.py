"""What `forewarn rollout` prints, from the state of a monitor that has stopped; and its messages, in Slack and as text.

`make golden` writes the files anew; look at the diff.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from monitor.alerting.router import Router
from monitor.alerting.routing.receivers import plan
from monitor.cli import cli
from monitor.config import load
from monitor.intake.assembler import Assembler
from monitor.notify import console
from monitor.notify.composing import message_of
from monitor.notify.outbox import Outbox
from monitor.notify.slack.blocks import render
from monitor.notify.webhook import payload
from monitor.runtime.steps import Steps
from monitor.runtime.store import Store
from schemas.alert import Notification
from schemas.config import Config
from schemas.news import RolloutSeen
from schemas.records import Tick
from tests.doubles import block_rules
from tests.doubles.clock import START
from tests.doubles.rollouts import HOUR, hostile, promoted, rolled_back, rollout, shadow

FOLDER = Path(__file__).parent
DOCS = FOLDER.parents[1] / "docs"
YAML = "owners: {payments: {slack: '#payments-oncall'}, orders: {}}\nruntime: {directory: data}\n"
CONFIG = Config.model_validate(
    {
        "owners": {"payments": {"slack": "#payments-oncall", "mention": "U024BE7LH"}},
        "runtime": {"external_url": "http://127.0.0.1:4319", "run_url": "https://traces.example.com/run/{run}"},
    }
)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state of a monitor: one to roll back, a shadow, one that is through, and one with names that attack."""
    folder = tmp_path_factory.mktemp("rollouts")
    (folder / "forewarn.yaml").write_text(YAML, encoding="utf-8")
    config = load(folder / "forewarn.yaml", {}).model_copy()
    config = config.model_copy(
        update={"runtime": config.runtime.model_copy(update={"directory": str(folder / "data")})}
    )
    store = Store(folder / "data")
    steps = Steps(config, store, Assembler(trace_timeout=60.0), Outbox(plan(config, slack=False)))
    store.commit(*steps.step([Tick(START, None)]))
    over = promoted(3 * HOUR, id="p1", agent="invoice-reader", candidate="7", baseline="6", ended="promoted")
    news = [rolled_back(), shadow(agent="order-status", owner="orders"), over, hostile()]
    steps.router.step((), START + 5 * HOUR, (), news)
    store.commit(*steps.step([Tick(START + 5 * HOUR, START)]))
    store.close()
    return folder


CASES = [
    ("rollout-table", ["rollout", "-c", "forewarn.yaml"], 1),
    ("rollout-all", ["rollout", "-c", "forewarn.yaml", "--all", "--mode", "canary"], 1),
    ("rollout-roll-back", ["rollout", "refund-agent", "-c", "forewarn.yaml"], 1),
    ("rollout-hold", ["rollout", "order-status", "-c", "forewarn.yaml"], 3),
    ("rollout-promote", ["rollout", "invoice-reader", "--candidate", "7", "-c", "forewarn.yaml"], 0),
    ("rollout-json", ["rollout", "order-status", "-c", "forewarn.yaml", "--json"], 3),
    ("rollout-unknown", ["rollout", "order-statu", "-c", "forewarn.yaml"], 3),
    ("rollout-unknown-version", ["rollout", "refund-agent", "--candidate", "v14", "-c", "forewarn.yaml"], 3),
    ("rollout-nothing", ["rollout", "-c", "forewarn.yaml", "--candidate", "99", "--json"], 3),
]


@pytest.mark.parametrize(("name", "arguments", "code"), CASES)
def test_what_the_command_prints(
    stopped: Path, monkeypatch: pytest.MonkeyPatch, name: str, arguments: list[str], code: int
) -> None:
    monkeypatch.chdir(stopped)
    result = CliRunner().invoke(cli, arguments)
    shown = f"$ forewarn {' '.join(arguments)}\n{result.stderr}{result.stdout}"
    _compare(FOLDER / "cli" / f"{name}.txt", shown)
    assert result.exit_code == code
    assert "\x1b" not in shown and "\u202e" not in shown, "what others wrote does not steer a terminal"


def test_the_page_of_the_command_shows_what_it_prints() -> None:
    page = DOCS / "rollout.md"
    text = page.read_text(encoding="utf-8")
    block = re.compile(r"(?<=```text\n)\$ forewarn rollout refund-agent.*?(?=```)", re.DOTALL)
    golden = (FOLDER / "cli" / "rollout-roll-back.txt").read_text(encoding="utf-8").replace(" -c forewarn.yaml", "")
    renewed, count = block.subn(lambda _: golden, text)
    if os.environ.get("UPDATE_GOLDEN"):
        page.write_text(renewed, encoding="utf-8")
    assert count == 1 and page.read_text(encoding="utf-8") == renewed, "`make golden` writes it anew"


def _told(*news: RolloutSeen) -> Notification:
    """The last notification for a message that these words bring about."""
    router = Router(CONFIG)
    return [each for word in news for each in router.step((), word.time, (), [word])][-1]


STORY = {
    "rollout-began": [rollout()],
    "rollout-roll-back": [rollout(), rolled_back()],
    "rollout-promote": [rollout(), promoted()],
    "rollout-over": [rollout(), rolled_back(), rolled_back(6 * HOUR, ended="rolled back")],
    "rollout-shadow": [shadow()],
    "rollout-not-by-lot": [rollout(randomised="no", runs_needed=None)],
    "rollout-hostile": [hostile()],
}


@pytest.mark.parametrize("act", STORY)
def test_blocks(act: str) -> None:
    blocks, text = render(message_of(_told(*STORY[act]), CONFIG), buttons=True)
    written = json.dumps({"blocks": blocks, "text": text}, ensure_ascii=False, indent=1) + "\n"
    _compare(FOLDER / "slack" / f"{act}.json", written)
    assert block_rules.problems(blocks) == [] and block_rules.total(blocks) <= block_rules.TOTAL
    assert not any(block["type"] == "actions" for block in blocks), "there is nothing to press"


@pytest.mark.parametrize("act", STORY)
def test_console(act: str) -> None:
    told = _told(*STORY[act])
    lines = console.render(message_of(told, CONFIG), edits=told.sequence > 1, channel="#payments-oncall")
    _compare(FOLDER / "slack" / f"{act}.txt", "\n".join(console.plain(line) for line in lines) + "\n")


def test_a_webhook_of_alertmanagers_gets_an_alert_with_the_verdict_in_its_annotations() -> None:
    told = _told(rollout(), rolled_back(), rolled_back(6 * HOUR, ended="rolled back"))
    body = payload(told, CONFIG)
    assert (body["version"], body["status"], len(body["alerts"])) == ("4", "resolved", 1)
    (alert,) = body["alerts"]
    assert alert["labels"]["alertname"] == "rollout" and alert["generatorURL"] == "http://127.0.0.1:4319/#rollouts"
    assert (alert["annotations"]["verdict"], alert["annotations"]["candidate"]) == ("roll back", "v13")


def _compare(path: Path, made: str) -> None:
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(made, encoding="utf-8")
    assert made == path.read_text(encoding="utf-8"), f"{path.name} differs; `make golden` writes it anew"
