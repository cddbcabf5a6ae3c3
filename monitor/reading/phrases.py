"""Phrases by which an output refuses or apologises, looked for without regard to case."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import re2
from librt.vecs import vec
from mypy_extensions import i64

HEAD: Final = 600
TAIL: Final = 200
"""Characters from the start and from the end in which a phrase is looked for: what follows is about something else."""
_REFUSES: Final = 0
_APOLOGISES: Final = 1
_TRIGRAMS: Final = 4_095
"""Three characters in a row are known by so many bits: without regard to case, and some share theirs."""


class Phrases:
    """The lists of `text:`, ready to be looked for."""

    def __init__(self, refusals: Sequence[str], apologies: Sequence[str]) -> None:
        self._set = re2.Set.SearchSet()
        for phrases in (refusals, apologies):
            # a set needs one pattern in each place; that of no phrase matches nothing
            said = "|".join(re2.escape(plain(phrase)) for phrase in phrases)
            self._set.Add((said or "[^\\x00-\\x{10FFFF}]").encode("utf-8", "replace"))
        self._set.Compile()
        # what a text of ASCII may hold: the trigrams of each phrase in turn, and where those of the next begin
        keys: list[int] = []
        ends: list[int] = []
        for phrase in map(plain, (*refusals, *apologies)):
            if phrase.isascii():
                keys += [_trigram(phrase[at : at + 3]) for at in range(len(phrase) - 2)]
                ends.append(len(keys))
        self._keys = vec[i64]([i64(key) for key in keys])
        self._ends = vec[i64]([i64(end) for end in ends])
        self._seen = vec[i64]([i64(0)] * (_TRIGRAMS + 1))
        self._text = i64(0)

    def found(self, text: str) -> tuple[bool, bool]:
        """Whether the text refuses, and whether it apologises."""
        said = text if len(text) <= HEAD + TAIL else f"{text[:HEAD]}\n{text[-TAIL:]}"
        if said.isascii() and not self._may_hold_one(said.encode("ascii")):
            return False, False
        found = self._set.Match(plain(said).encode("utf-8", "replace")) or ()
        return _REFUSES in found, _APOLOGISES in found

    def _may_hold_one(self, text: bytes) -> bool:
        """Whether there is a phrase all of whose trigrams a text has, in any order: most texts have none."""
        seen, keys, ends = self._seen, self._keys, self._ends
        self._text += 1
        number = self._text
        end: i64 = len(text)
        at: i64 = 0
        key: i64 = 0
        while at < end:
            code: i64 = text[at]
            key = ((key << 5) | (code & 31)) & _TRIGRAMS
            seen[key] = number
            at += 1
        at = 0
        phrase: i64 = 0
        while phrase < len(ends):
            end = ends[phrase]
            while at < end and seen[keys[at]] == number:
                at += 1
            if at == end:
                return True
            at = end
            phrase += 1
        return False


def _trigram(characters: str) -> int:
    key = 0
    for character in characters:
        key = ((key << 5) | (ord(character) & 31)) & _TRIGRAMS
    return key


def plain(text: str) -> str:
    """Lower case, with the apostrophe of typewriters."""
    return text.lower().replace("’", "'")  # noqa: RUF001 (the one of printers)
