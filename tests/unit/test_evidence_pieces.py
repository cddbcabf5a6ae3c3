"""What agents say in a tick, added up: sums in any order, the last bad runs, bets of another release."""

from __future__ import annotations

import itertools

import pytest

from detectors.recursion import SCALE
from monitor.evidence.outages.pieces import Piece, both, piece_of
from schemas import limits
from schemas.records import Evidence

CELL = "run.failed|tool|search"


def evidence(number: int, runs: tuple[str, ...] = ()) -> Evidence:
    sums = tuple(number * (j + 1) - SCALE * j for j in range(6))
    return Evidence(CELL, sums, 10 + number, number * SCALE, SCALE // 3 + number, runs, number)


def numbers(piece: Piece) -> tuple[list[int], list[float]]:
    return piece.logs(), piece.counts()


def test_a_piece_has_the_numbers_of_its_evidence() -> None:
    piece = piece_of(evidence(3, ("r1", "r2")))
    assert piece.logs() == list(evidence(3).sums)
    assert piece.counts() == [13.0, 3.0, (SCALE // 3 + 3) / SCALE, 3.0]
    assert piece.runs == ["r1", "r2"]


def test_sums_do_not_depend_on_the_order() -> None:
    found = []
    for order in itertools.permutations([evidence(1), evidence(5), evidence(-2)]):
        total = Piece()
        for each in order:
            total.add(piece_of(each))
        found.append(numbers(total))
    assert found == [found[0]] * 6
    assert found[0][1][0] == 34.0


def test_what_is_put_together_stays_as_it_was() -> None:
    one, other = piece_of(evidence(1, ("a",))), piece_of(evidence(2, ("b",)))
    before = numbers(one), numbers(other)
    together = both(one, other)
    assert together.runs == ["a", "b"]
    together.add(one)
    assert (numbers(one), numbers(other), one.runs, other.runs) == (*before, ["a"], ["b"])


def test_only_the_last_bad_runs_are_kept() -> None:
    total = Piece()
    for first in range(0, 12, 3):
        total.add(piece_of(evidence(1, tuple(f"r{first + i}" for i in range(3)))))
    assert total.runs == [f"r{i}" for i in range(12)][-limits.EXAMPLE_RUNS :]


@pytest.mark.parametrize("sums", [(), (7, 7, 7), (7,) * 7])
def test_bets_of_another_release_count_for_nothing_and_the_rest_counts(sums: tuple[int, ...]) -> None:
    piece = piece_of(Evidence(CELL, sums, 4, SCALE, SCALE))
    assert (piece.logs(), piece.counts()) == ([], [4.0, 1.0, 1.0, 0.0])
    total = piece_of(evidence(2))
    total.add(piece)
    assert total.logs() == list(evidence(2).sums)
    assert total.n == 16
