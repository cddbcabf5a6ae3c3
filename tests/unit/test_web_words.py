"""What the page says of an alert that is over."""

from __future__ import annotations

import msgspec
import pytest

from monitor.alerting.incidents.alerts import opened
from monitor.web.page.words import ended
from tests.doubles.findings import finding


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("the signal is back", ""),
        ("version v13 gets no more runs", "not followed any more: version v13 gets no more runs"),
        ("the new level is normal by now", "taken as normal by now: 16 %, was 4 %"),
    ],
)
def test_the_end_is_told_where_the_signal_is_not_back(reason: str, said: str) -> None:
    back = finding(60.0, status="resolved", reason=reason)
    assert ended(msgspec.structs.replace(opened(finding()), recovery=back), "") == said


def test_a_person_s_word_is_told() -> None:
    assert ended(opened(finding()), "false_alarm") == "false alarm"
