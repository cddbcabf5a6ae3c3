"""Trace: one trace as the assembler keeps it: what waits, and what is remembered of what was closed.

It holds no span as it came, only what was read of it. Times as `now` was. Invariant: `waits` is false from the moment
it is closed until something comes late.
"""

from __future__ import annotations

from msgspec import Struct

from monitor.intake.assembly.runs import RunKey
from monitor.intake.assembly.texts import Log, size
from monitor.intake.dialects.reading import Reading, Role

_ID_BYTES = 8
_PLACE_BYTES = _ID_BYTES + 2
_NO_RUN = 0xFFFF


class Trace(Struct, omit_defaults=True):
    """`topmost_at`, `remote_at`: when the topmost span came, the last one of a chain from another process."""

    first: float
    last: float
    spans: dict[str, Reading] = {}
    logs: dict[str, Log] = {}
    topmost_at: float | None = None
    remote_at: float | None = None
    bare_root: bool = False
    forced: bool = False
    closed_at: float | None = None
    runs: list[RunKey] = []
    places: bytes = b""  # per span that was handled: its id, and the number of its run
    text_bytes: int = 0  # of the texts that wait

    @property
    def waits(self) -> bool:
        """Whether something is to be told."""
        return bool(self.spans or self.logs)

    @property
    def span_count(self) -> int:
        """Spans that were handled."""
        return len(self.places) // _PLACE_BYTES

    def due(self, grace: float, timeout: float) -> float | None:
        """When it closes if nothing more comes; None if nothing waits."""
        if not self.waits:
            return None
        if self.forced:
            return self.first
        if self.topmost_at is not None and not self._may_outlive_root():
            return self.topmost_at + grace
        if self.remote_at is not None and self._has_one_remote_root():
            return self.remote_at + grace
        return self.last + timeout

    def earliest(self, grace: float, timeout: float) -> float:
        """A time before which it does not close, told without a look at its spans."""
        if self.forced:
            return self.first
        signs = [at + grace for at in (self.topmost_at, self.remote_at) if at is not None]
        return min(*signs, self.last + timeout) if signs else self.last + timeout

    def has_seen(self, span_id: str) -> bool:
        """Whether the span was handled when the trace was closed."""
        wanted = bytes.fromhex(span_id)
        at = self.places.find(wanted) if wanted else -1
        while at >= 0 and at % _PLACE_BYTES:
            at = self.places.find(wanted, at + 1)
        return at >= 0

    def placed(self) -> dict[str, int]:
        """Span id → number of its run in `runs`."""
        data = self.places
        return {
            data[at : at + _ID_BYTES].hex(): int.from_bytes(data[at + _ID_BYTES : at + _PLACE_BYTES], "big")
            for at in range(0, len(data), _PLACE_BYTES)
        }

    def add(self, reading: Reading, now: float) -> None:
        """A span that was not seen before."""
        self.spans[reading.span_id] = reading
        self.text_bytes += size(reading.fields)
        self.last = now
        if self.topmost_at is None and (not reading.parent_id or self.has_seen(reading.parent_id)):
            self.topmost_at = now
        self.bare_root |= not reading.parent_id and reading.role is Role.OTHER
        if reading.remote_parent or self.remote_at is not None:
            self.remote_at = now

    def add_log(self, key: str, log: Log, now: float) -> None:
        """A log event that was not seen before."""
        self.logs[key] = log
        self.text_bytes += size(log.said.fields)
        self.last = now
        if self.closed_at is not None and self.topmost_at is None and not self.spans:
            self.topmost_at = now

    def settle(self, placed: dict[str, int], now: float) -> None:
        """From waiting to remembered."""
        for span_id in self.spans:
            placed.setdefault(span_id, _NO_RUN)
        self.places = b"".join(
            bytes.fromhex(span_id) + min(number, _NO_RUN).to_bytes(2, "big") for span_id, number in placed.items()
        )
        self.spans, self.logs, self.text_bytes = {}, {}, 0
        self.topmost_at = self.remote_at = None
        self.bare_root = False
        self.forced = False
        self.closed_at = now

    def _may_outlive_root(self) -> bool:
        """A request that answers at once and works on: its span is here, an agent's below it is still on the way."""
        return self.bare_root and any(
            span.parent_id and span.parent_id not in self.spans and not span.remote_parent
            for span in self.spans.values()
        )

    def _has_one_remote_root(self) -> bool:
        """Whether all that is here hangs below spans whose parents are in other processes."""
        roots = [span for span in self.spans.values() if span.parent_id not in self.spans]
        return bool(roots) and all(span.remote_parent for span in roots)
