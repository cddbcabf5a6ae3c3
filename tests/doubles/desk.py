"""One life of the delivery side, put together as the monitor does it, over a store that survives it."""

from __future__ import annotations

from monitor.alerting.routing.receivers import plan
from monitor.notify.dispatch import Dispatcher
from monitor.notify.outbox import Outbox
from monitor.notify.slack.client import SlackClient
from monitor.notify.slack.notifier import SlackNotifier
from monitor.notify.waiting.entry import REFUSED_SOON_SECONDS
from schemas.alert import Notification
from schemas.config import Config
from tests.doubles.clock import Clock
from tests.doubles.slack import BOT_TOKEN, SlackDouble

CONFIG = Config.model_validate({"owners": {"payments": {"slack": "#payments", "mention": "U024BE7LH"}}})
TARGET = "payments/slack/#payments"


class Desk:
    """Outbox, dispatcher and notifier. `stored` is what was durable."""

    def __init__(
        self,
        slack: SlackDouble,
        clock: Clock,
        stored: dict[str, bytes],
        token: str = BOT_TOKEN,
        config: Config = CONFIG,
    ) -> None:
        self.clock = clock
        self.stored = stored
        self.outbox = Outbox(plan(config, slack=True))
        self.outbox.load(stored.items())
        client = SlackClient(token, base_url=slack.base_url, timeout_seconds=1)
        targets = (target for found in plan(config, slack=True).values() for target in found if target.kind == "slack")
        notifiers = {target.name: SlackNotifier(client, target.channel, config) for target in targets}
        self.dispatcher = Dispatcher(self.outbox, notifiers, self.commit, clock)

    async def commit(self) -> None:
        for key, raw in self.outbox.changes():
            if raw is None:
                self.stored.pop(key, None)
            else:
                self.stored[key] = raw

    async def tell(self, *notifications: Notification, patience: int = 12) -> None:
        """Put and send until nothing waits but what was refused, moving the clock from one attempt to the next."""
        await self.dispatcher.put(notifications)
        for _ in range(patience):
            await self.dispatcher.flush()
            wake = self.outbox.next_wake()
            if wake is None or wake - self.clock() >= REFUSED_SOON_SECONDS:
                return
            self.clock.time = max(self.clock.time + 1.0, wake)
