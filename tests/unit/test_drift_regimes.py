"""An agent whose work comes in blocks: told at first, then known; what is new in a known state is told as ever."""

from __future__ import annotations

import random
from collections.abc import Iterable

import msgspec
import pytest

from detectors.drift import Bank, Channel, Crossing, Ended, Plan, Signal, regime
from detectors.drift.channels import Value, Word
from monitor.drift.banks import regimes
from monitor.drift.banks.plan import POSITIONS, Plans
from monitor.drift.banks.profile import AGENT, Profile, Rates
from monitor.drift.banks.regimes import Regimes, Returned, State
from monitor.drift.channels import ROWS
from monitor.drift.episodes import QUIET_SECONDS, Episode, Episodes
from monitor.drift.memory import Memory
from schemas.config import DetectorSettings
from schemas.finding import KNOWN_STATE, Ending, Finding, ending

GAP = 120.0
START = 1_000.0


def _row(kind: str, rng: random.Random) -> list[Value]:
    """A run of a kind of work: what it takes, how much it says, which tools it calls, and what it answers."""
    size, tool, shape = WORK[kind]
    values: list[Value] = [None] * len(ROWS)
    values[POSITIONS["input tokens"]] = rng.lognormvariate(size, 0.4)
    values[POSITIONS["length"]] = rng.lognormvariate(size - 2.0, 0.4)
    values[POSITIONS["first tool"]] = tool if rng.random() < 0.9 else "look"
    values[POSITIONS["kind"]] = shape if rng.random() < 0.98 else "list"
    return values


WORK = {
    "orders": (6.0, "search", "json_object"),
    "code": (8.0, "edit", "prose"),
    "mail": (4.5, "send", "table"),
    "refused": (8.0, "edit", "refusal"),
}


class Agent:
    """An agent's profile, fed with blocks of work."""

    def __init__(self, seed: int = 1) -> None:
        self.rng = random.Random(seed)
        self.counts: dict[str, int] = {}
        self.profile = Profile(Plans({}).plan, self._count)
        self.now = START
        self.runs = 0

    def _count(self, name: str) -> None:
        self.counts[name] = self.counts.get(name, 0) + 1

    def work(self, kind: str, runs: int, version: str | None = "v1") -> list[tuple[int, Word | Returned]]:
        """So many runs of a kind; what the agent's bank says, with the number of the run in the block."""
        said = []
        for number in range(runs):
            if self.runs % 50 == 0:
                self.profile.flow(Rates(1e-5, 1e-6, self.now + 86_400.0), self.now)
            words = self.profile.observe(f"r{self.runs}", version, _row(kind, self.rng), self.now, 5.0, lambda: 0.0)
            said += [(number, word) for bank, word in words if bank == AGENT]
            self.runs += 1
            self.now += GAP
        return said

    def blocks(self, kinds: Iterable[str], runs: int) -> list[list[tuple[int, Word | Returned]]]:
        return [self.work(kind, runs) for kind in kinds]


def _crossings(said: Iterable[tuple[int, Word | Returned]]) -> list[Crossing]:
    return [word for _, word in said if isinstance(word, Crossing)]


def _returns(said: Iterable[tuple[int, Word | Returned]]) -> list[Returned]:
    return [word for _, word in said if isinstance(word, Returned)]


@pytest.mark.parametrize(
    ("kinds", "runs"),
    [
        pytest.param(("orders", "code"), 120, id="two, in short blocks"),
        pytest.param(("orders", "code"), 300, id="two, in long blocks"),
        pytest.param(("orders", "code", "mail"), 120, id="three in turn"),
    ],
)
def test_work_in_blocks_is_told_at_first_and_then_known(kinds: tuple[str, ...], runs: int) -> None:
    agent = Agent()
    agent.work(kinds[0], 300)
    first = agent.blocks(kinds[1:] + kinds * 3, runs)
    assert _crossings(first[0]), "a state that is new is told"
    later = agent.blocks(kinds, runs)
    assert [word for said in later for word in _crossings(said)] == []
    assert all(_returns(said) for said in later), "the bank goes on with what is normal there"
    assert {word.voice for said in later for word in _returns(said)} <= {"", "digest"}


def test_returns_are_told_once_a_day() -> None:
    agent = Agent()
    agent.work("orders", 300)
    agent.blocks(("code", "orders") * 4, 120)
    agent.now += 86_400.0
    voices = [word.voice for said in agent.blocks(("code", "orders") * 3, 120) for word in _returns(said)]
    assert voices == ["digest", "", "", "", "", ""]


@pytest.mark.parametrize(
    ("settings", "mode"),
    [
        pytest.param({}, "notice", id="a notice, the first time"),
        pytest.param(
            {row.signal: DetectorSettings(mode="digest") for row in ROWS}, "digest", id="never above its mode"
        ),
    ],
)
def test_a_return_is_told_with_its_reason_and_is_over_soon(settings: dict[str, DetectorSettings], mode: str) -> None:
    agent, found = Agent(), list[Finding]()
    episodes = Episodes("x", "one", settings, agent.profile, Memory(), found.append, lambda *parts: "|".join(parts))
    agent.work("orders", 300)
    for kind in ("code", "orders", "code", "orders", "code"):
        for number, word in agent.work(kind, 120):
            episodes.take(AGENT, word, agent.now - GAP * (119 - number))
    (told,) = [one for one in found if one.reason.startswith("a known state")]
    assert (told.status, told.mode) == ("firing", mode)
    assert told.reason == "a known state: it was in it 2 times before and left it again"
    assert not [one for one in found if one.mode == "page" and one.time >= told.time], "and no page is spent"
    at = episodes.next_quiet()
    assert at == told.time + QUIET_SECONDS
    saved = msgspec.msgpack.decode(msgspec.msgpack.encode(episodes.returned), type=list[Episode])
    assert saved == episodes.returned
    episodes.say_quiet(at)
    assert (found[-1].incident_key, found[-1].status, found[-1].reason) == (told.incident_key, "resolved", KNOWN_STATE)
    assert ending(found[-1]) is Ending.SETTLED
    assert not episodes.returned


def test_a_fault_in_a_known_state_is_told_nearly_as_fast_as_in_an_agent_that_knows_one() -> None:
    plain, changing = Agent(), Agent()
    plain.work("code", 1_300)
    changing.work("orders", 300)
    changing.blocks(("code", "orders") * 4 + ("code",), 120)
    alone, among = plain.work("refused", 60), changing.work("refused", 60)
    assert not _returns(among)
    assert [word.voice for word in _crossings(alone)] == ["notice", "page"]
    assert [word.voice for word in _crossings(among)] == ["notice", "page"]
    waits = [next(n for n, word in said if isinstance(word, Crossing)) for said in (alone, among)]
    assert waits[1] <= waits[0] + regimes.WAITS
    pages = [max(n for n, word in said if isinstance(word, Crossing)) for said in (alone, among)]
    assert pages[1] <= 1.5 * pages[0]


def test_a_fault_that_is_seldom_there_is_told_each_time() -> None:
    """It comes back five times, for one run in twenty: it is never a part of what the agent does."""
    agent = Agent()
    agent.work("code", 600)
    for _ in range(5):
        said = agent.work("refused", 40)
        assert "page" in [word.voice for word in _crossings(said)]
        assert not _returns(said)
        agent.work("code", 760)


def test_a_version_that_brings_a_state_back_is_told_like_the_first_time() -> None:
    """The state is known, but it comes with a deploy this time: somebody should hear of it."""
    agent = Agent()
    agent.work("orders", 300)
    agent.blocks(("code", "orders") * 4, 120)
    assert _crossings(agent.work("code", 60, version="v2"))
    same = Agent()
    same.work("orders", 300)
    same.blocks(("code", "orders") * 4, 120)
    assert not _crossings(same.work("code", 60))


def test_one_change_is_said_as_if_no_states_were_kept() -> None:
    """Word for word, beside a bank that is given the same runs and drips."""
    agent, alone = Agent(), Bank(Plans({}).plan)
    for kind, runs in (("orders", 300), ("code", 1_300)):
        for _ in range(runs):
            said = [word for _, word in agent.work(kind, 1)]
            run = agent.profile.recent.samples()[-1]
            assert said == alone.observe(run.values, run.run, run.at, run.notice, run.page, run.learns)


def test_a_persons_word_makes_a_state_known_at_once() -> None:
    kept = Regimes([State(5, 400, 0), State(1, 200, 100)], current=0, visited=1)
    assert not regimes.is_known(kept, 1, 500)
    regimes.vouch(kept)
    assert regimes.is_known(kept, 1, 500)


@pytest.mark.parametrize(
    ("state", "runs", "known"),
    [
        pytest.param(State(2, 100, 0), 1_000, True, id="told twice, a tenth of the runs"),
        pytest.param(State(1, 900, 0), 1_000, False, id="told once, however long it lasted"),
        pytest.param(State(9, 99, 0), 1_000, False, id="often, and hardly there"),
        pytest.param(State(2, 20, 900), 1_000, True, id="counted from when it was first entered"),
    ],
)
def test_what_is_a_known_state(state: State, runs: int, known: bool) -> None:
    assert regimes.is_known(Regimes([state]), 0, runs) is known


def test_of_too_many_states_the_one_with_the_fewest_runs_makes_room() -> None:
    kept = Regimes([State(3, lived, 0) for lived in (50, 900, 10, 400, 300)], current=3)
    assert regimes._new_state(kept, 2_000) == regimes.STATES - 1
    assert [state.lived for state in kept.states] == [50, 900, 400, 300, 0]
    assert (kept.current, kept.forgotten) == (2, 1)


def test_it_goes_on_after_a_restart_as_it_would_have() -> None:
    agent = Agent()
    agent.work("orders", 300)
    agent.blocks(("code", "orders") * 2, 120)
    agent.work("code", 40)
    saved, blocks = agent.profile.save()
    stored = {name: raw for name, raw in blocks.items() if raw is not None}
    assert "regimes0" in stored
    again = Agent()
    again.profile.load(msgspec.msgpack.decode(msgspec.msgpack.encode(saved), type=type(saved)), stored)
    again.rng.setstate(agent.rng.getstate())
    again.now, again.runs = agent.now, agent.runs
    kinds = ("orders", "code", "orders", "refused")
    assert again.blocks(kinds, 60) == agent.blocks(kinds, 60)


def test_a_state_that_lies_in_older_blocks_alone_is_no_trouble() -> None:
    """State of the version before has no states of agents."""
    agent = Agent()
    agent.work("orders", 230)
    saved, blocks = agent.profile.save()
    again = Agent()
    again.profile.load(saved, {name: raw for name, raw in blocks.items() if raw is not None and "regimes" not in name})
    again.now, again.runs = agent.now, agent.runs
    assert _crossings(again.work("code", 60))


def test_a_new_version_knows_the_states_of_the_one_before() -> None:
    kept = Regimes([State(5, 400, 100, b"x", [], True), State(3, 200, 300)], current=1, visited=0, told=5.0)
    handed = regimes.handed_on(kept, 1_000)
    assert [(one.entered, one.lived, one.first) for one in handed.states] == [(5, 400, -900), (3, 200, -700)]
    assert (handed.current, handed.visited) == (1, -1)


def test_a_regime_is_what_the_bank_knew_without_the_runs_that_changed() -> None:
    plan = Plan([Channel("n", "s", "number"), Channel("c", "s", "category")], [Signal("s", 1.0, 1.0)])
    bank, rng = Bank(plan), random.Random(3)
    for number in range(400):
        bank.observe([rng.random(), rng.choice("ab")], f"r{number}", float(number))
    odd: list[list[Value]] = [[9.0 + rng.random(), "z"] for _ in range(8)]
    for number, values in enumerate(odd):
        bank.observe(values, f"o{number}", 400.0 + number)
    found = regime.from_bytes(plan, regime.to_bytes(regime.noted(bank, odd)))
    assert found.shares.sums(found.shares.channels[0]).get("z", 0.0) == 0.0
    usual: list[list[Value]] = [[rng.random(), rng.choice("ab")] for _ in range(12)]
    assert regime.compare(found, usual, [0])[0] < regimes.FITS
    found = regime.noted(bank, odd)
    assert regime.compare(found, odd, [0])[0] > regimes.FITS
    other = Bank(plan)
    for number, values in enumerate(odd * 40):
        other.observe(list(values), f"x{number}", float(number))
    assert regime.assume(other, regime.noted(bank, odd)) == []
    assert all(not isinstance(word, Ended) for word in other.observe(usual[0], "y", 500.0))
    assert other.live() == [True, True]
