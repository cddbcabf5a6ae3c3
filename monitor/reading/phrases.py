"""Phrases by which an output refuses or apologises, looked for without regard to case."""

from __future__ import annotations

from collections.abc import Sequence

import re2

HEAD = 600
TAIL = 200
"""Characters from the start and from the end in which a phrase is looked for: what follows is about something else."""
_REFUSES, _APOLOGISES = 0, 1


class Phrases:
    """The lists of `text:`, ready to be looked for."""

    def __init__(self, refusals: Sequence[str], apologies: Sequence[str]) -> None:
        self._set = re2.Set.SearchSet()
        for phrases in (refusals, apologies):
            # a set needs one pattern in each place; that of no phrase matches nothing
            said = "|".join(re2.escape(plain(phrase)) for phrase in phrases)
            self._set.Add((said or "[^\\x00-\\x{10FFFF}]").encode("utf-8", "replace"))
        self._set.Compile()

    def found(self, text: str) -> tuple[bool, bool]:
        """Whether the text refuses, and whether it apologises."""
        said = plain(text if len(text) <= HEAD + TAIL else f"{text[:HEAD]}\n{text[-TAIL:]}")
        found = self._set.Match(said.encode("utf-8", "replace")) or ()
        return _REFUSES in found, _APOLOGISES in found


def plain(text: str) -> str:
    """Lower case, with the apostrophe of typewriters."""
    return text.lower().replace("’", "'")  # noqa: RUF001 (the one of printers)
