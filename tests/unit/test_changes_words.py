"""Links that others give us, and the words of a cause."""

from __future__ import annotations

import pytest

from monitor.alerting.changes.words import LINK_LENGTH, between, odds_text, web_address
from tests.doubles.clock import START


@pytest.mark.parametrize(
    ("text", "shown", "why"),
    [
        ("https://git.example/pull/42?x=1&y=2#files", True, "a link"),
        ("http://localhost:8080/x", True, "of whatever host"),
        ("javascript:alert(1)", False, "no web page"),
        ("data:text/html,x", False, "no web page"),
        ("//git.example/x", False, "without a scheme"),
        ("https://", False, "without a host"),
        ("https://user:secret@git.example/x", False, "with a password"),
        ("https://git.example@evil.example/x", False, "another host than it looks"),
        ("https://git.example/<!channel>", False, "ends a link of Slack"),
        ("https://git.example/a|b", False, "ends a link of Slack"),
        ('https://git.example/"onclick="x', False, "ends an attribute"),
        ("https://git.example/a b", False, "two words"),
        ("https://git.example/\u202egpj", False, "turns the text around"),
        ("https://git.example/" + "x" * LINK_LENGTH, False, "too long"),
        ("https://[", False, "no address"),
        ("", False, "nothing"),
    ],
)
def test_which_links_are_shown(text: str, shown: bool, why: str) -> None:
    assert web_address(text) == (text if shown else None), why


def test_odds_are_never_certain() -> None:
    assert [odds_text(value) for value in (0.004, 0.5, 0.994, 0.9999, 1.0)] == ["0 %", "50 %", "99 %", "99 %", "99 %"]


def test_an_interval_is_said_where_it_is_within_a_day() -> None:
    assert between(START, START + 30.0) == ", between 08:53:20 and 08:53:50 UTC"
    assert between(START, START + 90_000.0) == between(None, START) == ""
