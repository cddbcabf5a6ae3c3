"""`method:` and `parameters:` in the YAML: each problem at its place with the nearest spelling, and what is said."""

from __future__ import annotations

import subprocess
import sys

import pytest

from detectors import registry
from monitor.config import check_text, render
from monitor.drift.numbers import READERS
from schemas.config import DetectorSettings, Material

HEAD = "owners: {a: {}}\n"
FAILED = f"{HEAD}detectors: {{run.failed: "

ROWS = [
    ("a name with a slip", FAILED + "{method: §river.drift.ADWN}}", "there is no method", "river.drift.ADWIN"),
    ("the class alone", FAILED + "{method: §ADWIN}}", "there is no method `ADWIN`", "river.drift.ADWIN"),
    ("the wrong package", FAILED + "{method: §river.drift.DDM}}", "there is no", "river.drift.binary.DDM"),
    ("nothing like it", FAILED + "{method: §mine}}", "there is no method `mine`", None),
    (
        "a parameter with a slip",
        FAILED + "{method: river.drift.ADWIN, parameters: {§dleta: 0.1}}}",
        "`river.drift.ADWIN` has no parameter",
        "delta",
    ),
    (
        "a value out of its range, on which river's core would panic",
        FAILED + "{method: river.drift.ADWIN, parameters: {clock: §0}}}",
        "`clock` must be a whole number from 1",
        None,
    ),
    (
        "a value of the wrong type",
        FAILED + '{method: river.drift.ADWIN, parameters: {delta: §"x"}}}',
        "`delta` must be a number from",
        None,
    ),
    (
        "values that river takes, but not together",
        FAILED + "{method: river.drift.KSWIN, parameters: {window_size: §50, stat_size: 40}}}",
        "river refuses: Sample larger than population",
        None,
    ),
    (
        "one that does not go with a default",
        FAILED + "{method: river.drift.binary.EDDM, parameters: {alpha: §0.5}}}",
        "river refuses: 'alpha' must be greater or equal to 'beta'",
        None,
    ),
    (
        "two that are both wrong together",
        FAILED + "{method: river.drift.binary.EDDM, §parameters: {alpha: 0.3, beta: 0.99}}}",
        "river refuses: 'alpha' must be greater or equal to 'beta'",
        None,
    ),
    ("parameters of nothing", FAILED + "{§parameters: {delta: 0.1}}}", "parameters of what?", None),
    (
        "failures wanted, a number given",
        f"{HEAD}detectors: {{run.steps: {{method: §river.drift.binary.DDM}}}}",
        "`run.steps` is a number, and this takes failures",
        None,
    ),
    (
        "a signal of many numbers",
        f"{HEAD}detectors: {{run.tool_mix: {{method: §river.drift.ADWIN}}}}",
        "`run.tool_mix` is not one number per run",
        None,
    ),
    (
        "a rate in time",
        f"{HEAD}detectors: {{agent.traffic: {{method: §river.drift.ADWIN}}}}",
        "`agent.traffic` is not one number per run",
        None,
    ),
    ("whole runs", f"{HEAD}detectors: {{run.anomaly: {{mode: §page}}}}", "`run.anomaly` never pages", None),
]
"""What is wrong, the file with § before the place, the message, the nearest spelling."""


@pytest.mark.parametrize(("row", "text", "message", "suggestion"), ROWS, ids=[row[0] for row in ROWS])
def test_a_problem_is_told_at_its_place(row: str, text: str, message: str, suggestion: str | None) -> None:
    problems = [problem for problem in check_text(text.replace("§", ""), "f.yaml") if problem.severity == "error"]
    assert len(problems) == 1, f"{row}: {render(problems)}"
    problem = problems[0]
    assert (problem.line, problem.column) == (2, text.splitlines()[1].index("§") + 1), f"{row}: {render(problems)}"
    assert message in problem.message
    assert problem.suggestion == suggestion


@pytest.mark.parametrize("name", registry.METHOD_NAMES)
def test_every_method_is_accepted_in_each_of_its_spellings(name: str) -> None:
    assert check_text(f"{FAILED}{{method: {name}}}}}", "f.yaml") == []


@pytest.mark.parametrize("signal", sorted(READERS))
def test_every_signal_of_one_number_takes_adwin(signal: str) -> None:
    text = f"{HEAD}detectors: {{{signal}: {{method: river.drift.ADWIN, parameters: {{delta: 0.01, clock: 1}}}}}}"
    assert check_text(text, "f.yaml") == []


def test_a_method_that_is_to_page_is_counted_and_the_count_is_said() -> None:
    """The worst of three failure rates, and how little traffic a whole owner's budget covers."""
    text = "owners: {a: {budget: 1 per week}, b: {budget: 2 per week}}\ndefaults: {owner: a}\n"
    text += "detectors: {run.failed: {mode: page, method: river.drift.binary.EDDM}}"
    problems = check_text(text, "f.yaml")
    assert [problem.severity for problem in problems] == ["warning"]
    assert "180 false alarms in 66,666 simulated runs, so at worst one per 327 at 20% failures" in problems[0].message
    assert "up to 654 runs a week" in problems[0].message


def test_a_number_that_is_to_page_is_said_to_be_a_notice() -> None:
    text = f"{HEAD}detectors: {{run.steps: {{mode: page, method: river.drift.ADWIN}}}}"
    assert "on a number speaks as a notice" in check_text(text, "f.yaml")[0].message


def test_when_a_drift_is_worth_a_page_can_be_written() -> None:
    text = f"{HEAD}detectors: {{run.tool_mix: {{sustained: 50, material: {{share: 20%, factor: 3}}}}}}"
    assert check_text(text, "f.yaml") == []
    assert DetectorSettings().sustained == 30
    assert DetectorSettings().material == Material(share=0.3, factor=2.0)


def test_who_names_no_method_does_not_import_river() -> None:
    """It costs seconds and a hundred megabytes."""
    code = (
        "import sys, monitor.engine, monitor.config, monitor.drift.methods\n"
        "assert monitor.config.check_text('owners: {a: {}}', 'f.yaml') == []\n"
        "print([name for name in ('river', 'scipy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
