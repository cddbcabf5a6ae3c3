"""`forewarn ready`: each missing piece is refused in turn, the complete agent passes, and the lines to add work."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from monitor.cli import cli
from monitor.config import check_text
from schemas.settings.gates import PIECES
from tests.doubles import gate_log
from tests.doubles.gate_log import COMPLETE, END, MODEL, TOOL

AGENT = "refund-agent"


def less(event: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name not in names}


def events(count: int, *said: dict[str, Any], end: dict[str, Any] = END, **more: Any) -> list[dict[str, Any]]:
    return [event for number in range(count) for event in gate_log.run(AGENT, number, *said, end=end, **more)]


def without(text: str, by: str = "") -> str:
    assert COMPLETE.count(text) == 1
    return COMPLETE.replace(text, by)


ALL = events(50, MODEL, TOOL)
CONTRACT = COMPLETE[COMPLETE.index("    contract:") : COMPLETE.index("  - {agent: front-desk")]
NO_OWNER = without("    owner: payments\n").replace(
    "platform: {slack", "platform: {escalate: {after: 1h, to: support}, slack"
)
ROWS: list[tuple[str, str, list[dict[str, Any]], tuple[str, ...], str]] = [
    ("complete", COMPLETE, ALL, (), "refund-agent is ready"),
    ("no owner", NO_OWNER, ALL, ("owner",), "it names no owner and falls to platform"),
    ("no contract", without(CONTRACT), events(50, MODEL), ("contract", "tools", "calls"), "it has none"),
    ("an empty contract", without(CONTRACT, "    contract: {}\n"), ALL, ("contract", "tools"), "it is empty"),
    (
        "no objective",
        without("    objectives: [{name: success, target: 97%, window: 30d}]\n"),
        ALL,
        ("objectives",),
        "it has none",
    ),
    (
        "nobody to escalate to",
        without(", escalate: {after: 15m, to: platform}"),
        ALL,
        ("escalation",),
        "stays with payments",
    ),
    ("no fallback", without("    fallback: human\n"), ALL, ("fallback",), "it says of nothing what takes over"),
    ("a tool without a version", without('version: "3", '), ALL, ("tools",), "without a version: issue_refund"),
    (
        "a tool that is not in the contract",
        COMPLETE,
        events(50, MODEL, TOOL, TOOL | {"tool": "export"}),
        ("tools",),
        "not in its contract: export",
    ),
    ("too few runs", COMPLETE, events(49, MODEL, TOOL), ("runs",), "49 of 50 production runs seen"),
    (
        "shadow runs alone",
        COMPLETE,
        events(50, MODEL, TOOL, variant="shadow"),
        ("runs", "calls", "outcomes", "versions", "tokens", "costs"),
        "0 of 50 production runs seen",
    ),
    (
        "no arguments",
        COMPLETE,
        events(50, MODEL, less(TOOL, "arguments")),
        ("calls",),
        "issue_refund without arguments",
    ),
    ("no results", COMPLETE, events(50, MODEL, less(TOOL, "result")), ("calls",), "issue_refund without results"),
    (
        "no tool versions",
        COMPLETE,
        events(50, MODEL, less(TOOL, "tool_version")),
        ("calls",),
        "issue_refund without versions",
    ),
    ("no call of a tool", COMPLETE, events(50, MODEL), ("calls",), "no call of a tool was seen"),
    ("no outcomes", COMPLETE, events(50, MODEL, TOOL, end=less(END, "outcome")), ("outcomes",), "in 0 of 50 runs"),
    ("no versions", COMPLETE, events(50, MODEL, TOOL, version=None), ("versions",), "in 0 of 50 runs"),
    (
        "no tokens",
        COMPLETE,
        events(50, less(MODEL, "input_tokens", "output_tokens"), TOOL),
        ("tokens",),
        "in 0 of 50 runs with",
    ),
    ("no costs", COMPLETE, events(50, less(MODEL, "cost_usd"), TOOL), ("costs",), "in 0 of 50 runs with a model"),
    ("no model calls", COMPLETE, events(50, TOOL), ("tokens", "costs"), "no model call was seen in 50 runs"),
    (
        "some runs without",
        COMPLETE,
        [
            *events(46, MODEL, TOOL),
            *gate_log.run(AGENT, 46, MODEL, TOOL, version=None),
            *gate_log.run(AGENT, 47, MODEL, TOOL, version=None),
            *gate_log.run(AGENT, 48, MODEL, TOOL, version=None),
            *gate_log.run(AGENT, 49, MODEL, TOOL),
        ],
        ("versions",),
        "in 47 of 50 runs",
    ),
    (
        "what is not asked for may be missing",
        COMPLETE + "ready: {require: [owner, runs], runs: 3}\n",
        events(3),
        (),
        "not asked  tokens",
    ),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ready(folder: Path, text: str, said: list[dict[str, Any]], *arguments: str) -> Result:
    (folder / "forewarn.yaml").write_text(text, encoding="utf-8")
    (folder / "events.jsonl").write_bytes(gate_log.lines(said))
    return CliRunner().invoke(cli, ["ready", AGENT, "--from", "events.jsonl", *arguments])


@pytest.mark.parametrize(("sentence", "text", "said", "missing", "words"), ROWS, ids=[row[0] for row in ROWS])
def test_each_piece(
    folder: Path, sentence: str, text: str, said: list[dict[str, Any]], missing: tuple[str, ...], words: str
) -> None:
    result = ready(folder, text, said)
    assert (result.exit_code, words in result.stdout) == (1 if missing else 0, True), result.output
    told = json.loads(ready(folder, text, said, "--json").stdout)
    assert tuple(told["missing"]) == missing, sentence
    assert told["ready"] is not bool(missing)


def test_every_piece_is_refused_somewhere() -> None:
    assert {name for row in ROWS for name in row[3]} == set(PIECES)


def test_the_lines_for_the_yaml_make_it_ready(folder: Path) -> None:
    bare = "owners: {payments: {}, platform: {}}\n"
    told = json.loads(ready(folder, bare, ALL, "--json").stdout)
    assert "owner" in told["missing"]
    lines = told["add"]["yaml"]
    split = next(place for place, line in enumerate(lines) if line.startswith("# under owners"))
    component = yaml.safe_load("\n".join(lines[:split]))
    text = yaml.safe_dump(
        {"owners": {"platform": {}} | yaml.safe_load("\n".join(lines[split:])), "components": component}
    )
    assert [each for each in check_text(text, "x") if each.severity == "error"] == []
    after = json.loads(ready(folder, text.replace("version: '1'", "version: '3'"), ALL, "--json").stdout)
    assert after["missing"] == []


def test_the_lines_for_the_agent_are_python(folder: Path) -> None:
    told = json.loads(
        ready(folder, COMPLETE, events(1, less(TOOL, "arguments"), end={"kind": "run_finished"}), "--json").stdout
    )
    code = told["add"]["sdk"]
    assert '    with run.tool("issue_refund", arguments=arguments, tool_version="3") as call:' in code
    compile("\n".join(code), "lines", "exec")


@pytest.mark.parametrize("sent", [events(1, end={"kind": "run_finished"}), ALL[:3]])
def test_what_is_shown_for_the_agent_can_be_pasted(folder: Path, sent: list[dict[str, Any]]) -> None:
    shown = ready(folder, COMPLETE, sent).stdout
    compile(shown.partition("to the agent:\n")[2], "lines", "exec")
    assert "with emitter.run(input=question) as run:" in shown


def test_names_are_data(folder: Path) -> None:
    odd = 'a"b\x1b[31m: #x'
    said = [event | {"agent": odd} for event in events(3, TOOL | {"tool": "t: {x"})]
    (folder / "forewarn.yaml").write_text("owners: {one: {}}\n", encoding="utf-8")
    (folder / "events.jsonl").write_bytes(gate_log.lines(said))
    result = CliRunner().invoke(cli, ["ready", odd, "--from", "events.jsonl"])
    assert (result.exit_code, "\x1b" in result.output) == (1, False)
    told = json.loads(CliRunner().invoke(cli, ["ready", odd, "--from", "events.jsonl", "--json"]).stdout)
    (component,) = yaml.safe_load(
        "\n".join(line for line in told["add"]["yaml"] if "owners" not in line)[:-1].split("\none:")[0]
    )
    assert component["agent"] == odd
    assert list(component["contract"]["tools"]) == ["t: {x"]


@pytest.mark.parametrize(
    ("sentence", "arguments", "code", "words"),
    [
        (
            "an unknown agent names the nearest",
            ["refund-agnt", "--from", "events.jsonl"],
            1,
            "did you mean 'refund-agent'?",
        ),
        ("nobody answers", [AGENT, "--endpoint", "http://127.0.0.1:9"], 2, "no monitor answers"),
        ("no configuration", [AGENT, "-c", "none.yaml"], 2, "cannot read none.yaml"),
        ("fewer runs on request", [AGENT, "--from", "events.jsonl", "--runs", "3"], 0, "3 of 3 production runs seen"),
    ],
)
def test_other_questions(folder: Path, sentence: str, arguments: list[str], code: int, words: str) -> None:
    (folder / "forewarn.yaml").write_text(COMPLETE, encoding="utf-8")
    (folder / "events.jsonl").write_bytes(gate_log.lines(events(3, MODEL, TOOL)))
    result = CliRunner().invoke(cli, ["ready", *arguments])
    assert (result.exit_code, words in result.output) == (code, True), f"{sentence}: {result.output}"
