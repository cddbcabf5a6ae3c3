"""What a receiver consists of: Slack channels, webhooks, the console, signed webhooks for verdicts.

Pure: names and settings, no connection and no secret. Invariant: every owner and every receiver has at least one
target, for what has nowhere to go is shown on the console.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from schemas.config import Config, Receiver

TargetKind = Literal["slack", "webhook", "console", "verdict"]


@dataclass(frozen=True)
class Target:
    """One place that a receiver writes to.

    `name` is unique and stays the same as long as the place does; deliveries are remembered under it. `channel` for
    Slack, `index` into `webhook_configs` or `verdict_configs` for webhooks. `stands_for`: the Slack channel that a
    console shows instead.
    """

    name: str
    kind: TargetKind
    send_resolved: bool = True
    channel: str = ""
    index: int = 0
    stands_for: str = ""


def plan(config: Config, *, slack: bool) -> dict[str, tuple[Target, ...]]:
    """Receiver name → its targets. `slack`: whether there is a token to write to Slack with.

    Owners are receivers, with their Slack channel and what a receiver of the same name adds. Without a token, what
    would go to Slack is shown on the console.
    """
    declared = {receiver.name: receiver for receiver in config.receivers}
    owners = (component.owner for component in config.components if component.owner is not None)
    names = dict.fromkeys((*config.owners, *owners, config.default_owner, *declared))
    return {name: _targets(name, declared.get(name), _channel(config, name), slack) for name in names}


def targets_of(receiver: str, planned: Mapping[str, tuple[Target, ...]], default: str = "") -> tuple[Target, ...]:
    """The targets of a receiver; for one that nobody declared those of `default`, without one the console."""
    return planned.get(receiver) or planned.get(default) or (_console(receiver),)


def signed_receivers(config: Config) -> frozenset[str]:
    """Receivers that have a signed webhook for verdicts."""
    return frozenset(receiver.name for receiver in config.receivers if receiver.verdict_configs)


def _channel(config: Config, owner: str) -> str | None:
    return config.owners[owner].slack if owner in config.owners else None


def _targets(name: str, declared: Receiver | None, channel: str | None, slack: bool) -> tuple[Target, ...]:
    channels = {} if channel is None else {channel: True}
    for each in declared.slack_configs if declared else ():
        channels.setdefault(each.channel, each.send_resolved)
    found: dict[str, Target] = {}
    for where, send_resolved in channels.items():
        target = Target(f"{name}/slack/{where}", "slack", send_resolved, channel=where)
        if not slack:
            target = _console(name, stands_for=where, send_resolved=send_resolved)
        found.setdefault(target.name, target)
    for index, webhook in enumerate(declared.webhook_configs if declared else ()):
        target = Target(f"{name}/webhook/{index}", "webhook", webhook.send_resolved, index=index)
        found[target.name] = target
    for console in declared.console_configs if declared else ():
        found.setdefault(f"{name}/console", _console(name, send_resolved=console.send_resolved))
    if not found:  # what acts on verdicts shows nobody anything
        found[f"{name}/console"] = _console(name)
    for index, _ in enumerate(declared.verdict_configs if declared else ()):
        target = Target(f"{name}/verdict/{index}", "verdict", index=index)
        found[target.name] = target
    return tuple(found.values())


def _console(name: str, stands_for: str = "", send_resolved: bool = True) -> Target:
    return Target(f"{name}/console", "console", send_resolved, stands_for=stands_for)
