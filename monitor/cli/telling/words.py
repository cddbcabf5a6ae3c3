"""Lines for a person: times, labels, and what `replay --against` found. Text of agents is made plain here."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from monitor.alerting.headline import span_text
from monitor.cli.telling.difference import TITLE_LENGTH, Difference, title
from monitor.notify.redact import name as harmless
from schemas.alert import Incident, Notification

SHOWN = 50
"""Differences of each sort that a person is shown; `--json` has all of them."""
_SIGNS = {"only here": "-", "only there": "+", "changed": "~"}


def when(at: float) -> str:
    """A moment in UTC."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at))


def rfc3339(at: float) -> str:
    """A moment as Alertmanager's API takes it."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def labels_text(labels: Mapping[str, str]) -> str:
    """`name=value` in the order of the names, as amtool shows them."""
    return " ".join(harmless(f"{name}={value}") for name, value in sorted(labels.items()))


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns as wide as their widest cell; the last one is as long as it is."""
    widths = [max(len(cell) for cell in column) for column in zip(heads, *rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in (heads, *rows)
    ]


def differences(
    opened: Sequence[Difference[Incident]], said: Sequence[Difference[Notification]], here: str, there: str
) -> list[str]:
    """What differs, for a person: `-` is told here alone, `+` there alone, `~` is told otherwise."""
    lines: list[str] = []
    for what, found in (("incidents", opened), ("notifications", said)):
        if found:
            lines.append(what)
            lines += [_line(each, here, there) for each in found[:SHOWN]]
            lines += [f"  … and {len(found) - SHOWN} more (--json has them)"] if len(found) > SHOWN else []
    counted = [_many(len(found), noun) for found, noun in ((opened, "incident"), (said, "notification")) if found]
    verdict = f"{' and '.join(counted)} differ" if counted else "no difference"
    return [*lines, f"{here} against {there}: {verdict}"]


def _line(found: Difference[Any], here: str, there: str) -> str:
    one = found.here if found.here is not None else found.there
    assert one is not None
    at = one.opened_at if isinstance(one, Incident) else one.time
    place = (
        f" to {harmless(one.receiver)}, {one.reason}"
        if isinstance(one, Notification)
        else f" {one.severity} of {harmless(one.owner)}"
    )
    head = f"  {_SIGNS[found.kind]} {when(at)}{place}: {harmless(title(one), TITLE_LENGTH)}"
    if found.kind != "changed":
        return f"{head} (only in {here if found.there is None else there})"
    return f"{head} ({'; '.join(_change(each.name, each.here, each.there) for each in found.changes)})"


def _change(name: str, here: Any, there: Any) -> str:
    if isinstance(here, float) and isinstance(there, float):
        return f"{name} {span_text(abs(there - here))} {'later' if there > here else 'earlier'}"
    if name == "resolved":
        return "not resolved" if there is None else "resolved"
    if name == "mention":
        return "with a mention" if there else "without a mention"
    return f"{name} {harmless(str(here))} → {harmless(str(there))}"


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
