"""Tools that answer always the same, whatever they are asked: a cache that serves everybody, a mock left in place.

An answer counts where what was asked differs from what was asked before; how such answers repeat is learned tool by
tool, in stretches (`monitor.drift.outputs.stretches`), so that one that always says `{"ok": true}` is as usual. Of what
is asked and answered hashes are known, of the last call of a tool in each run.

Invariant: nothing is said of a tool before its first `WARM` answers; at most `TOOLS` are known.
"""

from __future__ import annotations

from typing import Final

import msgspec

from monitor.drift.outputs.stretches import Stretches

TOOLS: Final = 40
"""Tools of one agent that are followed. More: the one that was quiet longest is forgotten."""
STUCK: Final = 1e-6
"""How unlikely a stretch of one answer is before it counts."""


class _Known:
    """What one tool was asked last, and answered; and how answers come again."""

    def __init__(self, asked: int, answered: int, same: Stretches) -> None:
        self.asked = asked
        self.answered = answered
        self.same = same


class Stuck:
    """An agent's tools, the one that was quiet longest first."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}

    def observe(self, answers: dict[str, tuple[int, int]]) -> dict[str, float]:
        """One run: tool → hashes of what it was asked last and answered. Those that answer the same, each with 1."""
        found: dict[str, float] = {}
        for tool, answer in answers.items():
            asked, answered = answer
            known = self._known.pop(tool, None)
            if known is None:
                if len(self._known) >= TOOLS:
                    del self._known[next(iter(self._known))]
                known = _Known(asked, answered, Stretches())
            elif asked != known.asked:
                if known.same.take(answered == known.answered, STUCK):
                    found[tool] = 1.0
                known.asked, known.answered = asked, answered
            self._known[tool] = known  # the order of a dict is that of the latest run
        return found

    def save(self) -> bytes:
        """The state."""
        return msgspec.msgpack.encode(
            {tool: (one.asked, one.answered, one.same.packed()) for tool, one in self._known.items()}
        )

    def load(self, raw: bytes) -> None:
        """Put back a saved state."""
        for tool, (asked, answered, packed) in _saved.decode(raw).items():
            self._known[tool] = _Known(asked, answered, Stretches(*packed))


_saved = msgspec.msgpack.Decoder(dict[str, tuple[int, int, tuple[int, float, float, float, float, int, float]]])
