"""What an episode costs its owner: once as what it began as, once more where it becomes a page."""

from __future__ import annotations

import msgspec
import pytest

from monitor.evidence.ledger import Ledger
from monitor.evidence.outages.state import Told
from schemas.config import Config
from schemas.finding import Finding, Mode
from tests.doubles.findings import finding

CONFIG = Config.model_validate({"owners": {"a": {}}})


def _said(mode: Mode, key: str = "e", paid: bool = True) -> Finding:
    return finding(owner="a", mode=mode, incident_key=key, paid=paid)


@pytest.mark.parametrize(
    ("said", "pages", "notices", "repeats", "facts"),
    [
        pytest.param([("page", "e", True)], 1, 0, 0, 0, id="a page is one page"),
        pytest.param([("notice", "e", True), ("page", "e", True)], 1, 1, 0, 0, id="a notice that becomes a page: both"),
        pytest.param(
            [("notice", "e", True), ("page", "e", True), ("page", "e", True)],
            1,
            1,
            1,
            0,
            id="said again as a page: once",
        ),
        pytest.param([("notice", "e", True), ("notice", "e", True)], 0, 1, 1, 0, id="a notice said again is a repeat"),
        pytest.param(
            [("page", "e", True), ("notice", "e", True)], 1, 0, 1, 0, id="a page that grows quiet costs no more"
        ),
        pytest.param(
            [("digest", "e", True), ("page", "e", True)], 1, 0, 0, 0, id="from the digest to a page: the page"
        ),
        pytest.param([("notice", "e", True), ("page", "f", True)], 1, 1, 0, 0, id="two episodes are two"),
        pytest.param([("notice", "e", False), ("page", "e", False)], 0, 0, 0, 2, id="facts cost nothing, however loud"),
    ],
)
def test_what_is_spent(said: list[tuple[Mode, str, bool]], pages: int, notices: int, repeats: int, facts: int) -> None:
    ledger = Ledger(CONFIG, {})
    for mode, key, paid in said:
        ledger.spend(_said(mode, key, paid))
    book = ledger.books["a"]
    assert (book.pages, book.notices, book.repeats, book.facts) == (pages, notices, repeats, facts)
    (view,) = ledger.view(book.start)
    assert (view.spent, view.notices_spent, view.repeats) == (pages, notices, repeats)


def test_what_was_saved_before_has_no_quiet_ones() -> None:
    """Of an older state nobody knows which were pages, and none is paid twice."""
    assert msgspec.msgpack.decode(msgspec.msgpack.encode([[], ["e"]]), type=Told).quiet == []
