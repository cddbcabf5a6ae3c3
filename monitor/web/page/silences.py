"""Silences on the page: those that hold or will, with whom they mute, until when, and who set them.

Expired ones are left to the API. Every text goes through `markup.name`.
"""

from __future__ import annotations

from collections.abc import Sequence

from monitor.alerting.routing.matchers import matcher_of
from monitor.web.page import words
from monitor.web.page.markup import Markup, el, join, name, visible
from schemas.alert import SilenceView

SHOWN = 20
"""Silences on the page, the one that ends first at the top; the rest is counted and left to the API."""


def silences(found: Sequence[SilenceView], now: float) -> Markup:
    """The section's inside."""
    standing = sorted((each for each in found if each.status != "expired"), key=lambda each: (each.ends_at, each.id))
    if not standing:
        return el("p", "Nothing is silenced.", class_="quiet")
    columns = (("Silenced", None), ("By", None), ("Comment", "wide"), ("Ends", "number"))
    hidden = len(standing) - SHOWN
    return join(
        el(
            "table",
            el("caption", "Silences, the one that ends first at the top", class_="visually-hidden"),
            el("thead", el("tr", [el("th", title, scope="col", class_=kind) for title, kind in columns])),
            el("tbody", [_row(each, now) for each in standing[:SHOWN]]),
        ),
        el("p", f"and {hidden:,} more: ", el("a", "/api/v2/silences", href="/api/v2/silences"), class_="more")
        if hidden > 0
        else None,
    )


def _row(silence: SilenceView, now: float) -> Markup:
    matched = [[name(str(matcher_of(each))), " "] for each in silence.matchers]
    ends = f"in {words.span(float(round(max(silence.ends_at - now, 0.0))))}"
    if silence.status == "pending":
        ends = f"begins in {words.span(float(round(max(silence.starts_at - now, 0.0))))}"
    return el(
        "tr",
        el("th", join(matched), scope="row"),
        el("td", name(silence.created_by)),
        el("td", name(silence.comment), class_="wide"),
        el("td", ends, class_="number"),
        data_key=visible(silence.id),
    )
