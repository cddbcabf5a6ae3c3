"""What of a foreign text is shown: a row per kind of secret, and what must survive."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.notify.redact import name, redact

# Written in two halves, so that no scanner takes the examples for leaked secrets.
HIDDEN = [
    ("a mail address", "ask anna.m+x@example.co.uk now", "ask [mail] now"),
    ("a phone number with country code", "call +49 170 1234567 now", "call [phone] now"),
    ("a national phone number", "call 0170 1234567", "call [phone]"),
    ("a small number, which is none", "median 0.000269 s, was 0.000322 s", "median 0.000269 s, was 0.000322 s"),
    ("an American phone number", "call (555) 123-4567", "call [phone]"),
    ("a card that passes Luhn", "card 4111 1111 1111 1111 declined", "card [card] declined"),
    ("a card without blanks", "card 5500005555555559", "card [card]"),
    ("an IBAN", "to DE89 3704 0044 0532 0130 00 please", "to [iban] please"),
    ("an IBAN without blanks", "GB82WEST12345698765432", "[iban]"),
    ("an OpenAI key", "key sk-" + "proj-abcDEF123456789", "key [key]"),
    ("a GitHub token", "gh" + "p_abcdefghijklmnopqrstuvwxyz012345", "[key]"),
    ("a Slack token", "xox" + "b-1234567890-abcdef", "[key]"),
    ("an AWS key id", "AKIA" + "IOSFODNN7EXAMPLE", "[key]"),
    ("a bearer header", "Authorization: Bearer abc.def-123456", "Authorization: [key]"),
    ("a password in a sentence", 'password="hunter2!" wrong', '[key]" wrong'),
    ("credentials in a URL", "postgres://user:pa55@db:5432/x", "postgres://[key]@db:5432/x"),
    ("a JWT", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln-_x", "[token]"),
    ("a JWT that was cut", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIi", "[token]"),
    ("a private key", "-----BEGIN RSA PRIVATE KEY----- MIIE", "[key]"),
]


@pytest.mark.parametrize(("why", "text", "shown"), HIDDEN, ids=[row[0] for row in HIDDEN])
def test_hidden(why: str, text: str, shown: str) -> None:
    assert redact(text) == shown, why


KEPT = [
    ("an order number", "order 4111111111111112 not found"),
    ("an amount", "refund of 1234.56 EUR failed"),
    ("a date", "2025-10-09 08:53:20"),
    ("a UUID", "550e8400-e29b-41d4-a716-446655440000"),
    ("a status", "HTTP 503 after 30000 ms"),
    ("an address", "10.0.0.1:8080 refused"),
    ("an exception", "ValueError: order_id must be an integer"),
]


@pytest.mark.parametrize(("why", "text"), KEPT, ids=[row[0] for row in KEPT])
def test_kept(why: str, text: str) -> None:
    assert redact(text) == text, why


HARMLESS = [
    ("line breaks become blanks", "a\nb\r\n\tc", "a b c"),
    ("control characters go", "a\x00\x1b[31mb\x7f", "a[31mb"),
    ("right-to-left overrides go", "abc\u202egpj.exe\u2066", "abcgpj.exe"),
    ("zero width goes", "pay\u200bpal\ufeff\u2060", "paypal"),
    ("stacked marks are cut", "z" + "\u0301" * 50, "z\u0301\u0301"),
    ("letters of any script stay", "größe 退款 возврат استرداد", "größe 退款 возврат استرداد"),
]


@pytest.mark.parametrize(("why", "text", "shown"), HARMLESS, ids=[row[0] for row in HARMLESS])
def test_harmless(why: str, text: str, shown: str) -> None:
    assert redact(text) == shown, why


def test_five_megabytes_are_cut_before_they_are_read() -> None:
    assert redact("a" * 5_000_000) == "a" * 199 + "…"


def test_a_secret_at_the_cut_is_not_shown_in_part() -> None:
    filler = "eyJ" + "a" * 990
    assert "hunter" not in redact(f"{filler} password=hunter2hunter2hunter2hunter2hunter2")


def test_names_keep_their_digits() -> None:
    assert name("run-0170 1234567-4111111111111111") == "run-0170 1234567-4111111111111111"
    assert name("run of anna@example.com") == "run of [mail]"


@given(st.text(max_size=3000), st.integers(0, 200))
def test_whatever_comes_in_is_one_short_harmless_line(text: str, limit: int) -> None:
    shown = redact(text, limit)
    assert len(shown) <= limit
    assert not [each for each in shown if unicodedata.category(each) in ("Cc", "Cf", "Cs", "Zl", "Zp")]
