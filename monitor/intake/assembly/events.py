"""Runs → events, each with an id made of its span, so that the same span told twice is a duplicate.

`time` is when the thing was done (a call: its end), within the run's own start and end. `observed_time` is the time
plus the delay with which the run's last span reached us: a long run's start was no late event. A producer whose clock
is further off than `SKEW_SECONDS` is taken at `observed_time`, its durations kept.
"""

from __future__ import annotations

import bisect
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from msgspec import Raw

from monitor.intake.assembly.forest import Node
from monitor.intake.assembly.outcome import Outcome
from monitor.intake.assembly.runs import Run, RunKey
from monitor.intake.assembly.texts import UNKNOWN_TOOL
from monitor.intake.dialects import errors, judgements, semconv
from monitor.intake.dialects.reading import Judgement, Role
from monitor.reading import Reader
from monitor.reading.reader import AHEAD, broken_by
from schemas import limits
from schemas.event import NOTHING, Event

TEXT_BYTES = 200_000
"""One text of an event. Longer: its features are read, then it is left out, counted as `evicted:texts`."""

_TEXTS = ("input", "output", "arguments", "result", "text")
_IDENTITY = ("version", "session", "user")
_JUDGED_LATER = ("evaluation", "feedback")


@dataclass(slots=True)
class Told:
    """The events of some runs, and what was counted on the way."""

    events: list[Event] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def count(self, name: str) -> None:
        """One more of `name`."""
        self.counts[name] = self.counts.get(name, 0) + 1


def tell(trace: str, run: Run, outcome: Outcome, told: Told, reader: Reader) -> RunKey:
    """Adds the events of one run. Returns what later spans must know of it."""
    identity = _identity(run)
    parentage = _parentage(run)
    producer = run.last_node.reading.service
    start, end = run.start, run.end
    delay = _delay(run)
    shift = delay if delay is not None and abs(delay) > limits.SKEW_SECONDS else 0.0

    def event(kind: str, node: Node | None, at: float, tag: str = "", **fields: Any) -> None:
        if kind not in _JUDGED_LATER:
            at = min(max(at, start), end)
        span_id = node.reading.span_id if node else "-"
        made = Event(
            kind=kind,
            time=at + shift,
            id=":".join(part for part in (trace, span_id, kind, tag) if part),
            observed_time=None if delay is None else at + delay,
            producer=producer,
            agent=run.agent,
            run=run.id,
        )
        for name, value in (identity | parentage | fields).items():
            if value is not None:
                setattr(made, name, Raw(value) if name in _TEXTS else value)
        if shift:
            told.count("events_skewed")
            told.count(f"events_skewed_by:{producer or run.agent}")
        reader.read(made)
        for text in _TEXTS:
            if len(bytes(getattr(made, text))) > TEXT_BYTES:
                setattr(made, text, NOTHING)
                told.count("evicted:texts")
        told.events.append(made)

    complete = run.resumed is None
    if complete:
        event("run_started", run.head, start, **_asked(run))
    handed = _handoffs(run)
    named = set(handed.values())
    for node in run.nodes:
        if node.role in _CALLS:
            kind, fields_of, otherwise = _CALLS[node.role]
            fields = fields_of(node)
            if fields is None:
                told.count(otherwise)
            else:
                if node.role in _READ_FOR_CONTRACT:
                    fields["violations"] = broken_by(run.agent, fields.get("tool"), _known(node))
                event(kind, node, node.reading.end, **fields)
        if node.reading.span_id in handed:
            event("handoff", node, node.reading.end, to_agent=handed[node.reading.span_id])
        elif node.role is Role.HANDOFF:
            told.count("spans_ignored:handoff_to_nobody")
        for judgement in node.reading.judgements:
            kind, at, tag, fields = _judged(judgement)
            event(kind, node, at, tag, **fields)
    for child in run.children:
        if child.head is not None and child.agent not in named:
            event("handoff", child.head, child.start, to_agent=child.agent)
    if complete or run.head is not None:
        event(
            "run_finished",
            run.head,
            end,
            status="error" if outcome.failed else "ok",
            error_type=outcome.error_type,
            duration_seconds=min(end - start, limits.DURATION_SECONDS),
            **_answer(run),
        )
    return run.resumed or RunKey(
        run=run.id, agent=run.agent, named=run.named, headless=run.head is None, **identity, **parentage
    )


Fields = dict[str, Any]


def _llm_call(node: Node) -> Fields | None:
    if node.calls_inside:
        return None  # the call itself is below; its tokens would count twice
    return _call(node, _LLM_FIELDS)


def _tool_call(node: Node) -> Fields | None:
    if node.wrapper is not None:
        return None  # one call, seen by the framework and by its client
    told = _call(node, _TOOL_FIELDS) | {"tool": node.reading.fields.get("tool") or UNKNOWN_TOOL}
    inside = node.inside
    while inside is not None and told["status"] == "ok":  # a framework that makes a result of an error ends well
        if inside.reading.failed:
            told |= {"status": "error", "error_type": errors.error_class(inside.reading)}
        inside = inside.inside
    return told


def _retrieval(node: Node) -> Fields | None:
    above = node.nearest
    if above is not None and above.role is Role.RETRIEVAL:
        return None  # a step of the one around it, which says what the agent was given
    return _call(node, _RETRIEVAL_FIELDS)


def _guardrail(node: Node) -> Fields:
    name = node.reading.fields.get("name") or "guardrail"
    return {"name": name, "action": "blocked" if _blocked(node, name) else "allowed"}


def _evaluation(node: Node) -> Fields | None:
    fields = node.reading.fields
    if fields.get("score") is None and fields.get("judged") is None:
        return None  # what it judged by is not written here; its judgements may stand elsewhere
    return {"name": fields.get("name") or "evaluation", "score": fields.get("score"), "label": fields.get("judged")}


_CALLS: dict[Role, tuple[str, Callable[[Node], Fields | None], str]] = {
    Role.LLM: ("llm_call", _llm_call, "spans_ignored:wrapped"),
    Role.TOOL: ("tool_call", _tool_call, "spans_ignored:wrapped"),
    Role.RETRIEVAL: ("retrieval", _retrieval, "spans_ignored:wrapped"),
    Role.GUARDRAIL: ("guardrail", _guardrail, ""),
    Role.EVALUATOR: ("evaluation", _evaluation, "spans_ignored:no_score"),
}
"""Role → kind of event, its fields, and what is counted where there is no event."""
_AGENTS = (Role.AGENT, Role.WORKFLOW)
_READ_FOR_CONTRACT = (Role.LLM, Role.TOOL)


def _told(text: str) -> tuple[str, ...]:
    """What events say of a text: it or what stands for it, but for the rules, which are those of a known agent."""
    return tuple(name for name in semconv.READ[text] if name not in AHEAD)


_OUTPUT_FIELDS = _told("output")
_LLM_FIELDS = (
    "model",
    "response_model",
    "provider",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "cost_usd",
    "finish_reason",
    *_OUTPUT_FIELDS,
)
_TOOL_FIELDS = ("tool_version", "call_id", *_told("arguments"), *_told("result"))
_RETRIEVAL_FIELDS = ("source", "hits", "top_score", "document")


def _call(node: Node, names: Iterable[str]) -> dict[str, Any]:
    failed, known = node.reading.failed, _known(node)
    return {
        "status": "error" if failed else "ok",
        "error_type": errors.error_class(node.reading) if failed else None,
        "duration_seconds": min(node.reading.end - node.reading.start, limits.DURATION_SECONDS),
        **{name: known.get(name) for name in names},
    }


def _known(node: Node) -> Fields:
    """What is known of a call: where its own span says nothing, one that sees the same call does.

    Of a model's call that is the one around it, if it wraps no other call; of a tool's the one inside.
    """
    found, around, inside = node.reading.fields, node.wrapper, node.inside
    while inside is not None:
        said = {name for text in ("arguments", "result") if _has(found, text) for name in semconv.READ[text]}
        found = {name: value for name, value in inside.reading.fields.items() if name not in said} | found
        inside = inside.inside
    while around is not None and around.calls_inside == 1:
        said = set(semconv.READ["output"] if _has(found, "output") else ())
        found = {name: value for name, value in around.reading.fields.items() if name not in said} | found
        around = around.wrapper
    return found


def _has(fields: Fields, text: str) -> bool:
    return any(fields.get(name) is not None for name in semconv.READ[text])


def judgement_id(judgement: Judgement) -> str:
    """Tells two judgements of one span apart, and knows one that was sent twice."""
    said = f"{judgement.name}|{judgement.time}|{judgement.score}|{judgement.label}|{judgement.human}"
    return hashlib.blake2b(said.encode(), digest_size=6).hexdigest()


def _judged(judgement: Judgement) -> tuple[str, float, str, Fields]:
    tag = judgement_id(judgement)
    if judgement.human:
        return "feedback", judgement.time, tag, {"rating": judgements.rating(judgement)}
    said = {"name": judgement.name, "score": judgement.score, "label": judgement.label}
    return "evaluation", judgement.time, tag, said


def _blocked(node: Node, name: str) -> bool:
    """The guardrail says so itself, or the step around it failed and names it."""
    if node.reading.failed or node.reading.fields.get("triggered"):
        return True
    around = node.nearest
    if around is None or not around.reading.failed:
        return False
    return errors.names(around.reading.blocked_by, name)


def _handoffs(run: Run) -> dict[str, str]:
    """Span id of each handoff → the agent that it names, or else the one that began next.

    A tool that went well and names who takes over is a handoff as well.
    """
    children = sorted(run.children, key=lambda child: child.start)
    starts = [child.start for child in children]
    found = {}
    for node in run.nodes:
        named = node.reading.fields.get("to_agent")
        if node.role is Role.TOOL and named is not None:
            call = _tool_call(node)
            if call is not None and call["status"] == "ok":
                found[node.reading.span_id] = named
        if node.role is not Role.HANDOFF:
            continue
        if isinstance(named, str) and named.lower() != "unknown":
            found[node.reading.span_id] = named
        elif (following := bisect.bisect_left(starts, node.reading.start)) < len(children):
            found[node.reading.span_id] = children[following].agent
    return found


def _asked(run: Run) -> Fields:
    """What the run was asked: its topmost span says it, else the first of its agent's spans that does."""
    said = (node.reading.fields for node in run.nodes if node is run.head or node.role in _AGENTS)
    asked: Fields = next((fields for fields in said if _has(fields, "input")), {})
    return {name: asked.get(name) for name in semconv.READ["input"]} if run.head is not None else {}


def _answer(run: Run) -> Fields:
    """What the run answered: its topmost span says it, else the last of its agent's spans, else its last model call."""
    node = run.head
    if node is None or not _has(node.reading.fields, "output"):
        agents = [node for node in run.nodes if node.role in _AGENTS and _has(node.reading.fields, "output")]
        calls = [
            node for node in run.nodes if node.role is Role.LLM and not node.reading.failed and not node.calls_inside
        ]
        node = max(agents or calls, key=lambda node: (node.reading.end, node.reading.span_id), default=None)
    if node is None:
        return {}
    fields = _known(node)
    return {
        **{name: fields.get(name) for name in _OUTPUT_FIELDS},
        "violations": broken_by(run.agent, None, fields),
    }


def _identity(run: Run) -> dict[str, str | None]:
    if run.resumed is not None:
        return {name: getattr(run.resumed, name) for name in _IDENTITY}
    found = {
        name: next((node.reading.fields[name] for node in run.nodes if name in node.reading.fields), None)
        for name in _IDENTITY
    }
    found["version"] = found["version"] or run.last_node.reading.service_version
    return found


def _parentage(run: Run) -> dict[str, str | None]:
    if run.resumed is not None:
        return {"parent_run": run.resumed.parent_run, "parent_agent": run.resumed.parent_agent}
    return {
        "parent_run": run.parent.id if run.parent else None,
        "parent_agent": run.parent.agent if run.parent else None,
    }


def _delay(run: Run) -> float | None:
    """Seconds from the end of the run's last span to its receipt; None where the receipt is not known (replay)."""
    last = run.last_node.reading
    return None if last.observed_time is None else last.observed_time - last.end
