"""Where news of the engines goes in the router: changes, rollouts, complaints and objectives, each to the part that
keeps it.

It keeps nothing itself. The parts are saved with the router's other parts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from monitor.alerting.changes.ledger import Changes
from monitor.alerting.complaints.attaching import Attaching
from monitor.alerting.complaints.book import Complaints
from monitor.alerting.incidents.desk import Desk
from monitor.alerting.incidents.record import Record
from monitor.alerting.report.standing import Standing
from monitor.alerting.rollouts.board import Rollouts
from schemas.news import ChangeSeen, ComplaintSeen, News, RolloutSeen


class NewsDesk:
    """The parts, and which of them hears what. Complaints find their incidents at `desk`."""

    def __init__(self, desk: Desk) -> None:
        self.changes = Changes()
        self.rollouts = Rollouts()
        self.complaints = Complaints()
        self.objectives = Standing()
        self.parts = (self.changes, self.rollouts, self.complaints, self.objectives)
        self._attaching = Attaching(self.complaints, desk.incidents, desk.graph)

    def take(self, news: News, now: float) -> list[Record]:
        """Give news to its part; what is known there changes nothing. The incidents that changed by it."""
        if isinstance(news, ChangeSeen):
            self.changes.take(news)
        elif isinstance(news, RolloutSeen):
            self.rollouts.take(news)
        elif isinstance(news, ComplaintSeen):
            return self._attaching.came(news, now)
        else:
            self.objectives.take(news)
        return []

    def changed(self, records: Iterable[Record], now: float) -> list[Record]:
        """Incidents changed: complaints may belong to them. Those that changed by that."""
        return self._attaching.changed(records, now)

    @property
    def counts(self) -> Counter[str]:
        """What came of news, by name."""
        return sum((part.counts for part in self.parts), start=Counter())
