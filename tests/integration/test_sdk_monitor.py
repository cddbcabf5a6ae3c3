"""The SDK and `forewarn emit` against the real monitor."""

import asyncio
import contextlib
import io

import forewarn
import pytest
from click.testing import CliRunner

from monitor import app
from monitor.cli import cli
from schemas.config import Config


@pytest.fixture
async def serving(tmp_path):
    config = Config.model_validate({"runtime": {"directory": str(tmp_path / "data"), "port": 0}})
    stop = asyncio.Event()
    started: asyncio.Future[app.Serving] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(app.serve(config, stop, started.set_result, io.StringIO()))
    done, _ = await asyncio.wait((task, started), return_when=asyncio.FIRST_COMPLETED)
    assert task not in done, task.exception()
    yield started.result()
    stop.set()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_runs_reach_the_monitor_once_each(serving) -> None:
    def work() -> dict[str, int]:
        with forewarn.Emitter("refund-agent", "v12", serving.url, strict=True) as emitter:
            for number in range(50):
                with contextlib.suppress(ValueError), emitter.run(input="Where is my money?") as run:
                    run.tool("issue_refund", {"order_id": number}, result={"error": "no such order"})
                    if number < 5:
                        raise ValueError
            assert emitter.flush(30.0)
            return emitter.counts.snapshot()

    assert await asyncio.to_thread(work) == {"emitted": 150, "sent": 150}
    (agent,) = serving.view.agents()
    assert (agent.agent, agent.runs, agent.failed, agent.versions) == ("refund-agent", 50, 5, ("v12",))
    assert agent.tools == ("issue_refund",)
    assert all(run.failed_tools == {"issue_refund": 1} for run in serving.view.runs(50))


async def test_emit_is_taken(serving) -> None:
    event = '{"kind":"run_finished","agent":"a","run":"r1","status":"ok"}'
    command = ["emit", "event", event, "--endpoint", serving.url]
    result = await asyncio.to_thread(CliRunner().invoke, cli, command)
    assert result.exit_code == 0, result.output
    assert [agent.agent for agent in serving.view.agents()] == ["a"]
