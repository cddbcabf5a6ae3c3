"""What people see of an agent's drift: one line per signal that its runs say anything of. Reads, never changes."""

from __future__ import annotations

from detectors.drift import Bank
from detectors.drift.channels import Voice
from detectors.drift.references.learning import LIVE
from monitor.drift.banks import regimes, serial, sessions
from monitor.drift.banks.plan import DECLARABLE, POSITIONS
from monitor.drift.banks.profile import AGENT
from monitor.drift.banks.slots import Slot
from monitor.drift.episodes import Episode
from monitor.drift.watch import Drift
from schemas.view import SignalView

WEEK = 604_800.0
_VOICES: tuple[Voice, ...] = ("notice", "page")


def of_drift(drift: Drift, owner: str, now: float) -> list[SignalView]:
    """Every signal of an agent's bank, then those of its versions that fire."""
    profile = drift.profile
    bank = profile.banks.get(AGENT)
    if bank is None:
        return []
    own = profile.slots[AGENT]
    rates = profile.rates
    flowing = (rates.notice, rates.page) if rates.end > now else (0.0, 0.0)
    warming = bank.warming()
    numbers = [i for i, signal in enumerate(bank.plan.signals) if warming.get(signal.name, LIVE) or i in bank.episodes]
    views = [
        _of_signal(drift, bank, number, own, owner, flowing, warming.get(bank.plan.signals[number].name))
        for number in numbers
    ]
    elsewhere = [one for one in drift.episodes.open if one.bank != AGENT and (AGENT, one.signal) not in one.members]
    return views + [_of_episode(episode, owner) for episode in elsewhere]


def _of_signal(
    drift: Drift,
    bank: Bank,
    number: int,
    slot: Slot,
    owner: str,
    rates: tuple[float, float],
    warming: int | None,
) -> SignalView:
    """`rates`: notices and pages a second that flow to the bank; `warming`: runs seen so far, None once it is live."""
    signal = bank.plan.signals[number]
    mine = [one for one in drift.episodes.open if (AGENT, signal.name) in one.members]
    led = [one for one in mine if one.signal == signal.name]
    if led:
        return _of_episode(led[0], owner)
    episode = next((one for one in mine if one.mode == "page"), mine[0] if mine else None)
    setting = drift.plans.settings.get(signal.name)
    mode = setting.mode if setting is not None and setting.mode is not None else "page"
    flow = signal.page_share * rates[1] if signal.page_share else signal.notice_share * rates[0]
    held = max(sum(bank.accounts.by_channel(one, number).values()) for one in _VOICES)
    level, normal = _levels(bank, signal.name)
    return SignalView(
        signal=signal.name,
        labels={},
        state="firing" if episode is not None else "healthy" if warming is None else "warming up",
        level=level,
        reference=normal,
        n=float(slot.runs),
        evidence=1.0 if episode is not None else min(held, 1.0),
        waiting_for="" if warming is None else f"warming up: {warming} of {LIVE} runs seen{_one_in(drift)}",
        mode=mode,
        owner=owner,
        tolerance=signal.tolerance,
        per_week=flow * slot.share * WEEK,
        note=f"told with {episode.signal}" if episode is not None else "; ".join(filter(None, _notes(drift))),
    )


def _alike(drift: Drift) -> int:
    """How many runs in a row count as one, because they are of one session or come alike."""
    roots = sessions.roots_of(drift.memory.sessions.begins) or serial.second(drift.profile.serial)
    return 1 << roots


def _one_in(drift: Drift) -> str:
    alike = _alike(drift)
    return f", one in {alike} counts" if alike > 1 else ""


def _notes(drift: Drift) -> list[str]:
    """What is special about an agent's runs."""
    alike = _alike(drift)
    worth = f"runs in a row are alike: as news, {alike} count as one" if alike > 1 else ""
    return [worth, _states(drift)]


def _states(drift: Drift) -> str:
    """How many states of the agent are known, and how often it went back to one."""
    kept = drift.profile.regimes.get(AGENT)
    if kept is None:
        return ""
    runs = drift.profile.banks[AGENT].runs
    known = [state.entered for number, state in enumerate(kept.states) if regimes.is_known(kept, number, runs)]
    if len(known) < 2:
        return ""
    return f"the agent goes through {len(known)} known states in turn, entered {sum(known)} times"


def _levels(bank: Bank, signal: str) -> tuple[float | None, float | None]:
    """The level of a rate as it was learned, and the normal one; of other signals there is no one level."""
    name = DECLARABLE.get(signal)
    if name is None:
        return None, None
    position = POSITIONS[name]
    channel, declared = bank.shares.channels[bank.plan.place[position]], bank.plan.channels[position].declared
    if not channel.live or not channel.n:
        return None, declared
    level = bank.shares.probability(channel, 0)
    return level, level if declared is None else declared


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
