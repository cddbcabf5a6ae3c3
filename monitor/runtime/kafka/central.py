"""What sees everything: aggregator, router and control, each on a topic of one partition.

One worker at a time owns these partitions and is the active one; the others stand by. Ticks come through the same
topics, so that time is in the log here as well. What people do comes on control and is copied beside the findings, so
that one log says in which order the router saw both. Invariants: the aggregator's state is saved as it was after a
tick, never between two; a notification is durable in the outbox before the incident that it tells of is; an action that
is copied twice is taken once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from monitor.alerting.blind import Sight
from monitor.alerting.router import Router
from monitor.evidence.aggregator import Aggregator
from monitor.runtime.kafka.broker.fetched import Record
from monitor.runtime.kafka.events import FINDING, partition_of
from monitor.runtime.kafka.partition import LetterParts, Letters, Outgoing, Watermark
from monitor.runtime.parts import Entry, Outbox
from monitor.runtime.steps import name_of, settled
from schemas.actions import Action, Deed, decode_action, is_action
from schemas.alert import Incident
from schemas.config import Config
from schemas.event import BadEvent, Reason
from schemas.finding import Finding, decode_finding, encode_finding
from schemas.news import News, decode_news, is_news
from schemas.records import (
    Ack,
    Cover,
    EvidenceBatch,
    Grant,
    Pooled,
    Sighting,
    Tick,
    decode_control,
    encode_control,
    is_control,
)

BOOKED = 5_000
"""Firing findings whose cost is known to be booked. Only a crash repeats one, within seconds; older are forgotten."""

TAKEOVER_SECONDS = 30.0
"""Without ticks for so long nobody watched. Shorter is one worker that takes over from another; events wait for it."""

ACTION = "action"
"""Header of an action beside the findings: its offset on control."""

_BOOKED_KEY = "booked"
_ACTED_KEY = "acted"
_INCIDENT = "incident/"
_evidence = msgspec.json.Decoder(EvidenceBatch)
_incident = msgspec.json.Encoder()


class AggregatorCore:
    """The evidence topic: evidence of agents, their findings' cost, acks, ticks → findings of parents, rulings."""

    def __init__(self, config: Config, letters: LetterParts) -> None:
        self.aggregator = Aggregator(config)
        self.counts: Counter[str] = Counter()
        self._topics = config.runtime.kafka.topics
        self._letters = Letters(letters, self._topics.dead_letters, self._topics.evidence, 0)
        self._mark = Watermark()
        self._settled = -1
        self._booked: dict[str, None] = {}
        self._booked_more = False
        self._entries: dict[str, bytes | None] = {}

    def step(self, records: Sequence[Record]) -> list[Outgoing]:
        """Take evidence; at each tick close it."""
        outgoing: list[Outgoing] = []
        for record in records:
            if record.offset <= self._mark.offset:
                continue
            self._mark.offset = record.offset
            try:
                self._take(record, outgoing)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                outgoing.append(self._letters.of(record, _strange(error)))
        return outgoing

    def counted(self) -> Counter[str]:
        """What came of records, by metric name."""
        return self.counts + self._letters.counts

    def settled(self) -> int:
        """The offset of the last tick."""
        return self._settled

    def changes(self) -> list[Entry]:
        """As of the last tick, the offset last."""
        if self._settled < 0:
            return []
        entries = list(self._entries.items())
        self._entries = {}
        mark = Watermark()
        mark.offset, mark.now = self._settled, self._mark.now
        return [*entries, mark.entry()]

    def load(self, entries: Iterable[tuple[str, bytes]]) -> None:
        """Put back what was saved."""
        found = list(entries)
        self._mark.load(found)
        self._settled = self._mark.offset
        for key, value in found:
            if key == _BOOKED_KEY:
                self._booked = dict.fromkeys(msgspec.msgpack.decode(value, type=list[str]))
        self.aggregator.load(found)

    def _take(self, record: Record, outgoing: list[Outgoing]) -> None:
        value = record.value or b""
        if is_control(value):
            control = decode_control(value)
            if isinstance(control, Tick) and control.time > self._mark.now:
                self._tick(control, outgoing)
            elif isinstance(control, Ack):
                self.aggregator.acknowledge(control)
        elif any(name == FINDING for name, _ in record.headers):
            self._book(decode_finding(value))
        else:
            for evidence in _evidence.decode_lines(value):
                self.aggregator.take(evidence)

    def _tick(self, tick: Tick, outgoing: list[Outgoing]) -> None:
        self._mark.now = tick.time
        findings, rulings = self.aggregator.tick(tick.time)
        for finding in findings:
            self.counts[f"findings:{finding.signal}"] += finding.status == "firing"
            outgoing.append(Outgoing(self._topics.findings, encode_finding(finding), finding.owner.encode()))
        for ruling in rulings:
            key = ruling.node if isinstance(ruling, Cover) else ruling.agent
            outgoing.append(Outgoing(self._topics.control, encode_control(ruling), key.encode()))
        self._settled = self._mark.offset
        self._entries |= dict(self.aggregator.changes())
        if self._booked_more:
            self._entries[_BOOKED_KEY] = msgspec.msgpack.encode(list(self._booked))
            self._booked_more = False

    def _book(self, finding: Finding) -> None:
        if finding.id in self._booked:
            return
        self._booked[finding.id] = None
        self._booked_more = True
        while len(self._booked) > BOOKED:
            del self._booked[next(iter(self._booked))]
        self.aggregator.spend((finding,))


class RouterCore:
    """The findings topic: findings, news, actions and ticks → incidents and what receivers are to be told."""

    def __init__(self, config: Config, outbox: Outbox, letters: LetterParts) -> None:
        self.router = Router(config)
        self.sight = Sight(config.default_owner, TAKEOVER_SECONDS)
        self.outbox = outbox
        self.counts: Counter[str] = Counter()
        self._topics = config.runtime.kafka.topics
        self._letters = Letters(letters, self._topics.dead_letters, self._topics.findings, 0)
        self._mark = Watermark()
        self._acted = -1
        self._entries: dict[str, bytes | None] = {}
        self._waiting: list[Finding] = []
        self._news: list[News] = []
        self._actions: list[Action] = []

    def step(self, records: Sequence[Record]) -> list[Outgoing]:
        """Findings and actions in their order; a tick says that time went on."""
        outgoing: list[Outgoing] = []
        for record in records:
            if record.offset <= self._mark.offset:
                continue
            self._mark.offset = record.offset
            try:
                self._take(record, outgoing)
            except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
                outgoing.append(self._letters.of(record, _strange(error)))
        self._route()
        return outgoing + self._present()

    @property
    def now(self) -> float:
        """The last tick, epoch seconds; 0 before the first."""
        return self._mark.now

    def reload(self, config: Config) -> None:
        """Go on under another configuration."""
        self.router.reload(config, self._mark.now)
        self.sight.owner = config.default_owner

    def counted(self) -> Counter[str]:
        """What came of records, by metric name."""
        return self.counts + self._letters.counts

    def settled(self) -> int:
        """See `partition.Core`."""
        return self._mark.offset

    def changes(self) -> list[Entry]:
        """Deliveries first: an incident that says it was told must not outlive what is to be told."""
        self._entries |= dict(self.router.changes())  # what a reload changed
        entries = list(self._entries.items())
        self._entries = {}
        acted = (_ACTED_KEY, msgspec.msgpack.encode(self._acted))
        return [*self.outbox.changes(), *entries, *self.sight.changes(), acted, self._mark.entry()]

    def load(self, entries: Iterable[tuple[str, bytes]]) -> None:
        """Put back incidents and deliveries."""
        found = list(entries)
        self._mark.load(found)
        for key, value in found:
            if key == _ACTED_KEY:
                self._acted = msgspec.msgpack.decode(value, type=int)
        self.router.load(found)
        self.sight.load(found)
        self.outbox.load(found)

    def _take(self, record: Record, outgoing: list[Outgoing]) -> None:
        value = record.value or b""
        if is_action(value):
            self._act(record, decode_action(value), outgoing)
        elif is_news(value):
            news = decode_news(value)
            # The router hears news before findings: findings that came before must not wait for it.
            if self._actions or self._waiting:
                self._route()
            self._news.append(news)
        elif not is_control(value):
            finding = decode_finding(value)
            if self._actions:
                self._route()
            self._waiting.append(finding)
        elif isinstance(control := decode_control(value), Sighting):
            self.sight.saw(control)
        elif isinstance(control, Tick) and control.time > self._mark.now:
            blind = self.sight.tick(self._mark.now, control.time)
            self._mark.now = control.time
            self._route()
            if blind:  # behind what was due while nobody watched
                self._waiting = blind
                self._route()

    def _act(self, record: Record, action: Action, outgoing: list[Outgoing]) -> None:
        """Take an action that was not taken yet, and tell the engines what it means to them."""
        place = int(next((value for name, value in record.headers if name == ACTION), b"-1"))
        if place <= self._acted:
            self.counts["actions_repeated"] += 1
            return
        self._acted = place
        if self._waiting or self._news:
            self._route()
        taken = settled(action, self._mark.now, max(place, 0))
        self._actions.append(taken)
        self.counts[f"actions:{name_of(taken)}"] += 1
        if isinstance(taken, Deed):
            acks = self.router.acks(taken)
            outgoing += [Outgoing(self._topics.control, encode_control(ack), ack.agent.encode()) for ack in acks]

    def _route(self) -> None:
        findings, self._waiting = self._waiting, []
        news, self._news = self._news, []
        actions, self._actions = self._actions, []
        now = self._mark.now or max((each.time for each in (*findings, *news)), default=0.0)
        now = max((now, *(action.time for action in actions)))
        for notification in self.router.step(findings, now, actions, news):
            self.outbox.put(notification)

    def _present(self) -> list[Outgoing]:
        """Each incident that changed, as it is now, for the compacted topic."""
        changed = dict(self.router.changes())
        self._entries |= changed
        names = [key.removeprefix(_INCIDENT) for key in changed if key.startswith(_INCIDENT)]
        if not names:
            return []
        incidents: dict[str, Incident] = {incident.id: incident for incident in self.router.incidents()}
        out = []
        for name in names:
            incident = incidents.get(name)
            value = _incident.encode(incident) if incident is not None else None
            out.append(Outgoing(self._topics.incidents, value, name.encode()))
        return out


class ControlCore:
    """The control topic: rulings and acks, copied to the partition of their agent; covers, which have none, to all.

    Acks go beside the evidence as well, for the nodes above agents. A copy that a crash repeats ends nothing twice: an
    ack names its episode.
    Actions go to the router, beside the findings, each with its offset here: what a crash copies again is recognised.
    """

    def __init__(self, config: Config, letters: LetterParts) -> None:
        self._topics = config.runtime.kafka.topics
        self._letters = Letters(letters, self._topics.dead_letters, self._topics.control, 0)
        self._partitions = config.runtime.kafka.partitions
        self._offset = -1

    def step(self, records: Sequence[Record]) -> list[Outgoing]:
        """Copy what an engine must know."""
        outgoing: list[Outgoing] = []
        for record in records:
            self._offset = record.offset
            value = record.value or b""
            if is_action(value):
                place = ((ACTION, str(record.offset).encode()),)
                outgoing.append(Outgoing(self._topics.findings, value, None, 0, place))
                continue
            try:
                control = decode_control(value)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                outgoing.append(self._letters.of(record, _strange(error)))
                continue
            if isinstance(control, Cover):
                everywhere = range(self._partitions)
                outgoing += [Outgoing(self._topics.events, record.value, None, number) for number in everywhere]
            elif isinstance(control, Grant | Pooled | Ack):
                home = partition_of(control.agent, self._partitions)
                outgoing.append(Outgoing(self._topics.events, record.value, control.agent.encode(), home))
                if isinstance(control, Ack):  # whose episode it is, an agent's or one above agents, only they know
                    outgoing.append(Outgoing(self._topics.evidence, record.value, None, 0))
        return outgoing

    def counted(self) -> Counter[str]:
        """What came of records, by metric name."""
        return self._letters.counts

    def settled(self) -> int:
        """See `partition.Core`."""
        return self._offset

    def changes(self) -> list[Entry]:
        """Nothing to keep: a ruling that comes twice says the same."""
        return []

    def load(self, entries: Iterable[tuple[str, bytes]]) -> None:
        """Nothing was kept."""


def _strange(error: Exception) -> BadEvent:
    """Only the monitor writes these topics: what it cannot read comes from another version or from a stranger."""
    return BadEvent(Reason.NOT_JSON, f"not written by this monitor: {error}")
