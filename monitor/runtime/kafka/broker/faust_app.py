"""The settings of Faust, in one place: what is not its default, and why."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import faust
from faust.tables.manager import TableManager

from monitor.runtime.kafka.broker.security import password_of, tls_context
from monitor.runtime.kafka.cluster.lease import HEARTBEAT_SECONDS, SESSION_SECONDS
from monitor.runtime.kafka.cluster.recovery import SureRecovery
from monitor.runtime.kafka.microbatch import MicroBatchApp
from monitor.runtime.kafka.topics import MESSAGE_BYTES
from schemas.config import Runtime, Security

POLL_SECONDS = 300.0
"""Longest time between two fetches before the broker takes the partitions away; above any save or recovery."""
REQUEST_SECONDS = 40.0
"""One request to the broker. Faust wants it above the session."""
DELIVERY_SECONDS = 120.0
"""How long a write is tried while the broker is away. Then the worker ends, and begins again where it committed."""
COMMIT_SECONDS = 1.0
"""Between two offset commits; what a crash replays at most, with the save before it."""
FETCH_BYTES = 2 * MESSAGE_BYTES


def faust_app(runtime: Runtime, batched: Iterable[str], first: Iterable[str]) -> MicroBatchApp:
    """An app for the `batched` topics, of which the `first` ones do not wait behind the others."""
    kafka = runtime.kafka
    app = MicroBatchApp(
        kafka.group,
        broker=[f"kafka://{address.strip()}" for address in kafka.bootstrap_servers.split(",")],
        broker_credentials=_credentials(kafka.security),
        datadir=Path(runtime.directory) / "faust",
        store="memory://",
        processing_guarantee="at_least_once",  # Faust's exactly_once has open faults; ours is by offsets and ids
        web_enabled=False,  # it would serve table data on every interface
        topic_allow_declare=False,  # made ahead, see `topics`
        topic_disable_leader=True,
        table_standby_replicas=kafka.standby_replicas,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=FETCH_BYTES,
        broker_session_timeout=SESSION_SECONDS,
        broker_heartbeat_interval=HEARTBEAT_SECONDS,
        broker_max_poll_interval=POLL_SECONDS,
        broker_request_timeout=REQUEST_SECONDS,
        broker_commit_interval=COMMIT_SECONDS,
        producer_acks=-1,
        producer_compression_type="zstd",  # aiokafka writes lz4 at level 9, five times slower than this and larger
        producer_max_request_size=MESSAGE_BYTES,
        producer_max_batch_size=MESSAGE_BYTES // 4,
        producer_request_timeout=DELIVERY_SECONDS,
        stream_wait_empty=False,  # waiting for streams would hang a rebalance; `done` makes it needless
        stream_recovery_delay=0.0,
    )
    app.state_folder = Path(runtime.directory) / "state" if kafka.store == "rocksdb" else None
    app.batched_topics = frozenset(batched)
    app.first_topics = frozenset(first)
    tables = cast(TableManager, app.tables)
    tables._recovery = SureRecovery(app, tables, beacon=tables.beacon, loop=tables.loop)
    return app


def _credentials(security: Security) -> Any:
    """`runtime.kafka.security` in Faust's words. Raises `SecurityError`."""
    context = tls_context(security)
    if security.authenticated:
        password = password_of(security)
        return faust.SASLCredentials(
            username=security.username, password=password, ssl_context=context, mechanism=security.mechanism
        )
    return faust.SSLCredentials(context) if context is not None else None
