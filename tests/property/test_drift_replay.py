"""Drift on any log: cuts into batches and restarts anywhere change nothing of what is said or known."""

from __future__ import annotations

import random

import msgspec
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from detectors.drift import state
from monitor.drift.tools import interfaces
from monitor.engine import Engine
from schemas.config import Config
from tests.doubles import drift_log
from tests.doubles.drift_log import Work
from tests.doubles.fleet_log import Item, log

CONFIG = Config.model_validate(
    {
        "owners": {"one": {"budget": "60 per hour", "notices": "600 per hour"}},
        # so many false alarms are allowed that failures fire in most stories, and in a fault nothing is learned
        "detectors": {"run.failed": {"reference": 0.3}, "tool.failed": {"reference": 0.3}},
    }
)
RUNS = 420

quick = settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow], phases=(Phase.explicit, Phase.generate)
)
"""Not shrunk: a story is small already, and each takes a second."""


class Story(msgspec.Struct, frozen=True):
    """What a log is made from: the same story gives the same log, of fresh events."""

    seed: int
    changes: tuple[int, int]
    canary: bool

    def log(self) -> list[Item]:
        return log(drift_log.events(drift_log.stream(RUNS, self.change, self.seed)))

    def change(self, number: int, work: Work) -> Work:
        first, second = self.changes
        if number >= first:
            work = work.changed(version="v2" if not self.canary or number % 3 == 0 else "v1")
        if work.version == "v2":
            work = work.changed(output=f"Dear customer, {number} thanks for waiting", seconds=work.seconds * 4)
        if number >= second:
            tools = [(tool, arguments, result | {"note": "x"}) for tool, arguments, result in work.tools]
            work = work.changed(version="v3", model="m-2", tools=tools)
        return work


stories = st.builds(
    Story,
    seed=st.integers(0, 2**32),
    changes=st.tuples(st.integers(210, 300), st.integers(300, 400)),
    canary=st.booleans(),
)


def _inside(engine: Engine) -> object:
    """All that decides what comes next."""
    drift = engine.partition.agents["x"].drift
    profile = drift.profile
    found: list[object] = [
        sorted((name, one.share, one.last, one.notice, one.page, one.runs) for name, one in profile.slots.items()),
        [(name, state.to_bytes(bank)) for name, bank in sorted(profile.banks.items())],
        [msgspec.to_builtins(sample) for sample in profile.recent.samples()],
        list(profile.versions.items()), profile.number, profile.known, profile.newcomers,
        drift.memory.outputs, interfaces.save(dict(sorted(drift.memory.tools.items()))), drift.episodes.open,
        list(drift.memory.documents.items()), drift.memory.session,
        list(drift.memory.paces.items()),
    ]  # fmt: skip
    return msgspec.msgpack.decode(msgspec.msgpack.encode(found))


@quick
@example(Story(seed=174, changes=(289, 328), canary=True), 1405114)
@given(stories, st.integers(0, 2**32))
def test_cuts_and_restarts_change_nothing(story: Story, seed: int) -> None:
    rng = random.Random(seed)
    whole = Engine(CONFIG)
    said = [msgspec.json.encode(finding) for finding in whole.step(story.log()).findings]
    stored: dict[str, bytes] = {}
    other = Engine(CONFIG)
    found: list[bytes] = []
    items = story.log()
    start = 0
    while start < len(items):
        size = rng.choice((1, 40, 300, 1_500))
        found += [msgspec.json.encode(finding) for finding in other.step(items[start : start + size]).findings]
        start += size
        if rng.random() < 0.8:
            for key, value in other.changes():
                assert value is None or len(value) <= 256 * 1024
                if value is None:
                    stored.pop(key, None)
                else:
                    stored[key] = value
            if rng.random() < 0.6:
                other = Engine(CONFIG)
                entries = list(stored.items())
                rng.shuffle(entries)
                other.load(entries)
    assert found == said
    assert _inside(other) == _inside(whole)


def test_the_stories_say_something() -> None:
    """Or the property above would hold of nothing."""
    said = set()
    for seed, canary in ((1, True), (2, False)):
        findings = Engine(CONFIG).step(Story(seed, (230, 330), canary).log()).findings
        for finding in findings:
            said |= {(signal, finding.node.get("version")) for signal in (finding.signal, *finding.corroborated)}
    assert ("run.output_shape", "v2") in said
    assert {signal for signal, _ in said} >= {"llm.response_model", "tool.schema", "run.duration_seconds"}
