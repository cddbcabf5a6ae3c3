"""The runs of one agent: what they are (`run`), what they do (`work`), when they open and close (`tracker`). Pure."""

from monitor.runs.run import SPENT, Closed, Run, Work
from monitor.runs.tracker import (
    CLOSED_RUNS,
    IDS_PER_RUN,
    LEAST_TIMEOUT,
    OPEN_RUNS,
    REMEMBER_SECONDS,
    TIMEOUT_FACTOR,
    TOOLS_PER_RUN,
    UNKNOWN_TIMEOUT,
    USUAL,
    RunTracker,
)
from monitor.saved.states import Fact, Severity

__all__ = [
    "CLOSED_RUNS",
    "IDS_PER_RUN",
    "LEAST_TIMEOUT",
    "OPEN_RUNS",
    "REMEMBER_SECONDS",
    "SPENT",
    "TIMEOUT_FACTOR",
    "TOOLS_PER_RUN",
    "UNKNOWN_TIMEOUT",
    "USUAL",
    "Closed",
    "Fact",
    "Run",
    "RunTracker",
    "Severity",
    "Work",
]
