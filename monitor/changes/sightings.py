"""First sightings: versions, response models, tool versions and fields of tools that an agent shows for the first time.

What an agent shows in its first runs is no change, and is not told; what comes to be beside it is. A field of a tool is
new only while its interface was steady before: what calls bring in ever new fields has no interface.

The agent owns it, in a block of its own (`s`), written when it changed. Bound: `COMPONENTS`, `VERSIONS` of each
(`AN_HOUR` are told), `TOOLS`, `FIELDS` of each. A crash before it is written tells a sighting again, under the same id.
What a sighting makes due is paid at the next tick, after the run that showed it was seen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final

import msgspec
from mypy_extensions import mypyc_attr

from monitor.runs import Closed, Run
from monitor.saved.sightings import Interface, Shown
from schemas.news import ChangeSeen, News, Stage

COMPONENTS = 100
"""Components of one agent whose versions are known. More: the one that changed longest ago is known anew."""
VERSIONS = 20
"""Versions of one component that are known. More: the oldest would be new again; counted as `sightings_forgotten`."""
TOOLS = 40
"""Tools of one agent whose fields are known. More: the one that changed longest ago is known anew."""
FIELDS = 80
"""Fields of one tool. A tool that shows more has no interface, and no field of it is new."""
START_RUNS = 10
"""Runs in which an agent shows what was there before it was watched: two versions that serve side by side, say."""
STEADY_RUNS = 500
"""Runs of the agent after which a field of a tool that showed none before is told."""
AN_HOUR = 10
"""New versions of one component that one agent tells in an hour. Beyond, as where each run has a version of its own,
they are known and not told; counted as `sightings_untold`."""
NAMED = 3
"""New fields that name a version of an interface; the others are counted in it."""
HOUR_SECONDS = 3_600.0
BLOCK = "s"


_NONE: Final[list[str]] = []


@mypyc_attr(acyclic=True)
class _Latest:
    """The fields of a tool in the run that showed it last. Most runs show the very same lists: those of one outline."""

    def __init__(self, results: list[str], arguments: list[str]) -> None:
        self.results = results
        self.arguments = arguments


class Sightings:
    """What one agent showed. `tell` takes news, `count` one name of a limit."""

    def __init__(self, agent: str, tell: Callable[[News], None], count: Callable[[str], None]) -> None:
        self._agent = agent
        self._tell = tell
        self._count = count
        self._known: dict[str, list[str]] = {}
        self._interfaces: dict[str, Interface] = {}
        self._latest: dict[str, _Latest] = {}
        """Of the tools of `_interfaces`."""
        self._due: list[str] = []
        self._told: dict[str, tuple[float, int]] = {}
        """Component → the beginning of an hour, and what was told of it since."""
        self._changed = False

    def version(self, run: Run, runs: int, now: float) -> None:
        """A run of a version that may be new. `runs`: of the agent, before it."""
        if run.version is not None:
            self._see(f"agent:{self._agent}", run.version, "version", run, runs, now, due=False)

    def tool_version(self, tool: str, version: str, run: Run, runs: int, now: float) -> None:
        """A call of a tool that says which version it has."""
        self._see(f"tool:{tool}", version, "tool_version", run, runs, now)

    def run(self, closed: Closed, runs: int, now: float) -> None:
        """What else a closed run shows: who answered for its model, fields of its tools. `runs`: of the agent."""
        work = closed.work
        if work.response_model is not None and work.model is not None:
            self._see(f"model:{work.model}", work.response_model, "response_model", closed.run, runs, now)
        for tool in closed.run.tools:
            results, arguments = work.result_fields.get(tool, _NONE), work.argument_fields.get(tool, _NONE)
            latest = self._latest.get(tool)
            if latest is not None and latest.results is results and latest.arguments is arguments:
                continue
            fields = results + arguments
            if fields:
                self._see_fields(tool, fields, closed.run, runs, now)
                self._latest[tool] = _Latest(results, arguments)

    def due(self) -> list[str]:
        """What was seen since the last call that is a deploy for the agent's nodes: component and version."""
        if not self._due:
            return self._due
        due, self._due = self._due, []
        self._changed = True
        return due

    def changes(self) -> list[tuple[str, bytes]]:
        """The block, if it changed since the last call."""
        if not self._changed:
            return []
        self._changed = False
        return [(BLOCK, msgspec.msgpack.encode(Shown(self._known, self._interfaces, self._due, self._told)))]

    def load(self, saved: bytes, versions: dict[str, float]) -> None:
        """Put back the block. Where a version before this one saved none, the agent's `versions` are known."""
        if saved:
            found = msgspec.msgpack.decode(saved, type=Shown)
            self._known, self._interfaces = found.known, found.interfaces
            self._due, self._told = found.due, found.told
        elif versions:
            self._known[f"agent:{self._agent}"] = list(versions)[-VERSIONS:]

    # -- inner

    def _see(self, component: str, version: str, what: str, run: Run, runs: int, now: float, due: bool = True) -> None:
        known = self._known.get(component)
        if known is not None and version in known:
            return
        self._changed = True
        if known is None:
            if len(self._known) >= COMPONENTS:
                oldest = next(iter(self._known))
                del self._known[oldest]
                self._told.pop(oldest, None)
                self._count("sightings_forgotten")
            self._known[component] = [version]
            return
        if runs < START_RUNS:
            known.append(version)
            del known[:-VERSIONS]
            return
        began, count = self._told.get(component, (now, 0))
        began, count = (now, 0) if now - began >= HOUR_SECONDS else (began, count)
        self._told[component] = (began, count + 1)
        if count < AN_HOUR:
            self._say(component, version, known[-1], what, run, now, due)
        else:
            self._count("sightings_untold")
        self._known[component] = self._known.pop(component)  # the order of a dict is that of the latest change
        known.append(version)
        if len(known) > VERSIONS:
            del known[0]
            self._count("sightings_forgotten")

    def _see_fields(self, tool: str, fields: list[str], run: Run, runs: int, now: float) -> None:
        interface = self._interfaces.get(tool)
        if interface is None:
            if len(self._interfaces) >= TOOLS:
                oldest = next(iter(self._interfaces))
                del self._interfaces[oldest]
                self._latest.pop(oldest, None)
            interface = self._interfaces[tool] = Interface(runs, {}, [])
        if fields == interface.last:
            return
        self._changed = True
        self._interfaces[tool] = self._interfaces.pop(tool)
        interface.last = fields
        new = [name for name in fields if name not in interface.fields]
        if not new:
            return
        steady = runs - interface.changed > STEADY_RUNS and len(interface.fields) <= FIELDS
        interface.changed = runs
        interface.fields.update(dict.fromkeys(new[: FIELDS + 1 - len(interface.fields)]))
        if steady:
            more = f" and {len(new) - NAMED} more" if len(new) > NAMED else ""
            self._say(f"tool:{tool}", f"with {', '.join(sorted(new)[:NAMED])}{more}", "", "fields", run, now, True)

    def _say(self, component: str, version: str, previous: str, what: str, run: Run, now: float, due: bool) -> None:
        name = "\x1f".join((component, version, self._agent, what))
        stage: Stage = "canary" if run.variant == "canary" and component == f"agent:{self._agent}" else "full"
        self._tell(
            ChangeSeen(
                id="seen-" + hashlib.blake2b(name.encode("utf-8", "replace"), digest_size=10).hexdigest(),
                time=now,
                component=component,
                version=version,
                previous=previous,
                stage=stage,
                announced=False,
                agent=self._agent,
                what=what,
            )
        )
        if due:
            self._due.append(f"{component} {version}")
