"""Slack's blocks as a picture, about as Slack shows them: for the README and for a look at a message before it ships.

    python tests/services/slack_page.py tests/golden/slack/firing.json docs/images/incident.png [--width 720]

It draws the blocks that our messages use and refuses others. It is no proof of anything; the Slack double is.
"""

from __future__ import annotations

import argparse
import html
import json
import re
from pathlib import Path
from typing import Any

STYLE = """
body { margin: 0; padding: 16px; background: #fff; color: #1d1c1d; font: 15px/1.46 Lato, "Helvetica Neue", Arial,
  "DejaVu Sans", sans-serif; }
.message { display: grid; grid-template-columns: 36px 1fr; gap: 8px; max-width: 680px; }
.face { width: 36px; height: 36px; border-radius: 4px; background: #1f3a5f; color: #fff; display: grid;
  place-items: center; font-weight: 900; }
.who b { margin-right: 6px; } .app { background: #e8e8e8; border-radius: 2px; font-size: 10px; padding: 1px 3px; }
.time { color: #616061; font-size: 12px; margin-left: 6px; }
h3 { font-size: 18px; margin: 8px 0 4px; } .section { margin: 8px 0; } .context { color: #616061; font-size: 12px; }
.fields { display: grid; grid-template-columns: 1fr 1fr; gap: 8px 16px; }
code { background: #f6f6f6; border: 1px solid #ddd; border-radius: 3px; color: #c01343; font-size: 12px;
  padding: 1px 3px; }
a { color: #1264a3; text-decoration: none; } .mention { background: #fdf2d0; color: #1264a3; border-radius: 3px; }
@media (max-width: 480px) { .fields { grid-template-columns: 1fr; } }
"""


DOTS = {"🔴": "#d0021b", "🟡": "#f2c744", "🟠": "#e8912d", "✅": "#2eb67d"}
"""Emoji of our titles; the machine that draws may have no font for them."""


def page(message: dict[str, Any]) -> str:
    """The HTML of one message."""
    blocks = "".join(_block(block) for block in message["blocks"])
    return (
        f"<!doctype html><meta charset='utf-8'><style>{STYLE}</style><div class='message'><div class='face'>F</div>"
        f"<div><div class='who'><b>Forewarn</b><span class='app'>APP</span><span class='time'>08:53</span></div>"
        f"{blocks}</div></div>"
    )


def _block(block: dict[str, Any]) -> str:
    kind = block["type"]
    if kind == "header":
        mark, _, title = block["text"]["text"].partition(" ")
        dot = f"<span style='color:{DOTS[mark]}'>●</span> {html.escape(title)}" if mark in DOTS else None
        return f"<h3>{dot or html.escape(block['text']['text'])}</h3>"
    if kind == "divider":
        return "<hr>"
    if kind == "context":
        return f"<div class='context'>{' '.join(_mrkdwn(element['text']) for element in block['elements'])}</div>"
    if kind == "section" and "fields" in block:
        fields = "".join(f"<div>{_mrkdwn(field['text'])}</div>" for field in block["fields"])
        return f"<div class='section fields'>{fields}</div>"
    if kind == "section":
        return f"<div class='section'>{_mrkdwn(block['text']['text'])}</div>"
    raise ValueError(f"a block of type {kind!r} is not drawn here")


def _mrkdwn(text: str) -> str:
    """Slack's markup; `&`, `<` and `>` of others are escaped in it already."""
    text = re.sub(r"<!date\^\d+\^[^|]*\|([^>]*)>", r"\1", text)
    text = re.sub(r"<@(\w+)>", r"<span class='mention'>@\1</span>", text)
    text = re.sub(r"<(https?://[^|>]+)\|([^>]+)>", r"<a href='\1'>\2</a>", text)
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", text)
    text = re.sub(r"\*([^*\n]+)\*", r"<b>\1</b>", text)
    return text.replace("\n", "<br>")


def main() -> None:
    """Draw one golden message into a PNG."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("message", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--width", type=int, default=720)
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    arguments = parser.parse_args()
    content = page(json.loads(arguments.message.read_text()))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=arguments.chromium, args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_page(viewport={"width": arguments.width, "height": 100}, device_scale_factor=2)
        tab.set_content(content)
        tab.screenshot(path=arguments.picture, full_page=True)
        browser.close()


if __name__ == "__main__":
    main()
