"""Brokers that are away: what is said of it, how often, and what of aiokafka's own words is left out. No broker."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from aiokafka.errors import KafkaConnectionError, NodeNotReadyError, TopicAuthorizationFailedError
from faust.exceptions import ProducerSendError

from monitor.cli.run import Rarely
from monitor.runtime.kafka.broker.away import AGAIN_SECONDS, SAID_BY_US, Absence, Ear
from monitor.runtime.kafka.broker.failing import words_of
from monitor.runtime.kafka.worker import WorkerFailed, _make

REFUSED = "Unable connect to node with id 1: [Errno 111] Connect call failed ('127.0.0.1', 9092)"


class Steady:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def record(message: str, level: int = logging.ERROR) -> logging.LogRecord:
    return logging.LogRecord("aiokafka", level, "", 0, message, (), None)


def said(looks: list[tuple[float, bool, bool]]) -> list[tuple[float, str]]:
    """What is said at which second; of each look: when, whether aiokafka failed then, whether the group answered."""
    steady = Steady()
    ear, absence, found = Ear(steady), Absence("Kafka at k:9092 (PLAINTEXT)", 120.0), []
    for at, failed, answered in looks:
        steady.now = at
        if failed:
            ear.handle(record(REFUSED))
        line = absence.look(at, ear, answered=answered)
        if line is not None:
            found.append((at, line))
    return found


def test_an_absence_is_said_once_and_then_in_a_while_and_its_end() -> None:
    away = [(float(at), True, False) for at in range(70)]
    lines = said([*away, (70.0, False, True), (71.0, False, True)])
    assert [at for at, _ in lines] == [0.0, AGAIN_SECONDS, 2 * AGAIN_SECONDS, 70.0]
    first, second, _, back = [line for _, line in lines]
    assert first.startswith("Kafka at k:9092 (PLAINTEXT) does not answer: [Errno 111] Connect call failed")
    assert "A write that has waited for 120 s ends the monitor (exit code 2)" in first
    assert "has not answered for 30 s: [Errno 111]" in second
    assert back == "Kafka at k:9092 (PLAINTEXT) answers again, after 70 s"


@pytest.mark.parametrize(
    ("why", "looks"),
    [
        ("a blip that the group did not notice", [(0.0, True, True), (1.0, True, True)]),
        ("a rebalance: no heartbeat is due, and nothing failed", [(0.0, False, False), (9.0, False, False)]),
        ("a connection failed long ago", [(0.0, True, True), (60.0, False, False)]),
        ("all is well", [(0.0, False, True), (1.0, False, True)]),
    ],
)
def test_nothing_is_said_where_the_brokers_answer(why: str, looks: list[tuple[float, bool, bool]]) -> None:
    assert said(looks) == [], why


@pytest.mark.parametrize(
    ("message", "passes"),
    [
        (REFUSED, False),
        ("Unable to update metadata from [1]", False),
        ("Failed fetch messages from 1: NodeNotReadyError: Attempt to send a request to node which is not", False),
        ("Marking the coordinator dead (node 1)for group forewarn.", False),
        ("Not authorized to read from topic forewarn.events.", True),
        ("OffsetCommit failed for unauthorized topics", True),
    ],
)
def test_what_we_say_ourselves_is_left_out_of_the_log_and_nothing_else(message: str, passes: bool) -> None:
    assert Rarely("aiokafka", SAID_BY_US).filter(record(message)) is passes
    ours = logging.LogRecord("monitor.runtime", logging.ERROR, "", 0, message, (), None)
    assert Rarely("aiokafka", SAID_BY_US).filter(ours), "the same words of ours"


def test_an_error_of_the_broker_says_what_it_is_and_what_to_do() -> None:
    sent = ProducerSendError("no")
    sent.__cause__ = KafkaConnectionError("gone")
    for error in (NodeNotReadyError(), TimeoutError(), sent):
        words = words_of(error, "Kafka at k:9092 (PLAINTEXT)", "[Errno 111]")
        assert words == (
            "Kafka at k:9092 (PLAINTEXT) did not take what was to be written within 120 s: [Errno 111]. Nothing that "
            "was committed is lost; start the monitor again when the broker is back"
        )
    refused = words_of(TopicAuthorizationFailedError("t"), "Kafka at k:9092 (PLAINTEXT)", "[Errno 111]")
    assert "TopicAuthorizationFailedError" in refused and "120 s" not in refused, "time does not heal it"


@pytest.mark.parametrize(
    ("why", "directory", "fails"),
    [
        ("a file stands there", "a-file", True),
        ("a folder that is not there yet", "new/folder", False),
        ("one that is there", ".", False),
    ],
)
def test_a_directory_that_cannot_be_made_is_said_in_a_sentence(
    why: str, directory: str, fails: bool, tmp_path: Path
) -> None:
    (tmp_path / "a-file").write_text("", encoding="utf-8")
    if fails:
        with pytest.raises(WorkerFailed, match=r"cannot write to .*/a-file: File exists; set runtime\.directory"):
            _make(tmp_path / directory)
    else:
        _make(tmp_path / directory)
        assert (tmp_path / directory).is_dir(), why
