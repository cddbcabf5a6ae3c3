"""Validators of others accept every golden message, and are seen to refuse what they can refuse.

| | sees | does not see |
| --- | --- | --- |
| slack_sdk's models | lengths of texts, numbers of elements, styles | a field of 2,001, unknown keys, duplicates |
| `@slack/types` through tsc | wrong types of texts, unknown blocks and keys | lengths |
| slackblocks | lengths, empty texts | rows of buttons (not parsed yet), unknown keys |

None of them knows charts well: slack_sdk and `@slack/types` have no class for the block, slackblocks makes one but does
not parse it; there its class is called with what stands in ours. What is left (an action_id twice, the total) is the
double's part.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import slackblocks
from slack_sdk.models.blocks import Block

GOLDEN = Path(__file__).parents[1] / "golden" / "slack"
TYPES = Path(__file__).parents[1] / "slack_types"
MESSAGES = sorted(path.stem for path in GOLDEN.glob("*.json"))
Blocks = list[dict[str, Any]]


def blocks(name: str) -> Blocks:
    found: Blocks = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))["blocks"]
    return found


def without(kinds: set[str], of: Blocks) -> Blocks:
    return [block for block in of if block["type"] not in kinds]


def by_slack_sdk(of: Blocks) -> None:
    """Raises on what its models refuse."""
    for block in without({"data_visualization"}, of):
        parsed = Block.parse(block)
        assert parsed is not None, block["type"]
        assert parsed.to_dict()["type"] == block["type"]


def by_slackblocks(of: Blocks) -> None:
    """Raises on what its classes refuse."""
    for block in without({"actions"}, of):
        if block["type"] != "data_visualization":
            slackblocks.Block.from_dict(block)
            continue
        chart = block["chart"]
        series = [
            slackblocks.DataSeries(
                each["name"], [slackblocks.DataPoint(point["label"], point["value"]) for point in each["data"]]
            )
            for each in chart["series"]
        ]
        axis = chart["axis_config"]
        config = slackblocks.AxisConfig(axis["categories"], x_label=axis["x_label"], y_label=axis["y_label"])
        made = slackblocks.DataVisualizationBlock(block["title"], slackblocks.LineChart(series, config))
        assert made._resolve()["chart"] == chart


@pytest.mark.parametrize("name", MESSAGES)
def test_slack_sdk_takes_it(name: str) -> None:
    by_slack_sdk(blocks(name))


@pytest.mark.parametrize("name", MESSAGES)
def test_slackblocks_takes_it(name: str) -> None:
    by_slackblocks(blocks(name))


@pytest.fixture(scope="module")
def tsc() -> Path:
    """The compiler with Slack's types, from the pinned lock."""
    npm = shutil.which("npm")
    if npm is None:
        if os.environ.get("CI"):
            pytest.fail("CI has no npm")
        pytest.skip("install Node 20 or newer with npm, and Slack's own types are asked too")
    compiler = TYPES / "node_modules" / ".bin" / "tsc"
    if not compiler.exists():
        subprocess.run([npm, "ci", "--no-audit", "--no-fund"], cwd=TYPES, check=True, capture_output=True, timeout=300)
    return compiler


def said_by_types(tsc: Path, folder: Path, messages: dict[str, Blocks]) -> str:
    """What the compiler says of messages as `KnownBlock[]`; empty for nothing."""
    lines = ["import type { KnownBlock } from '@slack/types';"]
    for index, of in enumerate(messages.values()):
        shown = without({"data_visualization"}, of)
        lines.append(f"export const message{index}: KnownBlock[] = {json.dumps(shown, ensure_ascii=False)};")
    (folder / "messages.ts").write_text("\n".join(lines), encoding="utf-8")
    (folder / "node_modules").symlink_to(TYPES / "node_modules")
    command = [tsc, "--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext", "messages.ts"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120).stdout


def test_slacks_own_types_take_them_all(tsc: Path, tmp_path: Path) -> None:
    assert said_by_types(tsc, tmp_path, {name: blocks(name) for name in MESSAGES}) == ""


HEADER = {"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}
FIELD = {"type": "section", "fields": [{"type": "mrkdwn", "text": "x" * 2001}]}
STYLED = {"type": "header", "text": {"type": "mrkdwn", "text": "x"}}


def test_each_refuses_something_that_another_lets_pass(tsc: Path, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="150"):
        by_slack_sdk([HEADER])
    by_slack_sdk([FIELD])
    with pytest.raises(Exception, match="2000"):
        by_slackblocks([FIELD])
    by_slackblocks([STYLED])
    assert "mrkdwn" in said_by_types(tsc, tmp_path, {"styled": [STYLED]})
