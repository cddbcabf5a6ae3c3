"""The table of signals: shares that fit into a budget, and what each row reads of a closed run."""

from __future__ import annotations

from typing import Any

import pytest

from monitor import signals
from monitor.runs import Closed, Run, Work
from schemas.signals import PUBLIC_SIGNALS, SIGNALS


def test_the_shares_of_an_agents_budget_are_at_most_one() -> None:
    """Any row may be given any voice by the YAML, so all of them count for either."""
    rows = sum(row.leaf_share + row.middle_share for row in signals.FAILURE_SIGNALS.values())
    beside = signals.TRAFFIC_SHARE + signals.DRIFT_SHARE + signals.DEPLOY_SHARE + signals.OBJECTIVE_SHARE
    assert all(row.leaf_share > 0.0 and row.middle_share > 0.0 for row in signals.FAILURE_SIGNALS.values())
    assert rows + beside <= 1.0
    assert rows + beside > 0.95, "what is not dripped finds nothing"


def test_every_public_name_has_one_place() -> None:
    places = [*signals.FAILURE_SIGNALS, *signals.DRIFT_SIGNALS, signals.TRAFFIC, signals.OBJECTIVE, *signals.ROUTED]
    assert len(places) == len(set(places))
    assert set(places) == {signal.name for signal in PUBLIC_SIGNALS}
    assert all(SIGNALS[name].form == "share" for name in signals.FAILURE_SIGNALS)


def _closed(status: str = "ok", contract: bool = False, silent_reason: str = "", **did: Any) -> Closed:
    work = Work(**did)
    run = Run("r1", "v1", 0, 0.0, 0.0, set(), {}, work)
    return Closed(run, status, 1.0, 1.0, None, None, work, contract, silent_reason)


READ: list[tuple[str, Closed, dict[str, float | None]]] = [
    ("a run that went well", _closed(), {"run.failed": 0.0, "run.hung": 0.0, "run.silent": 0.0, "run.loop": 0.0}),
    ("a run that failed is not silent", _closed("error"), {"run.failed": 1.0, "run.hung": 0.0, "run.silent": None}),
    ("a run that hangs did neither fail nor end", _closed("hung"), {"run.failed": None, "run.hung": 1.0}),
    ("a silent one", _closed(silent_reason="its output is empty"), {"run.failed": 0.0, "run.silent": 1.0}),
    ("a loop is one however the run ends", _closed("hung", looped=True), {"run.loop": 1.0, "run.silent": None}),
    ("no contract, nothing to break", _closed(), {"contract.violated": None}),
    ("a contract that was kept", _closed(contract=True), {"contract.violated": 0.0}),
    ("one that was broken", _closed(contract=True, broken=["outcome"]), {"contract.violated": 1.0}),
    ("tools and late truth are fed elsewhere", _closed(), {"tool.failed": None, "run.rejected": None}),
    ("so is what users say", _closed(), {"user.unhappy": None}),
]


@pytest.mark.parametrize(("sentence", "closed", "expected"), READ, ids=[row[0] for row in READ])
def test_what_a_row_reads(sentence: str, closed: Closed, expected: dict[str, float | None]) -> None:
    found = {name: signals.FAILURE_SIGNALS[name].read(closed) for name in expected}
    assert found == expected, sentence


def test_rows_that_are_read_of_each_run() -> None:
    names = ["run.failed", "run.hung", "run.silent", "run.loop", "contract.violated"]
    assert [row.name for row in signals.RUN_SIGNALS] == names
