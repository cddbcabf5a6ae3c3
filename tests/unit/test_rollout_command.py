"""`forewarn rollout`: which rollouts are meant, what their exit code is, and how long a watch goes on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

from monitor.cli import cli
from monitor.cli.acting.asking import NoAnswer
from monitor.cli.judging.rollout import PATIENCE_SECONDS, code_of, selected, watched
from schemas.news import RolloutSeen
from schemas.view import RolloutView
from tests.doubles.clock import START
from tests.doubles.rollouts import HOUR, promoted, rolled_back, rollout, shadow


def view(seen: RolloutSeen) -> RolloutView:
    return RolloutView(seen=seen, heard_at=START, ended_at=seen.time if seen.ended else None)


HOLD, PROMOTE, ROLL_BACK, SHADOW = view(rollout()), view(promoted()), view(rolled_back()), view(shadow())
EARLIER = view(promoted(HOUR, id="e1", candidate="v11", ended="promoted"))
LATER = view(rolled_back(2 * HOUR, id="e2", ended="rolled back"))
OTHER = view(rollout(id="o1", agent="order-status"))


@pytest.mark.parametrize(
    ("found", "code", "why"),
    [
        ([], 3, "nothing is known: undecided"),
        ([HOLD], 3, "hold"),
        ([PROMOTE], 0, "promote"),
        ([ROLL_BACK], 1, "roll back"),
        ([PROMOTE, HOLD], 3, "one is undecided"),
        ([PROMOTE, HOLD, ROLL_BACK], 1, "the worst counts"),
    ],
)
def test_the_exit_code_is_that_of_the_worst(found: Sequence[RolloutView], code: int, why: str) -> None:
    assert code_of(found) == code, why


@pytest.mark.parametrize(
    ("wanted", "found", "why"),
    [
        ({}, [HOLD, SHADOW, OTHER], "what goes on"),
        ({"agent": "refund-agent"}, [HOLD, SHADOW], "of one agent"),
        ({"agent": "refund-agent", "mode": "shadow"}, [SHADOW], "of one sort"),
        ({"agent": "refund-agent", "candidate": "v11"}, [EARLIER], "of a version that is through"),
        ({"candidate": "v11"}, [EARLIER], "of a version alone"),
        ({"agent": "refund-agent", "candidate": "v14"}, [], "an old verdict is not taken for that of a new version"),
        ({"agent": "refund-agent", "everything": True}, [HOLD, SHADOW, EARLIER, LATER], "with those that are over"),
    ],
)
def test_which_are_meant(wanted: dict[str, object], found: list[RolloutView], why: str) -> None:
    given = {"agent": None, "candidate": None, "mode": None, "everything": False} | wanted
    assert selected([HOLD, SHADOW, OTHER, EARLIER, LATER], **given) == found, why  # type: ignore[arg-type]


def test_of_an_agent_without_one_that_goes_on_the_last_counts() -> None:
    assert selected([EARLIER, LATER], "refund-agent", None, None, everything=False) == [LATER]


class Looks:
    """What a watch sees, look after look, on a clock that its sleep moves."""

    def __init__(self, *found: Sequence[RolloutView] | None) -> None:
        self._found = list(found)
        self.shown: list[Sequence[RolloutView]] = []
        self.now = 1_000.0

    def look(self) -> Sequence[RolloutView]:
        found = self._found.pop(0) if len(self._found) > 1 else self._found[0]
        if found is None:
            raise NoAnswer("nobody there")
        return found

    def sleep(self, seconds: float) -> None:
        assert seconds > 0.0
        self.now += seconds

    def watch(self, pause: float = 10.0, patience: float | None = None) -> int:
        return watched(
            self.look, self.shown.append, pause, patience, clock=lambda: self.now, sleep=self.sleep
        )  # fmt: skip


def test_a_watch_ends_with_a_verdict() -> None:
    looks = Looks([], [HOLD], [HOLD], [PROMOTE])
    assert looks.watch() == 0
    assert looks.shown == [[], [HOLD], [HOLD], [PROMOTE]] and looks.now == 1_030.0


def test_one_that_is_to_be_rolled_back_ends_it_at_once() -> None:
    assert Looks([HOLD, PROMOTE], [HOLD, ROLL_BACK]).watch() == 1


def test_it_ends_undecided_where_all_are_over_or_time_is() -> None:
    assert Looks([HOLD], [view(rollout(HOUR, ended="quiet"))]).watch() == 3
    looks = Looks([HOLD])
    assert (looks.watch(patience=25.0), looks.now) == (3, 1_025.0)


def test_a_monitor_that_restarts_is_waited_for_and_one_that_is_gone_is_not() -> None:
    assert Looks([HOLD], None, None, [PROMOTE]).watch() == 0
    looks = Looks([HOLD], None)
    with pytest.raises(NoAnswer):
        looks.watch()
    assert PATIENCE_SECONDS < looks.now - 1_000.0 <= PATIENCE_SECONDS + 20.0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--from", "runs.jsonl"], "--from needs --config"),
        (["--watch", "-c", "forewarn.yaml"], "leave out --config"),
        (["--timeout", "2h"], "--timeout ends a --watch"),
        (["--watch", "--every", "soon"], "--every"),
        (["--endpoint", "http://127.0.0.1:1"], "no monitor answers"),
        (["-c", "nowhere.yaml"], "cannot read nowhere.yaml"),
        (["--mode", "blue"], "'blue' is not one of"),
    ],
)
def test_what_cannot_be_done_ends_with_2_never_with_the_code_of_a_verdict(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli, ["rollout", "refund-agent", *arguments])
    assert (result.exit_code, said in result.stderr) == (2, True), result.stderr
