"""Changes for tests: announced ones and first sightings, by what matters to the test."""

from __future__ import annotations

from typing import Any

from schemas.news import ChangeSeen
from tests.doubles.clock import START


def announced(at: float, component: str = "tool:issue_refund", version: str = "4", **more: Any) -> ChangeSeen:
    """A change that somebody announced `at` seconds after the start."""
    fields = {"id": f"{component}/{version}/{at:g}", "previous": "3", "author": "kim"}
    return ChangeSeen(time=START + at, component=component, version=version, **(fields | more))


def sighted(at: float, component: str = "tool:issue_refund", version: str = "4", **more: Any) -> ChangeSeen:
    """A version that an agent showed first, `at` seconds after the start."""
    kind = component.partition(":")[0]
    what = {"tool": "tool_version", "model": "response_model"}.get(kind, "version")
    agent = component.partition(":")[2] if kind == "agent" else "refund-agent"
    fields = {"previous": "3", "announced": False, "agent": agent, "what": what} | more
    name = f"seen/{component}/{version}/{fields['agent']}"
    return ChangeSeen(id=name, time=START + at, component=component, version=version, **fields)
