"""Topics against a real broker: made once, checked, and errors that say what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from monitor.cli import cli
from monitor.runtime.kafka import topics
from schemas.config import Kafka, Retention, Runtime, Topics
from tests.services.kafka_broker import Broker


def runtime_of(broker: Broker, prefix: str, **changes: object) -> Runtime:
    """Settings whose topics and group no other test has."""
    names = {field: f"{prefix}.{field}" for field in Topics.model_fields}
    kafka = Kafka.model_validate(
        {"bootstrap_servers": broker.bootstrap, "partitions": 4, "group": prefix, "topics": names, **changes}
    )
    return Runtime(kind="kafka", kafka=kafka)


def test_topics_are_made_once_and_are_as_specified(broker: Broker, prefix: str) -> None:
    runtime = runtime_of(broker, prefix)
    specs = topics.specification(runtime)
    made = topics.create(runtime.kafka, specs)
    assert sorted(made) == sorted(spec.name for spec in specs)
    assert topics.create(runtime.kafka, specs) == []
    assert topics.differences(runtime.kafka, specs) == []
    by_name = {spec.name: spec for spec in specs}
    events = by_name[runtime.kafka.topics.events]
    assert events.partitions == 4
    assert events.settings["retention.ms"] == str(24 * 3600 * 1000)
    assert by_name[runtime.kafka.topics.incidents].settings["cleanup.policy"] == "compact"
    assert by_name[runtime.kafka.topics.findings].partitions == 1


def test_a_topic_with_another_partition_count_is_refused_with_a_remedy(broker: Broker, prefix: str) -> None:
    runtime = runtime_of(broker, prefix)
    topics.prepare(runtime)
    other = runtime_of(broker, prefix, partitions=5)
    with pytest.raises(topics.TopicError, match=r"partitions is 4, should be 5.*runtime\.kafka\.partitions"):
        topics.prepare(other)


def test_a_harmless_difference_is_told_and_not_fatal(broker: Broker, prefix: str) -> None:
    runtime = runtime_of(broker, prefix)
    topics.prepare(runtime)
    longer = runtime.model_copy(update={"retention": Retention.model_validate({"text": "2d"})})
    found = topics.prepare(longer)
    assert {difference.topic for difference in found if difference.what == "retention.ms"} == {
        runtime.kafka.topics.events,
        runtime.kafka.topics.spans,
    }
    assert not any(difference.fatal for difference in found)


def test_the_collectors_topics_may_have_any_shape(broker: Broker, prefix: str) -> None:
    runtime = runtime_of(broker, prefix)
    theirs = topics.TopicSpec(runtime.kafka.topics.otlp_spans, 2, 1)
    topics.create(runtime.kafka, [theirs])
    assert topics.prepare(runtime) == []


def test_a_broker_that_is_not_there_is_named(prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics, "PATIENCE_SECONDS", 0.5)
    with pytest.raises(topics.TopicError, match=r"127\.0\.0\.1:9.*does not answer.*Is the broker running"):
        topics.create(Kafka(bootstrap_servers="127.0.0.1:9"), [topics.TopicSpec(prefix, 1, 1)])


def written(broker: Broker, prefix: str, folder: Path, **changes: object) -> Path:
    """A configuration file; `changes` go to its `kafka:`."""
    names = {field: f"{prefix}.{field}" for field in Topics.model_fields}
    kafka = {"bootstrap_servers": broker.bootstrap, "partitions": 4, "group": prefix, "topics": names, **changes}
    file = folder / "forewarn.yaml"
    file.write_text(json.dumps({"owners": {"a": {}}, "runtime": {"kind": "kafka", "kafka": kafka}}))
    return file


def asked(file: Path, *options: str) -> tuple[int, str]:
    """Exit code and output of `forewarn topics`."""
    result = CliRunner().invoke(cli, ["topics", "-c", str(file), *options])
    return result.exit_code, result.output


def test_the_command_tells_makes_and_checks(broker: Broker, prefix: str, tmp_path: Path) -> None:
    file = written(broker, prefix, tmp_path)
    code, said = asked(file, "--dry-run")
    assert code == 1 and "13 topics: 13 missing (nothing was changed)" in said
    assert f"  missing  {prefix}.evidence: 1 partition, factor 1, cleanup.policy=delete retention.ms=86400000 " in said
    assert topics.differences(runtime_of(broker, prefix).kafka, topics.specification(runtime_of(broker, prefix)))
    code, said = asked(file)
    assert code == 0 and said.endswith("13 topics: 13 made\n")
    code, said = asked(file, "--json")
    assert code == 0 and {topic["state"] for topic in json.loads(said)["topics"]} == {"good"}
    code, said = asked(written(broker, prefix, tmp_path, partitions=5, replication_factor=2), "--json")
    told = json.loads(said)
    assert code == 1 and told["ok"] is False
    by_name = {topic["name"]: topic for topic in told["topics"]}
    assert by_name[f"{prefix}.events"]["state"] == "wrong"
    assert by_name[f"{prefix}.events"]["differences"][0] == {
        "what": "partitions", "found": "4", "wanted": "5", "fatal": True,
    }  # fmt: skip
    assert by_name[f"{prefix}.control"]["state"] == "different"
    assert by_name[f"{prefix}.otlp_spans"]["state"] == "good"
    code, said = asked(written(broker, prefix, tmp_path, partitions=5))
    assert code == 1 and f"  WRONG    {prefix}.events\n           partitions is 4, should be 5\n" in said
    assert said.endswith("or use new topic names and a new `runtime.kafka.group`\n")


def test_the_command_says_what_the_broker_refuses(broker: Broker, prefix: str, tmp_path: Path) -> None:
    code, said = asked(written(broker, prefix, tmp_path, replication_factor=7))
    assert code == 2 and "replication factor 7): InvalidReplicationFactorError: Unable to replicate" in said
    assert len(said) < 600, said
    code, said = asked(tmp_path / "nowhere.yaml")
    assert code == 2 and "cannot read" in said
    (tmp_path / "bad.yaml").write_text("runtime: {kafka: {partitons: 4}}")
    code, said = asked(tmp_path / "bad.yaml")
    assert code == 2 and "did you mean `partitions`" in said
