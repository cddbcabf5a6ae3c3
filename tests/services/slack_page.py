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
.actions { display: flex; flex-wrap: wrap; gap: 8px; margin: 8px 0; }
.button { border: 1px solid #bbb; border-radius: 4px; padding: 4px 12px; font-weight: 700; font-size: 13px; }
.primary { background: #007a5a; border-color: #007a5a; color: #fff; } .danger { color: #e01e5a; border-color: #e01e5a; }
.chart { border: 1px solid #ddd; border-radius: 8px; padding: 8px 12px; margin: 8px 0; max-width: 560px; }
.chart b { font-size: 13px; } .chart svg { width: 100%; height: auto; display: block; } .chart text { font-size: 11px;
  fill: #616061; } img { max-width: 100%; border-radius: 8px; }
.section, .fields > div { overflow-wrap: anywhere; }
@media (max-width: 480px) { .fields { grid-template-columns: 1fr; } }
"""


DOTS = {"🔴": "#d0021b", "🟡": "#f2c744", "🟠": "#e8912d", "✅": "#2eb67d", "⛔": "#d0021b"}
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
    if kind == "actions":
        return f"<div class='actions'>{''.join(map(_element, block['elements']))}</div>"
    if kind == "data_visualization":
        return _chart(block)
    if kind == "image":
        return f"<img alt='{html.escape(block['alt_text'])}' src='{html.escape(block.get('image_url', ''))}'>"
    raise ValueError(f"a block of type {kind!r} is not drawn here")


def _element(element: dict[str, Any]) -> str:
    if element["type"] == "static_select":
        return f"<span class='button'>{html.escape(element['placeholder']['text'])} ▾</span>"
    style = element.get("style", "")
    return f"<span class='button {style}'>{html.escape(element['text']['text'])}</span>"


def _chart(block: dict[str, Any]) -> str:
    """Lines over categories; the second grey, as a level to compare with."""
    chart = block["chart"]
    categories = chart["axis_config"]["categories"]
    top = max(point["value"] for series in chart["series"] for point in series["data"]) or 1.0
    width, height = 520.0, 130.0
    lines = []
    for series, colour in zip(chart["series"], ("#1264a3", "#999"), strict=False):
        spots = [
            f"{40 + index * width / max(len(categories) - 1, 1):.1f},{10 + height * (1 - point['value'] / top):.1f}"
            for index, point in enumerate(series["data"])
        ]
        lines.append(f"<polyline points='{' '.join(spots)}' fill='none' stroke='{colour}' stroke-width='2'/>")
    texts = f"<text x='36' y='16' text-anchor='end'>{top:g}</text><text x='36' y='142' text-anchor='end'>0</text>"
    ends = f"<text x='40' y='158'>{html.escape(categories[0])}</text>"
    ends += f"<text x='560' y='158' text-anchor='end'>{html.escape(categories[-1])}</text>"
    title = (
        f"<b>{html.escape(block['title'])}</b> <small>{html.escape(chart['axis_config'].get('y_label', ''))}</small>"
    )
    return f"<div class='chart'>{title}<svg viewBox='0 0 566 162'>{''.join(lines)}{texts}{ends}</svg></div>"


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
    parser.add_argument("--scale", type=float, default=2.0)
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    arguments = parser.parse_args()
    content = page(json.loads(arguments.message.read_text()))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=arguments.chromium, args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_page(viewport={"width": arguments.width, "height": 100}, device_scale_factor=arguments.scale)
        tab.set_content(content)
        tab.screenshot(path=arguments.picture, full_page=True)
        browser.close()


if __name__ == "__main__":
    main()
