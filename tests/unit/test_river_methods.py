"""Signals that a detector of river's watches: what is said, when, how loud, and that a restart changes nothing."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest

from detectors import registry
from detectors.river_detectors import Calibration
from monitor.drift import anomaly, methods, numbers
from monitor.drift.anomaly import LEARNED, Unusual
from monitor.drift.methods import QUIET, Methods
from monitor.runs import Closed, Run, Work
from schemas.config import WEEK, DetectorSettings
from schemas.finding import Finding
from schemas.signals import SIGNALS

SECONDS = 60.0
ADWIN = {"run.failed": DetectorSettings(method="river.drift.ADWIN")}
HDDM = {"run.failed": DetectorSettings(method="river.drift.binary.HDDM_A", mode="page")}


class Watched:
    """An agent's methods with their clock; `saved` restarts them at every run."""

    def __init__(self, settings: dict[str, DetectorSettings], page_rate: float = 0.0, every: int = 0) -> None:
        self.settings = settings
        self.page_rate = page_rate
        self.every = every
        self.findings: list[Finding] = []
        self.at: list[int] = []
        self.run = 0
        self.methods = self._new()

    def _new(self) -> Methods:
        return Methods("agent", "owner", self.settings, self.findings.append, self._identify)

    def _identify(self, *parts: object) -> str:
        return "|".join(map(str, (self.run, *parts)))

    def feed(self, closed: Iterable[Closed]) -> Watched:
        for one in closed:
            self.run += 1
            said = len(self.findings)
            self.methods.observe(one, self.run * SECONDS, self.page_rate)
            self.at += [self.run] * (len(self.findings) - said)
            if self.every and self.run % self.every == 0:
                raw = self.methods.save()
                assert raw is not None
                self.methods = self._new()
                self.methods.load(raw)
        return self

    def said(self) -> list[tuple[str, str, str]]:
        return [(finding.status, finding.mode, finding.direction) for finding in self.findings]


def closed(i: int, status: str = "ok", seconds: float = 1.0, calls: int = 0, failed: int = 0) -> Closed:
    run = Run(f"r{i}", "v1", 0, 0.0, 0.0, set(), {"tool": [calls, failed, 0]} if calls else {}, Work())
    return Closed(run, status, i * SECONDS, seconds, None, None, Work(llm_calls=2))


def failing(seed: int, *parts: tuple[int, float]) -> list[Closed]:
    rng = random.Random(seed)
    rates = [rate for runs, rate in parts for _ in range(runs)]
    return [closed(i, "error" if rng.random() < rate else "ok") for i, rate in enumerate(rates)]


def slowing(seed: int, *parts: tuple[int, float]) -> list[Closed]:
    rng = random.Random(seed)
    scales = [scale for runs, scale in parts for _ in range(runs)]
    return [closed(i, seconds=scale * rng.lognormvariate(0.0, 0.3)) for i, scale in enumerate(scales)]


def test_a_rise_is_a_notice_with_the_name_of_the_method_and_both_levels() -> None:
    watched = Watched(ADWIN).feed(failing(1, (1_000, 0.05), (200, 0.5)))
    assert watched.said() == [("firing", "notice", "up")]
    finding = watched.findings[0]
    assert finding.reason == "river.drift.ADWIN with its defaults"
    assert finding.before == pytest.approx(0.05, abs=0.02)
    assert finding.after == pytest.approx(0.5, abs=0.2)
    assert finding.onset == pytest.approx(1_000 * SECONDS, abs=10 * SECONDS)
    assert finding.node == {"agent": "agent"}
    assert finding.owner == "owner"
    assert 0 < len(finding.runs) <= methods.EXAMPLES


def test_an_episode_ends_when_the_detector_was_quiet() -> None:
    """It goes back to normal: the alarm on the way down belongs to the episode, and begins its quiet time anew."""
    watched = Watched(ADWIN).feed(failing(1, (1_000, 0.05), (150, 0.9), (400, 0.05)))
    assert [status for status, _, _ in watched.said()] == ["firing", "update", "resolved"]
    assert {finding.incident_key for finding in watched.findings} == {watched.findings[0].incident_key}
    assert watched.findings[-1].reason == "the signal is back"
    assert watched.at[-1] - watched.at[-2] == QUIET
    assert len({finding.id for finding in watched.findings}) == 3


def test_a_fault_that_ends_while_the_detector_is_quiet_is_over() -> None:
    watched = Watched(ADWIN).feed(failing(1, (1_000, 0.05), (150, 0.5), (400, 0.05)))
    assert [status for status, _, _ in watched.said()] == ["firing", "resolved"]
    assert watched.findings[-1].reason == "the signal is back"
    assert watched.findings[-1].after == pytest.approx(0.05, abs=0.05)


def test_a_change_that_stays_ends_as_steady() -> None:
    watched = Watched(ADWIN).feed(failing(1, (1_000, 0.05), (400, 0.5)))
    assert watched.said() == [("firing", "notice", "up"), ("resolved", "notice", "up")]
    assert watched.findings[-1].reason == f"steady for {QUIET} runs"
    assert watched.findings[-1].after == pytest.approx(0.5, abs=0.1)


def test_fewer_failures_are_nobodys_alarm() -> None:
    assert Watched(ADWIN).feed(failing(1, (1_000, 0.5), (400, 0.05))).findings == []


def test_numbers_are_watched_in_both_directions() -> None:
    settings = {"run.duration_seconds": DetectorSettings(method="river.drift.ADWIN")}
    assert Watched(settings).feed(slowing(1, (500, 1.0), (100, 3.0))).said()[0] == ("firing", "notice", "up")
    down = Watched(settings).feed(slowing(1, (500, 3.0), (100, 1.0)))
    assert down.said()[0] == ("firing", "notice", "down")
    assert down.findings[0].unit == "seconds"


def test_a_detector_that_never_rests_is_one_episode_that_is_told_seldom() -> None:
    settings = {"run.duration_seconds": DetectorSettings(method="river.drift.PageHinkley", parameters={"threshold": 1})}
    watched = Watched(settings).feed(slowing(1, (2_000, 1.0)))
    statuses = [finding.status for finding in watched.findings]
    assert statuses.count("firing") == 1
    assert statuses.count("update") <= 6
    assert "resolved" not in statuses


def test_a_run_that_says_nothing_of_a_signal_is_not_counted() -> None:
    watched = Watched({"run.cost_usd": DetectorSettings(method="river.drift.ADWIN")}).feed(failing(1, (300, 0.5)))
    assert watched.findings == []
    (view,) = watched.methods.views(1.0, 0.0)
    assert (view.state, view.n, view.waiting_for) == ("warming up", 0.0, "0 of 30 runs")


def test_a_view_says_what_watches_and_why_it_only_notices() -> None:
    """The number stands there before any alarm."""
    watched = Watched(HDDM).feed(failing(1, (600, 0.05)))
    (view,) = watched.methods.views(600 * SECONDS, 1.0 / WEEK)
    assert (view.state, view.mode) == ("healthy", "notice")
    assert view.level == pytest.approx(0.05, abs=0.08)
    assert "the budget bears one false alarm in 91,789 runs, and 15,000 simulated runs cannot show that" in view.note
    (view,) = watched.methods.views(600 * SECONDS, 1.0)
    assert (view.mode, view.note.split("; ")[1]) == ("page", "whether it pages is counted at an alarm")
    watched.feed(failing(2, (60, 0.9)))
    (view,) = watched.methods.views(660 * SECONDS, 1.0 / WEEK)
    assert (view.state, view.mode, view.evidence) == ("firing", "notice", 1.0)
    assert view.reference == pytest.approx(0.05, abs=0.03)


def test_fhddm_is_fed_so_that_more_failures_are_what_it_finds() -> None:
    settings = {"run.failed": DetectorSettings(method="river.drift.binary.FHDDM")}
    assert Watched(settings).feed(failing(1, (500, 0.1), (200, 0.9))).said()[:1] == [("firing", "notice", "up")]


@pytest.mark.parametrize(
    ("method", "settings"),
    [
        ("ADWIN on failures", ADWIN),
        ("binary", {"run.failed": DetectorSettings(method="river.drift.binary.DDM")}),
        ("one that alarms all the time", {"run.failed": DetectorSettings(method="river.drift.binary.EDDM")}),
        ("numbers", {"run.duration_seconds": DetectorSettings(method="river.drift.PageHinkley")}),
        ("pages", HDDM),
    ],
)
@pytest.mark.parametrize("every", [1, 37])
def test_a_restart_at_any_run_changes_nothing(method: str, settings: dict[str, DetectorSettings], every: int) -> None:
    runs = failing(3, (1_100, 0.05), (150, 0.4), (250, 0.05))
    if "run.duration_seconds" in settings:
        runs = slowing(3, (300, 1.0), (150, 40.0), (300, 1.0))
    if every == 1:  # fed again at every run: a short stream is enough
        runs = runs[:60] + runs[-60:]
    plain = Watched(settings, page_rate=1.0).feed(runs)
    assert Watched(settings, page_rate=1.0, every=every).feed(runs).findings == plain.findings
    assert plain.findings or every == 1, method


# who may page


def test_a_page_is_asked_for_and_the_budget_bears_it() -> None:
    """One run a minute, and a budget that bears a false alarm every hundred runs."""
    watched = Watched(HDDM, page_rate=1.0 / (100 * SECONDS) / 0.12).feed(failing(1, (1_000, 0.05), (100, 0.5)))
    assert watched.said()[0] == ("firing", "page", "up")
    assert "no false alarms in 15,000 simulated runs, so at worst one per 5,000" in watched.findings[0].reason


def test_what_the_budget_does_not_bear_is_a_notice_that_says_why() -> None:
    watched = Watched(HDDM, page_rate=1.0 / WEEK).feed(failing(1, (1_000, 0.05), (100, 0.5)))
    assert watched.said()[0] == ("firing", "notice", "up")
    assert "15,000 simulated runs cannot show that" in watched.findings[0].reason


def test_a_method_that_is_known_to_cry_wolf_is_a_notice_that_says_how_often() -> None:
    settings = {"run.failed": DetectorSettings(method="river.drift.binary.EDDM", mode="page")}
    watched = Watched(settings, page_rate=1.0 / (5_000 * SECONDS) / 0.12).feed(failing(1, (1_000, 0.05), (300, 0.5)))
    assert watched.said()[0] == ("firing", "notice", "up")
    assert "false alarms in 200,000 simulated runs" in watched.findings[0].reason


def test_without_mode_page_nothing_pages_whatever_the_budget() -> None:
    watched = Watched({"run.failed": DetectorSettings(method="river.drift.binary.HDDMA")}, page_rate=1.0)
    assert watched.feed(failing(1, (1_000, 0.05), (100, 0.5))).said()[0][1] == "notice"


@pytest.mark.parametrize(
    ("calibration", "least", "words"),
    [
        (Calibration(30_000, 0), 10_000, "no false alarms in 30,000 simulated runs, so at worst one per 10,000"),
        (Calibration(30_000, 1), 6_300, "1 false alarm in 30,000 simulated runs"),
        (Calibration(30_000, 100), 250, "100 false alarms in 30,000 simulated runs"),
    ],
)
def test_the_least_that_a_count_shows(calibration: Calibration, least: float, words: str) -> None:
    """No alarm in n is no proof of none: three would have been missed once in twenty times."""
    assert calibration.least == pytest.approx(least, rel=0.03)
    assert calibration.words().startswith(words)


# the YAML changed


def test_another_method_begins_anew_and_an_episode_goes_on() -> None:
    first = Watched(ADWIN).feed(failing(1, (1_000, 0.05), (100, 0.5)))
    raw = first.methods.save()
    assert raw is not None
    second = Watched({"run.failed": DetectorSettings(method="river.drift.ADWIN", parameters={"delta": 0.001})})
    second.methods.load(raw)
    second.run = first.run
    second.feed(failing(2, (250, 0.05)))
    assert [finding.status for finding in second.findings] == ["resolved"]
    assert second.findings[0].incident_key == first.findings[0].incident_key


def test_an_episode_whose_method_is_gone_is_closed() -> None:
    first = Watched(ADWIN).feed(failing(1, (1_000, 0.05), (100, 0.5)))
    raw = first.methods.save()
    assert raw is not None
    second = Watched({})
    second.methods.load(raw)
    assert second.methods.save() is not None, "until it is said, it must survive another restart"
    second.feed(failing(2, (3, 0.0)))
    assert [(finding.status, finding.incident_key) for finding in second.findings] == [
        ("resolved", first.findings[0].incident_key)
    ]
    assert second.methods.save() is None


def test_nothing_is_watched_that_nobody_named() -> None:
    assert methods.named({"run.failed": DetectorSettings(mode="page")}) == {}
    off = {"run.failed": DetectorSettings(mode="off", method="river.drift.ADWIN")}
    assert methods.named(off) == {}


@pytest.mark.parametrize(
    ("values", "cut", "why"),
    [
        ([0.0] * 20 + [1.0] * 10, 20, "a clean step"),
        ([5.0], 1, "one value has no two sides"),
        ([1.0] * 8, 5, "nothing changed: any cut"),
        ([0.0] * 30 + [9.0], 26, "one outlier at the end is not a level"),
    ],
)
def test_where_the_mean_changed(values: list[float], cut: int, why: str) -> None:
    found = methods.change_in(values)
    assert found == cut or (why.startswith("nothing") and 0 < found < len(values)), why


def test_the_share_of_failed_calls_is_over_all_tools_of_a_run() -> None:
    read = numbers.READERS["tool.failed"]
    assert read(closed(1, calls=4, failed=1)) == 0.25
    assert read(closed(1)) is None


def test_every_signal_that_can_have_a_method_is_public() -> None:
    assert set(numbers.READERS) <= set(SIGNALS)
    assert all(registry.method(name) is not None for name in registry.METHOD_NAMES)


# whole runs


def _runs(seed: int, n: int, scale: float = 1.0) -> list[Closed]:
    return slowing(seed, (n, scale))


def test_there_is_no_score_until_the_epochs_first_runs_are_in() -> None:
    unusual = Unusual()
    assert {unusual.score(run) for run in _runs(1, LEARNED)} == {None}
    assert unusual.score(_runs(2, 1)[0]) is not None
    unusual.restart()
    assert unusual.score(_runs(2, 1)[0]) is None


def test_a_run_unlike_the_first_ones_has_a_high_score() -> None:
    unusual = Unusual()
    for run in _runs(1, LEARNED):
        unusual.score(run)
    usual = sorted(unusual.score(run) or 0.0 for run in _runs(2, 200))
    assert (unusual.score(_runs(3, 1, 50.0)[0]) or 0.0) > usual[180]
    assert unusual.score(closed(1, "hung")) is None


@pytest.mark.parametrize("at", [1, LEARNED - 1, LEARNED, LEARNED + 50])
def test_restored_trees_score_as_before(at: int) -> None:
    live, runs = Unusual(), _runs(1, LEARNED + 100)
    for run in runs[:at]:
        live.score(run)
    restored = Unusual()
    assert live.changed, "500 vectors are written while they are gathered"
    restored.load(live.save())
    live.score(runs[0]), restored.score(runs[0])
    assert live.changed == restored.changed == (at < LEARNED), "and once more when the trees are frozen, no more after"
    assert [restored.score(run) for run in runs[at:]] == [live.score(run) for run in runs[at:]]


def test_whole_runs_are_scored_only_where_the_yaml_says_so() -> None:
    assert not anomaly.wanted({})
    assert not anomaly.wanted({"run.anomaly": DetectorSettings(mode="off")})
    assert anomaly.wanted({"run.anomaly": DetectorSettings(mode="notice")})
