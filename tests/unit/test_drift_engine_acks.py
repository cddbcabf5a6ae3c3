"""What a human says of one of several alerts of a drift, and what becomes of the others."""

from __future__ import annotations

from monitor.engine import Engine
from schemas.config import Config
from schemas.finding import Finding
from schemas.records import Ack
from tests.doubles import drift_log
from tests.doubles.drift_log import GAP, Work
from tests.doubles.fleet_log import START, log

DEFAULT = Config.model_validate({"owners": {"one": {}}})
AT = 500
"""Runs before the change."""


def test_a_human_calls_one_of_two_stories_normal() -> None:
    """A signal of a notice pages beside it: what a word about the notice ends of it is over in the page as well, and a
    change that comes later is told anew."""
    again = "\n".join(f"- step {number}: wait" for number in range(5))

    def change(number: int, work: Work) -> Work:
        if number < AT:
            return work
        work = work.changed(input_tokens=int(1.8 * (work.input_tokens or 0)), output_tokens=None)
        if number < AT + 40:
            return work
        return work.changed(output=f"On its way: {number % 97}, dear customer!" if number < AT + 900 else again)

    engine = Engine(DEFAULT)
    said: list[Finding] = []
    acked = False
    for offset, record in enumerate(dict(log(drift_log.events(drift_log.stream(AT + 1_000, change)))).values()):
        said += engine.step([(offset + acked, record)]).findings
        agent = engine.partition.agents.get("x")
        if acked or agent is None or engine.partition.now < START + (AT + 100) * GAP:
            continue
        notices = [one for one in agent.drift.episodes.open if one.mode == "notice"]
        if notices and len(agent.drift.episodes.open) > 1:
            acked = True
            said += engine.step([(offset + 1, Ack(engine.partition.now, "x", notices[0].key, "new_normal"))]).findings
            open_now = agent.drift.episodes.open
            assert all(agent.drift.profile.fires(*one) for each in open_now for one in each.members)
    assert acked
    last = [one for one in said if one.time > START + (AT + 900) * GAP and one.status == "firing"]
    assert [one.mode for one in last if one.signal == "run.output_shape"][-1:] == ["page"]
