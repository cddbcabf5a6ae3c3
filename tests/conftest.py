"""What tests of every kind share: a clock that the test moves, and a Slack on loopback that runs by it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.doubles.clock import Clock
from tests.doubles.slack import SlackDouble


@pytest.fixture
def clock() -> Clock:
    """Stands still until the test moves it."""
    return Clock()


@pytest_asyncio.fixture
async def slack(clock: Clock) -> AsyncIterator[SlackDouble]:
    """A Slack double that listens."""
    double = SlackDouble(clock)
    await double.start()
    yield double
    await double.stop()
