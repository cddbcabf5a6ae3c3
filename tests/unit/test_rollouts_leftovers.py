"""What a candidate still runs when its rollout is over, candidates side by side, and numbers that are nought."""

from __future__ import annotations

import random

import pytest

from monitor.rollouts.versions import LINGER_SECONDS
from schemas.news import RolloutSeen
from tests.doubles.fleet_log import START
from tests.doubles.rollout_log import Side, change, config, events, told

RANDOM = config(randomised="run")
RUNS = 100
END = START + 30.0 * RUNS


def _canary(variant: str, share: float = 0.5, runs: int = RUNS, **more: str) -> list[Side]:
    rng = random.Random(4)
    first = Side(START - 30.0, "first", "v1")
    sides = [(number, rng.random() < share, rng.uniform(1.0, 4.0)) for number in range(runs)]
    return [
        first,
        *(
            Side(
                START + 30.0 * n, f"r{n}", "v2" if its else "v1", variant if its else "stable", seconds=seconds, **more
            )
            for n, its, seconds in sides
        ),
    ]


def _last(news: list[RolloutSeen]) -> dict[str, RolloutSeen]:
    return {one.id: one for one in news}


@pytest.mark.parametrize("variant", ["canary", "stable"])
@pytest.mark.parametrize(
    ("stage", "version", "previous", "ended"),
    [
        ("rolled_back", "v1", "v2", "rolled back"),
        ("rolled_back", "v2", None, "rolled back"),
        ("full", "v2", "v1", "promoted"),
    ],
)
def test_a_run_that_was_under_way_begins_no_other_rollout(
    variant: str, stage: str, version: str, previous: str | None, ended: str
) -> None:
    """Else the verdict on the candidate would be `hold` again, for a day, whoever asked."""
    slow = Side(END - 5.0, "slow", "v2", variant, seconds=20.0)
    after = [Side(END + 30.0 * n, f"a{n}", version) for n in range(1, 30)]
    announced = change(END + 1.0, version, stage, previous=previous)
    happened = sorted([*events([*_canary(variant), slow, *after]), announced], key=lambda event: event.at)
    _, news = told(RANDOM, happened)
    (found,) = _last(news).values()
    assert (found.candidate, found.ended) == ("v2", ended)


def test_a_rollback_that_names_the_version_it_went_back_to_ends_the_canary() -> None:
    _, news = told(RANDOM, [*events(_canary("canary")), change(END + 10.0, "v1", "rolled_back")])
    assert news[-1].ended == "rolled back"


def test_a_candidate_that_is_tried_again_has_a_rollout_of_its_own() -> None:
    again = [Side(END + 2 * LINGER_SECONDS + 30.0 * n, f"a{n}", "v2", "canary") for n in range(3)]
    announced = change(END + 1.0, "v1", "rolled_back", previous="v2")
    _, news = told(RANDOM, [*events(_canary("canary")), announced, *events(again)])
    assert [one.ended for one in _last(news).values()] == ["rolled back", ""]
    soon = [Side(END + 20.0 + 30.0 * n, f"a{n}", "v2", "canary") for n in range(3)]
    anew = change(END + 10.0, "v2", "canary", previous="v1")
    _, news = told(RANDOM, [*events(_canary("canary")), announced, anew, *events(soon)])
    assert [one.ended for one in _last(news).values()] == ["rolled back", ""], "what is announced begins at once"


def test_two_canaries_at_a_time_do_not_end_each_other_for_ever() -> None:
    """The one that came last goes on; each run of the other one ended it, and both were told anew each time."""
    rng = random.Random(2)
    sides = []
    for number in range(300):
        version, variant = rng.choice([("v1", "stable"), ("v2", "canary"), ("v3", "canary")])
        sides.append(Side(START + 30.0 * number, f"r{number}", version, variant, tool="t"))
    _, news = told(RANDOM, events(sides))
    assert [(one.candidate, one.ended) for one in _last(news).values()] == [("v2", "replaced"), ("v3", "")]
    assert news[-1].candidate_runs > 80


def test_the_canary_before_comes_back_when_the_other_one_has_no_runs() -> None:
    sides = [
        *(Side(START + 30.0 * n, f"a{n}", "v2", "canary") for n in range(5)),
        *(Side(START + 150.0 + 30.0 * n, f"b{n}", "v3", "canary") for n in range(5)),
        *(Side(START + 300.0 + 30.0 * n, f"c{n}", "v2", "canary") for n in range(40)),
    ]
    _, news = told(RANDOM, events(sides))
    assert [(one.candidate, one.ended) for one in _last(news).values()] == [
        ("v2", "replaced"),
        ("v3", "replaced"),
        ("v2", ""),
    ]


def test_four_shadows_at_a_time_do_not_end_each_other_for_ever() -> None:
    sides = [Side(START + 10.0 * n, f"s{n}", f"v{n % 4}", "shadow", pair=f"p{n}") for n in range(200)]
    _, news = told(RANDOM, events(sides))
    assert [(one.candidate, one.ended) for one in _last(news).values()] == [
        ("v0", "replaced"), ("v1", ""), ("v2", ""), ("v3", ""),
    ]  # fmt: skip


@pytest.mark.parametrize("randomised", ["run", "no"])
def test_an_agent_whose_runs_have_no_steps_is_promoted(randomised: str) -> None:
    """0 against 0 is within any factor. It was a tie, which spoke for nothing, so that no verdict ever came."""
    _, news = told(config(randomised=randomised), events(_canary("canary", runs=700)))
    assert news[-1].verdict == "promote", news[-1].reason


def test_one_that_has_no_steps_is_promoted_where_nothing_stands_beside_it() -> None:
    rng = random.Random(5)
    before = [Side(START + 30.0 * n, f"b{n}", "v1", seconds=rng.uniform(1.0, 4.0)) for n in range(300)]
    at = START + 30.0 * 300
    both = [
        Side(at + 30.0 * n, f"m{n}", "v2" if n > 80 else f"v{1 + n % 2}", seconds=rng.uniform(1.0, 4.0))
        for n in range(1, 500)
    ]
    settings = config(signals=["run.steps"])
    _, news = told(settings, [*events(before), change(at, "v2", "canary"), *events(both)])
    assert any(one.verdict == "promote" for one in news), news[-1].reason


def test_the_reason_names_what_the_verdict_waits_for() -> None:
    """Few runs have a cost: its median has no interval yet and is not shown, but the verdict does wait for it."""
    sides = _canary("canary", runs=400)
    for number, side in enumerate(sides):
        side.cost_usd = 0.02 if number % 40 == 0 else None
    _, news = told(config(randomised="run", signals=["run.failed", "run.cost_usd"]), events(sides))
    assert news[-1].verdict == "hold"
    assert news[-1].reason == "undecided: run.cost_usd"


def test_what_was_under_way_when_a_canary_began_does_not_count() -> None:
    """A busy agent whose failures are fast switches to a version that is as good. Of the runs under way the good ones
    were left, as runs of the old version without failures; and there were more of them than wait, so that the new
    version's failures were fed before its good runs: rolled back, for 77 % against 22."""
    rng = random.Random(0)
    sides = []
    for number in range(3_600):
        failed = rng.random() < 0.2
        version = "v2" if number >= 2_400 else "v1"
        sides.append(
            Side(START + 0.2 * number, f"r{number}", version, failed=failed, seconds=2.0 if failed else 120.0)
        )  # fmt: skip
    announced = change(START + 480.0, "v2", "canary", previous="v1")
    happened = sorted([*events(sides), announced], key=lambda event: event.at)
    _, news = told(config(signals=["run.failed"]), happened)
    assert "roll back" not in {one.verdict for one in news}
    row = next(row for row in news[-1].signals if row.signal == "run.failed")
    assert row.candidate == pytest.approx(0.2, abs=0.04)
