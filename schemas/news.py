"""News: what an engine tells the router beside findings: changes, complaints, how rollouts and objectives stand.

They travel with the findings, in the same order. As JSON their first bytes are `{"kind":"news.`. Ids are the same when
the same records are stepped again, so what is repeated is recognised. Names and numbers only, no agent text; times are
epoch seconds.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Struct

from schemas.finding import Direction, Unit

NEWS_PREFIX = b'{"kind":"news.'

Stage = Literal["shadow", "canary", "full", "rolled_back"]
Verdict = Literal["promote", "hold", "roll back"]


class ChangeSeen(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="news.change"):
    """A version of a component that was announced, or that was seen for the first time.

    `component`: as `depends_on` writes it. `announced`: a `change` event said so; else `agent` showed it first, and
    `what` says in which field. One version seen by many agents is many of these.
    """

    id: str
    time: float
    component: str
    version: str
    previous: str = ""
    stage: Stage = "full"
    share: float | None = None
    author: str = ""
    url: str = ""
    announced: bool = True
    agent: str = ""
    what: str = ""


class SignalState(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How far one node's evidence had come. `evidence`: 0..1, the part of a page (or notice) that was gathered.

    `level`, `reference`: shares 0..1 or the signal's own unit; `n`: observations of the reference; `per_week`: false
    alarms per week that flow into it. `waiting_for`: what a node that is warming up still needs, as words.
    """

    signal: str
    labels: dict[str, str] = {}
    mode: str = ""
    evidence: float = 0.0
    level: float = 0.0
    reference: float | None = None
    n: float = 0.0
    per_week: float = 0.0
    waiting_for: str = ""
    tolerance: float = 1.0
    """Odds ratio within which a change is not worth a word."""
    state: Literal["watching", "firing", "warming up", "off"] = "watching"
    owner: str = ""
    """Whose budget it drips."""


class ComplaintSeen(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="news.complaint"):
    """A complaint, and what the detectors knew of the agent at that time: the nearest to an alert first.

    `time`: when the user complained; `heard`: when the monitor heard of it, which is when `known` was so. `started`:
    when the run began that it is about, where that is remembered; `version` and `tools` are those of that run.
    """

    id: str
    time: float
    agent: str
    owner: str
    version: str = ""
    tools: tuple[str, ...] = ()
    run: str = ""
    session: str = ""
    user: str = ""
    source: str = ""
    known: tuple[SignalState, ...] = ()
    heard: float = 0.0
    started: float | None = None


class ObjectiveSeen(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="news.objective"):
    """How an agent stands against its objective at `time`: runs of the last `window` seconds, and the bad ones of them.

    `id` names agent, objective and time. `target`: the share of runs that is to be good. `since`: from when on runs are
    counted; later than `time - window` where the agent was not watched for that long. A later `time` replaces an
    earlier one of the same agent and name.
    """

    id: str
    time: float
    agent: str
    owner: str
    name: str
    target: float
    window: float
    since: float
    runs: int
    bad: int


class Compared(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One signal of two versions side by side.

    `baseline`, `candidate`: levels in `unit`; `effect`: candidate minus baseline, with `low` and `high`, an interval
    that holds at any look. `evidence`: the e-value against "not worse"; `worse` from 1/alpha on. `same`: the candidate
    is shown to be no worse than the margin allows. `better`: which direction is good.
    """

    signal: str
    baseline: float
    candidate: float
    baseline_n: int
    candidate_n: int
    effect: float
    low: float
    high: float
    evidence: float
    state: Literal["worse", "same", "undecided"] = "undecided"
    better: Direction | None = "down"
    unit: Unit = ""
    detail: str = ""
    decides: bool = True
    """Whether the verdict hears it; else it is shown only."""


class RolloutSeen(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="news.rollout"):
    """How a canary or a shadow stands at `time`. `id` is that of the rollout; a later `time` replaces an earlier one.

    `randomised`: what was drawn by lot, a run or a session; `no`: the old version's past is the reference and the test
    is not exact. `alpha`: probability of a wrong `roll back`, at any number of looks. `pairs`: shadow runs that found
    the run of the same input. `agreement`: share of pairs with the same result, with `agreement_low` and `_high`.
    `examples`: (production run, shadow run) that disagree. `left_out`: runs that a shared incident explains.
    `runs_needed`: further runs of the candidate until a verdict is likely; None where nothing can be said; `per_hour`:
    how many come.
    """

    id: str
    time: float
    agent: str
    owner: str
    mode: Literal["canary", "shadow"]
    baseline: str
    candidate: str
    started: float
    verdict: Verdict
    reason: str
    randomised: Literal["run", "session", "no"] = "run"
    alpha: float = 0.01
    baseline_runs: int = 0
    candidate_runs: int = 0
    pairs: int = 0
    left_out: int = 0
    runs_needed: int | None = None
    per_hour: float = 0.0
    agreement: float | None = None
    agreement_low: float = 0.0
    agreement_high: float = 1.0
    signals: tuple[Compared, ...] = ()
    examples: tuple[tuple[str, str], ...] = ()
    decided_at: float | None = None
    ended: str = ""
    """Why it is over: `promoted`, `rolled back`, `replaced`, `quiet`; empty while it goes on."""


News = ChangeSeen | ComplaintSeen | RolloutSeen | ObjectiveSeen

_decoder = msgspec.json.Decoder(News)
_encoder = msgspec.json.Encoder()


def is_news(raw: bytes) -> bool:
    """Whether a record beside the findings is news."""
    return raw.startswith(NEWS_PREFIX)


def decode_news(raw: bytes) -> News:
    """Raises `msgspec.DecodeError` on what is none."""
    news: News = _decoder.decode(raw)
    return news


def encode_news(news: News) -> bytes:
    """The JSON of news, its kind first."""
    return _encoder.encode(news)
