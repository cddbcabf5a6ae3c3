"""`forewarn replay`: history through the monitor on a virtual clock."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from monitor import history
from monitor.cli import COULD_NOT_RUN, GOOD, PROBLEMS_FOUND
from monitor.cli.environment import environment
from monitor.cli.judging import backtest
from monitor.cli.moment import MOMENT
from monitor.cli.telling import backtest as telling
from monitor.cli.telling import difference
from monitor.cli.telling.words import differences
from monitor.config import ConfigError, load, load_with_places, render
from monitor.notify.composing import message_of
from monitor.notify.console import plain
from monitor.notify.console import render as render_message
from monitor.reading import Reader
from monitor.runtime.replay import Replay, line
from monitor.runtime.store import FILE as LOG
from monitor.runtime.topic_log import SCHEME
from monitor.saved.collecting import collect_rarely
from monitor.serving.paging import in_large_pages
from schemas.alert import Incident, Notification, NotificationReason
from schemas.config import Backtest, Config
from schemas.event import Event

PROGRESS_SECONDS = 0.2
"""Least time between two words of progress."""


@click.command(
    "replay",
    short_help="Push recorded events through the monitor on a virtual clock.",
    epilog="Example: forewarn replay forewarn.yaml runs.jsonl.gz --json | tail -1",
)
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("inputs", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON per finding and notification.")
@click.option("--until", type=MOMENT, help="Keep the clock running after the last event, to this time.")
@click.option(
    "--shuffle", type=int, metavar="SEED", help="Replay the runs in a random order as well: what fires then is false."
)
@click.option(
    "--against", type=click.Path(path_type=Path), metavar="OTHER",
    help="Replay with the configuration OTHER as well and print what differs.",
)  # fmt: skip
def command(
    file: Path, inputs: tuple[str, ...], as_json: bool, until: float | None, shuffle: int | None, against: Path | None
) -> None:
    """Push recorded events and alerts through engine and router, as the configuration FILE says, on a virtual clock.

    INPUTS are JSON lines of events, alerts and silences or OTLP bodies (protobuf or JSON), plain or gzip; they are
    sorted by time. Or one forewarn.db of an embedded monitor: its log, in its own order and with its own ticks. Or
    kafka://TOPIC, read from the broker of the configuration. Nothing is sent. The last line is a summary. With
    --shuffle the runs of each agent exchange their places first, and what fires in that order is printed; the summary
    counts both orders (the audit of the budget). With --against only incidents and notifications that are not the same
    under both configurations are printed, then what each owner gets, FILE → OTHER: pages, notices, incidents, lead.
    Where OTHER (else FILE) has backtest: limits, they decide. Exit code 0, 1 if a limit is broken or, without limits,
    --against found a difference, 2 if something cannot be read.
    """
    collect_rarely()
    in_large_pages()
    if against is not None:
        if shuffle is not None:
            click.echo("forewarn: --against compares the true order; leave out --shuffle", err=True)
            raise click.exceptions.Exit(COULD_NOT_RUN)
        good = compare(file, against, inputs, until, as_json=as_json)
        raise click.exceptions.Exit(GOOD if good else PROBLEMS_FOUND)
    began = time.perf_counter()
    config, recorded = read_history(file, inputs)
    records: Sequence[history.Recorded] = recorded.records
    in_true_order: dict[str, Any] | None = None
    if shuffle is not None:
        records = history.shuffled(records, shuffle)  # first: stepping may change what a record holds
        true_order = Replay(config)
        for _ in true_order.said(recorded.records, until):
            pass
        in_true_order = true_order.summary(0, 0, 0.0)
    replay = Replay(config)
    progress = _Progress(len(records), shown=not as_json and sys.stderr.isatty())
    told: list[Notification] = []
    for said in replay.said(records, until, progress):
        if isinstance(said, Notification):
            told.append(said)
        if as_json:
            if (found := line(said)) is not None:
                click.echo(json.dumps(found))
        elif isinstance(said, Notification):
            progress.clear()
            _show(said, config)
    progress.clear()
    summary = replay.summary(recorded.dead_letters, recorded.skipped, round(time.perf_counter() - began, 3))
    summary["told"] = heard(replay.incidents(), told)
    if in_true_order is not None:
        summary["audit"] = audit(summary["budget"], in_true_order["budget"])
    click.echo(json.dumps(summary) if as_json else _for_people(summary))


def read_history(file: Path, inputs: tuple[str, ...], *, quiet: bool = False) -> tuple[Config, history.History]:
    """The configuration and what was recorded; without inputs, the log of the embedded monitor that FILE describes.

    Says what cannot be read: the command ends with 2, but for single lines beside others, which are named unless
    `quiet`. Nothing is sent, so no secret is read, but for a topic: its brokers may want one.
    """
    try:
        asks_brokers = any(given.startswith(SCHEME) for given in inputs)
        config = load(file, environment()) if asks_brokers else load_with_places(file)[0]
        given = inputs or (str(Path(config.runtime.directory) / LOG),)
        recorded = history.read(given, config.runtime.trace_timeout, config.runtime.kafka, Reader(config))
    except ConfigError as error:
        click.echo(render(error.problems), err=True)
        raise click.exceptions.Exit(COULD_NOT_RUN) from None
    except OSError as error:
        click.echo(f"forewarn: cannot read {file}: {error.strerror}", err=True)
        raise click.exceptions.Exit(COULD_NOT_RUN) from None
    except history.CannotRead as error:
        click.echo(f"forewarn: {error}", err=True)
        raise click.exceptions.Exit(COULD_NOT_RUN) from None
    if quiet:
        return config, recorded
    for bad in recorded.bad:
        click.echo(f"forewarn: {bad}", err=True)
    if recorded.dead_letters > len(recorded.bad):
        click.echo(f"forewarn: … and {recorded.dead_letters - len(recorded.bad)} more", err=True)
    if not recorded.records:
        click.echo(f"forewarn: there is no event in {', '.join(given)}", err=True)
        raise click.exceptions.Exit(COULD_NOT_RUN)
    return config, recorded


def compare(file: Path, other: Path, inputs: tuple[str, ...], until: float | None, *, as_json: bool) -> bool:
    """Print what is not the same under the two configurations, and the limits that OTHER sets, else FILE.

    Whether it is good: every limit is kept, or without limits nothing differs.
    """
    sides: list[backtest.Side] = []
    limits: list[Backtest | None] = []
    for path in (file, other):  # read twice: what is read of agent text hangs on the configuration
        config, recorded = read_history(path, inputs, quiet=path is not file)
        replay = Replay(config)
        began = min((_at(record) for record in recorded.records), default=0.0)
        told = [said for said in replay.said(recorded.records, until) if isinstance(said, Notification)]
        missed = {each.owner: len(each.missed) for each in replay.report(began, replay.now).owners if each.missed}
        sides.append(backtest.Side(replay.incidents(), told, max(replay.now - began, 0.0), missed))
        limits.append(config.backtest)
    here, there = sides
    opened = difference.incidents(here.incidents, there.incidents)
    said = difference.notifications(here.notifications, there.notifications)
    heard = backtest.told(there)
    rows = backtest.compare(backtest.told(here), heard, here.missed, there.missed)
    whose = other if limits[1] is not None else file
    wanted = limits[1] if limits[1] is not None else limits[0]
    verdicts = [] if wanted is None else backtest.judge(wanted, rows, heard, there.seconds)
    same = not opened and not said
    if as_json:
        for what, found in (("incident", opened), ("notification", said)):
            for each in found:
                click.echo(json.dumps(difference.line(what, each)))
        for row in rows:
            click.echo(json.dumps(telling.owner_line(row)))
        for verdict in verdicts:
            click.echo(json.dumps(telling.limit_line(verdict)))
        broken = sum(not each.kept for each in verdicts)
        summary = {"type": "summary", "same": same, "incidents": len(opened), "notifications": len(said)}
        click.echo(json.dumps(summary | ({} if wanted is None else {"limits": len(verdicts), "broken": broken})))
    else:
        lines = [*differences(opened, said, file.name, other.name), *telling.owners(rows)]
        click.echo("\n".join(lines if wanted is None else [*lines, *telling.limits(verdicts, whose.name)]))
    return same if wanted is None else all(each.kept for each in verdicts)


def _at(record: history.Recorded) -> float:
    return record.at if isinstance(record, Event) else record.time


def heard(incidents: Sequence[Incident], told: Sequence[Notification]) -> dict[str, dict[str, int]]:
    """Owner → of how many incidents the owner was told, by the loudest voice of each.

    Not what the budget paid for: what another incident causes, or a silence mutes, is paid for and told nobody.
    """
    found = Counter((each.owner, each.voice) for each in backtest.told(backtest.Side(incidents, told, 0.0, {})))
    owners = sorted({owner for owner, _ in found})
    return {owner: {"pages": found[owner, "page"], "notices": found[owner, "notice"]} for owner in owners}


def audit(shuffled: dict[str, Any], in_order: dict[str, Any]) -> dict[str, Any]:
    """Per owner: what was granted, what fired in shuffled order (false by construction) and in true order.

    Facts do not count: they are no bets.
    """
    return {
        owner: {
            "granted": book["granted"],
            "shuffled": book["spent"],
            "in_order": in_order.get(owner, {}).get("spent", 0),
            "notices_granted": book["notices_granted"],
            "notices_shuffled": book["notices_spent"],
            "notices_in_order": in_order.get(owner, {}).get("notices_spent", 0),
        }
        for owner, book in shuffled.items()
    }


class _Progress:
    """How far a replay is, on a terminal's last line."""

    def __init__(self, total: int, *, shown: bool) -> None:
        self._total = total
        self._shown = shown
        self._next = 0.0

    def __call__(self, stepped: int) -> None:
        if self._shown and time.perf_counter() >= self._next:
            self._next = time.perf_counter() + PROGRESS_SECONDS
            click.echo(f"\r{stepped:,} of {self._total:,} records", nl=False, err=True)

    def clear(self) -> None:
        """Leave the line to others."""
        if self._shown:
            click.echo("\r\x1b[K", nl=False, err=True)


def _show(notification: Notification, config: Config) -> None:
    """The message as the console shows it; new numbers of a known one in a line."""
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(notification.time))
    message = message_of(notification, config, mention=notification.mention)
    if notification.reason is NotificationReason.EVIDENCE and notification.rollout is not None:
        return  # they move for hours; the verdict says what came of them
    if notification.reason is NotificationReason.EVIDENCE:
        click.echo(f"{when} UTC, {notification.reason}: {message.title}\n")
        return
    if notification.signed:
        click.echo(f"{when} UTC, signed webhook of {message.owner}: {message.title}\n")
        return
    click.echo(f"{when} UTC, {notification.reason}")
    lines = render_message(message, edits=notification.sequence > 1, channel="")
    click.echo("\n".join(plain(line) for line in lines) + "\n")


def _for_people(summary: dict[str, Any]) -> str:
    counts = [_many(summary["duplicates"], "duplicate"), _many(summary["dead_letters"], "dead letter")]
    counts += [f"{summary['skipped']} skipped"] if summary["skipped"] else []
    lines = [f"{_many(summary['events'], 'event')} in {summary['seconds']:g} s, {', '.join(counts)}"]
    lines += [
        f"  {name}: {_many(agent['runs'], 'run')}, {agent['failed']} failed, {agent['silent']} silent,"
        f" {agent['hung']} hung"
        for name, agent in summary["agents"].items()
    ]
    for owner in sorted({*summary["budget"], *summary["told"]}):
        told = summary["told"].get(owner, {"pages": 0, "notices": 0})
        words = f"  {owner}: told of {_many(told['pages'], 'page')} and {_many(told['notices'], 'notice')}"
        if (book := summary["budget"].get(owner)) is not None:
            words += (
                f"; of the budget {book['spent']} and {book['notices_spent']} were spent, where"
                f" {book['granted']:.2g} false pages and {book['notices_granted']:.2g} false notices were granted"
            )
        lines.append(words)
    for owner, book in summary.get("audit", {}).items():
        lines.append(
            f"  audit of {owner}: {_many(book['shuffled'], 'page')} in shuffled order,"
            f" where {book['granted']:.2g} false ones were granted; {book['in_order']} in true order"
        )
        lines.append(
            f"    {_many(book['notices_shuffled'], 'notice')} in shuffled order,"
            f" where {book['notices_granted']:.2g} were granted; {book['notices_in_order']} in true order"
        )
    return "\n".join(lines)


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
