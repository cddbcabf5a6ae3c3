"""Every bound that input can run into, by name.

What happens at a bound is said beside it; each is counted where it is applied (see the metrics).
"""

from collections.abc import Collection
from typing import Final

NAME_LENGTH: Final = 512
"""Characters in an id or a name (agent, tool, run …). Longer: dead letter, `too_long`."""

LABELS: Final = 32
"""Labels on one event. More: dead letter, `too_many_labels`."""

BODY_BYTES = 64 * 1024 * 1024
"""An HTTP body, also after decompression. More: 413."""

EVENT_BYTES = 1024 * 1024
"""One JSON event. More: dead letter, `too_large`."""

EVENTS_PER_BODY: Final = 100_000
"""Events in one body. More: 413."""

NESTING: Final = 64
"""Depth of the JSON that features are read from. Deeper text is kept out of the features."""

SHAPE_NUMBERS: Final = 128
"""Numbers in the shape of one output. More: dead letter, `too_long`; a list of another length than ours is left out."""

FIELDS_READ: Final = 41
"""Fields that one event names of a tool's arguments or result: forty, and one that says that there are more. More: dead
letter, `too_long`."""

VIOLATIONS_READ: Final = 32
"""Rules of a contract that one event breaks, and claims that it makes. More: dead letter, `too_long`; our own reading
stops there."""

COUNTED: Final = 2**53 - 1
"""The largest number of tokens, hits or tries; not all readers of JSON read a larger one. More: dead letter,
`bad_value`."""

DURATION_SECONDS: Final = 315_360_000.0
"""How long one thing may take: ten years. Longer: dead letter, `bad_value`; of a span, taken as this."""

COST_USD: Final = 1e9
"""What one thing may cost. More: dead letter, `bad_value`; of a span, left out."""

COUNT_NAMES: Final = 1_000
"""Names under which one part counts: producers name themselves in some. More are summed under `_other` in place of what
they count by (`counted_as`)."""

SKEW_SECONDS: Final = 600.0
"""Distance of `time` from `observed_time` beyond which an event is taken at `observed_time`."""

EXAMPLE_RUNS: Final = 5
"""Run ids that one finding names."""

EXCERPT_LENGTH: Final = 200
"""Characters of agent text that a notification may show, after redaction."""


def counted_as(name: str, known: Collection[str], most: int = COUNT_NAMES) -> str:
    """The name under which something is counted, as `what:by`, where no more than `most` names are to be known."""
    if ":" not in name or name in known or len(known) < most:
        return name
    return f"{name.partition(':')[0]}:_other"
