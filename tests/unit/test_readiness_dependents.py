"""Who depends on a component: declared and seen, directly and through others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from msgspec import structs

from monitor.cli import cli
from monitor.cli.judging import impact
from monitor.readiness import dependents
from monitor.readiness.dependents import DEPTH, Graph
from schemas.config import Config
from schemas.view import SeenView, UseView

CONFIG = Config.model_validate(
    {
        "owners": {"pay": {}, "platform": {}, "desk": {}},
        "defaults": {"owner": "platform"},
        "components": [
            {"agent": "refund", "owner": "pay", "depends_on": ["tool:issue", "prompt:p"], "fallback": "model:small",
             "objectives": [{"target": 0.97}]},
            {"agent": "front", "owner": "desk", "depends_on": ["agent:refund"], "fallback": "human"},
            {"tool": "issue", "owner": "platform", "depends_on": ["tool:ledger"]},
        ],
    }
)  # fmt: skip


def used(component: str, runs: int = 4) -> UseView:
    return UseView(component=component, first_seen=1.0, last_seen=90.0, runs=runs, calls=runs)


def view(agent: str, *uses: UseView, callers: tuple[UseView, ...] = (), owner: str = "platform") -> SeenView:
    return SeenView(
        agent=agent, owner=owner, runs_per_minute=2.0, last_seen=100.0, runs=8, uses=uses, callers=callers
    )  # fmt: skip


ROWS: list[tuple[str, str, list[SeenView], list[tuple[object, ...]]]] = [
    ("declared alone", "tool:issue", [], [("agent:refund", 1, True, False), ("agent:front", 2, True, False)]),
    ("through a tool", "tool:ledger", [],
     [("tool:issue", 1, True, False), ("agent:refund", 2, True, False), ("agent:front", 3, True, False)]),
    ("declared and seen", "tool:issue", [view("refund", used("tool:issue"))],
     [("agent:refund", 1, True, True), ("agent:front", 2, True, False)]),
    ("seen and not declared", "tool:search", [view("refund", used("tool:search"))],
     [("agent:refund", 1, False, True), ("agent:front", 2, False, False)]),
    ("an agent that nobody declares", "tool:issue", [view("new", used("tool:issue"))],
     [("agent:refund", 1, True, False), ("agent:new", 1, False, True), ("agent:front", 2, True, False)]),
    ("a caller, known from the child run", "agent:refund", [view("refund", callers=(used("agent:bot"),))],
     [("agent:front", 1, True, False), ("agent:bot", 1, False, True)]),
    ("a fallback", "model:small", [], [("agent:refund", 1, True, False), ("agent:front", 2, True, False)]),
    ("a person is no component", "human", [], []),
    ("two that call each other end", "agent:x", [view("x", used("agent:y")), view("y", used("agent:x"))],
     [("agent:y", 1, False, True)]),
    ("nobody", "agent:front", [], []),
]  # fmt: skip


@pytest.mark.parametrize(("sentence", "component", "seen", "wanted"), ROWS)
def test_who_depends(sentence: str, component: str, seen: list[SeenView], wanted: list[tuple[object, ...]]) -> None:
    found = Graph(CONFIG, seen).dependents(component).dependents
    assert [(each.component, each.steps, each.declared, each.seen) for each in found] == wanted, sentence


def test_what_is_said_of_a_dependent() -> None:
    found = Graph(CONFIG, [view("refund", used("tool:issue"))]).dependents("tool:issue")
    (first, second) = found.dependents
    assert (first.owner, first.objectives, first.share, first.runs_per_minute) == (
        "pay",
        ("success 97% over 30d",),
        0.5,
        2,
    )
    assert (second.owner, second.through, second.share, second.fallback) == ("desk", "agent:refund", None, False)
    assert (found.owner, found.known, found.declared, found.time) == ("platform", True, True, 100.0)
    assert Graph(CONFIG).dependents("model:small").dependents[0].fallback
    (first, _) = Graph(CONFIG, [view("refund", used("model:small"))]).dependents("model:small").dependents
    assert (first.fallback, first.seen) == (True, True)


def test_how_long_ago_is_by_the_clock_and_traffic_is_a_plain_number() -> None:
    busy = structs.replace(view("refund", used("tool:issue")), runs_per_minute=9_471.4)
    found = Graph(CONFIG, [busy], now=100.0 + 7_200.0).dependents("tool:issue")
    told = "\n".join(impact.lines(found))
    assert "2 h ago" in told and "9,471 runs/min" in told and "e+" not in told


def test_what_nobody_names_is_not_known() -> None:
    found = Graph(CONFIG).dependents("tool:isue")
    assert (found.known, found.declared, found.owner) == (False, False, "platform")
    assert "tool:issue" in Graph(CONFIG).components


def test_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = [view(f"a{n}", used(f"agent:a{n + 1}")) for n in range(DEPTH + 3)]
    found = Graph(Config(), chain).dependents(f"agent:a{DEPTH + 3}")
    assert len(found.dependents) == DEPTH
    monkeypatch.setattr(dependents, "DEPENDENTS", 2)
    found = Graph(Config(), [view(f"a{n}", used("tool:t")) for n in range(5)]).dependents("tool:t")
    assert (len(found.dependents), found.left_out) == (2, 3)


# The command


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "forewarn.yaml"
    path.write_text(
        "owners: {pay: {}, platform: {}}\n"
        "components:\n"
        '  - {agent: refund, owner: pay, depends_on: ["tool:issue"]}\n'
        "  - {tool: issue, owner: platform}\n",
        encoding="utf-8",
    )
    return str(path)


@pytest.mark.parametrize(
    ("sentence", "arguments", "code", "words"),
    [
        (
            "declared, and where more is to be had",
            ["tool:issue"],
            0,
            "declared dependencies only; --endpoint or --from",
        ),
        ("a slip names the nearest", ["tool:isue"], 1, "did you mean 'tool:issue'?"),
        ("without a kind", ["issue"], 2, "write one of agent:issue, tool:issue"),
        ("a kind that is none", ["tol:issue"], 2, "write one of agent:issue, tool:issue"),
        ("nobody", ["agent:refund"], 0, "agent:refund (owner pay): nobody declares to depend on it"),
        ("nobody answers", ["tool:issue", "--endpoint", "http://127.0.0.1:9"], 2, "no monitor answers"),
    ],
)
def test_answers(file: str, sentence: str, arguments: list[str], code: int, words: str) -> None:
    result = CliRunner().invoke(cli, ["impact", *arguments, "-c", file])
    assert (result.exit_code, words in result.output) == (code, True), f"{sentence}: {result.output}"


def test_programs_read_json(file: str) -> None:
    told = json.loads(CliRunner().invoke(cli, ["impact", "tool:issue", "-c", file, "--json"]).stdout)
    assert (told["asked"], [each["component"] for each in told["dependents"]]) == (False, ["agent:refund"])


def test_recorded_events_need_the_configuration() -> None:
    result = CliRunner().invoke(cli, ["impact", "tool:issue", "--from", "x.jsonl"])
    assert (result.exit_code, "-c forewarn.yaml" in result.stderr) == (2, True)
