"""`kafka://topic` as input of a replay: the same as the same events in a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from kafka import KafkaAdminClient, KafkaProducer

from monitor import history
from monitor.cli import cli
from schemas.config import Kafka
from schemas.records import Tick, encode_control
from tests.services import kafka_broker


def _lines() -> list[bytes]:
    """Runs of three agents; every tenth fails."""
    lines = []
    for i in range(300):
        names = {"agent": f"agent-{i % 3}", "run": f"r{i}", "version": "v1"}
        at = 1_760_000_000.0 + i
        lines.append({"kind": "run_started", "id": f"s{i}", "time": at, **names})
        status = "error" if i % 10 == 0 else "ok"
        lines.append({"kind": "run_finished", "id": f"f{i}", "time": at + 0.5, "status": status, **names})
    return [json.dumps(line).encode() for line in lines]


def _replayed(config: Path, given: str) -> list[str]:
    result = CliRunner().invoke(cli, ["replay", str(config), given, "--json"])
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout.splitlines()[-1])
    del summary["seconds"]
    return [*result.stdout.splitlines()[:-1], json.dumps(summary)]


def test_a_topic_is_replayed_like_a_file(broker: kafka_broker.Broker, prefix: str, tmp_path: Path) -> None:
    lines = _lines()
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"\n".join(lines))
    topic = f"{prefix}.events"
    with KafkaAdminClient(bootstrap_servers=broker.bootstrap) as admin:
        layout = {"num_partitions": 3, "replication_factor": 1}
        admin.create_topics({topic: layout}, wait_for_metadata=True)
    with KafkaProducer(bootstrap_servers=broker.bootstrap, compression_type="lz4") as producer:
        for line in lines:
            producer.send(topic, line, key=json.loads(line)["agent"].encode())
        producer.send(topic, encode_control(Tick(1_760_000_100.0)))  # the topic's own ticks are left out
        producer.flush()
    config = tmp_path / "forewarn.yaml"
    config.write_text(
        "owners: {a: {}}\ndefaults: {owner: a}\n"
        f'runtime: {{kafka: {{bootstrap_servers: "{broker.bootstrap}"}}}}\n'
    )
    from_topic = _replayed(config, f"kafka://{topic}")
    assert from_topic == _replayed(config, str(file))
    assert json.loads(from_topic[-1])["agents"]["agent-0"]["runs"] == 100


def test_a_topic_that_is_not_there_is_named(broker: kafka_broker.Broker, prefix: str) -> None:
    with pytest.raises(history.CannotRead, match=f"kafka://{prefix}.nowhere: .*no such topic"):
        history.read([f"kafka://{prefix}.nowhere"], 60.0, Kafka(bootstrap_servers=broker.bootstrap))


def test_a_broker_that_is_not_there_is_named() -> None:
    with pytest.raises(history.CannotRead, match="does not answer"):
        history.read(["kafka://x"], 60.0, Kafka(bootstrap_servers="127.0.0.1:1"))
