"""What is written of an agent beside its runs and nodes."""

from __future__ import annotations

from msgspec import Struct, field

from monitor.evidence.accounts import FIRST_LOOP_MASS
from monitor.evidence.volume import traffic
from monitor.evidence.within.deploys import Deploys
from monitor.evidence.within.facts import Group
from monitor.evidence.within.window import Window
from monitor.readiness.gate import Standing
from monitor.saved.carried import Carried
from monitor.saved.states import Account, Waiting


class Core(Struct, array_like=True):
    """What is saved of an agent beside its runs and nodes. `offset`: the last record of the log that is in it."""

    agent: str
    offset: int
    runs: int
    failed: int
    hung: int
    silent: int
    versions: dict[str, float]
    tools: dict[str, float]
    histogram: list[int]
    next_block: int
    accounts: dict[str, Account]
    traffic: traffic.Traffic
    waiting: list[Waiting]
    first_seen: float
    last_seen: float
    loose_ids: dict[str, float]
    wake: float
    evidence: dict[str, list[int]]
    failed_runs: dict[str, list[str]]
    usual: float | None
    calls: int = 0
    loop_mass: float = FIRST_LOOP_MASS
    deploys: Deploys = field(default_factory=Deploys)
    judged: dict[str, float] = {}
    facts: list[Group] = []
    facts_begun: list[float] = []
    drift: dict[str, bytes] = {}
    """Empty, and here for those behind it: drift has blocks of its own (`Drift.save`)."""
    methods: list[bytes] = []
    """Kept in blocks of their own (`Methods.changes`); a restore puts them here, nothing else does."""
    outputs: list[int] = field(default_factory=lambda: [0, 0])
    pooled: dict[str, float] = {}
    sightings: bytes = b""
    """In a block of its own (`Sightings.changes`); a restore puts it here, nothing else does."""
    window: Window | None = None
    """How it stands against its objective, where it has one."""
    rollouts: dict[str, bytes] = {}
    """Kept in blocks of their own (`Rollouts.save`)."""
    carried: Carried = field(default_factory=Carried)
    standing: Standing | None = None
    """None where the version before wrote it."""


class Saved(Struct, array_like=True):
    """The core with its manifest: block → which of its two keys counts."""

    core: Core
    manifest: dict[str, int]
