"""Rollouts on the page: canaries and shadows that go on, with their verdict, and the signals of both versions below.

Those whose verdict is `roll back` come first. What is over stays for `OVER_SECONDS`; the rest is counted and left to
the API. Every name goes through `markup.name`.
"""

from __future__ import annotations

from collections.abc import Sequence

from monitor.alerting.rollouts import words as said
from monitor.alerting.rollouts.words import STATES
from monitor.web.page import words
from monitor.web.page.markup import Markup, el, join, name, visible
from schemas.config import DAY
from schemas.news import Compared, RolloutSeen, Verdict
from schemas.view import RolloutView

SHOWN = 20
"""Rollouts on the page. More are counted and left to the API."""

SIGNALS_SHOWN = 16
"""Signals of one rollout, the worse ones first."""

EXAMPLES_SHOWN = 5
"""Pairs of runs that disagree, of one shadow."""

OVER_SECONDS = DAY
"""What is over is shown for so long."""

_ORDER: tuple[Verdict, ...] = ("roll back", "promote", "hold")
_MEANING: dict[Verdict, str] = {
    "roll back": "the new version is shown to be worse",
    "promote": "the new version is shown to be no worse",
    "hold": "not decided yet",
}
_COLUMNS = (("Rollout", None), ("Verdict", None), ("Runs", "number"), ("Still needs", "wide"), ("Began", "number wide"))
_SIGNAL_COLUMNS = (("Signal", None), ("Old → new", None), ("Difference", None), ("So far", "wide"))


def rollouts(found: Sequence[RolloutView], now: float) -> Markup:
    """The section's inside."""
    recent = [each for each in found if each.ended_at is None or now - each.ended_at < OVER_SECONDS]
    ordered = sorted(
        recent, key=lambda each: (each.ended_at is not None, _ORDER.index(each.seen.verdict), -each.seen.started)
    )
    if not ordered:
        return el("p", "No version runs as a canary or a shadow.", class_="quiet")
    hidden = len(found) - min(len(ordered), SHOWN)
    return join(
        el(
            "table",
            el("caption", "Rollouts, those to roll back first", class_="visually-hidden"),
            el("thead", el("tr", [el("th", title, scope="col", class_=kind) for title, kind in _COLUMNS])),
            [_rollout(each, now) for each in ordered[:SHOWN]],
            class_="rollouts",
        ),
        el("p", f"and {hidden:,} more: ", el("a", "/api/v1/rollouts", href="/api/v1/rollouts"), class_="more")
        if hidden > 0
        else None,
    )


def _rollout(rollout: RolloutView, now: float) -> Markup:
    seen = rollout.seen
    over = rollout.ended_at is not None
    versions = [seen.mode, " of ", name(seen.candidate), " beside ", name(seen.baseline), " · ", name(seen.owner)]
    row = el(
        "tr",
        el("th", name(seen.agent), el("span", versions, class_="under"), scope="row"),
        el("td", _verdict(seen), el("span", name(seen.ended), class_="under") if over else None),
        el("td", *_runs(seen), class_="number"),
        el("td", "nothing: over" if over else said.needed(seen), class_="wide"),
        el("td", words.ago(seen.started, now), class_="number wide"),
    )
    below = el("tr", el("td", _details(seen), colspan=len(_COLUMNS)), class_="signals")
    return el("tbody", row, below, data_key=visible(seen.id), data_state="over" if over else seen.verdict)


def _runs(seen: RolloutSeen) -> tuple[str, Markup]:
    if seen.mode == "shadow":
        return f"{seen.pairs:,}", el("span", "pairs", class_="under")
    return f"{seen.candidate_runs:,}", el("span", f"beside {seen.baseline_runs:,}", class_="under")


def _verdict(seen: RolloutSeen) -> Markup:
    mark = el("span", class_="mark", aria_hidden="true")
    return el("span", mark, seen.verdict, class_="state", data_state=seen.verdict, title=_MEANING[seen.verdict])


def _details(seen: RolloutSeen) -> Markup:
    listed = [(state, each) for state, signals in said.by_state(seen).items() for each in signals]
    hidden = len(listed) - SIGNALS_SHOWN
    agreement = said.agreement(seen)
    facts = [
        said.drawn(seen).replace("`", ""),
        f"same result in {agreement} of pairs" if agreement else "",
        f"{seen.left_out:,} runs left out that a shared incident explains" if seen.left_out else "",
    ]
    return el(
        "details",
        el("summary", name(seen.reason, "words")),
        el("p", "; ".join(fact for fact in facts if fact), class_="note"),
        el(
            "table",
            el("caption", "Signals of ", name(seen.agent), class_="visually-hidden"),
            el("thead", el("tr", [el("th", title, scope="col", class_=kind) for title, kind in _SIGNAL_COLUMNS])),
            el("tbody", [_signal(state, each) for state, each in listed[:SIGNALS_SHOWN]]),
        )
        if listed
        else None,
        el("p", f"and {hidden:,} more signals in the API", class_="more") if hidden > 0 else None,
        _examples(seen),
        open=seen.verdict == "roll back" and not seen.ended,
        data_state=seen.verdict,
    )


def _signal(state: said.State, compared: Compared) -> Markup:
    detail = el("span", name(compared.detail), class_="under") if compared.detail else None
    so_far = STATES[state].lower()
    return el(
        "tr",
        el("th", el("code", name(compared.signal)), detail, el("span", so_far, class_="under narrow"), scope="row"),
        el("td", said.levels(compared)),
        el("td", said.difference(compared)),
        el("td", so_far, class_="wide"),
        data_key=visible(compared.signal),
        data_state=state,
    )


def _examples(seen: RolloutSeen) -> Markup | None:
    if not seen.examples:
        return None
    pairs = [
        el("li", name(production, "name run"), " beside ", name(shadow, "name run"))
        for production, shadow in seen.examples[:EXAMPLES_SHOWN]
    ]
    return join(el("p", "Runs of one input that differ:", class_="label"), el("ul", pairs, class_="runs"))
