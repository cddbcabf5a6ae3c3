"""The `changes:` section, and what may be set for the signal that it gives: names, forms, secrets that are secrets."""

from __future__ import annotations

import re

from monitor.alerting.changes.unannounced import SIGNAL
from monitor.config.document import clip
from monitor.config.meaning import Checked
from monitor.config.problem import nearest
from schemas.event import COMPONENT_KINDS

_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
SECRET_LENGTH = 16
"""Characters of a webhook's secret at least: whoever guesses it announces changes."""


def check_changes(checked: Checked) -> None:
    """Changes: a grace that can pass, a secret that nobody guesses, deployments that mean a component each."""
    place, changes = checked.section("changes"), checked.config.changes
    if "grace" in place and changes.grace <= 0.0:
        checked.at(
            place, "grace", "this must be longer than nothing; `mode: off` for `change.unannounced` tells nobody"
        )
    if changes.github is None:
        return
    holder = checked.section("changes", "github")
    if not {"secret", "secret_file"} & holder.keys_at.keys():
        checked.document.report(
            holder.span, holder.path, "whoever may announce changes must sign: this needs a `secret` (or `secret_file`)"
        )
    secret = changes.github.secret.get_secret_value() if changes.github.secret is not None else None
    if secret is not None and len(secret) < SECRET_LENGTH and "${" not in secret:
        where = "secret" if "secret" in holder.values_at else "secret_file"
        checked.at(holder, where, f"this can be guessed: a secret has {SECRET_LENGTH} characters at least")
    seen: set[tuple[str, str | None, str]] = set()
    for row, deployment in zip(holder.get("deployments", ()), changes.github.deployments, strict=True):
        kind, colon, name = deployment.component.partition(":")
        if kind not in COMPONENT_KINDS or not colon or not name.strip():
            near = nearest(kind, COMPONENT_KINDS)
            checked.at(
                row,
                "component",
                f"`{clip(deployment.component)}` names no component",
                found=clip(deployment.component),
                allowed=tuple(f"{each}:…" for each in COMPONENT_KINDS),
                suggestion=f"{near}:{name or '…'}" if near else None,
            )
        if not _REPOSITORY.fullmatch(deployment.repository):
            checked.at(row, "repository", "no repository: write `owner/name`", found=clip(deployment.repository))
        key = (deployment.repository.lower(), deployment.environment, deployment.component)
        if key in seen:
            checked.at(row, "repository", "this deployment means this component already", found=key[0])
        seen.add(key)


def check_unannounced(checked: Checked) -> None:
    """`change.unannounced` is a fact that is told or not: it has a mode below page, and nothing to measure."""
    settings = checked.config.detectors.get(SIGNAL)
    if settings is None:
        return
    place = checked.section("detectors", SIGNAL)
    if settings.mode == "page":
        checked.at(place, "mode", f"`{SIGNAL}` never pages", allowed=("notice", "digest", "off"))
    for key in place.keys_at:
        if key != "mode" and key != "reference":
            what = f"`{SIGNAL}` is a fact and measures nothing; it has a `mode`"
            checked.document.report(place.keys_at[key], (*place.path, key), what)
