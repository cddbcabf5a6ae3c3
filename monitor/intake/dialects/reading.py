"""Reading: one span in neutral words, and Dialect: how one instrumentation's attributes become one.

A dialect is tables: attribute value → role, and per role the attributes in which a field may stand, the best first.
Only what no table can say (lists spread over attributes, messages in events) is code.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import Struct

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


class Judgement(Struct, frozen=True, array_like=True):
    """Someone's word on a span: an evaluation, or feedback if `human`. `score` as written; `time` in epoch seconds."""

    name: str
    time: float
    score: float | None = None
    label: str | None = None
    human: bool = False


class Said(Struct, omit_defaults=True):
    """One event of a span, or one log event, in neutral words. What of it counts depends on the span's role.

    `failed`: its result says so.
    """

    fields: dict[str, Any] = msgspec.field(default_factory=dict)
    failed: bool = False
    judgement: Judgement | None = None
    error_type: str | None = None


class Reading(Struct, kw_only=True, omit_defaults=True):
    """One span in neutral words, and its place in the trace. Times in epoch seconds, ids as in `Span`.

    `agent` is a name that the client gave; `label` a weaker one (a workflow's name, a span's name). `fields` are
    fields of an event of this role, already of the right type. `service`: the process that sent it. `error_type`: as
    written; `error_phrase`: as the status message begins; `blocked_by`: digests of the words of a message that tells
    of a guardrail.
    """

    span_id: str
    start: float
    end: float
    role: Role = Role.OTHER
    parent_id: str = ""
    remote_parent: bool | None = None
    observed_time: float | None = None
    service: str | None = None
    service_version: str | None = None
    failed: bool = False
    agent: str | None = None
    label: str | None = None
    fields: dict[str, Any] = msgspec.field(default_factory=dict)
    judgements: list[Judgement] = msgspec.field(default_factory=list)
    error_type: str | None = None
    error_phrase: str | None = None
    blocked_by: bytes = b""
