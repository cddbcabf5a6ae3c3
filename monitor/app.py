"""Builds the real things and hands them to each other: the only module that knows all parts.

`serve` runs a monitor until `stop` is set. Decides nothing about events, findings or messages.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TextIO, cast
from urllib.parse import urlsplit

from aiohttp import web
from pydantic import SecretStr

from monitor.alerting.routing.receivers import Target, plan
from monitor.intake import bodies, dead_letters, http, otlp, spans
from monitor.intake.assembler import Assembler
from monitor.intake.webhooks import routes as webhooks
from monitor.notify.console import ConsoleNotifier
from monitor.notify.delivery import Notifier
from monitor.notify.dispatch import Dispatcher
from monitor.notify.outbox import Outbox
from monitor.notify.rollouts.verdict import VerdictNotifier
from monitor.notify.slack.workspace import Doors, Workspace
from monitor.notify.webhook import WebhookNotifier
from monitor.reading import Reader
from monitor.runtime.clock import SteadyClock
from monitor.runtime.embedded import Embedded
from monitor.runtime.parts import Busy
from monitor.runtime.reload import merged
from monitor.runtime.store import Store
from monitor.saved.collecting import collect_rarely
from monitor.serving.doors import Acting, IntakeSink, People, Runtime
from monitor.serving.paging import in_large_pages
from monitor.web.guard import ROLES, Caller, Key
from monitor.web.server import build_app, quiet_log
from monitor.web.v2.original import original
from monitor.web.view import Control, NotNow, NotReloaded, View
from schemas.config import Config, Deployment

log = logging.getLogger(__name__)

SHUTDOWN_SECONDS = 10.0


class CannotServe(Exception):
    """The monitor cannot start as it is told to; the message says why and what to do."""


@dataclass(frozen=True)
class Serving:
    """A monitor that listens.

    `url` is where people and agents reach it; `view` is what it knows; `reload` takes the configuration anew and
    returns what takes a restart, raises `NotReloaded`, `NotNow`.
    """

    url: str
    view: View
    reload: Callable[[], Awaitable[Sequence[str]]]


Read = Callable[[], Config]
"""Reads the configuration again. Raises `NotReloaded`."""


class _Setup:
    """The configuration in force, and what is built of it anew whenever it changes."""

    def __init__(self, config: Config, stream: TextIO) -> None:
        self.config = config
        self._stream = stream
        self._workspace = _workspace(config)
        self._reloading = asyncio.Lock()

    @property
    def planned(self) -> Mapping[str, tuple[Target, ...]]:
        """Receiver → targets."""
        return plan(self.config, slack=self.config.slack.bot_token is not None)

    def notifiers(self) -> dict[str, Notifier]:
        """One per target."""
        return _notifiers(self.config, self.planned, self._stream, self._workspace)

    def doors(self, runtime: Runtime, clock: Callable[[], float]) -> Doors | None:
        """Where buttons in Slack come in, if they do."""
        if self._workspace is None or not self._workspace.listens:
            return None
        return self._workspace.doors(People(runtime, clock), lambda: self.config, clock)

    def control(self, runtime: Runtime, read: Read) -> Control:
        """What may be done from outside."""

        async def reload() -> Sequence[str]:
            async with self._reloading:
                try:
                    wanted = await asyncio.to_thread(read)
                except NotReloaded as error:
                    log.error("the configuration was not reloaded, the old one stands: %s", error)
                    raise
                before = self.config
                self.config, restarts = merged(before, wanted)
                try:
                    await runtime.reload(self.config, self.planned, self.notifiers())
                except Busy as error:
                    self.config = before
                    raise NotNow(error.retry_after) from None
                log.info("the configuration was reloaded%s", "".join(f"; {each}" for each in restarts))
                return restarts

        return Control(
            Acting(runtime),
            reload,
            lambda: original(self.config, runtime.router.receivers() if runtime.router is not None else ()),
            lambda: self.config.global_.resolve_timeout,
            lambda: self.config,
        )


def _no_file() -> Config:
    raise NotReloaded("the monitor was started without a file")


async def serve(
    config: Config,
    stop: asyncio.Event,
    started: Callable[[Serving], None] = lambda _: None,
    stream: TextIO = sys.stdout,
    read: Read = _no_file,
) -> None:
    """Run the monitor that the configuration describes until `stop` is set. Raises `CannotServe`, `StoreError`.

    `read` reads the configuration again, for a reload.
    """
    collect_rarely()
    in_large_pages()
    setup = _Setup(config, stream)
    if config.runtime.kind == "kafka":
        await _serve_kafka(setup, stop, started, read)
    else:
        await _serve_embedded(setup, stop, started, read)


async def _serve_embedded(setup: _Setup, stop: asyncio.Event, started: Callable[[Serving], None], read: Read) -> None:
    clock, config = SteadyClock(), setup.config
    outbox = Outbox(setup.planned, config.default_owner)
    if not Path(config.runtime.directory).exists():  # so that a monitor that may not run leaves none behind
        await _check_door(config)
    store = Store(Path(config.runtime.directory))
    try:
        timeout, grace = config.runtime.trace_timeout, config.runtime.trace_grace
        assembler = Assembler(timeout, grace, reader=Reader(config))
        runtime = Embedded(config, store, assembler, outbox, dead_letters.encode, clock, version())
        dispatcher = Dispatcher(outbox, setup.notifiers(), runtime.commit_outbox, clock)
        control = setup.control(runtime, read)
        doors = setup.doors(runtime, clock)
        web_runner = await _listen(setup, runtime, control, clock, doors)
    except BaseException:
        store.close()
        raise
    try:
        runtime.start(dispatcher)
        started(Serving(_url(web_runner), runtime, control.reload))
        await _until(stop, runtime.wait(), doors)
    finally:
        await web_runner.cleanup()
        await runtime.stop()


async def _serve_kafka(setup: _Setup, stop: asyncio.Event, started: Callable[[Serving], None], read: Read) -> None:
    from monitor.runtime.kafka.broker.security import SecurityError
    from monitor.runtime.kafka.live import KafkaMonitor, Parts  # Faust takes a second to import; embedded needs none
    from monitor.runtime.kafka.partition import LetterParts
    from monitor.runtime.kafka.topics import TopicError
    from monitor.runtime.kafka.traces.spans import SpanParts
    from monitor.runtime.kafka.worker import WorkerFailed

    clock, config = SteadyClock(), setup.config
    span_parts = SpanParts(
        otlp.decode_traces, otlp.decode_logs, spans.encode, spans.decode, spans.key,
        lambda: Assembler(
            config.runtime.trace_timeout, config.runtime.trace_grace, keep_text=True, reader=Reader(config)
        ),
    )  # fmt: skip
    parts = Parts(
        bodies.read_events,
        span_parts,
        LetterParts(dead_letters.dead_letter, dead_letters.encode),
        lambda: Outbox(setup.planned, setup.config.default_owner),
        lambda outbox, commit, may: Dispatcher(cast(Outbox, outbox), setup.notifiers(), commit, clock, may),
    )
    try:
        runtime = KafkaMonitor(config, parts, clock, version())
    except (SecurityError, WorkerFailed) as error:
        raise CannotServe(str(error)) from error
    control = setup.control(runtime, read)
    doors = setup.doors(runtime, clock)
    web_runner = await _listen(setup, runtime, control, clock, doors)  # alive, not ready, while it recovers

    async def work() -> None:
        await runtime.start()
        started(Serving(_url(web_runner), runtime, control.reload))
        await runtime.wait()

    try:
        await _until(stop, work(), doors)
    except (TopicError, WorkerFailed) as error:
        raise CannotServe(str(error)) from error
    finally:
        await web_runner.cleanup()
        await runtime.stop()


async def _until(stop: asyncio.Event, work: object, doors: Doors | None) -> None:
    """Return when `stop` is set; raise what ended the work before that. `doors` are open meanwhile."""
    stopping = asyncio.ensure_future(stop.wait())
    working = asyncio.ensure_future(work)  # type: ignore[call-overload]
    opened = asyncio.create_task(doors.run()) if doors is not None else None
    try:
        done, _ = await asyncio.wait((stopping, working), return_when=asyncio.FIRST_COMPLETED)
    finally:
        if opened is not None:
            opened.cancel()
            await asyncio.wait((opened,))
    if working in done:
        stopping.cancel()
        working.result()
    working.cancel()


async def _check_door(config: Config) -> None:
    """Raises `CannotServe` where `_listen` would, before anything is written. The address is free again afterwards."""
    _allowed_keys(config)
    try:
        server = await asyncio.get_running_loop().create_server(
            asyncio.Protocol, config.runtime.host, config.runtime.port, start_serving=False
        )
    except OSError as error:
        raise _not_listening(config, error) from None
    server.close()
    await server.wait_closed()


def _allowed_keys(config: Config) -> list[Key]:
    """The keys; whoever listens beyond this machine needs some. Raises `CannotServe`."""
    keys = _keys(config)
    if not keys and not _is_loopback(config.runtime.host):
        raise CannotServe(
            f"runtime.host {config.runtime.host} is reachable from elsewhere: set runtime.token or runtime.tokens, "
            "or bind to 127.0.0.1 and put a proxy in front"
        )
    return keys


def _not_listening(config: Config, error: OSError) -> CannotServe:
    why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
    address = f"{config.runtime.host}:{config.runtime.port}"
    return CannotServe(f"cannot listen on {address}: {why}; choose another with --port or --host")


async def _listen(
    setup: _Setup, running: Runtime, control: Control, clock: Callable[[], float], doors: Doors | None
) -> web.AppRunner:
    config, runtime = setup.config, setup.config.runtime
    keys = _allowed_keys(config)
    outside = urlsplit(runtime.external_url).hostname if runtime.external_url else None
    sink = IntakeSink(running)
    signed = webhooks.routes(sink, lambda: _github(setup.config), clock)
    app = build_app(
        running, control, http.routes(sink, clock), host_is_loopback=_is_loopback(runtime.host), keys=keys,
        hosts=(outside,) if outside else (), signed_routes=[*signed, *(doors.routes if doors is not None else ())],
        counts=doors.counts if doors is not None else None, clock=clock,
    )  # fmt: skip
    # The intake unpacks gzip itself: within its limit, and it notices a body that was cut off.
    runner = web.AppRunner(
        app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS, auto_decompress=False, logger=quiet_log(clock)
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, runtime.host, runtime.port).start()
    except OSError as error:
        await runner.cleanup()
        raise _not_listening(config, error) from None
    return runner


def _keys(config: Config) -> list[Key]:
    """What opens the door: `runtime.token` all of it, the others what their roles say."""
    found = []
    if (token := _secret(config.runtime.token)) is not None:
        found.append(Key(token, Caller("token", frozenset(ROLES))))
    for each in config.runtime.tokens:
        secret = _secret(each.token)
        assert secret is not None, "the configuration was loaded with its secrets"
        found.append(Key(secret, Caller(each.name, frozenset(each.roles))))
    return found


def _github(config: Config) -> tuple[str, tuple[Deployment, ...]] | None:
    """The secret of GitHub's webhook and what its deployments mean, as they are now."""
    github = config.changes.github
    if github is None or (secret := _secret(github.secret)) is None:
        return None
    return secret, tuple(github.deployments)


def _workspace(config: Config) -> Workspace | None:
    """The Slack that there is a token for; another one takes a restart."""
    slack = config.slack
    if (token := _secret(slack.bot_token)) is None:
        return None
    return Workspace(
        token,
        app_token=_secret(slack.app_token),
        signing_secret=_secret(slack.signing_secret),
        base_url=slack.base_url,
    )


def _notifiers(
    config: Config, planned: Mapping[str, tuple[Target, ...]], stream: TextIO, workspace: Workspace | None
) -> dict[str, Notifier]:
    """One notifier per target that the configuration names."""
    found: dict[str, Notifier] = {}
    for receiver, targets in planned.items():
        for target in targets:
            found[target.name] = _notifier(config, receiver, target, stream, workspace)
    return found


def _notifier(config: Config, receiver: str, target: Target, stream: TextIO, workspace: Workspace | None) -> Notifier:
    if target.kind == "slack":
        assert workspace is not None, "plan() names Slack only where there is a token"
        return workspace.notifier(target.channel, config)
    if target.kind == "webhook":
        declared = next(each for each in config.receivers if each.name == receiver).webhook_configs[target.index]
        url = _secret(declared.url)
        assert url is not None, "the configuration was loaded with its secrets"
        return WebhookNotifier(url, config, max_alerts=declared.max_alerts)
    if target.kind == "verdict":
        hook = next(each for each in config.receivers if each.name == receiver).verdict_configs[target.index]
        url, secret = _secret(hook.url), _secret(hook.secret)
        assert url is not None and secret is not None, "the configuration was loaded with its secrets"
        return VerdictNotifier(url, secret)
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
