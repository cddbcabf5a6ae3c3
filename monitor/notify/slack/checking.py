"""`forewarn check --check-slack`: asks Slack itself whether tokens are good and whether it takes our messages.

Posts nothing. The messages are samples with everything that one can hold: what the double knows of Slack's limits is
written from documentation, `blocks.validate` is Slack's own word.
"""

from __future__ import annotations

import msgspec

from monitor.alerting.router import Router
from monitor.notify.composing import message_of
from monitor.notify.delivery import DeliveryError
from monitor.notify.slack.blocks import Block, render
from monitor.notify.slack.client import SlackClient
from schemas.alert import Impact
from schemas.config import Config
from schemas.finding import Finding
from schemas.news import Compared, RolloutSeen

_TIME = 1_760_000_000.0


async def problems(config: Config, client: SlackClient, app: SlackClient | None) -> list[str]:
    """What is wrong, a sentence each. `app`: a client with the token of Socket Mode, where there is one."""
    found = []
    try:
        await client.call("auth.test", {})
    except DeliveryError as error:
        return [f"slack.bot_token: Slack answers {error.detail}"]
    if app is not None:
        try:
            await app.call("apps.connections.open", {})
        except DeliveryError as error:
            found.append(f"slack.app_token: Slack answers {error.detail}; it needs the scope connections:write")
    for name, blocks in samples(config).items():
        try:
            found += [f"message `{name}`: {line}" for line in await client.validate(blocks)]
        except DeliveryError as error:
            found.append(f"message `{name}`: could not be checked: {error.detail}")
    return found


def samples(config: Config) -> dict[str, list[Block]]:
    """Messages of every shape: with Slack's chart and buttons, with bars, resolved, and a rollout."""
    (told,) = Router(Config(owners=config.owners)).step([_finding()], _TIME)
    told = msgspec.structs.replace(
        told,
        acked_by="slack:U0 sample",
        acked_at=_TIME,
        silenced_until=_TIME + 3_600.0,
        impact=(Impact(owner="sample", component="agent:other", since=_TIME, declared=True),),
        cause="version v2 was deployed",
        series=tuple((_TIME + 60.0 * n, 0.04 + 0.01 * n) for n in range(20)),
    )
    over = tuple(msgspec.structs.replace(alert, ends_at=_TIME + 600.0) for alert in told.alerts)
    ended = msgspec.structs.replace(told, status="resolved", resolved_at=_TIME + 600.0, alerts=over)
    message, closed = message_of(told, config), message_of(ended, config)
    (rollout,) = Router(Config(owners=config.owners)).step((), _TIME, (), [_rollout()])
    return {
        "with a chart": render(message, buttons=True)[0],
        "with a line of bars": render(message, native=False, buttons=True)[0],
        "resolved": render(closed, native=False)[0],
        "a rollout": render(message_of(rollout, config))[0],
    }


def _finding() -> Finding:
    return Finding(
        id="sample", incident_key="sample", status="firing", time=_TIME, signal="tool.failed", direction="up",
        mode="page", owner="sample", node={"agent": "sample-agent", "version": "v2", "tool": "sample_tool"},
        watched={"agent": "sample-agent"}, before=0.04, after=0.16, before_n=200.0, after_n=150.0, before_bad=8.0,
        after_bad=24.0, onset=_TIME - 60.0, runs=("run-1", "run-2"), affected=("version=v2",),
        unaffected=("version=v1",), error_types=("sample_error",),
    )  # fmt: skip


def _rollout() -> RolloutSeen:
    signal = Compared(
        signal="run.failed", baseline=0.05, candidate=0.15, baseline_n=412, candidate_n=398, effect=0.1, low=0.03,
        high=0.17, evidence=412.0, state="worse", detail="60 of 398 against 21 of 412",
    )  # fmt: skip
    return RolloutSeen(
        id="sample", time=_TIME, agent="sample-agent", owner="sample", mode="shadow", baseline="v1", candidate="v2",
        started=_TIME - 3_600.0, verdict="roll back", reason="run.failed is worse", baseline_runs=412,
        candidate_runs=398, pairs=398, left_out=12, agreement=0.91, agreement_low=0.86, agreement_high=0.95,
        signals=(signal, msgspec.structs.replace(signal, signal="run.steps", state="same", unit="count")),
        examples=(("run-1", "run-2"),),
    )  # fmt: skip
