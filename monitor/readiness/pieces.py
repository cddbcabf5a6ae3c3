"""Is an agent ready for production: piece by piece, what is missing, and the lines to add.

Pure, a function of the configuration and of what the agent's runs carried. Half of the pieces stand in the YAML, the
others must be seen in events: what nobody sends, nobody can watch. Who asks: `forewarn ready`, and the monitor when a
new agent shows up (`monitor.readiness.gate`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from schemas.config import Component, Config, Contract, Ready
from schemas.settings.gates import PIECES
from schemas.view import SeenView, UseView

NAMED = 5
"""Tools that one sentence names. More: a count."""
DECLARED = frozenset(("owner", "contract", "objectives", "escalation", "fallback", "tools"))
"""Pieces that the YAML declares; the others are seen in events."""


class Judged(Struct, frozen=True):
    """One piece. `required`: whether `ready.require` asks for it. `what`: what is there, or what is missing."""

    name: str
    ok: bool
    what: str
    required: bool = True


class Readiness(Struct, frozen=True):
    """All pieces of one agent, in their order."""

    agent: str
    pieces: tuple[Judged, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """Names of what is required and not there."""
        return tuple(piece.name for piece in self.pieces if piece.required and not piece.ok)

    @property
    def ready(self) -> bool:
        """Whether nothing is missing."""
        return not self.missing


class Case(Struct, frozen=True):
    """What is judged: an agent's component (None: nobody declared it) and what was seen of it (None: nothing was)."""

    agent: str
    config: Config
    component: Component | None
    seen: SeenView | None

    @property
    def contract(self) -> Contract:
        """Its contract; an empty one where it has none."""
        return (self.component.contract if self.component is not None else None) or Contract()

    @property
    def runs(self) -> int:
        """Runs that were seen."""
        return self.seen.runs if self.seen is not None else 0

    @property
    def calls(self) -> tuple[UseView, ...]:
        """The tools that its runs called. What only earlier ones called is known still, and counts no more."""
        uses = self.seen.uses if self.seen else ()
        return tuple(use for use in uses if use.component.startswith("tool:") and use.runs)

    @property
    def tools(self) -> list[str]:
        """Tools that it declares or calls, sorted."""
        declared = self.component.depends_on if self.component is not None else ()
        named = [*declared, *(use.component for use in self.calls)]
        called = {name.removeprefix("tool:") for name in named if name.startswith("tool:")}
        return sorted(called.union(self.contract.tools))


def case(agent: str, config: Config, seen: SeenView | None) -> Case:
    """What there is to judge of an agent."""
    component = next((each for each in config.components if each.agent == agent), None)
    return Case(agent, config, component, seen)


def judge(given: Case) -> Readiness:
    """Every piece of it."""
    required = given.config.ready.require
    pieces = []
    for name in PIECES:
        ok, what = _RULES[name](given)
        pieces.append(Judged(name, ok, what, name in required))
    return Readiness(given.agent, tuple(pieces))


def judge_tool(tool: str, agent: str, config: Config) -> tuple[str, ...]:
    """What a tool lacks that an agent calls: `owner`, `contract`; nothing where it is ready."""
    declared = any(component.tool == tool for component in config.components)
    contract = case(agent, config, None).contract.tools.get(tool)
    versioned = contract is not None and contract.version is not None
    found = []
    if not declared and "owner" in config.ready.require:
        found.append("owner")
    if not versioned and "tools" in config.ready.require:
        found.append("contract")
    return tuple(found)


# What the YAML declares


def _owner(given: Case) -> tuple[bool, str]:
    component, config = given.component, given.config
    if component is None:
        return False, f"nobody declared it; it falls to {config.default_owner}"
    if component.owner is not None:
        return True, component.owner
    if len(config.owners) == 1:
        return True, f"{config.default_owner}, the only owner"
    return False, f"it names no owner and falls to {config.default_owner}"


def _contract(given: Case) -> tuple[bool, str]:
    contract = given.contract
    if contract == Contract():
        return False, "it has none" if given.component is None or given.component.contract is None else "it is empty"
    said = [
        f"{count} {kind}{'' if count == 1 else 's'}"
        for kind in ("tool", "outcome", "claim", "effect")
        if (count := len(getattr(contract, f"{kind}s")))
    ]
    return True, ", ".join(said) or "limits"


def _objectives(given: Case) -> tuple[bool, str]:
    component = given.component
    if component is None or not component.objectives:
        return False, "it has none"
    return True, ", ".join(f"{each.name} {each.target * 100:g}%" for each in component.objectives)


def _escalation(given: Case) -> tuple[bool, str]:
    name = (given.component.owner if given.component is not None else None) or given.config.default_owner
    owner = given.config.owners.get(name)
    if owner is None or owner.escalate is None:
        return False, f"a page that nobody acknowledges stays with {name}"
    return True, f"{name}, then {owner.escalate.to}"


def _fallback(given: Case) -> tuple[bool, str]:
    if given.component is None or given.component.fallback is None:
        return False, "it says of nothing what takes over when it fails"
    return True, given.component.fallback


def _tools(given: Case) -> tuple[bool, str]:
    known = given.contract.tools
    outside = [tool for tool in given.tools if tool not in known]
    unversioned = [tool for tool in given.tools if tool in known and known[tool].version is None]
    if outside:
        return False, f"not in its contract: {_named(outside)}"
    if unversioned:
        return False, f"without a version: {_named(unversioned)}"
    if not given.tools:
        return True, "it has no tools"
    return True, ", ".join(f"{tool} {known[tool].version}" for tool in given.tools[:NAMED])


# What must be seen


def _runs(given: Case) -> tuple[bool, str]:
    wanted = given.config.ready.runs
    return given.runs >= wanted, f"{given.runs} of {wanted} production runs seen"


def _calls(given: Case) -> tuple[bool, str]:
    if not given.calls:
        return not given.tools, "no call of a tool was seen" if given.tools else "it has no tools"
    lacks = []
    for use in given.calls:
        name = use.component.removeprefix("tool:")
        contract = given.contract.tools.get(name)
        carried = [("arguments", use.arguments), ("results", use.results)]
        if contract is not None and contract.version is not None:
            carried.append(("versions", use.versions))
        without = [what for what, count in carried if not _enough(count, use.runs, given.config.ready)]
        if without:
            lacks.append(f"{name} without {' and '.join(without)}")
    if lacks:
        return False, _named(lacks, "; ")
    return True, f"{len(given.calls)} {'tool' if len(given.calls) == 1 else 'tools'} with arguments and results"


def _of_runs(name: str) -> Callable[[Case], tuple[bool, str]]:
    """A field that runs carry."""

    def rule(given: Case) -> tuple[bool, str]:
        count = getattr(given.seen, name, 0)
        return _enough(count, given.runs, given.config.ready), f"in {count} of {given.runs} runs"

    return rule


def _of_models(name: str) -> Callable[[Case], tuple[bool, str]]:
    """A field that runs carry which call a model."""

    def rule(given: Case) -> tuple[bool, str]:
        seen = given.seen
        if seen is None or not seen.modelled:
            return False, f"no model call was seen in {given.runs} runs"
        count = getattr(seen, name)
        return _enough(count, seen.modelled, given.config.ready), f"in {count} of {seen.modelled} runs with a model"

    return rule


_RULES: dict[str, Callable[[Case], tuple[bool, str]]] = {
    "owner": _owner,
    "contract": _contract,
    "objectives": _objectives,
    "escalation": _escalation,
    "fallback": _fallback,
    "tools": _tools,
    "runs": _runs,
    "calls": _calls,
    "outcomes": _of_runs("outcomes"),
    "versions": _of_runs("versions"),
    "tokens": _of_models("tokens"),
    "costs": _of_models("costs"),
}
"""Piece → whether it is there, and what is there or missing."""


def _enough(count: int, runs: int, ready: Ready) -> bool:
    return runs > 0 and count >= ready.share * runs


def _named(names: Sequence[str], between: str = ", ") -> str:
    more = len(names) - NAMED
    return between.join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")
