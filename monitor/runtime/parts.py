"""What a runtime needs from the parts that it runs and may not import. `monitor.app` hands the real ones over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from schemas.alert import Notification
from schemas.event import Event

Entry = tuple[str, bytes | None]


class Busy(Exception):
    """The runtime cannot take more now; worth another try after `retry_after` seconds."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"busy; try again in {retry_after:g} s")
        self.retry_after = retry_after


class Batch(Protocol):
    """All that one body held: `monitor.intake.sink.Batch`."""

    @property
    def events(self) -> Sequence[Event]:
        """What became events."""
        ...

    @property
    def spans(self) -> Sequence[Any]:
        """Spans and log records, for the assembler."""
        ...

    @property
    def dead_letters(self) -> Sequence[Any]:
        """What could not be read."""
        ...

    @property
    def counts(self) -> Mapping[str, int]:
        """What was skipped or re-timed, by name."""
        ...

    @property
    def raws(self) -> Sequence[bytes]:
        """The JSON of each event as it came; empty where events came otherwise."""
        ...


class Assembler(Protocol):
    """Spans → events: `monitor.intake.assembler.Assembler`. Pure; `now` in epoch seconds of ticks."""

    counts: dict[str, int]

    @property
    def open_traces(self) -> int:
        """Traces that wait for spans."""
        ...

    def add(self, spans: Iterable[Any], now: float) -> object:
        """Take spans in any order."""
        ...

    def tick(self, now: float) -> list[Event]:
        """Events of the traces that are complete by now."""
        ...

    def flush(self) -> list[Event]:
        """Events of all traces, complete or not."""
        ...

    def next_wake(self) -> float | None:
        """When `tick` has something to do."""
        ...

    def changes(self) -> list[Entry]:
        """Entries that changed."""
        ...

    def load(self, entries: Iterable[tuple[str, bytes]]) -> None:
        """Put back saved entries."""
        ...


class Outbox(Protocol):
    """What receivers are to be told: `monitor.notify.outbox.Outbox`."""

    @property
    def counts(self) -> Mapping[str, int]:
        """What was sent, failed and forgotten."""
        ...

    def pending(self) -> int:
        """Deliveries that wait to be sent."""
        ...

    def put(self, notification: Notification) -> None:
        """Note a notification."""
        ...

    def replan(self, planned: Mapping[str, Any], default: str) -> None:
        """From now on these are the targets of each receiver; `default` stands for one that is not named."""
        ...

    def changes(self) -> list[Entry]:
        """Entries that changed."""
        ...

    def load(self, entries: Iterable[tuple[str, bytes]]) -> None:
        """Put back saved entries."""
        ...


class Dispatcher(Protocol):
    """The loop that sends: `monitor.notify.dispatch.Dispatcher`."""

    def committed(self) -> None:
        """What was put is durable now."""
        ...

    def replace(self, notifiers: Mapping[str, Any]) -> None:
        """From now on these write to the targets."""
        ...

    async def run(self) -> None:
        """Send until stopped."""
        ...

    async def stop(self, grace_seconds: float = ...) -> None:
        """Stop; sends under way may take so long to end."""
        ...
