"""Which version of an agent serves, and which one comes up beside it: read of the versions of runs as they close.

A version is the current one until another has had `SWITCH` runs in a row. Two whose runs go on side by side for
`BESIDE_SECONDS` are a canary that nobody announced: a deployment that rolls from machine to machine is over sooner.
"""

from __future__ import annotations

from typing import Final

from monitor.rollouts.state import Watch, Young

SWITCH: Final = 50
"""Runs in a row after which a version is the current one."""
TRIAL: Final = 1_000
"""Runs in a row after which it is the current one, although it is on trial and hardly anything stood beside it."""
BESIDE_RUNS: Final = 20
BESIDE_SECONDS: Final = 600.0
"""Runs of both, and the time, after which two versions are held to go side by side on purpose."""
GONE_RUNS: Final = 1_000
GONE_PART: Final = 100
"""A version with less than a hundredth of the runs, and these, is no longer watched: stragglers of one that is gone."""
LINGER_SECONDS: Final = 600.0
"""So long after a rollout is over its candidate may still have runs, which were begun before or come from machines that
follow later; they begin no other one."""
YOUNG: Final = 8
"""Versions beside the current one that are watched. One more: the one that came first is forgotten."""
NAMES: Final = 50
"""Versions whose first sight is remembered. More: the oldest is forgotten."""


def see(watch: Watch, version: str, now: float) -> None:
    """A run in production that is no canary's (in place)."""
    if not watch.current:
        serve(watch, version, now)
        return
    if version == watch.current:
        for name, young in list(watch.young.items()):
            young.beside += 1
            young.streak = 0
            if young.beside > GONE_RUNS + GONE_PART * young.runs:
                del watch.young[name]
        return
    _know(watch, version, now)
    found = watch.young.get(version)
    if found is None:
        found = watch.young[version] = Young(now)
        if len(watch.young) > YOUNG:
            del watch.young[next(iter(watch.young))]
    found.runs += 1
    found.streak += 1


def serve(watch: Watch, version: str, now: float) -> None:
    """From now on this is the current version (in place)."""
    _know(watch, version, now)
    watch.current = version
    watch.young.clear()


def has_taken_over(watch: Watch, version: str) -> bool:
    """Whether the version has had so many runs in a row that it is the current one."""
    young = watch.young.get(version)
    return young is not None and young.streak >= SWITCH


def goes_beside(watch: Watch, version: str, now: float) -> bool:
    """Whether a newer version goes on beside the current one."""
    young = watch.young.get(version)
    return (
        young is not None
        and min(young.runs, young.beside) >= BESIDE_RUNS
        and now - young.since >= BESIDE_SECONDS
        and watch.first.get(version, now) > watch.first.get(watch.current, 0.0)
    )


def finish(watch: Watch, mode: str, candidate: str, now: float) -> None:
    """A rollout of this candidate is over, and its runs are to end (in place)."""
    name = f"{mode}/{candidate}"
    watch.over.pop(name, None)
    watch.over[name] = now
    watch.young.pop(candidate, None)
    if len(watch.over) > NAMES:
        del watch.over[next(iter(watch.over))]


def may_begin(watch: Watch, mode: str, candidate: str, taken: bool, now: float) -> bool:
    """Whether a run begins a rollout of its version. `taken`: others have its place; then only a version that had none
    yet takes it, or two that run at a time would end each other for ever."""
    ended = watch.over.get(f"{mode}/{candidate}")
    return ended is None or (not taken and now - ended >= LINGER_SECONDS)


def _know(watch: Watch, version: str, now: float) -> None:
    if version not in watch.first:
        watch.first[version] = now
        if len(watch.first) > NAMES:
            del watch.first[next(name for name in watch.first if name != watch.current)]
