"""How large the numbers of one field of a tool's results are, and whether they are told in another unit of late.

A unit is known by this: the values lie as they did before, only all of them a hundred times higher. So what is looked
for is a shift of the logarithms by that of a factor between units, or values as Fahrenheit has them where Celsius was;
their spread must fit, too. A number that grows, wanders or stays the same for a while moves for reasons of its own:
only a field that is another one from run to run, about as much as its spread says, is judged, and a value like the one
before it is not counted.

A stretch begins with a value far from the usual ones, and lasts while a third of its values are such. What it holds is
learned when it is over: as a part of the usual, or in place of it.

Invariant: nothing is said of a field before its first `WARM` values; of the values themselves only sums are known.
"""

from __future__ import annotations

from math import ldexp, sqrt
from typing import Final

WARM: Final = 100
"""Values before it is known what is usual."""
ENOUGH: Final = 8
"""Values of a stretch before it is judged."""
YOUNG: Final = 200
"""Values of a stretch after which it is the usual."""
WINDOW: Final = 512
"""Values after which what is usual is counted half."""
PART: Final = 3
"""One value in so many must be far from the usual, or the stretch is over."""
FAR: Final = 2.5
"""Standard deviations from the mean beyond which a value is far from the usual."""
VARIED: Final = 0.6
"""Standard deviation, in quarters of an octave, from which on a field is varied."""
MIXED: Final = 0.5
"""Standard deviations that a value is from the one before it on average, at least; of independent ones it is 1.1."""
WIDER: Final = 2.5
"""Part of the spread before by which it may be wider or narrower, by the root of the values of a stretch."""
SLACK: Final = 0.25
"""Quarters of an octave by which a shift may miss that of a factor, beside its standard errors."""
ERRORS: Final = 1.75
"""Standard errors by which it may."""
SURE: Final = 5.0
"""Standard errors that a shift must have."""
FACTORS: Final = ((100, 26.575), (1_000, 39.863), (1_000_000, 79.726))
"""Factors between units, with four times their logarithm to base 2: cents and percents, milli and kilo, mega."""
COLDEST: Final = -30.0
WARMEST: Final = 45.0
SPREAD: Final = 25.0
"""Degrees Celsius between which the mean of temperatures lies, and the most that they deviate from it."""
DEGREES: Final = 2.5
"""Degrees Fahrenheit by which their mean may miss what it should be, beside its standard errors."""
APART: Final = 2.0
"""Standard deviations between the means before and after, at least."""
_EIGHTHS: Final = 8.0
_FURTHEST: Final = 4_096
"""Eighths of a degree that a temperature may have."""
_MIDDLES: Final = (1.0905, 1.2968, 1.5422, 1.8340)
"""The middles of the quarters of an octave."""


class Sums:
    """Of some values: how many, their orders (in quarters of an octave) and the squares of those, the values in eighths
    and the squares of those, how many are too large to be degrees, and how far each order is from that before it."""

    def __init__(self, n: int = 0, k1: int = 0, k2: int = 0, x1: int = 0, x2: int = 0, big: int = 0, way: int = 0):
        self.n = n
        self.k1 = k1
        self.k2 = k2
        self.x1 = x1
        self.x2 = x2
        self.big = big
        self.way = way

    def add(self, order: int, eighths: int, way: int) -> None:
        """One value more."""
        self.n += 1
        self.k1 += order
        self.k2 += order * order
        self.way += way
        if -_FURTHEST <= eighths <= _FURTHEST:
            self.x1 += eighths
            self.x2 += eighths * eighths
        else:
            self.big += 1

    def merge(self, other: Sums) -> None:
        """The values of another one, too."""
        self.n += other.n
        self.k1 += other.k1
        self.k2 += other.k2
        self.x1 += other.x1
        self.x2 += other.x2
        self.big += other.big
        self.way += other.way

    def halve(self) -> None:
        """Count all half."""
        self.n //= 2
        self.k1 //= 2
        self.k2 //= 2
        self.x1 //= 2
        self.x2 //= 2
        self.big //= 2
        self.way //= 2

    def packed(self) -> tuple[int, int, int, int, int, int, int]:
        """What is written of it: the arguments of new ones."""
        return self.n, self.k1, self.k2, self.x1, self.x2, self.big, self.way


class Amounts:
    """One field. `said`: how its values are other ones than they were, empty where they are not; `usual`: what is known
    of the usual values, `late`: of a stretch that may be another unit, of which `far` are far from the usual."""

    def __init__(self) -> None:
        self.said = ""
        self.usual = Sums()
        self.late: Sums | None = None
        self.far = 0
        self.last: int | None = None

    def take(self, order: int, eighths: int) -> None:
        """One run's value: its order, and itself in `eighths`."""
        last = self.last
        if order == last:
            self.said = ""
            return
        way = 0 if last is None else abs(order - last)
        self.last = order
        usual, late = self.usual, self.late
        if late is None:
            if usual.n < WARM or not self._is_far(order, eighths):
                usual.add(order, eighths, way)
                if usual.n >= WINDOW:
                    usual.halve()
                return
            late = self.late = Sums()
            self.far = way = 0
            is_far = True
        else:
            is_far = self._is_far(order, eighths)
        late.add(order, eighths, way)
        self.far += is_far
        self.said = ""
        if PART * self.far < late.n or (self.far == 1 and late.n > 1):  # one far value alone is a tail
            usual.merge(late)
            self.late = None
        elif late.n >= YOUNG:
            self.usual, self.late = late, None
        elif late.n >= ENOUGH:
            self.said = _compared(usual, late)

    def packed(self) -> list[object]:
        """What is written of it."""
        late = self.late
        return [self.usual.packed(), None if late is None else late.packed(), self.far, self.last, self.said]

    def _is_far(self, order: int, eighths: int) -> bool:
        """Whether a value is far from the usual, as an order or as a number of degrees."""
        one = self.usual
        n, off = one.n, one.n * order - one.k1
        if off * off > FAR * FAR * (n * one.k2 - one.k1 * one.k1):
            return True
        if one.big or not -_FURTHEST <= eighths <= _FURTHEST:
            return False
        off = n * eighths - one.x1
        return off * off > FAR * FAR * (n * one.x2 - one.x1 * one.x1)


def load(packed: list[object]) -> Amounts:
    """The field that was written."""
    found = Amounts()
    usual, late, far, last, said = packed
    assert isinstance(usual, list) and isinstance(far, int) and isinstance(said, str)
    found.usual = Sums(*usual)
    found.late = Sums(*late) if isinstance(late, list) else None
    found.far, found.said = far, said
    found.last = last if isinstance(last, int) else None
    return found


def eighths(order: int) -> int:
    """The middle of a quarter of an octave, in eighths."""
    octave = order >> 2
    if octave > 16:
        return 2 * _FURTHEST
    return int(ldexp(_MIDDLES[order & 3], octave + 3)) if octave > -8 else 0


def _compared(usual: Sums, late: Sums) -> str:
    """How the values of a stretch are the usual ones in another unit; empty where they are not."""
    before, after = _deviation(usual.n, usual.k1, usual.k2), _deviation(late.n, late.k1, late.k2)
    if before < VARIED or not _is_mixed(usual, before) or not _is_mixed(late, after):
        return ""
    part = sqrt(1.0 / usual.n + 1.0 / late.n)
    shift, error = late.k1 / late.n - usual.k1 / usual.n, before * part
    size, wider = abs(shift), 1.0 + WIDER / sqrt(float(late.n))
    if before <= wider * after and after <= wider * before and size >= SURE * error:
        missed, factor = min([(abs(size - each), times) for times, each in FACTORS])
        if missed <= SLACK + ERRORS * error:
            return f"about {factor:,} times {'larger' if shift > 0.0 else 'smaller'}"
    if usual.big or late.big:
        return ""
    low, high = usual.x1 / usual.n / _EIGHTHS, late.x1 / late.n / _EIGHTHS
    cold = _deviation(usual.n, usual.x1, usual.x2) / _EIGHTHS
    warm = _deviation(late.n, late.x1, late.x2) / _EIGHTHS
    if _are_degrees(low, cold, high, warm, part, wider):
        return "in degrees Fahrenheit where it was in Celsius"
    return "in degrees Celsius where it was in Fahrenheit" if _are_degrees(high, warm, low, cold, part, wider) else ""


def _are_degrees(celsius: float, cold: float, fahrenheit: float, warm: float, part: float, wider: float) -> bool:
    """Whether values of one mean and deviation are those of another in the other unit."""
    if not (COLDEST <= celsius <= WARMEST and 1.0 <= cold <= SPREAD):
        return False
    spread, off = 1.8 * cold, abs(fahrenheit - (1.8 * celsius + 32.0))
    apart = fahrenheit - celsius >= APART * cold
    return apart and off <= DEGREES + ERRORS * spread * part and spread <= wider * warm and warm <= wider * spread


def _is_mixed(sums: Sums, deviation: float) -> bool:
    """Whether its values are other ones from run to run."""
    return sums.way >= MIXED * deviation * (sums.n - 1)


def _deviation(n: int, first: int, second: int) -> float:
    return sqrt(float(max(n * second - first * first, 0))) / n
