"""Phrases by which an output refuses or apologises, looked for without regard to case."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

HEAD: Final = 600
TAIL: Final = 200
"""Characters from the start and from the end in which a phrase is looked for: what follows is about something else."""

PIECE: Final = 5
"""Characters of a piece that stands for the phrases that hold it."""


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


_Group = tuple[str, tuple[str, ...]]
"""A piece, and the phrases that hold it: where the piece is not in a text, none of them is."""
_Sorted = tuple[tuple[_Group, ...], tuple[_Group, ...]]


def _sorted_out(phrases: Sequence[str]) -> _Sorted:
    """Phrases that ASCII text can hold, and those that it cannot."""
    said = [plain(phrase) for phrase in phrases]
    return _grouped([phrase for phrase in said if phrase.isascii()]), _grouped([p for p in said if not p.isascii()])


def _grouped(phrases: Sequence[str]) -> tuple[_Group, ...]:
    """Few pieces for many phrases, so that a text is looked through a dozen times and not seventy."""
    left = list(dict.fromkeys(phrases))
    groups: list[_Group] = []
    while left:
        shared: dict[str, int] = {}
        for phrase in left:
            for piece in _pieces(phrase):
                shared[piece] = shared.get(piece, 0) + 1
        most = max(shared.values())
        best = min([piece for piece, count in shared.items() if count == most])
        groups.append((best, tuple([phrase for phrase in left if best in phrase])))
        left = [phrase for phrase in left if best not in phrase]
    return tuple(groups)


def _pieces(phrase: str) -> set[str]:
    return {phrase[at : at + PIECE] for at in range(max(1, len(phrase) - PIECE + 1))}


def _holds(text: str, phrases: _Sorted, ascii_only: bool) -> bool:
    return _any_of(text, phrases[0]) or (not ascii_only and _any_of(text, phrases[1]))


def _any_of(text: str, groups: tuple[_Group, ...]) -> bool:
    for piece, phrases in groups:
        if piece in text:
            for phrase in phrases:
                if phrase in text:
                    return True
    return False
