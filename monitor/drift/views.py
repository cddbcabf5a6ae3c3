"""What people see of an agent's drift: one line per signal that its runs say anything of. Reads, never changes."""

from __future__ import annotations

from detectors.drift import Bank
from detectors.drift.references.learning import LIVE
from monitor.drift.banks.profile import AGENT
from monitor.drift.banks.slots import Slot
from monitor.drift.episodes import Episode
from monitor.drift.watch import Drift
from schemas.view import SignalView

WEEK = 604_800.0


def of_drift(drift: Drift, owner: str, now: float) -> list[SignalView]:
    """Every signal of an agent's bank, then those of its versions that fire."""
    profile = drift.profile
    bank = profile.banks.get(AGENT)
    if bank is None:
        return []
    own = profile.slots[AGENT]
    rates = profile.rates
    flowing = own.share * rates.page * WEEK if rates.end > now else 0.0
    warming = bank.warming()
    numbers = [i for i, signal in enumerate(bank.plan.signals) if warming.get(signal.name, LIVE) or i in bank.episodes]
    views = [_of_signal(drift, bank, number, own, owner, flowing) for number in numbers]
    elsewhere = [one for one in drift.episodes.open if one.bank != AGENT and (AGENT, one.signal) not in one.members]
    return views + [_of_episode(episode, owner) for episode in elsewhere]


def _of_signal(drift: Drift, bank: Bank, number: int, slot: Slot, owner: str, flowing: float) -> SignalView:
    signal = bank.plan.signals[number]
    episode = next((one for one in drift.episodes.open if (AGENT, signal.name) in one.members), None)
    if episode is not None and episode.signal == signal.name:
        return _of_episode(episode, owner)
    warming = bank.warming().get(signal.name)
    setting = drift.plans.settings.get(signal.name)
    mode = setting.mode if setting is not None and setting.mode is not None else "page"
    voice = "page" if signal.page_share else "notice"
    held = sum(bank.accounts.by_channel("page" if voice == "page" else "notice", number).values())
    return SignalView(
        signal=signal.name,
        labels={},
        state="firing" if episode is not None else "healthy" if warming is None else "warming up",
        level=0.0,
        reference=None,
        n=float(slot.runs),
        evidence=1.0 if episode is not None else min(held, 1.0),
        waiting_for="" if warming is None else f"warming up: {warming} of {LIVE} runs seen",
        mode=mode,
        owner=owner,
        tolerance=signal.tolerance,
        per_week=flowing * signal.page_share,
        note=f"told with {episode.signal}" if episode is not None else "",
    )


def _of_episode(episode: Episode, owner: str) -> SignalView:
    """A signal that fires, in the slice that it names."""
    return SignalView(
        signal=episode.signal,
        labels={label: value for label, value in episode.node.items() if label != "agent"},
        state="firing",
        level=episode.level.after,
        reference=episode.level.before,
        n=episode.n,
        evidence=1.0,
        mode=episode.mode,
        owner=owner,
        note=episode.detail,
    )
