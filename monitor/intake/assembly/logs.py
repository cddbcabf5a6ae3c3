"""Log events of the GenAI conventions: put on the span that they speak of, or told alone.

A judgement may come days after its run, when nobody remembers the spans; it is an event all the same, of the run that
is called like the trace. Invariant: sorted, so that the order of arrival does not matter.
"""

from __future__ import annotations

from collections.abc import Mapping

from monitor.intake import mapping
from monitor.intake.assembly.events import Told, judgement_id
from monitor.intake.assembly.runs import RunKey
from monitor.intake.assembly.texts import Log
from monitor.intake.dialects.reading import Reading
from schemas import limits
from schemas.event import Event


def attach(readings: Mapping[str, Reading], logs: Mapping[str, Log]) -> list[Log]:
    """Adds (in place) what log events say of the spans that they name; returns those that name none of them."""
    loose = []
    for _, log in sorted(logs.items(), key=_order):
        reading = readings.get(log.span_id)
        if reading is None:
            loose.append(log)
        else:
            mapping.hear(reading, log.said)
    return loose


def tell_alone(trace: str, log: Log, run: RunKey | None, told: Told) -> None:
    """A judgement whose span is not here: of `run`, or of the run that is called like the trace."""
    judgement = log.said.judgement
    if judgement is None:
        told.count("spans_ignored:log_unattached")
        return
    observed = log.observed_time
    skewed = observed is not None and abs(log.time - observed) > limits.SKEW_SECONDS
    if skewed:
        told.count("events_skewed")
        told.count(f"events_skewed_by:{log.producer or 'unknown'}")
    told.events.append(
        Event(
            kind="evaluation",
            time=observed if skewed and observed is not None else log.time,
            id=f"{trace}:{log.span_id or '-'}:evaluation:{judgement_id(judgement)}",
            observed_time=observed,
            producer=log.producer,
            agent=run.agent if run else None,
            version=run.version if run else None,
            run=run.run if run else trace,
            name=judgement.name,
            score=judgement.score,
            label=judgement.label,
        )
    )


def _order(entry: tuple[str, Log]) -> tuple[float, str]:
    return entry[1].time, entry[0]
