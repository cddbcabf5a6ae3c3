"""Reading: one span in neutral words, and Dialect: how one instrumentation's attributes become one.

A dialect is tables: attribute value → role, and per role the attributes in which a field may stand, the best first.
Only what no table can say (lists spread over attributes, messages in events) is code.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from monitor.intake.spans import Span


class Role(enum.StrEnum):
    """What a span is to a run."""

    AGENT = "agent"
    WORKFLOW = "workflow"
    CHAIN = "chain"
    """A step, loop or graph node: holds others, has no agent of its own."""
    LLM = "llm"
    TOOL = "tool"
    RETRIEVAL = "retrieval"
    GUARDRAIL = "guardrail"
    HANDOFF = "handoff"
    EVALUATOR = "evaluator"
    OTHER = "other"
    """Not of an agent, as far as we know: an HTTP request, a database query, an embedding."""


CONTAINERS = frozenset((Role.AGENT, Role.WORKFLOW, Role.CHAIN))
"""Roles that hold a run together and whose errors are the run's."""
WORK = frozenset((Role.LLM, Role.TOOL, Role.RETRIEVAL))
"""Roles that show that something runs."""

Keys = Mapping[str, tuple[str, ...]]


def nothing(span: Span, role: Role) -> dict[str, Any]:
    """For a dialect whose tables say everything."""
    del span, role
    return {}


@dataclass(frozen=True)
class Dialect:
    """`role` names the span's role, or None if the span does not speak the dialect.

    `shared`: field → attributes, for every role; `by_role`: further fields of one role. `extra` is asked for fields
    that the tables left open.
    """

    name: str
    role: Callable[[Span], Role | None]
    shared: Keys
    by_role: Mapping[Role, Keys]
    extra: Callable[[Span, Role], Mapping[str, Any]] = nothing


@dataclass(frozen=True, slots=True)
class Judgement:
    """Someone's word on a span: an evaluation, or feedback if `human`. `score` as written; `time` in epoch seconds."""

    name: str
    time: float
    score: float | None = None
    label: str | None = None
    human: bool = False


@dataclass(slots=True)
class Reading:
    """One span in neutral words.

    `agent` is a name that the client gave; `label` a weaker one (a workflow's name, a span's name). `fields` are
    fields of an event of this role, already of the right type.
    """

    span: Span
    role: Role
    failed: bool
    agent: str | None = None
    label: str | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    judgements: list[Judgement] = field(default_factory=list)
