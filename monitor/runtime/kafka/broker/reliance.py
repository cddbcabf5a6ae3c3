"""What we use of Faust and aiokafka beyond their public interfaces, and the release it was read in.

A test compares it with the pinned release, so that an upgrade that moves any of it fails there and not in production.
"""

from __future__ import annotations

FAUST = "0.15.3"
"""The release this was read and tested against."""

RELIED_ON: dict[str, tuple[str, ...]] = {
    "Consumer.getmany": ("self", "timeout"),
    "Consumer._get_active_partitions": ("self",),
    "Consumer._getmany": ("self", "active_partitions", "timeout"),
    "Consumer._wait_next_records": ("self", "timeout"),
    "Consumer._new_offset": ("self", "tp"),
    "Consumer._filter_tps_with_pending_acks": ("self", "topics"),
    "Consumer._drain_messages": ("self", "fetcher"),
    "Consumer._to_message": ("self", "tp", "record"),
    "Consumer.ack": ("self", "message"),
    "ConsumerThread.call_thread": ("self", "fun", "args"),
    "ConsumerThread._ensure_consumer": ("self",),
    "ConsumerThread.on_start": ("self",),
    "ConsumerThread._create_consumer": ("self", "loop"),
    "PartitionRecords._consumer_record": ("self", "tp", "record"),
    "Coordinator._do_heartbeat": ("self",),
    "Coordinator.fetch_committed_offsets": ("self", "partitions"),
    "MemoryStore.apply_changelog_batch": ("self", "batch", "to_key", "to_value"),
    "MemoryStore.on_recovery_completed": ("self", "active_tps", "standby_tps"),
    "MemoryStore.persisted_offset": ("self", "tp"),
    "Consumer._is_changelog_tp": ("self", "tp"),
    "Recovery.active_remaining_total": ("self",),
    "Recovery.need_recovery": ("self",),
    "Recovery.on_recovery_completed": ("self", "generation_id"),
    "Recovery._add": ("self", "table", "tp", "offsets"),
    "Recovery.on_rebalance": ("self", "assigned", "revoked", "newly_assigned", "generation_id"),
    "Table._new_store": ("self",),
    "Table.apply_changelog_batch": ("self", "batch"),
    "Table.persisted_offset": ("self", "tp"),
    "Consumer.on_partitions_revoked": ("self", "revoked"),
    "Consumer.on_partitions_assigned": ("self", "assigned", "generation_id"),
    "Consumer.perform_seek": ("self",),
    "Consumer.seek": ("self", "partition", "offset"),
    "Schema.compile": ("self", "app", "on_key_decode_error", "on_value_decode_error", "default_propagate"),
    "Producer._ensure_producer": ("self",),
    "App._new_transport": ("self",),
    "App.FlowControlQueue": ("self", "maxsize", "clear_on_resume"),
    "App.create_event": ("self", "key", "value", "headers", "message"),
}
