"""What a person sees of Slack's messages: text as it reads, whom it rings, what hangs below it."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import Any


@dataclass
class Post:
    """One message as Slack keeps it."""

    ts: str
    user: str
    text: str
    blocks: list[dict[str, Any]]
    metadata: dict[str, Any] | None
    edits: int = 0
    thread: str | None = None
    broadcast: bool = False


@dataclass(frozen=True)
class Seen:
    """One message as a person sees it. `rings`: whom it mentions. `edits`: how often it was edited."""

    ts: str
    text: str
    rings: tuple[str, ...]
    edits: int


def seen(post: Post) -> Seen:
    """A message as a person sees it."""
    texts = list(_texts(post.blocks)) or [("mrkdwn", post.text)]
    rings = [ring for kind, text in texts if kind == "mrkdwn" for ring in _rings(text)]
    shown = [_readable(text) if kind == "mrkdwn" else text for kind, text in texts]
    return Seen(post.ts, "\n".join(shown), tuple(rings), post.edits)


def _texts(node: Any) -> Any:
    """Every text object, in reading order."""
    if isinstance(node, list):
        for each in node:
            yield from _texts(each)
    elif isinstance(node, dict):
        if node.get("type") in ("mrkdwn", "plain_text") and isinstance(node.get("text"), str):
            yield node["type"], node["text"]
        else:
            for key in ("text", "fields", "elements", "accessory"):
                yield from _texts(node.get(key))


def _rings(text: str) -> list[str]:
    return [found[1] for found in re.finditer(r"<([@!][^>|]+)(?:\|[^>]*)?>", text) if not found[1].startswith("!date")]


def _readable(text: str) -> str:
    """mrkdwn as it looks: dates and links by their label, no markup."""
    text = re.sub(r"<!date\^\d+\^[^|>]*\|([^>]*)>", r"\1", text)
    text = re.sub(r"<[@!#]?([^>|]*)\|([^>]*)>", r"\2", text)
    text = re.sub(r"<([^>]*)>", r"\1", text)
    return html.unescape(re.sub(r"[*`]", "", text))
