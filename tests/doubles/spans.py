"""Spans of one trace, as the intake has them."""

from __future__ import annotations

from typing import Any

from monitor.intake.spans import Span

TRACE = "0af7651916cd43dd8448eb211c80319c"


def span(number: int, above: int | None, name: str, said: dict[str, Any], **more: Any) -> Span:
    """Span `number` below span `above`; a later number starts later and ends earlier."""
    return Span(
        trace_id=TRACE,
        span_id=f"{number:016x}",
        parent_id="" if above is None else f"{above:016x}",
        name=name,
        start=100.0 + number,
        end=200.0 - number,
        attributes=said,
        **{"resource": {"service.name": "shop"}} | more,
    )
