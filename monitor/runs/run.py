"""What is known of one run: `Run` while it is remembered, `Work` while it is open, `Closed` when it ends.

Not here: how events change them (`monitor.runs.work`), when runs open and close (`monitor.runs.tracker`).

Invariant: nothing in here is agent text. Numbers, names and hashes only, each of them bounded.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from detectors.loops import Loop

Severity = Literal["notice", "page"]

CLAIM_BROKEN = "claim: "
"""Begins the rule of a claim that is not true; the tool that makes it true follows."""
EFFECT_BROKEN = "effect: "
"""Begins the rule of an outcome without the call that brings it about; the tool follows."""


class Fact(Struct, array_like=True, frozen=True, gc=False):
    """Something that a run did and must not, told at once. `rule` names it; `tool` is empty where it is of no tool."""

    signal: str
    tool: str
    rule: str
    severity: Severity
    text: str
    """What happened, in numbers and names."""


class Work(Struct, omit_defaults=True, gc=False):
    """What an open run did so far, added up. The simulated user's own calls are only in `user_calls`.

    None means that nobody said so: `output_tokens` None is "no tokens reported", 0 is "no tokens".
    """

    model: str | None = None
    """Of the last model call, like the next two."""
    response_model: str | None = None
    provider: str | None = None
    tenant: str | None = None
    labels: dict[str, str] | None = None
    session: str | None = None
    user: str | None = None
    input_hash: int | None = None
    retry_of: str | None = None
    """The run that the same user or session gave the same input shortly before."""

    llm_calls: int = 0
    tool_calls: int = 0
    retrievals: int = 0
    user_calls: int = 0
    retries: int = 0
    """Calls with `attempt` above 1."""
    handoffs: int = 0
    fallbacks: int = 0
    escalations: int = 0
    guardrails: int = 0
    blocked: int = 0
    """Guardrails that blocked or rewrote."""
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    cost_usd: float | None = None
    """The sum over model calls, or what `run_finished` says."""
    finish_reasons: dict[str, int] = {}
    error_types: dict[str, int] = {}
    """Of tool calls that failed; `error` and `soft_error` where the event names none."""

    empty_retrievals: int = 0
    """Retrievals with zero hits."""
    scored: int = 0
    score_sum: float = 0.0
    """Sum of `top_score` over `scored` retrievals."""

    documents: dict[str, int] = {}
    """Source → a hash of the best document of the run's first search there that told one."""

    path: list[str] = []
    """The first tools called, in order."""
    argument_fields: dict[str, list[str]] = {}
    result_fields: dict[str, list[str]] = {}
    """Tool → the fields that its calls had in this run (`order_id:string`), in the order in which they came."""
    calls_spoken_at: int = 0
    """Tool calls that there had been when the agent last gave output."""
    tool_turns_before: int = 0
    """The most that there were between two outputs."""
    last_step_failed: bool = False
    """Whether the last thing that the agent did was a failed call or one that found nothing."""

    outputs: int = 0
    """Outputs that were not empty."""
    output_empty: bool = False
    """Whether the last thing that the agent did was to give an empty output."""
    output_shape: list[float] | None = None
    """Of the final output (of `run_finished`, else of the last model call), like the next two."""
    output_hash: int | None = None
    output_length: float | None = None
    """Characters; known once the run has closed."""

    loop: Loop | None = None
    user_loop: Loop | None = None
    looped: bool = False
    claims: list[str] = []
    """Tools without whose call an output of this run is not true."""
    facts: list[Fact] = []
    """What is to be told; emptied by who tells it."""
    broken: list[str] = []
    """Rules that the run broke, each once. Told or not, they stay."""

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


class Run(Struct, array_like=True, gc=False):
    """One run. `tools` maps a tool to [calls, failed calls, whether the last one failed and nothing dealt with it]."""

    run: str
    version: str | None
    block: int
    started: float
    seen: float
    """The tick at which its last event came; once closed, the tick at which it closed."""
    ids: set[str]
    tools: dict[str, list[int]]
    work: Work
    """What it did. `SPENT` soon after it closed: then only `Closed` has it."""
    parent_run: str | None = None
    parent_agent: str | None = None
    variant: str = "stable"
    error_type: str | None = None
    counted: bool = False
    """Whether its start was counted as traffic."""
    entered: float | None = None
    """The start under which it holds back observations of runs that started later."""
    passed: bool = False
    """It took longer than usual, so that nothing waits for it any more."""
    order: int = 0
    """Rises with each tick's first sign of life and with closing: the order in which runs hang, leave and give way."""
    closed: bool = False
    packed: bytes = b""
    """CRCs of its event ids, once it is closed: they only tell a duplicate from a late event, which both drop."""
    model: str | None = None
    """This and the next two, once it is closed: the slices of what is said of it later."""
    tenant: str | None = None
    labels: dict[str, str] | None = None
    asked: tuple[str, int, int] | None = None
    """Who gave it its input, the hash of that, and `order` then: by this the same input again is known."""


SPENT = Work()
"""What closed runs hold; nothing is ever added to it."""


class Closed(Struct, frozen=True, gc=False):
    """What is known of a run when it ends. `status`: ok, error or hung. `contract`: whether its agent has one.

    `silent_reason`: why a run that says ok did not do what it says, in words; empty if nothing speaks against it.
    """

    run: Run
    status: str
    time: float
    duration_seconds: float
    outcome: str | None
    error_type: str | None
    work: Work
    contract: bool = False
    silent_reason: str = ""

    @property
    def silent(self) -> bool:
        """Whether it says ok and something that it did says otherwise: a loop and a broken contract included."""
        return self.status == "ok" and (self.work.looped or self.work.broken != [] or self.silent_reason != "")
