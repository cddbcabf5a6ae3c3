"""One run of an agent: begins and ends with `with`, and records what happens in between.

The current run lives in a context variable: a run that begins inside another one, in the same thread or task, names it
as its parent. Threads start without a current run; hand the `Run` over, all its methods may be called from any thread.
"""

from __future__ import annotations

import os
import time
from contextvars import ContextVar
from types import TracebackType
from typing import TYPE_CHECKING

from forewarn.calls import Call, ErrorType, LlmCall, Self, Timed, ToolCall, is_complete
from forewarn.record import UNSET

if TYPE_CHECKING:
    from forewarn.emitter import Emitter

_current: ContextVar[Run | None] = ContextVar("forewarn_run", default=None)


def current_run() -> Run | None:
    """The innermost run of this thread or task that was entered with `with` and goes on, or None."""
    run = _current.get()
    while run is not None and run._done:  # streams that are read in turn do not end the other way round
        run = run._outer
    return run


class Run(Timed):
    """Made by `Emitter.run`. Set `output`, `outcome`, `cost_usd` before the end; `id` names it for evaluations."""

    __slots__ = (
        "_base",
        "_context",
        "_emitter",
        "_input",
        "_loose",
        "_outer",
        "_trigger",
        "agent",
        "cost_usd",
        "id",
        "outcome",
        "output",
    )

    def __init__(
        self,
        emitter: Emitter,
        run: str | None,
        agent: str | None,
        base: dict[str, object],
        context: dict[str, object],
        input: object,
        trigger: str | None,
    ) -> None:
        super().__init__(None, None, None)
        self._emitter = emitter
        self._input = input
        self._trigger = trigger
        self._loose: dict[int, Call] = {}
        self.agent = agent
        self.output: object = UNSET
        self.outcome: str | None = None
        """A free word: resolved, partial, escalated, refused …"""
        self.cost_usd: float | None = None
        self._context = context
        """What only the first and the last event of a run say: session, user, labels."""
        self._outer: Run | None = None
        """The run in which it was entered."""
        parent = current_run()
        if parent is not None and base.get("parent_run") is None and parent.id != run:
            base = {**base, "parent_run": parent.id, "parent_agent": parent.agent}
        self._base = emitter._clean({**base, "run": run or None})
        self.id: str = str(self._base.setdefault("run", os.urandom(16).hex()))

    def __repr__(self) -> str:
        return f"Run({self.id!r}, agent={self.agent!r})"

    # -- what happens in a run

    def tool(
        self,
        tool: str,
        arguments: object = UNSET,
        *,
        result: object = UNSET,
        status: str | None = None,
        error_type: str | None = None,
        duration_seconds: float | None = None,
        tool_version: str | None = None,
        call_id: str | None = None,
        attempt: int | None = None,
        actor: str | None = None,
    ) -> ToolCall:
        """A call of a tool, for `with`; given `result`, `status`, `error_type` or a duration it is recorded at once."""
        call = ToolCall(
            self, tool, arguments, result, status, error_type, duration_seconds, tool_version, call_id, attempt, actor
        )
        self._began_call(call, is_complete(result, status, error_type, duration_seconds) or result is None)
        return call

    def llm(
        self,
        model: str | None = None,
        *,
        provider: str | None = None,
        output: object = UNSET,
        status: str | None = None,
        error_type: str | None = None,
        duration_seconds: float | None = None,
        attempt: int | None = None,
        actor: str | None = None,
    ) -> LlmCall:
        """A call of a model, for `with`; given `output`, `status`, `error_type` or a duration recorded at once."""
        call = LlmCall(self, model, provider, output, status, error_type, duration_seconds, attempt, actor)
        self._began_call(call, is_complete(output, status, error_type, duration_seconds) or output is None)
        return call

    def retrieval(
        self,
        source: str | None = None,
        *,
        hits: int | None = None,
        top_score: float | None = None,
        document: str | None = None,
        status: str | None = None,
        error_type: str | None = None,
        duration_seconds: float | None = None,
    ) -> None:
        """Documents were looked up; `hits` is how many came back, `document` the id of the best one."""
        self._note(
            "retrieval",
            source=source,
            hits=hits,
            top_score=top_score,
            document=document,
            status=status,
            error_type=error_type,
            duration_seconds=duration_seconds,
        )

    def handoff(self, to_agent: str) -> None:
        """The work goes on in another agent, whose run names this one as its parent."""
        self._note("handoff", to_agent=to_agent)

    def fallback(self, *, to: str | None = None, from_: str | None = None, reason: str | None = None) -> None:
        """The defined degradation was used."""
        self._note("fallback", **{"from": from_}, to=to, reason=reason)

    def escalation(self, *, to: str | None = None, reason: str | None = None) -> None:
        """A human was asked."""
        self._note("escalation", to=to, reason=reason)

    def guardrail(self, name: str, action: str = "blocked") -> None:
        """A guardrail spoke: `allowed`, `blocked` or `rewritten`."""
        self._note("guardrail", name=name, action=action)

    # -- beginning and end

    def __enter__(self: Self) -> Self:
        assert isinstance(self, Run)
        self._outer = current_run()
        _current.set(self)
        return super().__enter__()

    def __exit__(self, kind: ErrorType, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            super().__exit__(kind, error, trace)
        finally:
            if _current.get() is self:  # else another one was entered since, or it was entered in another task
                _current.set(current_run())

    def _begin(self) -> None:
        fields = {**self._context, "input": self._input, "trigger": self._trigger}
        self._emitter._emit("run_started", self._began_at, self._base, fields)

    def _end(self, at: float) -> None:
        if self._began is None:
            self._misuse(f"{self!r} ended before it began")
        for call in list(self._loose.values()):
            self._misuse(f"{call!r} was neither entered with `with` nor given a result")
            call.finish()
        self._loose.clear()
        fields = {
            **self._context,
            "status": self.status,
            "error_type": self.error_type,
            "duration_seconds": self.duration_seconds,
            "output": self.output,
            "outcome": self.outcome,
            "cost_usd": self.cost_usd,
        }
        self._emitter._emit("run_finished", at, self._base, fields)

    def _again(self) -> None:
        self._misuse(f"{self!r} ended before")

    # -- for calls

    def _began_call(self, call: Call, complete: bool) -> None:
        if complete:
            call.finish()
        else:
            self._loose[id(call)] = call

    def _entered(self, call: Call) -> None:
        self._loose.pop(id(call), None)

    def _note(self, kind: str, **fields: object) -> None:
        self._emit(kind, time.time(), fields)

    def _emit(self, kind: str, at: float, fields: dict[str, object]) -> None:
        if self._done and not self._loose:
            self._misuse(f"{kind} after the end of {self!r}")
        elif self._began is None:
            self._misuse(f"{kind} before the beginning of {self!r}")
        self._emitter._emit(kind, at, self._base, fields)

    def _misuse(self, problem: str) -> None:
        self._emitter._misuse(problem)
