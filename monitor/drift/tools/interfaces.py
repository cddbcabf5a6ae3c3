"""The interfaces of an agent's tools: which fields their arguments and results have, learned from the calls alone.

A field is a word like `result.status:string`, so that another type is another field. Seen for the first time it is
*young* for the tool's next 200 runs, and a run that has it is a changed one; seen nearly always it is *core*, and a run
without it is a changed one, until half of the last runs did without, or it was away now and then for 200 runs. So a
change shows in every run that it touches for a while, and is the new interface after that. A core field that is away
in few runs only was core by chance: it is optional, and so is one that went and came back twice of late, as where
results about one thing come in a row. Runs are counted, not calls: a run has what any of its calls of the tool has.

The forms of results (`monitor.reading.calls.forms`) are learned the same way, apart.

Invariant: nothing is said of a tool before its first 50 runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, cast

import msgspec
from msgspec import Raw

WARM_RUNS: Final = 50
"""Runs of a tool before its interface is known."""
YOUNG_RUNS: Final = 200
"""Runs of a tool for which a field is new."""
WINDOW: Final = 256
"""Runs after which the counts of a tool are halved: what is normal is what was normal lately."""
CORE: Final = 0.98
"""The share of runs from which on a field is core; with a lower bar one that one run in ten is without would be core by
chance, and then missed."""
KEPT: Final = 0.97
"""The share below which a core field no longer is, without the latest runs in a row that miss it: it was optional."""
GONE: Final = 0.5
"""The same with them: what is away is normal by now."""
OFTEN: Final = 8
"""Runs with a core field for each without it, from which on it is away in few runs only."""
SEVERAL: Final = 3
"""Runs without a core field that make its return one; fewer are a slip."""
RETURNS: Final = 2
"""Times that a field comes back before it is optional."""
LATELY: Final = 2_000
"""Runs with it after which it is not, and without it after which a field that was seen before is new."""
MISSES: Final = 2.5
"""Runs without a field that there may be at the bar for core, before anything is: 125 runs."""
TOOLS: Final = 40
"""Tools of one agent whose interface is known. More: the one that was quiet longest is forgotten."""
FIELDS: Final = 80
"""Fields of one tool. More: the rarest is forgotten, and is new when it comes again."""


class Field:
    """One field. `first`: the tool's run that first had it; `k`: runs in the window that had it; `away`: latest runs in
    a row that were without it; `missed`, `kept`: of a core field, runs without it and with it since the first that
    missed it, while those are not few; `back`: times that it came back; `seen`, `lacked`: the tool's latest run with
    it, and without it."""

    def __init__(
        self,
        first: int,
        k: int,
        core: bool = False,
        away: int = 0,
        missed: int = 0,
        kept: int = 0,
        back: int = 0,
        seen: int = 0,
        lacked: int = 0,
    ) -> None:
        self.first = first
        self.k = k
        self.core = core
        self.away = away
        self.missed = missed
        self.kept = kept
        self.back = back
        self.seen = seen
        self.lacked = lacked

    def packed(self) -> tuple[int, int, bool, int, int, int, int, int, int]:
        """What is written of it: the arguments of a new one."""
        return (
            self.first, self.k, self.core, self.away, self.missed, self.kept, self.back, self.seen, self.lacked,
        )  # fmt: skip


class Interface:
    """The fields of one tool. `runs`: all of them; `n`: those in the window; `last`: the fields of the latest run.

    `quiet`: whether the latest run had nothing to tell, so that another one like it has nothing to tell either; `same`:
    latest runs like it that are not yet counted into the fields.
    """

    def __init__(self) -> None:
        self.runs = 0
        self.n = 0
        self.fields: dict[str, Field] = {}
        self.last: list[str] = []
        self.quiet = False
        self.same = 0
        self.told: tuple[list[str], list[str]] | None = None
        """What `last` was made of, so that it need not be made again: see `repeats`."""
        self.packed: Raw | None = None
        """The fields as they were written; None where they changed since."""

    @property
    def known(self) -> bool:
        """Whether it can be told what is new and what is missing."""
        return self.runs >= WARM_RUNS


class Seen(NamedTuple):
    """What one run showed of one tool, beside what is known: new fields, and missing ones."""

    young: tuple[str, ...]
    missing: tuple[str, ...]


NOTHING: Final = Seen((), ())


def save(tools: Mapping[str, Interface]) -> bytes:
    """What is known of an agent's tools, the one that was quiet longest first."""
    packed = {}
    for tool, one in tools.items():
        if one.packed is None:
            one.packed = Raw(_encode({name: each.packed() for name, each in one.fields.items()}))
        packed[tool] = (one.runs, one.n, one.packed, one.last, one.quiet, one.same)
    return _encode(packed)


def load(tools: dict[str, Interface], raw: bytes) -> None:
    """Put back what was saved (in place), also by a version that did not know how long or how often a field is away."""
    for tool, (runs, n, fields, last, quiet, same) in _saved.decode(raw).items():
        one = tools[tool] = Interface()
        one.runs, one.n, one.last, one.quiet, one.same = runs, n, last, quiet, same
        for name, numbers in fields.items():
            field = one.fields[name] = Field(*cast("list[Any]", numbers))
            field.seen = field.seen or runs


def observe(tools: dict[str, Interface], tool: str, names: list[str]) -> Seen | None:
    """Count one run's calls of one tool, which had the fields `names`, sorted; None while the tool is too new to tell.

    The names are kept, and not changed.
    """
    interface = tools.get(tool)
    if interface is None:
        interface = Interface()
        if len(tools) >= TOOLS:
            del tools[next(iter(tools))]
    else:
        if interface.quiet and (names is interface.last or names == interface.last):
            _repeat(tools, tool, interface)
            return NOTHING
        del tools[tool]
    tools[tool] = interface  # the order of a dict is that of the latest run
    interface.runs += 1
    _settle(interface)
    seen = _compare(interface, names)
    return seen if interface.runs > WARM_RUNS else None


def tools_of(arguments: dict[str, list[str]], results: dict[str, list[str]]) -> list[str]:
    """The tools of which the one or the other tells, by name."""
    found = list(arguments)
    found += [tool for tool in results if tool not in arguments]
    if len(found) > 1:
        found.sort()
    return found


def repeats(tools: dict[str, Interface], tool: str, arguments: list[str], results: list[str]) -> bool:
    """Count one run's calls of one tool if they are told of in the same words as those of the run before it, which had
    nothing to tell; else nothing is done."""
    interface = tools.get(tool)
    if interface is None or not interface.quiet or interface.told is None:
        return False
    if arguments != interface.told[0] or results != interface.told[1]:
        return False
    _repeat(tools, tool, interface)
    return True


def changes(interface: Interface) -> Seen:
    """What is new and what is missing in the latest run, names sorted."""
    fields, last = interface.fields, set(interface.last)
    young = sorted(name for name in last if name in fields and _is_young(interface, fields[name]))
    missing = sorted(name for name, field in fields.items() if field.core and name not in last)
    return Seen(tuple(young), tuple(missing))


def _repeat(tools: dict[str, Interface], tool: str, interface: Interface) -> None:
    """Count a run like the one before it, which had nothing to tell."""
    del tools[tool]
    tools[tool] = interface  # the order of a dict is that of the latest run
    interface.runs += 1
    interface.same += 1
    if interface.same >= WINDOW:
        _settle(interface)


def _compare(interface: Interface, names: list[str]) -> Seen:
    fields = interface.fields
    interface.packed = None
    young = []
    for name in names:
        field = fields.get(name)
        if field is None:
            if len(fields) >= FIELDS:
                _forget(interface)
            field = fields[name] = Field(interface.runs if interface.runs > WARM_RUNS else -YOUNG_RUNS, 0)
        field.k += 1
        field.away = 0
        field.seen = interface.runs
        if field.missed:
            _keep(field, 1)
        if _is_young(interface, field):
            young.append(name)
    present = set(names)
    missing = []
    for name, field in fields.items():
        if name not in present:
            field.away += 1
            field.lacked = interface.runs
            if field.core:
                field.missed += 1
                missing.append(name)
    interface.n += 1
    interface.last = names
    interface.quiet = not young and not missing
    _judge(interface)
    return Seen(tuple(young), tuple(missing)) if young or missing else NOTHING


def _settle(interface: Interface) -> None:
    """Count the runs that were like the one before them."""
    if interface.same:
        for name in interface.last:
            field = interface.fields.get(name)
            if field is not None:
                field.k += interface.same
                field.seen = interface.runs
                if field.missed:
                    _keep(field, interface.same)
        interface.n += interface.same
        interface.same = 0
        _judge(interface)


def _judge(interface: Interface) -> None:
    """Keep the window, and say which fields are core."""
    fields = interface.fields
    interface.packed = None
    while interface.n > WINDOW:
        interface.n //= 2
        for name in list(fields):
            field = fields[name]
            field.k //= 2
            field.away //= 2
            if not field.k and not field.core and interface.runs - field.seen >= LATELY:
                del fields[name]
    if interface.runs > WARM_RUNS:
        settled = interface.n * (1.0 - CORE) >= MISSES
        for field in fields.values():
            if field.missed:
                # whether it is away in few runs or in many is not known yet, or it is in many
                field.core = field.missed + field.kept <= YOUNG_RUNS and field.k >= GONE * interface.n
                if not field.core:
                    field.missed = field.kept = 0
            elif field.back >= RETURNS:
                field.core = False
                if interface.runs - field.lacked >= LATELY:
                    field.back = 0
            elif field.core:
                field.core = field.k >= max(KEPT * (interface.n - field.away), GONE * interface.n)
            else:
                field.core = settled and field.k >= CORE * interface.n


def _keep(field: Field, runs: int) -> None:
    """Count runs with a core field that was missed; with enough of them, those that missed it were few."""
    field.kept += runs
    if field.kept >= OFTEN * field.missed:
        if field.missed >= SEVERAL:
            field.back += 1
        field.missed = field.kept = 0


def _is_young(interface: Interface, field: Field) -> bool:
    return interface.runs - field.first < YOUNG_RUNS


def _forget(interface: Interface) -> None:
    """One field makes room: of those that are not core, the rarest and oldest."""
    fields = interface.fields
    del fields[min(fields, key=lambda name: (fields[name].core, fields[name].k, fields[name].first, name))]


_encode: Final = msgspec.msgpack.Encoder().encode
_saved: Final = msgspec.msgpack.Decoder(dict[str, tuple[int, int, dict[str, list[int | bool]], list[str], bool, int]])
