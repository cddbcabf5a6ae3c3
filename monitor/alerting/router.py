"""The router: findings, actions and time in, notifications with a named reason out.

Pure: `now` is a parameter, nothing is sent here. A finding is taken into an alert and its incident (`incidents.desk`);
alerts of other systems stand beside them in the `dispatch.book`. Without a `route:` an incident goes to its owner at
once and the stages of `pipeline` say who is told; with one, the `dispatch.dispatcher` groups all alerts as Alertmanager
does. Invariants: a finding that was seen changes nothing; what is loaded from `changes()` and stepped on gives the same
notifications, however records are cut into steps; a notification is returned once and the outbox answers for its
delivery.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from monitor.alerting import views
from monitor.alerting.changes.ledger import Changes
from monitor.alerting.changes.unannounced import Unannounced
from monitor.alerting.decisions import Decisions
from monitor.alerting.digest import Digest
from monitor.alerting.dispatch.book import Book, Held
from monitor.alerting.dispatch.dispatcher import Dispatcher, Heard
from monitor.alerting.dispatch.expiry import Expiry
from monitor.alerting.dispatch.grid import Grid
from monitor.alerting.dispatch.stages import World
from monitor.alerting.dispatch.told import ToldLog
from monitor.alerting.incidents import deeds
from monitor.alerting.incidents.desk import Desk, apart
from monitor.alerting.incidents.record import Record
from monitor.alerting.muting.inhibited import Inhibited
from monitor.alerting.muting.inhibition import Inhibition
from monitor.alerting.muting.silences import Silences
from monitor.alerting.muting.times import Times
from monitor.alerting.news.desk import NewsDesk
from monitor.alerting.pipeline import Quiet, candidates, digests, judge, notification, wake
from monitor.alerting.report.reporter import Reporter
from monitor.alerting.routing.receivers import plan
from monitor.alerting.routing.tree import Routing
from schemas.actions import Action, Deed, PostedAlert, SilenceEnded, SilenceSet
from schemas.alert import Alert, AlertView, Decision, GroupView, Incident, Notification, NotificationReason, SilenceView
from schemas.config import Config
from schemas.finding import Finding
from schemas.news import ChangeSeen, ComplaintSeen, News
from schemas.records import Ack
from schemas.report import Report
from schemas.view import RolloutView

AWAY_SECONDS = 60.0
"""What is due for longer is not late: the monitor was away. Nothing is due at once then, see `_back`."""


class Router:
    """The state of all incidents, stepped by findings and ticks. One active router sees all findings, in log order."""

    def __init__(self, config: Config) -> None:
        self._digest, heard = Digest(config.owners), Heard()
        self._grid, self._routing, releases = Grid(), Routing(config), Changes()
        self._desk = Desk(config, self._routing, self._digest, releases, heard.told)
        self._unannounced = Unannounced(releases, config, self._desk.graph.owner)
        self._book, self._silences, self._told = Book(), Silences(), ToldLog()
        self._inhibition, self._decisions, self._expiry = Inhibition(config), Decisions(), Expiry()
        self._inhibited = Inhibited(self._inhibition, self._book)
        self._wakes: dict[str, float] = {}
        self._counts, self._now = Counter[str](), -math.inf
        self._configure(config)
        self._news = NewsDesk(releases, config, self._routing, self._decisions)
        self._reporter = Reporter(config, self._routing, self._desk, self._news)
        self._dispatcher = Dispatcher(self._routing, self._world, self._decisions)
        heard.by(self._dispatcher)

    def step(
        self, findings: Sequence[Finding], now: float, actions: Sequence[Action] = (), news: Sequence[News] = ()
    ) -> list[Notification]:
        """Take actions (of `now` at most), news and findings, each in log order; what is due at `now` comes back."""
        now = max(now, self._now)
        self._grid.begin(now)
        self._reporter.week.begin(now)
        self._back(now)
        told: list[Notification] = []
        for action in actions:
            at = min(max(action.time, self._now), now)
            told += self._advance(at, included=False)
            told += self._act(action, at)
        touched: dict[str, Record] = {}
        for each in news:
            told += self._news.take(each, now)
            touched.update((record.incident.id, record) for record in self._hear(each, now))
        for part in apart(findings):
            touched.update((record.incident.id, record) for finding in part for record in self._desk.take(finding))
            told += self._changed(touched.values(), now)
            touched = {}
        told += self._advance(now, included=True)
        self._desk.incidents.expire(now)
        return told + self._daily(now) + self._reporter.due(now)

    def tick(self, now: float) -> list[Notification]:
        """Time went on to `now`."""
        return self.step((), now)

    def next_wake(self) -> float | None:
        """When a tick would do something, epoch seconds; None while nothing waits."""
        later = (self._desk.incidents.next_expiry(), self._digest.next_due(), self._reporter.week.next_due())
        found = [*self._wakes.values(), *self._times(), *later]
        soonest = min((at for at in found if at is not None), default=math.inf)
        return None if soonest == math.inf else soonest

    def changes(self) -> list[tuple[str, bytes | None]]:
        """Entries that changed since the last call; None deletes."""
        found = [entry for part in self._parts() for entry in part.changes()]
        return [*found, *self._grid.changes_at(self._now)] if found else found

    def load(self, entries: Iterable[tuple[str, bytes]]) -> None:
        """Take up what `changes` gave, before the first step. Entries of others are ignored."""
        entries = list(entries)
        for part in self._parts():
            part.load(entries)
        self._now = self._grid.now
        self._desk.loaded()
        self._unannounced.loaded()
        self._inhibition.loaded(self._book)
        self._dispatcher.loaded(self._now)
        self._resume()

    def reload(self, config: Config, now: float) -> None:
        """Go on under another configuration: alerts, incidents, groups and what was sent stay."""
        self._now, self._routing = max(now, self._now), Routing(config)
        self._configure(config)
        self._desk.reload(config, self._routing)
        self._digest.reload(config.owners)
        self._reporter.reload(config, self._routing)
        self._unannounced.reload(config)
        self._news.reload(config, self._routing)
        self._inhibition.reload(config, self._book)
        self._dispatcher.reload(self._routing, self._world, self._now)
        self._resume()

    def acks(self, deed: Deed) -> list[Ack]:
        """What a false alarm or a new normal tells the engine, for the log of events: one per alert that fires.

        Asked before the deed is stepped.
        """
        record = self._desk.incidents.find(deed.incident)
        return [] if record is None else deeds.acks(record, deed)

    def silence_id(self, action: SilenceSet) -> str:
        """The id under which a silence will stand once it was stepped."""
        return self._silences.id_of(action, max(action.time, self._now))

    def incidents(self) -> list[Incident]:
        """Open incidents, oldest first, then the closed ones that are kept."""
        return [record.incident for record in self._desk.incidents]

    def alerts(self) -> list[AlertView]:
        """Every alert that fires or whose end was not told yet, ours and posted ones."""
        return views.alerts(self._routing, self._world, self._dispatcher.groups, self._now)

    def groups(self) -> list[GroupView]:
        """What each receiver is told together."""
        records = list(self._desk.incidents.open())
        return views.groups(self._routing, self._world, self._dispatcher.groups, records, self._now)

    def silences(self) -> list[SilenceView]:
        """Silences that are kept, the latest change first."""
        return self._silences.views(self._now)

    def receivers(self) -> list[str]:
        """Names of all receivers: the declared ones and the owners."""
        return list(self._receivers)

    def changes_seen(self) -> list[ChangeSeen]:
        """Changes that are kept, the latest first."""
        return self._news.changes.seen()

    def rollouts(self) -> list[RolloutView]:
        """Rollouts that go on, then those that are over, the latest first."""
        return self._news.rollouts.views()

    def complaints(self) -> list[ComplaintSeen]:
        """Complaints that are kept, the latest first."""
        return self._news.complaints.seen()

    def report(self, since: float, until: float) -> Report:
        """How well the owners were served from `since` to `until`, epoch seconds."""
        return self._reporter.report(since, until)

    def decisions(self, about: str | Mapping[str, str]) -> list[Decision]:
        """What was decided of an incident (its id), a group (its key) or alerts with these labels, oldest first."""
        return self._decisions.about(about)

    @property
    def counts(self) -> Counter[str]:
        """What was decided, by name: `finding <step>`, `notification <reason>`, `quiet <reason>`, and bounds met."""
        parts = (
            self._desk.counts, self._desk.incidents.counts, self._book.counts, self._silences.counts,
            self._dispatcher.counts, self._dispatcher.groups.counts, self._news.counts, self._unannounced.counts,
        )  # fmt: skip
        return sum(parts, start=self._counts)

    def _configure(self, config: Config) -> None:
        planned = plan(config, slack=True)
        self._receivers = tuple(planned)
        self._resolve_timeout = config.global_.resolve_timeout
        self._world = World(
            book=self._book,
            inhibition=self._inhibition,
            times=Times(config),
            silences=self._silences,
            told=self._told,
            send_resolved={name: any(each.send_resolved for each in targets) for name, targets in planned.items()},
            incident=self._desk.incidents.find,
        )

    def _resume(self) -> None:
        """Know what is to come: ends of posted alerts that no group looks at, and when an incident is judged again."""
        own_way = self._routing.root is None
        self._expiry.load(held for held in self._book if own_way and held.alert.posted and self._desk.fires(held.alert))
        self._wakes.clear()
        inhibited = self._decisions.latest(Quiet.INHIBITED)
        for record in self._desk.incidents.open():
            self._sleep(record)
            if record.incident.id in inhibited and record.incident.id not in self._inhibited:
                self._wakes[record.incident.id] = self._now  # the rule that muted it is gone

    def _parts(self) -> tuple[views.Part, ...]:
        # In this order they become durable: what was told before the group that then waits, time last.
        return (
            self._silences, self._book, self._inhibition, self._desk.graph, self._desk.incidents, self._digest,
            self._told, self._dispatcher.groups, self._decisions, *self._news.parts,
            self._reporter.week, self._grid,
        )  # fmt: skip

    def _back(self, now: float) -> None:
        """Before anything else at `now`: was the monitor away? Then sources and people get time to speak first."""
        parts = (self._dispatcher.groups, self._expiry, self._inhibited)
        times = (self._desk.next_escalation(), *(part.next_due() for part in parts))
        if all(at is None or at >= now - AWAY_SECONDS for at in times):
            return
        self._counts["away"] += 1
        self._dispatcher.put_off(now)
        for part in (self._desk, self._expiry, self._inhibited):
            part.put_off(now + AWAY_SECONDS)

    def _hear(self, news: News, now: float) -> list[Record]:
        """News; the incidents that look another way because of it."""
        if isinstance(news, ComplaintSeen):
            return self._reporter.attaching.came(news, now)
        if not isinstance(news, ChangeSeen) or (release := self._news.changes.take(news)) is None:
            return []
        self._unannounced.hear(release)
        return self._desk.hear(news, release, now)

    def _act(self, action: Action, now: float) -> list[Notification]:
        """One action at `now`, before which everything due was done."""
        self._now = now
        if isinstance(action, PostedAlert):
            held = self._book.post(action, now, self._resolve_timeout)
            return [] if held is None else self._posted(held, now)
        if isinstance(action, Deed):
            return self._changed(self._desk.act(action, now), now)
        if isinstance(action, SilenceEnded):
            self._silences.end(action, now)
        elif self._silences.set(action, now) is not None:
            self._counts["silence set"] += 1
        return self._tell_all(now)

    def _posted(self, held: Held, now: float) -> list[Notification]:
        self._inhibition.seen(held, self._book)
        self._inhibited.seen(held, now)
        if self._routing.root is not None:
            self._dispatcher.take(held, now)
            return self._freed(now)
        self._expiry.watch(held, now)
        owner = self._routing.owner(held.alert.labels)
        return self._changed(self._desk.take_posted(held, owner, now), now)

    def _advance(self, until: float, *, included: bool) -> list[Notification]:
        """Everything that is due before `until`, or then as well, in the order of its time."""
        told: list[Notification] = []
        while (at := self._next()) is not None and (at < until or (included and at == until)):
            self._now = max(at, self._now)
            told += self._due(self._now)
        self._now = max(until, self._now)
        if included:
            for name in sorted(name for name, at in self._wakes.items() if at <= until):
                told += self._tell(self._desk.incidents.get(name), until)
        return told

    def _next(self) -> float | None:
        """When something on the router's own clock is due."""
        grid = self._grid.times() if len(self._book) or len(self._told) else ()
        return min((at for at in (*grid, *self._times()) if at is not None), default=None)

    def _times(self) -> tuple[float | None, ...]:
        """When something is due of which somebody may be told."""
        return (
            self._dispatcher.groups.next_due(), self._desk.next_escalation(), self._expiry.next_due(),
            self._inhibited.next_due(), self._silences.next_change(self._now), self._unannounced.next_due(),
            self._news.next_due(),
        )  # fmt: skip

    def _due(self, now: float) -> list[Notification]:
        """What is due at `now`, the moment that `_next` named."""
        told: list[Notification] = []
        # Before what is over is cleared away: an end may fall on that very moment.
        for name in self._expiry.due(now):
            held = self._book.get(name)
            if self._routing.root is None and held is None:
                told += self._changed(self._desk.gone(name, now), now)
            elif self._routing.root is None and held is not None and held.over(now):
                told += self._posted(held, now)
        alerts, what_was_told = self._grid.due(now)
        if alerts:
            self._book.collect(now, self._dispatcher.groups.members() | self._expiry.awaited())
            self._silences.expire(now)
        if what_was_told:
            self._told.collect(now)
        told += self._news.run(now)
        if self._routing.root is not None:  # where only groups are told, a silence may not be noted yet
            told += [each for record in self._desk.unheard(now) for each in self._tell(record, now)]
        told += self._changed(self._desk.escalations(now), now)
        for finding in self._unannounced.due(now):
            told += self._changed(self._desk.take(finding), now)
        if self._silences.next_change(math.nextafter(now, -math.inf)) == now:
            told += self._tell_all(now)
        self._inhibited.reach(now)
        told += self._freed(now)
        return told + self._dispatcher.run(now, included=True)

    def _changed(self, records: Iterable[Record], now: float) -> list[Notification]:
        """Incidents changed: their alerts are put into the book, and whoever is to know is told."""
        found = {record.incident.id: record for record in records}
        found.update((record.incident.id, record) for record in self._reporter.attaching.changed(found.values(), now))
        for record in found.values():
            for held in self._book.follow(record.incident, now, handed=record.handed):
                self._inhibition.seen(held, self._book)
                self._inhibited.seen(held, now)
                if self._routing.root is not None and not record.in_digest:
                    self._dispatcher.take(held, now)
        return [each for record in found.values() for each in self._tell(record, now)] + self._freed(now)

    def _freed(self, now: float) -> list[Notification]:
        """An inhibition may have ended: what it muted is judged again, and told where nothing else holds it."""
        told: list[Notification] = []
        for record in map(self._desk.incidents.get, self._inhibited.freed(now)):
            self._desk.wait_anew(record, now)
            told += self._tell(record, now)
        return told

    def _mutes(self, alert: Alert) -> Quiet | None:
        if self._inhibition.muting(alert.labels, self._now, self._book) is not None:
            return Quiet.INHIBITED
        return Quiet.SILENCED if self._silences.muting(alert.labels, self._now) else None

    def _tell_all(self, now: float) -> list[Notification]:
        """A silence began or ended: incidents may be told of, or not any more. Groups are at their next look."""
        found = list(self._desk.incidents.open())
        records = [each for each in found if self._routing.root is None or each.also or each.sent]
        return [each for record in records for each in self._tell(record, now)]

    def _tell(self, record: Record, now: float) -> list[Notification]:
        """What the receivers of one incident are told now; a resolved incident is closed behind it."""
        self._now = max(now, self._now)
        changed = views.note_silence(record, self._silences, now)
        told: list[Notification] = []
        if self._routing.root is not None and record.revision > record.said:
            told += self._dispatcher.word(record.incident.id, record.why, now)
        for candidate in candidates(record, self._routing, self._mutes):
            verdict = judge(candidate, now)
            what = "quiet" if isinstance(verdict, Quiet) else "told"
            self._counts[f"{'quiet' if what == 'quiet' else 'notification'} {verdict}"] += 1
            lead = candidate.alerts[0].labels
            self._decisions.note(now, what, record.incident.id, candidate.destination.receiver, verdict, lead)
            if isinstance(verdict, NotificationReason):
                self._counts["owner unknown"] += candidate.strays
                told.append(notification(candidate, verdict, now))
        record.said = record.revision
        if told or changed:
            self._desk.incidents.touch(record)
        if record.incident.status == "resolved":
            self._wakes.pop(record.incident.id, None)
            self._inhibited.forget(record.incident.id)
            if self._desk.incidents.is_open(record.incident.id):
                self._desk.incidents.close(record)
        else:
            self._sleep(record)
        return told

    def _daily(self, now: float) -> list[Notification]:
        told = digests(self._digest.due(now), self._desk.incidents.find, self._routing, now)
        self._counts["notification daily digest"] += len(told)
        return told

    def _sleep(self, record: Record) -> None:
        if found := candidates(record, self._routing, self._mutes):
            self._inhibited.note(record.incident, self._now)
            self._wakes[record.incident.id] = min(map(wake, found))
        else:
            self._wakes.pop(record.incident.id, None)
