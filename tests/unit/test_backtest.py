"""The backtest: what a new configuration catches and loses of an old one's pages, and which limits it breaks."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from monitor.cli import cli
from monitor.cli.judging.backtest import Told, Voice, compare, judge
from monitor.cli.replay import heard
from monitor.cli.telling import backtest as telling
from schemas.config import DAY, WEEK, Backtest, Config
from tests.doubles.alert_log import Told as AlertLog
from tests.doubles.findings import finding
from tests.services.agent_events import Fleet

START = 1_760_000_000.0
MIN = 60.0


def told(
    name: str, at: float, *, over: float = math.inf, owner: str = "pay", voice: Voice = "page", about: str = "agent:a",
    complained: float | None = None, **labels: str,
) -> Told:  # fmt: skip
    return Told(
        id=name,
        owner=owner,
        voice=voice,
        at=START + at,
        onset=START + at - MIN,
        over=START + over,
        title=f"{name} fails",
        names=frozenset((about,)),
        labels=({"alertname": "run.failed", **labels},),
        complained_at=None if complained is None else START + complained,
    )


def test_an_owner_heard_of_what_was_told_not_of_what_was_spent() -> None:
    root = finding(0.0, key="tool", node={"tool": "issue_refund"}, owner="platform")
    suffers = finding(60.0, key="a", signal="run.failed", node={"agent": "refund-agent"}, owner="payments")
    quiet = finding(90.0, key="b", mode="notice", node={"agent": "search-agent"}, owner="search")
    depends = {"agent": "refund-agent", "owner": "payments", "depends_on": ["tool:issue_refund"]}
    owners: dict[str, Any] = {"platform": {}, "payments": {}, "search": {}}
    seen = AlertLog(Config.model_validate({"owners": owners, "components": [depends], "defaults": {"owner": "search"}}))
    seen.take(root, suffers, quiet)
    assert {each.owner for each in seen.router.incidents()} == set(owners)
    assert heard(seen.router.incidents(), seen.notifications) == {
        "platform": {"pages": 1, "notices": 0},
        "search": {"pages": 0, "notices": 1},
    }


ROWS: list[tuple[str, list[Told], list[Told], list[tuple[str, str]], list[str], list[str]]] = [
    ("the same", [told("x", 10.0)], [told("y", 10.0)], [("x", "y")], [], []),
    ("told later", [told("x", 10.0)], [told("y", 500.0)], [("x", "y")], [], []),
    ("only then when it was over", [told("x", 10.0, over=400.0)], [told("y", 500.0)], [], ["x"], ["y"]),
    ("over before it began", [told("x", 1e4)], [told("y", 10.0, over=100.0)], [], ["x"], ["y"]),
    ("about another agent", [told("x", 10.0)], [told("y", 10.0, about="agent:b")], [], ["x"], ["y"]),
    ("of another owner", [told("x", 10.0)], [told("y", 10.0, owner="ops")], [("x", "y")], [], []),
    ("as a notice alone", [told("x", 10.0)], [told("y", 10.0, voice="notice")], [], ["x"], []),
    ("a notice is nothing to lose", [told("x", 10.0, voice="notice")], [], [], [], []),
    ("one catches two", [told("x", 10.0), told("z", 20.0)], [told("y", 15.0)], [("x", "y"), ("z", "y")], [], []),
    ("not there at all", [told("x", 10.0)], [], [], ["x"], []),
    ("new", [], [told("y", 10.0)], [], [], ["y"]),
]


@pytest.mark.parametrize(("sentence", "here", "there", "caught", "lost", "new"), ROWS, ids=[row[0] for row in ROWS])
def test_what_is_caught_lost_and_new(
    sentence: str, here: list[Told], there: list[Told], caught: list[tuple[str, str]], lost: list[str], new: list[str]
) -> None:
    rows = compare(here, there)
    assert [(pair.here.id, pair.there.id) for row in rows for pair in row.caught] == caught, sentence
    assert [each.id for row in rows for each in row.lost] == lost, sentence
    assert [each.id for row in rows for each in row.new] == new, sentence


HERE = [told("x", 0.0), told("z", DAY, about="agent:b"), told("n", 5.0, voice="notice", owner="ops")]
BROKE = {"labels": {"tool": "t"}, "at": "2025-10-09T08:53:20Z"}
LIMITS: list[tuple[str, dict[str, Any], list[Told], list[bool], str]] = [
    ("nothing is asked", {}, [], [], "0 limits kept, 0 broken"),
    ("pages within", {"pages": "2 per week"}, HERE, [True, True], "2 in 7 d, at most 2 per week"),
    ("too many pages", {"pages": "1 per week"}, HERE, [True, False], "2 in 7 d, at most 1 per week"),
    (
        "an owner of its own",
        {"pages": "1 per week", "owners": {"pay": {"pages": "2 per week"}}},
        HERE,
        [True, True],
        "",
    ),
    ("too many notices", {"notices": "0 per day"}, HERE, [False, True], "notices of ops  1 in 7 d, at most 0 per week"),
    ("a loss too many", {"lost": 0}, HERE[:1], [False], "1 of the incidents that rang, at most 0: z fails"),
    ("a loss that is allowed", {"lost": 1}, HERE[:1], [True], "1 of the incidents that rang, at most 1: z fails"),
    (
        "too late",
        {"lost_lead": "10m"},
        [told("x", 11 * MIN), HERE[1]],
        [False],
        "11 min later at worst, at most 10 min: x",
    ),
    ("late, as allowed", {"lost_lead": "10m"}, [told("x", 9 * MIN), HERE[1]], [True], "9 min later at worst"),
    (
        "earlier is no loss",
        {"lost_lead": "0s"},
        [told("x", -30.0), told("z", DAY - 9.0, about="agent:b")],
        [True],
        "0 s later",
    ),
    (
        "caught in time",
        {"must_catch": [BROKE]},
        [told("x", 50.0, tool="t")],
        [True],
        "must_catch tool=t  caught after 50 s, at most 60 min",
    ),
    (
        "caught too late",
        {"must_catch": [BROKE | {"within": "5m"}]},
        [told("x", 6 * MIN, tool="t")],
        [False],
        "caught only after 6 min, at most 5 min",
    ),
    (
        "never caught",
        {"must_catch": [BROKE | {"labels": {"tool": "u"}}]},
        [told("x", 50.0, tool="t")],
        [False],
        "nothing catches it",
    ),
    (
        "a notice does not ring",
        {"must_catch": [BROKE]},
        [told("x", 50.0, tool="t", voice="notice")],
        [False],
        "nothing catches it",
    ),
    (
        "a notice will do",
        {"must_catch": [BROKE | {"severity": "notice"}]},
        [told("x", 50.0, tool="t", voice="notice")],
        [True],
        "caught after 50 s",
    ),
    (
        "what was over before is another",
        {"must_catch": [BROKE | {"at": "2025-10-09T09:53:20Z"}]},
        [told("x", 50.0, over=100.0, tool="t")],
        [False],
        "nothing catches it",
    ),
]


@pytest.mark.parametrize(("sentence", "limits", "there", "kept", "words"), LIMITS, ids=[row[0] for row in LIMITS])
def test_limits(sentence: str, limits: dict[str, Any], there: list[Told], kept: list[bool], words: str) -> None:
    verdicts = judge(Backtest.model_validate(limits), compare(HERE, there), there, WEEK)
    assert [each.kept for each in verdicts] == kept, sentence
    assert words in "\n".join(telling.limits(verdicts, "new.yaml")), sentence


def test_a_short_history_counts_as_a_week() -> None:
    limits = Backtest.model_validate({"pages": "2 per week"})
    assert all(each.kept for each in judge(limits, compare([], HERE), HERE, 3_600.0))
    assert not all(each.kept for each in judge(limits, compare([], [*HERE, told("w", 9.0)]), [], 3_600.0))


def test_leads_before_complaints_are_shown() -> None:
    here = [told("x", 0.0, complained=30 * MIN)]
    rows = compare(here, [told("y", 40 * MIN, complained=30 * MIN)])
    assert "40 min later  30 min → 10 min late" in telling.owners(rows)[1]
    assert "-     30 min → none" in telling.owners(compare(here, []))[1]


def test_misses_are_counted_and_limited() -> None:
    rows = compare([], [], {"pay": 1}, {"pay": 3, "ops": 1})
    assert [(row.owner, row.missed) for row in rows] == [("ops", (0, 1)), ("pay", (1, 3))]
    (verdict,) = judge(Backtest.model_validate({"missed": 3}), rows, [], WEEK)
    assert (verdict.kept, verdict.what) == (False, "4 complaints without an alert (before: 1), at most 3")


# The command


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fleet whose tool breaks."""
    path = tmp_path_factory.mktemp("backtest") / "week.jsonl"
    fleet = Fleet(8, START, step=0.5, agents=1)
    path.write_bytes(b"\n".join(fleet.lines(450) + fleet.lines(150, broken=True)))
    return path


OLD = "owners: {db: {}, web: {}}\n"
DEAF = "".join(
    ("detectors: {", *(f"{name}: {{mode: off}}, " for name in ("tool.failed", "run.failed", "run.silent")), "}\n")
)


def against(log: Path, there: str, *arguments: str, here: str = OLD) -> Result:
    (log.parent / "old.yaml").write_text(here, encoding="utf-8")
    (log.parent / "new.yaml").write_text(there, encoding="utf-8")
    given = ["replay", str(log.parent / "old.yaml"), str(log), "--against", str(log.parent / "new.yaml")]
    return CliRunner().invoke(cli, [*given, *arguments])


COMMANDS: list[tuple[str, str, str, int, str]] = [
    ("a difference without limits", OLD, OLD + DEAF, 1, "db     1 → 0"),
    (
        "a difference that breaks none",
        OLD,
        OLD + "defaults: {owner: web}\nbacktest: {lost: 0}\n",
        0,
        "1 limit kept, 0 broken",
    ),
    ("a loss", OLD, OLD + DEAF + "backtest: {lost: 0}\n", 1, "BROKEN  lost  1 of the incidents that rang, at most 0"),
    (
        "limits of the old one, where the new has none",
        OLD + "backtest: {lost: 0}\n",
        OLD + DEAF,
        1,
        "limits of old.yaml",
    ),
    (
        "the new one's limits come first",
        OLD + "backtest: {lost: 0}\n",
        OLD + DEAF + "backtest: {lost: 5}\n",
        0,
        "limits of new.yaml",
    ),
]


@pytest.mark.parametrize(("sentence", "here", "there", "code", "words"), COMMANDS, ids=[row[0] for row in COMMANDS])
def test_the_gate(log: Path, sentence: str, here: str, there: str, code: int, words: str) -> None:
    result = against(log, there, here=here)
    assert (result.exit_code, words in result.stdout) == (code, True), f"{sentence}\n{result.output}"


def test_a_complaint_that_only_the_new_one_misses(log: Path) -> None:
    last = json.loads(log.read_bytes().splitlines()[-1])["time"]
    complaint = {"id": "c", "kind": "complaint", "agent": "agent-0", "time": last + 60.0}
    late = {"id": "h", "kind": "heartbeat", "producer": "p", "time": last + 3.0 * DAY}
    after = log.with_name("complained.jsonl")
    after.write_bytes(b"\n".join([log.read_bytes(), *(json.dumps(each).encode() for each in (complaint, late))]))
    result = against(after, OLD + DEAF + "backtest: {missed: 0}\n", "--json")
    said = [json.loads(line) for line in result.stdout.splitlines()]
    (owner,) = [each for each in said if each["type"] == "owner"]
    assert owner["missed"] == [0, 1]
    assert owner["lost"][0]["complained_at"] == complaint["time"]
    assert [each["kept"] for each in said if each["type"] == "limit"] == [False]


def test_programs_read_json(log: Path) -> None:
    result = against(log, OLD + DEAF + "backtest: {lost: 0, pages: 1 per week}\n", "--json")
    said = [json.loads(line) for line in result.stdout.splitlines()]
    (owner,) = [each for each in said if each["type"] == "owner"]
    assert (owner["owner"], owner["pages"], len(owner["lost"])) == ("db", [1, 0], 1)
    assert [(each["limit"], each["kept"]) for each in said if each["type"] == "limit"] == [
        ("pages of db", True), ("lost", False),
    ]  # fmt: skip
    assert (said[-1]["limits"], said[-1]["broken"], result.exit_code) == (2, 1, 1)
