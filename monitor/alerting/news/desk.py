"""Where news of the engines goes in the router: changes, rollouts, complaints and objectives, each to the part that
keeps it.

It keeps nothing itself. The parts are saved with the router's other parts. What somebody is to be told of rollouts
comes back as notifications: at once from `take`, later from `run`, which is due at `next_due`. What changes and
complaints mean for incidents is the router's matter: it gives them to their parts.
"""

from __future__ import annotations

from collections import Counter

from monitor.alerting.changes.ledger import Changes
from monitor.alerting.complaints.book import Complaints
from monitor.alerting.decisions import Decisions
from monitor.alerting.report.objectives import Objectives
from monitor.alerting.rollouts import telling
from monitor.alerting.rollouts.board import Rollouts, Standing, is_urgent
from monitor.alerting.routing.receivers import signed_receivers
from monitor.alerting.routing.tree import Routing
from schemas.alert import Notification, NotificationReason
from schemas.config import Config
from schemas.news import News, ObjectiveSeen, RolloutSeen


class NewsDesk:
    """The parts, and which of them hears what. `decisions`: where it is kept who was told."""

    def __init__(self, changes: Changes, config: Config, routing: Routing, decisions: Decisions) -> None:
        self.changes = changes
        self.rollouts = Rollouts()
        self.complaints = Complaints()
        self.objectives = Objectives()
        self.parts = (self.changes, self.rollouts, self.complaints, self.objectives)
        self._counts: Counter[str] = Counter()
        self._decisions = decisions
        self.reload(config, routing)

    def reload(self, config: Config, routing: Routing) -> None:
        """Go on under another configuration."""
        self._routing = routing
        self._signed = signed_receivers(config)
        self.rollouts.reload(config.runtime.retention.incidents)

    def take(self, news: News, now: float) -> list[Notification]:
        """Keep news of rollouts and objectives; what is known changes nothing. What is told at once comes back."""
        if isinstance(news, RolloutSeen):
            standing = self.rollouts.take(news)
            return self._tell(standing, now) if standing is not None and is_urgent(standing) else []
        if isinstance(news, ObjectiveSeen):
            self.objectives.take(news)
        return []

    def run(self, now: float) -> list[Notification]:
        """What is due at `now`, epoch seconds."""
        return [each for standing in self.rollouts.due(now) for each in self._tell(standing, now)]

    def next_due(self) -> float | None:
        """When `run` has something to do, epoch seconds."""
        return self.rollouts.next_due()

    @property
    def counts(self) -> Counter[str]:
        """What came of news, by name, and `notification <reason>`."""
        return sum((part.counts for part in self.parts), start=self._counts)

    def _tell(self, standing: Standing, now: float) -> list[Notification]:
        told = telling.notifications(standing, self._routing, self._signed, now)
        self.rollouts.touch(standing)
        for each in told:
            self._counts[f"notification {each.reason}"] += 1
            if each.reason is not NotificationReason.EVIDENCE:  # of numbers alone there are too many to keep
                self._decisions.note(now, "told", each.incident, each.receiver, each.reason, each.alerts[0].labels)
        return told
