"""Spans are read before their agent is known: what they break counts for the agent that they turn out to be of."""

from __future__ import annotations

import json
from typing import Any

import pytest

from monitor.intake.assembler import Assembler
from monitor.intake.spans import LogRecord, Record, Span
from monitor.reading import Reader
from schemas.config import Config
from schemas.event import Event

TOOL = {"arguments": {"type": "object", "required": ["order_id"]}}
CONTRACT = {"tools": {"pay": TOOL}, "claims": [{"output_matches": "was issued", "requires_tool": "pay"}]}
CONFIG = Config.model_validate({"components": [{"agent": "refunds", "contract": CONTRACT}]})
PLACE = {"trace_id": f"{1:032x}", "resource": {"service.name": "shop"}, "observed_time": 1020.0}


def span(number: int, above: int | None, **said: Any) -> Span:
    parent = "" if above is None else f"{above:016x}"
    attributes = {name.replace("__", "."): value for name, value in said.items()}
    times = {"start": 1000.0 + number, "end": 1010.0 + number / 10.0}
    return Span(**PLACE, **times, span_id=f"{number:016x}", parent_id=parent, name="", attributes=attributes)


def spans(agent: str) -> list[Record]:
    said = json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": "The refund was issued."}]}])
    return [
        span(1, None, gen_ai__operation__name="invoke_agent", gen_ai__agent__name=agent),
        span(2, 1, gen_ai__operation__name="chat", gen_ai__output__messages=said),
        span(
            3,
            1,
            gen_ai__operation__name="execute_tool",
            gen_ai__tool__name="pay",
            gen_ai__tool__call__arguments='{"amount": 5}',
            gen_ai__tool__call__result='{"id": 1}',
        ),
        span(4, 1, gen_ai__operation__name="execute_tool", gen_ai__tool__name="pay"),
        LogRecord(
            trace_id=f"{1:032x}",
            span_id=f"{4:016x}",
            name="gen_ai.tool.message",
            time=1005.0,
            attributes={"content": '{"amount": 6}'},
            resource={"service.name": "shop"},
        ),
    ]


def told(agent: str, keep_text: bool) -> list[Event]:
    assembler = Assembler(keep_text=keep_text, reader=Reader(CONFIG))
    assembler.add(spans(agent), 0.0)
    return assembler.flush()


@pytest.mark.parametrize("keep_text", [False, True])
def test_the_contract_of_the_agent_that_it_was_counts(keep_text: bool) -> None:
    broken = {(event.kind, event.id[33:49]): event.violations for event in told("refunds", keep_text)}
    rule = ["arguments: pay: 'order_id' is a required property"]
    assert broken == {
        ("run_started", f"{1:016x}"): None,
        ("llm_call", f"{2:016x}"): ["claim:0"],
        ("tool_call", f"{3:016x}"): rule,
        ("tool_call", f"{4:016x}"): rule,  # its arguments came in a log event that does not name the tool
        ("run_finished", f"{1:016x}"): ["claim:0"],
    }


@pytest.mark.parametrize("keep_text", [False, True])
def test_another_agent_breaks_nothing_by_the_same_texts(keep_text: bool) -> None:
    events = told("other", keep_text)
    assert {event.kind for event in events} == {"run_started", "llm_call", "tool_call", "run_finished"}
    assert not any(event.violations for event in events)
    call = next(event for event in events if event.id[33:49] == f"{3:016x}")
    assert (call.arguments_fields, call.result_fields) == (["amount:number"], ["id:number"])
    shapes = {event.kind: event.output_shape for event in events}
    assert shapes["run_finished"] == shapes["llm_call"] is not None
