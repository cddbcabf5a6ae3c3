"""Every bound that input can run into, by name.

What happens at a bound is said beside it; each is counted where it is applied (see the metrics).
"""

NAME_LENGTH = 512
"""Characters in an id or a name (agent, tool, run …). Longer: dead letter, `too_long`."""

LABELS = 32
"""Labels on one event. More: dead letter, `too_many_labels`."""

BODY_BYTES = 64 * 1024 * 1024
"""An HTTP body, also after decompression. More: 413."""

EVENT_BYTES = 1024 * 1024
"""One JSON event. More: dead letter, `too_large`."""

EVENTS_PER_BODY = 100_000
"""Events in one body. More: 413."""

NESTING = 64
"""Depth of the JSON that features are read from. Deeper text is kept out of the features."""

SKEW_SECONDS = 600.0
"""Distance of `time` from `observed_time` beyond which an event is taken at `observed_time`."""

EXAMPLE_RUNS = 5
"""Run ids that one finding names."""

EXCERPT_LENGTH = 200
"""Characters of agent text that a notification may show, after redaction."""
