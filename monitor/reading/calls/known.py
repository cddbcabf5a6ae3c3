"""What texts say, remembered by their bytes: tools are asked the same and answer the same, time and again. Of the calls
of real agents three in four had a result that was seen before, and arguments where these are short.

Not here: what is remembered of values that are only alike (`monitor.reading.calls.outlines`).

Invariant: what is remembered is bounded and shows in nothing that is told.
"""

from __future__ import annotations

from typing import Final, Generic, TypeVar

from monitor.reading.calls.outlines import Told

TEXTS: Final = 1_024
"""Texts that are remembered. More: all are forgotten."""
REMEMBERED: Final = 400_000
"""Bytes of all texts that are remembered. More: all are forgotten."""
ARGUMENTS_BYTES: Final = 32
"""Longer arguments are not remembered: they are rarely the same again."""
RESULT_BYTES: Final = 2_000
"""Longer results are not remembered."""


class Arguments:
    """What arguments look like, and their hash."""

    def __init__(self, told: Told, hashed: int) -> None:
        self.told = told
        self.hashed = hashed


class Result:
    """What a result looks like and says. `named`: what there is to tell of the whole; `told`: of what it wraps."""

    def __init__(
        self,
        named: Told,
        told: Told,
        form: str | None,
        hashed: int,
        soft_error: bool,
        is_empty: bool,
        traits: list[str] | None,
    ) -> None:
        self.named = named
        self.told = told
        self.form = form
        self.hashed = hashed
        self.soft_error = soft_error
        self.is_empty = is_empty
        self.traits = traits


T = TypeVar("T")


class Known(Generic[T]):
    """What texts of at most `longest` bytes say."""

    def __init__(self, longest: int) -> None:
        self._said: dict[bytes, T] = {}
        self._longest = longest
        self.size = 0
        """Bytes of these texts."""

    def __len__(self) -> int:
        return len(self._said)

    def get(self, text: bytes) -> T | None:
        """What a text says; None if it is not known."""
        return self._said.get(text) if len(text) <= self._longest else None

    def keep(self, text: bytes, said: T) -> None:
        """Remember a text that is not known, unless it is too long."""
        size = len(text)
        if size > self._longest:
            return
        if len(self._said) >= TEXTS or self.size + size > REMEMBERED:
            self._said.clear()
            self.size = 0
        self._said[text] = said
        self.size += size
