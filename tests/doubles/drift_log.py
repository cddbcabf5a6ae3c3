"""Runs for drift, written by tests: what an agent does and says, run by run, as a log at ten runs a minute."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from monitor.engine import Engine
from schemas.event import Event, raw
from schemas.finding import Finding
from tests.doubles.fleet_log import START, Item

GAP = 6.0
"""Seconds between runs."""


@dataclass
class Work:
    """One run. `tools`: (tool, arguments, result) in order; None where the producer says nothing."""

    version: str | None = "v1"
    seconds: float = 3.0
    tools: list[tuple[str, Any, Any]] = field(default_factory=list)
    output: str | None = None
    outcome: str | None = "resolved"
    model: str | None = "m-1"
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None
    finish_reason: str | None = "stop"
    attempt: int = 1
    error_type: str | None = None
    """Of the last tool call, which then failed."""
    fallback: bool = False
    escalation: bool = False
    guardrail: str | None = None
    hits: int | None = None
    top_score: float | None = None
    document: str | None = None
    session: str | None = None
    cached_tokens: int | None = None
    words: bool = False
    """Whether the model says something before each tool call."""
    tenant: str | None = None
    took: dict[str, float] = field(default_factory=dict)
    """Tool → seconds of each of its calls, where the producer says so."""

    def changed(self, **changes: Any) -> Work:
        """The same with something else."""
        return replace(self, **changes)


def healthy(rng: random.Random) -> Work:
    """A run of an agent that answers in JSON, with everything that a producer may report."""
    order = rng.randrange(10_000, 99_999)
    tools: list[tuple[str, Any, Any]] = [
        ("get_order", {"order_id": str(order)}, {"status": rng.choice(("sent", "open")), "total": order / 100})
    ]
    while rng.random() < 0.4:
        tools.append(("search", {"query": f"q{rng.random()}"}, {"items": [1, 2]}))
    if rng.random() < 0.6:
        tools.append(("refund", {"order_id": str(order), "amount": 1.5}, {"ok": True}))
    words = " ".join(rng.choice(_WORDS) for _ in range(rng.randrange(6, 20)))
    failed = rng.random() < 0.05
    return Work(
        seconds=rng.lognormvariate(1.0, 0.4),
        tools=tools,
        output=f'{{"order": {order}, "answer": "{words}", "done": {rng.choice(("true", "false"))}}}',
        outcome="resolved" if rng.random() < 0.9 else "escalated",
        input_tokens=int(rng.lognormvariate(7.0, 0.3)),
        output_tokens=int(rng.lognormvariate(4.5, 0.3)),
        cost_usd=rng.lognormvariate(-4.0, 0.3),
        finish_reason="stop" if rng.random() < 0.97 else "length",
        error_type=rng.choice(("timeout", "http_500")) if failed else None,
        fallback=rng.random() < 0.1,
        escalation=rng.random() < 0.1,
        guardrail="blocked" if rng.random() < 0.1 else "allowed",
        hits=0 if rng.random() < 0.1 else 5,
        top_score=round(rng.uniform(0.6, 0.9), 3),
        document=f"d{order % 97}",
        session=f"s{order}",
    )


def events(works: Iterable[Work], agent: str = "x", start: float = START) -> list[Event]:
    """The events of runs, one run every `GAP` seconds, in the order of time."""
    found: list[Event] = []
    for number, work in enumerate(works):
        found += _events(work, agent, f"{agent}-{number}", start + number * GAP)
    found.sort(key=lambda event: event.at)
    return found


def _events(work: Work, agent: str, run: str, at: float) -> list[Event]:
    common = {"agent": agent, "version": work.version, "run": run, "tenant": work.tenant}
    step = work.seconds / (len(work.tools) + 2)
    found = [Event(kind="run_started", time=at, id=f"{run}.s", session=work.session, **common)]

    def add(kind: str, **fields: Any) -> None:
        number = len(found)
        found.append(
            Event(kind=kind, time=at + min(number, len(work.tools)) * step, id=f"{run}.{number}", **common, **fields)
        )

    add(
        "llm_call", model="m", response_model=work.model, input_tokens=work.input_tokens,
        output_tokens=work.output_tokens, finish_reason=work.finish_reason, attempt=work.attempt,
        cost_usd=work.cost_usd, cached_tokens=work.cached_tokens,
    )  # fmt: skip
    if work.hits is not None:
        told = {"top_score": work.top_score, "document": work.document} if work.hits else {}
        add("retrieval", source="docs", hits=work.hits, **told)
    if work.guardrail is not None:
        add("guardrail", name="policy", action=work.guardrail)
    for number, (tool, arguments, result) in enumerate(work.tools):
        if work.words:
            add("llm_call", model="m", response_model=work.model, output=raw("Let me see."))
        failed = work.error_type is not None and number == len(work.tools) - 1
        add(
            "tool_call", tool=tool, arguments=raw(arguments), result=raw(result),
            status="error" if failed else "ok", error_type=work.error_type if failed else None,
            duration_seconds=work.took.get(tool),
        )  # fmt: skip
    if work.fallback:
        add("fallback", to="simple")
    if work.escalation:
        add("escalation", to="human")
    end = Event(
        kind="run_finished", time=at + work.seconds, id=f"{run}.f", status="ok", outcome=work.outcome,
        duration_seconds=work.seconds, **common,
    )  # fmt: skip
    if work.output is not None:
        end.output = raw(work.output)
    return [*found, end]


def stream(runs: int, change: Callable[[int, Work], Work], seed: int = 1) -> list[Work]:
    """Healthy runs, each as `change(number, work)` makes it."""
    rng = random.Random(seed)
    return [change(number, healthy(rng)) for number in range(runs)]


_WORDS = (
    "your", "order", "was", "sent", "on", "Monday", "and", "will", "arrive", "soon", "the", "refund", "of", "the",
    "amount", "is", "under", "way", "please", "wait", "for", "two", "days", "we", "have", "checked", "it",
)  # fmt: skip


KINDS = ("json", "prose", "list", "code")
"""What an answer may be."""


def answer(rng: random.Random, kind: str) -> str:
    """An answer of one of `KINDS`; of any other kind a bit of a page."""
    text = "It comes " + " ".join(rng.choice(("red", "green", "blue")) for _ in range(rng.randint(3, 9)))
    known = {
        "json": f'{{"a": "{text}", "n": {rng.random()}}}',
        "prose": f"{text}. {text}!",
        "list": f"- {text}\n" * 4,
        "code": f"```\nx = {rng.randint(1, 99)}\n```",
    }
    return known.get(kind, f"<p>{text}</p>")


def told(engine: Engine, entries: Iterable[Item], serial: bool = True, sessions: bool = True) -> list[Finding]:
    """What an engine says to a log. `serial`: whether it sees which runs come alike in a row; `sessions`: whether it
    takes those of a session for less than so many that are drawn apart."""
    found: list[Finding] = []
    for entry in entries:
        found += engine.step([entry]).findings
        for agent in engine.partition.agents.values():
            if not serial:
                agent.drift.profile.serial = []
            if not sessions:
                agent.drift.memory.sessions.begins = 1.0
    return found
