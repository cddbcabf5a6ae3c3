"""How the counters of the pure parts are called in the metrics: one row each."""

from __future__ import annotations

from collections.abc import Mapping

NAMES = {
    "events": "events_received",
    "duplicates": "events_duplicate",
    "late": "events_late",
    "skewed": "events_skewed",
    "unassigned": "events_unattributed",
    "runs": "runs_closed",
    "ticks": "ticks",
    "agents_refused": "evicted:agents",
    "runs_evicted": "evicted:open_runs",
    "closed_forgotten": "evicted:closed_runs",
    "ids_unchecked": "evicted:event_ids",
    "loose_ids_forgotten": "evicted:loose_ids",
    "tools_folded": "evicted:tools_of_a_run",
    "nodes_evicted": "evicted:nodes",
    "order_forced": "evicted:waiting_observations",
    "parents_refused": "evicted:nodes_above_agents",
    "accounts_refused": "evicted:accounts",
}
"""Counter of `monitor.engine` or `monitor.evidence` → key for `monitor.web.metrics`."""


def published(counts: Mapping[str, int]) -> dict[str, int]:
    """The counters that have a name outside, under it."""
    return {name: counts[own] for own, name in NAMES.items() if own in counts}
