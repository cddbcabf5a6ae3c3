"""What integration tests share: one real broker for the session, and topic names that no other test has.

A missing broker is a skip on a laptop, with what to install, and a failure in CI.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import pytest

from tests.services import kafka_broker


@pytest.fixture(scope="session")
def broker() -> Iterator[kafka_broker.Broker]:
    """A real Kafka broker, shared by the session."""
    yield from _running_broker()


@pytest.fixture
def own_broker() -> Iterator[kafka_broker.Broker]:
    """A real Kafka broker that the test may kill and restart."""
    for running in _running_broker():
        if not running.ours:
            running.stop()
            pytest.skip(f"restarts the broker; unset {kafka_broker.ADDRESS_VARIABLE} to run it")
        yield running


@pytest.fixture
def prefix() -> str:
    """A name that no other test and no earlier run has used, for topics and groups."""
    return f"t{uuid.uuid4().hex[:10]}"


def _running_broker() -> Iterator[kafka_broker.Broker]:
    try:
        running = kafka_broker.start()
    except kafka_broker.BrokerUnavailableError as error:
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(str(error))
        pytest.skip(str(error))
    try:
        yield running
    finally:
        running.stop()
