"""`forewarn run`: the monitor."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from monitor import app
from monitor.cli import COULD_NOT_RUN
from monitor.cli.environment import environment
from monitor.config import ConfigError, load, render
from monitor.runtime.kafka.broker.away import SAID_BY_US
from monitor.runtime.store import StoreError
from monitor.web.view import NotNow, NotReloaded
from schemas.config import Config

RARELY_SECONDS = 10.0
LAST_SECONDS = 3.0
"""After the monitor has ended, its tasks have so long to end as well."""
SORTS = 1_000
"""Sorts of messages that are told apart. More: all are new again."""


@click.command(
    "run",
    short_help="Run the monitor.",
    epilog="Example: forewarn run -c forewarn.yaml --port 4319",
)
@click.option(
    "-c", "--config", "file", type=click.Path(path_type=Path), help="The configuration; without it, defaults."
)
@click.option("--runtime", type=click.Choice(["embedded", "kafka"]), help="Where it runs; default: the file's.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port for intake, API, page and metrics; 0 picks one.")
@click.option("--host", help="Address to bind to; anything but loopback needs runtime.token.")
@click.option("--directory", type=click.Path(path_type=Path), help="Where the embedded runtime keeps its state.")
@click.option(
    "--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info", show_default=True
)
def command(
    file: Path | None,
    runtime: str | None,
    port: int | None,
    host: str | None,
    directory: Path | None,
    log_level: str,
) -> None:
    """Run the monitor until it is told to stop (Ctrl-C, SIGTERM).

    One port takes events (POST /v1/events), OpenTelemetry (POST /v1/traces, /v1/logs), and shows the page at /.
    Exit code 0 after a clean stop, 2 if it could not run.
    """
    quiet = logging.DEBUG if log_level == "debug" else logging.WARNING
    for chatty in ("faust", "mode", "aiokafka", "monitor.runtime.kafka.microbatch", "monitor.runtime.kafka.cluster"):
        logging.getLogger(chatty).setLevel(quiet)
    # Only topics are made and checked with this client, and what it cannot do is said once, by us.
    logging.getLogger("kafka").setLevel(logging.DEBUG if log_level == "debug" else logging.CRITICAL)
    logging.basicConfig(level=log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    if log_level != "debug":
        for handler in logging.getLogger().handlers:
            handler.addFilter(Rarely("aiokafka", SAID_BY_US))
    try:
        config = load(file, environment()) if file is not None else Config()
    except OSError as error:
        _fail(f"cannot read {file}: {error.strerror}")
    except ConfigError as error:
        click.echo(render(error.problems), err=True)
        raise click.exceptions.Exit(COULD_NOT_RUN) from None
    given = _given(runtime, port, host, directory)
    timers: list[threading.Timer] = []
    try:
        code = asyncio.run(_run(_with(config, given), lambda: _with(_again(file), given), timers))
    finally:
        for timer in timers:
            timer.cancel()
    if code:
        raise click.exceptions.Exit(code)


class Rarely(logging.Filter):
    """Lets each sort of message of one library through once in `RARELY_SECONDS`, with how many were held back.

    While a broker is away aiokafka says so ten thousand times a second. What matches `never` we say ourselves.
    """

    def __init__(self, library: str, never: re.Pattern[str] | None = None) -> None:
        super().__init__()
        self._library = library
        self._never = never
        self._last: dict[tuple[str, int, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is written."""
        if record.name.partition(".")[0] != self._library:
            return True
        if self._never is not None and self._never.search(record.getMessage()):
            return False
        sort = record.name, record.levelno, str(record.msg)
        last, held = self._last.get(sort, (-RARELY_SECONDS, 0))
        if 0.0 <= record.created - last < RARELY_SECONDS:
            self._last[sort] = last, held + 1
            return False
        if len(self._last) >= SORTS:
            self._last.clear()
        self._last[sort] = record.created, 0
        if held:
            record.msg = f"{record.msg} (and {held} more before)"
        return True


def _given(runtime: str | None, port: int | None, host: str | None, directory: Path | None) -> dict[str, Any]:
    """What the command line says in place of the file."""
    changes = {"kind": runtime, "port": port, "host": host, "directory": str(directory) if directory else None}
    return {key: value for key, value in changes.items() if value is not None}


def _with(config: Config, given: dict[str, Any]) -> Config:
    return config.model_copy(update={"runtime": config.runtime.model_copy(update=given)})


def _again(file: Path | None) -> Config:
    """The configuration, read again. Raises `NotReloaded` with every problem of the file."""
    if file is None:
        raise NotReloaded("the monitor was started without a file")
    try:
        return load(file, environment())
    except OSError as error:
        raise NotReloaded(f"cannot read {file}: {error.strerror}") from None
    except ConfigError as error:
        raise NotReloaded(f"{file} has problems\n{render(error.problems)}") from None


async def _run(config: Config, read: Callable[[], Config], timers: list[threading.Timer]) -> int:
    """Serve, and say why that is over; the exit code. All is durable by then, so whatever of a library does not let go
    of the loop (aiokafka, while its brokers are away) is ended with the process, by a timer that the caller cancels."""
    code = 0
    try:
        await _serve(config, read)
    except (app.CannotServe, StoreError) as error:
        click.echo(f"forewarn: {error}", err=True)
        code = COULD_NOT_RUN
    timers.append(threading.Timer(LAST_SECONDS, os._exit, (code,)))
    timers[-1].daemon = True
    timers[-1].start()
    return code


async def _serve(config: Config, read: Callable[[], Config]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    reloading: set[asyncio.Task[None]] = set()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # not every loop can
            loop.add_signal_handler(number, stop.set)

    def started(serving: app.Serving) -> None:
        click.echo(f"Forewarn {serving.view.version} at {serving.url}", err=True)
        click.echo(f"  page     {serving.url}/", err=True)
        click.echo(f"  events   POST {serving.url}/v1/events", err=True)
        click.echo(
            f"  OTLP     OTEL_EXPORTER_OTLP_ENDPOINT={serving.url} OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf", err=True
        )
        sys.stderr.flush()

        def reload() -> None:
            task = asyncio.ensure_future(_reload(serving))
            reloading.add(task)
            task.add_done_callback(reloading.discard)

        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(signal.SIGHUP, reload)

    await app.serve(config, stop, started, read=read)


async def _reload(serving: app.Serving) -> None:
    """As `POST /-/reload`; how it went is in the log."""
    with contextlib.suppress(NotReloaded, NotNow):
        await serving.reload()


def _fail(message: str) -> None:
    click.echo(f"forewarn: {message}", err=True)
    raise click.exceptions.Exit(COULD_NOT_RUN)
