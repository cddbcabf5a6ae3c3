"""`decode` looks at most events at a glance; it must take and refuse what `check` does, and say the same."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from schemas import limits
from schemas.event import LATEST_TIME, REQUIRED, BadEvent, Event, check, decode

_NAMES = st.sampled_from(["a", "", "é"])
_TIMES = st.sampled_from([0.0, -0.0, 1, 1.8e9, -1.0, LATEST_TIME, LATEST_TIME - 1.0, 1.8e12, "2026-01-01T00:00:00Z"])
_LABELS = st.sampled_from([0, 1, limits.LABELS, limits.LABELS + 1]).map(lambda n: {str(i): "v" for i in range(n)})
_EVENTS = st.fixed_dictionaries(
    {"id": st.just("i"), "kind": st.sampled_from([*REQUIRED, "forewarn.tick", "dream", ""]), "time": _TIMES},
    optional={
        **dict.fromkeys(("agent", "run", "tool", "name", "to_agent", "version", "producer"), _NAMES),
        "component": st.just("tool:a"),
        "labels": _LABELS,
        "schema_version": st.sampled_from([1, 2]),
    },
)
_plain = msgspec.json.Decoder(Event)


@given(_EVENTS)
def test_a_glance_says_what_the_check_says(sent: dict[str, object]) -> None:
    raw = msgspec.json.encode(sent)
    try:
        wanted: object = check(_plain.decode(raw))
    except BadEvent as error:
        wanted = str(error)
    try:
        found: object = decode(raw)
    except BadEvent as error:
        found = str(error)
    assert found == wanted
