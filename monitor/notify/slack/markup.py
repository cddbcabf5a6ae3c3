"""Slack's mrkdwn, safely: what is foreign can neither ring anybody nor format anything.

Pure. Only `&`, `<` and `>` can be escaped; so foreign text stands in a code span without backticks, or in plain text.
"""

from __future__ import annotations

from monitor.notify.message import Fact, utc

_NO_FORMAT = {ord(each): " " for each in "*_~"}
_NO_MARKUP = {ord(each): None for each in "&<>`"}


def escape(text: str) -> str:
    """& < > as Slack wants them."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def code(text: str) -> str:
    """Foreign text in a code span."""
    inner = escape(text.replace("`", "'").strip())
    return f"`{inner}`" if inner else "-"


def prose(text: str) -> str:
    """Foreign text without a span: what would format is taken out."""
    return escape(text).replace("`", "'").translate(_NO_FORMAT)


def moment(time: float) -> str:
    """A time that each reader sees in their own zone."""
    return f"<!date^{int(time)}^{{date_short_pretty}} {{time_secs}}|{utc(time)}>"


def clock(time: float) -> str:
    """A time of day that each reader sees in their own zone."""
    return f"<!date^{int(time)}^{{time_secs}}|{utc(time)[11:]}>"


def shown(fact: Fact) -> str:
    """What stands beside a fact's name, as mrkdwn."""
    if fact.time is None:
        side = f"{code(fact.share_of)} " if fact.share_of else ""
        behind = f", {moment(fact.at)}" if fact.at is not None else ""
        return side + (escape(fact.value) if fact.ours else code(fact.value)) + behind
    spread = f", between {clock(fact.spread[0])} and {clock(fact.spread[1])}" if fact.spread is not None else ""
    return moment(fact.time) + escape(fact.value) + spread


def link(url: str, label: str) -> str:
    """A link with a label of ours."""
    return f"<{escape(url).replace('|', '%7C').replace(' ', '%20')}|{label}>"


def whole(text: str, limit: int) -> str:
    """Within a limit. What is too long loses its markup, for a cut could leave half an entity or an open span."""
    return text if len(text) <= limit else text.translate(_NO_MARKUP)[: limit - 1] + "…"
