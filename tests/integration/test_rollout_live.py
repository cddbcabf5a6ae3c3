"""A canary on a running monitor, from its first run to the verdict that a pipeline acts on."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio
from aiohttp import web
from click.testing import CliRunner, Result

from monitor.cli import cli
from tests.services.serving import Running, running, until

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest_asyncio.fixture
async def verdicts() -> AsyncIterator[tuple[str, list[dict[str, Any]]]]:
    """Where the signed webhook goes, and what it brought."""
    found: list[dict[str, Any]] = []

    async def take(request: web.Request) -> web.Response:
        found.append(await request.json())
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/", found
    await runner.cleanup()


async def send(monitor: Running, first: int, count: int, *, canary: bool) -> None:
    """Runs now: of v12 one in twenty fails; of v13, every other run where there is a canary, one in three."""
    events = []
    for number in range(first, first + count):
        new = canary and number % 2 == 1
        failed = number % 3 == 0 if new else number % 20 == 0
        run = {"agent": "refund-agent", "run": f"r{number}", "version": "v13" if new else "v12",
               "variant": "canary" if new else "stable"}  # fmt: skip
        now = time.time()
        events.append({"kind": "run_started", "id": f"s{number}", "time": now, **run})
        events.append(
            {"kind": "run_finished", "id": f"f{number}", "time": now, "status": "error" if failed else "ok", **run}
        )
    assert await monitor.post("/v1/events", json.dumps(events).encode()) == 200


async def forewarn(monitor: Running, *arguments: str) -> Result:
    runner = CliRunner(env={"FOREWARN_ENDPOINT": monitor.url})
    return await asyncio.to_thread(runner.invoke, cli, ["rollout", "refund-agent", *arguments])


async def test_a_worse_version_is_rolled_back_by_a_pipeline(
    tmp_path: Path, verdicts: tuple[str, list[dict[str, Any]]]
) -> None:
    url, brought = verdicts
    config = {
        "owners": {"payments": {"slack": "#payments"}},
        "components": [{"agent": "refund-agent", "owner": "payments", "rollout": {"randomised": "run"}}],
        "receivers": [{"name": "payments", "verdict_configs": [{"url": url, "secret": SECRET}]}],
    }
    async with running(tmp_path / "data", **config) as monitor:
        nothing = await forewarn(monitor, "--candidate", "v13")
        assert (nothing.exit_code, "is known" in nothing.stderr) == (3, True)
        await send(monitor, 0, 100, canary=False)
        watching = asyncio.create_task(forewarn(monitor, "--candidate", "v13", "--watch", "--every", "0.2s", "--json"))
        sent = 100
        while not watching.done() and sent < 2_000:
            await send(monitor, sent, 60, canary=True)
            sent += 60
            await asyncio.wait((watching,), timeout=0.5)
        result = await watching
        assert result.exit_code == 1, result.output
        (rollout,) = json.loads(result.stdout.splitlines()[-1])
        assert (rollout["verdict"], rollout["candidate"], rollout["mode"]) == ("roll back", "v13", "canary")
        assert next(each for each in rollout["signals"] if each["signal"] == "run.failed")["state"] == "worse"
        await until(lambda: len(brought) == 1, "the signed webhook")
        assert (brought[0]["type"], brought[0]["data"]["verdict"]) == ("rollout.verdict", "roll back")
        text = monitor.console.getvalue()
        assert "Roll back refund-agent v13: canary beside v12" in text and "edited: verdict changed" in text
    stopped = tmp_path / "forewarn.yaml"
    stopped.write_text(f"runtime: {{directory: '{tmp_path / 'data'}'}}\n", encoding="utf-8")
    kept = await asyncio.to_thread(CliRunner().invoke, cli, ["rollout", "refund-agent", "-c", str(stopped)])
    assert (kept.exit_code, "verdict  roll back since" in kept.stdout) == (1, True), kept.output
