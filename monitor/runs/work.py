"""What each kind of event adds to its run.

Not here: which run an event belongs to, and whether it counts (`monitor.runs.tracker`).

Invariant: everything here is bounded; what does not fit is counted by name.
"""

from __future__ import annotations

from typing import Final
from zlib import crc32

from detectors import loops
from detectors.loops import Loop
from monitor.reading.shape import INDEX
from monitor.runs.contracts import Rules
from monitor.runs.run import NO_ANSWERS, NO_COUNTS, NO_FIELDS, NO_SECONDS, Run, Work
from monitor.saved.states import Fact
from schemas.event import Event
from schemas.texts import derive

TOOLS_PER_RUN: Final = 100
"""Tools told apart in one run; further ones are counted as `tools_folded` under `_other`."""
KINDS_PER_RUN: Final = 16
"""Finish reasons and error types told apart in one run; further ones are counted as `kinds_folded` under `_other`.
Sources of which a run remembers the document; further ones are counted as well."""
PATH: Final = 32
"""Tools at the beginning of a run that `Work.path` names."""
FIELDS_PER_TOOL: Final = 64
"""Fields of a tool's arguments, and of its results, that a run remembers. Further ones: `fields_folded`."""
FORMS_PER_TOOL: Final = 16
"""Forms of a tool's results that a run remembers. Further ones: `fields_folded`."""
FORM_CHARACTERS: Final = 40
"""Longer forms are none of ours and are left out."""
CALLS_HASH: Final = 1 << 48
"""Sums of hashes of calls are taken modulo this."""
LENGTH: Final = INDEX["length"]
LOOP: Final = "run.loop"
OTHER: Final = "_other"
NO_ARGUMENTS: Final = 1
NO_RESULT: Final = 2
NO_VERSION: Final = 4
"""What some call of a tool did not carry in a run; a failed call needs no result."""
USED: Final = 16
"""Components beside tools that a run notes as used. Further ones are counted as `used_folded` and not noted."""
MOST_TOKENS: Final = 1 << 40
"""Of one call. A count that is negative or larger is no count of tokens."""


class Book:
    """What adding up needs beside run and event. `loop_mass`: see `detectors.loops`."""

    def __init__(self, counts: dict[str, int], rules: Rules) -> None:
        self.counts = counts
        self.rules = rules
        self.loop_mass = 1e-6

    def count(self, name: str) -> None:
        """Add one to a counter."""
        self.counts[name] = self.counts.get(name, 0) + 1


def model_call(work: Work, event: Event, book: Book) -> None:
    """What a call of a model adds."""
    if event.actor != "agent":
        work.user_calls += 1
        return
    work.llm_calls += 1
    work.last_step_failed = event.status == "error"
    name = event.model
    if name is not None and name != work.model:
        work.model = name
        _use(work, "model:" + name, book)
    name = event.response_model
    if name is not None:
        work.response_model = name
    name = event.provider
    if name is not None and name != work.provider:
        work.provider = name
        _use(work, "provider:" + name, book)
    tokens = event.input_tokens
    if tokens is not None and 0 <= tokens <= MOST_TOKENS:
        work.input_tokens = tokens if work.input_tokens is None else work.input_tokens + tokens
    tokens = event.output_tokens
    if tokens is not None and 0 <= tokens <= MOST_TOKENS:
        work.output_tokens = tokens if work.output_tokens is None else work.output_tokens + tokens
    tokens = event.cached_tokens
    if tokens is not None and 0 <= tokens <= MOST_TOKENS:
        work.cached_tokens = tokens if work.cached_tokens is None else work.cached_tokens + tokens
    cost = event.cost_usd
    if cost is not None:
        work.cost_usd = cost if work.cost_usd is None else work.cost_usd + cost
    name = event.finish_reason
    if name is not None:
        if work.finish_reasons is NO_COUNTS:
            work.finish_reasons = {name: 1}
        else:
            _tally(work.finish_reasons, name, book)
    attempt = event.attempt
    if attempt is not None and attempt > 1:
        work.retries += 1
    if event.output_hash is not None or event.output_shape is not None:
        _read_output(work, event, final=False)
    if book.rules.declared and event.violations:
        book.rules.take_violations(work, "", event.violations)


def tool_call(run: Run, work: Work, event: Event, book: Book) -> None:
    """What a call of a tool adds; the simulated user's own calls loop by themselves and count nowhere else."""
    soft = event.soft_error
    if soft is None:
        soft = derive.soft_error(event.result)
    failed = soft or event.status == "error"
    asked, result, empty = event.arguments_hash, event.result_hash, bool(event.result_empty)
    tool = event.tool or ""
    if event.actor != "agent":
        work.user_calls += 1
        if result is not None:
            loop = work.user_loop
            if loop is None:
                loop = work.user_loop = Loop()
            if loops.step(loop, tool, asked, result, failed or empty, book.loop_mass):
                _say_loop(work, loop, tool, "the simulated user ")
        return
    calls = run.tools.get(tool)
    if calls is None:
        if len(run.tools) >= TOOLS_PER_RUN:
            book.count("tools_folded")
            tool = OTHER
            calls = run.tools.get(OTHER)
        if calls is None:
            calls = run.tools[tool] = [0, 0, 0, 0]
    calls[0] += 1
    if asked is None:
        calls[3] |= NO_ARGUMENTS
    if event.tool_version is None:
        calls[3] |= NO_VERSION
    if failed:
        calls[1] += 1
        calls[2] = 1
        run.error_type = error = event.error_type or ("soft_error" if soft else "error")
        if work.error_types is NO_COUNTS:
            work.error_types = {error: 1}
        else:
            _tally(work.error_types, error, book)
        work.last_step_failed = True
    else:
        calls[2] = 0
        if result is None:
            calls[3] |= NO_RESULT
        elif asked is not None:
            if work.answers is NO_ANSWERS:
                work.answers = {tool: (asked, result)}
            else:
                work.answers[tool] = (asked, result)
        work.last_step_failed = empty
    if result is not None:
        loop = work.loop
        if loop is None:
            loop = work.loop = Loop()
        if loops.step(loop, tool, asked, result, failed or empty, book.loop_mass):
            _say_loop(work, loop, tool, "")
    if work.pair is not None:
        work.calls_hash = (work.calls_hash + crc32(f"{tool} {asked}".encode())) % CALLS_HASH
    number = work.tool_calls = work.tool_calls + 1
    if number == 1:
        work.path = [tool]
    elif number <= PATH:
        work.path.append(tool)
    seconds = event.duration_seconds
    if seconds is not None:
        if work.tool_seconds is NO_SECONDS:
            work.tool_seconds = {tool: seconds}
        else:
            work.tool_seconds[tool] = work.tool_seconds.get(tool, 0.0) + seconds
    attempt = event.attempt
    if attempt is not None and attempt > 1:
        work.retries += 1
    work.output_empty = False
    fields = event.arguments_fields
    if fields:
        if work.argument_fields is NO_FIELDS:
            work.argument_fields = {}
        _note_fields(work.argument_fields, tool, fields, book)
    words = event.arguments_looks
    if words:
        if work.argument_looks is NO_FIELDS:
            work.argument_looks = {}
        _note_fields(work.argument_looks, tool, words, book)
    words = event.result_looks
    if words and not failed:
        if work.result_looks is NO_FIELDS:
            work.result_looks = {}
        _note_fields(work.result_looks, tool, words, book)
    words = event.result_traits
    if words and not failed:
        if work.result_traits is NO_FIELDS:
            work.result_traits = {}
        _note_fields(work.result_traits, tool, words, book)
    fields = event.result_fields
    if fields and not failed:
        if work.result_fields is NO_FIELDS:
            work.result_fields = {}
        _note_fields(work.result_fields, tool, fields, book)
    form = event.result_form
    if form is not None and not failed and len(form) <= FORM_CHARACTERS:
        if work.result_forms is NO_FIELDS:
            work.result_forms = {}
        forms = work.result_forms.get(tool)
        if forms is None:
            work.result_forms[tool] = [form]
        elif form not in forms:
            if len(forms) < FORMS_PER_TOOL:
                forms.append(form)
            else:
                book.count("fields_folded")
    if book.rules.declared and event.violations:
        book.rules.take_violations(work, tool, event.violations)


def other(run: Run, work: Work, event: Event, book: Book) -> None:
    """What an event adds that is no call of a model or tool."""
    kind = event.kind
    if kind == "run_started":
        describe(run, work, event)
    elif kind == "run_finished":
        describe(run, work, event)
        if event.cost_usd is not None:
            work.cost_usd = event.cost_usd
        if event.model is not None and event.model != work.model:
            work.model = event.model
            _use(work, "model:" + event.model, book)
        if event.output_hash is not None or event.output_shape is not None:
            _read_output(work, event, final=True)
        if book.rules.declared and event.violations:
            book.rules.take_violations(work, "", event.violations)
    elif kind == "retrieval":
        _retrieval(work, event, book)
    elif kind == "guardrail":
        work.guardrails += 1
        work.blocked += event.action in ("blocked", "rewritten")
    else:
        work.last_step_failed = work.output_empty = False
        if kind == "handoff":
            work.handoffs += 1
            if event.to_agent is not None:
                _use(work, "agent:" + event.to_agent, book)
            return
        work.fallbacks += kind == "fallback"
        work.escalations += kind == "escalation"
        for calls in run.tools.values():
            calls[2] = 0  # what failed was noticed and dealt with


def describe(run: Run, work: Work, event: Event) -> None:
    """Who, what for and on whose behalf: read where a run opens, starts and finishes."""
    if event.parent_run is not None:
        run.parent_run = event.parent_run
        run.parent_agent = event.parent_agent
    if event.variant != "stable":
        run.variant = event.variant
    if event.tenant is not None:
        work.tenant = event.tenant
    if event.labels is not None:
        work.labels = event.labels
    if event.session is not None:
        work.session = event.session
    if event.user is not None:
        work.user = event.user
    if event.pair is not None:
        work.pair = event.pair


def length_of(shape: list[float] | None) -> float | None:
    """Characters of an output by its shape, which holds log2(1 + characters), straight between the powers of two."""
    if not shape:
        return None
    power = int(shape[LENGTH])
    return float(round((shape[LENGTH] - power + 1.0) * (1 << power)) - 1) if 0 <= power < 64 else None


def _retrieval(work: Work, event: Event, book: Book) -> None:
    work.retrievals += 1
    if event.source is not None:
        _use(work, "retriever:" + event.source, book)
    empty = event.hits == 0
    work.empty_retrievals += empty
    work.last_step_failed = empty or event.status == "error"
    if event.top_score is not None:
        work.scored += 1
        work.score_sum += event.top_score
    if event.document is not None:
        source = event.source or ""
        if source in work.documents:
            return
        if len(work.documents) >= KINDS_PER_RUN:
            book.count("kinds_folded")
            return
        if work.documents is NO_COUNTS:
            work.documents = {}
        work.documents[source] = derive.text_hash(event.document.encode())


def _read_output(work: Work, event: Event, final: bool) -> None:
    """What is known of an output. A model call without words is a turn that calls tools, or an empty answer."""
    shape = event.output_shape
    empty = shape is not None and len(shape) > LENGTH and shape[LENGTH] == 0.0
    work.output_empty = empty
    if empty and not final:
        return
    work.output_shape, work.output_hash = shape, event.output_hash
    work.output_fields, work.output_marks = event.output_fields, event.output_marks
    if not empty and not final:
        work.outputs += 1
        work.tool_turns_before = work.longest_tool_turns
        work.calls_spoken_at = work.tool_calls


def _note_fields(known: dict[str, list[str]], tool: str, fields: list[str], book: Book) -> None:
    """Fields of one call beside those of earlier calls of the tool in this run."""
    before = known.get(tool)
    if before is None:
        known[tool] = fields if len(fields) <= FIELDS_PER_TOOL else fields[:FIELDS_PER_TOOL]
    elif before != fields:
        new = [name for name in fields if name not in before]
        room = FIELDS_PER_TOOL - len(before)
        if len(new) > room:
            book.count("fields_folded")
        if new and room:
            known[tool] = before + new[:room]


def _use(work: Work, component: str, book: Book) -> None:
    if component not in work.used:
        if len(work.used) >= USED:
            book.count("used_folded")
        else:
            work.used = [*work.used, component]


def _say_loop(work: Work, loop: Loop, tool: str, who: str) -> None:
    work.looped = True
    text = f"{who}repeats itself: {loop.repeats} calls in a row bring nothing new, the last of {tool}"
    work.facts = [*work.facts, Fact(LOOP, tool, "loop", "notice", text)]


def _tally(kinds: dict[str, int], kind: str, book: Book) -> None:
    count = kinds.get(kind)
    if count is None and len(kinds) >= KINDS_PER_RUN:
        book.count("kinds_folded")
        kind = OTHER
        count = kinds.get(kind)
    kinds[kind] = 1 if count is None else count + 1
