"""The audit of the budget: runs in a random order, so that whatever fires is false."""

from __future__ import annotations

import json
import random
from collections import Counter

from click.testing import CliRunner

from monitor.cli import cli
from monitor.history import shuffled
from schemas.event import Event, encode
from schemas.records import Tick

START = 1_800_000_000.0


def run(name: str, at: float, agent: str = "a", status: str = "ok", **fields: object) -> list[Event]:
    common = {"agent": agent, "run": name, **fields}
    return [
        Event(kind="run_started", time=at, id=f"{name}.s", observed_time=at + 1.0, **common),
        Event(kind="tool_call", time=at + 1.0, id=f"{name}.t", tool="t", **common),
        Event(kind="run_finished", time=at + 2.0, id=f"{name}.f", status=status, **common),
    ]


def starts(events: list[Event]) -> dict[str, float]:
    return {event.run or "": event.at for event in events if event.kind == "run_started"}


def test_runs_of_one_agent_exchange_their_places_and_keep_their_shape() -> None:
    events = [event for i in range(50) for event in run(f"r{i}", START + 60.0 * i)]
    found = shuffled([*events, Tick(START, None)], 3)
    assert all(isinstance(one, Event) for one in found)
    assert sorted(starts(found).values()) == sorted(starts(events).values())
    assert starts(found) != starts(events)
    for at in range(0, len(found), 3):
        first, call, last = found[at : at + 3]
        assert first.run == call.run == last.run
        assert (call.at - first.at, last.at - first.at) == (1.0, 2.0)
        assert first.observed_time == first.at + 1.0
    assert [one.time for one in found] == sorted(one.time for one in found)


def test_the_seed_decides_and_what_was_given_stays_as_it_is() -> None:
    events = [event for i in range(50) for event in run(f"r{i}", START + 60.0 * i)]
    before = [encode(event) for event in events]
    first, again, other = shuffled(events, 1), shuffled(events, 1), shuffled(events, 2)
    assert first == again != other
    assert [encode(event) for event in events] == before


def test_agents_keep_their_own_times_and_children_go_with_their_parents() -> None:
    events = []
    for i in range(40):
        events += run(f"r{i}", START + 60.0 * i)
        events += run(f"c{i}", START + 60.0 * i + 0.5, agent="child", parent_run=f"r{i}", parent_agent="a")
        events += run(f"b{i}", START + 7.0 * i, agent="b")
    found = starts(shuffled(events, 5))
    assert all(found[f"c{i}"] - found[f"r{i}"] == 0.5 for i in range(40))
    assert sorted(found[f"b{i}"] for i in range(40)) == [START + 7.0 * i for i in range(40)]


def test_what_was_said_later_of_a_run_goes_with_it_and_what_has_no_run_stays() -> None:
    events = [event for i in range(20) for event in run(f"r{i}", START + 60.0 * i)]
    events.append(Event(kind="evaluation", time=START + 4_000.0, id="e", agent="a", run="r0", name="n", score=0.1))
    events.append(Event(kind="complaint", time=START + 4_100.0, id="c", agent="a"))
    found = {event.id: event for event in shuffled(events, 9)}
    assert found["e"].at - found["r0.s"].at == 4_000.0
    assert found["c"].at == START + 4_100.0


def test_a_circle_of_parents_ends() -> None:
    events = [*run("x", START, parent_run="y"), *run("y", START + 9.0, parent_run="x")]
    assert Counter(event.id for event in shuffled(events, 1)) == Counter(event.id for event in events)


def test_the_command_prints_both_orders(tmp_path) -> None:
    """A real fault fires in true order; spread over all runs it is what is normal."""
    rng = random.Random(1)
    events = []
    for i in range(1_500):
        bad = rng.random() < (0.05 if i < 1_000 else 0.6)
        events += run(f"r{i}", START + 60.0 * i, status="error" if bad else "ok")
    (tmp_path / "events.jsonl").write_bytes(b"\n".join(encode(event) for event in events))
    (tmp_path / "forewarn.yaml").write_text("owners: {team: {}}\n")
    arguments = [str(tmp_path / "forewarn.yaml"), str(tmp_path / "events.jsonl"), "--shuffle", "4"]
    result = CliRunner().invoke(cli, ["replay", *arguments, "--json"])
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    audit = lines[-1]["audit"]["team"]
    assert audit["in_order"] >= 1
    assert audit["shuffled"] == 0
    assert 0.0 < audit["granted"] <= 0.2
    assert [line for line in lines if line["type"] == "finding" and line["mode"] == "page"] == []
    people = CliRunner().invoke(cli, ["replay", *arguments]).stdout
    assert "audit of team: " in people
    granted = f"{audit['granted']:.2g}"
    words = f"0 pages in shuffled order, where {granted} false ones were granted; {audit['in_order']} in true order"
    assert words in people
