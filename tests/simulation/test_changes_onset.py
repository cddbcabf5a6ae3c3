"""How often the onset interval of a page holds the true onset: the number that docs/changes.md states."""

from __future__ import annotations

from monitor.alerting.changes.onset import interval
from schemas.config import Config
from tests.doubles.fleet_log import START, bernoulli, events, firing, replay

CONFIG = Config.model_validate(
    {"owners": {"one": {}}, "detectors": {"agent.traffic": {"mode": "off"}, "run.failed": {"reference": "3%"}}}
)
BEFORE, RUNS, GAP = 300, 500, 60.0
SEEDS = 12


def holds(seed: int, level: float) -> tuple[bool, float] | None:
    """Whether the interval of the first page holds the onset, and how long it is in runs; None without a page."""
    runs = bernoulli("x", seed, lambda i: 0.03 if i < BEFORE else level, runs=RUNS)
    _, findings = replay(CONFIG, events(runs))
    page = next((each for each in firing(findings) if each.time >= START + BEFORE * GAP), None)
    if page is None:
        return None
    low, high = interval(page)
    onset = START + BEFORE * GAP  # the first run that may fail more often; the one before still was as always
    return low <= onset and high >= onset - GAP, (high - low) / GAP


def test_the_interval_holds_the_onset_in_nine_of_ten_pages() -> None:
    found = {
        level: [one for seed in range(SEEDS) if (one := holds(seed, level)) is not None] for level in (0.2, 0.4, 0.9)
    }
    inside = [one for rows in found.values() for one, _ in rows]
    lengths = {level: sum(length for _, length in rows) / len(rows) for level, rows in found.items()}
    assert len(inside) >= 0.9 * 3 * SEEDS
    assert sum(inside) >= 0.85 * len(inside)
    assert lengths[0.9] < 10.0 < lengths[0.2], "what rises much is dated exactly"
