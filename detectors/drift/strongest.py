"""Which channels of a signal hold most of its evidence, and what they show since the change began.

Not here: dating and describing one channel (`onset`), deciding to speak (`bank`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.drift import onset
from detectors.drift.accounts import Accounts
from detectors.drift.bets import odds, shapes
from detectors.drift.channels import Voice
from detectors.drift.onset import Seen
from detectors.drift.plan import Plan
from detectors.drift.references.numbers import WINDOW, NumberChannels
from detectors.drift.references.shares import ShareChannels

TOLD = 5
"""Channels that a crossing names."""
_TELLING = 0.02
"""Part of the evidence from which on a further channel is named."""


def examine(
    plan: Plan,
    numbers: NumberChannels | None,
    shares: ShareChannels,
    accounts: Accounts,
    runs: int,
    signal: int,
    voice: Voice,
    onset_run: int | None,
) -> tuple[list[Seen], int]:
    """The channels that changed, the strongest first, and the first run of the change, unless that is known.

    Where none of them is material, the strongest that is, of those that could pay for the account alone, comes last.
    `runs`: those observed so far, all counted.
    """
    sums = accounts.by_channel(voice, signal)
    total = sum(sums.values())
    ranked = sorted(sums, key=lambda at: (-sums[at], at))
    chosen = [at for at in ranked[:TOLD] if at == ranked[0] or sums[at] >= _TELLING * total]
    first = max(runs - WINDOW, 0)
    if onset_run is None:
        found = past_bets(plan, numbers, shares, chosen[0], first, runs)
        best = int(_held(plan, accounts, shares, voice, chosen[0]).argmax())
        onset_run = first + onset.onset_of(found[:, best])[0]
    since = max(onset_run, first)
    told = [_seen(plan, numbers, shares, at, since, runs, sums[at] / total) for at in chosen]
    if not any(one.material for one in told):
        for at in ranked:
            if sums[at] < 1.0:
                break
            if at in chosen:
                continue
            one = _seen(plan, numbers, shares, at, since, runs, sums[at] / total)
            if one.material:
                told.append(one)
                break
    return told, onset_run


def past_bets(
    plan: Plan, numbers: NumberChannels | None, shares: ShareChannels, position: int, first: int, end: int
) -> NDArray[np.float64]:
    """The e-values, (runs, bets), that a channel's present tables give for runs `first` to `end`."""
    at = plan.place[position]
    if plan.channels[position].kind == "number":
        assert numbers is not None
        return numbers.bets([at], first, end)
    channel = shares.channels[at]
    return shares.bets(channel, shares.past(channel, first, end))


def _seen(
    plan: Plan,
    numbers: NumberChannels | None,
    shares: ShareChannels,
    position: int,
    since: int,
    end: int,
    weight: float,
) -> Seen:
    channel, signal = plan.channels[position], plan.signals[plan.signal_of[position]]
    at = plan.place[position]
    if channel.kind == "number":
        assert numbers is not None
        return onset.of_number(numbers, at, channel, signal, since, end, weight)
    return onset.of_share(shares, shares.channels[at], channel, signal, since, end, weight)


def _held(plan: Plan, accounts: Accounts, shares: ShareChannels, voice: Voice, position: int) -> NDArray[np.float64]:
    at = plan.place[position]
    if plan.channels[position].kind == "number":
        return accounts.held(voice, at * shapes.BETS, (at + 1) * shapes.BETS)
    channel, split = shares.channels[at], accounts.split
    return accounts.held(voice, split + channel.start * odds.BETS, split + (channel.start + channel.cells) * odds.BETS)
