"""The three detectors that the others run per agent and event: river's, with their defaults. Only river is imported."""

from __future__ import annotations

from river import drift
from river.drift import binary


class Three:
    """DDM on failures, ADWIN on durations, PageHinkley on tokens, of one agent."""

    def __init__(self) -> None:
        self.failures = binary.DDM()
        self.durations = drift.ADWIN()
        self.tokens = drift.PageHinkley()

    def update(self, failed: bool, duration: float | None, tokens: int | None) -> list[str]:
        """Feed all three; the names of those that see a change."""
        self.failures.update(failed)
        self.durations.update(duration or 0.0)
        self.tokens.update(tokens or 0)
        found = []
        if self.failures.drift_detected:
            found.append("failures")
        if self.durations.drift_detected:
            found.append("durations")
        if self.tokens.drift_detected:
            found.append("tokens")
        return found
