"""Splitting a budget over keys that come and go, without a list in advance.

Within an epoch the known keys share all but a reserve equally; the i-th newcomer of the epoch (i = 1, 2, …) gets
reserve / (i * (i + 1)). Those sum to the reserve for any number of newcomers, so the whole is never exceeded, and each
share is fixed before the key's first observation. At the next epoch newcomers are known.

A `Split` does so twice: the whole over groups by their weights, and each group's part over its keys, so that a group of
hundreds takes nothing from a group of one.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

RESERVE = 0.15


def known_share(known: int) -> float:
    """The share of each of `known` keys."""
    return (1.0 - RESERVE) / known if known else 0.0


def newcomer_share(known: int, index: int) -> float:
    """The share of the `index`-th newcomer (from 1) of an epoch that began with `known` keys."""
    reserve = RESERVE if known else 1.0
    return reserve / (index * (index + 1))


class Split(Struct, array_like=True):
    """One epoch of a budget that is split over groups and then over the keys of each."""

    known: int = 0
    """Groups that were known when the epoch began."""
    newcomers: int = 0
    groups: dict[str, list[float]] = {}
    """Group → its part of the whole, the keys known when the epoch began, those that came since."""

    def share(self, group: str) -> float:
        """What each key gets that was known when the epoch began: a part of the whole."""
        part, known, _ = self.groups[group]
        return part * known_share(int(known))

    def newcomer(self, group: str) -> float:
        """What a key gets that comes now."""
        found = self.groups.get(group)
        if found is None:
            self.newcomers += 1
            found = self.groups[group] = [newcomer_share(self.known, self.newcomers), 0.0, 0.0]
        found[2] += 1.0
        return found[0] * newcomer_share(int(found[1]), int(found[2]))


def split(members: Mapping[str, int], weights: Mapping[str, float]) -> Split:
    """The next epoch, from how many keys each group has and what it weighs against others (more than zero)."""
    whole = sum(weights[group] for group in sorted(members))
    part = (1.0 - RESERVE) / whole if whole else 0.0
    groups = {group: [part * weights[group], float(count), 0.0] for group, count in sorted(members.items())}
    return Split(len(groups), 0, groups)
