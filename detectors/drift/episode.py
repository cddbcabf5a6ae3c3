"""An episode of a signal: from its notice or page until the signal is back, or the new level is the normal one.

While it lasts the reference is frozen; after a notice only the page account goes on betting, after a page none does.
What is watched is one indicator of the strongest channel, bad in the direction of the change, by the recursion of
`detectors.resolution`: back when the evidence for the reference reaches 20.
"""

from __future__ import annotations

from msgspec import Struct

from detectors import resolution
from detectors.drift.channels import Change, Voice

SETTLED_NOTICE = 200
"""Runs after which the level of an immaterial notice is the normal one."""
SETTLED = 1_000
"""The same for a page, and for a notice that is material and so may become a page."""
NEVER = 1 << 62
_LOWEST, _HIGHEST = 0.0005, 0.9
_FORGET = 400.0
"""Bad and all observations are halved when they are so many, so that the level is that of late."""


class Episode(Struct, array_like=True):
    """What fires. `position`: the strongest channel; `cell`: its cell or, for a number, the first cell above the limit;
    `up`: whether more of it is bad. `normal`: share of bad observations in the reference."""

    signal: int
    voice: Voice
    began: int
    onset_run: int
    onset: float
    position: int
    cell: int
    up: bool
    normal: float
    change: Change
    material: bool
    bad: float
    n: float
    back: float = 0.0
    look: int = 0
    """Run at which a full page account is looked at again."""

    def observe(self, y: float) -> bool:
        """One observation, the bad part in 0..1; True when the evidence says that the signal is back."""
        normal = min(max(self.normal, _LOWEST), _HIGHEST)
        level = resolution.level(normal, self.bad, self.n)
        self.back = resolution.step(self.back, y, normal, level, self.n)
        if self.back >= resolution.RESOLVED:
            return True
        self.n += 1.0
        self.bad += y
        if self.n >= _FORGET:
            self.n /= 2.0
            self.bad /= 2.0
        return False

    def patience(self, beside_a_page: bool = False) -> int:
        """Runs from its beginning after which the new level is the normal one; what was declared stays normal.

        Beside a page it is a part of that fault, and not normal before it.
        """
        if self.change.declared:
            return NEVER
        return SETTLED if self.voice == "page" or self.material or beside_a_page else SETTLED_NOTICE
