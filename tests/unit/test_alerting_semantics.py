"""Alertmanager's semantics, a sentence per row: what a timeline makes a router with a `route:` tell, and when.

Times are seconds after the start. The same timelines were run through Alertmanager 0.34 itself on a virtual clock.
"""

from __future__ import annotations

from typing import Any

import pytest

from schemas.actions import Action
from schemas.config import Config
from tests.doubles.alert_log import alert, routed, silence, story, unsilence

Row = tuple[str, Config, list[Action], float, list[str]]
FAR = 100_000.0
A1, A2, B1 = "A inst=1", "A inst=2", "B inst=1"


def far(at: float, text: str, **more: Any) -> Action:
    """An alert that fires to the end of the story."""
    return alert(at, text, **{"ends": FAR, **more})


SHORT = {"group_wait": "10s", "group_interval": "60s", "repeat_interval": "10m"}

WAITS: list[Row] = [
    ("the first word comes after group_wait, 30 s", routed(), [far(0, A1)], 100, ["30 r first notification: A1"]),
    (
        "group_wait starts when the group is made, and later alerts do not push it",
        routed(),
        [far(0, A1), far(29, A2)],
        100,
        ["30 r first notification: A1 A2"],
    ),
    (
        "everything new between two ticks goes into one notification, 5 minutes by default",
        routed(),
        [far(0, A1), far(31, A2), far(200, "A inst=3")],
        400,
        ["30 r first notification: A1", "330 r new alerts added: A1 A2 A3"],
    ),
    (
        "an alert that resolves before group_wait has passed is never told",
        routed(),
        [far(0, A1), alert(20, A1, ends=20)],
        1000,
        [],
    ),
    (
        "where starts_at + group_wait is past when the group is made, it is told at once",
        routed(),
        [far(100, A1, starts=60)],
        200,
        ["100 r first notification: A1"],
    ),
    (
        "an old alert that joins a group that waits does not hurry it",
        routed(),
        [far(100, A1), far(101, A2, starts=10)],
        200,
        ["130 r first notification: A1 A2"],
    ),
    (
        "a start that is exactly group_wait ago does not hurry",
        routed(),
        [far(100, A1, starts=70)],
        200,
        ["130 r first notification: A1"],
    ),
    (
        "ticks go on from the first look, whatever it found",
        routed(SHORT),
        [silence(0, "inst=1", 0, 15), far(1, A1)],
        100,
        ["71 r first notification: A1"],
    ),
    (
        "the repeat is looked at on ticks alone, so it rounds up to the next one",
        routed({**SHORT, "repeat_interval": "90s"}),
        [far(0, A1)],
        400,
        ["10 r first notification: A1", "130 r repeat interval elapsed: A1", "250 r repeat interval elapsed: A1",
         "370 r repeat interval elapsed: A1"],
    ),
    (
        "a repeat interval that falls on a tick is not older than itself: the next tick tells",
        routed({**SHORT, "repeat_interval": "2m"}),
        [far(0, A1)],
        300,
        ["10 r first notification: A1", "190 r repeat interval elapsed: A1"],
    ),
    (
        "what is told for another reason counts for the repeat",
        routed({**SHORT, "repeat_interval": "90s"}),
        [far(0, A1), far(20, A2)],
        200,
        ["10 r first notification: A1", "70 r new alerts added: A1 A2", "190 r repeat interval elapsed: A1 A2"],
    ),
]  # fmt: skip

ENDS: list[Row] = [
    (
        "all resolved is told on the next tick, and the group goes",
        routed(SHORT),
        [far(0, A1), alert(20, A1, ends=20)],
        1000,
        ["10 r first notification: A1", "70 r all alerts resolved: -A1"],
    ),
    (
        "one of two resolved is told with what still fires, once",
        routed(SHORT),
        [far(0, A1), far(0, A2), alert(20, A1, ends=20)],
        300,
        ["10 r first notification: A1 A2", "70 r some alerts resolved: -A1 A2"],
    ),
    (
        "a re-fire after all resolved is a first notification of a new group",
        routed(SHORT),
        [far(0, A1), alert(20, A1, ends=20), far(100, A1)],
        150,
        ["10 r first notification: A1", "70 r all alerts resolved: -A1", "110 r first notification: A1"],
    ),
    (
        "a re-fire before the tick makes the end invisible",
        routed(SHORT),
        [far(0, A1), alert(20, A1, ends=20), far(40, A1)],
        200,
        ["10 r first notification: A1"],
    ),
    (
        "an alert that fired and resolved between two ticks stays invisible",
        routed(SHORT),
        [far(0, A1), far(20, A2), alert(30, A2, ends=30)],
        65,
        ["10 r first notification: A1"],
    ),
    (
        "one that resolved between two ticks beside another that fires is told as resolved",
        routed(SHORT),
        [far(0, A1), far(20, A2), alert(30, A2, ends=30)],
        200,
        ["10 r first notification: A1", "70 r some alerts resolved: -A2 A1"],
    ),
    (
        "without an end an alert is over after resolve_timeout, 5 minutes by default",
        routed(SHORT),
        [alert(0, A1)],
        1000,
        ["10 r first notification: A1", "310 r all alerts resolved: -A1"],
    ),
    (
        "each sending pushes the time-out",
        routed({**SHORT, "repeat_interval": "1h"}, **{"global": {"resolve_timeout": "2m"}}),
        [alert(0, A1), alert(100, A1), alert(200, A1)],
        1000,
        ["10 r first notification: A1", "370 r all alerts resolved: -A1"],
    ),
    (
        "an end that was sent does not wait for the time-out",
        routed(SHORT),
        [alert(0, A1, ends=100)],
        1000,
        ["10 r first notification: A1", "130 r all alerts resolved: -A1"],
    ),
    (
        "a real end beats a shorter time-out",
        routed(SHORT, **{"global": {"resolve_timeout": "1m"}}),
        [alert(0, A1, ends=500), alert(100, A1, starts=50)],
        1000,
        ["10 r first notification: A1", "550 r all alerts resolved: -A1"],
    ),
    (
        "an end in the past that opens nothing is told nobody",
        routed(SHORT),
        [alert(50, A1, ends=20)],
        500,
        [],
    ),
    (
        "where resolves are not sent the record is cleared all the same",
        Config.model_validate({
            "route": {"receiver": "q", **SHORT},
            "receivers": [{"name": "q", "webhook_configs": [{"url": "http://localhost", "send_resolved": False}]}],
        }),
        [far(0, A1), alert(20, A1, ends=20), far(100, A1)],
        200,
        ["10 q first notification: A1", "110 q first notification: A1"],
    ),
    (
        "where resolves are not sent, what is over is not listed either",
        Config.model_validate({
            "route": {"receiver": "q", **SHORT},
            "receivers": [{"name": "q", "webhook_configs": [{"url": "http://localhost", "send_resolved": False}]}],
        }),
        [far(0, A1), far(0, A2), alert(20, A1, ends=20), far(30, "A inst=3")],
        200,
        ["10 q first notification: A1 A2", "70 q new alerts added: A2 A3"],
    ),
]  # fmt: skip

TREE = {
    "routes": [
        {"receiver": "s", "matchers": ["team=x"], "continue": True, "group_wait": "5s"},
        {"receiver": "t", "matchers": ["team=~x|y"], "group_by": []},
    ]
}
GROUPS: list[Row] = [
    (
        "each value of group_by is a group",
        routed(),
        [far(0, A1), far(10, B1)],
        60,
        ["30 r first notification: A1", "40 r first notification: B1"],
    ),
    (
        "`...` makes each set of labels a group",
        routed({"group_by": ["..."]}),
        [far(0, A1), far(10, A2)],
        60,
        ["30 r first notification: A1", "40 r first notification: A2"],
    ),
    (
        "an empty group_by makes one group",
        routed({"group_by": []}),
        [far(0, A1), far(10, B1)],
        60,
        ["30 r first notification: A1 B1"],
    ),
    (
        "a label that an alert lacks is not part of its group's key",
        routed({"group_by": ["team"]}),
        [far(0, "A inst=1 team=x"), far(1, B1), far(2, A2)],
        60,
        ["30 r first notification: A1", "31 r first notification: A2 B1"],
    ),
    (
        "continue tells the next sibling as well, each after its own wait",
        routed(TREE),
        [far(0, "A inst=1 team=x")],
        60,
        ["5 s first notification: A1", "30 t first notification: A1"],
    ),
    (
        "the first child that matches wins",
        routed(TREE),
        [far(0, "A inst=1 team=y")],
        60,
        ["30 t first notification: A1"],
    ),
    ("where no child matches the node itself handles", routed(TREE), [far(0, A1)], 60, ["30 r first notification: A1"]),
    (
        "`group_by: []` overrides the parent's",
        routed(TREE),
        [far(0, "A inst=1 team=y"), far(1, "B inst=1 team=y")],
        60,
        ["30 t first notification: A1 B1"],
    ),
    (
        "times of a parent are not inherited, its waits are",
        routed({"group_wait": "7s", "routes": [{"matchers": ["team=x"], "routes": [{"matchers": ["inst=1"]}]}]}),
        [far(0, "A inst=1 team=x")],
        60,
        ["7 r first notification: A1"],
    ),
]

INHIBIT = [{"source_matchers": ["alertname=S"], "target_matchers": ["alertname=~S|A|B"], "equal": ["team"]}]
NESTED = [
    {"source_matchers": ["alertname=S"], "target_matchers": ["alertname=A"]},
    {"source_matchers": ["alertname=A"], "target_matchers": ["alertname=B"]},
]
INHIBITION: list[Row] = [
    (
        "a target is muted while a source with equal labels fires",
        routed(SHORT, inhibit_rules=INHIBIT),
        [far(0, "S team=x"), far(1, "A inst=1 team=x"), far(2, "A inst=2 team=y")],
        50,
        ["10 r first notification: S", "11 r first notification: A2"],
    ),
    (
        "a missing label equals an empty one",
        routed(SHORT, inhibit_rules=INHIBIT),
        [far(0, "S"), far(1, A1)],
        50,
        ["10 r first notification: S"],
    ),
    (
        "when the source is over the target is told on its next tick",
        routed(SHORT, inhibit_rules=INHIBIT),
        [far(0, "S"), far(1, A1), alert(20, "S", ends=20)],
        100,
        ["10 r first notification: S", "70 r all alerts resolved: -S", "71 r first notification: A1"],
    ),
    (
        "an alert that matches both sides is not inhibited by another that does",
        routed({**SHORT, "group_by": []}, inhibit_rules=INHIBIT),
        [far(0, "S inst=1"), far(1, "S inst=2")],
        50,
        ["10 r first notification: S1 S2"],
    ),
    (
        "with empty `equal` any source mutes",
        routed(SHORT, inhibit_rules=[{**INHIBIT[0], "equal": []}]),
        [far(0, "S team=y"), far(1, "A inst=1 team=x")],
        50,
        ["10 r first notification: S"],
    ),
    (
        "a source that is inhibited itself still inhibits",
        routed(SHORT, inhibit_rules=NESTED),
        [far(0, "S"), far(1, A1), far(2, B1)],
        50,
        ["10 r first notification: S"],
    ),
    (
        "a source that is silenced still inhibits",
        routed(SHORT, inhibit_rules=INHIBIT),
        [silence(0, "alertname=S", 0, 5000), far(1, "S"), far(2, A1)],
        50,
        [],
    ),
    (
        "of several equal sources one that ends does not free the target",
        routed(SHORT, inhibit_rules=INHIBIT),
        [far(0, "S inst=1"), far(1, "S inst=2", ends=FAR + 1), far(2, A1), alert(20, "S inst=1", ends=20)],
        80,
        ["10 r first notification: S1 S2", "70 r some alerts resolved: -S1 S2"],
    ),
]

SILENCES: list[Row] = [
    (
        "matchers of a silence are ANDed",
        routed({**SHORT, "group_by": ["..."]}),
        [silence(0, "alertname=A inst=1", 0, 5000), far(1, A1), far(2, A2), far(3, B1)],
        50,
        ["12 r first notification: A2", "13 r first notification: B1"],
    ),
    (
        "a pending silence mutes from its start",
        routed(SHORT),
        [silence(0, "alertname=A", 60, 5000), far(1, A1), far(30, A2)],
        100,
        ["11 r first notification: A1"],
    ),
    (
        "after a silence what still fires and was told is not told again",
        routed(SHORT),
        [far(0, A1), silence(20, "inst=1", 20, 100)],
        300,
        ["10 r first notification: A1"],
    ),
    (
        "after a silence what was never told is",
        routed(SHORT),
        [silence(0, "inst=1", 0, 100), far(1, A1)],
        200,
        ["131 r first notification: A1"],
    ),
    (
        "what is silenced when it ends is not told to be over",
        routed(SHORT),
        [far(0, A1), silence(20, "inst=1", 20, 100), alert(30, A1, ends=30)],
        300,
        ["10 r first notification: A1"],
    ),
    (
        "a silence that is ended by hand is over at once",
        routed(SHORT),
        [silence(0, "inst=1", 0, 5000), far(1, A1), unsilence(40)],
        100,
        ["71 r first notification: A1"],
    ),
    (
        "an edit that changes whom it mutes ends the old silence",
        routed({**SHORT, "group_by": ["..."]}),
        [silence(0, "inst=1", 0, 5000), far(1, A1), silence(20, "inst=2", 20, 5000), far(21, A2)],
        100,
        ["71 r first notification: A1"],
    ),
    (
        "a silence of everything is refused",
        routed(SHORT),
        [silence(0, "team=", 0, 5000), far(1, A1)],
        50,
        ["11 r first notification: A1"],
    ),
]

ROWS = WAITS + ENDS + GROUPS + INHIBITION + SILENCES


@pytest.mark.parametrize(("why", "config", "records", "until", "lines"), ROWS, ids=[row[0] for row in ROWS])
def test_a_timeline(why: str, config: Config, records: list[Action], until: float, lines: list[str]) -> None:
    assert story(config, records, until) == lines, why
