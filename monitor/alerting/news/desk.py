"""Where news of the engines goes in the router: changes, rollouts and complaints, each to the part that keeps it.

It keeps nothing itself. The parts are saved with the router's other parts.
"""

from __future__ import annotations

from collections import Counter

from monitor.alerting.changes.ledger import Changes, Release
from monitor.alerting.complaints.book import Complaints
from monitor.alerting.rollouts.board import Rollouts
from schemas.news import ChangeSeen, News, RolloutSeen


class NewsDesk:
    """The three parts, and which of them hears what."""

    def __init__(self) -> None:
        self.changes = Changes()
        self.rollouts = Rollouts()
        self.complaints = Complaints()
        self.parts = (self.changes, self.rollouts, self.complaints)

    def take(self, news: News) -> Release | None:
        """Give news to its part; what is known there changes nothing. The release that a change told something of."""
        if isinstance(news, ChangeSeen):
            return self.changes.take(news)
        if isinstance(news, RolloutSeen):
            self.rollouts.take(news)
        else:
            self.complaints.take(news)
        return None

    @property
    def counts(self) -> Counter[str]:
        """What came of news, by name."""
        return sum((part.counts for part in self.parts), start=Counter())
