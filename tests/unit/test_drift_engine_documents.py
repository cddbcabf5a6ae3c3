"""Searches that always find the same document, and those that only often do: a sentence per case."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from monitor.alerting.headline import headline
from monitor.engine import Engine
from schemas.config import Config
from tests.doubles import drift_log
from tests.doubles.drift_log import GAP, Work
from tests.doubles.fleet_log import START, log

CONFIG = Config.model_validate({"owners": {"one": {}}})
AT = 600
"""Runs before the change."""
Change = Callable[[int, Work], Work]


def _often(part: float, document: str = "faq") -> Change:
    """That part of the runs gets one document."""
    return lambda number, work: (
        work.changed(document=document) if random.Random(number * 7 + 1).random() < part else work
    )


ONE_DOCUMENT: list[tuple[Change, bool, str]] = [
    (_often(0.4), False, "a page that answers two of five users, as always"),
    (lambda n, work: _often(0.4 if n < AT else 0.55)(n, work), False, "a little more often"),
    (lambda n, work: _often(0.55)(n, work) if n >= AT else work, False, "a hot topic: half of the users ask the same"),
    (lambda n, work: work.changed(document="d-1") if AT <= n < AT + 12 else work, False, "twelve in a row, and over"),
    (
        lambda n, work: work.changed(document="d-1", session="long") if AT <= n < AT + 100 else work,
        False,
        "one session that goes on asking",
    ),
    (_often(1.0), False, "there is only this one document, as always"),
    (lambda n, work: work.changed(document=f"news {n // 50}") if n % 2 else work, False, "a new topic each time"),
    (lambda _, work: work.changed(document=None, top_score=None), False, "documents are not told"),
    (lambda n, work: _often(0.4 if n < AT else 1.0)(n, work), True, "the page that answered two of five answers all"),
    (lambda n, work: _often(0.4 if n < AT else 1.0, "faq" if n < AT else "d-1")(n, work), True, "another one does"),
]


@pytest.mark.parametrize(("change", "told", "why"), ONE_DOCUMENT, ids=[row[2] for row in ONE_DOCUMENT])
def test_one_document_is_given_often_or_always(change: Change, told: bool, why: str) -> None:
    happened = drift_log.events(drift_log.stream(AT + 120, change))
    findings = Engine(CONFIG).step(log(happened)).findings
    found = [one for one in findings if one.signal == "retrieval.repeated"]
    assert bool(found) is told, why
    if told:
        assert 0.0 < (found[0].time - START) / GAP - AT <= 80
        assert "the same again and again: the same best document in " in headline(found[0])
