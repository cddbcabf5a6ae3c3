"""What the web shell asks of a running monitor: one Protocol, read only.

Not an implementation: a runtime has the state, `monitor.app` hands it over. Every method is called on the event loop,
up to once a second for all readers together, so it answers from memory, at once, with values that do not change later.

Keys of `counts` and `gauges` are short metric names, followed by the values of the metric's labels: `events_received`,
`dead_letters:not_json`. The last label may hold colons. `monitor/web/metrics.py` lists the names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from schemas.alert import Incident
from schemas.view import AgentView, BudgetView, Health, RunView


class View(Protocol):
    """The state of one monitor, as people and Prometheus read it."""

    @property
    def version(self) -> str:
        """The version of Forewarn that runs."""
        ...

    def agents(self) -> Sequence[AgentView]:
        """Every agent that is known, in any order."""
        ...

    def incidents(self) -> Sequence[Incident]:
        """Open incidents, and closed ones for as long as they are kept, in any order."""
        ...

    def runs(self, limit: int) -> Sequence[RunView]:
        """The runs that closed last, newest first, at most `limit`."""
        ...

    def budgets(self) -> Sequence[BudgetView]:
        """One account per owner."""
        ...

    def health(self) -> Health:
        """The named checks behind `/livez` and `/readyz`."""
        ...

    def counts(self) -> Mapping[str, int]:
        """Counters that never fall while the process lives."""
        ...

    def gauges(self) -> Mapping[str, float]:
        """Numbers that go up and down, in base units."""
        ...
