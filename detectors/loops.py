"""Loops inside one run: bets that a call repeats what was just done, told apart from work by its result.

Three patterns, each with a statistic S of its own over the run's tool calls:

- *again*: tool, arguments and result equal those of the call before;
- *ping-pong*: they equal those of the call before the one before (A-B-A-B);
- *stuck*: the same tool gives the same bad result (an error, or nothing) as the call before, whatever the arguments.

    S <- max(S, 1) * L;    L = q/p = 30 if the call fits the pattern, else (1-q)/(1-p) = 0.41;    p = 0.02, q = 0.6

The e-value of the run is the mean of the three; the run loops once `start_mass` times it reaches one. Three files read
with one tool have other arguments and other results: no pattern. A poll whose result changes fits none either. A call
whose result or arguments are not known says nothing.

Exact: if, whatever came before, a call fits a pattern with probability at most p, then E[L] <= 1 and S is at most
the Shiryaev-Roberts sum (R + 1) * L, so the expected number of false loops of a run is at most `start_mass` per call.
The floor of one lets a loop count that begins late in a long run. Not exact: after a first repeat the next is likelier
than before it (0.5 % of calls repeat on recorded runs, p is four times that). Source: the products of e-values of
Shafer and Vovk, restarted as in e-CUSUM (Shin, Ramdas, Rinaldo, arXiv 2203.03532).
"""

from __future__ import annotations

from msgspec import Struct

NULL = 0.02
"""p: how often a call of a healthy run may fit a pattern."""
LOOPING = 0.6
"""q: how often it does in a loop."""
FITS = LOOPING / NULL
ELSE = (1.0 - LOOPING) / (1.0 - NULL)
PATTERNS = 3
HIGHEST = 1e12
"""A statistic grows no further: more says nothing more, and a run that breaks the loop is free of it again."""


class Loop(Struct, array_like=True, gc=False):
    """The statistics of one actor's calls in one run, and the two calls before the present one."""

    again: float = 1.0
    ping_pong: float = 1.0
    stuck: float = 1.0
    last: tuple[str, int, int] | None = None
    """Tool, arguments hash, result hash of the call before; None where there is none, or one of them is not known."""
    before: tuple[str, int, int] | None = None
    bad: tuple[str, int] | None = None
    """Tool and result hash of the call before, if its result was bad."""
    repeats: int = 0
    """Calls in a row that fitted some pattern."""
    crossed: bool = False


def step(loop: Loop, tool: str, arguments: int | None, result: int | None, bad: bool, start_mass: float) -> bool:
    """Take one call; True when the run loops for the first time. `bad`: the result was an error or nothing.

    `start_mass` in (0, 1): the false loops that one call may cost.
    """
    fits = False
    if result is None:
        loop.before, loop.last, loop.bad = loop.last, None, None
        return False
    now_bad = (tool, result) if bad else None
    if now_bad is not None and now_bad == loop.bad:
        fits = True
        loop.stuck = _grown(loop.stuck, FITS)
    else:
        loop.stuck = _grown(loop.stuck, ELSE)
    loop.bad = now_bad
    call = None if arguments is None else (tool, arguments, result)
    if call is not None:
        if call == loop.last:
            fits = True
            loop.again = _grown(loop.again, FITS)
        else:
            loop.again = _grown(loop.again, ELSE)
        if call == loop.before:
            fits = True
            loop.ping_pong = _grown(loop.ping_pong, FITS)
        else:
            loop.ping_pong = _grown(loop.ping_pong, ELSE)
    loop.before, loop.last = loop.last, call
    loop.repeats = loop.repeats + 1 if fits else 0
    if fits and not loop.crossed and start_mass * value(loop) >= 1.0:
        loop.crossed = True
        return True
    return False


def value(loop: Loop) -> float:
    """The e-value: the mean of the three statistics."""
    return (loop.again + loop.ping_pong + loop.stuck) / PATTERNS


def _grown(statistic: float, bet: float) -> float:
    return min(max(statistic, 1.0) * bet, HIGHEST)
