"""Opens a client of kafka-python, and says why where it cannot.

kafka-python tries until its time is over and then knows only that it could not; why stands in its log, so that is read
here while it tries. What time does not heal (a password, a certificate) ends the trying.
"""

from __future__ import annotations

import contextlib
import logging
import re
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from kafka.errors import KafkaError

from monitor.runtime.kafka.broker.security import SecurityError, client_settings
from schemas.config import Kafka

Client = TypeVar("Client")

ATTEMPT_SECONDS = 3.0
"""One attempt; after it we look at what was said."""
REASON_CHARACTERS = 300

_log = logging.getLogger(__name__)
_TELLS = logging.getLogger("kafka.net.manager")
"""Where kafka-python says why a connection failed."""
_SAYS_NOTHING = re.compile(r"not ready; waiting|closed during|Bootstrap failed")
_DECORATION = re.compile(r" \(backoff [^)]*\)| \(_ssl\.c:\d+\)|\[Error \d+\] |\b(?P<name>\w+): (?=(?P=name): )")
_REMEDIES = (
    (re.compile("ertificate verify failed|CERTIFICATE_VERIFY", re.I), True,
     "Is it signed by `runtime.kafka.security.ca_file`, and does it name this address (`check_hostname`)?"),
    (re.compile("SaslAuthenticationFailed|authenticat", re.I), True,
     "Are `username`, `password` and `mechanism` of `runtime.kafka.security` right?"),
    (re.compile("UnsupportedSaslMechanism", re.I), True,
     "See `runtime.kafka.security.mechanism`"),
    (re.compile("certificate.required|bad certificate|unknown ca", re.I), True,
     "The broker wants a certificate of ours that it knows: see `runtime.kafka.security.certificate_file`"),
    (re.compile("refused|unreachable|resol|Errno", re.I), False,
     "Is the broker running, and is this its address?"),
)  # fmt: skip
"""What is said, whether time does not heal it, and what to look at."""


class CannotConnect(Exception):
    """The brokers cannot be asked; the message says where, as whom, why, and what to look at."""


def connect(client: Callable[..., Client], kafka: Kafka, *, patience_seconds: float, **settings: Any) -> Client:
    """A client that has reached the brokers. Raises `CannotConnect`."""
    try:
        given = client_settings(kafka)
    except SecurityError as error:
        raise CannotConnect(str(error)) from None
    deadline = time.monotonic() + patience_seconds
    told = False
    with _listening() as heard:
        while True:
            # A client that failed leaves its thread behind until the process ends: `patience` / `attempt` of them.
            attempt = min(ATTEMPT_SECONDS, patience_seconds)
            try:
                return client(**given, bootstrap_timeout_ms=int(attempt * 1000), **settings)
            except (KafkaError, OSError, ValueError) as error:
                heard.append(f"{type(error).__name__}: {error}")
            why, final, look = _reason(heard, kafka)
            if final or time.monotonic() >= deadline:
                raise CannotConnect(
                    f"{described(kafka)} does not answer: {why[:REASON_CHARACTERS].rstrip('.')}. {look}"
                )
            if not told:
                told = True
                _log.warning("%s does not answer yet: %s; trying for %.0f s", described(kafka), why, patience_seconds)
            heard.clear()


def described(kafka: Kafka) -> str:
    """Where and as whom the brokers are asked, for an error."""
    where, security = f"Kafka at {kafka.bootstrap_servers}", kafka.security
    user = f" as {security.username!r} by {security.mechanism}" if security.authenticated else ""
    return f"{where} ({security.protocol}{user})"


def refusal(error: KafkaError) -> str:
    """What the broker said, without the whole of request and response."""
    said = re.search(r"error_message='([^']+)'|error_message=\"([^\"]+)\"", str(error))
    what = (said[1] or said[2]) if said else str(error)[:REASON_CHARACTERS]
    return f"{type(error).__name__}: {what.rstrip('.')}"


def _reason(heard: list[str], kafka: Kafka) -> tuple[str, bool, str]:
    """Of all that was said: the worst; whether time does not heal it; what to look at."""
    for pattern, final, look in _REMEDIES:
        for why in heard:
            if pattern.search(why):
                return why, final, look
    look = f"Does this port speak {kafka.security.protocol} (`runtime.kafka.security.protocol`)?"
    if kafka.security.authenticated:  # a broker may hang up before what it said of the password was read
        look += " Are `username`, `password` and `mechanism` right?"
    return heard[0], False, look


@contextlib.contextmanager
def _listening() -> Iterator[list[str]]:
    """What kafka-python says meanwhile of connections that fail, whatever the level of the log."""
    heard: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if not _SAYS_NOTHING.search(text := record.getMessage()):
                heard.append(_DECORATION.sub("", text.partition(" failed: ")[2] or text))

    ear, before, passed_on = Ear(logging.WARNING), _TELLS.level, _TELLS.propagate
    _TELLS.setLevel(logging.WARNING)
    _TELLS.propagate = False  # the reason is told once, by us
    _TELLS.addHandler(ear)
    try:
        yield heard
    finally:
        _TELLS.removeHandler(ear)
        _TELLS.setLevel(before)
        _TELLS.propagate = passed_on
