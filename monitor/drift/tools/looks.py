"""What the values of an agent's tools look like: what is new in them, and what is gone.

Arguments and results apart, tool by tool; a word is what a field's values look like (`monitor.reading.calls.looks`). It
is new and gone by the rules for the marks of answers (`monitor.drift.outputs.marks`): new where it was never there and
is in a fifth of the runs since, gone where it is away for longer than it ever would. A run that asks a tool the same as
the run before it tells nothing about it.

Invariant: nothing is said of a tool before its first 100 runs; at most `TOOLS` are known, and as many words of each
side as `Marks` has room for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, cast

import msgspec

from monitor.drift.outputs.marks import Marks
from monitor.drift.tools.interfaces import Seen, tools_of
from monitor.runs import Work

TOOLS: Final = 40
"""Tools of one agent that are followed. More: the one that was quiet longest is forgotten."""


class _Known:
    """One tool. `asked`: a hash of the question that was answered last."""

    def __init__(self, asked: int | None = None) -> None:
        self.asked = asked
        self.arguments = Marks()
        self.results = Marks()


class Looks:
    """An agent's tools, the one that was quiet longest first. `young`, `gone`: whether the latest run had values that
    look new, or was without what always is there; None where nothing can be told. `count`: takes what gave way."""

    def __init__(self, count: Callable[[str], None]) -> None:
        self.young: bool | None = None
        self.gone: bool | None = None
        self._count = count
        self._known: dict[str, _Known] = {}

    def observe(self, work: Work) -> None:
        """One run."""
        self.young = self.gone = None
        for tool in tools_of(work.argument_looks, work.result_looks):
            known = self._known.get(tool)
            if known is not None:
                del self._known[tool]
            else:
                if len(self._known) >= TOOLS:
                    del self._known[next(iter(self._known))]
                    self._count("looks_forgotten")
                known = _Known()
            self._known[tool] = known  # the order of a dict is that of the latest run
            known.arguments.clear()
            known.results.clear()
            call = work.answers.get(tool)
            if call is not None:
                if call[0] == known.asked:
                    continue
                known.asked = call[0]
            self._take(known.arguments, work.argument_looks.get(tool))
            self._take(known.results, work.result_looks.get(tool))

    def seen(self) -> dict[str, Seen]:
        """Tool → what its latest run showed, as `argument created:digits 9-9-9`, of those that showed something."""
        found = {}
        for tool, known in self._known.items():
            asked, given = known.arguments, known.results
            young, gone = _both(asked.young, given.young), _both(asked.gone, given.gone)
            if young or gone:
                found[tool] = Seen(young, gone)
        return found

    def save(self) -> bytes:
        """The state, and what the latest run of each tool showed: a finding may be told in a run of another one."""
        packed: dict[str, list[object]] = {}
        for tool, one in self._known.items():
            asked, given = one.arguments, one.results
            saved = packed[tool] = [one.asked, asked.save(), given.save()]
            shown = [asked.young, asked.gone, given.young, given.gone]
            if any(shown):
                saved += shown
        return _encode(packed)

    def load(self, raw: bytes) -> None:
        """Put back a saved state."""
        for tool, saved in _saved.decode(raw).items():
            known = self._known[tool] = _Known(cast("int | None", saved[0]))
            known.arguments.load(cast("bytes", saved[1]))
            known.results.load(cast("bytes", saved[2]))
            if len(saved) > 3:
                known.arguments.young, known.arguments.gone, known.results.young, known.results.gone = cast(
                    "list[list[str]]", saved[3:]
                )

    def _take(self, side: Marks, words: list[str] | None) -> None:
        if not words:
            return
        side.observe(words)
        if side.lost:
            for _ in range(side.lost):
                self._count("looks_forgotten")
            side.lost = 0
        if side.known:
            self.young = bool(side.young) or bool(self.young)
            self.gone = bool(side.gone) or bool(self.gone)


def _both(asked: list[str], given: list[str]) -> tuple[str, ...]:
    return tuple(sorted([f"argument {word}" for word in asked] + [f"result {word}" for word in given]))


_encode: Final = msgspec.msgpack.Encoder().encode
_saved: Final = msgspec.msgpack.Decoder(dict[str, list[int | bytes | list[str] | None]])
