"""A history for reports: an agent, an outage that users notice after the monitor, a short fault that it misses."""

from __future__ import annotations

import json
import random
from typing import Any

START = 1_767_225_600.0  # 2026-01-01
CONFIG = """\
owners:
  payments: {slack: "#payments-oncall", budget: 1 per week}
  platform: {slack: "#platform"}
components:
  - {agent: refund-agent, owner: payments, objectives: [{target: 90%, window: 7d}]}
  - {tool: issue_refund, owner: platform}
detectors: {agent.traffic: {mode: off}}
report: {weekly: monday}
"""
RUNS = 1_200
OUTAGE, SHORT = (600, 640), (1_000, 1_006)
"""Runs, one a minute, that fail mostly."""
COMPLAINTS = {"c1": 660, "c2": 665, "c3": 1_010}
"""Minutes."""


def lines() -> list[dict[str, Any]]:
    """Events and an alert of another system, in the order of time."""
    rng, found = random.Random(5), list[dict[str, Any]]()
    for number in range(RUNS):
        bad = any(begin <= number < end for begin, end in (OUTAGE, SHORT))
        failed = rng.random() < (0.7 if bad else 0.03)
        common = {"agent": "refund-agent", "version": "v12", "run": f"run-{number}"}
        at = START + number * 60.0
        found.append({"kind": "run_started", "time": at, "id": f"s{number}", **common})
        found.append(
            {
                "kind": "run_finished",
                "time": at + 4.0,
                "id": f"f{number}",
                "status": "error" if failed else "ok",
                **common,
            }
        )
    for name, minute in COMPLAINTS.items():
        words = {"agent": "refund-agent", "source": "mail", "text": "Where is my money?"}
        found.append({"kind": "complaint", "time": START + minute * 60.0 + 30.0, "id": name, **words})
    disk = {"alertname": "DiskFull", "owner": "platform", "severity": "page", "host": "db1"}
    found.append({"type": "alert", "time": START + 30_000.0, "labels": disk, "ends_at": START + 33_000.0})
    return sorted(found, key=lambda line: line["time"])


def text() -> str:
    """The same as JSON lines."""
    return "\n".join(map(json.dumps, lines())) + "\n"
