"""What a bank watches, and what it says: channels and signals go in, crossings and endings come out.

Not here: any statistics. Invariant: a channel belongs to exactly one signal; a signal has one account per voice.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Kind = Literal["number", "category", "share", "set", "rate"]
"""`number`: a float. `category`: one small string or integer. `share`: category → part of the run, together one.
`set`: the names of what a run had, each with one: every name is a rate of its own. `rate`: 0 to 1, watched both ways.
None in place of a value: the run says nothing about the channel."""
Voice = Literal["notice", "page"]
Direction = Literal["up", "down"]
How = Literal["back", "settled", "rebaselined", "known"]
Value = float | int | str | dict[str, float] | None


class Channel(Struct, frozen=True):
    """One thing read from each run. `label` is what people call it; the name if empty.

    Of a rate: `harmless`: up to it no level is a change, and a fall never is; 0: every level may be. `declared`: the
    most that is normal, in place of what is learned; a fall is compared with what is learned still. `by_points`: it is
    material by how many points it moved, as a category is, not by what factor.

    Of a number: `apart`: how far its median must move to be material, where no factor means anything because it is as
    often below zero as above; 0: the signal's factor says it.
    """

    name: str
    signal: str
    kind: Kind
    label: str = ""
    harmless: float = 0.0
    declared: float | None = None
    by_points: bool = False
    apart: float = 0.0


class Signal(Struct, frozen=True):
    """A group of channels with one account per voice.

    `notice_share` and `page_share`: part of the bank's drip for that voice; at most one over all signals of a bank.
    `tolerance`: how far odds may move before it counts as a change, 1 or more. `blocked`: the page account takes the
    mean of the bank's block of runs as one observation, because real traffic comes in bursts. `sustained`: runs since
    the onset that a page needs. `points`, `factor`: a share that moved by more, a median or a rate that moved by more
    than this factor, is material.
    """

    name: str
    notice_share: float
    page_share: float
    tolerance: float = 1.5
    blocked: bool = False
    sustained: int = 30
    points: float = 0.3
    factor: float = 2.0


class Change(Struct, array_like=True):
    """What changed in one channel, in the channel's own numbers.

    `what`: the category concerned, or for a number the limit ("above 12.5", "at most 3"); empty for a rate. `before`
    and `after` are shares of runs (or mean shares of a run) in 0..1. `median_before`, `median_after`: numbers only;
    the latter over the last runs since the onset. `before_n`, `after_n`: runs behind them. `weight`: the channel's part
    of the account's evidence, 0..1.
    """

    channel: str
    what: str
    direction: Direction
    before: float
    after: float
    before_n: float
    after_n: float
    weight: float
    median_before: float | None = None
    median_after: float | None = None
    unseen: bool = False
    """Nothing of the kind was seen while the reference was learned."""
    phrase: str = ""
    """For people, such as "first character: `{` in 2 % of runs, was 99 %"."""
    declared: bool = False
    """Whether `before` was declared."""


class Crossing(Struct, array_like=True):
    """An account has reached one: a notice, or a page if the change is also material and sustained.

    `change` is that of the strongest channel, `others` those of up to four more. `onset`: time of the first run of the
    changed stretch; `onset_run` its number (from 0) among the runs of the bank. `runs`: up to five of the runs that
    show it, the latest last. `material`: moved far enough for a page. `escalated`: a notice of the episode came before.
    """

    signal: str
    voice: Voice
    change: Change
    others: list[Change]
    onset: float
    onset_run: int
    runs: list[str]
    material: bool
    escalated: bool = False
    hits: list[float | None] = []
    normal: float = 0.0
    """The bad part of each run since the onset, the latest last, as far as they are remembered, by the indicator of the
    strongest channel; and its share before. None: the run says nothing."""


class Ended(Struct, array_like=True):
    """An episode is over: `back` at the reference by evidence; `settled`: the new level is the reference now;
    `rebaselined`: somebody said so; `known`: the slice is in a state that is known, whose references count now."""

    signal: str
    voice: Voice
    how: How
    change: Change
    n: int
    """Runs since the episode began."""


Word = Crossing | Ended
