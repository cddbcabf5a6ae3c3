"""kill -9 of the embedded monitor in the middle of a stream: nothing lost, nothing twice, one message."""

import asyncio
import json
import os
import random
import time

import aiohttp
import pytest

from tests.doubles.slack import BOT_TOKEN, Fault, SlackDouble
from tests.services.agent_events import Fleet
from tests.services.monitor_process import MonitorProcess

EVENTS = int(os.environ.get("FOREWARN_CRASH_EVENTS", "12000"))
"""Events of the stream; 50,000 is the number of the promise."""
KILLS = int(os.environ.get("FOREWARN_CRASH_KILLS", "3"))
SEED = int(os.environ.get("FOREWARN_CRASH_SEED", "7"))
BODY_EVENTS = 500
SENDERS = 4
WAIT = 60.0

CONFIG = """
owners:
  payments: {slack: "#payments"}
slack: {bot_token: "${SLACK_BOT_TOKEN}", base_url: "%s"}
runtime: {run_timeout: 1h}
"""


@pytest.fixture
async def slack():
    double = SlackDouble(time.time)
    await double.start()
    double.add_channel("payments")
    yield double
    await double.stop()


@pytest.fixture
def monitor(tmp_path, slack):
    process = MonitorProcess(tmp_path, CONFIG % slack.base_url, SLACK_BOT_TOKEN=BOT_TOKEN)
    yield process
    process.close()


async def post(session: aiohttp.ClientSession, url: str, body: bytes) -> None:
    async with session.post(f"{url}/v1/events", data=body, headers={"Content-Type": "application/x-ndjson"}) as answer:
        assert answer.status == 200, await answer.text()


async def send(url: str, bodies: list[bytes], reached: asyncio.Event | None = None, stop_at: int = 0) -> None:
    """All bodies, a few at a time, in order as far as a few keep it. Raises what the first one met.

    `reached` is set when `stop_at` of them were answered.
    """
    left = iter(bodies)
    answered = 0

    async def work() -> None:
        nonlocal answered
        for body in left:
            await post(session, url, body)
            answered += 1
            if reached is not None and answered == stop_at:
                reached.set()

    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(work() for _ in range(SENDERS)))


async def until(condition, what: str) -> None:
    end = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < end, f"never came: {what}"
        await asyncio.sleep(0.05)


def bodies_of(lines: list[bytes]) -> list[bytes]:
    return [b"\n".join(lines[at : at + BODY_EVENTS]) for at in range(0, len(lines), BODY_EVENTS)]


async def test_a_killed_monitor_counts_all_once_and_pages_once(monitor, slack) -> None:
    fleet = Fleet(SEED, start=time.time() - 60.0, step=60.0 / EVENTS)
    count = EVENTS // Fleet.EVENTS_PER_RUN
    healthy = count * 2 // 3
    bodies = bodies_of(fleet.lines(healthy) + fleet.lines(count - healthy, broken=True))
    dice = random.Random(SEED)
    slack.fail("chat.postMessage", Fault.HANG_AFTER)  # the message is there, and the monitor dies before it knows
    monitor.start()
    for _ in range(KILLS):
        reached = asyncio.Event()
        sending = asyncio.create_task(send(monitor.url, bodies, reached, dice.randrange(1, len(bodies))))
        await asyncio.wait((sending, asyncio.create_task(reached.wait())), return_when=asyncio.FIRST_COMPLETED)
        await asyncio.sleep(dice.uniform(0.0, 0.05))  # anywhere in what comes next
        await asyncio.to_thread(monitor.kill)
        await asyncio.gather(sending, return_exceptions=True)
        await asyncio.to_thread(monitor.start)
    await send(monitor.url, bodies)
    await until(lambda: slack.visible("payments"), "the page")
    told = fleet.told
    assert told.events == EVENTS // Fleet.EVENTS_PER_RUN * Fleet.EVENTS_PER_RUN

    agents = {each["agent"]: each for each in (await asyncio.to_thread(monitor.get, "/api/v1/agents"))["agents"]}
    assert {name: each["runs"] for name, each in agents.items()} == told.runs
    assert {name: each["failed"] for name, each in agents.items()} == told.failed
    assert all(each["hung"] == each["open_runs"] == 0 for each in agents.values())
    metrics = await asyncio.to_thread(monitor.metrics)
    assert metrics["forewarn_runs_closed_total"] == count
    counted = metrics["forewarn_events_received_total"] - metrics["forewarn_events_duplicate_total"]
    assert counted == told.events
    assert metrics["forewarn_unlisted_counts"] == 0
    # Lives that were shorter than a second saw no tick: the first one of this life says that there was a gap.
    end = time.monotonic() + WAIT
    while "forewarn_blind_gaps_total" not in metrics:
        assert time.monotonic() < end, "never came: a tick of this life"
        metrics = await asyncio.to_thread(monitor.metrics)
    assert 1 <= metrics["forewarn_blind_gaps_total"] <= KILLS

    incidents = (await asyncio.to_thread(monitor.get, "/api/v1/incidents"))["incidents"]
    told_of = [(each["status"], [alert["labels"] for alert in each["alerts"]], each["timeline"]) for each in incidents]
    assert len(incidents) == 1, told_of
    (before,) = incidents
    assert before["status"] == "firing"
    (seen,) = slack.visible("payments")
    assert "agent-0" in seen.text and "issue_refund" in seen.text

    # once more: what is open survives with who acknowledged it and what is silenced, and ends in place
    ack = json.dumps({"act": "ack", "incident": before["id"], "by": "alice"}).encode()
    assert (await asyncio.to_thread(monitor.ask, "/api/v1/act", ack))[0] == 200
    other = json.dumps([{"labels": {"alertname": "DiskFull", "owner": "payments"}}]).encode()
    assert (await asyncio.to_thread(monitor.ask, "/api/v2/alerts", other))[0] == 200
    await asyncio.to_thread(monitor.kill)  # nothing was waited for after the answers
    await asyncio.to_thread(monitor.start)
    fleet.time = time.time()
    await send(monitor.url, bodies_of(fleet.lines(2_400)))
    await until(lambda: "all alerts resolved" in slack.visible("payments")[0].text, "the resolution")
    found = {each["id"]: each for each in (await asyncio.to_thread(monitor.get, "/api/v1/incidents"))["incidents"]}
    after = found.pop(before["id"])
    assert (after["status"], after["acked_by"]) == ("resolved", "alice")
    assert [[alert["labels"]["alertname"] for alert in each["alerts"]] for each in found.values()] == [["DiskFull"]]
    await until(lambda: len(slack.visible("payments")) == 2, "the message of the posted alert")
    # Of the posted alert the first try may have died with the monitor, before Slack had it; of the page Slack had it.
    tops = [body for method, body in slack.calls if method == "chat.postMessage" and not body.get("thread_ts")]
    assert len([body for body in tops if "issue_refund" in str(body)]) == 1, "it looked before it posted again"
    assert await asyncio.to_thread(monitor.stop) == 0
    assert "Traceback" not in monitor.said()
