"""What single frameworks write beside or against the conventions. The spans are made here; none is a recording."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.intake import mapping
from monitor.intake.assembler import Assembler
from monitor.intake.dialects.reading import Role
from monitor.intake.spans import Span
from schemas.event import Event

TRACE = "0af7651916cd43dd8448eb211c80319c"


def span(number: int, above: int | None, name: str, said: dict[str, Any], **more: Any) -> Span:
    """Span `number` below span `above`; a later number starts later and ends earlier."""
    return Span(
        trace_id=TRACE,
        span_id=f"{number:016x}",
        parent_id="" if above is None else f"{above:016x}",
        name=name,
        start=100.0 + number,
        end=200.0 - number,
        attributes=said,
        **{"resource": {"service.name": "shop"}} | more,
    )


def role_of(name: str, said: dict[str, Any], **more: Any) -> Role:
    return mapping.read(span(1, None, name, said, **more)).role


def events_of(*spans: Span) -> list[Event]:
    assembler = Assembler(keep_text=True)
    assembler.add(list(spans), now=1000.0)
    return assembler.flush()


def one(kind: str, events: list[Event]) -> Event:
    (found,) = [event for event in events if event.kind == kind]
    return found


TOOL = {"gen_ai.tool.name": "refund"}
PYDANTIC_AI = [
    ("an agent of version 2", "agent run", {"agent_name": "support"}, Role.AGENT),
    ("an agent of version 3", "invoke_agent support", {"gen_ai.agent.name": "support"}, Role.AGENT),
    ("a tool of version 2", "running tool", TOOL, Role.TOOL),
    ("a tool of version 3", "execute_tool refund", TOOL, Role.TOOL),
    ("a tool by the id of its call", "running output function", TOOL | {"gen_ai.tool.call.id": "c"}, Role.TOOL),
    ("what holds the tools", "running tools", {"tools": ["refund"]}, Role.OTHER),
    ("a tool that is named, not called", "load tool", TOOL, Role.OTHER),
    ("a span of that name without an agent", "agent run", {}, Role.OTHER),
    ("an agent that is named elsewhere", "POST /", {"gen_ai.agent.name": "support"}, Role.OTHER),
    ("a name that only begins so", "agent runner", {"agent_name": "support"}, Role.OTHER),
    ("an operation of another kind", "invoke_agent support", {"gen_ai.operation.name": "create_agent"}, Role.OTHER),
]


@pytest.mark.parametrize(
    ("name", "said", "role"), [row[1:] for row in PYDANTIC_AI], ids=[row[0] for row in PYDANTIC_AI]
)
def test_pydantic_ai_without_an_operation_shows_itself_by_names(name: str, said: dict[str, Any], role: Role) -> None:
    assert role_of(name, said) is role


def test_a_run_of_pydantic_ai_without_operations() -> None:
    chat = {"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 9}
    call = {"gen_ai.tool.call.id": "c", "tool_arguments": '{"order":1}', "tool_response": "done"}
    found = events_of(
        span(1, None, "agent run", {"agent_name": "support", "gen_ai.usage.input_tokens": 9, "final_result": "Done."}),
        span(2, 1, "chat m", chat),
        span(3, 1, "running tools", {"tools": ["refund"]}),
        span(4, 3, "running tool", TOOL | call),
    )
    assert [event.kind for event in found] == ["run_started", "tool_call", "llm_call", "run_finished"]
    assert {event.agent for event in found} == {"support"}
    tool = one("tool_call", found)
    assert (tool.tool, bytes(tool.arguments), bytes(tool.result)) == ("refund", b'{"order":1}', b'"done"')
    assert bytes(one("run_finished", found).output) == b'"Done."'
