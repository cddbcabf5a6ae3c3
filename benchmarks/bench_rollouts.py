"""Canaries and shadows, measured: runs until a verdict, wrong verdicts, two models on the same tasks.

    python benchmarks/bench_rollouts.py [--quick] [--data PATH] [--section runs wrong past shadow]

Prints Markdown. Seeded: the same numbers each time. Runs are fed to the module that judges them in production, with its
defaults; the verdict is looked at after every run. `--data`: a folder of recorded runs that is no part of the project;
without it the last table is left out.
"""

from __future__ import annotations

import argparse
import itertools
import random
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.detection import recordings, table
from benchmarks.detection.recordings import Files
from monitor.rollouts import comparing, sides
from monitor.rollouts.state import Rate as Counts
from monitor.rollouts.state import Reading, Rollout
from schemas.config import Config, RolloutSettings
from schemas.event import Event
from schemas.news import RolloutSeen
from schemas.settings.rollouts import DECIDING
from tests.doubles.rollout_log import config, told

KNOWN_SHARE = {(0.05, 0.15, 0.5): 341, (0.05, 0.15, 0.1): 826, (0.05, 0.10, 0.5): 1_070, (0.02, 0.06, 0.5): 835}
"""Median runs of bets that know the candidate's share, from simulations before there was a Forewarn (alpha 0.01)."""
LEAST_TASKS = 20
"""Tasks that two versions must have in common to be compared."""
SECTIONS = ("runs", "wrong", "past", "shadow")
Rate = Callable[[int], float]


def until_worse(
    rng: random.Random,
    base: Rate,
    other: Rate,
    share: Rate,
    settings: RolloutSettings,
    most: int,
    full: bool,
    known: list[float] | None = None,
) -> int | None:
    """Runs until the verdict is `roll back`; None if it is not within `most`. `full`: with all deciding signals.

    `known`: failures and runs of the baseline before.
    """
    rollout = Rollout("r", "canary", "v1", "v2", True, 0.0)
    if known is not None:
        rollout.rates["run.failed"] = Counts(base=known)
    bars = {signal: 1.0 / (settings.alpha * part) for signal, part in comparing.parts(settings).items()}
    for number in range(most):
        candidate = rng.random() < share(number)
        failed = rng.random() < (other if candidate else base)(number)
        shares, numbers = {"run.failed": float(failed)}, {}
        if full:
            shares |= {"run.hung": float(rng.random() < 0.01), "contract.violated": float(rng.random() < 0.02)}
            if not failed:
                shares["run.silent"] = float(rng.random() < 0.05)
            numbers = {
                "run.duration_seconds": rng.lognormvariate(1.0, 0.6),
                "run.cost_usd": rng.lognormvariate(-4.0, 0.5),
                "run.steps": float(1 + min(int(rng.expovariate(0.4)), 20)),
            }
        sides.add(rollout, Reading("", "", 0.0, shares, numbers, [], 0, 0, -1), candidate, settings)
        for signal, bar in bars.items():  # a look after every run
            if comparing.worse(rollout, signal) >= bar:
                return number + 1
    return None


def runs(quick: bool) -> None:
    """Median runs until `roll back`."""
    table.heading(
        "Canary: runs until `roll back`, alpha 0.01",
        "Median runs of both versions. `of known`: against bets that know the share. `failures alone`: "
        "`signals: [run.failed]`; `default`: eight signals share alpha.",
    )
    table.heads("failures", "candidate's share", "failures alone", "of known", "default", "of known", "missed")
    for (base, other, share), known in KNOWN_SHARE.items():
        cells: list[object] = []
        missed = 0
        for settings in (RolloutSettings(randomised="run", signals=["run.failed"]), RolloutSettings(randomised="run")):
            rng = random.Random(f"{base} {other} {share}")
            rates = (_always(base), _always(other), _always(share))
            found = [until_worse(rng, *rates, settings, 12 * known, full=False) for _ in range(100 if quick else 1_000)]
            missed += found.count(None)
            median = statistics.median(12 * known if one is None else one for one in found)
            cells += [f"{median:g}", f"{median / known:.2f}"]
        table.row(f"{base:.0%} against {other:.0%}", f"{share:.0%}", *cells, missed)


def wrong(quick: bool) -> None:
    """No difference, looked at after every run."""
    count = 100 if quick else 2_000
    table.heading(
        "Canary: wrong verdicts where there is no difference, alpha 0.01",
        f"{count:,} canaries of 1,000 runs each, all deciding signals, looked at after every run.",
    )
    table.heads("what happens meanwhile", "wrong `roll back`", "share")
    cases = {
        "nothing": (_always(0.05), _always(0.5)),
        "failures of both five times as many, in a fifth of the time": (_outages, _always(0.5)),
        "the same, and the share ramps from 5 % to 50 %": (_outages, _ramp),
    }
    for name, (rate, share) in cases.items():
        rng = random.Random(name)
        settings = RolloutSettings(randomised="run", signals=list(DECIDING))
        found = [until_worse(rng, rate, rate, share, settings, 1_000, full=True) for _ in range(count)]
        hits = count - found.count(None)
        table.row(name, f"{hits} of {count:,}", f"{hits / count:.4f}")


def past(quick: bool) -> None:
    """All runs go to a new version that is like the old one, whose past is the reference."""
    count = 30 if quick else 300
    table.heading(
        "Not by lot, nothing beside it: wrong verdicts where there is no difference, alpha 0.01",
        f"{count} versions of 3,000 runs each, `run.failed` alone, against what was learned of the version before.",
    )
    table.heads("failures", "runs that were learned from", "wrong `roll back`", "share")
    settings = RolloutSettings(randomised="no", signals=["run.failed"])
    for rate, learned in ((0.02, 200), (0.05, 200), (0.15, 200), (0.05, 1_000)):
        rng = random.Random(f"{rate} {learned}")
        same = _always(rate)
        hits = 0
        for _ in range(count):
            before = [float(sum(rng.random() < rate for _ in range(learned))), float(learned)]
            found = until_worse(rng, same, same, _always(1.0), settings, 3_000, full=False, known=before)
            hits += found is not None
        table.row(f"{rate:.0%}", learned, f"{hits} of {count}", f"{hits / count:.4f}")


def _always(value: float) -> Rate:
    return lambda _: value


def _outages(number: int) -> float:
    return 0.25 if number % 200 < 40 else 0.05


def _ramp(number: int) -> float:
    return 0.05 + 0.45 * min(number / 600, 1.0)


def shadow(files: Files | None) -> None:
    """Two models on the same recorded tasks."""
    if files is None:
        print("\n(no table of shadows without `--data`)")
        return
    rewards = {line["run_id"]: line["success"] for path in files.labels for line in recordings.lines_of(path)}
    for one, beside in itertools.combinations(recordings.versions(files.runs), 2):
        if one.agent != beside.agent or len(one.tasks() & beside.tasks()) < LEAST_TASKS:
            continue
        news = paired(one.runs, beside.runs, rewards)
        table.heading(
            f"Shadow: {one.agent}, {one.version} serves, {beside.version} beside it",
            f"{news.pairs} tasks, one run each of both. Verdict `{news.verdict}`: {news.reason}. "
            f"Agreement (same end, same tools) {news.agreement or 0.0:.0%} "
            f"({news.agreement_low:.0%} to {news.agreement_high:.0%}).",
        )
        table.heads("signal", "serves", "beside it", "difference", "interval", "evidence", "state")
        for row in news.signals:
            table.row(
                row.signal, f"{row.baseline:.3g}", f"{row.candidate:.3g}", f"{row.effect:+.3g}",
                f"{row.low:+.3g} to {row.high:+.3g}", f"{row.evidence:.3g}", row.state,
            )  # fmt: skip


def paired(
    served: list[recordings.Lines],
    beside: list[recordings.Lines],
    rewards: dict[str, bool],
    settings: Config | None = None,
) -> RolloutSeen:
    """The first run of each task of both, as pairs through the engine; what was said last.

    `rewards`: whether a run did what it should; of runs that are not in it nothing is said.
    """
    events: list[Event] = []
    firsts = [{run[0]["task_id"]: run for run in reversed(runs)} for runs in (served, beside)]
    for number, task in enumerate(sorted(firsts[0].keys() & firsts[1].keys())):
        for variant, run in zip(("stable", "shadow"), (firsts[0][task], firsts[1][task]), strict=True):
            name = f"{task} {variant}"
            its = recordings.events_of(run, name, 1_800_000_000.0 + 300.0 * number, run[0]["version"])
            for event in its:
                event.agent, event.variant, event.pair = "x", variant, task  # type: ignore[assignment]
            events += its
            good = rewards.get(run[0]["run_id"])
            if good is not None:
                events.append(
                    Event(
                        kind="evaluation", time=its[-1].at + 60.0, id=f"{name} e", run=name, agent="x", name="reward",
                        score=float(good),
                    )
                )  # fmt: skip
    events.sort(key=lambda event: event.at)
    _, news = told(settings or config(), events, until=events[-1].at + 7_200.0)
    return news[-1]


def main() -> None:
    """Print the sections that are asked for, all of them by default."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer repetitions")
    parser.add_argument("--data", type=Path, help="folder with recorded runs")
    parser.add_argument("--section", choices=SECTIONS, nargs="*", default=SECTIONS)
    options = parser.parse_args()
    try:
        files = recordings.files_of(options.data) if options.data else None
    except (OSError, ValueError) as error:
        parser.error(f"--data: {error}")
    for name in options.section:
        began = time.process_time()
        if name == "shadow":
            shadow(files)
        else:
            {"runs": runs, "wrong": wrong, "past": past}[name](options.quick)
        print(f"\n({name}: {time.process_time() - began:.0f} s of CPU)", flush=True)


if __name__ == "__main__":
    main()
