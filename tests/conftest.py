"""What tests of every kind share: a clock that the test moves, and a Slack on loopback that runs by it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

import hatch_build
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


def pytest_sessionstart() -> None:
    """What is compiled shadows its source: tests of an older one would tell nothing."""
    compiled = hatch_build.made()
    newest = max((hatch_build.ROOT / module).stat().st_mtime for module in hatch_build.MODULES)
    if compiled and min(path.stat().st_mtime for path in compiled) < newest:
        raise pytest.UsageError("compiled files are older than their sources: `make native`, or `make interpreted`")
