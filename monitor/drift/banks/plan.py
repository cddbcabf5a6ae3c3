"""How the banks of all agents are laid out: the channels, and what the YAML wants of each signal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from detectors.drift import Channel, Plan, Signal
from monitor.drift import anomaly
from monitor.drift.channels import ROWS
from schemas.config import DetectorSettings

WEIGHTS = {"run.output_shape": 3.0, "run.tool_mix": 3.0}
"""Parts of the budget; of every other signal 1."""
SUSTAINED = {"run.output_shape": 12}
"""Runs that a page needs where the YAML does not say: who reads outputs by machine breaks at once."""
TOLERANCE = 1.5
TIMED = frozenset(("run.duration_seconds", "run.steps", "run.tokens", "run.cost_usd", "run.retries"))
"""Signals that hang on how long runs take: of a new version the quick ones end first."""

DECLARABLE = {
    "agent.fallback": "fallback",
    "agent.escalation": "escalation",
    "agent.guardrail": "guardrail acts",
    "retrieval.empty": "empty",
    "retrieval.repeated": "same document",
}
"""Signal → the channel that takes a `reference:` as the most that is normal."""

CHANNELS: tuple[Channel, ...] = tuple(
    Channel(row.name, row.signal, row.kind, harmless=row.harmless, by_points=row.by_points, apart=row.apart)
    for row in ROWS
)
POSITIONS = {channel.name: i for i, channel in enumerate(CHANNELS)}
TIMED_POSITIONS = tuple(i for i, row in enumerate(ROWS) if row.signal in TIMED)


class Plans:
    """What the YAML wants of drift; shared by all agents of a process, for it holds the working memory of a step."""

    def __init__(self, settings: Mapping[str, DetectorSettings], labels: Sequence[str] = ()) -> None:
        self.settings = settings
        self.labels = tuple(labels)
        """Declared labels of runs to which a change is narrowed down, as to tenants."""
        self.plan = Plan(channels_of(settings), signals_of(settings))
        unwatched = (signal.name for signal in self.plan.signals if signal.notice_share == 0.0)
        self.off = frozenset(unwatched) - {anomaly.SIGNAL}
        self.on = any(signal.notice_share for signal in self.plan.signals)
        self.unusual = anomaly.wanted(settings)


def channels_of(settings: Mapping[str, DetectorSettings]) -> tuple[Channel, ...]:
    """The channels of a bank, with what the YAML declares to be normal."""
    declared = {DECLARABLE[name]: one.reference for name, one in settings.items() if name in DECLARABLE}
    return tuple(msgspec.structs.replace(one, declared=declared.get(one.name)) for one in CHANNELS)


def signals_of(settings: Mapping[str, DetectorSettings]) -> tuple[Signal, ...]:
    """The signals of a bank as the YAML wants them; one that is off has no part of the budget."""
    names = list(dict.fromkeys(row.signal for row in ROWS))
    on = [name for name in names if is_on(name, settings)]
    whole = sum(WEIGHTS.get(name, 1.0) for name in on) or 1.0
    found = []
    for name in names:
        setting = settings.get(name, _NO_SETTING)
        share = WEIGHTS.get(name, 1.0) / whole if name in on else 0.0
        written = "sustained" in setting.model_fields_set
        found.append(
            Signal(
                name,
                notice_share=share,
                page_share=share if setting.mode in (None, "page") else 0.0,
                tolerance=setting.tolerance or TOLERANCE,
                sustained=setting.sustained if written else SUSTAINED.get(name, setting.sustained),
                points=setting.material.share,
                factor=setting.material.factor,
            )
        )
    return tuple(found)


def is_on(signal: str, settings: Mapping[str, DetectorSettings]) -> bool:
    """Whether the banks watch a signal: not where it is off, and not where a detector of river's does."""
    if signal == anomaly.SIGNAL:
        return anomaly.wanted(settings)
    setting = settings.get(signal)
    return setting is None or (setting.mode != "off" and setting.method is None)


_NO_SETTING = DetectorSettings()
