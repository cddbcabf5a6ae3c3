"""The node recursion against a reference core written on its own, alarm for alarm; references; resolution; silence."""

from __future__ import annotations

import math
import random

import pytest

from detectors import durations, failure, recursion, reference, resolution, shares, silence


class ReferenceCore:
    """Detection by the book, one float per bet, equal weights: what `detectors` must do, written differently."""

    def __init__(self, rate: float, start: float) -> None:
        self.rate, self.last = rate, start
        self.evidence = [0.0] * 4

    def page(self, values: list[float], now: float) -> bool:
        budget = self.rate * max(0.0, now - self.last) / len(values)
        self.last = max(self.last, now)
        self.evidence = [(one + budget) * value for one, value in zip(self.evidence, values, strict=True)]
        if sum(self.evidence) < 1.0:
            return False
        self.evidence = [0.0] * 4
        return True

    @staticmethod
    def odds(bad: bool, mean: float) -> list[float]:
        values = []
        for ratio in (1.6, 2.5, 4.0, 8.0):
            odds = mean / (1.0 - mean) * ratio
            q = odds / (1.0 + odds)
            values.append(q / mean if bad else (1.0 - q) / (1.0 - mean))
        return values

    @staticmethod
    def bounded(y: float, mean: float) -> list[float]:
        return [1.0 + min(slope, 0.99 / mean) * (y - mean) for slope in (1.0, 2.5, 5.0, 9.0)]


@pytest.mark.parametrize("grid", ["odds", "bounded"])
@pytest.mark.parametrize("mean", [0.05, 0.08, 0.2, 0.5, 0.85])
def test_pages_when_the_reference_core_does(grid: failure.Grid, mean: float) -> None:
    rng = random.Random(f"{grid} {mean}")
    core = ReferenceCore(rate=1e-3, start=0.0)
    evidence = [0.0] * failure.SIZE
    now = last = 0.0
    pages = 0
    for i in range(12_000):
        now += rng.choice((0.0, 0.3, 5.0, -3.0, 40.0))  # ties, and a clock that goes back
        bad = rng.random() < mean * (1.6 if i % 500 < 100 else 0.9)
        y = float(bad) if grid == "odds" else rng.choice((float(bad), float(bad), bad / 2))
        expected = core.page(core.odds(bad, mean) if grid == "odds" else core.bounded(y, mean), now)
        bets = failure.bets(grid, mean)
        drip = 1e-3 * max(0.0, now - last)
        last = max(last, now)
        paged = recursion.step(evidence, bets.values(y), bets.weights, drip)
        assert paged == expected
        assert sum(evidence) == pytest.approx(sum(core.evidence), rel=1e-9, abs=1e-300)
        assert evidence[4:] == [0.0, 0.0]
        pages += paged
    assert pages or (grid == "bounded" and mean > 0.8)


@pytest.mark.parametrize(
    ("failures", "runs", "rate", "why"),
    [
        (0, 0, 0.5, "nothing seen: half"),
        (0, 199, 0.0025, "no failure in 199 runs is not a rate of zero"),
        (0, 10_000, 0.001, "not below one in a thousand"),
        (10, 199, 0.0525, "half a failure in one more run"),
        (1_000, 1_000, 0.9, "not above nine in ten, or nothing could get worse"),
    ],
)
def test_learned_reference(failures: float, runs: float, rate: float, why: str) -> None:
    assert reference.learned(failures, runs) == pytest.approx(rate), why


@pytest.mark.parametrize(
    ("failures", "runs", "live"),
    [(0, 199, False), (0, 200, True), (19.9, 30, False), (20, 25, True)],
)
def test_a_reference_is_live_after_200_runs_or_20_failures(failures: float, runs: float, live: bool) -> None:
    assert reference.is_live(failures, runs) is live


def test_inherited_experience_keeps_the_rate_and_is_bounded() -> None:
    assert reference.inherited(5.0, 100.0) == (5.0, 100.0)
    failures, runs = reference.inherited(5_000.0, 100_000.0)
    assert runs == reference.INHERITED_RUNS
    assert failures / runs == pytest.approx(0.05)


def test_warming_up_in_words() -> None:
    words = reference.waiting_for(3.5, 12.0)
    assert words == "warming up: 3 of about 20 failures or 12 of 200 runs seen"


def test_tolerance_is_in_odds() -> None:
    assert failure.tolerated(0.5, 1.25) == pytest.approx(1.25 / 2.25)
    assert failure.tolerated(0.02, 1.0) == pytest.approx(0.02)


@pytest.mark.parametrize("level", [0.05, 0.2, 0.6])
def test_a_fault_that_lasts_is_seldom_called_over(level: float) -> None:
    """2,000 runs at the level that is refuted: about ln(200) / 20 false resolutions, so at most few in 60."""
    resolved = 0
    for seed in range(60):
        rng = random.Random(seed)
        evidence = 0.0
        for n in range(2_000):
            evidence = resolution.step(evidence, float(rng.random() < level), level / 3.0, level, float(n))
            if evidence >= resolution.RESOLVED:
                resolved += 1
                break
    # the expectation is 60 * ln(200) / 20 = 16; three standard errors on top
    assert resolved <= 28


def test_recovery_is_seen_within_some_dozens_of_runs() -> None:
    rng = random.Random(5)
    for reference_rate, bad, n, most in ((0.02, 12, 20, 25), (0.05, 15, 60, 120), (0.3, 60, 70, 40)):
        took = []
        for _ in range(40):
            evidence, runs, level = 0.0, 0, resolution.level(reference_rate, bad, n)
            while evidence < resolution.RESOLVED:
                y = float(rng.random() < reference_rate)
                evidence = resolution.step(evidence, y, reference_rate, level, float(n + runs))
                runs += 1
            took.append(runs)
        assert sorted(took)[20] <= most


@pytest.mark.parametrize("normal", [0.001, 0.05, 0.5, 0.9, 0.97])
@pytest.mark.parametrize(("bad", "n"), [(0, 0), (0, 5), (3, 3), (7, 20), (5_000, 5_000)])
def test_the_refuted_level_is_above_the_reference_and_below_one(normal: float, bad: float, n: float) -> None:
    level = resolution.level(normal, bad, n)
    assert normal < level < 1.0
    assert resolution.step(0.0, 1.0, normal, level, n) >= 0.0


def test_parents_see_the_product_of_what_the_nodes_saw() -> None:
    rng = random.Random(3)
    for _ in range(50):
        bets = failure.bets("odds", rng.uniform(0.01, 0.5))
        seen = [bets.values(float(rng.random() < 0.3)) for _ in range(rng.randint(1, 9))]
        sums = [sum(map(recursion.fixed_log, column)) for column in zip(*seen, strict=True)]
        parent, node = [0.01] * failure.SIZE, [0.01] * failure.SIZE
        product = [math.prod(column) for column in zip(*seen, strict=True)]
        assert recursion.step_sums(parent, sums, bets.weights, 1e-4) == recursion.step(
            node, product, bets.weights, 1e-4
        )
        assert parent == pytest.approx(node, rel=1e-7)


def test_a_tick_of_a_parent_is_capped_both_ways() -> None:
    evidence = [0.0] * failure.SIZE
    assert recursion.step_sums(evidence, [10**15] * 6, failure.LONG_WEIGHTS, 1e-9)
    assert evidence == [0.0] * failure.SIZE
    assert not recursion.step_sums(evidence, [-(10**15)] * 6, failure.LONG_WEIGHTS, 1e-9)
    assert evidence == [0.0] * failure.SIZE


@pytest.mark.parametrize("known", [0, 1, 7])
@pytest.mark.parametrize("newcomers", [0, 1, 5, 400])
def test_shares_never_sum_over_one(known: int, newcomers: int) -> None:
    total = known * shares.known_share(known) + sum(shares.newcomer_share(known, i + 1) for i in range(newcomers))
    assert total <= 1.0 + 1e-12


def test_quantiles_are_right_within_a_bin() -> None:
    histogram = durations.new_histogram()
    assert durations.quantile(histogram, 0.99) is None
    values = [0.0, 1e9, -3.0] + [0.01 * i for i in range(1, 1_000)]
    for value in values:
        durations.add(histogram, value)
    found = durations.quantile(histogram, 0.5)
    assert found is not None
    assert 5.0 <= found <= 5.0 * 2.0**0.25
    assert durations.quantile(histogram, 1.0) is not None


def test_silence_pages_by_the_closed_form_of_one_bet() -> None:
    """With rho 0 alone: R(t) = b / lambda * (e^(lambda t) - 1), so a page at ln(1 + lambda / b) / lambda."""
    rate, drip_rate = 60.0 / 3600.0, 0.05 / 604_800.0
    alone = math.log(1.0 + silence.SIZE * rate / drip_rate) / rate
    evidence = [0.0] * silence.SIZE
    seconds = 0.0
    while silence.advance(evidence, rate, 1.0, 0.0, drip_rate) == silence.STILL:
        seconds += 1.0
    assert 0.9 * alone <= seconds <= alone + 1.0  # the slower bets help a little
    assert silence.seconds_until_page([0.0] * silence.SIZE, rate, drip_rate) <= seconds + 1.0


def test_silence_never_crosses_before_it_asked_to_be_woken() -> None:
    rng = random.Random(1)
    for _ in range(300):
        evidence = [rng.random() * 0.25 for _ in range(silence.SIZE)]
        rate, drip = 10 ** rng.uniform(-4, 1), 10 ** rng.uniform(-9, -4)
        wait = silence.seconds_until_page(evidence, rate, drip)
        assert silence.advance(evidence, rate, wait * 0.999, 0.0, drip * wait * 0.999) == silence.STILL
    assert silence.seconds_until_page([0.0] * silence.SIZE, 1.0, 0.0) == math.inf
    assert silence.seconds_until_page([0.0] * silence.SIZE, 0.0, 1.0) == math.inf


@pytest.mark.parametrize(
    ("left", "leads"), [(0.0, 0.0), (0.2, 0.25), (0.45, 0.5), (0.75, 0.75)], ids=["nothing", "a fifth", "half", "most"]
)
def test_silence_says_which_part_is_left(left: float, leads: float) -> None:
    """Of one event a second that part comes, evenly."""
    evidence = [0.0] * silence.SIZE
    found, due = silence.STILL, 0.0
    while found == silence.STILL:
        due += left
        found = silence.advance(evidence, 1.0, 1.0, float(due >= 1.0), 1e-4)
        due -= due >= 1.0
    assert silence.RHOS[found] == leads
    assert evidence == [0.0] * silence.SIZE
