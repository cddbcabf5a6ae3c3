"""The topics as an AsyncAPI 3 document, made of the types that read and write them.

What others may write and read is described whole; what the monitor's own parts tell each other is named, so that nobody
takes it for an interface.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from monitor.intake.dead_letters import DeadLetter
from monitor.runtime.kafka import topics as layout
from schemas.alert import Incident
from schemas.border import KINDS, MODELS
from schemas.config import Runtime, Topics
from schemas.finding import Finding

ASYNCAPI = "3.0.0"
KAFKA_BINDING = "0.5.0"
EVENT_VERSION = "1"
REFERENCE = "#/components/schemas/{name}"
_NUMBERS = ("retention.ms", "max.message.bytes")
_LISTS = ("cleanup.policy",)
_UNBOUND = ("message.timestamp.type",)
"""Settings that the binding has no word for."""


@dataclass(frozen=True)
class _Channel:
    """What a topic holds. `action`: what the monitor does with it; None: only its own parts read and write it."""

    topic: str
    says: str
    key: str
    action: str | None = None
    messages: tuple[str, ...] = ()


CHANNELS = (
    _Channel(
        "events",
        "What agents do, one JSON object a record; an array or lines of them, and CloudEvents (structured or binary)"
        " are read too. Unknown fields are kept, unknown kinds skipped. Kinds that begin with `forewarn.` are the"
        " monitor's.",
        "The agent.", "receive", tuple(KINDS),
    ),
    _Channel("otlp_spans", "Spans, as the OpenTelemetry Collector's `kafka` exporter writes them.", "Any, or none.",
             "receive", ("otlp_traces",)),
    _Channel("otlp_logs", "Log records, as the OpenTelemetry Collector's `kafka` exporter writes them.",
             "Any, or none.", "receive", ("otlp_log_records",)),
    _Channel("incidents", "Each incident as it is now, and a tombstone when it is forgotten.", "The incident's id.",
             "send", ("incident",)),
    _Channel("findings", "What detectors say. The monitor's ticks, what people did and news of the engines stand among"
             " them, with a `kind` that begins with `forewarn.`, `router.` or `news.`.", "The owner.", "send",
             ("finding",)),
    _Channel("dead_letters", "What could not be read: where it stood and why, never its text.", "None.", "send",
             ("dead_letter",)),
    _Channel("spans", "Spans that wait to be put together.", "The trace's id."),
    _Channel("evidence", "What agents' workers tell the aggregator, a JSON object a line.", "None."),
    _Channel("control", "Grants, acknowledgements and deeds.", "The agent."),
)  # fmt: skip
"""Topic → what it holds, in the order of the document. A test holds them equal to `Topics`."""


def document(runtime: Runtime) -> dict[str, Any]:
    """The whole document, ready to be written as YAML or JSON."""
    specs = {spec.name: spec for spec in layout.specification(runtime)}
    names = runtime.kafka.topics
    return {
        "asyncapi": ASYNCAPI,
        "info": {
            "title": "Forewarn on Kafka",
            "version": EVENT_VERSION,
            "description": "What agents and their tools write for the monitor, and what it writes for others. Fields"
            " are only ever added; readers ignore what they do not know. Made by `forewarn schema asyncapi`.",
        },
        "defaultContentType": "application/json",
        "servers": {"brokers": {"host": runtime.kafka.bootstrap_servers.split(",")[0].strip(), "protocol": "kafka"}},
        "channels": {channel.topic: _channel(channel, names, specs) for channel in CHANNELS},
        "operations": {
            f"{channel.action}_{channel.topic}": {
                "action": channel.action,
                "channel": {"$ref": f"#/channels/{channel.topic}"},
                "messages": [
                    {"$ref": f"#/channels/{channel.topic}/messages/{message}"} for message in channel.messages
                ],
            }
            for channel in CHANNELS
            if channel.action is not None
        },
        "components": {"messages": _messages(), "schemas": _schemas()},
    }


def _channel(channel: _Channel, names: Topics, specs: dict[str, layout.TopicSpec]) -> dict[str, Any]:
    address = getattr(names, channel.topic)
    says = channel.says if channel.action is not None else f"{channel.says} Between parts of the monitor; no interface."
    found: dict[str, Any] = {"address": address, "description": f"{says} Key: {_lower(channel.key)}"}
    if channel.messages:
        found["messages"] = {name: {"$ref": f"#/components/messages/{name}"} for name in channel.messages}
    spec = specs[address]
    bound: dict[str, Any] = {"topic": address}
    if spec.ours:
        bound |= {"partitions": spec.partitions, "replicas": spec.replication_factor}
        bound["topicConfiguration"] = {
            key: _setting(key, value) for key, value in spec.settings.items() if key not in _UNBOUND
        }
    found["bindings"] = {"kafka": {**bound, "bindingVersion": KAFKA_BINDING}}
    return found


def _messages() -> dict[str, Any]:
    keys = {message: channel.key for channel in CHANNELS for message in channel.messages}
    found = {kind: _message(kind, says, MODELS[kind].__name__, keys[kind]) for kind, (says, _) in KINDS.items()}
    structs = {"incident": Incident, "finding": Finding, "dead_letter": DeadLetter}
    for name, struct in structs.items():
        found[name] = _message(name, (struct.__doc__ or "").strip().splitlines()[0], struct.__name__, keys[name])
    for name, body in (("otlp_traces", "TracesData"), ("otlp_log_records", "LogsData")):
        found[name] = {
            "name": name,
            "contentType": "application/x-protobuf",
            "summary": f"`opentelemetry.proto` {body} (protobuf, or JSON).",
            "bindings": {"kafka": {"bindingVersion": KAFKA_BINDING}},
        }
    return found


def _message(name: str, says: str, schema: str, key: str) -> dict[str, Any]:
    return {
        "name": name,
        "summary": says,
        "payload": {"$ref": REFERENCE.format(name=schema)},
        "bindings": {
            "kafka": {"key": {"type": "string", "description": key}, "bindingVersion": KAFKA_BINDING},
        },
    }


def _schemas() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for model in MODELS.values():
        schema = model.model_json_schema(ref_template=REFERENCE.replace("{name}", "{model}"))
        _add(found, schema.pop("$defs", {}).items())
        _add(found, [(model.__name__, schema)])
    _, components = msgspec.json.schema_components([Incident, Finding, DeadLetter], ref_template=REFERENCE)
    _add(found, components.items())
    return found


def _add(found: dict[str, Any], schemas: Iterable[tuple[str, Any]]) -> None:
    for name, schema in schemas:
        if found.setdefault(name, schema) != schema:
            raise AssertionError(f"two schemas are called {name}")


def _setting(key: str, value: str) -> Any:
    if key in _LISTS:
        return value.split(",")
    return int(value) if key in _NUMBERS else value


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
