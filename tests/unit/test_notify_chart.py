"""Charts: any series becomes points that Slack takes, and a picture that is a PNG."""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.notify.chart.picture import HEIGHT, WIDTH, draw
from monitor.notify.chart.series import POINTS, Chart, chart_of
from monitor.notify.incidents.message import compose
from monitor.notify.slack.blocks import render
from schemas.config import Config
from tests.doubles import block_rules
from tests.doubles.clock import START
from tests.doubles.findings import finding
from tests.doubles.notifications import notification


def series(*levels: float, step: float = 60.0) -> list[tuple[float, float]]:
    return [(START + step * n, level) for n, level in enumerate(levels)]


def test_shares_are_percent_from_the_normal_level_at_the_onset_on() -> None:
    chart = chart_of(series(0.16, 0.2), finding())
    assert chart == Chart(
        title="tool.failed over time",
        axis="percent",
        labels=("08:52", "08:53", "08:54"),
        values=(4.0, 16.0, 20.0),
        normal=4.0,
        words="4 % at 08:52, 20 % at 08:54 UTC; normal is 4 %",
    )
    assert chart.sparkline == "▂▇█"


ROWS = [
    ("one report is no chart", series(0.2), None),
    ("nothing is no chart", [], None),
    ("what is no number is left out", [(START, 0.1), (START + 60, float("nan")), (START + 120, 0.2)], 3),
    ("a long series is thinned out", series(*[0.1] * 500), POINTS),
    ("two reports in one second are one point", series(0.1, 0.2, step=0.1), 2),
]


@pytest.mark.parametrize(("why", "given", "points"), ROWS, ids=[row[0] for row in ROWS])
def test_points(why: str, given: list[tuple[float, float]], points: int | None) -> None:
    chart = chart_of(given, finding())
    assert (None if chart is None else len(chart.values)) == points, why


numbers = st.floats(allow_nan=True, allow_infinity=True)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(numbers, numbers), max_size=60), numbers)
def test_any_series_is_taken_and_drawn(points: list[tuple[float, float]], before: float) -> None:
    chart = chart_of(points, finding(before=before))
    if chart is None:
        return
    assert _size(draw(chart)) == (WIDTH, HEIGHT)
    assert len(chart.sparkline) == len(chart.values) == len(set(chart.labels)) <= POINTS


def _size(png: bytes) -> tuple[int, int]:
    """Width and height of a PNG whose every chunk is whole and whose pixels are all there."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    place, pixels, size = 8, b"", (0, 0)
    while place < len(png):
        (length,) = struct.unpack(">I", png[place : place + 4])
        kind, data = png[place + 4 : place + 8], png[place + 8 : place + 8 + length]
        (check,) = struct.unpack(">I", png[place + 8 + length : place + 12 + length])
        assert check == zlib.crc32(kind + data)
        if kind == b"IHDR":
            size = struct.unpack(">II", data[:8])
        pixels += data if kind == b"IDAT" else b""
        place += 12 + length
    assert kind == b"IEND" and len(zlib.decompress(pixels)) == size[1] * (1 + 3 * size[0])
    return size


def test_the_three_ways_to_show_it() -> None:
    message = compose(notification(series=tuple(series(0.16, 0.2))), Config())
    ways = {"native": render(message)[0], "file": render(message, native=False, file="F1")[0]}
    ways["bars"] = render(message, native=False)[0]
    kinds = {way: {block["type"] for block in blocks} for way, blocks in ways.items()}
    assert "data_visualization" in kinds["native"] and "image" in kinds["file"]
    assert "image" not in kinds["bars"] and "▂▇█" in str(ways["bars"])
    assert all(block_rules.problems(blocks) == [] for blocks in ways.values())
