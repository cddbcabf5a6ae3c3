"""Late truth: what others say of a run after it has closed, as observations of `run.rejected` and `user.unhappy`.

An `evaluation` is one observation of `run.rejected`, good or bad. Feedback, a complaint, and the same input given again
at once are each one bad observation of `user.unhappy`; its good ones are the closed runs themselves, counted from the
first word of any user on (before it, all runs were good). However much is said of a run, it counts once as good and
once as bad: a word against it is news although there was one for it, or a verifier that passes everything would silence
the judge that comes after it. With the share of bad observations that such runs have, E[L(0) L(1)^bad] <= 1 still.
"""

from __future__ import annotations

from schemas.event import Event

REJECTED = "run.rejected"
UNHAPPY = "user.unhappy"
PASSING_SCORE = 0.5
"""Scores below it reject the run."""
FAILING_LABELS = frozenset(
    ("fail", "failed", "failing", "failure", "bad", "incorrect", "wrong", "rejected", "no", "false", "unsatisfactory",
     "hallucinated", "hallucination", "unfaithful", "irrelevant", "unsafe", "toxic", "harmful", "negative", "poor")
)  # fmt: skip
PASSING_LABELS = frozenset(
    ("pass", "passed", "passing", "success", "good", "correct", "right", "accepted", "yes", "true", "satisfactory",
     "faithful", "relevant", "safe", "positive", "excellent")
)  # fmt: skip
JUDGED = 2_000
"""Runs of one agent of which it is known that they were judged. More: the oldest may be judged again."""


def verdict(event: Event) -> tuple[str, float] | None:
    """The signal that an event speaks of, and 1 if it speaks against the run; None where it says nothing."""
    if event.kind == "evaluation":
        label = (event.label or "").strip().lower()
        if label in FAILING_LABELS:
            return REJECTED, 1.0
        if event.score is not None:
            return REJECTED, float(event.score < PASSING_SCORE)
        return (REJECTED, 0.0) if label in PASSING_LABELS else None
    if event.kind == "complaint":
        return UNHAPPY, 1.0
    if event.kind == "feedback" and event.rating is not None and event.rating < 0.0:
        return UNHAPPY, 1.0
    return None


def first_of(judged: dict[str, float], signal: str, about: str, bad: bool, now: float) -> bool:
    """Whether this is news of what it is `about` (a run, else a session or user, else an id), under this signal.

    What is bad is news once, what is good only where nothing was said yet.
    """
    good, worse = f"{signal}|{about}", f"{signal}!{about}"
    if worse in judged or (good in judged and not bad):
        return False
    judged[worse if bad else good] = now
    if len(judged) > JUDGED:
        del judged[next(iter(judged))]
    return True


def about(event: Event) -> str:
    """What an event speaks of, so that it counts once."""
    if event.run is not None:
        return event.run
    if event.session is not None:
        return f"session {event.session}"
    return f"user {event.user}" if event.user is not None else f"event {event.id}"
