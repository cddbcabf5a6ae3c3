"""Loops inside one run: bets that a call repeats what was just done, told apart from work by its result.

Four patterns, each with a statistic S of its own over the run's tool calls:

- *again*: tool, arguments and result equal those of the call before;
- *ping-pong*: they equal those of the call before the one before (A-B-A-B);
- *cycle*: this and the calls before it, as many as the cycle has (three or four), equal those of one cycle ago, so that
  nothing new came for a whole turn (A-B-C-A-B-C). That a call equals the third or fourth before it is not enough:
  agents look again after each step, one call in forty of healthy runs does;
- *stuck*: the same tool gives the same bad result (an error, or nothing) as the call before, whatever the arguments.

    S <- max(S * L, 1);    L = q/p = 30 if the call fits the pattern, else (1-q)/(1-p) = 0.41;    p = 0.02, q = 0.6

The e-value of the run is the mean of the four; the run loops once `start_mass` times it reaches one. Three files read
with one tool have other arguments and other results: no pattern. A poll whose result changes fits none either. A call
whose result or arguments are not known says nothing. The same call with another result is progress (a poll), and the
statistics begin anew: evidence that is lost costs power, never validity. Not a pattern: one tool that gives the same
good result to other arguments. Ten writes that are all told "done", or ten servers that are all well, do that too.

Exact: if, whatever came before, a call fits a pattern with probability at most p, then E[L] <= 1 and S is at most
the Shiryaev-Roberts sum (R + 1) * L, so the expected number of false loops of a run is at most `start_mass` per call.
The floor of one lets a loop count that begins late in a long run. Not exact: after a first repeat the next is likelier
than before it (0.5 % of calls repeat on recorded runs, p is four times that). Source: the products of e-values of
Shafer and Vovk, restarted as in e-CUSUM (Shin, Ramdas, Rinaldo, arXiv 2203.03532).
"""

from __future__ import annotations

from typing import Any, Final

from mypy_extensions import mypyc_attr

NULL: Final = 0.02
"""p: how often a call of a healthy run may fit a pattern."""
LOOPING: Final = 0.6
"""q: how often it does in a loop."""
FITS: Final = LOOPING / NULL
ELSE: Final = (1.0 - LOOPING) / (1.0 - NULL)
PATTERNS: Final = 4
HIGHEST: Final = 1e12
"""A statistic grows no further: more says nothing more, and a run that breaks the loop is free of it again."""
Call = tuple[Any, ...]
"""Tool, hash of the arguments, hash of the result; of a bad one without the arguments. Not written with three places:
compiled code would take such a tuple apart and make it anew wherever it looks at one."""


@mypyc_attr(acyclic=True)
class Loop:
    """The statistics of one actor's calls in one run, and the four calls before the present one.

    `threes`, `fours`: calls in a row up to now that equal the third, and the fourth, before them.
    """

    def __init__(
        self,
        last: Call | None = None,
        before: Call | None = None,
        bad: Call | None = None,
        again: float = 1.0,
        ping_pong: float = 1.0,
        stuck: float = 1.0,
        repeats: int = 0,
        grown: bool = False,
        crossed: bool = False,
        third: Call | None = None,
        fourth: Call | None = None,
        threes: int = 0,
        fours: int = 0,
        cycle: float = 1.0,
    ) -> None:
        self.last = last
        self.before = before
        self.bad = bad
        self.again = again
        self.ping_pong = ping_pong
        self.stuck = stuck
        self.repeats = repeats
        self.grown = grown
        self.crossed = crossed
        self.third = third
        self.fourth = fourth
        self.threes = threes
        self.fours = fours
        self.cycle = cycle


def step(loop: Loop, tool: str, arguments: int | None, result: int | None, bad: bool, start_mass: float) -> bool:
    """Take one call; True when the run loops for the first time. `bad`: the result was an error or nothing.

    `start_mass` in (0, 1): the false loops that one call may cost.
    """
    last, before, third, fourth = loop.last, loop.before, loop.third, loop.fourth
    call: Call | None = (tool, arguments, result) if arguments is not None and result is not None else None
    now_bad: Call | None = (tool, result) if bad and result is not None else None
    # Most runs are short: what is not there need not be compared.
    again = call is not None and last is not None and call == last
    ping_pong = call is not None and before is not None and call == before
    stuck = now_bad is not None and now_bad == loop.bad
    loop.threes = loop.threes + 1 if call is not None and third is not None and call == third else 0
    loop.fours = loop.fours + 1 if call is not None and fourth is not None and call == fourth else 0
    cycle = loop.threes >= 3 or loop.fours >= 4
    loop.fourth, loop.third = third, before
    loop.last, loop.before = call, last
    if now_bad is not loop.bad:
        loop.bad = now_bad
    if again or ping_pong or stuck or cycle:
        loop.repeats += 1
    elif not loop.grown:
        return False
    else:
        loop.repeats = 0
        if call is not None and last is not None and call[:2] == last[:2]:
            loop.again = loop.ping_pong = loop.stuck = loop.cycle = 1.0
            loop.grown = False
            return False
    if call is not None:
        loop.again = _times(loop.again, again)
        loop.ping_pong = _times(loop.ping_pong, ping_pong)
        loop.cycle = _times(loop.cycle, cycle)
    if result is not None:
        loop.stuck = _times(loop.stuck, stuck)
    loop.grown = loop.again > 1.0 or loop.ping_pong > 1.0 or loop.stuck > 1.0 or loop.cycle > 1.0
    if loop.repeats and not loop.crossed and start_mass * value(loop) >= 1.0:
        loop.crossed = True
        return True
    return False


def value(loop: Loop) -> float:
    """The e-value: the mean of the statistics."""
    return (loop.again + loop.ping_pong + loop.stuck + loop.cycle) / PATTERNS


def _times(statistic: float, fits: bool) -> float:
    return min(max(statistic * (FITS if fits else ELSE), 1.0), HIGHEST)
