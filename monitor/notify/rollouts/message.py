"""A rollout as a message for a person: what to do, why, how both versions do, and what a verdict still needs.

Pure, in no medium yet. It rings nobody and has no buttons: who promotes or rolls back is the one who deploys. Names are
made harmless here, nothing is escaped.
"""

from __future__ import annotations

from monitor.alerting.rollouts import words
from monitor.alerting.rollouts.words import STATES
from monitor.notify.message import TIMELINE, TITLE_LENGTH, Fact, Listed, Message, RunLink, happened, run_link
from monitor.notify.redact import name, redact
from schemas.alert import Notification
from schemas.config import Config
from schemas.limits import EXAMPLE_RUNS
from schemas.news import Compared, RolloutSeen
from schemas.view import RolloutView

SIGNALS = 8
"""Signals that are listed of each state. Beyond: a count."""

DETAIL = 100
"""Characters of what moved most in a signal of many sides."""


def compose(notification: Notification, rollout: RolloutView, config: Config) -> Message:
    """The message of a rollout as it stands."""
    seen, external = rollout.seen, config.runtime.external_url
    return Message(
        status=notification.status,
        severity=notification.severity,
        reason=notification.reason,
        verdict=seen.verdict,
        title=_clip(words.title(harmless(rollout))),
        owner=name(notification.owner, 60),
        incident=notification.incident,
        facts=_facts(rollout),
        cause=redact(seen.reason),
        lists=lists(seen),
        affected=(),
        unaffected=(),
        errors=(),
        runs=examples(seen, config.runtime.run_url),
        others=(),
        timeline=tuple(Fact("", happened(entry.text, 160), entry.time) for entry in notification.timeline[-TIMELINE:]),
        footer=(f"rollout {name(seen.id, 60)}", str(notification.reason), words.drawn(seen).replace("`", "")),
        link=None if external is None else f"{external.rstrip('/')}/#rollouts",
    )


def harmless(rollout: RolloutView) -> RolloutView:
    """The rollout with every name in its title cleaned and cut."""
    seen = rollout.seen
    shown = RolloutSeen(
        id=seen.id, time=seen.time, agent=name(seen.agent, 40) or "?", owner=name(seen.owner, 40), mode=seen.mode,
        baseline=name(seen.baseline, 24) or "?", candidate=name(seen.candidate, 24) or "?", started=seen.started,
        verdict=seen.verdict, reason=redact(seen.reason), ended=name(seen.ended, 40),
    )  # fmt: skip
    return RolloutView(seen=shown, heard_at=rollout.heard_at, verdict_at=rollout.verdict_at, ended_at=rollout.ended_at)


def lists(seen: RolloutSeen) -> tuple[Listed, ...]:
    """The signals under what is known of them, those first that a reader looks for."""
    found = []
    for state, signals in words.by_state(seen).items():
        rows = [_row(each) for each in signals[:SIGNALS]]
        if len(signals) > SIGNALS:
            rows.append(Fact("", f"and {len(signals) - SIGNALS} more", ours=True))
        found.append(Listed(STATES[state], tuple(rows)))
    return tuple(found)


def examples(seen: RolloutSeen, template: str | None) -> tuple[RunLink, ...]:
    """Pairs of runs that had the same input and another result."""
    return tuple(
        RunLink(first.run, first.url, run_link(shadow, template))
        for production, shadow in seen.examples[:EXAMPLE_RUNS]
        for first in (run_link(production, template),)
    )


def _row(compared: Compared) -> Fact:
    said = f"{words.levels(compared)}, {words.difference(compared)}"
    return Fact(name(compared.signal, 60), said, ours=True, note=redact(compared.detail, DETAIL))


def _facts(rollout: RolloutView) -> tuple[Fact, ...]:
    seen = rollout.seen
    facts = [Fact("Verdict", "none yet: hold" if seen.verdict == "hold" else seen.verdict, ours=True)]
    if seen.verdict == "hold" and rollout.ended_at is None:
        facts.append(Fact("Still needs", words.needed(seen), ours=True))
    elif rollout.verdict_at is not None and seen.verdict != "hold":
        facts.append(Fact("Since", "", rollout.verdict_at))
    facts.append(Fact("Pairs" if seen.mode == "shadow" else "Runs", words.runs(seen), ours=True))
    if agreement := words.agreement(seen):
        facts.append(Fact("Same result", agreement, ours=True))
    if seen.left_out:
        facts.append(Fact("Left out", f"{seen.left_out:,} runs that a shared incident explains", ours=True))
    facts.append(Fact("Began", "", seen.started))
    if rollout.ended_at is not None:
        facts.append(Fact("Over", "", rollout.ended_at))
    foreign = (("Agent", seen.agent), ("Old", seen.baseline), ("New", seen.candidate), ("Owner", seen.owner))
    return (*facts, *(Fact(label, name(value, 60) or "?") for label, value in foreign))


def _clip(title: str) -> str:
    return title if len(title) <= TITLE_LENGTH else title[: TITLE_LENGTH - 1].rstrip() + "…"
