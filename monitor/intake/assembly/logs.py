"""Log events of the GenAI conventions: put on the span that they speak of, or told alone.

A judgement may come days after its run, when nobody remembers the spans; it is an event all the same, of the run that
is called like the trace. Invariant: sorted, so that the order of arrival does not matter.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from monitor.intake.assembly.events import Told, judgement_id
from monitor.intake.assembly.runs import RunKey
from monitor.intake.dialects import judgements, values
from monitor.intake.spans import LogRecord, Span, SpanEvent
from schemas import limits
from schemas.event import Event


def attach(spans: Iterable[Span], logs: Iterable[LogRecord]) -> tuple[list[Span], list[LogRecord]]:
    """The spans with the log events that name them, and the log events that name none of them."""
    found = {span.span_id: span for span in spans}
    loose = []
    for log in sorted(logs, key=lambda log: (log.time, log.name, msgspec.json.encode(log.attributes))):
        span = found.get(log.span_id)
        if span is None:
            loose.append(log)
            continue
        said = SpanEvent(log.name, log.time, log.attributes)
        found[log.span_id] = msgspec.structs.replace(span, events=[*span.events, said])
    return list(found.values()), loose


def tell_alone(trace: str, log: LogRecord, run: RunKey | None, told: Told) -> None:
    """A judgement whose span is not here: of `run`, or of the run that is called like the trace."""
    if log.name != judgements.EVALUATION_EVENT:
        told.count("spans_ignored:log_unattached")
        return
    judgement = judgements.of_event(SpanEvent(log.name, log.time, log.attributes))
    observed = log.observed_time
    skewed = observed is not None and abs(log.time - observed) > limits.SKEW_SECONDS
    producer = values.name(log.resource.get("service.name"))
    if skewed:
        told.count("events_skewed")
        told.count(f"events_skewed_by:{producer or 'unknown'}")
    told.events.append(
        Event(
            kind="evaluation",
            time=observed if skewed and observed is not None else log.time,
            id=f"{trace}:{log.span_id or '-'}:evaluation:{judgement_id(judgement)}",
            observed_time=observed,
            producer=producer,
            agent=run.agent if run else None,
            version=run.version if run else None,
            run=run.run if run else trace,
            name=judgement.name,
            score=judgement.score,
            label=judgement.label,
        )
    )
