"""What a node takes for normal: its own runs, without the newest ones, and without those that look like a fault."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.detection.lanes import Lanes
from detectors import reference
from monitor.evidence import nodes
from monitor.evidence.nodes import Node
from monitor.evidence.within.order import Pair, Pairs
from monitor.signals import TOOL_FAILED


def _node(tolerance: float = 1.0) -> Node:
    return Node("run.failed", None, None, "owner", nodes.NO_EVIDENCE, 0.0, tolerance=tolerance)


@pytest.mark.parametrize(
    ("late", "runs", "full", "why"),
    [
        (0.0, 0.0, False, "nothing yet"),
        (19.0, 19.0, False, "few runs: less than twenty"),
        (20.0, 20.0, True, "the first twenty"),
        (20.0, 100.0, True, "a fifth of a hundred is twenty"),
        (20.0, 101.0, False, "less than a fifth"),
        (400.0, 2_000.0, True, "a fifth of many"),
    ],
)
def test_the_newest_runs_count_when_they_are_a_fifth(late: float, runs: float, full: bool, why: str) -> None:
    assert reference.is_full(late, runs) is full, why


def test_a_fault_is_not_part_of_what_it_is_measured_against() -> None:
    node = _node()
    for i in range(1_000):
        nodes.count(node, float(i % 50 == 0))
    before = node.reference
    assert before == pytest.approx(0.02, rel=0.1)
    waiting = node.n - node.late_n
    while node.n < waiting / (1.0 - reference.LATE_PART) - 1.0:  # until the block is full
        nodes.count(node, 1.0)
        assert node.reference == nodes.normal_of(node) == before
    nodes.count(node, 1.0)
    nodes.count(node, 1.0)
    assert node.late_n < 3.0
    assert node.reference > 5.0 * before


def test_runs_that_leave_the_reference_take_the_newest_block_with_them() -> None:
    node = _node()
    for _ in range(1_000):
        nodes.count(node, 0.0)
    for _ in range(30):
        nodes.count(node, 1.0)
    nodes.unlearn(node, 30.0, 30.0)
    assert (node.k, node.n, node.late_k, node.late_n) == (0.0, 1_000.0, 0.0, 0.0)
    nodes.relearn(node, 5.0, 50.0)
    assert node.reference == reference.learned(5.0, 50.0)


@pytest.mark.parametrize(
    ("tolerance", "since_n", "held", "why"),
    [
        (1.25, 300.0, True, "a long stretch that looks like a fault"),
        (1.0, 300.0, False, "without a tolerance only the newest block waits"),
        (1.25, 50.0, False, "the newest block holds all of it"),
        (1.25, 600.0, False, "longer than half of all runs: it may be normal"),
    ],
)
def test_a_stretch_that_looks_like_a_fault_is_held_back(tolerance: float, since_n: float, held: bool, why: str) -> None:
    node = _node(tolerance)
    node.k, node.n, node.late_k, node.late_n = 80.0, 1_000.0, 6.0, 100.0
    node.cusum, node.since_n, node.since_bad = 2.0 * nodes.SUSPICIOUS, since_n, 60.0
    rest = (20.0, 1_000.0 - since_n) if held else (74.0, 900.0)
    assert node.reference == reference.learned(*rest), why
    assert nodes.normal_of(node) == (reference.suspected if held else reference.learned)(*rest), why


@pytest.mark.parametrize(
    ("failures", "runs", "least", "most", "why"),
    [
        (0.0, 278.0, 5.0, 7.0, "a young node that was lucky may well fail in 1 %"),
        (3.0, 1_000.0, 1.6, 1.8, "a few failures"),
        (20.0, 700.0, 1.1, 1.15, "enough of them"),
        (400.0, 8_000.0, 1.0, 1.01, "an old node is what it is"),
        (900.0, 950.0, 1.0, 1.0, "nothing is more often bad than can be told apart"),
    ],
)
def test_a_stretch_is_judged_by_what_was_little_known_as_if_it_had_been_less_lucky(
    failures: float, runs: float, least: float, most: float, why: str
) -> None:
    assert least <= reference.suspected(failures, runs) / reference.learned(failures, runs) <= most, why


@pytest.mark.parametrize(
    ("share", "least", "most", "why"),
    [
        (0.01, 0, 12, "nothing changes: 4 pages are dripped, and more than 30 were raised"),
        (0.25, 2_900, 3_000, "the same tools break: as good as all are found within 60 runs"),
    ],
)
def test_young_references_do_not_page_by_themselves(share: float, least: int, most: int, why: str) -> None:
    width, young, rng = 3_000, 600, np.random.default_rng(3)
    lanes = Lanes(width, "bounded", TOOL_FAILED.tolerance, 4.0 / width / 1_000.0)
    paged = np.zeros(width, dtype=bool)
    for run in range(1_000 if share < 0.1 else young + 60):
        paged |= lanes.step((rng.random(width) < (0.01 if run < young else share)).astype(float))
    assert least <= paged.sum() <= most, f"{why}: {paged.sum()}"


def test_pairs_let_go_of_nodes_that_made_room() -> None:
    """A tool may be called as a signal is."""
    run, tool = _pair("run.failed", None), _pair("tool.failed", "run.failed")
    pairs = Pairs()
    pairs.put(run)
    pairs.put(tool)
    assert pairs.get("run.failed", None) is run
    assert pairs.get("tool.failed", "run.failed") is tool
    kept = {node.key: node for node in (run.middle, run.leaf, tool.middle)}
    assert pairs.forget(kept)
    assert (run.gone, tool.gone) == (False, True)
    assert pairs.get("tool.failed", "run.failed") is None
    assert not pairs.forget({})


def _pair(signal: str, tool: str | None) -> Pair:
    both = [Node(signal, version, tool, "one", nodes.NO_EVIDENCE, 0.0) for version in (None, "v1")]
    return Pair(signal, "v1", tool, *both)
