"""Who may ask, and for what: one sentence per row."""

from __future__ import annotations

import base64

import pytest

from monitor.web.guard import Caller, Guard, Key, Refusal
from schemas.config import Role

TOKEN = "s3cret-tøken"
ALL = Caller("token")
EMITS = Caller("checkout", frozenset(("emit",)))
READS = Caller("grafana", frozenset(("read",)))
ACTS = Caller("ops", frozenset(("read", "act")))
KEYS = (Key(TOKEN, ALL), Key("e", EMITS), Key("r", READS), Key("a", ACTS))
INTAKE = frozenset(("/v1/events",))
LOCAL = Guard(host_is_loopback=True, open_paths=INTAKE, hosts=frozenset(("watch.corp",)))
WIDE = Guard(host_is_loopback=False, keys=KEYS, open_paths=INTAKE)


def _basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"me:{password}".encode()).decode()


def judge(
    guard: Guard,
    path: str,
    method: str = "GET",
    host: str = "localhost:4319",
    origin: str | None = None,
    authorization: str | None = None,
) -> Refusal | Caller:
    return guard.judge(method, path, host=host, origin=origin, authorization=authorization)


def refusal(*given: object, **named: object) -> Refusal | None:
    verdict = judge(*given, **named)  # type: ignore[arg-type]
    return verdict if isinstance(verdict, Refusal) else None


@pytest.mark.parametrize(
    ("host", "why"),
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
def test_on_loopback_the_page_answers_to_local_names_only(host: str, why: Refusal | None) -> None:
    for path in ("/", "/api/v1/agents", "/api/v2/alerts", "/metrics"):
        assert refusal(LOCAL, path, host=host) is why
    for path in ("/api/v1/act", "/api/v2/silences", "/-/reload"):
        assert refusal(LOCAL, path, "POST", host=host) is why
    for path in ("/livez", "/readyz", "/-/healthy", "/-/ready"):
        assert refusal(LOCAL, path, host=host) is None
    for path in ("/v1/events", "/api/v2/alerts"):  # what emits
        assert refusal(LOCAL, path, "POST", host=host) is None


@pytest.mark.parametrize(
    ("host", "origin", "why"),
    [
        ("localhost:4319", "http://localhost:4319", None),
        ("localhost:4319", "https://evil.example", Refusal.FOREIGN_ORIGIN),
        ("localhost:4319", "http://localhost:8080", Refusal.FOREIGN_ORIGIN),  # another site of this machine
        ("localhost:4319", "null", Refusal.FOREIGN_ORIGIN),  # a sandboxed frame, a file
        ("evil.example:4319", "http://evil.example:4319", Refusal.FOREIGN_ORIGIN),  # rebinding, at the intake
        ("localhost:4319", "http://[::1", Refusal.FOREIGN_ORIGIN),
    ],
)
@pytest.mark.parametrize("path", ["/v1/events", "/api/v2/alerts", "/api/v2/silences", "/api/v1/act", "/-/reload"])
def test_no_page_of_another_site_may_send_or_act(path: str, host: str, origin: str, why: Refusal | None) -> None:
    assert refusal(LOCAL, path, "POST", host=host, origin=origin) is why


@pytest.mark.parametrize(
    ("authorization", "why"),
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
def test_beyond_this_machine_everything_but_the_probes_wants_a_token(
    authorization: str | None, why: Refusal | None
) -> None:
    for path in ("/", "/api/v1/live", "/metrics", "/v1/events", "/static/page.js", "/api/v2/status"):
        assert refusal(WIDE, path, host="monitor:4319", authorization=authorization) is why
    for path in ("/livez", "/readyz", "/healthz", "/-/healthy", "/-/ready"):
        assert refusal(WIDE, path, host="10.0.0.7", authorization=authorization) is None
        assert refusal(WIDE, path, "POST", host="10.0.0.7") is Refusal.NO_TOKEN


@pytest.mark.parametrize(
    ("method", "path", "role"),
    [
        ("POST", "/v1/events", "emit"),
        ("POST", "/api/v2/alerts", "emit"),  # Prometheus is a sender
        ("GET", "/api/v2/alerts", "read"),
        ("HEAD", "/", "read"),
        ("GET", "/metrics", "read"),
        ("GET", "/api/v1/decisions", "read"),
        ("POST", "/api/v2/silences", "act"),
        ("DELETE", "/api/v2/silence/x", "act"),
        ("POST", "/api/v1/act", "act"),
        ("POST", "/-/reload", "act"),
        ("PUT", "/-/reload", "act"),
        ("PATCH", "/unknown", "act"),  # what nobody thought of needs the most
    ],
)
def test_what_a_request_needs_is_what_its_token_must_open(method: str, path: str, role: Role) -> None:
    assert WIDE.role_for(method, path) == role
    for key in KEYS:
        verdict = judge(WIDE, path, method, host="monitor", authorization=f"Bearer {key.secret}")
        assert verdict == (key.caller if role in key.caller.roles else Refusal.MISSING_ROLE)


def test_without_tokens_a_caller_on_this_machine_may_do_all_and_has_no_name() -> None:
    assert judge(LOCAL, "/api/v1/act", "POST") == Caller("", frozenset(("emit", "read", "act")))


def test_a_probe_opens_nothing() -> None:
    assert judge(WIDE, "/livez", host="x") == Caller(roles=frozenset())


@pytest.mark.parametrize("keys", [(), (Key("", ALL),)])
def test_beyond_this_machine_there_must_be_a_token_that_is_one(keys: tuple[Key, ...]) -> None:
    with pytest.raises(ValueError, match="token"):
        Guard(host_is_loopback=False, keys=keys)


def test_a_token_on_loopback_is_wanted_too() -> None:
    guard = Guard(host_is_loopback=True, keys=KEYS)
    assert refusal(guard, "/", host="localhost") is Refusal.NO_TOKEN


def test_no_token_is_in_a_repr() -> None:
    assert TOKEN not in repr(WIDE) + repr(KEYS[0])
    assert "grafana" in repr(WIDE)
