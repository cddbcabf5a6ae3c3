"""A broker that wants TLS, passwords and rights: who gets in, who does not and reads why, and that nothing is shown."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import forewarn
import pytest
from click.testing import CliRunner

from monitor.cli import cli
from monitor.runtime.kafka import topics
from monitor.runtime.kafka.broker import connect
from schemas.config import Config, Kafka
from tests.services.certificates import KEY_PASSWORD
from tests.services.kafka_monitor import config_of, monitor_of, until
from tests.services.kafka_secure import (
    AGENT,
    CERTIFIED,
    MECHANISMS,
    MONITOR,
    MONITOR_TOPIC,
    NOBODY,
    PASSWORDS,
    SecureBroker,
)

ROOT = Path(__file__).resolve().parents[2]
SECRETS = (*PASSWORDS.values(), KEY_PASSWORD)


def as_user(name: str, mechanism: str = "SCRAM-SHA-512", **more: Any) -> dict[str, Any]:
    """`security:` of a user by name, over TLS unless said otherwise."""
    return {"protocol": "SASL_SSL", "mechanism": mechanism, "username": name, "password": PASSWORDS[name], **more}


def certified(secure: SecureBroker) -> dict[str, Any]:
    """`security:` of who shows a certificate."""
    files = secure.certificates
    return {
        "protocol": "SSL",
        "ca_file": str(files.ca),
        "certificate_file": str(files.client),
        "key_file": str(files.client_key),
        "key_password": KEY_PASSWORD,
    }


def let_in(secure: SecureBroker, user: str, prefix: str) -> None:
    """The rights that docs/kafka.md names, and no more."""
    secure.allow(user, MONITOR_TOPIC, topic=prefix)
    secure.allow(user, ["READ"], group=prefix)


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_every_mechanism_opens_the_door_with_tls_and_without(
    secure_broker: SecureBroker, prefix: str, mechanism: str
) -> None:
    let_in(secure_broker, MONITOR, prefix)
    spec = [topics.TopicSpec(f"{prefix}.{mechanism}", 1, 1)]
    ways = [
        (secure_broker.sasl_tls, as_user(MONITOR, mechanism, ca_file=str(secure_broker.certificates.ca))),
        (secure_broker.sasl_open, as_user(MONITOR, mechanism, protocol="SASL_PLAINTEXT")),
    ]
    for address, security in ways:
        kafka = Kafka.model_validate({"bootstrap_servers": address, "security": security})
        topics.create(kafka, spec)
        assert topics.differences(kafka, spec) == []


@pytest.mark.parametrize("way", ["password", "certificate"])
async def test_the_monitor_works_with_the_rights_of_the_docs_alone(
    secure_broker: SecureBroker, prefix: str, tmp_path: Path, way: str
) -> None:
    ca = str(secure_broker.certificates.ca)
    if way == "password":
        user, address, security = MONITOR, secure_broker.sasl_tls, as_user(MONITOR, ca_file=ca)
    else:
        user, address, security = CERTIFIED, secure_broker.tls, certified(secure_broker)
    let_in(secure_broker, user, prefix)
    config = config_of(address, prefix, tmp_path, security=security)
    monitor = monitor_of(config)
    await monitor.start()
    try:
        assert await asyncio.to_thread(emitted, secure_broker, config) == {"emitted": 3, "sent": 3}
        await until(lambda: [agent.runs for agent in monitor.agents()] == [1], what="the run of the SDK")
        await until(lambda: monitor.health().ready[1].ok and monitor.gauges()["tick_age_seconds"] > 0, what="ticks")
    finally:
        await monitor.stop()
    again = monitor_of(config)  # its state came back through the changelogs
    await again.start()
    try:
        assert [agent.runs for agent in again.agents()] == [1]
    finally:
        await again.stop()


def emitted(secure: SecureBroker, config: Config) -> dict[str, int]:
    """A run from an agent that may write to the events topic and do nothing else."""
    topic = config.runtime.kafka.topics.events
    secure.allow(AGENT, ["WRITE", "DESCRIBE"], topic=topic)
    transport = forewarn.KafkaTransport(
        secure.sasl_tls,
        topic,
        security_protocol="SASL_SSL",
        sasl_mechanism="SCRAM-SHA-512",
        sasl_plain_username=AGENT,
        sasl_plain_password=PASSWORDS[AGENT],
        ssl_cafile=str(secure.certificates.ca),
    )
    with forewarn.Emitter("refund-agent", "v1", transport=transport, strict=True, linger_seconds=0.0) as emitter:
        with emitter.run() as run:
            run.tool("issue_refund", {"order_id": 7}, result={})
        assert emitter.flush(30.0)
        return dict(emitter.counts.snapshot())


def refused(address: str, security: dict[str, Any]) -> str:
    """What is said to somebody who does not get in."""
    kafka = Kafka.model_validate({"bootstrap_servers": address, "security": security})
    with pytest.raises(topics.TopicError) as caught:
        topics.create(kafka, [topics.TopicSpec("forewarn.events", 1, 1)])
    said = str(caught.value)
    assert not [secret for secret in SECRETS if secret in said], said
    assert len(said) < 700, said
    return said


def test_who_is_not_let_in_reads_why(
    secure_broker: SecureBroker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(connect, "ATTEMPT_SECONDS", 2.0)
    monkeypatch.setattr(topics, "PATIENCE_SECONDS", 4.0)
    secure, files = secure_broker, secure_broker.certificates
    ca = str(files.ca)
    port = secure.sasl_tls.partition(":")[2]
    no_pem = tmp_path / "no.pem"
    no_pem.write_text("hello")
    rows: list[tuple[str, dict[str, Any], str, str]] = [
        (
            secure.sasl_tls,
            as_user(MONITOR, password="wrong", ca_file=ca),
            "SASL_SSL as 'monitor' by SCRAM-SHA-512) does not answer: ",
            "`username`, `password` and `mechanism`",
        ),
        (secure.sasl_tls, as_user(MONITOR, ca_file=str(files.stranger)), "certificate verify failed", "ca_file"),
        (f"localhost:{port}", as_user(MONITOR, ca_file=ca), "Hostname mismatch", "check_hostname"),
        (secure.tls, {"protocol": "SSL", "ca_file": ca}, "bad certificate", "certificate_file"),
        (secure.tls, {**certified(secure), "key_password": "wrong"}, "client.key", "needs its `key_password`"),
        (secure.tls, {"protocol": "SSL", "ca_file": str(no_pem)}, "ca_file` " + str(no_pem), "NO_CERTIFICATE"),
        (
            secure.sasl_tls,
            as_user(NOBODY, ca_file=ca),
            "did not make topic 'forewarn.events' (1 partitions, replication factor 1): TopicAuthorizationFailedError",
            "give the monitor's user the right to",
        ),
    ]
    for address, security, what, remedy in rows:
        said = refused(address, security)
        assert what in said and remedy in said, said


def test_a_broker_that_speaks_otherwise_is_waited_for_and_then_told(
    secure_broker: SecureBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topics, "PATIENCE_SECONDS", 1.0)
    said = refused(secure_broker.sasl_open, {})
    assert "(PLAINTEXT) does not answer" in said and "Does this port speak PLAINTEXT" in said


def test_a_name_that_the_certificate_lacks_may_be_let_pass(secure_broker: SecureBroker, prefix: str) -> None:
    let_in(secure_broker, MONITOR, prefix)
    port = secure_broker.sasl_tls.partition(":")[2]
    security = as_user(MONITOR, ca_file=str(secure_broker.certificates.ca), check_hostname=False)
    kafka = Kafka.model_validate({"bootstrap_servers": f"localhost:{port}", "security": security})
    assert topics.create(kafka, [topics.TopicSpec(f"{prefix}.x", 1, 1)]) == [f"{prefix}.x"]


YAML = """
owners: {{payments: {{}}}}
defaults: {{owner: payments}}
runtime:
  kind: kafka
  directory: {directory}
  port: 0
  kafka:
    bootstrap_servers: {address}
    partitions: 2
    group: {prefix}
    topics: {{{topics}}}
    security: {{protocol: SASL_SSL, mechanism: PLAIN, username: monitor, password_file: password, ca_file: ca.crt}}
"""


def written(secure: SecureBroker, prefix: str, folder: Path) -> Path:
    """A configuration as a user writes it: its secret and its authority in files beside it."""
    config = config_of(secure.sasl_tls, prefix, folder)
    names = ", ".join(f"{key}: {name}" for key, name in config.runtime.kafka.topics.model_dump().items())
    (folder / "password").write_text(PASSWORDS[MONITOR] + "\n")
    (folder / "ca.crt").write_text(secure.certificates.ca.read_text())
    file = folder / "forewarn.yaml"
    file.write_text(YAML.format(directory=folder, address=secure.sasl_tls, prefix=prefix, topics=names))
    return file


def test_the_command_runs_and_replays_and_shows_no_secret_at_any_level(
    secure_broker: SecureBroker, prefix: str, tmp_path: Path
) -> None:
    let_in(secure_broker, MONITOR, prefix)
    file = written(secure_broker, prefix, tmp_path)
    log = tmp_path / "log"
    command = [sys.executable, "-c", "from monitor.cli import cli; cli()", "run", "-c", str(file)]
    with log.open("wb") as out:
        process = subprocess.Popen([*command, "--log-level", "debug"], cwd=ROOT, stdout=out, stderr=out)
    try:
        deadline = time.monotonic() + 60.0
        while "Forewarn" not in log.read_text() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30.0) == 0, log.read_text()[-3000:]
    finally:
        process.kill()
        process.wait()
    said = log.read_text()
    assert "aiokafka" in said, "the log of the clients is on"
    assert not [secret for secret in SECRETS if secret in said]
    emitted(secure_broker, config_of(secure_broker.sasl_tls, prefix, tmp_path))
    topic = f"kafka://{prefix}.events"
    result = CliRunner().invoke(cli, ["replay", str(file), topic, "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout.splitlines()[-1])["agents"]["refund-agent"]["runs"] == 1


def test_the_sdk_writes_no_password_into_the_agents_log(
    secure_broker: SecureBroker, prefix: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    let_in(secure_broker, MONITOR, prefix)
    config = config_of(
        secure_broker.sasl_tls, prefix, tmp_path,
        security=as_user(MONITOR, ca_file=str(secure_broker.certificates.ca)),
    )  # fmt: skip
    with caplog.at_level(logging.DEBUG):
        topics.create(config.runtime.kafka, [topics.TopicSpec(config.runtime.kafka.topics.events, 1, 1)])
        assert emitted(secure_broker, config) == {"emitted": 3, "sent": 3}
    assert [record for record in caplog.records if record.name.startswith("kafka.")], "its log is on"
    assert not [secret for secret in SECRETS if secret in caplog.text]
