"""What a closed run says to the channels of drift: a sentence per row."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.drift import channels
from monitor.drift import memory as remembered
from monitor.drift.banks.plan import POSITIONS
from monitor.drift.channels import ROW_OF, ROWS
from monitor.drift.memory import Memory
from monitor.reading.shape import FEATURES
from monitor.runs.run import Closed, Run, Work
from monitor.signals import DRIFT_SIGNALS


def _closed(run: dict[str, Any] | None = None, **work: Any) -> Closed:
    done = Work(**work)
    tools = (run or {}).get("tools", {})
    one = Run("r", "v1", 0, 0.0, 0.0, set(), {tool: [calls, 0, 0] for tool, calls in tools.items()}, done)
    return Closed(one, "ok", 1.0, 2.5, (run or {}).get("outcome"), None, done)


def _value(name: str, closed: Closed, memory: Memory | None = None) -> object:
    reading = remembered.recall(memory or Memory([], {}), closed)
    found = channels.values_of(reading, frozenset())
    assert found[POSITIONS[name]] == ROW_OF[name].read(reading), "the quick way and the row agree"
    return found[POSITIONS[name]]


SHAPE = [float(number) for number in range(len(FEATURES))]
ROWS_READ: list[tuple[str, Closed, object, str]] = [
    ("duration", _closed(), 2.5, "seconds"),
    ("steps", _closed(llm_calls=2, tool_calls=3, retrievals=1), 6.0, "calls of models, tools and retrievers"),
    ("input tokens", _closed(), None, "nobody reports tokens"),
    ("input tokens", _closed(input_tokens=0), 0.0, "no tokens is not no report"),
    ("characters per token", _closed(llm_calls=1, output_tokens=50, output_length=200.0), 4.0, "of one call"),
    (
        "characters per token",
        _closed(llm_calls=2, output_tokens=50, output_length=200.0),
        None,
        "whose tokens are they?",
    ),
    ("cached share", _closed(input_tokens=100, cached_tokens=25), 0.25, "a quarter came from the cache"),
    ("cost", _closed(cost_usd=0.5), 0.5, "dollars"),
    ("retries", _closed(retries=2), 2.0, "calls made again"),
    ("length", _closed(output_length=40.0), 40.0, "characters"),
    ("words", _closed(output_shape=SHAPE), 4.0, "a number of the shape"),
    ("words", _closed(), None, "no output"),
    ("kind", _closed(output_shape=[5.0] * len(FEATURES)), "table", "a category of the shape, by its name"),
    ("refusal", _closed(output_shape=[1.0] * len(FEATURES)), "refusal", "a flag of the shape is a word"),
    ("refusal", _closed(output_shape=[0.0] * len(FEATURES)), "not refusal", "and so is its absence"),
    ("calls", _closed({"tools": {"a": 3, "b": 1}}), {"a": 0.75, "b": 0.25}, "parts of the calls"),
    ("calls", _closed(), None, "no calls, no parts"),
    ("used", _closed({"tools": {"a": 3, "b": 1}}), {"a": 1.0, "b": 1.0}, "tools, however often they were called"),
    ("used", _closed(retrievals=2), {"retrieval": 1.0}, "retrievers are one more tool"),
    ("used", _closed(), {}, "that nothing was used is told as well"),
    ("first tool", _closed(path=["a", "b"], tool_calls=2), "a", "the first"),
    ("last tool", _closed(path=["a", "b"], tool_calls=2), "b", "the last"),
    ("last tool", _closed(path=["a", "b"], tool_calls=9), None, "the path is cut: nobody knows the last"),
    ("first tool", _closed(), "no tool", "no tool is a word as well"),
    ("different tools", _closed({"tools": {"a": 3, "b": 1}}), 2.0, "kinds of tools"),
    ("outcome", _closed({"outcome": "partial"}), "partial", "the producer's word"),
    ("outcome", _closed(), "none given", "missing where it is usual"),
    (
        "error type",
        _closed(error_types={"http_401": 3, "timeout": 1}),
        {"http_401": 0.75, "timeout": 0.25},
        "of failures",
    ),
    ("error type", _closed(), None, "how often calls fail is another signal"),
    ("finish reason", _closed(finish_reasons={"stop": 1, "length": 1}), {"stop": 0.5, "length": 0.5}, "of model calls"),
    ("response model", _closed(response_model="m" * 100), "m" * 80, "cut at eighty characters"),
    ("fallback", _closed(fallbacks=2), 1.0, "a run falls back once or not at all"),
    ("escalation", _closed(), 0.0, "no human was asked"),
    ("guardrail acts", _closed(guardrails=2), 0.0, "asked, and allowed"),
    ("guardrail asked", _closed(guardrails=2), 1.0, "asked"),
    ("empty", _closed(retrievals=4, empty_retrievals=1), 0.25, "a part of the searches"),
    ("empty", _closed(), None, "nothing was searched"),
    ("top score", _closed(scored=2, score_sum=1.5), 0.75, "the mean"),
]


@pytest.mark.parametrize(
    ("name", "closed", "value", "why"), ROWS_READ, ids=[f"{row[0]}: {row[3]}" for row in ROWS_READ]
)
def test_a_row(name: str, closed: Closed, value: object, why: str) -> None:
    assert _value(name, closed) == value, why


def test_an_output_that_was_given_before() -> None:
    memory = Memory([], {})
    said = [_value("repeated", _closed(output_hash=number), memory) for number in (1, 2, 1, 3)]
    assert said == ["not given before", "not given before", "given before", "not given before"]
    for number in range(100, 200):
        _value("repeated", _closed(output_hash=number), memory)
    assert len(memory.outputs) == remembered.OUTPUTS
    assert _value("repeated", _closed(output_hash=1), memory) == "not given before"


def test_a_document_that_is_given_most_of_late() -> None:
    memory = Memory()
    found = [_value("same document", _closed(documents={"faq": number % 2}), memory) for number in range(9)]
    assert found == [None] * remembered.FEW + [1.0], "half of the runs: the first of two equal ones"
    assert _value("same document", _closed(documents={"faq": 7}), memory) == 0.0
    assert _value("same document", _closed(documents={"faq": 0, "new": 0}), memory) == 1.0, (
        "of the source that is known"
    )
    for number in range(100):
        _value("same document", _closed(documents={f"s{number % 20}": number}), memory)
    assert len(memory.documents) == remembered.SOURCES
    for number in range(100):
        _value("same document", _closed(documents={"faq": 7 if number % 3 else number}), memory)
    assert len(memory.documents["faq"]) == remembered.DOCUMENTS
    assert _value("same document", _closed(), memory) is None
    asked = [_value("same document", _closed(documents={"faq": 7}, session=name), memory) for name in "aabba"]
    assert asked == [1.0, None, 1.0, None, 1.0], "a session that goes on asking counts once"


def test_fields_of_tools() -> None:
    memory = Memory([], {})
    usual = {"argument_fields": {"t": ["id:string"]}, "result_fields": {"t": ["status:string"]}}
    for _ in range(150):
        remembered.recall(memory, _closed(**usual))
    assert _value("new fields", _closed(**usual), memory) == 0.0
    assert _value("missing fields", _closed(argument_fields=usual["argument_fields"]), memory) == 1.0
    changed = {**usual, "result_fields": {"t": ["status:object"]}}
    assert _value("new fields", _closed(**changed), memory) == 1.0
    assert _value("new fields", _closed(argument_fields={"other": ["x:string"]}), memory) is None


def test_signals_that_are_off_are_not_read() -> None:
    reading = remembered.recall(Memory([], {}), _closed())
    found = channels.values_of(reading, frozenset(("run.duration_seconds",)))
    assert found[POSITIONS["duration"]] is None
    assert found[POSITIONS["steps"]] == 0.0


def test_every_signal_of_drift_has_a_row_and_every_row_a_signal() -> None:
    assert {row.signal for row in ROWS} == set(DRIFT_SIGNALS)
    assert len(ROW_OF) == len(ROWS)
    assert all(
        row.words.count("{}") == 1 and ("{word}" in row.words) == (row.kind in ("category", "share", "set"))
        for row in ROWS
    )


def test_fields_of_answers() -> None:
    memory = Memory([], {})
    for number in range(200):
        remembered.recall(memory, _closed(output_hash=number, output_fields=[f"id:number#{number:x}", "why:text#1"]))
    usual = _closed(output_hash=1, output_fields=["id:number#1", "why:text#1"])
    assert _value("new output fields", usual, memory) == 0.0
    assert _value("new output fields", _closed(output_hash=1, output_fields=["id:words#1"]), memory) == 1.0
    found = [_value("missing output fields", _closed(output_hash=1, output_fields=["id:number#2"]), memory)
             for _ in range(6)]  # fmt: skip
    assert (found[0], found[-1]) == (0.0, 1.0), "once may be, six times in a row may not"
    assert _value("missing output fields", _closed(output_hash=1), memory) is None, "no JSON has no fields"
    assert _value("same value", _closed(), memory) is None, "no output says nothing"


def test_a_shape_of_the_version_before_lacks_the_latest_numbers() -> None:
    """A run that was open while the monitor was updated."""
    closed = _closed(output_shape=SHAPE[: channels.FIRST_FEATURES])
    found = channels.values_of(remembered.recall(Memory(), closed), frozenset())
    assert found[POSITIONS["words 7"]] is not None
    assert found[POSITIONS["braces"]] is None
