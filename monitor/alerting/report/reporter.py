"""The router's part that reports: asked for a period, or each week by the YAML's `report:`.

It keeps only when a report was told last (`weekly`). Invariant: a weekly report of one owner has one name, by the time
at which it was due, so that it is told once however often it is stepped.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from monitor.alerting.complaints.attaching import Attaching
from monitor.alerting.incidents.desk import Desk
from monitor.alerting.news.desk import NewsDesk
from monitor.alerting.report import making, words
from monitor.alerting.report.weekly import Weekly
from monitor.alerting.routing.tree import Routing
from schemas.alert import Notification, NotificationReason
from schemas.config import WEEK, Config
from schemas.report import OwnerReport, Report


class Reporter:
    """Reports on the incidents of `desk` and the complaints and objectives of `news`, which `attaching` joins."""

    def __init__(self, config: Config, routing: Routing, desk: Desk, news: NewsDesk) -> None:
        self.week = Weekly(config.report)
        self.attaching = Attaching(news.complaints, desk.incidents, desk.graph)
        self._desk = desk
        self._news = news
        self.reload(config, routing)

    def reload(self, config: Config, routing: Routing) -> None:
        """Go on under another configuration."""
        self._config = config
        self._routing = routing
        self.week.settings = config.report

    def report(self, since: float, until: float) -> Report:
        """On all owners, from `since` to `until`, epoch seconds."""
        return making.report(
            self._desk.incidents, self._news.complaints, self._news.objectives.all(), self._config.owners,
            self._desk.graph.owners, since, until, self.week.began,
        )  # fmt: skip

    def due(self, now: float) -> list[Notification]:
        """The weekly messages that are due; they are told then. Complaints that are kept long enough are forgotten."""
        self._news.complaints.expire(now - self._config.runtime.retention.incidents)
        at = self.week.due(now)
        if at is None:
            return []
        found, to = self.report(at - WEEK, at), self._config.report.to
        return [_placed(each, self._routing) if to is None else each for each in messages(found, to, at, now)]


def messages(found: Report, to: str | None, due: float, now: float) -> list[Notification]:
    """A report as messages: one to each owner of anything, or one with all of it to the receiver `to`.

    `due` names them, epoch seconds: the same report is the same message.
    """
    if to is not None:
        text = [line for each in found.owners for line in (words.title(each), *words.lines(each))]
        return [_notification(to, to, f"report of {words.period(found)}", text, due, now)]
    return [
        _notification(each.owner, each.owner, words.title(each), words.lines(each), due, now)
        for each in found.owners
        if _says_something(each)
    ]


def _says_something(owner: OwnerReport) -> bool:
    """Whether there is anything to report: an owner of nothing gets no message."""
    return bool(owner.incidents or owner.complaints or owner.objectives)


def _notification(receiver: str, owner: str, title: str, lines: Iterable[str], due: float, now: float) -> Notification:
    name = f"report-{receiver}-{due:.0f}"
    return Notification(
        time=now,
        receiver=receiver,
        owner=owner,
        reason=NotificationReason.REPORT,
        status="resolved",
        severity="notice",
        incident=name,
        sequence=1,
        group_key=f'{{}}:{{report="{receiver}"}}',
        group_labels={"owner": owner},
        alerts=(),
        opened_at=due - WEEK,
        resolved_at=due,
        lines=(title, *lines),
    )


def _placed(told: Notification, routing: Routing) -> Notification:
    """It reaches somebody also where its owner is not in the configuration any more."""
    destination = routing.to(told.owner)
    return msgspec.structs.replace(told, receiver=destination.receiver, instead_of=destination.stands_for)
