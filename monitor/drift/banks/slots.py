"""What is known of a bank beside what it learned, as it is written: its part of the budget, its place, its runs."""

from __future__ import annotations

from msgspec import Struct

Read = float | str | dict[str, float] | None
"""What a channel read. Of a number that is written as an integer it is a float again."""


class Slot(Struct, array_like=True):
    """One bank, without what it learned."""

    place: int
    began: float
    share: float
    """Part of what flows into the profile."""
    last: float
    """Up to here the flow was counted, epoch seconds."""
    notice: float = 0.0
    page: float = 0.0
    """Flowed and not yet dripped."""
    runs: int = 0
    stepped: int = -1
    """The number of its latest run."""
    saved: int = -1
    """The number of the first run that is not in the bank as it was saved; negative: it must be saved."""


class Sessions(Struct, array_like=True):
    """Of one agent. `latest`: a hash of each session → the number of its latest run, the oldest first; `begins`: the
    usual share of runs that begin one; `alone`: runs in a row of the latest session."""

    latest: dict[int, int] = {}
    runs: int = 0
    begins: float = 1.0
    alone: int = 0


class Rates(Struct, frozen=True):
    """What flows into the profile: expected false alarms per second, until `end`."""

    notice: float
    page: float
    end: float


class Saved(Struct, array_like=True):
    """A profile without its banks and its latest runs."""

    slots: dict[str, Slot]
    versions: dict[str, float]
    number: int
    known: int
    newcomers: int
    alone: bool
    rates: Rates
    serial: list[int] = []


class SampleNumber(Struct, array_like=True, gc=False):
    """The beginning of a `Sample`: what tells which run it is, without reading all of it."""

    number: int


class Sample(Struct, array_like=True, gc=False):
    """One run as the banks took it. `notice`, `page`: what was dripped into the agent's bank, and the version's."""

    number: int
    run: str
    version: str
    at: float
    values: list[Read]
    notice: float
    page: float
    version_notice: float = 0.0
    version_page: float = 0.0
    timed: bool = True
    """Whether the version's bank takes what hangs on the duration, too."""
    learns: bool = True
    """Whether channels that do not know yet what is normal learn it from this run."""
    whose: list[str] = []
    """For whom it ran, as `tenant=acme`."""
    roots: int = 0
    """Square roots that its e-values count as: see `sessions`."""
