"""How an agent's state becomes entries: blocks of bounded size, and a core that names them.

Each block exists under two keys, `.0` and `.1`, written in turn; the core is written last and says which of the two
counts. A crash between any two writes leaves the old core with its old blocks: an old state, never a mixed one. The
runtime must keep the order of the entries.

Values: one version byte, then msgpack. This version reads its own byte and that of the version before it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec

from monitor.agents import Agent
from monitor.changes.sightings import BLOCK as SIGHTINGS
from monitor.evidence.within.node import Node
from monitor.runs.packing import Stored, runs_from_bytes, runs_to_bytes
from monitor.saved.core import Core, Saved
from monitor.saved.turning import nodes_from_bytes, nodes_to_bytes

VERSION: Final = b"\x01"

Entry = tuple[str, bytes | None]


class WrongVersion(Exception):
    """State written by a version of the monitor that this one cannot read."""


class Found(NamedTuple):
    """What was saved of an agent. `drift`: blocks by name, which see into the values that they were saved as."""

    core: Core
    nodes: list[Node]
    runs: list[Stored]
    drift: dict[str, bytes | memoryview]


_encoder = msgspec.msgpack.Encoder()
_saved = msgspec.msgpack.Decoder(Saved)


class Blocks:
    """Which of its two keys each block of each agent was last written under."""

    def __init__(self) -> None:
        self._manifests: dict[str, dict[str, int]] = {}

    def save(self, agent: Agent) -> list[Entry]:
        """The entries of an agent that changed, in the order in which they must become durable."""
        manifest = self._manifests.setdefault(agent.name, {})
        entries: list[Entry] = []
        gone: list[Entry] = []
        slices, tracker = agent.slices, agent.tracker
        changed = sorted(slices.touched)
        if changed:
            for number in changed:
                nodes = nodes_to_bytes(slices.table.blocks[number].values())
                entries.append(self._write(agent.name, manifest, f"n{number}", nodes))
            slices.touched.clear()
        for number in sorted(tracker.touched):
            runs = tracker.block(number)
            name = f"r{number}"
            if runs:
                entries.append(self._write(agent.name, manifest, name, runs_to_bytes(runs)))
            elif name in manifest:
                del manifest[name]
                gone += [(f"agent/{agent.name}/{name}.{parity}", None) for parity in (0, 1)]
        tracker.touched.clear()
        apart = [
            *agent.drift.save().items(),
            *((f"m{signal}", value) for signal, value in agent.methods.changes()),
            *agent.sightings.changes(),
            *agent.rollouts.save().items(),
        ]
        for name, value in apart:
            if value is not None:
                entries.append(self._write(agent.name, manifest, name, value))
            elif name in manifest:
                del manifest[name]
                gone += [(f"agent/{agent.name}/{name}.{parity}", None) for parity in (0, 1)]
        saved = Saved(_core(agent), manifest)
        entries.append((f"agent/{agent.name}/core", VERSION + _encoder.encode(saved)))
        return entries + gone

    def _write(self, agent: str, manifest: dict[str, int], name: str, value: bytes) -> Entry:
        parity = manifest[name] = 1 - manifest.get(name, 1)
        return (f"agent/{agent}/{name}.{parity}", VERSION + value)

    def restore(self, entries: Iterable[tuple[str, bytes]]) -> dict[str, Found]:
        """Agent → what was saved of it. Keys of others are ignored. Raises `WrongVersion`."""
        values = {key: value for key, value in entries if key.startswith("agent/")}
        found: dict[str, Found] = {}
        for key, value in values.items():
            if not key.endswith("/core"):
                continue
            saved = _saved.decode(_body(key, value))
            name = saved.core.agent
            _, nodes, runs, drift = found[name] = Found(saved.core, [], [], {})
            for block, parity in saved.manifest.items():
                body = _body(key, values[f"agent/{name}/{block}.{parity}"])
                if block[0] == "n":
                    nodes += nodes_from_bytes(body)
                elif block[0] == "d":
                    drift[block] = body
                elif block[0] == "m":
                    saved.core.methods.append(bytes(body))
                elif block == SIGHTINGS:
                    saved.core.sightings = bytes(body)
                elif block[0] == "o":
                    saved.core.rollouts[block] = bytes(body)
                else:
                    runs += runs_from_bytes(body)
            self._manifests[name] = saved.manifest
        return found


def put_back(agent: Agent, found: Found) -> None:
    """Fill a new agent with what was saved of it."""
    core = found.core
    agent.offset, agent.wake = core.offset, core.wake
    agent.runs, agent.failed, agent.hung, agent.silent = core.runs, core.failed, core.hung, core.silent
    agent.versions, agent.tools = core.versions, core.tools
    agent.traffic, agent.loose_ids = core.traffic, core.loose_ids
    agent.first_seen, agent.last_seen = core.first_seen, core.last_seen
    agent.tracker.histogram, agent.tracker.next_block = core.histogram, core.next_block
    agent.tracker.usual, agent.tracker.outputs = core.usual, core.outputs
    agent.tracker.restore(found.runs)
    agent.slices.accounts.update(core.accounts)
    agent.slices.runs = float(core.runs)
    agent.slices.above.restore(core.evidence)
    agent.slices.above.failed_runs = core.failed_runs
    agent.slices.above.pooled = core.pooled
    agent.calls, agent.tracker.loop_mass = core.calls, core.loop_mass
    agent.slices.table.deploys, agent.slices.judged = core.deploys, core.judged
    agent.slices.facts.groups.update((group.key, group) for group in core.facts)
    agent.slices.facts.begun = core.facts_begun
    if agent.window is not None and core.window is not None and core.window.width == agent.window.width:
        agent.window = core.window
    agent.carried = core.carried
    if core.standing is not None:
        agent.gate.standing = core.standing
    else:
        agent.gate.known(list(core.tools))
    agent.slices.restore(found.nodes, core.waiting)
    agent.drift.load(found.drift)
    for methods in core.methods:
        agent.methods.load(methods)
    agent.sightings.load(core.sightings, core.versions)
    agent.rollouts.load(core.rollouts)


def _core(agent: Agent) -> Core:
    return Core(
        agent.name, agent.offset, agent.runs, agent.failed, agent.hung, agent.silent, agent.versions, agent.tools,
        agent.tracker.histogram, agent.tracker.next_block, agent.slices.accounts, agent.traffic,
        agent.slices.order.saved(),
        agent.first_seen, agent.last_seen, agent.loose_ids, agent.wake,
        agent.slices.above.saved(), agent.slices.above.failed_runs, agent.tracker.usual,
        agent.calls, agent.tracker.loop_mass, agent.slices.table.deploys, agent.slices.judged,
        list(agent.slices.facts.groups.values()), agent.slices.facts.begun,
        outputs=agent.tracker.outputs, pooled=agent.slices.above.pooled, window=agent.window,
        carried=agent.carried, standing=agent.gate.standing,
    )  # fmt: skip


def _body(key: str, value: bytes) -> memoryview:
    """What stands behind the version. Not a copy: state is large, and all of it is looked at after a start."""
    if value[:1] != VERSION:
        raise WrongVersion(f"{key}: state of version {value[0] if value else 'none'}; this monitor reads 1")
    return memoryview(value)[1:]
