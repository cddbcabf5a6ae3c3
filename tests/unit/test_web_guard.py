"""Who may ask: one sentence per row."""

from __future__ import annotations

import base64

import pytest

from monitor.web.guard import Guard, Refusal

TOKEN = "s3cret-tøken"
LOCAL = Guard(
    host_is_loopback=True, token=None, open_paths=frozenset(("/v1/events",)), hosts=frozenset(("watch.corp",))
)
WIDE = Guard(host_is_loopback=False, token=TOKEN, open_paths=frozenset(("/v1/events",)))


def _basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"me:{password}".encode()).decode()


@pytest.mark.parametrize(
    ("host", "refusal"),
    [
        ("127.0.0.1:4319", None),
        ("127.8.9.1", None),
        ("[::1]:4319", None),
        ("localhost:4319", None),
        ("LOCALHOST", None),
        ("forewarn.localhost:4319", None),
        ("host.docker.internal:4319", None),
        ("watch.corp", None),
        ("evil.example:4319", Refusal.FOREIGN_HOST),
        ("localhost.evil.example", Refusal.FOREIGN_HOST),
        ("127.0.0.1.evil.example", Refusal.FOREIGN_HOST),
        ("192.168.1.5:4319", Refusal.FOREIGN_HOST),
        ("me@evil.example", Refusal.FOREIGN_HOST),
        ("[::1", Refusal.FOREIGN_HOST),
        ("", Refusal.FOREIGN_HOST),
    ],
)
def test_on_loopback_the_page_answers_to_local_names_only(host: str, refusal: Refusal | None) -> None:
    for path in ("/", "/api/v1/agents", "/metrics"):
        assert LOCAL.refuse(path, host=host, origin=None, authorization=None) is refusal
    for path in ("/livez", "/readyz", "/v1/events"):
        assert LOCAL.refuse(path, host=host, origin=None, authorization=None) is None


@pytest.mark.parametrize(
    ("host", "origin", "refusal"),
    [
        ("localhost:4319", "http://localhost:4319", None),
        ("localhost:4319", "https://evil.example", Refusal.FOREIGN_ORIGIN),
        ("localhost:4319", "http://localhost:8080", Refusal.FOREIGN_ORIGIN),  # another site of this machine
        ("localhost:4319", "null", Refusal.FOREIGN_ORIGIN),  # a sandboxed frame, a file
        ("evil.example:4319", "http://evil.example:4319", Refusal.FOREIGN_ORIGIN),  # rebinding, at the intake
        ("localhost:4319", "http://[::1", Refusal.FOREIGN_ORIGIN),
    ],
)
def test_no_page_of_another_site_may_post_events(host: str, origin: str, refusal: Refusal | None) -> None:
    assert LOCAL.refuse("/v1/events", host=host, origin=origin, authorization=None) is refusal


@pytest.mark.parametrize(
    ("authorization", "refusal"),
    [
        (None, Refusal.NO_TOKEN),
        ("", Refusal.NO_TOKEN),
        ("Bearer ", Refusal.NO_TOKEN),
        (f"Digest {TOKEN}", Refusal.NO_TOKEN),
        ("Basic !!!", Refusal.NO_TOKEN),
        ("Bearer wrong", Refusal.WRONG_TOKEN),
        (f"Bearer {TOKEN}x", Refusal.WRONG_TOKEN),
        (_basic("wrong"), Refusal.WRONG_TOKEN),
        (f"Bearer {TOKEN}", None),
        (f"bearer  {TOKEN} ", None),
        (_basic(TOKEN), None),  # what a browser can send
    ],
)
def test_beyond_this_machine_everything_but_the_probes_wants_the_token(
    authorization: str | None, refusal: Refusal | None
) -> None:
    for path in ("/", "/api/v1/live", "/metrics", "/v1/events", "/static/page.js"):
        assert WIDE.refuse(path, host="monitor:4319", origin=None, authorization=authorization) is refusal
    for path in ("/livez", "/readyz", "/healthz"):
        assert WIDE.refuse(path, host="10.0.0.7", origin=None, authorization=authorization) is None


@pytest.mark.parametrize("token", [None, ""])
def test_beyond_this_machine_there_must_be_a_token(token: str | None) -> None:
    with pytest.raises(ValueError, match="needs a token"):
        Guard(host_is_loopback=False, token=token)


def test_a_token_on_loopback_is_wanted_too() -> None:
    guard = Guard(host_is_loopback=True, token=TOKEN)
    assert guard.refuse("/", host="localhost", origin=None, authorization=None) is Refusal.NO_TOKEN


def test_the_token_is_in_no_repr() -> None:
    assert TOKEN not in repr(WIDE)
