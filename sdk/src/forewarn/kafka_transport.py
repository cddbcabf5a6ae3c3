"""Produces events to a Kafka topic, keyed by agent, one JSON object a record. The only importer of kafka-python.

The client is made by the sending thread with the first batch, so that a forked child makes its own.
"""

from __future__ import annotations

import logging
from typing import Any

from forewarn.transport import Receipt, Record

DEFAULT_TOPIC = "forewarn.events"
TIMEOUT_SECONDS = 10.0
"""For one batch to be acknowledged; what was not is sent again, and the monitor drops what arrives twice."""


class KafkaTransport:
    """`settings` go to `kafka.KafkaProducer` as they are (security, compression …). ImportError without the extra."""

    def __init__(
        self,
        bootstrap_servers: str | list[str] = "localhost:9092",
        topic: str = DEFAULT_TOPIC,
        *,
        timeout: float = TIMEOUT_SECONDS,
        **settings: Any,
    ) -> None:
        try:
            import kafka
        except ImportError as error:
            raise ImportError(
                "KafkaTransport needs kafka-python: pip install 'kafka-python[lz4,snappy,zstd]'"
            ) from error
        self._kafka = kafka
        self._topic = topic
        self._timeout = timeout
        self._servers = bootstrap_servers
        self._settings = {"compression_type": "gzip", "linger_ms": 5, **settings}
        self._producer: Any = None

    def __repr__(self) -> str:
        return f"KafkaTransport({self._servers!r}, {self._topic!r})"

    def send(self, batch: list[Record]) -> Receipt:
        """Produces and waits for the acknowledgements."""
        if self._producer is None:
            if "sasl_plain_password" in self._settings:
                _keep_password_out_of_logs()
            self._producer = self._kafka.KafkaProducer(
                bootstrap_servers=self._servers,
                **{
                    "request_timeout_ms": int(self._timeout * 1000),
                    "delivery_timeout_ms": int(self._timeout * 1000) + 100,
                    "max_block_ms": int(self._timeout * 1000),
                    "bootstrap_timeout_ms": int(self._timeout * 1000),
                    "reconnect_backoff_max_ms": 5000,
                    **self._settings,
                },
            )
        receipt = Receipt()
        futures = []
        for record in batch:
            key = None if record.key is None else record.key.encode("utf-8", "replace")
            try:
                futures.append((record, self._producer.send(self._topic, value=record.body, key=key)))
            except Exception as error:
                self._failed(receipt, record, error)
        try:
            self._producer.flush(self._timeout)
        except Exception as error:
            receipt.problem = f"{type(error).__name__}: {error}"
        for record, future in futures:
            if future.succeeded():
                receipt.accepted += 1
            else:
                self._failed(receipt, record, future.exception)
        return receipt

    def reset(self) -> None:
        """In a forked child: the producer and its thread belong to the parent."""
        self._producer = None

    def close(self) -> None:
        """Lets go of the broker; the next `send` connects again."""
        if self._producer is not None:
            producer, self._producer = self._producer, None
            producer.close(timeout=1.0)

    def _failed(self, receipt: Receipt, record: Record, error: Exception | None) -> None:
        problem = f"{self!r}: {type(error).__name__}: {error}" if error is not None else f"{self!r}: no acknowledgement"
        if isinstance(error, (self._kafka.errors.MessageSizeTooLargeError, self._kafka.errors.AuthorizationError)):
            receipt.refused[problem] = receipt.refused.get(problem, 0) + 1
        else:
            receipt.again.append(record)
            receipt.problem = problem


def _keep_password_out_of_logs() -> None:
    """At DEBUG kafka-python writes its settings and its requests, the password in both."""
    logger = logging.getLogger("kafka")
    if logger.getEffectiveLevel() < logging.INFO:
        logger.setLevel(logging.INFO)
