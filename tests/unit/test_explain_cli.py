"""`forewarn explain`: what stands between an agent's nodes and an alert."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from monitor.cli import cli
from schemas.event import encode
from tests.doubles.fleet_log import START, Run, events

WARM = 400


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four hundred runs at 4 % failures, then every second one fails; a run a minute."""
    directory = tmp_path_factory.mktemp("explain")
    rng = random.Random(3)
    runs = [
        Run("refund-agent", START + 60.0 * i, version="v1", failed=rng.random() < (0.04 if i < WARM else 0.5))
        for i in range(WARM + 60)
    ]
    (directory / "events.jsonl").write_bytes(b"\n".join(encode(event) for event in events(runs)))
    (directory / "forewarn.yaml").write_text("owners: {payments: {}}\ndetectors: {agent.traffic: {mode: off}}\n")
    return directory


def explain(directory: Path, *arguments: str) -> Result:
    given = ("-c", str(directory / "forewarn.yaml"), "--from", str(directory / "events.jsonl"))
    return CliRunner().invoke(cli, ["explain", *arguments, *given])


def test_before_the_fault_it_says_how_far_from_an_alert_each_node_is(recorded: Path) -> None:
    result = explain(recorded, "refund-agent", str(START + 60.0 * WARM - 30.0), "signal=run.failed")
    assert result.exit_code == 0, result.output
    assert "refund-agent (owner payments)" in result.stdout
    assert "run.failed version=v1: healthy" in result.stdout
    assert "400 observations" in result.stdout
    assert "of the 1 that raises an alert" in result.stdout
    assert "tool.failed" not in result.stdout
    assert "no incident names this agent" in result.stdout


def test_while_it_warms_up_it_says_what_it_waits_for(recorded: Path) -> None:
    result = explain(recorded, "refund-agent", str(START + 60.0 * 50), "signal=run.failed")
    assert "run.failed version=v1: warming up" in result.stdout
    assert "of about 20 failures or 51 of 200 runs seen" in result.stdout


def test_with_the_fault_it_names_the_incident(recorded: Path) -> None:
    result = explain(recorded, "refund-agent")
    assert "it fires; more evidence changes nothing until the signal is back" in result.stdout
    assert "page, firing" in result.stdout
    assert "refund-agent v1: fails" in result.stdout


def test_a_signal_without_one_level_says_that_it_is_watched(recorded: Path) -> None:
    result = explain(recorded, "refund-agent", "signal=run.outcome")
    assert "460 observations, watched for any change" in result.stdout
    assert "voice     notice, and page once it is material and sustained; " in result.stdout
    result = explain(recorded, "refund-agent", "signal=agent.guardrail")
    assert "460 observations, 0.1" in result.stdout
    assert "; normal 0.1" in result.stdout


def test_what_fires_comes_first_and_little_evidence_is_said_in_words(recorded: Path) -> None:
    lines = explain(recorded, "refund-agent", "--all").stdout.splitlines()
    heads = [line for line in lines if line.endswith((": firing", ": healthy", ": warming up"))]
    states = [line.rsplit(": ", 1)[1] for line in heads]
    assert states == sorted(states, key=lambda state: state != "firing")
    assert states[0] == "firing"
    assert any(line.endswith("next to nothing of the 1 that raises an alert") for line in lines)
    assert not any("e-0" in line for line in lines)


def test_programs_read_json(recorded: Path) -> None:
    told = json.loads(explain(recorded, "refund-agent", "version=v1", "--json").stdout)
    assert told["owner"] == "payments"
    assert told["signals"] and all(node["labels"]["version"] == "v1" for node in told["signals"])
    assert [incident["status"] for incident in told["incidents"]].count("firing") >= 1
    assert told["budget"]["spent"] >= 1


@pytest.mark.parametrize(
    ("sentence", "arguments", "code", "words"),
    [
        ("an alert that is over", ["DiskFull", "host=db1"], 1, "there is no incident or alert of that name"),
        ("an unknown agent names the nearest", ["refund-agnet"], 1, "did you mean 'refund-agent'?"),
        ("an unknown label names the nearest", ["refund-agent", "versoin=v1"], 2, "did you mean 'version'?"),
        ("an unknown signal names the nearest", ["refund-agent", "signal=run.faild"], 0, "did you mean 'run.failed'?"),
        (
            "a signal that nobody reports",
            ["refund-agent", "signal=retrieval.empty"],
            0,
            "no run of refund-agent has said anything of retrieval.empty yet",
        ),
        ("a time that is none says what one looks like", ["refund-agent", "noon"], 2, "2026-01-31T12:00:00Z"),
    ],
)
def test_wrong_questions(recorded: Path, sentence: str, arguments: list[str], code: int, words: str) -> None:
    result = explain(recorded, *arguments)
    assert (result.exit_code, words in result.stdout + result.stderr) == (code, True), sentence + result.output


def test_without_a_monitor_it_says_what_to_do() -> None:
    result = CliRunner().invoke(cli, ["explain", "a", "--endpoint", "http://127.0.0.1:9"])
    assert result.exit_code == 2
    assert "no monitor answers at http://127.0.0.1:9" in result.stderr
    assert "forewarn run" in result.stderr


def test_a_replay_needs_the_configuration() -> None:
    result = CliRunner().invoke(cli, ["explain", "a", "2026-01-31T12:00:00Z"])
    assert (result.exit_code, "-c forewarn.yaml" in result.stderr) == (2, True)


def test_a_node_is_held_while_another_fires_for_its_runs(recorded: Path) -> None:
    lines = explain(recorded, "refund-agent", "signal=run.failed").stdout.splitlines()
    assert "run.failed: held while run.failed version=v1 fires" in lines
    fires = lines.index("run.failed version=v1: firing")
    seen = int(lines[fires + 1].split()[1])
    assert seen <= 60 and "observations since the onset" in lines[fires + 1], "the reference has 400"


def test_a_level_is_the_plain_share_of_what_was_seen(recorded: Path) -> None:
    def node(at: int) -> dict[str, float | None]:
        asked = ("refund-agent", str(START + 60.0 * at), "signal=run.failed", "version=v1", "--json")
        (found,) = json.loads(explain(recorded, *asked).stdout)["signals"]
        return dict(found)

    rng = random.Random(3)
    failed = [rng.random() < 0.04 for _ in range(WARM)]
    young, grown = node(1), node(WARM - 1)
    assert (young["level"], young["reference"]) == (sum(failed[:2]) / 2, None), "a good run is no failure in four"
    assert grown["level"] == sum(failed) / WARM


def test_a_declared_objective_makes_no_agent_healthy_after_one_run(recorded: Path) -> None:
    (recorded / "objective.yaml").write_text(
        "owners: {payments: {}}\n"
        "components: [{agent: refund-agent, objectives: [{name: success, target: 97%, window: 30d}]}]\n"
    )
    given = ("-c", str(recorded / "objective.yaml"), "--from", str(recorded / "events.jsonl"))
    for at, state in ((1, "warming up"), (300, "healthy")):
        told = CliRunner().invoke(cli, ["explain", "refund-agent", str(START + 60.0 * at), "--json", *given])
        assert json.loads(told.stdout)["state"] == state
