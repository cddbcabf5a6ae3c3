"""The `report:` of the YAML: the weekly message about how well the monitor served its owners."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from schemas.settings.quantities import Strict

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class Reporting(Strict):
    """When the report of the last seven days is sent, and to whom."""

    weekly: Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "off"] = "off"
    """The day on which it is sent."""
    hour: int = Field(default=9, ge=0, le=23)
    """The hour of that day, UTC."""
    to: str | None = None
    """An owner or receiver who gets the report on all owners; by default each owner gets the report on their own."""
