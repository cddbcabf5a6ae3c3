"""The part of our configuration that Alertmanager knows, in its YAML: for `amtool config` and for Grafana.

Routing by owner, which needs no tree here, is written out as the tree that says the same. Invariant: no secret is in
it; where one stands in the file, `SECRET` or `HIDDEN_URL` stands here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import yaml

from schemas.config import Config, NamedInterval, Receiver, Route

SECRET = "<secret>"
"""Alertmanager's own word."""
HIDDEN_URL = "http://secret.invalid/"
"""For a webhook: older amtools want a URL there."""

_UNITS = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms"))
_DURATIONS = ("group_wait", "group_interval", "repeat_interval")


def original(config: Config, receivers: Iterable[str] = ()) -> str:
    """The YAML. `receivers`: names that are known beside the declared ones; without a tree each is an owner."""
    declared = {receiver.name: receiver for receiver in config.receivers}
    owners = [name for name in dict.fromkeys((*config.owners, *receivers)) if name not in declared]
    named = [_receiver(receiver) for receiver in config.receivers] + [{"name": name} for name in owners]
    default = config.default_owner
    if default not in declared and default not in owners:
        named.append({"name": default})
    whole: dict[str, Any] = {"global": {"resolve_timeout": duration(config.global_.resolve_timeout)}}
    if any("slack_configs" in each for each in named):
        whole["global"]["slack_api_url"] = SECRET
    if config.route is not None:
        whole["route"] = _route(config.route, default)
    else:
        by_owner = [{"receiver": name, "matchers": [f'owner="{_quoted(name)}"']} for name in config.owners]
        whole["route"] = {"receiver": default, "group_by": ["..."], **({"routes": by_owner} if by_owner else {})}
    if config.inhibit_rules:
        whole["inhibit_rules"] = [
            each.model_dump(exclude_defaults=True, exclude={"name"}) for each in config.inhibit_rules
        ]
    if intervals := [_interval(each) for each in (*config.time_intervals, *config.mute_time_intervals)]:
        whole["time_intervals"] = intervals
    whole["receivers"] = named
    return yaml.safe_dump(whole, sort_keys=False, allow_unicode=True)


def duration(seconds: float) -> str:
    """Seconds → `1h30m`, as Prometheus writes them."""
    left = round(seconds * 1_000)
    text = ""
    for size, unit in _UNITS:
        if left >= size:
            text += f"{left // size}{unit}"
            left %= size
    return text or "0s"


def _route(route: Route, receiver: str) -> dict[str, Any]:
    written = route.model_dump(by_alias=True, exclude_unset=True, exclude={"routes"})
    for key in _DURATIONS:
        if written.get(key) is not None:
            written[key] = duration(written[key])
    if receiver:
        written = {"receiver": written.pop("receiver", None) or receiver, **written}
    if route.routes:
        written["routes"] = [_route(each, "") for each in route.routes]
    return written


def _receiver(receiver: Receiver) -> dict[str, Any]:
    """Without its console, which Alertmanager does not know."""
    written: dict[str, Any] = {"name": receiver.name}
    if receiver.slack_configs:
        written["slack_configs"] = [
            {"channel": each.channel, "send_resolved": each.send_resolved} for each in receiver.slack_configs
        ]
    if receiver.webhook_configs:
        written["webhook_configs"] = [
            {"url": HIDDEN_URL, "send_resolved": each.send_resolved, "max_alerts": each.max_alerts}
            for each in receiver.webhook_configs
        ]
    return written


def _interval(interval: NamedInterval) -> dict[str, Any]:
    written = interval.model_dump(exclude_none=True)
    for spec in written["time_intervals"]:
        for key in ("days_of_month", "months", "years"):
            if key in spec:
                spec[key] = [str(each) for each in spec[key]]
    return written


def _quoted(name: str) -> str:
    return name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
