"""Tools that answer always the same, whatever they are asked, and those that are always asked the same.

A cache that serves everybody, a mock left in place; a template whose variable nobody fills in. How questions and
answers repeat from run to run is learned tool by tool, in stretches (`monitor.drift.outputs.stretches`), so that one
that always says `{"ok": true}` is as usual; an answer counts where the question is another one than before. Of what is
asked and answered hashes are known, of the last call of a tool in each run.

Invariant: nothing is said of a tool before its first `WARM` answers; at most `TOOLS` are known.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from monitor.drift.outputs.stretches import Packed, Stretches

TOOLS: Final = 40
"""Tools of one agent that are followed. More: the one that was quiet longest is forgotten."""
STUCK: Final = 1e-6
"""How unlikely a stretch of one answer, or of one question, is before it counts."""


class _Known:
    """What one tool was asked last, and answered; and how questions and answers come again."""

    def __init__(self, asked: int, answered: int, questions: Stretches, answers: Stretches) -> None:
        self.asked = asked
        self.answered = answered
        self.questions = questions
        self.answers = answers


class Same(NamedTuple):
    """Tools of one run that answer the same, and those that are asked the same, each with 1."""

    answers: dict[str, float]
    questions: dict[str, float]


NOTHING: Final = Same({}, {})
"""What nearly all runs show. Nothing is ever put into it."""


class Stuck:
    """An agent's tools, the one that was quiet longest first."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}

    def observe(self, calls: dict[str, tuple[int, int]]) -> Same:
        """One run: tool → hashes of what it was asked last and answered."""
        found = NOTHING
        for tool, call in calls.items():
            asked, answered = call
            known = self._known.get(tool)
            if known is None:
                if len(self._known) >= TOOLS:
                    del self._known[next(iter(self._known))]
                self._known[tool] = _Known(asked, answered, Stretches(), Stretches())
                continue
            del self._known[tool]
            self._known[tool] = known  # the order of a dict is that of the latest run
            again = asked == known.asked
            if known.questions.take(again, STUCK):
                if found is NOTHING:
                    found = Same({}, {})
                found.questions[tool] = 1.0
            if not again and known.answers.take(answered == known.answered, STUCK):
                if found is NOTHING:
                    found = Same({}, {})
                found.answers[tool] = 1.0
            known.asked, known.answered = asked, answered
        return found

    def save(self) -> bytes:
        """The state."""
        packed = {}
        for tool, one in self._known.items():
            packed[tool] = (one.asked, one.answered, one.questions.packed(), one.answers.packed())
        return _encode(packed)

    def load(self, raw: bytes) -> None:
        """Put back a saved state."""
        for tool, (asked, answered, questions, answers) in _saved.decode(raw).items():
            self._known[tool] = _Known(asked, answered, Stretches(*questions), Stretches(*answers))


_encode: Final = msgspec.msgpack.Encoder().encode
_saved: Final = msgspec.msgpack.Decoder(dict[str, tuple[int, int, Packed, Packed]])
