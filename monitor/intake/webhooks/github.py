"""GitHub's `deployment_status` as `change` events: is it signed, which components does it mean, which version is live.

Reads, never answers: the HTTP is in `routes`. Only a deployment that succeeded is a change. Which repository and
environment mean which component stands in the YAML (`changes.github.deployments`); nothing is guessed. Everything in
the body is foreign and bounded, also where it is signed.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any, Literal, get_args

import msgspec

from schemas import limits
from schemas.config import Deployment
from schemas.event import Event, Stage

SIGNATURE = "X-Hub-Signature-256"
KIND = "X-GitHub-Event"
SHORT_SHA = 7
"""Characters of a commit that `version: short_sha` keeps."""
URL_LENGTH = 2048
"""Characters of a link. A longer one is left out."""

Outcome = Literal["taken", "ignored", "unmapped", "unreadable"]


@dataclass(frozen=True)
class Read:
    """What a delivery came to: events, or a sentence that says why there are none."""

    outcome: Outcome
    message: str
    events: Sequence[Event] = field(default=())


def is_signed(secret: str, body: bytes, signature: str | None) -> bool:
    """Whether GitHub signed the raw body with the secret; compared in constant time."""
    expected = "sha256=" + hmac.new(secret.encode(), body, sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), (signature or "").encode("utf-8", "surrogateescape"))


def read(kind: str, body: bytes, deployments: Sequence[Deployment], received: float) -> Read:
    """What a signed delivery says. `kind`: the `X-GitHub-Event`; `received`: epoch seconds, where it names no time."""
    if kind == "ping":
        return Read("ignored", "pong: signed with the right secret; `deployment_status` is what is read")
    if kind != "deployment_status":
        return Read("ignored", f"event {kind[:80]!r} tells of no deployment; `deployment_status` does")
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Read("unreadable", f"no JSON: {error}; set the webhook's content type to application/json")
    status, deployment, repository = (
        _section(found, name) for name in ("deployment_status", "deployment", "repository")
    )
    name, environment = _text(repository, "full_name"), _text(deployment, "environment")
    number = deployment.get("id")
    if not name or not environment or not isinstance(number, int):
        return Read("unreadable", "no `repository.full_name`, `deployment.environment` or `deployment.id`")
    if (state := _text(status, "state")) != "success":
        return Read("ignored", f"state {state[:40]!r}: a deployment is a change once it is a `success`")
    rows = [row for row in deployments if _means(row, name, environment)]
    if not rows:
        return Read(
            "unmapped",
            f"no component is mapped to {name}, environment {environment}; add to changes.github.deployments: "
            f'{{repository: {name}, environment: {environment}, component: "agent:…"}}',
        )
    made = [_event(row, found, status, deployment, f"github-{number}", received) for row in rows]
    events = [event for event in made if event is not None]
    if not events:
        return Read("unreadable", "the deployment has no `sha` or `ref` that could be a version")
    told = ", ".join(f"{event.component} {event.version}" for event in events)
    return Read("taken", f"taken: {told}", events)


def _event(
    row: Deployment,
    found: dict[str, Any],
    status: dict[str, Any],
    deployment: dict[str, Any],
    name: str,
    received: float,
) -> Event | None:
    payload = _section(deployment, "payload")
    sha, ref = _text(deployment, "sha"), _text(deployment, "ref")
    version = _text(payload, "version") or {"sha": sha, "short_sha": sha[:SHORT_SHA], "ref": ref}[row.version]
    if not version:
        return None
    stage: Stage = row.stage
    if (wanted := _text(payload, "stage")) in get_args(Stage):
        stage = wanted  # type: ignore[assignment]
    author = _text(_section(deployment, "creator"), "login") or _text(_section(found, "sender"), "login")
    links = [_text(status, "target_url"), _text(status, "log_url"), _text(_section(found, "repository"), "html_url")]
    link = next((each for each in links if each.startswith(("https://", "http://")) and len(each) <= URL_LENGTH), None)
    return Event(
        kind="change",
        time=_time(status, received),
        id=f"{name}-{row.component}-{stage}"[: limits.NAME_LENGTH],
        producer="github",
        component=row.component,
        version=version,
        stage=stage,
        share=row.share,
        author=author or None,
        url=link,
    )


def _means(row: Deployment, repository: str, environment: str) -> bool:
    here = row.repository.lower() == repository.lower()
    return here and (row.environment is None or row.environment.lower() == environment.lower())


def _section(value: Any, name: str) -> dict[str, Any]:
    found = value.get(name) if isinstance(value, dict) else None
    if isinstance(found, str) and name == "payload":  # GitHub passes on a text that was given as one
        try:
            found = msgspec.json.decode(found)
        except (msgspec.DecodeError, RecursionError):
            return {}
    return found if isinstance(found, dict) else {}


def _text(section: dict[str, Any], name: str) -> str:
    value = section.get(name)
    return value[: limits.NAME_LENGTH] if isinstance(value, str) else ""


def _time(status: dict[str, Any], received: float) -> float:
    text = _text(status, "created_at")
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return received
    return at.timestamp() if at.tzinfo is not None else received
