"""Markdown: what every section prints."""

from __future__ import annotations

from collections.abc import Sequence


def heading(title: str, *settings: str) -> None:
    """A section's title, and what its cells were measured with."""
    print(f"\n### {title}\n")
    for setting in settings:
        print(setting)
    print(flush=True)


def heads(*names: str) -> None:
    """The first two lines of a table."""
    print("| " + " | ".join(names) + " |")
    print("| --- " + "| ---: " * (len(names) - 1) + "|", flush=True)


def row(*cells: object) -> None:
    """A line of a table."""
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """Mean and its standard error."""
    n = len(values)
    mean = sum(values) / n
    spread = sum((value - mean) ** 2 for value in values) / max(n - 1, 1)
    return mean, (spread / n) ** 0.5
