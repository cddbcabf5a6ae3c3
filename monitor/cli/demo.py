"""`forewarn demo`: a real monitor, a small fleet that sends OpenTelemetry spans, and one tool that breaks silently.

Everything is real but the agents: the same `serve` as `forewarn run`, another process for the fleet, a state directory
that is thrown away. Invariant: whatever ends the demo, the fleet's process is gone before it returns.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import logging
import signal
import socket
import sys
import tempfile
import textwrap
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import click

from monitor import app
from monitor.cli import COULD_NOT_RUN, PROBLEMS_FOUND
from monitor.cli.environment import environment
from monitor.config import load
from monitor.demo.process import FleetEnded, FleetProcess
from monitor.demo.scenario import CONFIG
from monitor.demo.story import StoryFailed, tell
from monitor.runtime.store import StoreError
from schemas.config import Config

PORT = 4319
SEED = 11
"""An ordinary draw. With 1, v13 fails once in its first 350 runs where ten are due: it learns that, and pages later."""
WIDTH = 100


@click.command(
    "demo",
    short_help="See a small fleet break silently, and what Slack would show.",
    epilog="Example: forewarn demo --once",
)
@click.option("--once", is_flag=True, help="End after the incident is resolved: exit code 0, or 1 if it was not.")
@click.option("--port", type=click.IntRange(0, 65535), help=f"Port of the monitor; default {PORT}, or a free one.")
@click.option("--seed", type=int, default=SEED, show_default=True, help="Another seed, another fleet.")
def command(once: bool, port: int | None, seed: int) -> None:
    """See a small fleet break silently, and what Slack would show.

    Starts a monitor and three agents that send OpenTelemetry spans to it. After some seconds one tool starts to fail
    for one version, with every status still ok; then it is repaired. Ctrl-C ends it. Nothing is kept.
    """
    logging.basicConfig(level="WARNING", format="%(levelname)s %(name)s: %(message)s")
    if not _has_opentelemetry():
        needed = "opentelemetry-sdk opentelemetry-exporter-otlp-proto-http"
        _fail(f"the demo sends its spans with the OpenTelemetry SDK; install it beside Forewarn: pip install {needed}")
    with tempfile.TemporaryDirectory(prefix="forewarn-demo-") as directory:
        config = _config(Path(directory), _free(PORT) if port is None else port)
        try:
            good = asyncio.run(_demo(config, Path(directory), seed, once))
        except (app.CannotServe, StoreError, FleetEnded) as error:
            _fail(str(error))
    if not good:
        raise click.exceptions.Exit(PROBLEMS_FOUND)


def _has_opentelemetry() -> bool:
    try:
        return all(importlib.util.find_spec(name) for name in ("opentelemetry.sdk", "opentelemetry.exporter.otlp"))
    except ModuleNotFoundError:
        return False


def _config(directory: Path, port: int) -> Config:
    file = directory / "forewarn.yaml"
    file.write_text(CONFIG, "utf-8")
    config = load(file, environment())
    changes = {"directory": str(directory / "data"), "port": port}
    return config.model_copy(update={"runtime": config.runtime.model_copy(update=changes)})


def _free(port: int) -> int:
    """The port, or 0 (any that is free) if somebody has it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return 0
    return port


async def _demo(config: Config, directory: Path, seed: int, once: bool) -> bool:
    """The demo; whether all was seen, or the user had enough."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # not every loop can
            loop.add_signal_handler(number, stop.set)
    good = not once
    async with _serving(config) as (serving, ended), _fleet(serving.url, seed, directory) as fleet:
        _say(f"Forewarn is at {serving.url}/ (the page is live; Ctrl-C ends the demo)")
        story = asyncio.create_task(tell(serving.view, fleet, _say))
        waiting: set[asyncio.Task[Any]] = {
            asyncio.create_task(stop.wait()),
            asyncio.create_task(fleet.wait()),
            ended,
        }
        try:
            await asyncio.wait({*waiting, story}, return_when=asyncio.FIRST_COMPLETED)
            if story.done():
                good = _seen(story)
                if good and not once:
                    _say(f"The fleet goes on. Look around at {serving.url}/, or end with Ctrl-C.")
                    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in waiting:
                if task.done():
                    task.result()
        finally:
            for task in (story, *(waiting - {ended})):
                task.cancel()
            await asyncio.gather(story, *(waiting - {ended}), return_exceptions=True)
        _say("The demo ends." if good else "The demo ends early.")
    return good


def _seen(story: asyncio.Task[None]) -> bool:
    try:
        story.result()
    except StoryFailed as error:
        _say(f"This should not happen: {error}.")
        return False
    return True


@contextlib.asynccontextmanager
async def _serving(config: Config) -> AsyncIterator[tuple[app.Serving, asyncio.Task[None]]]:
    """The monitor while it listens, and the task that ends when it does."""
    over = asyncio.Event()
    started: asyncio.Future[app.Serving] = asyncio.get_running_loop().create_future()
    found: Callable[[app.Serving], None] = started.set_result
    task = asyncio.create_task(app.serve(config, over, found, sys.stdout))
    either: set[asyncio.Future[Any]] = {task, started}
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
    try:
        yield await started, task
    finally:
        over.set()
        await asyncio.gather(task, return_exceptions=True)


@contextlib.asynccontextmanager
async def _fleet(endpoint: str, seed: int, directory: Path) -> AsyncIterator[FleetProcess]:
    fleet = await FleetProcess.start(endpoint, seed, directory)
    try:
        yield fleet
    finally:
        await fleet.stop()


def _say(text: str) -> None:
    lines = textwrap.wrap(text, WIDTH - 2)
    click.echo(click.style("· ", fg="cyan") + "\n  ".join(lines))
    sys.stdout.flush()


def _fail(message: str) -> None:
    click.echo(f"forewarn: {message}", err=True)
    raise click.exceptions.Exit(COULD_NOT_RUN)
