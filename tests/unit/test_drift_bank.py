"""A bank on changes with a known answer: what is said, how soon, with which numbers, and what is not said."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Callable

import msgspec
import pytest

from detectors.drift import Bank, Channel, Crossing, Ended, Plan, Signal, from_bytes, to_bytes
from detectors.drift.channels import Kind, Value

Draw = Callable[[random.Random], Value]
WARM = 1_000
NOTICE = 1e-6
PAGE = 1e-8


def bank_of(kind: Kind, tolerance: float = 1.5, blocked: bool = False, sustained: int = 12) -> Bank:
    """One channel "x", called `the x`."""
    plan = Plan(
        [Channel("x", "s", kind, "the x")],
        [Signal("s", 1.0, 1.0, tolerance=tolerance, blocked=blocked, sustained=sustained)],
    )
    return Bank(plan)


def feed(
    bank: Bank, draw: Draw, runs: int, rng: random.Random, drips: bool = True
) -> list[tuple[int, Crossing | Ended]]:
    """What the bank says, with the number of the run, from 1, at which it says it. One run a second."""
    said = []
    for i in range(runs):
        at = bank.runs
        values = [draw(rng)] * len(bank.plan.channels)
        words = bank.observe(values, f"run-{at}", float(at), NOTICE if drips else 0.0, PAGE if drips else 0.0)
        said += [(i + 1, word) for word in words]
    return said


def lognormal(factor: float, sigma: float = 0.8) -> Draw:
    return lambda rng: rng.lognormvariate(0.0, sigma) * factor


def mostly(name: Value, other: Value, part: float) -> Draw:
    return lambda rng: other if rng.random() < part else name


def always(value: Value) -> Draw:
    return lambda _: value


def having(parts: dict[str, float]) -> Draw:
    """A set whose names come in these parts of the runs, each by itself."""
    return lambda rng: {name: 1.0 for name, part in parts.items() if rng.random() < part}


FOUND: dict[str, tuple[Kind, Draw, Draw, int, int | None, str]] = {
    # kind, before, after, runs until the notice, runs until the page (None: none within 200), direction if it has one
    "three times as slow": ("number", lognormal(1.0), lognormal(3.0), 40, 60, "up"),
    "a third of the length": ("number", lognormal(1.0), lognormal(0.33), 40, 60, "down"),
    "wider, same median": ("number", lognormal(1.0), lognormal(1.0, 1.6), 80, None, ""),
    "5 % of runs ten times as slow": (
        "number", lognormal(1.0), lambda rng: rng.lognormvariate(0.0, 0.8) * (10.0 if rng.random() < 0.1 else 1.0),
        400, None, "up",
    ),
    "a constant that changes": ("number", always(3.0), always(4.0), 6, 16, "up"),
    "a constant that becomes zero": ("number", always(3.0), always(0.0), 6, 16, "down"),
    "a value between the two known ones": ("number", mostly(0.0, 100.0, 0.5), mostly(0.0, 50.0, 0.5), 12, 40, "down"),
    "a category for another, both known": ("category", mostly("a", "b", 0.02), always("b"), 10, 16, "down"),
    "a category never seen": ("category", always("a"), always("b"), 8, 16, "down"),
    "a new category in a tenth of the runs": ("category", always("a"), mostly("a", "b", 0.1), 60, None, "up"),
    "a mix that shifts": (
        "share", always({"a": 0.8, "b": 0.2}), always({"a": 0.3, "b": 0.6, "c": 0.1}), 12, 30, "down",
    ),
    "a name of a set that vanishes": (
        "set", having({"a": 0.9, "b": 0.5, "c": 0.3}), having({"a": 0.9, "b": 0.5}), 90, 120, "down",
    ),
    "a new name in a set, a third of the runs": (
        "set", having({"a": 0.9, "b": 0.5}), having({"a": 0.9, "b": 0.5, "c": 0.3}), 30, 40, "up",
    ),
    "a rate of one that becomes zero": ("rate", always(1.0), always(0.0), 8, 16, "down"),
    "a rate of a fifth that becomes zero": ("rate", mostly(0.0, 1.0, 0.2), always(0.0), 120, 200, "down"),
    "a rate of zero that becomes a tenth": ("rate", always(0.0), mostly(0.0, 1.0, 0.1), 60, 120, "up"),
}  # fmt: skip


@pytest.mark.parametrize("name", FOUND)
def test_a_change_is_noticed_and_the_material_ones_page(name: str) -> None:
    kind, before, after, until_notice, until_page, direction = FOUND[name]
    rng = random.Random(name)
    bank = bank_of(kind)
    assert feed(bank, before, WARM, rng) == []
    said = feed(bank, after, 400, rng)
    notice_at, notice = next((at, one) for at, one in said if isinstance(one, Crossing))
    assert notice_at <= until_notice
    assert direction in ("", notice.change.direction)
    assert notice.signal == "s"
    assert WARM - 100 <= notice.onset_run <= WARM + notice_at
    assert notice.onset == float(notice.onset_run)
    assert 1 <= len(notice.runs) <= 5
    assert all(notice.onset_run <= int(run.removeprefix("run-")) < WARM + notice_at for run in notice.runs)
    assert notice.change.phrase.startswith("the x: ")
    pages = [at for at, one in said if isinstance(one, Crossing) and one.voice == "page"]
    assert (pages[0] <= until_page) if until_page is not None else not [at for at in pages if at <= 200]
    assert len(pages) <= 1


QUIET: dict[str, tuple[Kind, Draw, Draw]] = {
    "nothing at all": ("number", lognormal(1.0), lognormal(1.0)),
    "a number that moves a little, within tolerance": ("number", lognormal(1.0), lognormal(1.1)),
    "one strange value": ("number", always(3.0), mostly(3.0, 99.0, 0.002)),
    "an odd category now and then": ("category", mostly("a", "b", 0.005), mostly("a", "c", 0.005)),
    "names of a set within tolerance": (
        "set", having({f"n{i}": 0.3 for i in range(8)}), having({f"n{i}": 0.34 for i in range(8)}),
    ),
    "a set of more names than have a cell, of which a run has many": (
        "set", having({f"n{i}": 0.3 for i in range(40)}), having({f"n{i}": 0.3 for i in range(40)}),
    ),
    "a rate within tolerance": ("rate", mostly(0.0, 1.0, 0.2), mostly(0.0, 1.0, 0.24)),
    "runs that say nothing": ("number", always(3.0), always(None)),
    "a category of which nothing is said": ("category", always("a"), always(None)),
}  # fmt: skip


@pytest.mark.parametrize("name", QUIET)
def test_what_is_no_change_is_not_told(name: str) -> None:
    kind, before, after = QUIET[name]
    rng = random.Random(name)
    bank = bank_of(kind)
    assert feed(bank, before, WARM, rng) == []
    assert feed(bank, after, 500, rng) == []


def test_a_crossing_tells_category_shares_counts_and_where_it_began() -> None:
    rng = random.Random(1)
    bank = bank_of("category")
    feed(bank, mostly("{", "[", 0.01), WARM, rng)
    (_, notice), (_, page), *_ = feed(bank, mostly("H", "{", 0.02), 20, rng)
    assert isinstance(notice, Crossing)
    assert isinstance(page, Crossing)
    assert (notice.voice, page.voice, page.escalated, page.material) == ("notice", "page", True, True)
    assert notice.onset_run == page.onset_run == WARM
    assert (page.change.what, page.change.direction) == ("{", "down")
    assert page.change.before == pytest.approx(0.99, abs=0.01)
    assert page.change.after <= 0.1
    assert page.change.before_n == WARM
    assert page.change.after_n >= 12
    assert page.change.phrase == "the x: `{` in 0 % of runs, was 99 %"


def test_a_blocked_page_account_waits_for_its_block_and_an_immaterial_change_never_pages() -> None:
    rng = random.Random(2)
    plan = Plan([Channel("x", "s", "number")], [Signal("s", 1.0, 1.0, tolerance=1.0, blocked=True)], block=25)
    bank = Bank(plan)
    feed(bank, lognormal(1.0, 0.3), WARM, rng)
    said = feed(bank, lognormal(1.5, 0.3), 900, rng)
    assert [one.voice for _, one in said if isinstance(one, Crossing)] == ["notice"]
    bank = Bank(plan)
    feed(bank, lognormal(1.0, 0.3), WARM, rng)
    said = feed(bank, lognormal(3.0, 0.3), 900, rng)
    assert [one.voice for _, one in said if isinstance(one, Crossing)] == ["notice", "page"]
    page = next(at for at, one in said if isinstance(one, Crossing) and one.voice == "page")
    assert page > 25


def test_back_at_the_reference_ends_the_episode_and_it_is_watched_again() -> None:
    rng = random.Random(3)
    bank = bank_of("category")
    feed(bank, mostly("a", "b", 0.1), WARM, rng)
    feed(bank, mostly("a", "b", 0.9), 40, rng)
    assert list(bank.episodes) == [0]
    ended = feed(bank, mostly("a", "b", 0.1), 60, rng)
    assert [one.how for _, one in ended if isinstance(one, Ended)] == ["back"]
    assert not bank.episodes
    again = feed(bank, mostly("a", "b", 0.9), 40, rng)
    assert [one.voice for _, one in again if isinstance(one, Crossing)] == ["notice", "page"]
    first = again[0][1]
    assert isinstance(first, Crossing)
    assert first.change.before == pytest.approx(0.9, abs=0.03)  # the fault's runs did not become normal


@pytest.mark.parametrize(("factor", "after"), [(1.6, 200), (3.0, 1_000)])
def test_a_new_level_that_stays_becomes_the_normal_one(factor: float, after: int) -> None:
    """An immaterial notice settles after 200 runs, a page after 1,000; going back is a change from then on."""
    rng = random.Random(4)
    bank = bank_of("number", tolerance=1.0)
    feed(bank, lognormal(1.0, 0.3), WARM, rng)
    said = feed(bank, lognormal(factor, 0.3), after + 60, rng)
    began = [at for at, one in said if isinstance(one, Crossing)][-1]
    ended = [(at, one) for at, one in said if isinstance(one, Ended)]
    assert [(one.how, at - began) for at, one in ended] == [("settled", after)]
    assert feed(bank, lognormal(factor, 0.3), 300, rng) == []
    (_, back), *_ = feed(bank, lognormal(1.0, 0.3), 60, rng)
    assert isinstance(back, Crossing)
    assert back.change.direction == "down"


def test_the_new_normal_is_learned_when_someone_says_so() -> None:
    rng = random.Random(5)
    bank = bank_of("number")
    feed(bank, always(3.0), WARM, rng)
    feed(bank, always(4.0), 50, rng)
    assert [(one.signal, one.how, one.voice) for one in bank.rebaseline("s")] == [("s", "rebaselined", "page")]
    assert bank.warming()["s"] < 50
    assert feed(bank, always(4.0), 400, rng) == []
    assert bank.warming() == {}


def test_a_channel_warms_up_before_anything_is_bet_on_it() -> None:
    rng = random.Random(6)
    bank = bank_of("number")
    assert bank.warming() == {"s": 0}
    assert feed(bank, always(3.0), 100, rng) == []
    assert feed(bank, always(None), 50, rng) == []
    assert bank.warming() == {"s": 100}
    assert feed(bank, always(3.0), 100, rng) == []
    assert bank.warming() == {}


def test_a_new_slice_starts_with_what_another_knows() -> None:
    rng = random.Random(7)
    plan = Plan(
        [Channel("x", "s", "number"), Channel("y", "t", "category")], [Signal("s", 0.5, 0.5), Signal("t", 0.5, 0.5)]
    )
    old = Bank(plan)
    for i in range(5_000):
        old.observe([rng.lognormvariate(0.0, 0.8), rng.choice("ab")], "r", float(i))
    new = Bank(plan)
    new.inherit(old)
    assert new.live() == [True, True]
    assert new.numbers is not None
    assert 1_900 <= new.numbers.total(0) <= 2_000
    said = []
    for i in range(40):
        said += new.observe([rng.lognormvariate(0.0, 0.8), "c"], "r", float(i), NOTICE, PAGE)
    assert {one.signal for one in said} == {"t"}


def many() -> Plan:
    """A plan of every kind, blocked and not."""
    kinds: list[Kind] = ["number", "category", "rate", "share"]
    channels = [Channel(f"{kind}{i}", f"{kind}{i % 2}", kind) for kind in kinds for i in range(3)]
    signals = [Signal(f"{kind}{i}", 0.125, 0.125, blocked=i == 1) for kind in kinds for i in range(2)]
    return Plan(channels, signals, block=20)


def values_of(rng: random.Random, factor: float) -> list[Value]:
    values: list[Value] = [rng.lognormvariate(0.0, 0.5) * factor, 3.0, float(rng.randint(0, 3))]
    values += ["a" if rng.random() < 0.9 / factor else "b", "c", f"n{int(rng.paretovariate(1.0))}"]
    values += [rng.random() ** factor, 0.0, float(rng.random() < 0.1 * factor)]
    values += [{"a": 0.5, "b": 0.5}, {"a": 1.0 / factor, "b": 1.0 - 1.0 / factor}, {f"t{rng.randint(0, 12)}": 1.0}]
    return [value if rng.random() < 0.95 else None for value in values]


@pytest.mark.parametrize("saved_every", [1, 7, 61])
def test_saving_and_loading_at_any_point_changes_nothing(saved_every: int) -> None:
    plan = many()
    rng = random.Random(8)
    kept, loaded = Bank(plan), Bank(plan)
    said: list[list[Crossing | Ended]] = [[], []]
    for i in range(900):
        values = values_of(rng, 1.0 if i < 600 or i > 800 else 2.0)
        for bank, words in zip((kept, loaded), said, strict=True):
            words += bank.observe(values, f"r{i}", float(i), 1e-4, 1e-5)
        if i % saved_every == 0:
            loaded = from_bytes(plan, to_bytes(loaded))
    assert msgspec.json.encode(said[0]) == msgspec.json.encode(said[1])
    assert to_bytes(kept) == to_bytes(loaded)
    assert said[0]


def test_a_bank_of_another_plan_is_refused() -> None:
    data = to_bytes(Bank(many()))
    with pytest.raises(ValueError, match="another plan"):
        from_bytes(Plan([Channel("x", "s", "number")], [Signal("s", 1.0, 1.0)]), data)
    with pytest.raises(ValueError, match="not a bank"):
        from_bytes(many(), b"\x00")


def test_a_plan_says_what_is_wrong_with_it() -> None:
    with pytest.raises(ValueError, match="unknown signals: t"):
        Plan([Channel("x", "t", "number")], [Signal("s", 1.0, 1.0)])
    with pytest.raises(ValueError, match="used twice"):
        Plan([Channel("x", "s", "number"), Channel("x", "s", "rate")], [Signal("s", 1.0, 1.0)])
    with pytest.raises(ValueError, match="parts of one"):
        Plan([], [Signal("s", 0.7, 1.0), Signal("t", 0.7, 0.0)])


def test_names_without_end_are_bounded() -> None:
    """A category that is another in every run: nothing grows, and nothing is said, because new is what is normal."""
    bank = bank_of("category")
    said = []
    for i in range(3_000):
        said += bank.observe([f"name {i} " * 9], f"r{i}", float(i), NOTICE, PAGE)
    assert said == []
    assert len(to_bytes(bank)) < 20_000


def test_a_channel_of_a_slice_takes_less_than_a_kibibyte() -> None:
    """As in an agent's bank: mostly numbers, some categories and rates, one mix; after the references are learned."""
    kinds: list[Kind] = ["number"] * 44 + ["category"] * 8 + ["rate"] * 6 + ["share"]
    plan = Plan(
        [Channel(f"x{i}", "s" if i > 3 else "t", kind) for i, kind in enumerate(kinds)],
        [Signal("s", 0.5, 0.5), Signal("t", 0.5, 0.5, blocked=True)],
    )
    rng = random.Random(9)
    names = [f"run-{i}" for i in range(450)]
    runs = [
        [rng.random() for _ in range(44)] + [rng.choice("abc") for _ in range(8)] + [0.5] * 6 + [{"a": 0.5, "b": 0.5}]
        for _ in names
    ]
    warm = Bank(plan)  # so that what all banks share is there
    for i, name in enumerate(names):
        warm.observe(runs[i], name, float(i))
    tracemalloc.start()
    banks = [Bank(plan) for _ in range(4)]
    for bank in banks:
        for i, name in enumerate(names):
            bank.observe(runs[i], name, float(i))
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert held / (len(banks) * len(kinds)) < 1024.0
    assert len(to_bytes(warm)) / len(kinds) < 1024.0
