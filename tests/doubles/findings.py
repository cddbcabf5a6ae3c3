"""Findings for tests, by what matters to the test; the rest is a plausible tool failure."""

from __future__ import annotations

from typing import Any

from schemas.finding import Finding
from tests.doubles.clock import START


def finding(at: float = 0.0, **changes: Any) -> Finding:
    """A firing page of `tool.failed` for refund-agent v13, `at` seconds after the start; any field can be changed.

    `key` is short for `incident_key`; `onset` counts from the start, and is 60 s before the finding unless given.
    """
    key = changes.pop("key", "k1")
    status = changes.get("status", "firing")
    onset = changes.pop("onset", at - 60.0)
    fields: dict[str, Any] = {
        "id": f"{key}/{status}/{at:g}",
        "incident_key": key,
        "status": status,
        "time": START + at,
        "signal": "tool.failed",
        "direction": "up",
        "mode": "page",
        "owner": "payments",
        "node": {"agent": "refund-agent", "version": "v13", "tool": "issue_refund"},
        "watched": {"agent": "refund-agent"},
        "before": 0.04,
        "after": 0.16,
        "before_n": 200.0,
        "after_n": 150.0,
        "before_bad": 8.0,
        "after_bad": 24.0,
        "onset": START + onset,
        "runs": ("run-101", "run-104", "run-109"),
        "affected": ("version=v13",),
        "unaffected": ("version=v12",),
        "error_types": ("soft_error",),
    }
    return Finding(**(fields | changes))
