"""What integration tests share: one real broker for the session, topic names that no other test has, real tools.

A missing service is a skip on a laptop, with what to install, and a failure in CI.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from typing import NoReturn

import pytest

from tests.services import certificates, kafka_broker, kafka_secure, prometheus_tools


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


@pytest.fixture(scope="session")
def secure_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[kafka_secure.SecureBroker]:
    """A real Kafka broker that wants TLS and passwords, shared by the session."""
    try:
        running = kafka_secure.start(tmp_path_factory.mktemp("certificates"))
    except (kafka_broker.BrokerUnavailableError, certificates.OpenSSLMissingError) as error:
        _without(str(error))
    try:
        yield running
    finally:
        running.broker.stop()


@pytest.fixture
def amtool() -> type[prometheus_tools.Amtool]:
    """Alertmanager's command line, where it is installed."""
    _installed("amtool")
    return prometheus_tools.Amtool


@pytest.fixture
def prometheus() -> type[prometheus_tools.PrometheusServer]:
    """A Prometheus server, where it is installed."""
    _installed("prometheus")
    return prometheus_tools.PrometheusServer


@pytest.fixture
def promtool() -> type[prometheus_tools.Promtool]:
    """Prometheus's check of rules, where it is installed."""
    _installed("promtool")
    return prometheus_tools.Promtool


def _installed(name: str) -> None:
    try:
        prometheus_tools.program(name)
    except prometheus_tools.ToolMissingError as error:
        _without(str(error))


def _without(remedy: str) -> NoReturn:
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(remedy)
    pytest.skip(remedy)


@pytest.fixture
def prefix() -> str:
    """A name that no other test and no earlier run has used, for topics and groups."""
    return f"t{uuid.uuid4().hex[:10]}"


def _running_broker() -> Iterator[kafka_broker.Broker]:
    try:
        running = kafka_broker.start()
    except kafka_broker.BrokerUnavailableError as error:
        _without(str(error))
    try:
        yield running
    finally:
        running.stop()
