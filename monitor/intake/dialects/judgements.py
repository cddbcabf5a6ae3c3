"""Evaluations and annotations that came on spans or as log events → judgements.

Invariant: the same judgement sent twice reads the same, so that its event has the same id.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

from monitor.intake.dialects import values
from monitor.intake.dialects.reading import Judgement
from monitor.intake.spans import Span, SpanEvent

EVALUATION_EVENT = "gen_ai.evaluation.result"
PER_SPAN = 100
"""Judgements of one span that are read; further ones are left out."""

_FLAT = re.compile(r"(?:trace\.|session\.)?(?:evaluations|annotations)\.\d+\.(?:evaluation|annotation)\.")
_GOOD = frozenset(("thumbs_up", "thumbs-up", "up", "positive", "good", "like", "liked", "correct", "helpful", "yes"))
_BAD = frozenset(
    ("thumbs_down", "thumbs-down", "down", "negative", "bad", "dislike", "disliked", "incorrect", "unhelpful", "no")
)


def of_span(span: Span) -> list[Judgement]:
    """All judgements that stand in a span's attributes."""
    return list(islice(_flattened(span), PER_SPAN))


def of_event(event: SpanEvent) -> Judgement | None:
    """The judgement of a `gen_ai.evaluation.result` event; None for any other."""
    if event.name != EVALUATION_EVENT:
        return None
    attributes = event.attributes
    return Judgement(
        name=values.name(attributes.get("gen_ai.evaluation.name")) or "evaluation",
        time=event.time,
        score=values.number(attributes.get("gen_ai.evaluation.score.value")),
        label=values.name(attributes.get("gen_ai.evaluation.score.label")),
    )


def rating(judgement: Judgement) -> float | None:
    """A human's judgement as -1..1: the label where it says good or bad, else a score of 0..1 (below 0: bad)."""
    label = (judgement.label or "").lower()
    if label in _GOOD:
        return 1.0
    if label in _BAD:
        return -1.0
    if judgement.score is None:
        return None
    return -1.0 if judgement.score < 0.0 else min(1.0, 2.0 * judgement.score - 1.0)


def _flattened(span: Span) -> Iterator[Judgement]:
    groups: dict[str, dict[str, Any]] = {}
    for attribute, value in span.attributes.items():
        if match := _FLAT.match(attribute):
            groups.setdefault(match[0], {})[attribute[match.end() :]] = value
    for _, group in sorted(groups.items()):
        yield Judgement(
            name=values.name(group.get("name")) or "evaluation",
            time=span.end,
            score=values.number(group.get("score")),
            label=values.name(group.get("label")),
            human=str(group.get("annotator_kind")).upper() == "HUMAN",
        )
