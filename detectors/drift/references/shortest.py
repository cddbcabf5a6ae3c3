"""Numbers in the fewest bytes that msgpack has for them: one without a fraction as an integer, of one to five bytes
where a float has nine.

Whoever reads them asks for a `float`, and gets one. Not here: the sign of a zero, which is lost.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar

_Name = TypeVar("_Name")
_LARGEST: Final = 2.0**53
"""Beyond it, and for what is no number, the float is written."""
_EXACT: Final = 2.0**51
_HALVES: Final = 1.5 * 2.0**52
"""Added and taken away again it rounds a number below `_EXACT` to an integer."""


def is_whole(number: float) -> bool:
    """Whether the number is to be written as an integer."""
    if -_EXACT < number < _EXACT:
        return number + _HALVES - _HALVES == number
    return -_LARGEST < number < _LARGEST and int(number) == number


def shortest(number: float) -> Any:
    """The number as it is to be written."""
    return int(number) if is_whole(number) else number


def all_shortest(numbers: dict[_Name, float]) -> dict[_Name, Any]:
    """The same numbers as they are to be written."""
    return {name: int(number) if is_whole(number) else number for name, number in numbers.items()}
