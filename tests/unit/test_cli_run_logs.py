"""What `forewarn run` lets a chatty library say while a broker is away."""

from __future__ import annotations

import logging

from monitor.cli import run
from monitor.cli.run import RARELY_SECONDS, Rarely


def _record(at: float, name: str, message: str, *args: object) -> logging.LogRecord:
    record = logging.LogRecord(name, logging.ERROR, "", 0, message, args, None)
    record.created = at
    return record


def test_each_sort_of_message_comes_once_in_a_while_with_how_many_were_held_back() -> None:
    rarely = Rarely("aiokafka")
    told = []
    for number in range(3_000):
        record = _record(1_000.0 + number * RARELY_SECONDS / 1_000, "aiokafka.client", "no node %s: %s", 1, number)
        if rarely.filter(record):
            told.append(record.getMessage())
    assert told == ["no node 1: 0", "no node 1: 1000 (and 999 more before)", "no node 1: 2000 (and 999 more before)"]
    assert rarely.filter(_record(1_000.0, "aiokafka.client", "another")), "a clock that went back holds nothing back"
    assert rarely.filter(_record(1_001.0, "aiokafka.producer", "no node %s: %s", 1, 2)), "of another place"


def test_nobody_else_is_held_back() -> None:
    rarely = Rarely("aiokafka")
    ours = [_record(1_000.0, "monitor.runtime", "one and the same") for _ in range(3)]
    assert all(rarely.filter(record) for record in ours)
    assert [record.getMessage() for record in ours] == ["one and the same"] * 3


def test_what_is_remembered_is_bounded() -> None:
    rarely = Rarely("aiokafka")
    for number in range(2 * run.SORTS + 5):
        assert rarely.filter(_record(1_000.0, "aiokafka", f"sort {number}"))
    assert len(rarely._last) <= run.SORTS
