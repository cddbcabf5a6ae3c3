"""Numbers in the fewest bytes that msgpack has for them: one without a fraction as an integer, of one to five bytes
where a float has nine.

Whoever reads them asks for a `float`, and gets one. Not here: the sign of a zero, which is lost.
"""

from __future__ import annotations

from typing import Any, Final

_LARGEST: Final = 2.0**53
"""Beyond it, and for what is no number, the float is written."""


def shortest(number: float) -> Any:
    """The number as it is to be written."""
    if -_LARGEST < number < _LARGEST:
        whole = int(number)
        if whole == number:
            return whole
    return number
