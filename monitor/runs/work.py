"""What each kind of event adds to its run.

Not here: which run an event belongs to, and whether it counts (`monitor.runs.tracker`).

Invariant: everything here is bounded; what does not fit is counted by name.
"""

from __future__ import annotations

from detectors import loops
from detectors.loops import Loop
from monitor.runs.contracts import Rules
from monitor.runs.run import Fact, Run, Work
from schemas import derive
from schemas.event import Event

TOOLS_PER_RUN = 100
"""Tools told apart in one run; further ones are counted as `tools_folded` under `_other`."""
KINDS_PER_RUN = 16
"""Finish reasons and error types told apart in one run; further ones are counted as `kinds_folded` under `_other`."""
PATH = 32
"""Tools at the beginning of a run that `Work.path` names."""
FIELDS_PER_TOOL = 64
"""Fields of a tool's arguments, and of its results, that a run remembers. Further ones: `fields_folded`."""
LOOP = "run.loop"
OTHER = "_other"
_LARGEST = 1 << 53
"""Sums of tokens grow no further."""


class Book:
    """What adding up needs beside run and event. `loop_mass`: see `detectors.loops`."""

    def __init__(self, counts: dict[str, int], rules: Rules) -> None:
        self.counts = counts
        self.rules = rules
        self.loop_mass = 1e-6

    def count(self, name: str) -> None:
        """Add one to a counter."""
        self.counts[name] = self.counts.get(name, 0) + 1


def add(run: Run, event: Event, book: Book) -> None:
    """What one event adds to its run."""
    kind = event.kind
    work = run.work
    if kind == "llm_call":
        _model_call(work, event, book)
    elif kind == "tool_call":
        _tool_call(run, work, event, book)
    elif kind == "run_started":
        describe(work, event)
    elif kind == "run_finished":
        describe(work, event)
        if event.cost_usd is not None:
            work.cost_usd = event.cost_usd
        if event.model is not None:
            work.model = event.model
        _read_output(work, event)
    elif kind == "retrieval":
        _retrieval(work, event)
    elif kind == "guardrail":
        work.guardrails += 1
        work.blocked += event.action in ("blocked", "rewritten")
    else:
        work.last_step_failed = False
        if kind == "handoff":
            work.handoffs += 1
        elif kind == "fallback":
            work.fallbacks += 1
        elif kind == "escalation":
            work.escalations += 1


def describe(work: Work, event: Event) -> None:
    """Who and what for: read where a run opens, starts and finishes."""
    if event.tenant is not None:
        work.tenant = event.tenant
    if event.labels is not None:
        work.labels = event.labels
    if event.session is not None:
        work.session = event.session
    if event.user is not None:
        work.user = event.user


def _model_call(work: Work, event: Event, book: Book) -> None:
    if event.actor != "agent":
        work.user_calls += 1
        return
    work.llm_calls += 1
    work.last_step_failed = event.status == "error"
    if event.model is not None:
        work.model = event.model
    if event.response_model is not None:
        work.response_model = event.response_model
    if event.provider is not None:
        work.provider = event.provider
    tokens = event.input_tokens
    if tokens is not None:
        work.input_tokens = _added(work.input_tokens, tokens)
    tokens = event.output_tokens
    if tokens is not None:
        work.output_tokens = _added(work.output_tokens, tokens)
    tokens = event.cached_tokens
    if tokens is not None:
        work.cached_tokens = _added(work.cached_tokens, tokens)
    if event.cost_usd is not None:
        work.cost_usd = (work.cost_usd or 0.0) + event.cost_usd
    if event.finish_reason is not None:
        _tally(work.finish_reasons, event.finish_reason, book)
    if event.attempt is not None and event.attempt > 1:
        work.retries += 1
    _read_output(work, event)


def _tool_call(run: Run, work: Work, event: Event, book: Book) -> None:
    soft = event.soft_error
    if soft is None:
        soft = derive.soft_error(event.result)
    failed = event.status == "error" or soft
    empty = event.result_empty
    tool = event.tool or ""
    if event.actor != "agent":
        work.user_calls += 1
        work.user_loop = _looped(work, work.user_loop, tool, event, failed or empty is True, book)
        return
    calls = run.tools.get(tool)
    if calls is None:
        if len(run.tools) >= TOOLS_PER_RUN:
            book.count("tools_folded")
            tool = OTHER
        calls = run.tools.setdefault(tool, [0, 0, 0])
    calls[0] += 1
    if failed:
        calls[1] += 1
        calls[2] = 1
        run.error_type = error = event.error_type or ("soft_error" if soft else "error")
        _tally(work.error_types, error, book)
        work.last_step_failed = True
    else:
        calls[2] = 0
        work.last_step_failed = empty is True
    work.tool_calls += 1
    turns = work.tool_turns = work.tool_turns + 1
    if turns > work.longest_tool_turns:
        work.longest_tool_turns = turns
    if len(work.path) < PATH:
        work.path.append(tool)
    if event.attempt is not None and event.attempt > 1:
        work.retries += 1
    if event.result_hash is not None or work.loop is not None:
        work.loop = _looped(work, work.loop, tool, event, failed or empty is True, book)
    rules = book.rules
    if rules.tools:
        rules.check_tool(work, event.tool or "", event.tool_version)


def _retrieval(work: Work, event: Event) -> None:
    work.retrievals += 1
    empty = event.hits == 0
    work.empty_retrievals += empty
    work.last_step_failed = empty or event.status == "error"
    if event.top_score is not None:
        work.scored += 1
        work.score_sum += event.top_score


def _read_output(work: Work, event: Event) -> None:
    """What is known of an output that the agent gave."""


def _looped(work: Work, loop: Loop | None, tool: str, event: Event, bad: bool, book: Book) -> Loop:
    if loop is None:
        loop = Loop()
    if loops.step(loop, tool, event.arguments_hash, event.result_hash, bad, book.loop_mass):
        who = "" if event.actor == "agent" else "the user's side "
        work.looped = True
        text = f"{who}repeats itself: {loop.repeats + 1} calls in a row, the last of {tool}, bring nothing new"
        work.facts.append(Fact(LOOP, tool, "loop", "notice", text))
    return loop


def _added(sum_so_far: int | None, tokens: int) -> int | None:
    if tokens < 0:
        return sum_so_far
    return min((sum_so_far or 0) + tokens, _LARGEST)


def _tally(kinds: dict[str, int], kind: str, book: Book) -> None:
    count = kinds.get(kind)
    if count is None and len(kinds) >= KINDS_PER_RUN:
        book.count("kinds_folded")
        kind = OTHER
        count = kinds.get(kind)
    kinds[kind] = 1 if count is None else count + 1
