"""What Slack refuses of message blocks, as documented; nothing of how ours are made.

`problems(blocks)` gives one line per problem with a JSON pointer; empty where Slack would take them. Written from
Slack's documented limits, so that the renderer is not checked against itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from math import isfinite
from typing import Any

BLOCKS = 50
TOTAL = 13_200
ID = 255
CHARTS = 2

TEXT_KEYS = {"type", "text", "emoji", "verbatim"}
KEYS = {
    "header": {"text"},
    "section": {"text", "fields", "accessory", "expand"},
    "context": {"elements"},
    "actions": {"elements"},
    "divider": set(),
    "image": {"image_url", "slack_file", "alt_text", "title"},
    "markdown": {"text"},
    "data_visualization": {"title", "chart"},
}
ELEMENT_KEYS = {
    "button": {"type", "text", "action_id", "url", "value", "style", "confirm", "accessibility_label"},
    "static_select": {
        "type", "action_id", "placeholder", "options", "option_groups", "initial_option", "confirm", "focus_on_load",
    },
}  # fmt: skip


def total(blocks: list[dict[str, Any]]) -> int:
    """Characters over all blocks, as `msg_blocks_too_long` counts them (observed, not documented)."""
    return len(json.dumps(blocks, ensure_ascii=False, separators=(",", ":")))


def problems(blocks: Any) -> list[str]:
    """Every problem, in order."""
    if not isinstance(blocks, list):
        return ["/blocks: not an array"]
    found = [f"/blocks: {len(blocks)} blocks, at most {BLOCKS}"] if len(blocks) > BLOCKS else []
    charts = sum(isinstance(block, dict) and block.get("type") == "data_visualization" for block in blocks)
    if charts > CHARTS:
        found.append(f"/blocks: {charts} charts, at most {CHARTS}")
    ids: dict[str, set[str]] = {"block_id": set(), "action_id": set()}
    for index, block in enumerate(blocks):
        found += _block(f"/blocks/{index}", block, ids)
    return found


def _block(at: str, block: Any, ids: dict[str, set[str]]) -> Iterator[str]:
    kind = block.get("type") if isinstance(block, dict) else None
    if kind not in KEYS:
        yield f"{at}: unknown block type {kind!r}"
        return
    if extra := set(block) - KEYS[kind] - {"type", "block_id"}:
        yield f"{at}: unknown keys {sorted(extra)}"
    yield from _id(at, block, "block_id", ids)
    if kind == "header":
        yield from _text(f"{at}/text", block.get("text"), 150, ("plain_text",))
    elif kind == "section":
        if "text" not in block and not block.get("fields"):
            yield f"{at}: neither text nor fields"
        if "text" in block:
            yield from _text(f"{at}/text", block["text"], 3000)
        fields = block.get("fields", [])
        if len(fields) > 10:
            yield f"{at}/fields: {len(fields)}, at most 10"
        for index, field in enumerate(fields):
            yield from _text(f"{at}/fields/{index}", field, 2000)
        if "accessory" in block:
            yield from _element(f"{at}/accessory", block["accessory"], ids)
    elif kind == "context":
        yield from _count(f"{at}/elements", block.get("elements"), 10)
        for index, element in enumerate(block.get("elements") or []):
            if element.get("type") == "image":
                yield from _image(f"{at}/elements/{index}", element)
            else:
                yield from _text(f"{at}/elements/{index}", element, 3000)
    elif kind == "actions":
        yield from _count(f"{at}/elements", block.get("elements"), 25)
        for index, element in enumerate(block.get("elements") or []):
            yield from _element(f"{at}/elements/{index}", element, ids)
    elif kind == "image":
        yield from _image(at, block)
    elif kind == "data_visualization":
        yield from _chart(at, block)
    elif kind == "markdown" and not 0 < len(block.get("text") or "") <= 12_000:
        yield f"{at}/text: 1 to 12000 characters"


def _count(at: str, elements: Any, most: int) -> Iterator[str]:
    if not isinstance(elements, list) or not 0 < len(elements) <= most:
        yield f"{at}: 1 to {most} elements"


def _text(at: str, text: Any, most: int, kinds: tuple[str, ...] = ("plain_text", "mrkdwn")) -> Iterator[str]:
    if not isinstance(text, dict) or text.get("type") not in kinds:
        yield f"{at}: must be one of {kinds}"
        return
    if extra := set(text) - TEXT_KEYS:
        yield f"{at}: unknown keys {sorted(extra)}"
    if "emoji" in text and text["type"] != "plain_text":
        yield f"{at}/emoji: only in plain_text"
    if "verbatim" in text and text["type"] != "mrkdwn":
        yield f"{at}/verbatim: only in mrkdwn"
    length = len(text.get("text") or "")
    if not 0 < length <= most:
        yield f"{at}/text: {length} characters, 1 to {most}"


def _element(at: str, element: Any, ids: dict[str, set[str]]) -> Iterator[str]:
    kind = element.get("type") if isinstance(element, dict) else None
    if kind not in ELEMENT_KEYS:
        yield f"{at}: unknown element {kind!r}"
        return
    if extra := set(element) - ELEMENT_KEYS[kind]:
        yield f"{at}: unknown keys {sorted(extra)}"
    yield from _id(at, element, "action_id", ids)
    if "confirm" in element:
        confirm = element["confirm"]
        for key, most in (("title", 100), ("text", 300), ("confirm", 30), ("deny", 30)):
            yield from _text(f"{at}/confirm/{key}", confirm.get(key), most)
    if kind == "static_select":
        yield from _menu(at, element)
        return
    yield from _text(f"{at}/text", element.get("text"), 75, ("plain_text",))
    for key, most in (("value", 2000), ("url", 3000)):
        if len(element.get(key) or "") > most:
            yield f"{at}/{key}: more than {most} characters"
    if element.get("style") not in (None, "primary", "danger"):
        yield f"{at}/style: primary or danger"


def _menu(at: str, element: dict[str, Any]) -> Iterator[str]:
    yield from _text(f"{at}/placeholder", element.get("placeholder"), 150, ("plain_text",))
    yield from _count(f"{at}/options", element.get("options"), 100)
    for index, option in enumerate(element.get("options") or []):
        yield from _text(f"{at}/options/{index}/text", option.get("text"), 75, ("plain_text",))
        if not 0 < len(option.get("value") or "") <= 150:
            yield f"{at}/options/{index}/value: 1 to 150 characters"


def _chart(at: str, block: dict[str, Any]) -> Iterator[str]:
    if not 0 < len(block.get("title") or "") <= 50:
        yield f"{at}/title: 1 to 50 characters"
    chart = block.get("chart")
    if not isinstance(chart, dict) or chart.get("type") not in ("line", "bar", "area"):
        yield f"{at}/chart: a line, bar or area chart"
        return
    axis = chart.get("axis_config") or {}
    categories = axis.get("categories") or []
    yield from _count(f"{at}/chart/axis_config/categories", categories, 20)
    yield from _count(f"{at}/chart/series", chart.get("series"), 6)
    names = [series.get("name") for series in chart.get("series") or ()]
    if len(set(names)) < len(names) or len(set(categories)) < len(categories):
        yield f"{at}/chart: a name or a category twice"
    for label in (*names, *categories):
        if not 0 < len(label or "") <= 20:
            yield f"{at}/chart: a label of {len(label or '')} characters, 1 to 20"
    for key in ("x_label", "y_label"):
        if len(axis.get(key) or "") > 50:
            yield f"{at}/chart/axis_config/{key}: more than 50 characters"
    for index, series in enumerate(chart.get("series") or ()):
        data = series.get("data") or []
        if [point.get("label") for point in data] != list(categories):
            yield f"{at}/chart/series/{index}: labels differ from the categories"
        if not all(isinstance(point.get("value"), int | float) and isfinite(point["value"]) for point in data):
            yield f"{at}/chart/series/{index}: a value that is no number"


def _image(at: str, image: dict[str, Any]) -> Iterator[str]:
    if not image.get("alt_text") or len(image["alt_text"]) > 2000:
        yield f"{at}/alt_text: 1 to 2000 characters"
    if not image.get("slack_file") and not 0 < len(image.get("image_url") or "") <= 3000:
        yield f"{at}/image_url: 1 to 3000 characters"


def _id(at: str, holder: dict[str, Any], key: str, ids: dict[str, set[str]]) -> Iterator[str]:
    name = holder.get(key)
    if name is None:
        return
    if not 0 < len(name) <= ID:
        yield f"{at}/{key}: 1 to {ID} characters"
    if name in ids[key]:
        yield f"{at}/{key}: {name!r} twice"
    ids[key].add(name)
