"""A message as Slack blocks and fallback text, inside all of Slack's limits whatever came in.

Pure, no connection. Foreign text stands in `plain_text` or inside a code span with & < > escaped and backticks taken
out, so it can neither ring anybody nor format anything. Invariant: at most 50 blocks, each text within its limit, and
`TOTAL` characters over all; where it does not fit, the least important block goes first.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from monitor.notify.message import Fact, Message

Block = dict[str, Any]

HEADER = 150
SECTION = 3000
FIELD = 2000
FIELDS = 10
TEXT = 3000
"""Slack cuts the fallback at 40,000 and advises 4,000."""

TOTAL = 10_000
"""JSON characters over all blocks. Slack refuses at about 13,200 (`msg_blocks_too_long`)."""

ALSO = "Also in this incident"

_NO_FORMAT = {ord(each): " " for each in "*_~"}
_NO_MARKUP = {ord(each): None for each in "&<>`"}
_SIGNS = {"PAGE": "🔴", "Notice": "🟠", "Resolved": "✅", "Digest": "📋"}


def render(message: Message) -> tuple[list[Block], str]:
    """Blocks and the fallback text of a message."""
    digest = message.word == "Digest"
    ranked = [
        (0, _header(message)),
        (0, _mention(message)),
        (0, _fields(message.facts[:FIELDS])),
        (1, _fields(message.facts[FIELDS:])),
        (2, _section(_sides(message))),
        (3, _section(_listed("Errors", message.errors))),
        (1, _section(_runs(message))),
        (0, _section(_listed("Listed", message.others))) if digest else (4, _section(_listed(ALSO, message.others))),
        (5, _section(_timeline(message))),
        (1, _context(message)),
    ]
    kept = [(rank, block) for rank, block in ranked if block is not None]
    while _size(block for _, block in kept) > TOTAL:
        kept.remove(max(kept, key=lambda each: each[0]))
    return [block for _, block in kept], fallback(message)


def fallback(message: Message) -> str:
    """The message in one paragraph: what a phone shows before it is opened."""
    facts = ", ".join(f"{fact.name.lower()} {_plain(fact)}" for fact in message.facts[:3])
    beside = f"{facts}, owner" if facts else "owner"
    text = f"{_SIGNS[message.word]} {message.word}: {message.title} ({beside} {message.owner})"
    return _whole(escape(text), TEXT)


def escape(text: str) -> str:
    """& < > as Slack wants them."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def code(text: str) -> str:
    """Foreign text in a code span."""
    inner = escape(text.replace("`", "'").strip())
    return f"`{inner}`" if inner else "-"


def moment(time: float) -> str:
    """A time that each reader sees in their own zone."""
    return f"<!date^{int(time)}^{{date_short_pretty}} {{time_secs}}|{utc(time)}>"


def utc(time: float) -> str:
    """A time in UTC, to the second."""
    try:
        return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return "an unknown time"


def _header(message: Message) -> Block:
    word = f"{message.word}: " if message.word in ("Resolved", "Digest") else ""
    text = f"{_SIGNS[message.word]} {word}{message.title}"
    return {"type": "header", "text": {"type": "plain_text", "text": text[:HEADER], "emoji": True}}


def _mention(message: Message) -> Block | None:
    if message.mention is None:
        return None
    ring = f"<!subteam^{message.mention}>" if message.mention.startswith("S") else f"<@{message.mention}>"
    return _section([f"{ring} this is a page for {code(message.owner)}."])


def _fields(facts: Iterable[Fact]) -> Block | None:
    fields = [_mrkdwn(_whole(f"*{fact.name}*\n{_shown(fact)}", FIELD)) for fact in facts]
    return {"type": "section", "fields": fields} if fields else None


def _shown(fact: Fact) -> str:
    if fact.time is None:
        return escape(fact.value) if fact.ours else code(fact.value)
    return moment(fact.time) + escape(fact.value)


def _plain(fact: Fact) -> str:
    return fact.value if fact.time is None else utc(fact.time) + fact.value


def _sides(message: Message) -> list[str]:
    lines = []
    if message.affected:
        lines.append("*Affected:* " + ", ".join(map(code, message.affected)))
    if message.unaffected:
        lines.append("*Not affected:* " + ", ".join(map(code, message.unaffected)))
    return lines


def _listed(title: str, lines: tuple[str, ...]) -> list[str]:
    return [f"*{title}*", *(f"• {code(line)}" for line in lines)] if lines else []


def _runs(message: Message) -> list[str]:
    if not message.runs:
        return []
    runs = [code(run.run) + (f" <{_url(run.url)}|open>" if run.url is not None else "") for run in message.runs]
    return ["*Example runs*", *(f"• {run}" for run in runs)]


def _timeline(message: Message) -> list[str]:
    if len(message.timeline) < 2:
        return []
    return ["*Timeline*", *(f"• {moment(entry.time or 0.0)} {code(entry.value)}" for entry in message.timeline)]


def _context(message: Message) -> Block:
    words = [escape(word).replace("`", "'").translate(_NO_FORMAT) for word in message.footer]
    if message.link is not None:
        words.append(f"<{_url(message.link)}|open in Forewarn>")
    return {"type": "context", "elements": [_mrkdwn(_whole(" · ".join(words), SECTION))]}


def _section(lines: list[str]) -> Block | None:
    """Whole lines as long as they fit: a line cut in the middle could open what it does not close."""
    kept: list[str] = []
    for line in lines:
        if len("\n".join((*kept, line))) > SECTION:
            break
        kept.append(line)
    return {"type": "section", "text": _mrkdwn("\n".join(kept))} if kept else None


def _mrkdwn(text: str) -> Block:
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _whole(text: str, limit: int) -> str:
    """Within a limit. What is too long loses its markup, for a cut could leave half an entity or an open span."""
    return text if len(text) <= limit else text.translate(_NO_MARKUP)[: limit - 1] + "…"


def _url(url: str) -> str:
    return escape(url).replace("|", "%7C").replace(" ", "%20")


def _size(blocks: Iterable[Block]) -> int:
    return sum(len(json.dumps(block, ensure_ascii=False)) for block in blocks)
