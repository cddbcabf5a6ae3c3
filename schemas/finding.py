"""Finding: what a detector says of one node."""

from __future__ import annotations

import enum
from typing import Final, Literal

import msgspec
from msgspec import Struct

FindingStatus = Literal["firing", "update", "resolved"]
Direction = Literal["up", "down"]
Mode = Literal["page", "notice", "digest", "off"]
Unit = Literal["", "share", "rate", "count", "seconds", "usd", "tokens", "characters"]


class Finding(Struct, frozen=True, kw_only=True):
    """One thing that a node says, at `time` (epoch seconds).

    `incident_key` names the episode: the same for firing, its updates and its resolution. `id` is unique per finding
    and the same when the same records are stepped again.
    `node`: labels of the slice that explains the change (agent, version, tool … only those that apply; empty for the
    fleet). `watched`: labels of the node whose evidence crossed; a wider slice, or the same.
    `before`, `after`: the signal's level (a share 0..1 for failure signals, events per second for traffic), with
    `before_n`, `after_n` observations and `before_bad`, `after_bad` of them counted (fractions where a run counts
    partly). `onset`: the estimated start of the change, epoch seconds.
    `affected` and `unaffected`: sibling slices, e.g. `("version=v13",)` and `("version=v12",)`.
    `detail`: where the signal has many sides, the one that moved most, as words with its levels; it may hold names from
    the agent. `corroborated`: signals that changed with this one and do not speak for themselves while it fires.
    `unit`: of `before` and `after`; empty where the signal says it.
    """

    id: str
    incident_key: str
    status: FindingStatus
    time: float
    signal: str
    direction: Direction
    mode: Mode
    owner: str
    node: dict[str, str]
    watched: dict[str, str]
    before: float
    after: float
    before_n: float
    after_n: float
    before_bad: float
    after_bad: float
    onset: float
    runs: tuple[str, ...] = ()
    affected: tuple[str, ...] = ()
    unaffected: tuple[str, ...] = ()
    error_types: tuple[str, ...] = ()
    reference: Literal["declared", "learned"] = "learned"
    reason: str = ""
    absorbs: tuple[str, ...] = ()
    """Incident keys of narrower episodes that are this one's matter: agents that spoke before their provider did."""
    paid: bool = True
    """Whether it was a bet that the alert budget pays for; a broken contract is a fact, and is counted apart."""
    deploy_share: float | None = None
    """Part of the evidence that began with a deploy; None where no deploy was near."""
    onset_latest: float | None = None
    """A later date for the onset that a stronger bet gives; epoch seconds."""
    detail: str = ""
    corroborated: tuple[str, ...] = ()
    unit: Unit = ""
    words: str = ""
    """What another system says in its own words; there are no numbers then."""
    share_of: str = ""
    """Of what `before` and `after` are the share, where the signal has many sides: `kind is json_object`. It may hold
    names from the agent."""


class Ending(enum.StrEnum):
    """What became of the signal of a finding that resolved, in the words in which people are told."""

    BACK = "back to normal"
    SETTLED = "taken as normal by now"
    """The new level stayed, or a person said so."""
    DROPPED = "not followed any more"
    """Nothing says that it is back: its version is gone, it was called a false alarm, a limit was reached."""


IS_BACK: Final = "the signal is back"
BACK_AS_IT_WAS: Final = "back to what it was"
KEPT_AGAIN: Final = "the rule is kept again"
RUNS_AGAIN: Final = "runs come again"
SETTLED: Final = "the new level is normal by now"
REBASELINED: Final = "the new level was declared normal"
KNOWN_STATE: Final = "it is in a state that it goes through again and again"
CALLED_NORMAL: Final = "a human calls it the new normal"
STEADY: Final = "steady for"
"""Begins the reason of what a method of river's calls over at another level."""

_ENDINGS: Final = {
    "": Ending.BACK,
    IS_BACK: Ending.BACK,
    BACK_AS_IT_WAS: Ending.BACK,
    KEPT_AGAIN: Ending.BACK,
    RUNS_AGAIN: Ending.BACK,
    SETTLED: Ending.SETTLED,
    REBASELINED: Ending.SETTLED,
    KNOWN_STATE: Ending.SETTLED,
    CALLED_NORMAL: Ending.SETTLED,
}
"""Reason of the finding that resolved → what it means. Every other reason: nothing says that the signal is back."""


def known_state(times: int) -> str:
    """Why a return to a state that the agent was in so many times is told once a day at most, and rings nobody."""
    return f"a known state: it was in it {times} times before and left it again"


def ending(recovery: Finding | None) -> Ending:
    """What a finding that resolved says of its signal; None: a person ended it, or another alert stands for it."""
    if recovery is None:
        return Ending.DROPPED
    if recovery.reason.startswith(STEADY):
        return Ending.SETTLED
    return _ENDINGS.get(recovery.reason, Ending.DROPPED)


_decoder = msgspec.json.Decoder(Finding)
_encoder = msgspec.json.Encoder()


def decode_finding(raw: bytes) -> Finding:
    """Raises `msgspec.DecodeError`."""
    return _decoder.decode(raw)


def encode_finding(finding: Finding) -> bytes:
    """The JSON of a finding."""
    return _encoder.encode(finding)
