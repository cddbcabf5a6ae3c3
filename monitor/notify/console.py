"""The message as text: what Slack would show, on a terminal or in a log.

Used where there is no Slack token. Colours only on a terminal. Invariant: a line never holds a control character of
foreign origin, for the message was cleaned before.
"""

from __future__ import annotations

import textwrap
from typing import TextIO

from monitor.notify.composing import message_of
from monitor.notify.delivery import Delivery
from monitor.notify.message import Fact, Message, RunLink, utc
from schemas.alert import NotificationReason
from schemas.config import Config

WIDTH = 100
_LABEL = 13
_COLOURS = {
    "PAGE": "\x1b[1;31m",
    "Notice": "\x1b[1;33m",
    "Resolved": "\x1b[1;32m",
    "Handed over": "\x1b[1;34m",
    "Digest": "\x1b[1;36m",
    "Report": "\x1b[1;36m",
    "Rollout": "\x1b[1;35m",
}
_DIM, _BOLD, _OFF = "\x1b[2m", "\x1b[1m", "\x1b[0m"
_SHORT = (NotificationReason.EVIDENCE, NotificationReason.REPEAT)


class ConsoleNotifier:
    """Writes each delivery to `stream`. `stands_for`: the Slack channel that would have been written to."""

    def __init__(self, stream: TextIO, config: Config, stands_for: str = "") -> None:
        self._stream = stream
        self._config = config
        self._stands_for = stands_for

    async def send(self, delivery: Delivery) -> str:
        """Print the message; an update of numbers in short."""
        message = message_of(delivery.notification, self._config, mention=delivery.mention)
        lines = render(message, edits=delivery.reference is not None, channel=self._stands_for)
        colours = self._stream.isatty()
        text = "\n".join(lines if colours else [plain(line) for line in lines])
        self._stream.write(text + "\n\n")
        self._stream.flush()
        return "console"

    def turn(self, delivery: Delivery, now: float) -> float:
        """A terminal takes everything at once."""
        del delivery
        return now


def render(message: Message, *, edits: bool = False, channel: str = "") -> list[str]:
    """Lines with colours. `edits`: Slack would edit the message that is there; `channel`: where."""
    colour = _COLOURS[message.word]
    bar = f"{colour}┃{_OFF} "
    short = edits and message.reason in _SHORT and message.status == "firing"
    body = [f"{_BOLD}{line}{_OFF}" for line in textwrap.wrap(message.title, WIDTH - 2)]
    facts = message.facts[:2] if short else message.facts
    body += [_fact(fact) for fact in (*message.states, *facts)]
    if not short:
        body += _details(message)
    body += [f"{_DIM}{line}{_OFF}" for line in textwrap.wrap(" · ".join(message.footer), WIDTH - 2)]
    if message.link is not None:
        body.append(f"{_DIM}{message.link}{_OFF}")
    return [_head(message, edits, channel), *(bar + line for line in body)]


def plain(line: str) -> str:
    """A rendered line without colours."""
    for colour in (*_COLOURS.values(), _DIM, _BOLD, _OFF):
        line = line.replace(colour, "")
    return line


def _head(message: Message, edits: bool, channel: str) -> str:
    colour = _COLOURS[message.word]
    deed = f"edited: {message.reason}" if edits else "new message"
    where = f"Slack {channel} (no token: shown here), {deed}" if channel else deed
    ring = f", rings {' '.join(message.mentions)}" if message.mentions else ""
    return f"{colour}┏ {message.word}{_OFF} for {message.owner} {_DIM}{where}{ring}{_OFF}"


def _fact(fact: Fact) -> str:
    return f"{_DIM}{fact.name:<{_LABEL}}{_OFF} {fact.plain}"


def _details(message: Message) -> list[str]:
    lines = []
    if message.chart is not None:
        lines.append(_fact(Fact("Chart", f"{message.chart.sparkline}  {message.chart.words}")))
    if message.cause:
        link = f"  {message.cause_url}" if message.cause_url is not None else ""
        lines.append(_fact(Fact("Why" if message.verdict else "Likely cause", message.cause + link)))
    suffers = tuple(
        fact.name + (f" since {utc(fact.time)}" if fact.time is not None else "") + fact.value
        for fact in message.impact
    )
    lines += _block("Impact", suffers)
    if message.affected:
        lines.append(_fact(Fact("Affected", ", ".join(message.affected))))
    if message.unaffected:
        lines.append(_fact(Fact("Not affected", ", ".join(message.unaffected))))
    for listed in message.lists:
        width = max((len(row.name) for row in listed.rows), default=0)
        lines += _block(listed.title, tuple(f"{row.name:<{width}}  {row.value}{_note(row)}" for row in listed.rows))
    lines += _block("Errors", message.errors)
    lines += _block("Differ" if message.verdict else "Example runs", tuple(_run(run) for run in message.runs))
    lines += _block("Listed" if message.word in ("Digest", "Report") else "Also", message.others)
    if len(message.timeline) > 1:
        lines += _block("Timeline", tuple(f"{utc(entry.time or 0.0)}  {entry.value}" for entry in message.timeline))
    return lines


def _note(row: Fact) -> str:
    return f"; {row.note}" if row.note else ""


def _run(run: RunLink) -> str:
    shown = run.run + (f"  {run.url}" if run.url else "")
    return shown if run.beside is None else f"{shown}  beside  {_run(run.beside)}"


def _block(title: str, values: tuple[str, ...]) -> list[str]:
    return [_fact(Fact(title if index == 0 else "", value)) for index, value in enumerate(values)]
