"""What the API shows, in Alertmanager's JSON: names, order and times as its clients expect them.

Invariant: every time is RFC 3339 in UTC with milliseconds; a field that its clients read unasked is always there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from schemas.alert import AlertView, GroupView, SilenceView

LATEST = 253_402_300_799.0
"""The last second of the year 9999; what lies beyond is shown as it."""

_ORDER = {"active": 0, "pending": 1, "expired": 2}


def moment(at: float) -> str:
    """Epoch seconds → `2026-10-09T08:53:20.000Z`."""
    found = datetime.fromtimestamp(min(max(at, 0.0), LATEST), UTC)
    return f"{found:%Y-%m-%dT%H:%M:%S}.{found.microsecond // 1000:03d}Z"


def alert(view: AlertView, open_end: float) -> dict[str, Any]:
    """One alert. `open_end`: what stands for an end that nobody has set, epoch seconds."""
    return {
        "annotations": view.annotations,
        "endsAt": moment(view.ends_at if view.ends_at is not None else open_end),
        "fingerprint": view.fingerprint,
        "receivers": [{"name": name} for name in view.receivers],
        "startsAt": moment(view.starts_at),
        "status": {
            "inhibitedBy": view.inhibited_by,
            "mutedBy": view.muted_by,
            "silencedBy": view.silenced_by,
            "state": view.state,
        },
        "updatedAt": moment(view.updated_at),
        "generatorURL": view.generator_url,
        "labels": view.labels,
    }


def alerts(views: Iterable[AlertView], open_end: float) -> list[dict[str, Any]]:
    """Alerts in the order of their fingerprints."""
    return [alert(view, open_end) for view in sorted(views, key=lambda view: view.fingerprint)]


def groups(found: Iterable[tuple[GroupView, Sequence[AlertView]]], open_end: float) -> list[dict[str, Any]]:
    """Groups with those of their alerts that are to be shown, by labels and receiver."""
    ordered = sorted(found, key=lambda each: (sorted(each[0].labels.items()), each[0].receiver, each[0].key))
    return [
        {
            "alerts": alerts(shown, open_end),
            "labels": group.labels,
            "receiver": {"name": group.receiver},
        }
        for group, shown in ordered
    ]


def silence(view: SilenceView) -> dict[str, Any]:
    """One silence."""
    return {
        "id": view.id,
        "status": {"state": view.status},
        "updatedAt": moment(view.updated_at),
        "comment": view.comment,
        "createdBy": view.created_by,
        "endsAt": moment(view.ends_at),
        "matchers": [
            {"isEqual": each.is_equal, "isRegex": each.is_regex, "name": each.name, "value": each.value}
            for each in view.matchers
        ],
        "startsAt": moment(view.starts_at),
    }


def silences(views: Iterable[SilenceView]) -> list[dict[str, Any]]:
    """Active ones by their end, pending ones by their start, expired ones the latest first."""
    return [silence(view) for view in sorted(views, key=_place)]


def _place(view: SilenceView) -> tuple[int, float, str]:
    at = {"active": view.ends_at, "pending": view.starts_at, "expired": -view.ends_at}[view.status]
    return _ORDER[view.status], at, view.id
