"""Phrases by which an output refuses or apologises, looked for without regard to case."""

from __future__ import annotations

from collections.abc import Sequence

HEAD = 600
TAIL = 200
"""Characters from the start and from the end in which a phrase is looked for: what follows is about something else."""


class Phrases:
    """The lists of `text:`, ready to be looked for."""

    def __init__(self, refusals: Sequence[str], apologies: Sequence[str]) -> None:
        self._refusals = _sorted_out(refusals)
        self._apologies = _sorted_out(apologies)

    def found(self, text: str) -> tuple[bool, bool]:
        """Whether the text refuses, and whether it apologises."""
        said = plain(text if len(text) <= HEAD + TAIL else f"{text[:HEAD]}\n{text[-TAIL:]}")
        ascii_only = said.isascii()
        return _holds(said, self._refusals, ascii_only), _holds(said, self._apologies, ascii_only)


def plain(text: str) -> str:
    """Lower case, with the apostrophe of typewriters."""
    return text.lower().replace("’", "'")  # noqa: RUF001 (the one of printers)


_Sorted = tuple[tuple[str, ...], tuple[str, ...]]


def _sorted_out(phrases: Sequence[str]) -> _Sorted:
    """Phrases that ASCII text can hold, and those that it cannot."""
    said = [plain(phrase) for phrase in phrases]
    return tuple(phrase for phrase in said if phrase.isascii()), tuple(p for p in said if not p.isascii())


def _holds(text: str, phrases: _Sorted, ascii_only: bool) -> bool:
    for phrase in phrases[0]:
        if phrase in text:
            return True
    return not ascii_only and any(phrase in text for phrase in phrases[1])
