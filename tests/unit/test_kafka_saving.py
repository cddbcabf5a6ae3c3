"""How often a partition's state is saved: rarely enough that saving stays a small part of the work."""

from __future__ import annotations

import pytest

from monitor.runtime.kafka.cluster.lease import SESSION_SECONDS
from monitor.runtime.kafka.partition import LONGEST_SAVE_SECONDS, pause_seconds


@pytest.mark.parametrize(
    ("wanted", "cost", "pause"),
    [
        (1.0, 0.0, 1.0),  # nothing saved yet
        (1.0, 0.001, 1.0),  # few agents: as often as is wanted
        (1.0, 0.005, 2.0),  # more of them: a quarter of a per cent of the time
        (1.0, 0.500, 4.0),  # a great many: a crash must not replay more than this
        (0.2, 0.0, 0.2),  # without state, offsets are committed soon
        (0.2, 0.001, 0.4),
    ],
)
def test_a_dear_save_is_followed_by_a_long_pause(wanted: float, cost: float, pause: float) -> None:
    assert pause_seconds(wanted, cost) == pytest.approx(pause)


def test_what_a_crash_replays_leaves_time_for_the_takeover() -> None:
    assert SESSION_SECONDS + LONGEST_SAVE_SECONDS < 15.0
