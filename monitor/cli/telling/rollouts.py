"""Rollouts for a person at a terminal: a table of all, or each in full. Text of agents is made plain here."""

from __future__ import annotations

from collections.abc import Sequence

from monitor.alerting.rollouts import words
from monitor.alerting.rollouts.words import STATES
from monitor.cli.telling.words import table, when
from monitor.notify.redact import name as harmless
from monitor.notify.redact import redact
from schemas.limits import EXAMPLE_RUNS
from schemas.view import RolloutView


def as_table(found: Sequence[RolloutView]) -> str:
    """One line each."""
    rows = [
        (harmless(each.seen.agent, 40), each.seen.mode, harmless(each.seen.candidate, 24),
         harmless(each.seen.baseline, 24), _verdict(each), words.runs(each.seen), _needs(each),
         harmless(each.seen.owner, 40), redact(each.seen.reason, 120))
        for each in found
    ]  # fmt: skip
    heads = ("AGENT", "MODE", "NEW", "OLD", "VERDICT", "RUNS", "STILL NEEDS", "OWNER", "WHY")
    counted = f"{len(found)} rollout{'' if len(found) == 1 else 's'}"
    return "\n".join([*(table(heads, rows) if rows else ()), counted])


def in_full(found: Sequence[RolloutView]) -> str:
    """Each with its signals."""
    return "\n\n".join("\n".join(_rollout(each)) for each in found)


def _rollout(rollout: RolloutView) -> list[str]:
    seen = rollout.seen
    agent, candidate, baseline = (harmless(each, 40) for each in (seen.agent, seen.candidate, seen.baseline))
    since = f" since {when(rollout.verdict_at)}" if rollout.verdict_at is not None and seen.verdict != "hold" else ""
    lines = [
        f"{agent}: {seen.mode} of {candidate} beside {baseline}, owner {harmless(seen.owner, 60)}",
        f"  verdict  {_verdict(rollout)}{since}: {redact(seen.reason)}",
    ]
    if seen.verdict == "hold" and rollout.ended_at is None:
        lines.append(f"  needs    {words.needed(seen)}")
    lines.append(f"  {'pairs' if seen.mode == 'shadow' else 'runs '}    {words.runs(seen)}{_left_out(rollout)}")
    if agreement := words.agreement(seen):
        lines.append(f"  agree    {agreement} of pairs have the same result")
    lines.append(f"  drawn    {words.drawn(seen).replace('`', '')}")
    over = f", over {when(rollout.ended_at)}" if rollout.ended_at is not None else ""
    lines.append(f"  began    {when(seen.started)}{over}; as of {when(seen.time)}")
    lines += [f"  {line}" for line in _signals(rollout)]
    lines += [
        f"  differ   {harmless(production, 60)} beside {harmless(shadow, 60)}"
        for production, shadow in seen.examples[:EXAMPLE_RUNS]
    ]
    return lines


def _signals(rollout: RolloutView) -> list[str]:
    rows = [
        (harmless(each.signal, 60), words.levels(each), words.difference(each), STATES[state].lower(),
         redact(each.detail, 100))
        for state, signals in words.by_state(rollout.seen).items()
        for each in signals
    ]  # fmt: skip
    heads = ("SIGNAL", "OLD → NEW", "DIFFERENCE", "SO FAR", "")
    return table(heads, rows) if rows else []


def _verdict(rollout: RolloutView) -> str:
    over = f" (over: {harmless(rollout.seen.ended, 40)})" if rollout.ended_at is not None else ""
    return f"{rollout.seen.verdict}{over}"


def _needs(rollout: RolloutView) -> str:
    return "-" if rollout.ended_at is not None else words.needed(rollout.seen)


def _left_out(rollout: RolloutView) -> str:
    left_out = rollout.seen.left_out
    return f"; {left_out:,} left out that a shared incident explains" if left_out else ""
