"""A chart as a small PNG, for workspaces whose Slack draws none itself.

Drawn with numpy, which the engine needs anyway, and written with zlib: a line, the normal level and two labels a side
need no drawing library (the smallest is 3 MB and wants a font beside it). The numbers in words stand in its alt text.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from monitor.notify.chart.series import Chart

WIDTH, HEIGHT = 720, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 84, 16, 16, 34
_INK, _LINE, _GREY, _PALE = (29, 28, 29), (208, 2, 27), (150, 150, 150), (252, 232, 234)
_PIXEL = 3
"""A dot of a glyph, in pixels."""

_GLYPHS = {
    "0": "75557", "1": "26227", "2": "71747", "3": "71717", "4": "55711", "5": "74717", "6": "74757", "7": "71111",
    "8": "75757", "9": "75717", ".": "00002", ":": "02020", "%": "51245", "-": "00700", ",": "00024", "+": "02720",
    "e": "07746", "k": "45655", "M": "57755",
}  # fmt: skip
"""Three bits a row, five rows."""

Canvas = NDArray[np.float64]


def draw(chart: Chart) -> bytes:
    """The PNG, `WIDTH` by `HEIGHT` pixels, about 5 kB."""
    canvas: Canvas = np.full((HEIGHT, WIDTH, 3), 255.0)
    values = np.array(chart.values)
    low = min(0.0, float(values.min()), chart.normal)
    high = max(float(values.max()), chart.normal)
    span = (high - low) or 1.0
    bottom, height = HEIGHT - _BOTTOM, HEIGHT - _BOTTOM - _TOP
    columns = np.arange(_LEFT, WIDTH - _RIGHT)
    level = np.interp(np.linspace(0.0, len(values) - 1.0, len(columns)), np.arange(len(values)), values)
    heights = bottom - (level - low) / span * height
    rows = np.arange(HEIGHT)[:, None]
    area = canvas[:, columns]
    _blend(area, np.clip(rows - heights[None, :], 0.0, 1.0) * (rows <= bottom), _PALE)
    normal = bottom - (chart.normal - low) / span * height
    dashes = ((columns // 8) % 2 == 0)[None, :]
    _blend(area, np.clip(1.2 - np.abs(rows - normal), 0.0, 1.0) * dashes, _GREY)
    slope = np.gradient(heights)
    distance = np.abs(rows - heights[None, :]) / np.sqrt(1.0 + slope * slope)[None, :]
    _blend(area, np.clip(2.2 - distance, 0.0, 1.0), _LINE)
    canvas[:, columns] = area
    canvas[bottom + 1, _LEFT - 1 : WIDTH - _RIGHT] = _GREY
    mark = "%" if chart.axis == "percent" else ""
    _write(canvas, f"{_short(high)}{mark}", _LEFT - 8, _TOP - 2, right=True)
    _write(canvas, f"{_short(low)}{mark}", _LEFT - 8, bottom - 12, right=True)
    _write(canvas, chart.labels[0], _LEFT, HEIGHT - 22)
    _write(canvas, chart.labels[-1], WIDTH - _RIGHT, HEIGHT - 22, right=True)
    return _png(canvas)


def _blend(area: Canvas, cover: Canvas, colour: tuple[int, int, int]) -> None:
    """Paint a colour over an area, as much as `cover` (0 to 1) says per pixel."""
    area += (np.array(colour, dtype=float) - area) * cover[:, :, None]


def _write(canvas: Canvas, text: str, x: int, y: int, *, right: bool = False) -> None:
    step = 4 * _PIXEL
    start = x - step * len(text) if right else x
    for place, each in enumerate(text):
        for row, bits in enumerate(_GLYPHS.get(each, "00000")):
            for column in range(3):
                if int(bits) >> (2 - column) & 1:
                    left, top = start + place * step + column * _PIXEL, y + row * _PIXEL
                    canvas[max(top, 0) : top + _PIXEL, max(left, 0) : max(left + _PIXEL, 0)] = _INK


def _short(value: float) -> str:
    """A number in at most five glyphs."""
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= 10.0 * size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"


def _png(canvas: Canvas) -> bytes:
    pixels = np.clip(np.rint(canvas), 0, 255).astype(np.uint8)
    lines = b"".join(b"\0" + row.tobytes() for row in pixels)
    head = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
