"""The schedule says what a scan of all names would say, and an idle tick asks for none of them."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.intake.assembly.schedule import Remembered, Schedule

names = st.sampled_from("abcde")
times = st.integers(0, 20).map(float)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(names, st.none() | times, st.floats(0.0, 5.0), st.booleans())), st.booleans())
def test_it_wakes_as_a_scan_would(steps: list[tuple[str, float | None, float, bool]], asks: bool) -> None:
    due: dict[str, float] = {}
    schedule = Schedule()
    now = 0.0
    for name, at, early, ticks in steps:
        if at is None:
            due.pop(name, None)
        else:
            due[name] = at
            schedule.put(name, at - early)
        if asks:
            assert schedule.next(due.get) == min(due.values(), default=None)
        if ticks:
            now += 2.0
            expected = sorted((at, name) for name, at in due.items() if at <= now)
            assert schedule.take(now, due.get) == [name for _, name in expected]
            for _, taken in expected:
                del due[taken]
    assert schedule.next(due.get) == min(due.values(), default=None)


def test_an_idle_tick_asks_for_nobody_and_old_entries_go() -> None:
    asked: list[str] = []

    def due(name: str) -> float:
        asked.append(name)
        return 1e6

    schedule = Schedule()
    for number in range(20_000):
        schedule.put(str(number), 1e6)
    for earlier in range(5_000):
        schedule.put("0", 1e6 - earlier)
    assert [schedule.take(float(now), due) for now in range(100)] == [[]] * 100
    assert asked == []


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(names, st.sampled_from(["put", "drop", "tick", "oldest"]), st.booleans())))
def test_what_is_remembered_goes_after_its_time_or_as_the_oldest(steps: list[tuple[str, str, bool]]) -> None:
    kept = (3.0, 7.0)
    remembered = Remembered(*kept)
    expected: dict[str, tuple[float, bool]] = {}
    now = 0.0
    for name, deed, kind in steps:
        now += 1.0
        if deed == "put" and name not in expected:
            remembered.put(name, now, kind)
            expected[name] = (now, kind)
        elif deed == "drop":
            remembered.drop(name)
            expected.pop(name, None)
        elif deed == "tick":
            gone = {each for each, (at, of) in expected.items() if now - at >= kept[of]}
            assert set(remembered.expired(now)) == gone
            for each in gone:
                del expected[each]
        elif deed == "oldest":
            first = min(expected, key=lambda each: expected[each][0], default=None)
            assert remembered.oldest() == first
            expected.pop(first or "", None)
        assert len(remembered) == len(expected)
