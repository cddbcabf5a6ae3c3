"""Which banks an agent has, and what flows into them."""

from __future__ import annotations

import random
from unittest.mock import Mock

import pytest

from detectors.drift import state
from monitor.drift.banks import profile as profiles
from monitor.drift.banks.plan import CHANNELS, POSITIONS, Plans
from monitor.drift.banks.profile import AGENT, Profile, Rates
from monitor.drift.banks.recent import RING
from monitor.drift.channels import ROWS
from schemas.config import DetectorSettings

START = 1_000.0


def _profile(counts: dict[str, int] | None = None) -> Profile:
    found = counts if counts is not None else {}
    return Profile(Plans({}).plan, lambda name: found.update({name: found.get(name, 0) + 1}))


def _feed(profile: Profile, versions: list[str | None], start: float = START, paid: float = 0.0) -> None:
    rng = random.Random(len(versions))
    for number, version in enumerate(versions):
        values = [rng.random() if row.kind in ("number", "rate") else None for row in ROWS]
        profile.observe(f"r{number}", version, values, start + number, 5.0, lambda: paid)


def test_one_version_has_no_bank_of_its_own() -> None:
    profile = _profile()
    _feed(profile, ["v1"] * 400)
    assert set(profile.banks) == {AGENT}
    assert len(profile.recent.samples()) == RING


def test_a_second_version_begins_with_what_the_first_one_did() -> None:
    profile = _profile()
    _feed(profile, ["v1"] * 300 + ["v2"] * 3 + ["v1"] * 3)
    assert set(profile.banks) == {AGENT, "v1", "v2"}
    assert profile.banks["v2"].runs == 3
    assert "run.duration_seconds" not in profile.banks["v2"].warming()


def test_versions_that_were_there_from_the_start_learn_for_themselves() -> None:
    profile = _profile()
    _feed(profile, ["v1", "v2"] * 140)
    assert set(profile.banks) == {AGENT, "v1", "v2"}
    assert "run.duration_seconds" in profile.banks["v2"].warming()


def test_a_version_whose_fellows_are_gone_takes_the_agents_bank() -> None:
    profile = _profile()
    _feed(profile, ["v1"] * 300)
    _feed(profile, ["v2"] * 2_800, START + 300)
    assert set(profile.banks) == {AGENT}
    assert list(profile.versions) == ["v2"]
    saved, blocks = profile.save()
    assert saved.slots[AGENT].saved == profile.number
    assert blocks["bank1"] is None or blocks["bank2"] is None, "its own block is no more"


def test_banks_are_put_back_when_they_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    profile = _profile()
    _feed(profile, ["v1", "v2"] * 150)
    saved, blocks = profile.save()
    stored = {name: raw for name, raw in blocks.items() if raw is not None}
    read = Mock(side_effect=state.from_bytes)
    monkeypatch.setattr(state, "from_bytes", read)
    again = _profile()
    again.load(saved, stored)
    again.flow(Rates(2.0, 1.0, START + 900.0), START + 300)
    assert again.save()[1] == {}, "what lies as it was saved need not be saved"
    assert not read.called
    _feed(again, ["v1"], START + 300)
    assert read.call_count == len(saved.slots) == 3
    assert again.banks[AGENT].runs == profile.banks[AGENT].runs + 1


def test_a_bank_whose_block_is_missing_is_missed_at_once() -> None:
    profile = _profile()
    _feed(profile, ["v1"] * 10)
    saved, blocks = profile.save()
    with pytest.raises(KeyError, match="bank0"):
        _profile().load(saved, {name: raw for name, raw in blocks.items() if raw is not None and name != "bank0"})


def test_of_too_many_versions_the_one_that_was_quiet_longest_is_forgotten() -> None:
    counts: dict[str, int] = {}
    profile = _profile(counts)
    _feed(profile, ["v0"] * 250)
    _feed(profile, [f"v{number // 2}" for number in range(2, 60)], START + 250)
    assert len(profile.versions) == profiles.VERSIONS
    assert len(profile.banks) == profiles.VERSIONS + 1
    assert counts["versions_forgotten"] == 10
    assert {slot.place for slot in profile.slots.values()} == set(range(profiles.VERSIONS + 1))


def test_what_drips_never_exceeds_what_flowed_in() -> None:
    """Versions come and go between grants."""
    rng = random.Random(3)
    profile = _profile()
    dripped = paid = 0.0
    now = START
    for number in range(900):
        if number % 100 == 0:
            profile.flow(Rates(2.0, 1.0, now + 90.0), now)
        version = f"v{rng.randrange(1 + number // 100)}"
        before = set(profile.versions)
        values = [None] * len(CHANNELS)
        profile.observe(f"r{number}", version, values, now, 5.0, lambda: 0.5)
        if version not in before and version in profile.slots:
            paid += 0.5
        sample = profile.recent.samples()[-1]
        dripped += sample.page + sample.version_page
        assert sample.notice >= 0.0
        now += rng.choice((0.0, 1.0, 3.0))
    waiting = sum(slot.page for slot in profile.slots.values())
    assert 0.0 < dripped + waiting <= (now - START) * 1.0 + paid + 1e-9


def test_quick_runs_of_a_new_version_say_nothing_of_how_long_it_takes() -> None:
    profile = _profile()
    _feed(profile, ["v1"] * 300)
    _feed(profile, ["v2"] * 10, START + 300)
    timed = [sample.timed for sample in profile.recent.samples() if sample.version == "v2"]
    assert timed == [False] * 5 + [True] * 5


@pytest.mark.parametrize(
    ("setting", "shares"),
    [({}, (True, True)), ({"mode": "notice"}, (True, False)), ({"mode": "off"}, (False, False))],
)
def test_the_budget_of_a_signal(setting: dict[str, str], shares: tuple[bool, bool]) -> None:
    plan = Plans({"run.steps": DetectorSettings.model_validate(setting)}).plan
    signal = next(signal for signal in plan.signals if signal.name == "run.steps")
    assert (signal.notice_share > 0.0, signal.page_share > 0.0) == shares
    assert sum(signal.notice_share for signal in plan.signals) == pytest.approx(1.0)


def test_one_channel_is_learned_anew_in_all_banks() -> None:
    profile = _profile()
    _feed(profile, ["v1"] * 300 + ["v2"] * 300)
    profile.save()
    before = {name: bank.live() for name, bank in profile.banks.items()}
    assert set(before) == {AGENT, "v2"}
    assert profile.learn_anew("slowest tool")
    at = POSITIONS["slowest tool"]
    for name, bank in profile.banks.items():
        assert before[name][at]
        assert [i for i, live in enumerate(bank.live()) if live != before[name][i]] == [at]
    changed = profile.save()[1]
    assert {f"bank{slot.place}" for slot in profile.slots.values()} <= set(changed), "its runs would not do it again"
    _feed(profile, ["v2"] * 210, START + 600)
    assert profile.banks[AGENT].live()[at]


def test_no_channel_is_learned_anew_while_its_signal_fires() -> None:
    profile = _profile()
    _feed(profile, ["v1"] * 300)
    bank = profile.banks[AGENT]
    bank.episodes[bank.plan.signal_of[POSITIONS["duration"]]] = Mock(voice="notice")
    assert not profile.learn_anew("slowest tool")
    assert bank.live()[POSITIONS["slowest tool"]]
    assert profile.learn_anew("length"), "of another signal"
