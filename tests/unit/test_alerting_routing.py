"""Who is told: owners, the first form of the route tree, matchers, and the targets behind a receiver."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.alerting.routing.matchers import matches_all, parse_matchers
from monitor.alerting.routing.receivers import plan, targets_of
from monitor.alerting.routing.tree import Routing
from schemas.config import Config

LABELS = {"alertname": "tool.failed", "severity": "page", "owner": "payments", "agent": "refund-agent"}

MATCHERS = [
    ("equal", 'owner="payments"', True),
    ("quotes are not needed", "owner=payments", True),
    ("not equal", 'owner!="payments"', False),
    ("regular expressions are anchored", 'owner=~"pay"', False),
    ("alternatives", 'owner=~"platform|pay.*"', True),
    ("not matching", 'owner!~"pay.*"', False),
    ("all must hold", 'owner="payments", severity="notice"', False),
    ("braces and one trailing comma", '{owner="payments", severity="page",}', True),
    ("a missing label equals an empty one", 'tenant=""', True),
    ("a missing label is not non-empty", 'tenant!=""', False),
    ("an empty value without quotes", "tenant=", True),
    ("a quoted name", '"owner"="payments"', True),
    ("names outside ASCII", 'größe=""', True),
    ("escapes in quotes", r'owner!="a\"b\\c"', True),
    ("escapes of Go", r'owner!="\u00e9\x41\t"', True),
    ("an escape that is none stands as it is written", r'owner=~"pay\w+"', True),
    ("a quoted name with signs of the grammar", '"a,b=c"=""', True),
    ("empty braces", "{}", True),
    ("spaces anywhere", '{ owner = "payments" , }', True),
    ("alternatives need no quotes", "owner=~payments|platform", True),
    ("an empty expression matches a missing label", 'tenant=~""', True),
    ("a dot does not match a new line", 'owner!~".*\\n.*"', True),
    ("no matchers match all", "", True),
]


@pytest.mark.parametrize(("why", "text", "matches"), MATCHERS, ids=[row[0] for row in MATCHERS])
def test_matchers(why: str, text: str, matches: bool) -> None:
    assert matches_all(parse_matchers(text), LABELS) is matches, why


UNREADABLE = [
    "owner",
    '{owner="a"',
    'owner="a"}',
    'owner="a" severity="b"',
    'owner=~"("',
    '="a"',
    'a="b",,c="d"',
    'a="x',
    'a=~"(?=b)"',
    'a=~"[z-a]"',
    "{a=b}}",
    'a=~"' + "x" * 1001 + '"',
]


@pytest.mark.parametrize("text", UNREADABLE)
def test_a_matcher_that_cannot_be_read_says_where(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_matchers(text)


def test_a_matcher_prints_as_it_can_be_read_again() -> None:
    (matcher,) = parse_matchers(r'a="q\"\\\n"')
    assert parse_matchers(str(matcher)) == (matcher,)


TREES: list[tuple[str, dict[str, Any] | None, list[str]]] = [
    ("without a tree the owner is told", None, ["payments"]),
    ("an empty tree tells the owner", {}, ["payments"]),
    ("the root takes all", {"receiver": "root"}, ["root"]),
    (
        "the first child that matches wins",
        {"receiver": "root", "routes": [{"receiver": "a", "matchers": ["severity=page"]}, {"receiver": "b"}]},
        ["a"],
    ),
    (
        "continue goes on to the next sibling",
        {"receiver": "root", "routes": [{"receiver": "a", "continue": True}, {"receiver": "b"}, {"receiver": "c"}]},
        ["a", "b"],
    ),
    (
        "where no child matches the node itself handles",
        {"receiver": "root", "routes": [{"receiver": "a", "matchers": ["severity=notice"]}]},
        ["root"],
    ),
    (
        "children inherit the receiver",
        {"receiver": "root", "routes": [{"matchers": ["severity=page"], "routes": [{"matchers": ["owner=payments"]}]}]},
        ["root"],
    ),
    (
        "deeper matches win over their parents",
        {
            "receiver": "root",
            "routes": [{"receiver": "a", "routes": [{"receiver": "b", "matchers": ["owner=~pay.*"]}]}],
        },
        ["b"],
    ),
    (
        "a receiver that two routes name is told once",
        {"receiver": "root", "routes": [{"receiver": "a", "continue": True}, {"receiver": "a"}]},
        ["a"],
    ),
]


@pytest.mark.parametrize(("why", "route", "receivers"), TREES, ids=[row[0] for row in TREES])
def test_routes(why: str, route: dict[str, Any] | None, receivers: list[str]) -> None:
    routing = Routing(Config.model_validate({"route": route}))
    assert [each.receiver for each in routing.destinations(LABELS)] == receivers, why


def test_the_repeat_interval_is_inherited_and_the_key_names_the_route() -> None:
    tree = {"receiver": "r", "repeat_interval": "1h", "routes": [{"matchers": ["severity=page"]}]}
    (found,) = Routing(Config.model_validate({"route": tree})).destinations(LABELS)
    assert (found.repeat_seconds, found.key) == (3600.0, '{}/{severity="page"}')


CONFIG = Config.model_validate(
    {
        "owners": {"payments": {"slack": "#payments"}, "quiet": {}},
        "components": [{"tool": "t", "owner": "platform"}],
        "receivers": [
            {"name": "payments", "webhook_configs": [{"url": "http://localhost/hook"}]},
            {"name": "logs", "console_configs": [{"send_resolved": False}]},
        ],
    }
)


def test_every_receiver_has_a_target() -> None:
    planned = plan(CONFIG, slack=True)
    assert {name: [target.name for target in targets] for name, targets in planned.items()} == {
        "payments": ["payments/slack/#payments", "payments/webhook/0"],
        "quiet": ["quiet/console"],
        "platform": ["platform/console"],
        "logs": ["logs/console"],
    }
    assert [target.send_resolved for target in planned["logs"]] == [False]
    assert [target.kind for target in targets_of("nobody", planned)] == ["console"]


def test_without_a_token_the_console_stands_for_slack() -> None:
    console, webhook = plan(CONFIG, slack=False)["payments"]
    assert (console.kind, console.stands_for, webhook.kind) == ("console", "#payments", "webhook")
