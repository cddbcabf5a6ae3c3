"""A problem of the user's file, and how it is shown: place, line, caret, what is allowed, nearest spelling.

Knows nothing of YAML or of what the file means. Invariant: a problem and its rendering hold no secret; the lines that
`render` is given are masked already (`monitor.config.document`).
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

ALLOWED_SHOWN = 12
"""Allowed values that one problem lists; the rest is counted."""

LINE_SHOWN = 160
"""Characters of a source line that are shown."""


@dataclass(frozen=True, slots=True)
class Span:
    """Where something stands: line and column from 1, length in characters (at least 1)."""

    line: int
    column: int
    length: int = 1


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, or (severity `warning`) accepted and without effect.

    `path` is the key path as one writes it (`components[0].owner`); `source` the line it stands on, masked.
    """

    file: str
    line: int
    column: int
    path: str
    message: str
    found: str | None = None
    allowed: tuple[str, ...] = ()
    suggestion: str | None = None
    severity: Literal["error", "warning"] = "error"
    length: int = 1
    source: str = ""


class ConfigError(Exception):
    """The file cannot be used: all its problems at once."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(render(self.problems))


def nearest(word: str, allowed: Iterable[str]) -> str | None:
    """The allowed word that `word` was probably meant to be."""
    by_folded = {candidate.casefold(): candidate for candidate in allowed}
    found = difflib.get_close_matches(word.casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[found[0]] if found else None


def render(problems: Iterable[Problem]) -> str:
    """The problems in the order of the file: `forewarn.yaml:4:11: message`, the line, a caret under the word."""
    ordered = sorted(problems, key=lambda problem: (problem.line, problem.column, problem.message))
    return "\n".join(_render_one(problem) for problem in ordered)


def _render_one(problem: Problem) -> str:
    kind = "warning: " if problem.severity == "warning" else ""
    lines = [f"{problem.file}:{problem.line}:{problem.column}: {kind}{problem.message}"]
    if problem.source:
        number = str(problem.line)
        start = max(0, problem.column - 1)
        cut = max(0, start - LINE_SHOWN // 2)  # a long line is shown around the place
        shown = problem.source[cut : cut + LINE_SHOWN].rstrip()
        lead = "".join("\t" if char == "\t" else " " * _width(char) for char in shown[: start - cut])
        marked = sum(_width(char) for char in shown[start - cut : start - cut + problem.length])
        lines.append(f"  {number} | {shown}")
        lines.append(f"  {' ' * len(number)} | {lead}{'^' * max(1, marked)}{_hint(problem)}")
    elif hint := _hint(problem):
        lines.append(f" {hint}")
    return "\n".join(lines)


def _hint(problem: Problem) -> str:
    if problem.suggestion is not None:
        return f" did you mean `{problem.suggestion}`?"
    if problem.allowed:
        shown = ", ".join(problem.allowed[:ALLOWED_SHOWN])
        more = len(problem.allowed) - ALLOWED_SHOWN
        return f" allowed: {shown}" + (f" and {more} more" if more > 0 else "")
    return ""


def _width(char: str) -> int:
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
