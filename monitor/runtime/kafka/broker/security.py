"""`runtime.kafka.security` as settings of the clients: the same words for kafka-python and aiokafka.

Not here: what belongs together and which files exist (`monitor.config.sections.security`), and how brokers are asked
(`connect`). Invariant: no password enters an error, a repr or a log, whatever its level.
"""

from __future__ import annotations

import logging
import ssl
from typing import Any

from schemas.config import Kafka, Security

TLS = ssl.TLSVersion.TLSv1_2
"""The oldest TLS that is spoken, as of Kafka's own clients."""


_TELL_PASSWORDS = ("kafka", "aiokafka.conn")
"""Loggers that write settings and requests at DEBUG, the password in both."""


class SecurityError(Exception):
    """A certificate or a key that cannot be used; names its setting."""


def client_settings(kafka: Kafka) -> dict[str, Any]:
    """Arguments of a client of kafka-python or aiokafka, the addresses included. Raises `SecurityError`."""
    security = kafka.security
    found: dict[str, Any] = {
        "bootstrap_servers": [address.strip() for address in kafka.bootstrap_servers.split(",")],
        "security_protocol": security.protocol,
    }
    if (context := tls_context(security)) is not None:
        found["ssl_context"] = context
    if security.authenticated:
        found["sasl_mechanism"] = security.mechanism
        found["sasl_plain_username"] = security.username
        found["sasl_plain_password"] = password_of(security)
    return found


def tls_context(security: Security) -> ssl.SSLContext | None:
    """What TLS is spoken with, or None in the open. Raises `SecurityError`."""
    if not security.encrypted:
        return None
    try:
        context = ssl.create_default_context(cafile=security.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise SecurityError(f"`runtime.kafka.security.ca_file` {security.ca_file}: {_why(error)}") from None
    context.minimum_version = TLS
    context.check_hostname = security.check_hostname
    if security.certificate_file is not None:
        _present(context, security, security.certificate_file)
    return context


def password_of(security: Security) -> str | None:
    """The password in plain, for a client's argument and nothing else; from here on the clients say less at DEBUG."""
    for logger in map(logging.getLogger, _TELL_PASSWORDS):
        if logger.getEffectiveLevel() < logging.INFO:
            logger.setLevel(logging.INFO)
    return None if security.password is None else security.password.get_secret_value()


def _present(context: ssl.SSLContext, security: Security, certificate: str) -> None:
    # A password is always given: without one OpenSSL asks at the terminal.
    password = security.key_password.get_secret_value() if security.key_password is not None else ""
    try:
        context.load_cert_chain(certificate, security.key_file, password)
    except (OSError, ssl.SSLError) as error:
        files = " and ".join(filter(None, (certificate, security.key_file)))
        raise SecurityError(
            f"`runtime.kafka.security.certificate_file` {files}: {_why(error)}. "
            "Both must be PEM and belong together; a key that is locked needs its `key_password`"
        ) from None


def _why(error: OSError | ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLError):
        return error.reason or "OpenSSL cannot read it"
    return error.strerror or str(error)
