"""What agents tell the aggregator: many in one record, and no record too large."""

from __future__ import annotations

import msgspec
import pytest

from monitor.runtime.kafka.events import EVIDENCE_BYTES, evidence_lines
from schemas.records import Evidence, EvidenceBatch

SUMS = (1, 2, 3, 4, 5, 6)


def batches(count: int, nodes: int = 1) -> list[EvidenceBatch]:
    evidence = tuple(Evidence(f"run.failed|tool|t{number}", SUMS, 9, 0, 1 << 30) for number in range(nodes))
    return [EvidenceBatch(f"agent-{number}", 0, 1.0, evidence, ("one",)) for number in range(count)]


@pytest.mark.parametrize(
    ("told", "records"),
    [
        (batches(0), 0),
        (batches(1), 1),
        (batches(500), 1),
        (batches(40, nodes=200), None),  # too much for one
        (batches(2, nodes=20_000), 2),  # one agent's is never cut
    ],
)
def test_evidence_of_many_agents_is_few_records_with_all_of_it_in_order(
    told: list[EvidenceBatch], records: int | None
) -> None:
    found = list(evidence_lines(told))

    if records is None:
        assert 1 < len(found) < len(told)
        assert all(len(value) <= EVIDENCE_BYTES for value in found)
    else:
        assert len(found) == records
    decoder = msgspec.json.Decoder(EvidenceBatch)
    assert [batch for value in found for batch in decoder.decode_lines(value)] == told
