"""Why brokers cannot be asked, in words: what kafka-python says in its log, as a table; and what a client is given."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path
from typing import Any

import pytest
from kafka.errors import KafkaTimeoutError, TopicAuthorizationFailedError

from monitor.runtime.kafka.broker import connect as connecting
from monitor.runtime.kafka.broker.connect import CannotConnect, connect, described, refusal
from monitor.runtime.kafka.broker.security import SecurityError, client_settings, tls_context
from schemas.config import Kafka, Security

PASSWORD = "a-secret-password"
SASL = {"protocol": "SASL_SSL", "mechanism": "PLAIN", "username": "u", "password": PASSWORD}


def kafka(**security: Any) -> Kafka:
    return Kafka.model_validate({"bootstrap_servers": "k1:9093, k2:9093", "security": security})


SAID = [
    ("KafkaConnectionError: Handshake failed: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed "
     "certificate (_ssl.c:1006) (backoff 0.05 secs)", True, "self-signed certificate. Is it signed by"),
    ("[Error 58] SaslAuthenticationFailedError: SaslAuthenticationFailedError: Invalid username or password", True,
     "does not answer: SaslAuthenticationFailedError: Invalid username or password. Are `username`"),
    ("UnsupportedSaslMechanismError: Kafka broker does not support PLAIN", True, "See `runtime.kafka.security.mech"),
    ("KafkaConnectionError: [SSL: SSLV3_ALERT_BAD_CERTIFICATE] sslv3 alert bad certificate", True, "certificate_file"),
    ("KafkaConnectionError: 111 ECONNREFUSED (backoff 1.0 secs)", False, "111 ECONNREFUSED. Is the broker running"),
    ("KafkaConnectionError: DNS Resolution failure", False, "is this its address?"),
    ("KafkaConnectionError: socket disconnected", False, "Does this port speak SASL_SSL"),
]  # fmt: skip


@pytest.mark.parametrize(("said", "final", "words"), SAID, ids=[row[2] for row in SAID])
def test_what_is_said_becomes_a_remedy_and_an_end(said: str, final: bool, words: str) -> None:
    tried = []

    def client(**settings: Any) -> None:
        tried.append(settings)
        logging.getLogger("kafka.net.manager").warning("Bootstrap connection to %s failed: %s", "bootstrap-0", said)
        raise KafkaTimeoutError("Unable to bootstrap")

    with pytest.raises(CannotConnect) as caught:
        connect(client, kafka(**SASL), patience_seconds=0.02 if not final else 60.0, client_id="x")
    assert words in str(caught.value), str(caught.value)
    assert str(caught.value).startswith("Kafka at k1:9093, k2:9093 (SASL_SSL as 'u' by PLAIN) does not answer: ")
    assert PASSWORD not in str(caught.value)
    assert (len(tried) == 1) == final
    assert tried[0]["client_id"] == "x" and tried[0]["sasl_plain_password"] == PASSWORD


def test_who_waits_is_told_once_for_what(caplog: pytest.LogCaptureFixture) -> None:
    tries = iter((KafkaTimeoutError("no"), KafkaTimeoutError("no"), None))

    def client(**_: Any) -> int:
        if (error := next(tries)) is not None:
            raise error
        return 7

    with caplog.at_level(logging.WARNING):
        assert connect(client, kafka(), patience_seconds=60.0) == 7
    said = [record.getMessage() for record in caplog.records if record.name == connecting.__name__]
    assert len(said) == 1 and said[0].endswith("trying for 60 s"), said
    assert said[0].startswith("Kafka at k1:9093, k2:9093 (PLAINTEXT) does not answer yet: ")


def test_a_reason_that_time_does_not_heal_is_heard_among_others() -> None:
    heard = ["KafkaConnectionError: 111 ECONNREFUSED", "SaslAuthenticationFailedError: no"]
    assert connecting._reason(heard, kafka(**SASL))[:2] == (heard[1], True)


def test_the_loggers_are_left_as_they_were() -> None:
    logger = logging.getLogger("kafka.net.manager")
    before = (logger.level, logger.propagate, list(logger.handlers))
    assert connect(lambda **_: 7, kafka(), patience_seconds=1.0) == 7
    assert (logger.level, logger.propagate, list(logger.handlers)) == before


def test_clients_are_given_what_the_protocol_needs_and_no_more() -> None:
    assert client_settings(kafka()) == {
        "bootstrap_servers": ["k1:9093", "k2:9093"], "security_protocol": "PLAINTEXT",
    }  # fmt: skip
    given = client_settings(kafka(**SASL))
    assert isinstance(given.pop("ssl_context"), ssl.SSLContext)
    assert given["sasl_mechanism"] == "PLAIN" and given["sasl_plain_username"] == "u"
    assert "ssl_context" not in client_settings(kafka(**{**SASL, "protocol": "SASL_PLAINTEXT"}))
    assert described(kafka()) == "Kafka at k1:9093, k2:9093 (PLAINTEXT)"


def test_a_password_makes_the_clients_say_less() -> None:
    for name in ("kafka", "aiokafka.conn"):
        logger = logging.getLogger(name)
        before = logger.level
        logger.setLevel(logging.DEBUG)
        try:
            client_settings(kafka())
            assert logger.level == logging.DEBUG
            client_settings(kafka(**SASL))
            assert logger.level == logging.INFO
        finally:
            logger.setLevel(before)


def test_tls_believes_and_checks_unless_told_otherwise(tmp_path: Path) -> None:
    context = tls_context(Security(protocol="SSL"))
    assert context is not None
    assert context.verify_mode is ssl.CERT_REQUIRED and context.check_hostname
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    lax = tls_context(Security(protocol="SSL", check_hostname=False))
    assert lax is not None and lax.verify_mode is ssl.CERT_REQUIRED and not lax.check_hostname
    assert tls_context(Security()) is None
    (tmp_path / "x.pem").write_text("no certificate")
    for key in ("ca_file", "certificate_file"):
        with pytest.raises(SecurityError, match=rf"`runtime\.kafka\.security\.{key}` .*x\.pem"):
            tls_context(Security.model_validate({"protocol": "SSL", key: str(tmp_path / "x.pem")}))


def test_no_secret_is_in_a_repr() -> None:
    security = Security.model_validate({**SASL, "key_password": PASSWORD})
    assert PASSWORD not in repr(security) + str(security) + repr(kafka(**SASL))


def test_a_refusal_is_short() -> None:
    long = TopicAuthorizationFailedError(f"Request '{'x' * 900}' failed with '(error_message='Authorization failed.')'")
    assert refusal(long) == "TopicAuthorizationFailedError: Authorization failed"
    assert len(refusal(KafkaTimeoutError("y" * 900))) < 400
