"""Cells and the nodes above agents that they feed.

A cell is what one agent's observations of one signal have in common: the tool that was called, or the place of the run
(its provider and model). Every cell feeds one chain of nodes: a tool's cell its tool; a run's cell its model, its
provider, its agent's owner and the fleet. Where a run names no model or provider, nothing is derived.

Invariant: names alone decide, so agent and aggregator derive the same chain.
"""

from __future__ import annotations

from typing import Final

SEPARATOR: Final = "\x1f"
NOWHERE: Final = SEPARATOR
"""The place of a run that names neither provider nor model."""


def place_of(provider: str | None, model: str | None) -> str:
    """Where a run took place."""
    return f"{provider or ''}{SEPARATOR}{model or ''}"


def cell_of(signal: str, tool: str | None, place: str) -> str:
    """The name of a cell; of a tool's the place is no part."""
    return f"{signal}|run|{place}" if tool is None else f"{signal}|tool|{tool}"


def chain_of(cell: str, owner: str) -> tuple[str, ...]:
    """The nodes that a cell feeds, the narrowest first; `owner` is its agent's. Empty where the name is no cell's."""
    signal, _, rest = cell.partition("|")
    kind, _, value = rest.partition("|")
    if kind == "tool":
        return (node_of(signal, "tool", value),)
    if kind != "run":
        return ()
    provider, _, model = value.partition(SEPARATOR)
    found = [node_of(signal, "owner", owner), node_of(signal, "fleet", "")]
    if provider:
        found.insert(0, node_of(signal, "provider", provider))
    if model:
        found.insert(0, node_of(signal, "model", value))
    return tuple(found)


def node_of(signal: str, level: str, value: str) -> str:
    """The name of a node above agents."""
    return f"{signal}|{level}|{value}"


def parts_of(node: str) -> tuple[str, str, str]:
    """Signal, level and value of a node above agents."""
    signal, level, value = node.split("|", 2)
    return signal, level, value


def labels_of(level: str, value: str) -> dict[str, str]:
    """The labels that a finding gives a node above agents; none for the fleet."""
    if level == "fleet":
        return {}
    if level != "model":
        return {level: value}
    provider, _, model = value.partition(SEPARATOR)
    return {"provider": provider, "model": model} if provider else {"model": model}


def contains(wide: tuple[str, str], narrow: tuple[str, str]) -> bool:
    """Whether two levels with their values may share cells: a model and its provider do, two providers do not."""
    (level, value), (other, beside) = wide, narrow
    if level == other:
        return value == beside
    if {level, other} == {"model", "provider"}:
        model, provider = (value, beside) if level == "model" else (beside, value)
        return model.partition(SEPARATOR)[0] == provider
    return "tool" not in (level, other)
