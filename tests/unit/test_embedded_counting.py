"""Counters of the parts and the list of metrics fit: nothing counted is missing, nothing listed is never counted."""

from __future__ import annotations

from monitor.runtime.counting import NAMES, PREFIXES, published
from monitor.web.metrics import DERIVED, METRICS, split_key

WEB = {
    "requests_refused",
    "slack_presses",
    "slack_presses_refused",
    "slack_complaints",
    "slack_complaints_refused",
    "live_clients",
    "live_refused",
    "reloads_failed",
    "build_info",
    "ready",
    "folded_samples",
    "unlisted_counts",
}
"""Counted by the web shell."""
RUNTIME = {
    "dead_letters",
    "findings",
    "nodes",
    "tick_age_seconds",
    "lag_records",
    "traces_open",
    "outbox_pending",
    "actions",
}
"""Counted by the runtime itself."""
KAFKA = {
    "actions_repeated", "events_behind", "events_copied", "events_forwarded", "partitions_assigned",
    "producer_watermark_timestamp_seconds", "rebalances", "records_skipped", "recovery_records", "state_behind",
    "state_healed", "state_outdated",
}  # fmt: skip
"""Counted where events travel over topics, by workers of a group."""


def test_every_counter_has_a_place_in_the_list() -> None:
    for name in NAMES.values():
        assert split_key(name) is not None, name
    for prefix in PREFIXES.values():
        assert split_key(f"{prefix}something: else") is not None, prefix


def test_every_metric_is_counted_by_somebody() -> None:
    counted = {name.partition(":")[0] for name in (*NAMES.values(), *PREFIXES.values())}
    listed = {metric.name for metric in METRICS}
    of_views = {name for name in listed if name.startswith(("agent", "budget"))}
    assert counted | WEB | RUNTIME | KAFKA | of_views | DERIVED == listed


def test_parts_are_summed_and_what_has_no_name_is_left_out() -> None:
    found = published(
        {"events": 5, "duplicates": 0, "shadow_runs": 9},
        {"evicted:open_traces": 2, "runs_evicted": 1, "events_skewed_by:edge:7": 3},
        {"evicted:open_traces": 1, "failed rateLimited": 4, "notification new alerts added": 1},
    )
    assert found == {
        "events_received": 5,
        "evicted:open_traces": 3,
        "evicted:open_runs": 1,
        "events_skewed:edge:7": 3,
        "deliveries_failed:rateLimited": 4,
        "notifications:new alerts added": 1,
    }
