"""The metrics: `METRICS` is the whole list, `Exposition` writes them for Prometheus.

Not where things are counted: a runtime counts under short names (see `monitor.web.view`), this module gives them their
public names, help and labels. `docs/metrics.md` is this list, held equal by a test.

Invariant: no label holds an id of a run, a user or a node, and no label has more than `LABEL_VALUES` values; what comes
later is summed under `_other`, and the fold is counted. A counter that can be known beforehand begins at 0: Prometheus
compares nothing with a series that is not there, and sees no rise of one that begins above 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from monitor.web.guard import Refusal
from monitor.web.view import View
from schemas.alert import NotificationReason
from schemas.event import Reason
from schemas.view import AgentView

LABEL_VALUES = 200
"""Values of one label of one metric. First come, first kept; the others share `_other`."""

LABEL_LENGTH = 200
"""Characters of one label value; what is longer is cut and ends in `…`."""

OTHER = "_other"

Family = CounterMetricFamily | GaugeMetricFamily


@dataclass(frozen=True)
class Metric:
    """One metric. `name` without `forewarn_` and, for counters, without `_total`: the key under which it is counted.

    `values`: all values of its one label, where they are a closed list.
    """

    name: str
    kind: Literal["counter", "gauge"]
    help: str
    labels: tuple[str, ...] = ()
    values: tuple[str, ...] = ()

    @property
    def at_first(self) -> dict[tuple[str, ...], float]:
        """Samples by values of labels, before anything was counted: zeros, where a counter's series are known."""
        if self.kind == "gauge":
            return {}
        return {(value,): 0.0 for value in self.values} if self.labels else {(): 0.0}

    @property
    def public_name(self) -> str:
        """As Prometheus shows it."""
        return f"forewarn_{self.name}" + ("_total" if self.kind == "counter" else "")


def _counter(name: str, help_text: str, *labels: str, values: Iterable[str] = ()) -> Metric:
    return Metric(name, "counter", help_text, labels, tuple(values))


def _gauge(name: str, help_text: str, *labels: str) -> Metric:
    return Metric(name, "gauge", help_text, labels)


METRICS: tuple[Metric, ...] = (
    # what came in
    _counter("events_received", "Events that the intake or the topic brought."),
    _counter("events_duplicate", "Events dropped because their id was seen before."),
    _counter("events_late", "Events that came after their run was closed."),
    _counter(
        "events_behind",
        "Events further behind the latest one of their producer than `late_after`: taken, dropped.",
        "kind",
        values=("taken", "dropped"),
    ),
    _gauge(
        "producer_watermark_timestamp_seconds", "The latest event time of a producer, in epoch seconds.", "producer"
    ),
    _counter("events_skewed", "Events taken at the time of receipt because their own was too far from it.", "producer"),
    _counter("events_skipped", "Events of a kind that this version does not know."),
    _counter("events_unattributed", "Events without an agent that no recent run could claim."),
    _counter("events_forwarded", "Events that stood on another partition than their agent's and were sent on."),
    _counter("events_copied", "Changes that name no agent and were copied to every partition."),
    _counter(
        "dead_letters",
        "Events that could not be read, by reason.",
        "reason",
        values=[reason for reason in Reason if reason != Reason.UNKNOWN_KIND],
    ),
    _counter("spans_received", "OpenTelemetry spans that the intake or the topic brought."),
    _counter("logs_received", "OpenTelemetry log records of agents that the intake or the topic brought."),
    _counter(
        "spans_rejected", "Spans and log records that could not be read; a body leaves 1,000 dead letters at most."
    ),
    _counter("spans_ignored", "Spans that are no event of an agent, by reason.", "reason"),
    _counter("traces_timed_out", "Traces whose root span never came."),
    _gauge("traces_open", "Traces that wait for spans."),
    _counter("bodies_refused", "Request bodies that the intake refused whole, by reason.", "reason"),
    _counter("bodies_ignored", "Request bodies that were taken and not looked at: OpenTelemetry metrics.", "reason"),
    # what the engine made of it
    _counter("runs_closed", "Runs that closed, for whatever reason."),
    _counter("evicted", "Things dropped at a named limit, by reason: runs, nodes, ids, agents, slices.", "reason"),
    _gauge("nodes", "Nodes that collect evidence."),
    _counter("findings", "Findings that began an episode, by signal.", "signal"),
    _counter("ticks", "Ticks of the clock that the engine has taken."),
    _gauge(
        "tick_age_seconds",
        "Seconds since the last tick, where it is longest ago; large means that the monitor is blind.",
    ),
    _counter("blind_gaps", "Gaps in the ticks: times that the monitor did not see."),
    _gauge("lag_records", "Records that wait in a topic or log.", "topic"),
    _gauge("partitions_assigned", "Partitions of a topic that this worker works on.", "topic"),
    _gauge("recovery_records", "Records of state that a recovery has still to read; 0 while there is none."),
    _counter("rebalances", "Times that partitions were dealt out anew."),
    _counter("state_outdated", "Records of state left out because a later owner had written."),
    _counter("state_behind", "Times that reading began before the committed offset, for the state was older."),
    _counter("records_skipped", "Records past which somebody moved the group's offset by hand."),
    _counter("state_healed", "Times that state was written over what a worker wrote that had lost it unawares."),
    # what went out
    _gauge("incidents_open", "Incidents that are open."),
    _gauge("rollouts", "Canaries and shadows that go on, by verdict.", "verdict"),
    _counter(
        "notifications", "Notifications that the router decided on, by reason.", "reason", values=NotificationReason
    ),
    _counter(
        "notifications_withheld", "Times that the router looked and told a receiver nothing, by reason.", "reason"
    ),
    _counter(
        "actions", "Alerts posted, silences set and deeds of people that the router took, by what it was.", "kind"
    ),
    _counter(
        "actions_refused", "Actions that the router did not take: senseless, beyond a bound, or too late.", "kind"
    ),
    _counter(
        "owners_unknown",
        "Incidents and groups of an owner whom the configuration does not name: the default owner was told.",
    ),
    _counter("escalations", "Incidents that went to the next owner because nobody acknowledged."),
    _counter("incidents_reopened", "Incidents that fired again soon after their end."),
    _counter("actions_repeated", "Actions that came twice after a crash and were taken once."),
    _counter("reloads_failed", "Reloads that left the old configuration in force."),
    _counter("deliveries", "Deliveries that a receiver took."),
    _counter("deliveries_failed", "Attempts to deliver that failed, by reason; most are made again.", "reason"),
    _counter(
        "deliveries_given_up",
        "Deliveries that were refused: tried again slowly for a day, then when there is news or a restart.",
    ),
    _counter("slack_presses", "Buttons in Slack that were pressed and recorded, by what they do.", "kind"),
    _counter("slack_presses_refused", "Presses in Slack that were not taken, by reason.", "reason"),
    _counter("slack_complaints", "Reactions in Slack that were recorded as complaints."),
    _counter("slack_complaints_refused", "Reactions in Slack that mean a complaint and were not taken.", "reason"),
    _gauge("outbox_pending", "Deliveries that wait to be sent."),
    # agents and owners, read from the view
    _counter("agent_runs", "Runs of an agent that closed.", "agent"),
    _counter("agent_runs_failed", "Runs of an agent with status error.", "agent"),
    _counter("agent_runs_hung", "Runs of an agent that never came to an end.", "agent"),
    _counter("agent_runs_silent", "Runs of an agent with status ok that went wrong all the same.", "agent"),
    _gauge("agent_runs_open", "Runs of an agent that have not closed.", "agent"),
    _gauge("agent_last_seen_timestamp_seconds", "When an agent was last heard of, in epoch seconds.", "agent"),
    _gauge("agents", "Agents in a state.", "state"),
    _gauge("budget_granted_pages", "False pages that an owner's budget has granted so far.", "owner"),
    _counter("budget_pages", "Pages that alerts spent of an owner's budget, told to the owner or not.", "owner"),
    _gauge("budget_granted_notices", "False notices that an owner's budget has granted so far.", "owner"),
    _counter("budget_notices", "Notices that alerts spent of an owner's budget, told to the owner or not.", "owner"),
    # the monitor itself
    _gauge("build_info", "Always 1; the version is in the label.", "version"),
    _gauge("ready", "1 when `/readyz` says yes."),
    _counter(
        "requests_refused", "Requests refused before they reached a handler, by reason.", "reason", values=Refusal
    ),
    _gauge("live_clients", "Pages that receive live updates."),
    _counter("live_refused", "Pages that got no live updates because too many had them."),
    _gauge("folded_samples", "Samples of this scrape summed under `_other` because a label had too many values."),
    _gauge("unlisted_counts", "Counters and gauges of the monitor that this list does not know: a fault of ours."),
)

BY_NAME: Mapping[str, Metric] = {metric.name: metric for metric in METRICS}

DERIVED = frozenset(
    ("agents", "build_info", "folded_samples", "incidents_open", "ready", "rollouts", "unlisted_counts")
)
"""Read from the view or made here; a count of the same name is not taken a second time."""

_AGENT_COUNTERS = (
    ("agent_runs", "runs"),
    ("agent_runs_failed", "failed"),
    ("agent_runs_hung", "hung"),
    ("agent_runs_silent", "silent"),
    ("agent_runs_open", "open_runs"),
)
_VERDICTS = ("promote", "hold", "roll back")
_STATES = ("warming up", "healthy", "incident", "silent", "blind")


def split_key(key: str) -> tuple[Metric, tuple[str, ...]] | None:
    """`dead_letters:not_json` → its metric and label values; None if the list has no such metric or shape."""
    name, *rest = key.split(":", 1)
    metric = BY_NAME.get(name)
    if metric is None or bool(rest) != bool(metric.labels):
        return None
    values = tuple(rest[0].split(":", len(metric.labels) - 1)) if rest else ()
    return (metric, values) if len(values) == len(metric.labels) else None


def unlisted(view: View) -> list[str]:
    """Keys of the view's counts and gauges that `METRICS` has no place for, sorted."""
    return sorted(key for key in (*view.counts(), *view.gauges()) if split_key(key) is None)


class Exposition(Collector):
    """Reads the view when Prometheus asks. Remembers which label values it has shown, and nothing else."""

    def __init__(
        self, view: View, counts: Mapping[str, int], gauges: Callable[[], Mapping[str, float]] = lambda: {}
    ) -> None:
        """`counts` and `gauges` are the web shell's own, under the same keys as the view's."""
        self._view = view
        self._counts = counts
        self._gauges = gauges
        self._folded = 0
        self._shown: dict[tuple[str, int], set[str]] = {}
        self.registry = CollectorRegistry()
        self.registry.register(self)
        ProcessCollector(registry=self.registry)

    def describe(self) -> Iterable[Family]:
        """Nothing: registering must not read the view."""
        return ()

    def render(self, accept: str) -> tuple[bytes, str]:
        """The body and its content type, in the format that `accept` prefers."""
        encoder, content_type = choose_encoder(accept)
        return encoder(self.registry), content_type

    def collect(self) -> Iterator[Family]:
        """One family per metric of the list that has a sample."""
        self._folded = 0
        samples: dict[str, dict[tuple[str, ...], float]] = {
            metric.name: metric.at_first for metric in METRICS if metric.at_first
        }
        for metric, values, value in self._read():
            family = samples.setdefault(metric.name, {})
            kept = tuple(self._bounded(metric, place, text) for place, text in enumerate(values))
            if kept in family and metric.name.endswith("_timestamp_seconds"):
                family[kept] = max(family[kept], value)
            else:
                family[kept] = family.get(kept, 0.0) + value
        samples["folded_samples"] = {(): float(self._folded)}
        samples["unlisted_counts"] = {(): float(len(unlisted(self._view)))}
        for metric in METRICS:
            if metric.name in samples:
                family_type = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
                shown: Family = family_type(metric.public_name, metric.help, labels=metric.labels)
                for values, value in sorted(samples[metric.name].items()):
                    shown.add_metric(values, value)
                yield shown

    def _read(self) -> Iterator[tuple[Metric, tuple[str, ...], float]]:
        view = self._view
        yield BY_NAME["build_info"], (view.version,), 1.0
        yield BY_NAME["ready"], (), float(view.health().is_ready)
        for key, value in (
            *view.counts().items(),
            *view.gauges().items(),
            *self._counts.items(),
            *self._gauges().items(),
        ):
            found = split_key(key)
            if found is not None and found[0].name not in DERIVED:
                yield *found, float(value)
        yield BY_NAME["incidents_open"], (), sum(1.0 for incident in view.incidents() if incident.status == "firing")
        yield from _agents(view.agents())
        if view.router is not None:
            going = Counter[str](each.seen.verdict for each in view.router.rollouts() if each.ended_at is None)
            for verdict in _VERDICTS:
                yield BY_NAME["rollouts"], (verdict,), float(going[verdict])
        for budget in view.budgets():
            owner = (budget.owner,)
            yield BY_NAME["budget_granted_pages"], owner, budget.granted
            yield BY_NAME["budget_pages"], owner, budget.spent
            yield BY_NAME["budget_granted_notices"], owner, budget.notices_granted
            yield BY_NAME["budget_notices"], owner, budget.notices_spent

    def _bounded(self, metric: Metric, place: int, value: str) -> str:
        if len(value) > LABEL_LENGTH:
            value = value[: LABEL_LENGTH - 1] + "…"
        shown = self._shown.setdefault((metric.name, place), set())
        if value in shown:
            return value
        if len(shown) >= LABEL_VALUES:
            self._folded += 1
            return OTHER
        shown.add(value)
        return value


def _agents(agents: Iterable[AgentView]) -> Iterator[tuple[Metric, tuple[str, ...], float]]:
    states = Counter[str]()
    for agent in sorted(agents, key=lambda agent: agent.agent):
        states[agent.state] += 1
        for name, field in _AGENT_COUNTERS:
            yield BY_NAME[name], (agent.agent,), float(getattr(agent, field))
        yield BY_NAME["agent_last_seen_timestamp_seconds"], (agent.agent,), agent.last_seen
    for state in _STATES:
        yield BY_NAME["agents"], (state,), float(states[state])
