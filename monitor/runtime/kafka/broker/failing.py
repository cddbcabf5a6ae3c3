"""What ended the worker, in words: whose doing it is, and what to do."""

from __future__ import annotations

from aiokafka.errors import KafkaError
from faust.exceptions import ProducerSendError

from monitor.runtime.kafka.broker.faust_app import DELIVERY_SECONDS
from monitor.runtime.kafka.cluster.disk import StateInUse
from monitor.runtime.kafka.cluster.floods import DeadLetterFlood

CLEAR = (DeadLetterFlood, StateInUse)
"""They say all there is to say."""
BROKER = (KafkaError, ProducerSendError, TimeoutError)
"""The broker's doing: a traceback says nothing more."""


def words_of(error: BaseException | None, where: str, heard: str) -> str:
    """What ended the worker. `where`: the brokers; `heard`: why they could not be reached last, if they could not."""
    if isinstance(error, ProducerSendError) and error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, TimeoutError) or (isinstance(error, KafkaError) and error.retriable):
        return (
            f"{where} did not take what was to be written within {DELIVERY_SECONDS:.0f} s: {heard or repr(error)}. "
            "Nothing that was committed is lost; start the monitor again when the broker is back"
        )
    return str(error) if isinstance(error, CLEAR) else repr(error)
