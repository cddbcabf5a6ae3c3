"""Canaries: when they begin and end, what counts, and what is said of them."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from monitor.engine import Engine
from schemas.event import Event
from schemas.news import Compared, RolloutSeen
from schemas.records import Cover, Tick
from tests.doubles.fleet_log import START, log
from tests.doubles.rollout_log import Side, change, config, events, told

RANDOM = config(randomised="run")


def _canary(
    runs: int, base: float, other: float, share: float = 0.5, seed: int = 1, gap: float = 30.0, **more: Any
) -> list[Side]:
    rng = random.Random(seed)
    found = []
    for number in range(runs):
        its = rng.random() < share
        found.append(
            Side(
                START + gap * number, f"r{number}", "v2" if its else "v1", "canary" if its else "stable",
                failed=rng.random() < (other if its else base), seconds=rng.uniform(1.0, 5.0), tool="t", **more,
            )
        )  # fmt: skip
    return found


def _row(news: RolloutSeen, signal: str) -> Compared:
    return next(row for row in news.signals if row.signal == signal)


def _first(news: list[RolloutSeen], verdict: str) -> RolloutSeen:
    return next(one for one in news if one.verdict == verdict)


def test_a_bad_canary_is_rolled_back_with_effect_and_interval() -> None:
    _, news = told(RANDOM, events(_canary(600, 0.05, 0.25)))
    assert news[0].verdict == "hold"
    assert news[0].reason == "no run of the baseline yet" or "runs of the candidate" in news[0].reason
    found = _first(news, "roll back")
    assert (found.baseline, found.candidate, found.mode, found.randomised) == ("v1", "v2", "canary", "run")
    assert found.reason.startswith("run.failed is worse: ")
    assert found.decided_at == found.time
    row = _row(news[-1], "run.failed")
    assert row.state == "worse"
    assert 0.0 <= row.low < 0.2 < row.high
    assert row.evidence >= 100.0
    assert news[-1].verdict == "roll back", "a verdict stays"
    assert news[-1].decided_at == found.decided_at
    assert len({one.id for one in news}) == 1
    assert len({one.time for one in news}) == len(news)


def test_a_canary_like_the_baseline_is_promoted() -> None:
    _, news = told(RANDOM, events(_canary(700, 0.01, 0.01)))
    found = _first(news, "promote")
    assert all(row.state == "same" for row in found.signals if row.decides)
    assert _row(found, "run.failed").high < 0.05
    held = next(one for one in news if one.runs_needed is not None and one.candidate_runs > 100)
    assert 0.3 < held.runs_needed / (found.candidate_runs - held.candidate_runs) < 3.0  # type: ignore[operator]
    assert held.per_hour == pytest.approx(60.0, rel=0.2)


def test_what_the_canary_costs_and_how_long_it_takes_counts_beyond_the_factor() -> None:
    for factor, verdict in ((1.2, "hold"), (3.0, "roll back")):
        sides = _canary(300, 0.0, 0.0)
        rng = random.Random(3)
        for side in sides:
            side.cost_usd = rng.lognormvariate(-4.0, 0.3) * (factor if side.variant == "canary" else 1.0)
        _, news = told(RANDOM, events(sides))
        assert news[-1].verdict == verdict, factor
        assert _row(news[-1], "run.cost_usd").state == ("same" if factor == 1.2 else "worse")


@pytest.mark.parametrize("unpriced", ["stable", "canary"])
def test_a_model_without_a_price_is_no_cheaper_one(unpriced: str) -> None:
    sides = _canary(300, 0.0, 0.0)
    for side in sides:
        side.cost_usd = 0.0 if side.variant == unpriced else 0.07
    _, news = told(RANDOM, events(sides))
    assert {one.verdict for one in news} <= {"hold", "promote"}
    assert all(row.signal != "run.cost_usd" or row.state == "undecided" for row in news[-1].signals)


def test_another_mix_of_tools_is_shown_and_decides_nothing() -> None:
    sides = _canary(300, 0.0, 0.0)
    for side in sides:
        side.tool = "u" if side.variant == "canary" else "t"
    _, news = told(RANDOM, events(sides))
    row = _row(news[-1], "run.tool_mix")
    assert row.evidence > 100.0
    assert not row.decides
    assert row.detail in ("t is called in 0 % of runs against 100 %", "u is called in 100 % of runs against 0 %")
    assert news[-1].verdict == "hold"


def test_evaluations_speak_against_a_version_and_nobody_waits_for_them() -> None:
    def judged(other: float) -> list[RolloutSeen]:
        sides = _canary(400, 0.0, 0.0)
        rng = random.Random(8)
        said = [
            Event(
                kind="evaluation", time=side.at + 90.0, id=f"{side.name}.e", agent="x", run=side.name, name="judge",
                score=0.0 if rng.random() < (other if side.variant == "canary" else 0.1) else 1.0,
            )
            for side in sides
        ]  # fmt: skip
        return told(RANDOM, sorted([*events(sides), *said], key=lambda event: event.at))[1]

    worse = judged(0.6)
    assert _first(worse, "roll back").reason.startswith("run.rejected is worse: ")
    same = judged(0.1)
    assert _row(same[-1], "run.rejected").candidate_n > 150
    assert _row(same[-1], "run.rejected").state == "undecided"
    assert "run.rejected" not in same[-1].reason


# -- what does not count against it


def test_failures_of_both_do_not_count_against_the_canary() -> None:
    sides = _canary(500, 0.05, 0.05)
    rng = random.Random(4)
    for number, side in enumerate(sides):
        if 100 <= number < 300:
            side.failed = rng.random() < 0.7
    _, news = told(RANDOM, events(sides))
    assert {one.verdict for one in news} <= {"hold", "promote"}
    assert _row(news[-1], "run.failed").evidence < 10.0


def test_what_a_node_above_explains_is_left_out_of_both() -> None:
    """The tool is down, and by chance it is the canary that calls it."""
    sides = _canary(400, 0.05, 0.05)
    for number, side in enumerate(sides):
        if number >= 200 and side.variant == "canary":
            side.tool_failed = side.failed = True

    def stepped(covered: bool) -> RolloutSeen:
        engine, news = Engine(RANDOM), []
        for offset, record in log(events(sides)):
            if covered and isinstance(record, Tick) and record.time >= START + 30.0 * 200:
                engine.partition.covers.take(Cover("tool.failed|tool|t", record.time, START + 30.0 * 200))
            news += [one for one in engine.step([(offset, record)]).news if isinstance(one, RolloutSeen)]
        return news[-1]

    explained = stepped(covered=True)
    assert (explained.verdict, explained.left_out > 80) == ("hold", True)
    assert stepped(covered=False).verdict == "roll back"


def test_fast_failures_at_the_beginning_are_no_evidence() -> None:
    """Both fail alike, failures take a second and successes four minutes; the baseline has been running for long."""
    wrong = 0
    for seed in range(5):
        rng = random.Random(seed)
        sides = []
        for number in range(500):
            its = number > 200 and rng.random() < 0.5
            failed = rng.random() < 0.2
            sides.append(
                Side(
                    START + 2.0 * number, f"r{number}", "v2" if its else "v1", "canary" if its else "stable", failed,
                    seconds=1.0 if failed else 240.0,
                )
            )  # fmt: skip
        _, news = told(RANDOM, events(sides))
        wrong += news[-1].verdict == "roll back"
    assert wrong == 0


# -- who is compared, and when it is over


def _alternate(runs: int, first: int, version: Callable[[int], str], gap: float = 30.0) -> list[Side]:
    return [Side(START + gap * n, f"r{n}", version(n) if n >= first else "v1") for n in range(runs)]


def test_two_versions_that_go_on_side_by_side_are_a_canary() -> None:
    sides = _alternate(200, 50, lambda n: "v2" if n % 2 else "v1")
    _, news = told(RANDOM, events(sides))
    assert (news[0].baseline, news[0].candidate) == ("v1", "v2")
    assert news[0].started >= START + 600.0, "a deployment that rolls from machine to machine is over sooner"


def test_a_deployment_that_rolls_over_minutes_is_none() -> None:
    sides = _alternate(300, 50, lambda n: "v2" if n % 2 or n > 64 else "v1")
    _, news = told(RANDOM, events(sides))
    assert news == []


@pytest.mark.parametrize(
    ("stage", "version", "previous", "ended"),
    [
        ("full", "v2", None, "promoted"),
        ("full", "v3", None, "replaced"),
        ("rolled_back", "v2", None, "rolled back"),
        ("rolled_back", "v1", "v2", "rolled back"),
        ("canary", "v3", None, "replaced"),
        ("shadow", "v3", None, ""),
    ],
)
def test_a_change_ends_it(stage: str, version: str, previous: str | None, ended: str) -> None:
    sides = _canary(100, 0.0, 0.0)
    at = sides[-1].at + 100.0
    _, news = told(RANDOM, [*events(sides), change(at, version, stage, previous=previous)])
    last = [one for one in news if one.candidate == "v2"][-1]
    assert last.ended == ended


def test_an_announced_canary_begins_before_its_first_run_and_knows_its_baseline() -> None:
    begun = [*events(_alternate(30, 30, lambda _: "v1")), change(START + 1_000.0, "v2", "canary")]
    _, news = told(RANDOM, begun)
    assert [(one.baseline, one.candidate, one.reason) for one in news] == [("v1", "v2", "no run of the candidate yet")]
    later = [Side(START + 1_010.0 + 30.0 * n, f"l{n}", "v2" if n % 3 else "v1") for n in range(60)]
    _, news = told(RANDOM, [*begun, *events(later)])
    assert (news[-1].baseline_runs, news[-1].candidate_runs) == (20, 40)


def test_a_version_that_alone_goes_on_has_been_promoted() -> None:
    sides = _canary(100, 0.0, 0.0)
    for side in sides:
        side.variant = "stable"
    first = Side(START - 20.0, "first", "v1")
    announced = change(START - 10.0, "v2", "canary", previous="v1")
    after = [Side(sides[-1].at + 30.0 * n, f"a{n}", "v2") for n in range(1, 60)]
    _, news = told(RANDOM, [*events([first]), announced, *events([*sides, *after])])
    assert news[-1].ended == "promoted"


def test_a_candidate_that_has_no_runs_for_a_day_is_over() -> None:
    sides = _canary(60, 0.0, 0.0)
    later = [Side(sides[-1].at + 3_600.0 * n, f"l{n}", "v1") for n in range(1, 30)]
    _, news = told(RANDOM, events([*sides, *later]), every=60.0)
    assert news[-1].ended == "quiet"
    assert news[-1].time - sides[-1].at < 86_400.0 + 3_700.0


# -- what is not randomised


def test_without_a_lot_the_past_of_the_baseline_is_the_reference() -> None:
    """All runs go to the new version at once; nothing stands beside it."""
    rng = random.Random(2)
    before = [Side(START + 30.0 * n, f"b{n}", "v1", failed=rng.random() < 0.04) for n in range(300)]
    at = before[-1].at + 30.0
    for rate, verdict in ((0.04, "hold"), (0.3, "roll back")):
        after = [
            Side(at + 30.0 * n, f"a{n}", "v2", failed=rng.random() < rate, seconds=1.0 + rng.random())
            for n in range(1, 120)
        ]
        happened = [*events(before), change(at, "v2", "canary"), *events(after)]
        _, news = told(config(), happened)
        assert (news[-1].verdict, news[-1].randomised, news[-1].ended) == (verdict, "no", "")
        assert _row(news[-1], "run.failed").baseline == pytest.approx(0.04, abs=0.02)
        _, news = told(RANDOM, happened)
        assert news[-1].verdict == "hold", "with a lot only what stands side by side counts"


def test_a_session_is_one_observation() -> None:
    """Each session has ten runs that fail or not together: by run that would be ten bets on one."""
    rng = random.Random(11)
    sides = []
    for session in range(60):
        its, failed = rng.random() < 0.5, rng.random() < 0.3
        sides += [
            Side(
                START + 300.0 * session + 10.0 * n, f"s{session}.{n}", "v2" if its else "v1",
                "canary" if its else "stable", failed, session=f"s{session}",
            )
            for n in range(10)
        ]  # fmt: skip
    _, by_session = told(config(randomised="session"), events(sides))
    assert 50 <= by_session[-1].baseline_runs + by_session[-1].candidate_runs <= 60
    assert by_session[-1].verdict == "hold"
    for side in sides:
        side.session = None
    _, nameless = told(config(randomised="session"), events(sides))
    assert nameless[-1].reason.startswith("the runs name no `session`")


def test_numbers_are_told_now_and_then_and_a_verdict_at_once() -> None:
    _, news = told(RANDOM, events(_canary(600, 0.03, 0.03, gap=5.0)))
    plain = [one for one, before in zip(news[1:], news, strict=False) if one.verdict == before.verdict]
    gaps = [one.time - before.time for one, before in zip(news[1:], news, strict=False) if one in plain]
    assert min(gaps) >= 60.0
    assert len(news) < 40
