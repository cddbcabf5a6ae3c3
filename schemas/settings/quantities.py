"""Quantities as people write them (`1 per week`, `90s`, `97%`) and as they are held: base units. And what is strict.

Knows no section of the file.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, WithJsonSchema

_UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0, "y": 31536000.0}
_PERIODS = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86400.0, "week": 604800.0, "month": 2592000.0}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|[smhdwy]))+")
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdwy])")
_RATE = re.compile(r"(\d+(?:\.\d+)?) per (second|minute|hour|day|week|month)")
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%")
_LONGEST = 292 * _UNIT_SECONDS["y"]
"""Seconds; Alertmanager's durations end there too."""


def parse_duration(value: object) -> float:
    """`1h30m`, `90s`, `500ms` → seconds. A bare number is refused: its unit would be a guess."""
    if isinstance(value, str) and _DURATION.fullmatch(value):
        seconds = sum(float(number) * _UNIT_SECONDS[unit] for number, unit in _DURATION_PART.findall(value))
        if seconds > _LONGEST:
            raise ValueError(f"{value!r} is longer than 292 years; write what you can wait for, as in `30d`")
        return seconds
    raise ValueError(f"{value!r} is no duration; write a number with a unit, as in `90s`, `15m`, `1h30m`, `30d`")


def parse_rate(value: object) -> float:
    """`1 per week` → events per second."""
    if isinstance(value, str) and (match := _RATE.fullmatch(value.strip())):
        return float(match[1]) / _PERIODS[match[2]]
    raise ValueError(f"{value!r} is no rate; write `1 per week`, `0.5 per day`, `60 per hour`")


def parse_budget(value: object) -> float:
    """A rate of false alarms, events per second: at most one, the pace at which time passes here."""
    rate = parse_rate(value)
    if rate > 1.0:
        raise ValueError(f"{value!r} is more than one false alarm a second; write `1 per week`, `3 per day`")
    return rate


def parse_share(value: object) -> float:
    """`97%` or `0.97` → 0.97, in [0, 1]."""
    share: float | None = None
    if isinstance(value, str) and (match := _PERCENT.fullmatch(value.strip())):
        share = float(match[1]) / 100.0
    elif isinstance(value, int | float) and not isinstance(value, bool):
        share = float(value)
    if share is None or not 0.0 <= share <= 1.0:
        raise ValueError(f"{value!r} is no share; write `97%` or `0.97`")
    return share


def _parse_reference(value: object) -> float:
    """`2%` (a share) or `60 per hour` (a rate, for `agent.traffic`)."""
    if isinstance(value, str) and " per " in value:
        return parse_rate(value)
    return parse_share(value)


def _schema(pattern_hint: str, examples: list[str]) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "description": pattern_hint, "examples": examples})


Duration = Annotated[float, BeforeValidator(parse_duration), _schema("a number with a unit", ["90s", "15m", "30d"])]
Rate = Annotated[float, BeforeValidator(parse_rate), _schema("a count per period", ["1 per week", "60 per hour"])]
Budget = Annotated[float, BeforeValidator(parse_budget), _schema("a count per period", ["1 per week", "3 per day"])]
Share = Annotated[
    float,
    BeforeValidator(parse_share),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "number"}], "examples": ["97%", 0.97]}),
]
Reference = Annotated[
    float,
    BeforeValidator(_parse_reference),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "number"}], "examples": ["2%", "60 per hour"]}),
]

WEEK = 604800.0
DAY = 86400.0


class Strict(BaseModel):
    """What every section of the file has in common: no unknown keys, finite numbers, no changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, allow_inf_nan=False)
