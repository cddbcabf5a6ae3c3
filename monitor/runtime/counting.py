"""How the counters of the pure parts are called in the metrics: one row each. What has no row is not shown.

And how they are added up where parts come and go: see `Totals`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from typing import Final, Generic, TypeVar

from schemas.limits import counted_as

P = TypeVar("P")

GONE_NAMES: Final = 10_000
"""Names under which parts that went are counted, as `limits.COUNT_NAMES`: each new part has room for others."""

NAMES = {
    # monitor.engine, monitor.evidence
    "events": "events_received",
    "duplicates": "events_duplicate",
    "late": "events_late",
    "unassigned": "events_unattributed",
    "runs": "runs_closed",
    "ticks": "ticks",
    "blind_gaps": "blind_gaps",
    "agents_refused": "evicted:agents",
    "runs_evicted": "evicted:open_runs",
    "closed_forgotten": "evicted:closed_runs",
    "ids_unchecked": "evicted:event_ids",
    "loose_ids_forgotten": "evicted:loose_ids",
    "tools_folded": "evicted:tools_of_a_run",
    "nodes_evicted": "evicted:nodes",
    "order_forced": "evicted:waiting_observations",
    "slices_evicted": "evicted:parts_of_a_slice",
    "kinds_folded": "evicted:kinds_of_a_run",
    "fields_folded": "evicted:fields_of_a_run",
    "used_folded": "evicted:used_of_a_run",
    "uses_forgotten": "evicted:uses_of_an_agent",
    "unready_unsaid": "evicted:unready_tools",
    "facts_evicted": "evicted:facts",
    "facts_held": "evicted:first_words_of_facts",
    "promises_dropped": "evicted:deploys",
    "versions_forgotten": "evicted:drift_banks",
    "answers_forgotten": "evicted:output_fields",
    "marks_forgotten": "evicted:output_marks",
    "looks_forgotten": "evicted:tool_looks",
    "traits_forgotten": "evicted:tool_traits",
    "outputs_forgotten": "evicted:outputs_of_a_version",
    "banks_relearned": "evicted:references",
    "drift_episodes_dropped": "evicted:drift_episodes",
    "drift_states_forgotten": "evicted:drift_states",
    "parents_refused": "evicted:nodes_above_agents",
    "accounts_refused": "evicted:accounts",
    "pairs_forgotten": "evicted:runs_without_their_pair",
    "shadows_without_pair": "evicted:runs_without_their_pair",
    "rollouts_forced": "evicted:waiting_runs_of_a_canary",
    "sightings_forgotten": "evicted:sightings",
    "sightings_untold": "evicted:sightings",
    # monitor.intake.assembler
    "spans": "spans_received",
    "logs": "logs_received",
    "traces_timed_out": "traces_timed_out",
    # monitor.alerting.router
    "owner unknown": "owners_unknown",
    "owner not called": "evicted:calls_of_a_message",
    "overflow": "evicted:incidents_of_an_owner",
    "escalated": "escalations",
    "reopened": "incidents_reopened",
    "alert refused": "actions_refused:alert",
    "silence refused": "actions_refused:silence",
    "deed without effect": "actions_refused:deed",
    "alert dropped": "evicted:alerts",
    "alert without group": "evicted:groups",
    "silence forgotten": "evicted:silences",
    "changes forgotten": "evicted:changes",
    "unannounced unsaid": "notifications_withheld:unannounced",
    "rollouts forgotten": "evicted:rollouts",
    "complaints forgotten": "evicted:complaints",
    "objectives forgotten": "evicted:objectives",
    # monitor.alerting.blind
    "producers_unwatched": "evicted:producers",
    "places_unwatched": "evicted:places",
    # monitor.notify.outbox
    "sent": "deliveries",
    "sent lines": "deliveries",
    "given up": "deliveries_given_up",
    "lines given up": "deliveries_given_up",
    "dropped": "evicted:deliveries",
    # batches of the intake
    "rejected_spans": "spans_rejected",
    "rejected_log_records": "spans_rejected",
    "events_skipped": "events_skipped",
}
"""Counter of a part → key for `monitor.web.metrics`."""

PREFIXES = {
    "notification ": "notifications:",
    "quiet ": "notifications_withheld:",
    "failed ": "deliveries_failed:",
    "events_skewed_by:": "events_skewed:",
    "spans_ignored:": "spans_ignored:",
    "evicted:": "evicted:",
    "bodies_refused:": "bodies_refused:",
    "bodies_ignored:": "bodies_ignored:",
}
"""The same for counters that end in what they count by."""


def published(*parts: Mapping[str, int]) -> Counter[str]:
    """The counters that have a name outside, under it; the same name of several parts is summed."""
    found = Counter[str]()
    for counts in parts:
        for own, count in counts.items():
            if count and (name := _name(own)) is not None:
                found[name] += count
    return found


class Totals(Generic[P]):
    """What parts have counted while they were here, added up. It only rises, whoever comes and goes.

    `counts_of`: what a part has counted, by metric name; what it had counted before it came was shown then, by this
    process or by another. `saved`: a part's counts are in its state. What was not saved when it went, and is counted
    again by the next one of its name, then counts once.
    """

    def __init__(self, counts_of: Callable[[P], Counter[str]], *, saved: bool = False) -> None:
        self._counts_of = counts_of
        self._saved = saved
        self._here: dict[Hashable, tuple[P, Counter[str]]] = {}
        """Each part, and the counts beyond which it counts."""
        self._left: dict[Hashable, Counter[str]] = {}
        self._gone: Counter[str] = Counter()

    def hold(self, parts: Mapping[Hashable, P]) -> None:
        """These are here from now on, and no others, each by a name of its own."""
        for name, (part, base) in list(self._here.items()):
            if parts.get(name) is not part:
                counts = self._counts_of(part)
                self._add(counts - base)
                del self._here[name]
                if self._saved:
                    self._left[name] = counts | base
        for name, part in parts.items():
            if name not in self._here:
                self._here[name] = part, self._counts_of(part) | self._left.pop(name, Counter())

    def total(self) -> Counter[str]:
        """All that was counted, by metric name."""
        return sum((self._counts_of(part) - base for part, base in self._here.values()), self._gone)

    def _add(self, counts: Counter[str]) -> None:
        for name, count in counts.items():
            self._gone[counted_as(name, self._gone, GONE_NAMES)] += count


def _name(own: str) -> str | None:
    if own in NAMES:
        return NAMES[own]
    for prefix, name in PREFIXES.items():
        if own.startswith(prefix):
            return name + own.removeprefix(prefix)
    return None
