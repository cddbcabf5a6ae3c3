"""Whether a receiver is told again: Alertmanager's decision and ours, a row each."""

from __future__ import annotations

import pytest

from monitor.alerting.dedup import evidence_moved, needs_update
from monitor.alerting.incidents.record import Sent
from schemas.alert import NotificationReason as Reason

NOW = 10_000.0
HOUR = 3600.0


def sent(firing: str = "", resolved: str = "", ago: float = 60.0, shown: tuple[str, ...] = ()) -> Sent:
    return Sent(time=NOW - ago, sequence=1, firing=frozenset(firing), resolved=frozenset(resolved), shown=shown)


DEDUP = [
    ("never told, something fires: tell", None, "a", "", Reason.FIRST),
    ("never told, nothing fires: what is over is not told", None, "", "a", None),
    ("never told, nothing at all", None, "", "", None),
    ("same alert still fires: quiet", sent("a"), "a", "", None),
    ("another alert fires: tell", sent("a"), "ab", "", Reason.NEW_ALERTS),
    ("one fires instead of the other: it is new", sent("a"), "b", "a", Reason.NEW_ALERTS),
    ("fires again after all had resolved: a first again", sent("", "a"), "a", "", Reason.FIRST),
    ("all resolved: tell", sent("a"), "", "a", Reason.ALL_RESOLVED),
    ("all resolved and told already: quiet", sent("", "a"), "", "a", None),
    ("fired and resolved between two looks stays unseen", sent("", "a"), "", "ab", None),
    ("one of two resolved: tell", sent("ab"), "a", "b", Reason.SOME_RESOLVED),
    ("one of two resolved, told already: quiet", sent("ab", "b"), "a", "b", None),
    ("the last word is as old as the interval: not older, quiet", sent("a", ago=HOUR), "a", "", None),
    ("the last word is older than the interval: repeat", sent("a", ago=HOUR + 1), "a", "", Reason.REPEAT),
    ("a new alert wins over the repeat", sent("a", ago=HOUR + 1), "ab", "", Reason.NEW_ALERTS),
    ("a resolved one wins over the repeat", sent("ab", ago=HOUR + 1), "a", "b", Reason.SOME_RESOLVED),
    ("nothing fires: no repeat", sent("", "a", ago=9 * HOUR), "", "a", None),
]


@pytest.mark.parametrize(("why", "last", "firing", "resolved", "reason"), DEDUP, ids=[row[0] for row in DEDUP])
def test_needs_update(why: str, last: Sent | None, firing: str, resolved: str, reason: Reason | None) -> None:
    assert needs_update(last, frozenset(firing), frozenset(resolved), HOUR, NOW) is reason, why


EVIDENCE = [
    ("never told: nothing to refresh", None, ("16 %",), None),
    ("the same numbers: quiet", sent("a", shown=("16 %",)), ("16 %",), None),
    ("other numbers, last word a minute old: tell", sent("a", shown=("16 %",)), ("21 %",), Reason.EVIDENCE),
    ("other numbers, last word 29 s old: wait", sent("a", ago=29.0, shown=("16 %",)), ("21 %",), None),
    ("other numbers, last word 30 s old: tell", sent("a", ago=30.0, shown=("16 %",)), ("21 %",), Reason.EVIDENCE),
]


@pytest.mark.parametrize(("why", "last", "shown", "reason"), EVIDENCE, ids=[row[0] for row in EVIDENCE])
def test_evidence_moved(why: str, last: Sent | None, shown: tuple[str, ...], reason: Reason | None) -> None:
    assert evidence_moved(last, shown, NOW) is reason, why
