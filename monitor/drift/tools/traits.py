"""The traits of an agent's tools: what their results hold in another unit, by another name, as one of several, or of
another type further in.

A trait is read with the result (`monitor.reading.calls.traits`); what is usual is learned field by field from the runs
alone (`amounts`, `terms`). A run that asks a tool the same as the run before it tells nothing about it. One run in
three is looked at, and every one while something is new: which ones is spread evenly over any rhythm of the runs.

Invariant: at most `TOOLS` tools are known, and `FIELDS` fields of each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from monitor.drift.tools import amounts, terms
from monitor.drift.tools.amounts import Amounts
from monitor.drift.tools.terms import Terms
from monitor.runs import Work

TOOLS: Final = 40
"""Tools of one agent that are followed. More: the one that was quiet longest is forgotten."""
FIELDS: Final = 32
"""Fields of one tool that are followed. More: those that come later are not."""
_STRIDE: Final = 2_654_435_769
_ROUND: Final = 4_294_967_296
_LOOKED_AT: Final = 1_431_655_765
"""A run is looked at where its number times the stride falls into the first third of a round (Fibonacci hashing)."""
TRAITS: Final = 4_096
"""Traits that are remembered as they are read. More: all are forgotten."""

_KINDS: Final = ("~", "=", ":", "*")


class _Trait:
    """A trait as it is read. `field`: path and sign; `value`: what stands behind; `order`, `eighths`: of a number."""

    def __init__(self, text: str) -> None:
        at = -1
        for kind in _KINDS:
            at = text.rfind(kind)
            if at >= 0:
                break
        at = max(at, 0)
        self.field = text[: at + 1]
        self.kind = text[at : at + 1]
        self.value = text[at + 1 :]
        self.order = 0
        self.eighths = 0
        if self.kind == "~":
            try:
                self.order = int(self.value[1:])
                self.eighths = amounts.eighths(self.order) * (-1 if self.value[0] == "-" else 1)
            except (ValueError, IndexError):
                self.kind = ""


class _Known:
    """One tool. `asked`: a hash of the question that was answered last; `run`: its runs that were looked at; `news`:
    whether a field may have changed; `said`: what the latest of them showed; `seen`: the latest of them with each
    field."""

    def __init__(self, asked: int | None = None) -> None:
        self.asked = asked
        self.run = 0
        self.news = False
        self.said: list[str] = []
        self.amounts: dict[str, Amounts] = {}
        self.terms: dict[str, Terms] = {}
        self.seen: dict[str, int] = {}


class Traits:
    """An agent's tools, the one that was quiet longest first. `changed`: whether the latest run had a field that
    changed; None where no tool gave a result with traits. `count`: takes what gave way."""

    def __init__(self, count: Callable[[str], None]) -> None:
        self.changed: bool | None = None
        self._count = count
        self._known: dict[str, _Known] = {}
        self._turn = 0
        """Runs with traits."""
        self._news: set[str] = set()
        """Tools of which a field may have changed."""

    def observe(self, work: Work) -> None:
        """One run."""
        self.changed = None
        self._turn += 1
        if not self._news and self._turn * _STRIDE % _ROUND > _LOOKED_AT:
            return
        for tool in sorted(work.result_traits):
            known = self._known.pop(tool, None)
            if known is None:
                if len(self._known) >= TOOLS:
                    oldest = next(iter(self._known))
                    del self._known[oldest]
                    self._news.discard(oldest)
                    self._count("traits_forgotten")
                known = _Known()
            self._known[tool] = known  # the order of a dict is that of the latest run
            call = work.answers.get(tool)
            if call is not None:
                if call[0] == known.asked:
                    continue
                known.asked = call[0]
            known.run += 1
            changed = self._take(known, work.result_traits[tool])
            if known.news:
                self._news.add(tool)
            else:
                self._news.discard(tool)
            self.changed = changed or bool(self.changed)

    def seen(self) -> dict[str, list[str]]:
        """Tool → what its latest run showed, as `total is about 100 times larger`, of those that showed something."""
        return {tool: known.said for tool, known in self._known.items() if known.said}

    def save(self) -> bytes:
        """The state."""
        packed: dict[str, list[object]] = {}
        for tool, one in self._known.items():
            numbers = {field: each.packed() for field, each in one.amounts.items()}
            words = {field: each.packed() for field, each in one.terms.items()}
            packed[tool] = [one.asked, one.run, one.news, one.said, numbers, words, one.seen]
        return _encode((self._turn, packed))

    def load(self, raw: bytes) -> None:
        """Put back a saved state."""
        self._turn, tools = _saved.decode(raw)
        for tool, (asked, run, news, said, numbers, words, seen) in tools.items():
            known = self._known[tool] = _Known(asked)
            if news:
                self._news.add(tool)
            known.run, known.news, known.said, known.seen = run, news, said, seen
            for field, packed in numbers.items():
                known.amounts[field] = amounts.load(packed)
            for field, packed in words.items():
                known.terms[field] = terms.load(packed)

    def _take(self, known: _Known, traits: list[str]) -> bool:
        """One run of a tool; whether a field changed."""
        said: list[str] = []
        run, seen, news = known.run, known.seen, False
        for text in traits:
            trait = _parsed.get(text)
            if trait is None:
                trait = _parse(text)
            field = trait.field
            latest = seen.get(field)
            if latest is None:
                if len(seen) >= FIELDS or not trait.kind:
                    continue
                if trait.kind == "~":
                    known.amounts[field] = Amounts()
                else:
                    known.terms[field] = Terms(trait.kind)
            seen[field] = run
            if trait.kind != "~":
                term = known.terms[field]
                term.take(trait.value, latest != run)
                if term.begun:
                    news = True
                    if term.said:
                        words = f"{_path(field)} has {term.said}"
                        if words not in said:
                            said.append(words)
            elif latest != run:
                amount = known.amounts[field]
                amount.take(trait.order, trait.eighths)
                if amount.late is not None:
                    news = True
                    if amount.said:
                        said.append(f"{_path(field)} is {amount.said}")
        known.news = news
        if said or not news:
            known.said = said  # a run between that showed nothing does not make it unsaid
        return bool(said)


def _path(field: str) -> str:
    """The path of a field, as people read it."""
    return f"result {field[:-1]}".rstrip()


def _parse(text: str) -> _Trait:
    if len(_parsed) >= TRAITS:
        _parsed.clear()
    found = _parsed[text] = _Trait(text)
    return found


_parsed: Final[dict[str, _Trait]] = {}
_encode: Final = msgspec.msgpack.Encoder().encode
_saved: Final = msgspec.msgpack.Decoder(
    tuple[
        int,
        dict[
            str,
            tuple[int | None, int, bool, list[str], dict[str, list[object]], dict[str, list[object]], dict[str, int]],
        ],
    ]
)
