"""The YAML's `runtime.kafka`: the brokers, how they are spoken to, and how the topics are laid out."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr

from schemas.settings.quantities import Duration, Share, Strict

SECURITY_FILES = ("ca_file", "certificate_file", "key_file")
"""Keys of `Security` that name a file which holds no secret by itself; `*_file` elsewhere names a secret's file."""


class Topics(Strict):
    """Kafka topic names."""

    events: str = "forewarn.events"
    spans: str = "forewarn.spans"
    evidence: str = "forewarn.evidence"
    findings: str = "forewarn.findings"
    incidents: str = "forewarn.incidents"
    control: str = "forewarn.control"
    dead_letters: str = "forewarn.dead-letters"
    otlp_spans: str = "otlp_spans"
    otlp_logs: str = "otlp_logs"


class Security(Strict):
    """How the brokers are spoken to: in the open or by TLS, as nobody or as whom. Kafka's own words."""

    protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    """How the password is shown; with a protocol that begins with SASL."""
    username: str | None = None
    password: SecretStr | None = None
    password_file: str | None = None
    ca_file: str | None = None
    """Authorities whose certificates are believed (PEM); default: the system's."""
    certificate_file: str | None = None
    """Our own certificate (PEM), where the brokers ask for one."""
    key_file: str | None = None
    """Its private key (PEM); default: it stands in `certificate_file`."""
    key_password: SecretStr | None = None
    """Opens the private key."""
    key_password_file: str | None = None
    check_hostname: bool = True
    """Whether a broker's certificate must name the address that we asked."""

    @property
    def encrypted(self) -> bool:
        """Whether the way to the brokers is TLS."""
        return self.protocol.endswith("SSL")

    @property
    def authenticated(self) -> bool:
        """Whether a user and a password are shown."""
        return self.protocol.startswith("SASL")


class Floods(Strict):
    """When dead letters are so many that a worker stops instead of going on."""

    letters: int = Field(default=1_000, ge=0)
    """So many among the last 10,000 records of a partition, if they are also more than `share` of them; 0: never."""
    share: Share = 0.5


class Kafka(Strict):
    """The broker, and how the topics are laid out."""

    bootstrap_servers: str = "localhost:9092"
    partitions: int = Field(default=8, gt=0)
    replication_factor: int = Field(default=1, gt=0)
    group: str = "forewarn"
    store: Literal["memory", "rocksdb"] = "memory"
    """Where a worker holds the state of its partitions beside the changelog, which has it all."""
    standby_replicas: int = Field(default=0, ge=0, le=5)
    """Other workers that read along the state of a partition, so that taking it over need not read all of it."""
    floods: Floods = Floods()
    late_after: Duration = 60.0
    """An event that lies further behind the latest one of its producer is late."""
    late_events: Literal["take", "drop"] = "take"
    """What becomes of late events. They are counted either way."""
    topics: Topics = Topics()
    security: Security = Security()
