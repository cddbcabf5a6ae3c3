"""The topics: what they must look like, made and checked with kafka-python's admin client.

Not who reads or writes them (`worker`). Invariant: `create` changes no topic that is there, `differences` changes
nothing at all; both are safe to repeat.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError, TopicAlreadyExistsError

from monitor.runtime.kafka.broker.connect import CannotConnect, connect, described, refusal
from schemas import limits
from schemas.config import DAY, Kafka, Runtime

MESSAGE_BYTES = 2 * limits.EVENT_BYTES
"""The largest record: the largest event with what Kafka and a span add to it. The broker refuses more."""

SHORT_SECONDS = DAY
"""How long records between our own parts are kept; they are read within seconds."""

STATE_SEGMENT_BYTES = 32 * 1024 * 1024
STATE_SEGMENT_SECONDS = 600.0
"""A changelog's segment is closed at either, for only closed ones are compacted. With Kafka's 1 GiB and a week a worker
that takes over would read all that was ever saved."""

APPEAR_SECONDS = 10.0
"""A topic that another worker is just making, which starts at the same time, is listed a little later."""

TIMEOUT_MS = 30_000
PATIENCE_SECONDS = 30.0
"""A broker that is just starting has so long to answer."""


MISSING = "the topic"
"""`Difference.what` of a topic that is not there."""
REMEDY = (
    "A partition count is fixed once events have been counted: set `runtime.kafka.partitions` to what is there, "
    "or use new topic names and a new `runtime.kafka.group`"
)


class TopicError(Exception):
    """A topic that cannot be used, or a broker that cannot be asked; says where and what to do instead."""


@dataclass(frozen=True)
class TopicSpec:
    """One topic. `settings` are Kafka's own names and values; those not written here are the broker's business."""

    name: str
    partitions: int
    replication_factor: int
    settings: dict[str, str] = field(default_factory=dict)
    ours: bool = True
    """Whether the monitor makes it. The Collector's topics may have any partition count and settings."""


@dataclass(frozen=True)
class Difference:
    """One thing about a topic that is not as it must be. `fatal`: the monitor would count wrongly with it."""

    topic: str
    what: str
    found: str
    wanted: str
    fatal: bool

    def __str__(self) -> str:
        return f"topic {self.topic!r}: {self.what} is {self.found}, should be {self.wanted}"


STATE_TABLES = ("agents", "traces")
"""Tables beside a topic with many partitions: the engine's and the assembler's."""

CENTRAL_TABLES = ("aggregator", "router")
"""Tables beside a topic with one partition."""


def specification(runtime: Runtime) -> list[TopicSpec]:
    """All topics of one monitor, the Collector's included."""
    kafka = runtime.kafka
    names = kafka.topics
    many, replicas = kafka.partitions, kafka.replication_factor
    appended = {"message.timestamp.type": "LogAppendTime", "max.message.bytes": str(MESSAGE_BYTES)}
    text = {"cleanup.policy": "delete", "retention.ms": _milliseconds(runtime.retention.text)}
    short = {"cleanup.policy": "delete", "retention.ms": _milliseconds(SHORT_SECONDS)}
    long = {"cleanup.policy": "delete", "retention.ms": _milliseconds(runtime.retention.events)}
    compact = {"cleanup.policy": "compact", "max.message.bytes": str(MESSAGE_BYTES)}
    state = compact | {
        "segment.bytes": str(STATE_SEGMENT_BYTES),
        "segment.ms": _milliseconds(STATE_SEGMENT_SECONDS),
        "min.cleanable.dirty.ratio": "0.2",
    }
    return [
        TopicSpec(names.events, many, replicas, text | appended),
        TopicSpec(names.spans, many, replicas, text | appended),
        TopicSpec(names.evidence, 1, replicas, short | appended),
        TopicSpec(names.findings, 1, replicas, long | appended),
        TopicSpec(names.control, 1, replicas, long | appended),
        TopicSpec(names.incidents, 1, replicas, compact),
        TopicSpec(names.dead_letters, 1, replicas, long),
        TopicSpec(names.otlp_spans, many, replicas, text | {"max.message.bytes": str(MESSAGE_BYTES)}, ours=False),
        TopicSpec(names.otlp_logs, many, replicas, text | {"max.message.bytes": str(MESSAGE_BYTES)}, ours=False),
        *(TopicSpec(changelog(kafka.group, table), many, replicas, state) for table in STATE_TABLES),
        *(TopicSpec(changelog(kafka.group, table), 1, replicas, state) for table in CENTRAL_TABLES),
    ]


def changelog(group: str, table: str) -> str:
    """The name that Faust gives to the topic behind a table."""
    return f"{group}-{table}-changelog"


def create(kafka: Kafka, specs: Sequence[TopicSpec]) -> list[str]:
    """Make the topics that are missing; returns their names. Raises `TopicError`.

    Two monitors that start at once do no harm: a topic that appeared meanwhile is taken as it is.
    """
    with _Admin(kafka) as admin:
        present = admin.described(spec.name for spec in specs)
        return [spec.name for spec in specs if spec.name not in present and admin.create(spec)]


def differences(kafka: Kafka, specs: Sequence[TopicSpec]) -> list[Difference]:
    """What is not as it must be, the worst first. Raises `TopicError` when the broker cannot be asked."""
    with _Admin(kafka) as admin:
        present = admin.described(spec.name for spec in specs)
        settings = admin.settings([spec.name for spec in specs if spec.ours and spec.name in present])
    found = []
    for spec in specs:
        if spec.name not in present:
            found.append(Difference(spec.name, MISSING, "missing", "there", fatal=True))
            continue
        if not spec.ours:
            continue
        partitions, replicas = present[spec.name]
        if partitions != spec.partitions:
            # State lives with the partition of its agent: another count would send agents to strangers' state.
            found.append(Difference(spec.name, "partitions", str(partitions), str(spec.partitions), fatal=True))
        if replicas < spec.replication_factor:
            wanted = str(spec.replication_factor)
            found.append(Difference(spec.name, "replication factor", str(replicas), wanted, fatal=False))
        for key, wanted in spec.settings.items():
            value = settings.get(spec.name, {}).get(key, "unset")
            if value != wanted:
                fatal = key == "cleanup.policy" and "compact" in (value, wanted)
                found.append(Difference(spec.name, key, value, wanted, fatal=fatal))
    return sorted(found, key=lambda difference: not difference.fatal)


def prepare(runtime: Runtime) -> list[Difference]:
    """Make what is missing and check the rest: returns what is odd but harmless. Raises `TopicError` on the rest."""
    specs = specification(runtime)
    create(runtime.kafka, specs)
    found = differences(runtime.kafka, specs)
    deadline = time.monotonic() + APPEAR_SECONDS
    while any(difference.what == MISSING for difference in found) and time.monotonic() < deadline:
        time.sleep(APPEAR_SECONDS / 50)
        found = differences(runtime.kafka, specs)
    fatal = [str(difference) for difference in found if difference.fatal]
    if fatal:
        raise TopicError("; ".join(fatal) + f". {REMEDY}")
    return found


class _Admin:
    """kafka-python's admin client, with errors that say where."""

    def __init__(self, kafka: Kafka) -> None:
        self._where = described(kafka)
        try:
            self._client: KafkaAdminClient = connect(
                KafkaAdminClient, kafka, patience_seconds=PATIENCE_SECONDS, client_id="forewarn-topics",
                request_timeout_ms=TIMEOUT_MS,
            )  # fmt: skip
        except CannotConnect as error:
            raise TopicError(str(error)) from None

    def __enter__(self) -> _Admin:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def described(self, names: Iterable[str]) -> dict[str, tuple[int, int]]:
        """Partition count and least number of replicas of those topics that are there."""
        wanted = set(names)
        try:
            there = wanted & set(self._client.list_topics())
            described = self._client.describe_topics(sorted(there)) if there else []
        except KafkaError as error:
            raise TopicError(f"{self._where} does not list its topics: {refusal(error)}") from error
        return {str(topic["name"]): _size(topic["partitions"]) for topic in described}

    def settings(self, names: list[str]) -> dict[str, dict[str, str]]:
        """All settings of the topics, defaults included."""
        resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
        if not resources:
            return {}
        try:
            answer: dict[str, dict[str, dict[str, Any]]] = self._client.describe_configs(resources, config_filter="all")
        except KafkaError as error:
            raise TopicError(f"{self._where} does not show its topics' settings: {refusal(error)}") from error
        topics = next((found for kind, found in answer.items() if kind.lower() == "topic"), {})
        return {
            name: {key: str(data["value"] if isinstance(data, dict) else data) for key, data in settings.items()}
            for name, settings in topics.items()
        }

    def create(self, spec: TopicSpec) -> bool:
        """Whether it was us who made it."""
        wanted = {
            "num_partitions": spec.partitions,
            "replication_factor": spec.replication_factor,
            "configs": spec.settings,
        }
        try:
            self._client.create_topics({spec.name: wanted}, timeout_ms=TIMEOUT_MS, wait_for_metadata=True)
        except TopicAlreadyExistsError:
            return False
        except KafkaError as error:
            raise TopicError(
                f"{self._where} did not make topic {spec.name!r} ({spec.partitions} partitions, "
                f"replication factor {spec.replication_factor}): {refusal(error)}. "
                "Make it yourself with these settings, or give the monitor's user the right to"
            ) from error
        return True


def _size(partitions: Sequence[dict[str, Any]]) -> tuple[int, int]:
    return len(partitions), min((len(partition["replica_nodes"]) for partition in partitions), default=0)


def _milliseconds(seconds: float) -> str:
    return str(int(seconds * 1000))
