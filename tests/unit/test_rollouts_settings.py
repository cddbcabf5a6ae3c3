"""`rollout:` in the YAML: each key has its effect, and an agent's own settings stand over those of the file."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from monitor.config import load
from monitor.rollouts import comparing, verdicts
from monitor.rollouts.readings import ROWS
from monitor.rollouts.state import Number, Rate, Rollout
from monitor.topology import Topology
from schemas.config import Config, RolloutSettings
from schemas.news import Verdict
from schemas.settings.rollouts import DECIDING
from tests.doubles.rollout_log import Side, config, events, told

YAML = """
owners: {a: {slack: "#a"}}
rollout: {randomised: run, margin: 2%}
components:
  - {agent: x, owner: a, rollout: {margin: 4%, signals: [run.failed]}}
  - {agent: y, owner: a}
"""


def test_an_agents_own_settings_stand_over_those_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "forewarn.yaml"
    file.write_text(YAML)
    topology = Topology(load(file, {}))
    own, other = topology.rollout_of("x"), topology.rollout_of("y")
    assert (own.randomised, own.margin, own.signals) == ("run", 0.04, ["run.failed"])
    assert (other.randomised, other.margin, other.signals) == ("run", 0.02, list(DECIDING))
    assert Topology(Config()).rollout_of("z") == RolloutSettings()


def test_the_parts_of_alpha_are_one_together() -> None:
    for signals in (list(DECIDING), ["run.failed"], [row.signal for row in ROWS]):
        parts = comparing.parts(RolloutSettings(signals=signals))  # type: ignore[arg-type]
        assert sum(parts.values()) == pytest.approx(1.0)
        assert set(parts) == set(signals)


def _rollout(bad: tuple[float, float], evidence: float = 0.0, up: float = 0.0, down: float = 0.0) -> Rollout:
    """400 runs each, so many of them bad; log evidence that it is worse, and that a number is or is not higher."""
    rate = Rate([bad[0], 400.0], [bad[1], 400.0], [evidence] * 4)
    number = Number({0: 400}, {0: 400}, [up] * 4, [down] * 4)
    return Rollout(
        "r", "canary", "v1", "v2", True, 0.0, runs=[400, 400],
        rates={"run.failed": rate}, numbers={"run.cost_usd": number},
    )  # fmt: skip


BOTH = ["run.failed", "run.cost_usd"]


@pytest.mark.parametrize(
    ("settings", "rollout", "verdict", "why"),
    [
        ({}, _rollout((4, 4), down=9.0), "promote", "no worse in both"),
        ({}, _rollout((4, 4), down=1.0), "hold", "the number is not known well enough"),
        ({"signals": ["run.failed"]}, _rollout((4, 4), down=1.0), "promote", "nobody asked for the number"),
        ({"margin": 0.02}, _rollout((4, 4), down=9.0), "hold", "a narrower margin takes more runs"),
        ({"minimum_runs": 500}, _rollout((4, 4), down=9.0), "hold", "more runs are asked for"),
        ({}, _rollout((4, 40), evidence=4.65), "hold", "its part of alpha is not all of it"),
        ({"signals": ["run.failed"]}, _rollout((4, 40), evidence=4.65), "roll back", "e^4.65 is above 100"),
        ({"alpha": 0.05}, _rollout((4, 40), evidence=4.65), "roll back", "less is enough"),
        ({"alpha": 0.001, "signals": ["run.failed"]}, _rollout((4, 40), evidence=4.65), "hold", "more is needed"),
        ({}, _rollout((4, 4), up=9.0, down=-9.0), "roll back", "the number is higher than the factor allows"),
    ],
)
def test_what_a_verdict_needs(settings: dict[str, Any], rollout: Rollout, verdict: Verdict, why: str) -> None:
    chosen = RolloutSettings(**{"signals": BOTH, **settings})
    assert verdicts.judge(rollout, comparing.compare(rollout, chosen), chosen)[0] == verdict, why


def test_a_verdict_stays_and_only_promote_can_turn() -> None:
    settings = RolloutSettings(signals=["run.failed"])
    rolled, promoted = _rollout((4, 4)), _rollout((4, 40), evidence=9.0)
    rolled.verdict, promoted.verdict = "roll back", "promote"
    assert verdicts.judge(rolled, comparing.compare(rolled, settings), settings)[0] == "roll back"
    assert verdicts.judge(promoted, comparing.compare(promoted, settings), settings)[0] == "roll back"


def test_the_factor_is_what_a_number_may_rise_by() -> None:
    rng = random.Random(1)
    sides = []
    for number in range(240):
        its = rng.random() < 0.5
        cost = rng.lognormvariate(0.0, 0.2) * (2.2 if its else 1.0)
        sides.append(
            Side(
                1.8e9 + 30.0 * number, f"r{number}", "v2" if its else "v1", "canary" if its else "stable", cost_usd=cost
            )
        )
    for factor, state in ((1.5, "worse"), (4.0, "same")):
        _, news = told(config(randomised="run", factor=factor), events(sides))
        assert next(row.state for row in news[-1].signals if row.signal == "run.cost_usd") == state, factor
