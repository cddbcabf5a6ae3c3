"""Tells Forewarn what an agent does. See `Emitter`."""

from forewarn.emitter import Emitter
from forewarn.http_transport import HttpTransport
from forewarn.kafka_transport import KafkaTransport
from forewarn.record import Misuse
from forewarn.run import Run, current_run
from forewarn.transport import MemoryTransport, Receipt, Record, Transport

__all__ = [
    "Emitter",
    "HttpTransport",
    "KafkaTransport",
    "MemoryTransport",
    "Misuse",
    "Receipt",
    "Record",
    "Run",
    "Transport",
    "current_run",
]
