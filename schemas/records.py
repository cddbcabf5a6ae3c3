"""What stands in the events log beside events, and what workers and aggregator tell each other.

Only the monitor writes these. In the log they are JSON objects whose first bytes are `{"kind":"forewarn.`, so that one
look at a record says which decoder it needs. Evidence is a sum of fixed-point integers: it does not depend on order.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

CONTROL_PREFIX = b'{"kind":"forewarn.'


class Tick(Struct, frozen=True, gc=False, tag_field="kind", tag="forewarn.tick"):
    """The router's clock, written to every partition each second.

    `since` is the tick before it if the writer was there all the time (epoch seconds); without it, what lies between
    is a gap in which the monitor was blind.
    """

    time: float
    since: float | None = None


class TraceTick(Struct, frozen=True, gc=False, tag_field="kind", tag="forewarn.trace_tick"):
    """The clock of traces, written to every partition of the spans topic each second.

    `time`: up to when (epoch seconds) all that senders wrote is there, 0 while that is not known. `wall`: what the
    router's clock shows.
    """

    time: float
    wall: float


class Grant(Struct, frozen=True, tag_field="kind", tag="forewarn.grant"):
    """What the nodes of `owner` that live with `agent` may drip together, from `start` to `end` (epoch seconds).

    `page_rate` and `notice_rate`: expected false alarms per second.
    """

    owner: str
    agent: str
    start: float
    end: float
    page_rate: float
    notice_rate: float


class Ack(Struct, frozen=True, tag_field="kind", tag="forewarn.ack"):
    """A human's word that changes detection: `false_alarm` or `new_normal` for one node of an agent."""

    time: float
    agent: str
    node: str
    word: str


class Cover(Struct, frozen=True, tag_field="kind", tag="forewarn.cover"):
    """A node above agents fires: what it explains is its matter, not that of the agents below it.

    `node`: its name, as in `Evidence`'s parents (`signal|level|value`). `since`: the onset; `until`: when it was over,
    None while it fires. Runs that started before `until` are covered. Of two records the one with the later `time`
    counts. All times in epoch seconds.
    """

    node: str
    time: float
    since: float
    until: float | None = None


class Pooled(Struct, frozen=True, tag_field="kind", tag="forewarn.pooled"):
    """What is normal at most among the agents beside this one, for its nodes that know nothing of their own yet.

    `rates`: cell → an upper rate in (0, 1); see `monitor.evidence.outages.cells`.
    """

    agent: str
    time: float
    rates: dict[str, float]


class Sighting(Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="forewarn.sighting"):
    """What one place saw since its last sighting, told to the router, which decides whether the monitor is blind.

    `place`: a partition as `events/3`, or the name of a door. `time`: the tick (epoch seconds) up to which it has come;
    0 for a place that knows no ticks. `read`, `unread`: events, and things that became dead letters. `beats`: producers
    whose heartbeat came.
    """

    place: str
    time: float = 0.0
    read: int = 0
    unread: int = 0
    beats: tuple[str, ...] = ()


Ruling = Grant | Cover | Pooled
"""What the aggregator tells the partitions. Made anew from the same evidence, so no replay needs them."""

Control = Tick | TraceTick | Grant | Cover | Pooled | Ack | Sighting

_decoder = msgspec.json.Decoder(Control)
_encoder = msgspec.json.Encoder()


def is_control(raw: bytes) -> bool:
    """Whether a record of the events log was written by the monitor."""
    return raw.startswith(CONTROL_PREFIX)


def decode_control(raw: bytes) -> Control:
    """Raises `msgspec.DecodeError` on what the monitor did not write."""
    record: Control = _decoder.decode(raw)
    return record


def encode_control(record: Control) -> bytes:
    """The JSON of a control record, its kind first."""
    return _encoder.encode(record)


class Evidence(Struct, frozen=True, omit_defaults=True):
    """What one agent's runs of one tick say of one cell: a signal and where the runs took place.

    `cell`: its name, see `monitor.evidence.outages.cells`. `sums`: per bet, the sum of log L in units of 2**-32; empty
    where there were no bets. `n` observations; `bad` and `expected`: sums of what was seen and of what the references
    promised, in units of 2**-32. `young`: how many of the observations came from nodes without a reference of their
    own. `runs`: the last ones that were bad.
    """

    cell: str
    sums: tuple[int, ...]
    n: int
    bad: int
    expected: int
    runs: tuple[str, ...] = ()
    young: int = 0


class EvidenceBatch(Struct, frozen=True, omit_defaults=True):
    """All evidence of one agent up to one tick. `(partition, agent, time)` is its name: seen once, counted once.

    `accounts`: owners whose budget nodes of this agent want to drip from. `pools`: cells for which it wants `Pooled`.
    """

    agent: str
    partition: int
    time: float
    evidence: tuple[Evidence, ...] = ()
    accounts: tuple[str, ...] = ()
    pools: tuple[str, ...] = ()
