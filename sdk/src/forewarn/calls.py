"""Tool calls and model calls of a run: timed with `with`, `async with`, or `start` and `finish`; recorded at the end.

Invariant: an exception of the agent passes through unchanged; one of ours never gets out (but for `Misuse`, if strict).
"""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING, Optional, TypeVar

from forewarn.record import UNSET, Misuse

if TYPE_CHECKING:
    from forewarn.run import Run

Self = TypeVar("Self", bound="Timed")
ErrorType = Optional[type]


class Timed:
    """Something with a beginning and an end. What it records stands in `_begin` and `_end` of the subclass."""

    __slots__ = ("_began", "_began_at", "_done", "duration_seconds", "error_type", "status")

    def __init__(self, status: str | None, error_type: str | None, duration_seconds: float | None) -> None:
        self.status = status
        """`ok` or `error`; what you set stays, unless an exception comes through."""
        self.error_type = error_type
        self.duration_seconds = duration_seconds
        self._began: float | None = None
        self._began_at = 0.0
        self._done = False

    def start(self: Self) -> Self:
        """Starts the clock. `with` does it for you."""
        if self._began is None:
            self._began_at = time.time()
            self._began = time.perf_counter()
            self._begin()
        return self

    def finish(self, error: BaseException | None = None) -> None:
        """Stops the clock and records. With `error` the status is `error`, its class the error type.

        `GeneratorExit` is none: it says that nobody reads the stream any more.
        """
        if self._done:
            self._again()
            return
        self._done = True
        at = time.time()
        if self._began is not None:
            elapsed = time.perf_counter() - self._began
            at = self._began_at + elapsed  # never before the beginning, whatever the wall clock did meanwhile
            if self.duration_seconds is None:
                self.duration_seconds = elapsed
        if isinstance(error, GeneratorExit):
            error = None  # whoever read a stream to its half went away: no failure of the agent's
        if error is not None:
            self.status = "error"
            if self.error_type is None:
                self.error_type = type(error).__name__
        elif self.status is None:
            self.status = "ok" if self.error_type is None else "error"
        self._end(at)

    def __enter__(self: Self) -> Self:
        return self.start()

    def __exit__(self, kind: ErrorType, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self.finish(error)
        except Misuse:
            if error is None:  # else the agent's own exception matters more
                raise

    async def __aenter__(self: Self) -> Self:
        return self.__enter__()

    async def __aexit__(self, kind: ErrorType, error: BaseException | None, trace: TracebackType | None) -> None:
        self.__exit__(kind, error, trace)

    def _begin(self) -> None:
        raise NotImplementedError

    def _end(self, at: float) -> None:
        raise NotImplementedError

    def _again(self) -> None:
        raise NotImplementedError


class Call(Timed):
    """What a tool call and a model call have in common: they belong to a run."""

    __slots__ = ("_run", "actor", "attempt")

    def __init__(
        self,
        run: Run,
        status: str | None,
        error_type: str | None,
        duration_seconds: float | None,
        attempt: int | None,
        actor: str | None,
    ) -> None:
        super().__init__(status, error_type, duration_seconds)
        self._run = run
        self.attempt = attempt
        """1 for the first try, 2 for the second …"""
        self.actor = actor

    def _begin(self) -> None:
        self._run._entered(self)

    def _again(self) -> None:
        self._run._misuse(f"{self!r} was recorded before")


class ToolCall(Call):
    """One call of a tool. Set `result` inside the `with` block."""

    __slots__ = ("arguments", "call_id", "result", "tool", "tool_version")

    def __init__(
        self,
        run: Run,
        tool: str,
        arguments: object,
        result: object,
        status: str | None,
        error_type: str | None,
        duration_seconds: float | None,
        tool_version: str | None,
        call_id: str | None,
        attempt: int | None,
        actor: str | None,
    ) -> None:
        super().__init__(run, status, error_type, duration_seconds, attempt, actor)
        self.tool = tool
        self.arguments = arguments
        self.result = result
        self.tool_version = tool_version
        self.call_id = call_id

    def __repr__(self) -> str:
        return f"ToolCall({self.tool!r})"

    def _end(self, at: float) -> None:
        self._run._emit(
            "tool_call",
            at,
            {
                "tool": self.tool,
                "tool_version": self.tool_version,
                "call_id": self.call_id,
                "arguments": self.arguments,
                "result": self.result,
                "duration_seconds": self.duration_seconds,
                "status": self.status,
                "error_type": self.error_type,
                "attempt": self.attempt,
                "actor": self.actor,
            },
        )


class LlmCall(Call):
    """One call of a model. Set `output` and call `tokens` inside the `with` block."""

    __slots__ = (
        "cached_tokens",
        "cost_usd",
        "finish_reason",
        "input_tokens",
        "model",
        "output",
        "output_tokens",
        "provider",
        "response_model",
    )

    def __init__(
        self,
        run: Run,
        model: str | None,
        provider: str | None,
        output: object,
        status: str | None,
        error_type: str | None,
        duration_seconds: float | None,
        attempt: int | None,
        actor: str | None,
    ) -> None:
        super().__init__(run, status, error_type, duration_seconds, attempt, actor)
        self.model = model
        self.provider = provider
        self.output = output
        self.response_model: str | None = None
        self.finish_reason: str | None = None
        self.cost_usd: float | None = None
        self.input_tokens: int | None = None
        self.output_tokens: int | None = None
        self.cached_tokens: int | None = None

    def __repr__(self) -> str:
        return f"LlmCall({self.model!r})"

    def tokens(self, input: int | None = None, output: int | None = None, cached: int | None = None) -> None:
        """What the provider says it used; `input` includes `cached`."""
        self.input_tokens = input
        self.output_tokens = output
        self.cached_tokens = cached

    def _end(self, at: float) -> None:
        self._run._emit(
            "llm_call",
            at,
            {
                "model": self.model,
                "provider": self.provider,
                "response_model": self.response_model,
                "output": self.output,
                "input_tokens": self.input_tokens,
                "output_tokens": self.output_tokens,
                "cached_tokens": self.cached_tokens,
                "cost_usd": self.cost_usd,
                "finish_reason": self.finish_reason,
                "duration_seconds": self.duration_seconds,
                "status": self.status,
                "error_type": self.error_type,
                "attempt": self.attempt,
                "actor": self.actor,
            },
        )


def is_complete(*values: object) -> bool:
    """Whether a call that was given these values is over: one of them says how it went."""
    return any(value is not None and value is not UNSET for value in values)
