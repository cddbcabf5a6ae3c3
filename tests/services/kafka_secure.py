"""A real Kafka broker that wants TLS, passwords and certificates, and gives each user only what it was given.

Listeners: SASL_SSL, SASL_PLAINTEXT (both with PLAIN and SCRAM), SSL with a certificate of the client, and PLAINTEXT for
the broker's own use and for the test, which may do all there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kafka import KafkaAdminClient
from kafka.admin import ACL, ACLOperation, ACLPermissionType, ACLResourcePatternType, ResourcePattern, ResourceType

from tests.services import certificates, kafka_broker

MONITOR, AGENT, NOBODY = "monitor", "agent", "nobody"
PASSWORDS = {MONITOR: "monitor-secret-1", AGENT: "agent-secret-2", NOBODY: "nobody-secret-3"}
CERTIFIED = "CN=client"
"""The user that the client's certificate stands for."""
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")

MONITOR_TOPIC = ("READ", "WRITE", "CREATE", "DESCRIBE", "DESCRIBE_CONFIGS")
"""What docs/kafka.md says that the monitor needs on its own topics; on the Collector's `READ` alone once they exist."""


@dataclass(frozen=True)
class SecureBroker:
    """Addresses by protocol."""

    broker: kafka_broker.Broker
    certificates: certificates.Certificates
    sasl_tls: str
    sasl_open: str
    tls: str

    def allow(self, user: str, operations: Iterable[str], *, topic: str = "", group: str = "") -> None:
        """Let a user do something with all topics, or with the groups, whose names begin so."""
        kind, name = (ResourceType.TOPIC, topic) if topic else (ResourceType.GROUP, group)
        pattern = ResourcePattern(kind, name, ACLResourcePatternType.PREFIXED)
        acls = [
            ACL(f"User:{user}", "*", ACLOperation[operation], ACLPermissionType.ALLOW, pattern)
            for operation in operations
        ]
        with KafkaAdminClient(bootstrap_servers=self.broker.bootstrap) as admin:
            admin.create_acls(acls)


def start(directory: Path) -> SecureBroker:
    """Raises `BrokerUnavailableError`, `OpenSSLMissingError`."""
    made = certificates.make(directory)
    sasl_tls, sasl_open, tls = (f"127.0.0.1:{kafka_broker.free_port()}" for _ in range(3))
    listeners = f"SASL_SSL://{sasl_tls},SASL_PLAINTEXT://{sasl_open},SSL://{tls}"
    users = " ".join(f'user_{name}="{password}"' for name, password in PASSWORDS.items())
    modules = "org.apache.kafka.common.security"
    more = {
        "+listeners": listeners,
        "+advertised.listeners": listeners,
        "+listener.security.protocol.map": "SASL_SSL:SASL_SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SSL:SSL",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(made.server),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(made.ca),
        "listener.name.ssl.ssl.client.auth": "required",
        "sasl.enabled.mechanisms": ",".join(MECHANISMS),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
    }
    for listener in ("sasl_ssl", "sasl_plaintext"):
        place = f"listener.name.{listener}"
        more[f"{place}.plain.sasl.jaas.config"] = f"{modules}.plain.PlainLoginModule required {users};"
        for scram in MECHANISMS[1:]:
            more[f"{place}.{scram.lower()}.sasl.jaas.config"] = f"{modules}.scram.ScramLoginModule required;"
    known = [
        f"{mechanism}=[name={name},password={password}]"
        for mechanism in MECHANISMS[1:]
        for name, password in PASSWORDS.items()
    ]
    return SecureBroker(kafka_broker.start(more, known), made, sasl_tls, sasl_open, tls)
