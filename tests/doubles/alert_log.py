"""Timed alerts into a router, and what it tells as short lines: the clock is injected, and jumps from wake to wake."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitor.alerting.router import Router
from schemas.actions import Action, Matcher, PostedAlert, SilenceEnded, SilenceSet
from schemas.alert import Notification
from schemas.config import Config
from schemas.finding import Finding
from tests.doubles.clock import START

RECEIVERS = [{"name": name, "webhook_configs": [{"url": "http://localhost/x"}]} for name in ("r", "s", "t")]
ROUTE = {"receiver": "r", "group_by": ["alertname"]}


def routed(route: Mapping[str, Any] | None = None, **more: Any) -> Config:
    """A configuration with a route; what is not given is Alertmanager's default."""
    return Config.model_validate({"route": {**ROUTE, **(route or {})}, "receivers": RECEIVERS, **more})


def alert(at: float, text: str, **more: Any) -> PostedAlert:
    """`A inst=1 team=x` posted `at` seconds after the start; `starts` and `ends` count from the start as well.

    What ends later began when it was posted, unless `starts` says otherwise.
    """
    if more.get("ends", 0.0) > at:
        more.setdefault("starts", at)
    name, *labels = text.split()
    pairs = {"alertname": name, **dict(pair.split("=", 1) for pair in labels)}
    times = {f"{key}_at": None if (t := more.get(key)) is None else START + t for key in ("starts", "ends")}
    return PostedAlert(time=START + at, labels=pairs, **times)


def silence(at: float, matchers: str, starts: float, ends: float, name: str = "s1") -> SilenceSet:
    """`inst=1 team=x` silenced; times count from the start."""
    found = tuple(Matcher(*pair.split("=", 1)) for pair in matchers.split())
    return SilenceSet(
        time=START + at, id=name, matchers=found, starts_at=START + starts, ends_at=START + ends, created_by="t"
    )


def unsilence(at: float, name: str = "s1") -> SilenceEnded:
    """A silence ended by hand."""
    return SilenceEnded(time=START + at, id=name, by="t")


class Told:
    """A router under a clock. `lines`: what it told so far."""

    def __init__(self, config: Config) -> None:
        self.router = Router(config)
        self.notifications: list[Notification] = []

    def until(self, at: float) -> None:
        """Let time go on to `at`, with a tick wherever the router wants to be woken."""
        while (wake := self.router.next_wake()) is not None and wake < START + at:
            self.notifications += self.router.tick(wake)
        self.notifications += self.router.tick(START + at)

    def take(self, *records: Action | Finding) -> None:
        """Take each record at its time."""
        for record in records:
            wakes = record.time - START
            while (wake := self.router.next_wake()) is not None and wake < START + wakes:
                self.notifications += self.router.tick(wake)
            if isinstance(record, Finding):
                self.notifications += self.router.step([record], record.time)
            else:
                self.notifications += self.router.step((), record.time, [record])

    @property
    def lines(self) -> list[str]:
        """`30 r first notification: A1 -B2`: seconds, receiver, reason, alerts (a minus: resolved)."""
        return [line(each) for each in self.notifications]


def line(told: Notification) -> str:
    """One notification in short."""
    alerts = sorted(
        ("-" if each.status == "resolved" else "") + each.labels["alertname"] + each.labels.get("inst", "")
        for each in told.alerts
    )
    return f"{told.time - START:g} {told.receiver} {told.reason}: {' '.join(alerts)}"


def story(config: Config, records: list[Action], until: float) -> list[str]:
    """What is told of a timeline up to `until` seconds after the start."""
    told = Told(config)
    told.take(*records)
    told.until(until)
    return told.lines
