"""Runs and nodes as they are written, and what their fields mean. The live ones are classes that compile to C structs.

Invariant: fields are only ever appended; nothing in here is agent text: numbers, names and hashes only, each bounded.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Raw, Struct

from schemas.records import Cover

Key = tuple[str, str | None, str | None]
"""Signal, version, tool; None where a node is not of one."""

_NONE = Raw(b"\xc0")


class Firing(Struct, array_like=True, gc=False):
    """An episode: what was seen when it began, and the evidence that it is over."""

    incident_key: str
    began: float
    onset: float
    before: float
    before_n: float
    before_bad: float
    n: float
    bad: float
    """Observations since the onset, and how many of them were bad."""
    back: float = 0.0
    """Evidence that the signal is back."""
    back_n: float = 0.0
    back_bad: float = 0.0
    """Observations since that evidence began to grow, and how many of them were bad."""
    gone: float = 0.0
    """Evidence that the slice gets no more runs: its version was rolled back, its tool is not called any more."""
    others: float = 0.0
    gap: float = 0.0
    """Other runs of the agent since the onset; those since the last one of this slice."""
    said_n: float = 0.0
    said_at: float = 0.0
    """What the last word about it told, and when."""
    mode: str = "page"
    watched: tuple[str, str | None, str | None] | None = None
    quiet: bool = False
    """Whether it was said that no data come any more."""
    part: str = ""
    """The narrower slice that explains the change, as `model=gpt-4o`."""
    deploy_share: float | None = None
    """Part of the evidence that began with a deploy."""
    latest: float = 0.0
    """A later onset that a stronger bet dates; 0 where it dates none."""


class NodeState(Struct, array_like=True, gc=False):
    """`monitor.evidence.nodes.Node`."""

    signal: str
    version: str | None
    tool: str | None
    owner: str
    evidence: tuple[float, ...]
    last: float
    share: float = 0.0
    """Part of the grant to (owner, agent) that this node drips."""
    pending: float = 0.0
    """Dripped at earlier rates and not yet used."""
    k: float = 0.0
    n: float = 0.0
    seen: float = 0.0
    onset: float = 0.0
    cusum: float = 0.0
    since_n: float = 0.0
    since_bad: float = 0.0
    since_expected: float = 0.0
    runs_before: float = 0.0
    """Runs of the agent, of whatever version, that had closed when the onset was set."""
    sharp_onset: float = 0.0
    sharp_cusum: float = 0.0
    sharp_n: float = 0.0
    sharp_bad: float = 0.0
    sharp_expected: float = 0.0
    sharp_runs_before: float = 0.0
    """The same, as the strong bet dates it."""
    examples: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    """Error types of the bad observations since the onset, the latest last."""
    declared: float | None = None
    tolerance: float = 1.25
    mode: str = "page"
    firing: Firing | None = None
    block: int = 0
    """The block of state that it is saved in."""
    deploy: tuple[float, ...] = ()
    """Evidence that grew from what a deploy prepaid; `evidence` is what grew from the drip. Both count alike."""
    prepaid: float = 0.0
    """Prepaid by a deploy and not yet used."""
    counts: dict[str, list[float]] = {}
    """Narrower slices, counted while a stretch looks like a fault (`monitor.evidence.within.hitters`)."""
    late_k: float = 0.0
    late_n: float = 0.0
    """The newest of `k` and `n`, not yet part of the reference."""


class Account(Struct, array_like=True):
    """What the nodes of one owner that live with an agent may drip. Rates: expected false alarms per second."""

    page_rate: float
    notice_rate: float
    end: float
    known: dict[str, int]
    """Kind of node → how many there were when the grant came."""
    newcomers: dict[str, int]
    """Kind of node → how many came since."""
    pool: float = 0.0
    """Expected false pages that deploys may be paid from."""
    pooled_at: float = 0.0
    """Up to here the flow into the pool was counted, epoch seconds."""

    def rate(self, mode: str) -> float:
        """The rate of this voice."""
        return self.page_rate if mode == "page" else self.notice_rate


class Seen(Struct, array_like=True, frozen=True, order=True, gc=False):
    """An observation as it is saved. `mean`: the null it is bet against; `normal`: the reference behind it."""

    signal: str
    version: str
    tool: str
    y: float
    mean: float
    normal: float
    young: bool = False


class Waiting(Struct, array_like=True, frozen=True, order=True, gc=False):
    """A run that waits, as it is saved. `place`: where it took place; None where only its tools feed nodes above."""

    started: float
    run: str
    place: str | None
    seen: list[Seen]


Severity = Literal["notice", "page"]


class Fact(Struct, array_like=True, frozen=True, gc=False):
    """Something that a run did and must not, told at once. `rule` names it; `tool` is empty where it is of no tool."""

    signal: str
    tool: str
    rule: str
    severity: Severity
    text: str
    """What happened, in numbers and names."""


class LoopState(Struct, array_like=True, gc=False):
    """`detectors.loops.Loop`: one actor's calls in one run, and the four calls before the present one."""

    last: tuple[str, int, int] | None = None
    """Tool, arguments hash, result hash of the call before; None where there is none, or one of them is not known."""
    before: tuple[str, int, int] | None = None
    bad: tuple[str, int] | None = None
    """Tool and result hash of the call before, if its result was bad."""
    again: float = 1.0
    ping_pong: float = 1.0
    stuck: float = 1.0
    repeats: int = 0
    """Calls in a row that fitted some pattern."""
    grown: bool = False
    """Whether some statistic is above one."""
    crossed: bool = False
    third: tuple[str, int, int] | None = None
    fourth: tuple[str, int, int] | None = None
    threes: int = 0
    """Calls in a row up to the present one that equal the third before them; `fours`: the fourth."""
    fours: int = 0
    cycle: float = 1.0


class WorkState(Struct, omit_defaults=True, gc=False):
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

    loop: LoopState | None = None
    user_loop: LoopState | None = None
    looped: bool = False
    claims: list[str] = []
    """Tools without whose call an output of this run is not true."""
    facts: list[Fact] = []
    """What is to be told; emptied by who tells it."""
    broken: list[str] = []
    """Rules that the run broke, each once. Told or not, they stay."""
    documents: dict[str, int] = {}
    """Source → a hash of the best document of the run's first search there that told one."""
    pair: str | None = None
    """What this run and a shadow's run of the same input have in common."""
    calls_hash: int = 0
    """A hash of all calls of tools with their arguments, whatever their order, where there is a `pair`."""
    used: list[str] = []
    """What it used beside tools, as `depends_on` writes it: `model:gpt-4o`, `retriever:handbook`, `agent:billing`."""
    output_fields: list[str] | None = None
    """Of the final output, if it is JSON: its fields (`monitor.reading.calls.answers.forms`)."""
    tool_seconds: dict[str, float] = {}
    """Tool → the seconds of its calls together, of those that said so."""
    result_forms: dict[str, list[str]] = {}
    """Tool → the forms that its results had in this run, as `lines #3`, in the order in which they came."""
    answers: dict[str, tuple[int, int]] = {}
    """Tool → hashes of the arguments and the result of its last call that was ok and told both."""
    output_marks: list[str] | None = None
    """Of the final output: its marks (`monitor.reading.marks`)."""
    argument_looks: dict[str, list[str]] = {}
    """Tool → what the values of its arguments looked like (`monitor.reading.calls.looks`)."""
    result_looks: dict[str, list[str]] = {}
    result_traits: dict[str, list[str]] = {}
    """Tool → the traits of its results (`monitor.reading.calls.traits`)."""


class RunState(Struct, array_like=True, gc=False):
    """One run. `tools` maps a tool to [calls, failed calls, whether the last one failed and nothing dealt with it, what
    some call of it did not carry]; the version before wrote the first three."""

    run: str
    version: str | None
    block: int
    started: float
    seen: float
    """The tick at which its last event came; once closed, the tick at which it closed."""
    ids: set[str]
    tools: dict[str, list[int]]
    work: WorkState
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


class Head(Struct, array_like=True, gc=False):
    """What is read of a written run to know its place, in the order of `RunState`; the rest is passed over."""

    run: str
    version: Raw
    block: int
    started: Raw
    seen: float
    ids: Raw
    tools: Raw
    work: Raw
    parent_run: Raw = _NONE
    parent_agent: Raw = _NONE
    variant: Raw = _NONE
    error_type: Raw = _NONE
    counted: bool = False
    entered: Raw = _NONE
    passed: bool = False
    order: int = 0
    closed: bool = False
    packed: Raw = _NONE
    model: Raw = _NONE
    tenant: Raw = _NONE
    labels: Raw = _NONE
    asked: tuple[str, int, int] | None = None


class Clock(Struct, array_like=True):
    """`monitor.engine.PartitionEngine` without its agents: the last tick, counters, and the covers it knows."""

    now: float
    counts: dict[str, int]
    covers: list[Cover] = []
    began: float = 0.0
    """When it began to watch; 0 where the version before did not say: then from the next tick on."""
