"""What is written of what an agent has shown so far; told by `monitor.changes.sightings`."""

from __future__ import annotations

from msgspec import Struct


class Interface(Struct, array_like=True):
    """The fields of one tool, as `result.status:string`. `changed`: runs of the agent when the last one came to be;
    `last`: fields of the latest run that differed."""

    changed: int = 0
    fields: dict[str, None] = {}
    last: list[str] = []


class Shown(Struct, array_like=True):
    """Component → its versions, tool → its fields, what is due as a deploy, and component → the beginning of an hour
    and what was told of it since."""

    known: dict[str, list[str]]
    interfaces: dict[str, Interface]
    due: list[str]
    told: dict[str, tuple[float, int]]
