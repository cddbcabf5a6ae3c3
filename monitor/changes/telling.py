"""A `change` event as news for the router.

Pure; it keeps nothing. The same event gives the same id on every partition, so that the router counts it once.
"""

from __future__ import annotations

from collections.abc import Callable

from schemas.event import Event
from schemas.news import ChangeSeen, News


def change(event: Event, now: float, tell: Callable[[News], None]) -> None:
    """Tell what a `change` event announces; other kinds announce nothing."""
    if event.kind != "change" or not event.component or not event.version:
        return
    tell(
        ChangeSeen(
            id=event.id,
            time=event.at or now,
            component=event.component,
            version=event.version,
            previous=event.previous or "",
            stage=event.stage or "full",
            share=event.share,
            author=event.author or "",
            url=event.url or "",
            agent=event.agent or "",
        )
    )
