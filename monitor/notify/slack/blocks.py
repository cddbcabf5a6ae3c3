"""A message as Slack blocks and fallback text, inside all of Slack's limits whatever came in.

Pure, no connection. Foreign text stands in `plain_text` or in a code span (`markup`), so it can neither ring anybody
nor format anything. Invariant: at most 50 blocks, each text within its limit, and `TOTAL` characters over all; where it
does not fit, the least important block goes first.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from monitor.alerting.changes.words import UNKNOWN
from monitor.notify.chart.series import Chart
from monitor.notify.lines import Line
from monitor.notify.message import Call, Fact, Listed, Message, RunLink, happened, utc
from monitor.notify.slack import controls
from monitor.notify.slack.markup import clock, code, escape, link, moment, prose, shown, whole
from schemas.alert import NotificationReason

Block = dict[str, Any]

HEADER = 150
SECTION = 3000
FIELD = 2000
FIELDS = 10
TEXT = 3000
"""Slack cuts the fallback at 40,000 and advises 4,000."""

CAUSE = 140
"""Characters of the likely cause in the fallback text: a phone shows some 180 in all."""

LINE = 240
"""Characters of an entry in a thread."""

TOTAL = 10_000
"""JSON characters over all blocks. Slack refuses at about 13,200 (`msg_blocks_too_long`)."""

CALLS = 10
"""Owners that are named where several are called. Beyond: a count; all are mentioned."""

ALSO, BESIDE = "Also in this incident", "Also in this group"

_PREVIEWED = ("Since about", "Since", "Lasted")

_VERDICT_SIGNS = {"hold": "🟡", "promote": "✅", "roll back": "⛔"}
_GIVEN = {
    NotificationReason.ESCALATED: "was escalated, a page of",
    NotificationReason.HANDED_OVER: "was handed over to",
}
_SIGNS = {"PAGE": "🔴", "Notice": "🟠", "Resolved": "✅", "Handed over": "➡️", "Digest": "📋", "Report": "📈"}


def render(
    message: Message, *, native: bool = True, file: str | None = None, buttons: bool = False
) -> tuple[list[Block], str]:
    """Blocks and the fallback text of a message.

    `native`: the workspace draws charts itself; else `file`, an uploaded picture's id; else a line of bars. `buttons`:
    somebody listens to them.
    """
    lists = message.word in ("Digest", "Report")
    ranked = [
        (0, _header(message)),
        (0, _mention(message)),
        (0, _line(message.states)),
        (0, _fields(fact for fact in message.facts if fact.ours or fact.time is not None)),
        (1, _line(fact for fact in message.facts if not fact.ours and fact.time is None)),
        (1, _section(_cause(message))),
        *((1, _section(_rows(listed))) for listed in message.lists),
        (1, _section(_impact(message))),
        (1, controls.row(message) if buttons else None),
        (2, _section(_sides(message))),
        (3, _chart(message.chart, native, file)),
        (3, _section(_listed("Errors", message.errors))),
        (1, _section(_runs(message))),
        *(
            _sections(message.others)
            if lists
            else [(4, _section(_listed(BESIDE if message.grouped else ALSO, message.others)))]
        ),
        (5, _section(_timeline(message))),
        (1, _context(message)),
    ]
    kept = [(rank, block) for rank, block in ranked if block is not None]
    while _size(block for _, block in kept) > TOTAL:
        kept.remove(max(kept, key=lambda each: each[0]))
    return [block for _, block in kept], fallback(message)


def fallback(message: Message) -> str:
    """The message in one short sentence: what a phone shows before it is opened. Times in UTC."""
    parts = [f"{_sign(message)} {message.word}: {message.title}", f"owner {message.owner}"]
    parts += [f"{fact.name.lower()} {_briefly(fact)}" for fact in message.facts if fact.name in _PREVIEWED]
    if message.cause and message.cause != UNKNOWN:
        cause = message.cause if len(message.cause) <= CAUSE else message.cause[: CAUSE - 1].rstrip() + "…"
        parts.append(cause if message.verdict else f"likely cause: {cause}")
    return whole(escape("; ".join(parts)), TEXT)


def _briefly(fact: Fact) -> str:
    return fact.value if fact.time is None else f"{utc(fact.time)[:16]} UTC"


def thread_text(line: Line) -> str:
    """A line of the thread, as text without markup."""
    parts = [f"{utc(time)[11:]} {happened(text, LINE)}" for time, text in line.parts]
    if len(parts) + line.more > 1:
        head = f"{len(parts) + line.more} changes while Slack could not be reached"
        parts = [f"{head}; the latest:" if line.more else f"{head}:", *parts]
    return whole(escape("\n".join(parts)), TEXT)


def ring_text(message: Message) -> str:
    """The line under a message that is there, as mrkdwn: it became a page, or another's. It calls who is to hear it."""
    if len(message.calls) > 1:
        return "\n".join(_fitting(_called(message, "these are pages now:"), TEXT))
    ring = f"{_rings(message)} this" if message.mentions else "This"
    call = message.calls[0] if message.calls else Call(message.owner, message.title)
    # A group rings for what joins it, or is given to another owner in it, whatever else is said of it since.
    given = _GIVEN[NotificationReason.HANDED_OVER] if call.given else None
    what = given or (None if message.calls else _GIVEN.get(message.reason)) or "is a page now, for"
    return whole(f"{ring} {what} {code(call.owner)}: {code(call.title)}{_more(call)}", TEXT)


def _header(message: Message) -> Block:
    word = f"{message.word}: " if message.word in ("Resolved", "Handed over", "Digest", "Report") else ""
    text = f"{_sign(message)} {word}{message.title}"
    return {"type": "header", "text": {"type": "plain_text", "text": text[:HEADER], "emoji": True}}


def _sign(message: Message) -> str:
    return _VERDICT_SIGNS[message.verdict] if message.verdict else _SIGNS[message.word]


def _mention(message: Message) -> Block | None:
    if not message.mentions:
        return None
    if len(message.calls) > 1:
        return _section(_called(message, "these are pages:"))
    call = message.calls[0] if message.calls else Call(message.owner, message.title)
    what = "this" if call.title == message.title else code(call.title)
    return _section([f"{_rings(message)} {what} is a page for {code(call.owner)}."])


def _rings(message: Message) -> str:
    return " ".join(f"<!subteam^{each}>" if each.startswith("S") else f"<@{each}>" for each in message.mentions)


def _called(message: Message, what: str) -> list[str]:
    """All who are called in one line, then for what, a line for each owner."""
    shown = [
        f"• {'handed over to' if call.given else 'for'} {code(call.owner)}: {code(call.title)}{_more(call)}"
        for call in message.calls[:CALLS]
    ]
    more = len(message.calls) - len(shown)
    head = f"{_rings(message)} {what}" if message.mentions else what[0].upper() + what[1:]
    return [head, *shown, *([f"• and for {more} more"] if more else [])]


def _more(call: Call) -> str:
    return f" and {call.more} more" if call.more else ""


def _fields(facts: Iterable[Fact]) -> Block | None:
    fields = [_mrkdwn(whole(f"*{prose(fact.name)}*\n{shown(fact)}", FIELD)) for fact in facts]
    return {"type": "section", "fields": fields[:FIELDS]} if fields else None


def _line(facts: Iterable[Fact]) -> Block | None:
    """Names and values in running text: on a phone a field each would push the rest away."""
    kept: list[str] = []
    for fact in facts:
        text = f"*{prose(fact.name)}* {shown(fact)}"
        if len(" · ".join((*kept, text))) <= SECTION:
            kept.append(text)
    return _section([" · ".join(kept)]) if kept else None


def _sides(message: Message) -> list[str]:
    lines = []
    if message.affected:
        lines.append("*Affected:* " + ", ".join(map(code, message.affected)))
    if message.unaffected:
        lines.append("*Not affected:* " + ", ".join(map(code, message.unaffected)))
    return lines


def _cause(message: Message) -> list[str]:
    if not message.cause:
        return []
    change = f" {link(message.cause_url, 'open the change')}" if message.cause_url is not None else ""
    shown, rest = [], message.cause
    for text, time in message.cause_times:
        head, found, tail = rest.partition(text)
        if found:  # a date is none inside a code span
            shown += [code(head)] * bool(head.strip()) + [clock(time)]
            rest = tail
    shown += [code(rest)] * bool(rest.strip())
    return [f"*{'Why' if message.verdict else 'Likely cause'}:* {' '.join(shown)}{change}"]


def _impact(message: Message) -> list[str]:
    if not message.impact:
        return []
    lines = [
        f"• {code(fact.name)} since {moment(fact.time)}{prose(fact.value)}"
        if fact.time is not None
        else f"• {fact.name}"
        for fact in message.impact
    ]
    return ["*Impact: these suffer from it*", *lines]


def _chart(chart: Chart | None, native: bool, file: str | None) -> Block | None:
    if chart is None:
        return None
    if file is not None:
        return {"type": "image", "slack_file": {"id": file}, "alt_text": chart.words}
    if not native:
        return _section([f"*{prose(chart.title)}:* `{chart.sparkline}` {prose(chart.words)}"])
    levels = (("level", chart.values), ("normal", (chart.normal,) * len(chart.values)))
    return {
        "type": "data_visualization",
        "title": chart.title,
        "chart": {
            "type": "line",
            "series": [
                {
                    "name": name,
                    "data": [{"label": at, "value": value} for at, value in zip(chart.labels, values, strict=True)],
                }
                for name, values in levels
            ],
            "axis_config": {"categories": list(chart.labels), "x_label": "UTC", "y_label": chart.axis},
        },
    }


def _listed(title: str, lines: tuple[str, ...]) -> list[str]:
    return [f"*{title}*", *(f"• {code(line)}" for line in lines)] if lines else []


def _rows(listed: Listed) -> list[str]:
    rows = [" ".join(filter(None, (code(row.name) if row.name else "", shown(row), _note(row)))) for row in listed.rows]
    return [f"*{prose(listed.title)}*", *(f"• {row}" for row in rows)]


def _note(row: Fact) -> str:
    return f"· {code(row.note)}" if row.note else ""


def _runs(message: Message) -> list[str]:
    if not message.runs:
        return []
    title = "Runs of one input that differ" if message.verdict else "Example runs"
    return [f"*{title}*", *(f"• {_run(run)}" for run in message.runs)]


def _run(run: RunLink) -> str:
    text = code(run.run) + (f" {link(run.url, 'open')}" if run.url is not None else "")
    return text if run.beside is None else f"{text} beside {_run(run.beside)}"


def _timeline(message: Message) -> list[str]:
    if len(message.timeline) < 2:
        return []
    return ["*Timeline*", *(f"• {moment(entry.time or 0.0)} {code(entry.value)}" for entry in message.timeline)]


def _context(message: Message) -> Block:
    words = [prose(word) for word in message.footer]
    if message.link is not None:
        words.append(link(message.link, "open in Forewarn"))
    return {"type": "context", "elements": [_mrkdwn(whole(" · ".join(words), SECTION))]}


def _section(lines: list[str]) -> Block | None:
    """Whole lines as long as they fit: a line cut in the middle could open what it does not close."""
    kept = _fitting(lines, SECTION)
    return {"type": "section", "text": _mrkdwn("\n".join(kept))} if kept else None


def _fitting(lines: list[str], limit: int) -> list[str]:
    kept: list[str] = []
    for line in lines:
        if len("\n".join((*kept, line))) > limit:
            break
        kept.append(line)
    return kept


def _sections(lines: tuple[str, ...]) -> list[tuple[int, Block | None]]:
    """What a message lists, in as many sections as it takes; where the message is too long, the last goes first."""
    found: list[list[str]] = [["*Listed*"]]
    for line in lines:
        text = f"• {code(line)}"
        if len("\n".join((*found[-1], text))) > SECTION:
            found.append([])
        found[-1].append(text)
    return [(rank, _section(part)) for rank, part in enumerate(found)]


def _mrkdwn(text: str) -> Block:
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _size(blocks: Iterable[Block]) -> int:
    return sum(len(json.dumps(block, ensure_ascii=False)) for block in blocks)
