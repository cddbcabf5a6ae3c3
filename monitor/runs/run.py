"""What is known of one run: `Run` while it is remembered, `Work` while it is open, `Closed` when it ends.

Not here: how events change them (`monitor.runs.work`), when runs open and close (`monitor.runs.tracker`).

Invariant: nothing in here is agent text. Numbers, names and hashes only, each of them bounded.
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import mypyc_attr

from detectors.loops import Loop
from monitor.saved.states import Fact

CLAIM_BROKEN: Final = "claim: "
"""Begins the rule of a claim that is not true; the tool that makes it true follows."""
EFFECT_BROKEN: Final = "effect: "
"""Begins the rule of an outcome without the call that brings it about; the tool follows."""

NO_COUNTS: Final[dict[str, int]] = {}
NO_SECONDS: Final[dict[str, float]] = {}
NO_FIELDS: Final[dict[str, list[str]]] = {}
NO_ANSWERS: Final[dict[str, tuple[int, int]]] = {}
NO_NAMES: Final[list[str]] = []
NO_FACTS: Final[list[Fact]] = []
"""What a run holds of which it has none. Nothing is ever put into them: who has the first makes a new one, for most
runs have none of most."""


@mypyc_attr(acyclic=True)
class Work:
    """What an open run did so far, added up. The simulated user's own calls are only in `user_calls`.

    None means that nobody said so: `output_tokens` None is "no tokens reported", 0 is "no tokens". The fields:
    `monitor.saved.states.WorkState`.
    """

    def __init__(
        self,
        model: str | None = None,
        response_model: str | None = None,
        provider: str | None = None,
        tenant: str | None = None,
        labels: dict[str, str] | None = None,
        session: str | None = None,
        user: str | None = None,
        input_hash: int | None = None,
        retry_of: str | None = None,
        llm_calls: int = 0,
        tool_calls: int = 0,
        retrievals: int = 0,
        user_calls: int = 0,
        retries: int = 0,
        handoffs: int = 0,
        fallbacks: int = 0,
        escalations: int = 0,
        guardrails: int = 0,
        blocked: int = 0,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
        cached_tokens: int | None = None,
        cost_usd: float | None = None,
        finish_reasons: dict[str, int] | None = None,
        error_types: dict[str, int] | None = None,
        empty_retrievals: int = 0,
        scored: int = 0,
        score_sum: float = 0.0,
        path: list[str] | None = None,
        argument_fields: dict[str, list[str]] | None = None,
        result_fields: dict[str, list[str]] | None = None,
        calls_spoken_at: int = 0,
        tool_turns_before: int = 0,
        last_step_failed: bool = False,
        outputs: int = 0,
        output_empty: bool = False,
        output_shape: list[float] | None = None,
        output_hash: int | None = None,
        output_length: float | None = None,
        loop: Loop | None = None,
        user_loop: Loop | None = None,
        looped: bool = False,
        claims: list[str] | None = None,
        facts: list[Fact] | None = None,
        broken: list[str] | None = None,
        documents: dict[str, int] | None = None,
        pair: str | None = None,
        calls_hash: int = 0,
        used: list[str] | None = None,
        output_fields: list[str] | None = None,
        tool_seconds: dict[str, float] | None = None,
        result_forms: dict[str, list[str]] | None = None,
        answers: dict[str, tuple[int, int]] | None = None,
        output_marks: list[str] | None = None,
        argument_looks: dict[str, list[str]] | None = None,
        result_looks: dict[str, list[str]] | None = None,
        result_traits: dict[str, list[str]] | None = None,
    ) -> None:
        self.model = model
        self.response_model = response_model
        self.provider = provider
        self.tenant = tenant
        self.labels = labels
        self.session = session
        self.user = user
        self.input_hash = input_hash
        self.retry_of = retry_of
        self.llm_calls = llm_calls
        self.tool_calls = tool_calls
        self.retrievals = retrievals
        self.user_calls = user_calls
        self.retries = retries
        self.handoffs = handoffs
        self.fallbacks = fallbacks
        self.escalations = escalations
        self.guardrails = guardrails
        self.blocked = blocked
        self.input_tokens = input_tokens
        self.output_tokens = output_tokens
        self.cached_tokens = cached_tokens
        self.cost_usd = cost_usd
        self.finish_reasons: dict[str, int] = NO_COUNTS if finish_reasons is None else finish_reasons
        self.error_types: dict[str, int] = NO_COUNTS if error_types is None else error_types
        self.empty_retrievals = empty_retrievals
        self.scored = scored
        self.score_sum = score_sum
        self.path: list[str] = NO_NAMES if path is None else path
        self.argument_fields: dict[str, list[str]] = NO_FIELDS if argument_fields is None else argument_fields
        self.result_fields: dict[str, list[str]] = NO_FIELDS if result_fields is None else result_fields
        self.calls_spoken_at = calls_spoken_at
        self.tool_turns_before = tool_turns_before
        self.last_step_failed = last_step_failed
        self.outputs = outputs
        self.output_empty = output_empty
        self.output_shape = output_shape
        self.output_hash = output_hash
        self.output_length = output_length
        self.loop = loop
        self.user_loop = user_loop
        self.looped = looped
        self.claims: list[str] = NO_NAMES if claims is None else claims
        self.facts: list[Fact] = NO_FACTS if facts is None else facts
        self.broken: list[str] = NO_NAMES if broken is None else broken
        self.documents: dict[str, int] = NO_COUNTS if documents is None else documents
        self.pair = pair
        self.calls_hash = calls_hash
        self.used: list[str] = NO_NAMES if used is None else used
        self.output_fields = output_fields
        self.tool_seconds: dict[str, float] = NO_SECONDS if tool_seconds is None else tool_seconds
        self.result_forms: dict[str, list[str]] = NO_FIELDS if result_forms is None else result_forms
        self.answers: dict[str, tuple[int, int]] = NO_ANSWERS if answers is None else answers
        self.output_marks = output_marks
        self.argument_looks: dict[str, list[str]] = NO_FIELDS if argument_looks is None else argument_looks
        self.result_looks: dict[str, list[str]] = NO_FIELDS if result_looks is None else result_looks
        self.result_traits: dict[str, list[str]] = NO_FIELDS if result_traits is None else result_traits

    def fields(self, loop: object, user_loop: object) -> list[object]:
        """Its fields in the order of `WorkState`, with what stands for its loops."""
        return [
            self.model, self.response_model, self.provider, self.tenant, self.labels, self.session, self.user,
            self.input_hash, self.retry_of, self.llm_calls, self.tool_calls, self.retrievals, self.user_calls,
            self.retries, self.handoffs, self.fallbacks, self.escalations, self.guardrails, self.blocked,
            self.input_tokens, self.output_tokens, self.cached_tokens, self.cost_usd, self.finish_reasons,
            self.error_types, self.empty_retrievals, self.scored, self.score_sum, self.path, self.argument_fields,
            self.result_fields, self.calls_spoken_at, self.tool_turns_before, self.last_step_failed, self.outputs,
            self.output_empty, self.output_shape, self.output_hash, self.output_length, loop, user_loop, self.looped,
            self.claims, self.facts, self.broken, self.documents, self.pair, self.calls_hash, self.used,
            self.output_fields, self.tool_seconds, self.result_forms, self.answers, self.output_marks,
            self.argument_looks, self.result_looks, self.result_traits,
        ]  # fmt: skip

    @property
    def steps(self) -> int:
        """The agent's own calls: of models, tools and retrievers."""
        return self.llm_calls + self.tool_calls + self.retrievals

    @property
    def tokens(self) -> int | None:
        """Input and output tokens; None if no call reported any."""
        if self.input_tokens is None and self.output_tokens is None:
            return None
        return (self.input_tokens or 0) + (self.output_tokens or 0)

    @property
    def tool_turns(self) -> int:
        """Tool calls since the agent last gave output."""
        return self.tool_calls - self.calls_spoken_at

    @property
    def longest_tool_turns(self) -> int:
        """The most tool calls in a row without output."""
        return max(self.tool_turns_before, self.tool_turns)

    @property
    def top_score(self) -> float | None:
        """The mean top score of the run's retrievals."""
        return self.score_sum / self.scored if self.scored else None


@mypyc_attr(acyclic=True)
class Run:
    """One run. `tools` maps a tool to [calls, failed calls, whether the last one failed and nothing dealt with it, what
    some call of it did not carry (`monitor.runs.work.NO_ARGUMENTS` …)].

    The fields: `monitor.saved.states.RunState`.
    """

    def __init__(
        self,
        run: str,
        version: str | None,
        block: int,
        started: float,
        seen: float,
        ids: set[str],
        tools: dict[str, list[int]],
        work: Work,
        parent_run: str | None = None,
        parent_agent: str | None = None,
        variant: str = "stable",
        error_type: str | None = None,
        counted: bool = False,
        entered: float | None = None,
        passed: bool = False,
        order: int = 0,
        closed: bool = False,
        packed: bytes = b"",
        model: str | None = None,
        tenant: str | None = None,
        labels: dict[str, str] | None = None,
        asked: tuple[str, int, int] | None = None,
    ) -> None:
        self.run = run
        self.version = version
        self.block = block
        self.started = started
        self.seen = seen
        self.ids = ids
        self.tools = tools
        self.work = work
        self.parent_run = parent_run
        self.parent_agent = parent_agent
        self.variant = variant
        self.error_type = error_type
        self.counted = counted
        self.entered = entered
        self.passed = passed
        self.order = order
        self.closed = closed
        self.packed = packed
        self.model = model
        self.tenant = tenant
        self.labels = labels
        self.asked = asked
        self.moved = True
        """Whether nobody has looked at its start since that was set; not saved, for to look once more is harmless."""

    def fields(self, work: object) -> list[object]:
        """Its fields in the order of `RunState`, with what stands for its work. The same run gives the same bytes."""
        ids = sorted(self.ids) if self.ids else NO_NAMES
        return [
            self.run, self.version, self.block, self.started, self.seen, ids, self.tools, work,
            self.parent_run, self.parent_agent, self.variant, self.error_type, self.counted, self.entered, self.passed,
            self.order, self.closed, self.packed, self.model, self.tenant, self.labels, self.asked,
        ]  # fmt: skip


SPENT: Final = Work()
"""What closed runs hold; nothing is ever added to it."""


@mypyc_attr(acyclic=True)
class Closed:
    """What is known of a run when it ends. `status`: ok, error or hung. `contract`: whether its agent has one.

    `silent_reason`: why a run that says ok did not do what it says, in words; empty if nothing speaks against it.
    """

    def __init__(
        self,
        run: Run,
        status: str,
        time: float,
        duration_seconds: float,
        outcome: str | None,
        error_type: str | None,
        work: Work,
        contract: bool = False,
        silent_reason: str = "",
    ) -> None:
        self.run = run
        self.status = status
        self.time = time
        self.duration_seconds = duration_seconds
        self.outcome = outcome
        self.error_type = error_type
        self.work = work
        self.contract = contract
        self.silent_reason = silent_reason

    @property
    def silent(self) -> bool:
        """Whether it says ok and something that it did says otherwise: a loop and a broken contract included."""
        return self.status == "ok" and (self.work.looped or self.work.broken != [] or self.silent_reason != "")
