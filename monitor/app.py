"""Builds the real things and hands them to each other: the only module that knows all parts.

`serve` runs a monitor until `stop` is set. Decides nothing about events, findings or messages.
"""

from __future__ import annotations

import asyncio
import gc
import ipaddress
import logging
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Protocol, TextIO, cast
from urllib.parse import urlsplit

from aiohttp import web
from pydantic import SecretStr

from monitor.alerting.routing.receivers import Target, plan
from monitor.intake import bodies, dead_letters, http, otlp, spans
from monitor.intake.assembler import Assembler
from monitor.intake.sink import Batch, Sink, Unavailable
from monitor.notify.console import ConsoleNotifier
from monitor.notify.delivery import Notifier
from monitor.notify.dispatch import Dispatcher
from monitor.notify.outbox import Outbox
from monitor.notify.slack.workspace import Workspace
from monitor.notify.webhook import WebhookNotifier
from monitor.reading import Reader
from monitor.runtime.clock import SteadyClock
from monitor.runtime.embedded import Embedded
from monitor.runtime.parts import Busy
from monitor.runtime.store import Store
from monitor.web.server import build_app
from monitor.web.view import View
from schemas.config import Config

log = logging.getLogger(__name__)

SHUTDOWN_SECONDS = 10.0


class CannotServe(Exception):
    """The monitor cannot start as it is told to; the message says why and what to do."""


@dataclass(frozen=True)
class Serving:
    """A monitor that listens. `url` is where people and agents reach it; `view` is what it knows."""

    url: str
    view: View


class _Accepting(Protocol):
    """A runtime that takes batches, or is `Busy`."""

    async def accept(self, batch: Batch) -> None: ...


class _IntakeSink:
    """The runtime as the intake sees it."""

    def __init__(self, runtime: _Accepting) -> None:
        self._runtime = runtime

    async def accept(self, batch: Batch) -> None:
        try:
            await self._runtime.accept(batch)
        except Busy as error:
            raise Unavailable(error.retry_after) from None


def collect_rarely() -> None:
    """Let Python look for reference cycles seldom: our state has none, and its size makes each look dear.

    Worth a quarter of the engine's speed (`benchmarks/bench_engine.py`, with and without `--collect`).
    """
    gc.set_threshold(50_000, 20, 100)


async def serve(
    config: Config,
    stop: asyncio.Event,
    started: Callable[[Serving], None] = lambda _: None,
    stream: TextIO = sys.stdout,
) -> None:
    """Run the monitor that the configuration describes until `stop` is set. Raises `CannotServe`, `StoreError`."""
    collect_rarely()
    if config.runtime.kind == "kafka":
        await _serve_kafka(config, stop, started, stream)
    else:
        await _serve_embedded(config, stop, started, stream)


async def _serve_embedded(
    config: Config, stop: asyncio.Event, started: Callable[[Serving], None], stream: TextIO
) -> None:
    clock = SteadyClock()
    targets = _targets(config)
    outbox = Outbox(targets)
    store = Store(Path(config.runtime.directory))
    try:
        assembler = Assembler(trace_timeout=config.runtime.trace_timeout, reader=Reader(config))
        runtime = Embedded(config, store, assembler, outbox, dead_letters.encode, clock, version())
        dispatcher = Dispatcher(outbox, _notifiers(config, targets, stream), runtime.commit_outbox, clock)
        web_runner = await _listen(config, runtime, _IntakeSink(runtime), clock)
    except BaseException:
        store.close()
        raise
    try:
        runtime.start(dispatcher)
        started(Serving(_url(web_runner), runtime))
        await _until(stop, runtime.wait())
    finally:
        await web_runner.cleanup()
        await runtime.stop()


async def _serve_kafka(config: Config, stop: asyncio.Event, started: Callable[[Serving], None], stream: TextIO) -> None:
    from monitor.runtime.kafka.live import KafkaMonitor, Parts  # Faust takes a second to import; embedded needs none
    from monitor.runtime.kafka.partition import LetterParts
    from monitor.runtime.kafka.spans import SpanParts
    from monitor.runtime.kafka.topics import TopicError
    from monitor.runtime.kafka.worker import WorkerFailed

    clock = SteadyClock()
    targets = _targets(config)
    span_parts = SpanParts(
        otlp.decode_traces, otlp.decode_logs, spans.encode, spans.decode, spans.key,
        lambda: Assembler(trace_timeout=config.runtime.trace_timeout, keep_text=True, reader=Reader(config)),
    )  # fmt: skip
    parts = Parts(
        bodies.read_events,
        span_parts,
        LetterParts(dead_letters.dead_letter, dead_letters.encode),
        lambda: Outbox(targets),
        lambda outbox, commit: Dispatcher(cast(Outbox, outbox), _notifiers(config, targets, stream), commit, clock),
    )
    runtime = KafkaMonitor(config, parts, clock, version())
    web_runner = await _listen(config, runtime, _IntakeSink(runtime), clock)  # alive, not ready, while it recovers

    async def work() -> None:
        await runtime.start()
        started(Serving(_url(web_runner), runtime))
        await runtime.wait()

    try:
        await _until(stop, work())
    except (TopicError, WorkerFailed) as error:
        raise CannotServe(str(error)) from error
    finally:
        await web_runner.cleanup()
        await runtime.stop()


async def _until(stop: asyncio.Event, work: object) -> None:
    """Return when `stop` is set; raise what ended the work before that."""
    stopping = asyncio.ensure_future(stop.wait())
    working = asyncio.ensure_future(work)  # type: ignore[call-overload]
    done, _ = await asyncio.wait((stopping, working), return_when=asyncio.FIRST_COMPLETED)
    if working in done:
        stopping.cancel()
        working.result()
    working.cancel()


async def _listen(config: Config, view: View, sink: Sink, clock: Callable[[], float]) -> web.AppRunner:
    runtime = config.runtime
    loopback = _is_loopback(runtime.host)
    token = _secret(runtime.token)
    if not loopback and token is None:
        raise CannotServe(
            f"runtime.host {runtime.host} is reachable from elsewhere: set runtime.token (or runtime.token_file), "
            "or bind to 127.0.0.1 and put a proxy in front"
        )
    outside = urlsplit(runtime.external_url).hostname if runtime.external_url else None
    app = build_app(
        view, http.routes(sink, clock), host_is_loopback=loopback, token=token,
        hosts=(outside,) if outside else (), clock=clock,
    )  # fmt: skip
    # The intake unpacks gzip itself: within its limit, and it notices a body that was cut off.
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS, auto_decompress=False)
    await runner.setup()
    try:
        await web.TCPSite(runner, runtime.host, runtime.port).start()
    except OSError as error:
        await runner.cleanup()
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise CannotServe(
            f"cannot listen on {runtime.host}:{runtime.port}: {why}; choose another with --port or --host"
        ) from None
    return runner


def _targets(config: Config) -> Mapping[str, tuple[Target, ...]]:
    return plan(config, slack=config.slack.bot_token is not None)


def _notifiers(config: Config, planned: Mapping[str, tuple[Target, ...]], stream: TextIO) -> dict[str, Notifier]:
    """One notifier per target that the configuration names."""
    found: dict[str, Notifier] = {}
    for receiver, targets in planned.items():
        for target in targets:
            found[target.name] = _notifier(config, receiver, target, stream)
    return found


def _notifier(config: Config, receiver: str, target: Target, stream: TextIO) -> Notifier:
    if target.kind == "slack":
        token = _secret(config.slack.bot_token)
        assert token is not None, "plan() names Slack only where there is a token"
        return Workspace(token, base_url=config.slack.base_url).notifier(target.channel, config)
    if target.kind == "webhook":
        declared = next(each for each in config.receivers if each.name == receiver).webhook_configs[target.index]
        url = _secret(declared.url)
        assert url is not None, "the configuration was loaded with its secrets"
        return WebhookNotifier(url, config, max_alerts=declared.max_alerts)
    return ConsoleNotifier(stream, config, stands_for=target.stands_for)


def _url(runner: web.AppRunner) -> str:
    host, port = runner.addresses[0][:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _secret(value: SecretStr | None) -> str | None:
    return value.get_secret_value() if value is not None else None


def version() -> str:
    """The version of the installed distribution."""
    try:
        return metadata.version("forewarn")
    except metadata.PackageNotFoundError:
        return "unknown"
