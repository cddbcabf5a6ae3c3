"""Lines and JSON for what `replay --against` counted per owner, and for its limits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from monitor.alerting.headline import span_text
from monitor.cli.judging.backtest import OwnerRow, Told, Verdict
from monitor.cli.telling.words import table
from monitor.notify.redact import name as harmless

WHAT_LENGTH = 400
"""Characters of what was found about one limit."""


def owners(rows: Sequence[OwnerRow]) -> list[str]:
    """A table: what each owner gets before → after."""
    if not rows:
        return []
    return table(
        ("OWNER", "PAGES", "NOTICES", "CAUGHT", "LOST", "NEW", "LEAD", "BEFORE COMPLAINTS", "MISSED"),
        [
            (harmless(row.owner), _change(*row.pages), _change(*row.notices), f"{len(row.caught)}", f"{len(row.lost)}",
             f"{len(row.new)}", _lead(row), _complaints(row), _change(*row.missed))
            for row in rows
        ],
    )  # fmt: skip


def limits(verdicts: Sequence[Verdict], file: str) -> list[str]:
    """Each limit, whether it is kept, and what was found."""
    rows = [
        ("  ok" if each.kept else "  BROKEN", harmless(each.limit), harmless(each.what, WHAT_LENGTH))
        for each in verdicts
    ]
    broken = sum(not each.kept for each in verdicts)
    kept = len(verdicts) - broken
    said = f"{kept} {'limit' if kept == 1 else 'limits'} kept, {broken} broken"
    body = table(("", "", ""), rows)[1:] if rows else []
    return [f"limits of {file}", *body, said]


def owner_line(row: OwnerRow) -> dict[str, Any]:
    """The JSON line of one owner."""
    return {
        "type": "owner",
        "owner": row.owner,
        "pages": list(row.pages),
        "notices": list(row.notices),
        "caught": [
            {"here": _plain(each.here), "there": _plain(each.there), "later_seconds": each.later} for each in row.caught
        ],
        "lost": [_plain(each) for each in row.lost],
        "new": [_plain(each) for each in row.new],
        "missed": list(row.missed),
    }


def limit_line(verdict: Verdict) -> dict[str, Any]:
    """The JSON line of one limit."""
    return {"type": "limit", "limit": verdict.limit, "kept": verdict.kept, "what": verdict.what}


def _change(before: int, after: int) -> str:
    return f"{before}" if before == after else f"{before} → {after}"


def _lead(row: OwnerRow) -> str:
    """How much later or earlier what both page opens, at worst."""
    if (latest := row.latest) is None:
        return "-"
    if abs(latest) < 1.0:
        return "same"
    return f"{span_text(abs(latest))} {'later' if latest > 0.0 else 'earlier'}"


def _complaints(row: OwnerRow) -> str:
    """The shortest lead before the first complaint, in both; `-` where nobody complained."""
    here = _leads([*(pair.here for pair in row.caught), *row.lost])
    there = _leads([*(pair.there for pair in row.caught), *row.new])
    if not here and not there:
        return "-"
    return " → ".join(_signed(min(side)) if side else "none" for side in (here, there))


def _leads(heard: Sequence[Told]) -> list[float]:
    return [each.complained_at - each.at for each in heard if each.complained_at is not None]


def _signed(lead: float) -> str:
    return span_text(lead) if lead >= 0.0 else f"{span_text(-lead)} late"


def _plain(heard: Told) -> dict[str, Any]:
    return {
        "incident": heard.id,
        "owner": heard.owner,
        "time": heard.at,
        "onset": heard.onset,
        "complained_at": heard.complained_at,
        "title": heard.title,
    }
