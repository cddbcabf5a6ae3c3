"""What tools answer becomes something else while every call is ok: what is told, and what is as usual."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from monitor.alerting.headline import headline
from monitor.engine import Engine
from schemas.config import Config
from schemas.finding import Finding
from tests.doubles import drift_log
from tests.doubles.drift_log import GAP, Work
from tests.doubles.fleet_log import START, log

AT = 600
"""Runs before the change."""
AFTER = 60
Result = Callable[[random.Random], Any]


def _weather(rng: random.Random) -> str:
    return f"Weather in {rng.choice(('Paris', 'Oslo', 'Rome'))}: {rng.randrange(30)} C"


def _manual(rng: random.Random) -> str:
    return "\n".join(" ".join(rng.choice(("open", "the", "lid", "and", "wait")) for _ in range(8)) for _ in range(4))


def _search(rng: random.Random) -> dict[str, Any]:
    found = [{"id": rng.randrange(99)} for _ in range(0 if rng.random() < 0.15 else rng.randint(1, 4))]
    return {"results": found, "total": len(found)}


def _often_without_total(rng: random.Random) -> dict[str, Any]:
    """A server of three that was updated."""
    found = _search(rng)
    if rng.random() < 0.35:
        del found["total"]
    return found


USUAL: dict[str, Result] = {"weather": _weather, "manual": _manual, "search": _search}


def _replay(before: dict[str, Result], after: dict[str, Result], runs: int) -> list[Finding]:
    rng = random.Random(3)

    def work(number: int) -> Work:
        results = before if number < AT else after
        tools = [(tool, {"q": rng.random()}, result(rng)) for tool, result in results.items()]
        return Work(seconds=rng.lognormvariate(1.0, 0.3), tools=tools)

    events = drift_log.events([work(number) for number in range(runs)])
    config = Config.model_validate({"owners": {"one": {}}})
    return [one for one in Engine(config).step(log(events)).findings if one.status == "firing"]


TOLD: list[tuple[str, str, str, Result, str]] = [
    ("an error as a text", "weather", "tool.failed", lambda _: "Error: connection refused", ""),
    ("a status that says so", "search", "tool.failed", lambda _: {"status": "error", "message": "down"}, ""),
    ("a page of a server", "manual", "tool.failed", lambda _: "<html><title>502 Bad Gateway</title></html>", ""),
    ("a text in other words", "weather", "tool.schema", lambda _: "Leider zu.", "first word) is gone"),
    ("one line for several", "manual", "tool.schema", lambda _: "open again at nine", "result (line) is new"),
    ("nothing where there never was nothing", "manual", "tool.schema", lambda _: "", "result (empty) is new"),
    ("a field that is gone from a third of the results", "search", "tool.schema", _often_without_total,
     "result total (number) is gone, fields missing in 2"),
    ("never a hit where there mostly was one", "search", "retrieval.empty", lambda _: {"results": [], "total": 0},
     "results of search are empty in"),
]  # fmt: skip


@pytest.mark.parametrize(("sentence", "tool", "signal", "result", "said"), TOLD, ids=[row[0] for row in TOLD])
def test_what_is_told(sentence: str, tool: str, signal: str, result: Result, said: str) -> None:
    findings = _replay(USUAL, USUAL | {tool: result}, AT + AFTER)
    assert all(one.time >= START + AT * GAP for one in findings), "nothing before it"
    pages = [one for one in findings if one.signal == signal and one.mode == "page"]
    assert pages, sentence
    assert pages[0].node.get("tool") == tool
    assert said in headline(pages[0])


def _log(rng: random.Random) -> str:
    rows = [f"{rng.choice(('ERROR', 'INFO'))}: job {rng.randrange(99)}" for _ in range(rng.randint(2, 5))]
    return "\n".join(rows)


def _fussy(rng: random.Random) -> Any:
    """A tool that fails by text in one call of twelve, finds nothing in one of six, and says the rest in two forms."""
    chance = rng.random()
    if chance < 0.08:
        return "Error: not found"
    return "" if chance < 0.25 else _manual(rng) if chance < 0.6 else _weather(rng)


def test_what_tools_usually_do_is_no_alert() -> None:
    assert not _replay(USUAL, USUAL | {"logs": _log, "fussy": _fussy}, AT)
    habits: dict[str, Result] = {"logs": _log, "fussy": _fussy, "search": _search, "mail": lambda _: None}
    assert not _replay(habits, habits, 1_000)
