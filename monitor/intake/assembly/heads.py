"""Heads: whether the topmost spans of a service usually come, and so how long one that is missing is waited for.

Spans are sent when they end. While a model is slow to answer, or hangs until its client gives up, nothing comes of a
run, and closing it then would make a good and fast one of it. So a trace of a service whose topmost spans nearly always
come waits for `PATIENCE`. Where they do not (a filter drops the spans above the agent), or the last that ended has
failed, which may have been the end, it waits as long as it is told to.

State: what came of late, in memory alone; after a start traces wait as long as they are told to until it is known anew.
"""

from __future__ import annotations

from collections.abc import Iterable

from monitor.intake.dialects.reading import Reading

PATIENCE = 900.0
"""Seconds: longer than the ten minutes after which common clients of models give up."""
FEW = 5
"""Topmost spans of a service that came before it is known that they do."""
ONE_IN = 10
"""Of so many traces one may be without."""
WINDOW = 200
"""Traces of a service; of more, both counts are halved."""
SERVICES = 1_000
"""Services that are known. More: the one that was quiet longest is forgotten."""


class Heads:
    """What is known of all services."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, int]] = {}

    def note(self, service: str | None, came: bool) -> None:
        """One trace of a service was closed, with its topmost span or without."""
        self._count(service or "", int(came), int(not came))

    def came_late(self, service: str | None) -> None:
        """The topmost span of a trace that was closed without it: it is not missing, it was not waited for."""
        self._count(service or "", 1, -1)

    def patience(self, spans: Iterable[Reading], timeout: float) -> float:
        """Seconds that a trace without its topmost span waits after its last span came."""
        latest = latest_of(spans)
        if latest is None or latest.failed:
            return timeout
        found, missing = self._known.get(latest.service or "", (0, 0))
        return max(timeout, PATIENCE) if found >= FEW and found >= ONE_IN * missing else timeout

    def _count(self, name: str, came: int, missed: int) -> None:
        found, missing = self._known.pop(name, (0, 0))
        found, missing = found + came, max(0, missing + missed)
        if found + missing > WINDOW:
            found, missing = found // 2, missing // 2
        if len(self._known) >= SERVICES:
            del self._known[next(iter(self._known))]
        self._known[name] = found, missing


def latest_of(spans: Iterable[Reading]) -> Reading | None:
    """The span that ended last: the topmost one where it is there, else mostly one of its own service."""
    return max(spans, key=lambda span: (span.end, span.span_id), default=None)
