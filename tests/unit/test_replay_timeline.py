"""Timelines of alerts and silences: how a line is read, and when the router is woken on the virtual clock."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from monitor.cli import cli
from monitor.history import read
from monitor.intake.encodings.timeline import read_action
from monitor.runtime.replay import Replay
from schemas.actions import Deed, Matcher, PostedAlert, SilenceSet, encode_action
from schemas.alert import Notification
from schemas.config import Config
from schemas.event import BadEvent, decode
from schemas.records import Ack, Tick, encode_control
from tests.services.agent_events import Fleet

START = 1_760_000_000.0
ROUTE = Config.model_validate(
    {
        "route": {"receiver": "all", "group_wait": "1500ms", "group_interval": "10s", "repeat_interval": "25s"},
        "receivers": [{"name": "all"}],
    }
)


def alert(at: float, name: str = "A", **more: Any) -> dict[str, Any]:
    return {"type": "alert", "time": START + at, "labels": {"alertname": name}, **more}


def told(lines: list[dict[str, Any]], folder: Path, config: Config = ROUTE, until: float | None = None) -> list[Any]:
    """(seconds, reason) of each notification."""
    file = folder / "timeline.jsonl"
    file.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    history = read([file], 60.0)
    assert history.bad == []
    said = Replay(config).said(history.records, None if until is None else START + until)
    return [(round(one.time - START, 6), str(one.reason)) for one in said if isinstance(one, Notification)]


END = START + 1_000.0
ROWS: list[tuple[str, list[dict[str, Any]], float | None, list[tuple[float, str]]]] = [
    ("the clock stops at the last line", [alert(0.25, ends_at=END)], None, []),
    ("the group is looked at after its wait, to the fraction", [alert(0.25, ends_at=END)], 1.75,
     [(1.75, "first notification")]),
    ("then every interval from there, and a repeat waits for the next one", [alert(0.25, ends_at=END)], 40.0,
     [(1.75, "first notification"), (31.75, "repeat interval elapsed")]),
    ("an alert at the moment of a look is in it", [alert(0.0, ends_at=END), alert(1.5, "B", ends_at=END)], 2.0,
     [(1.5, "first notification")]),
    ("one just after waits for the next", [alert(0.0, ends_at=END), alert(1.6, "B", ends_at=END)], 20.0,
     [(1.5, "first notification"), (11.5, "new alerts added")]),
    ("without an end it is over after resolve_timeout", [alert(0.0)], 320.0,
     [(1.5, "first notification"), *((1.5 + 30.0 * n, "repeat interval elapsed") for n in range(1, 10)),
      (301.5, "all alerts resolved")]),
    ("what is silenced from the same moment on is never loud",
     [alert(0.0, ends_at=END), {"type": "silence", "time": START, "ends_at": START + 15, "matchers": ["alertname=A"]}],
     30.0, [(21.5, "first notification")]),
]  # fmt: skip


@pytest.mark.parametrize(("sentence", "lines", "until", "wanted"), ROWS)
def test_when_a_notification_is_sent(tmp_path, sentence, lines, until, wanted) -> None:
    assert told(lines, tmp_path, until=until) == wanted, sentence


def test_what_an_alert_inhibits_is_told_at_the_moment_of_its_end(tmp_path) -> None:
    rule = {"source_matchers": ["alertname=A"], "target_matchers": ["alertname=B"]}
    config = Config.model_validate({"owners": {"payments": {}}, "inhibit_rules": [rule]})
    lines = [alert(0.0, ends_at=START + 20.25), alert(1.0, "B", ends_at=END)]
    assert told(lines, tmp_path, config, until=60.0) == [
        (0.0, "first notification"), (20.25, "all alerts resolved"), (20.25, "first notification"),
    ]  # fmt: skip


def test_alerts_and_events_share_the_clock(tmp_path) -> None:
    """Events before, between and after: the alerts are told at the same moments, the events all counted."""
    file = tmp_path / "mixed.jsonl"
    events = Fleet(2, START - 5.0, step=0.3, agents=1).lines(200)
    lines = [json.dumps(alert(0.25, ends_at=END)).encode(), json.dumps(alert(20.7, "B", ends_at=END)).encode()]
    random.Random(1).shuffle(mixed := [*events, *lines])
    file.write_bytes(b"\n".join(mixed))
    replay = Replay(ROUTE)
    said = list(replay.said(read([file], 60.0).records, START + 25.0))
    found = [(one.time - START, str(one.reason)) for one in said if isinstance(one, Notification)]
    assert [pair for pair in found if pair[0] < 25.0] == [(1.75, "first notification"), (21.75, "new alerts added")]
    summary = replay.summary(0, 0, 0.0)
    assert (summary["events"], summary["actions"]) == (len(events), 2)


def test_the_order_of_lines_changes_nothing(tmp_path) -> None:
    lines = [alert(float(n % 7), f"A{n % 5}", ends_at=START + 3.0 * n + 30.0) for n in range(40)]
    first = told(lines, tmp_path, until=200.0)
    for seed in range(3):
        random.Random(seed).shuffle(lines)
        assert told(lines, tmp_path, until=200.0) == first
    assert len(first) > 3


def test_actions_in_the_log_of_a_monitor_are_taken_at_their_time() -> None:
    """Recorded ticks are the clock; what the log says of the engine is not derived a second time."""
    posted = PostedAlert(time=START + 0.4, labels={"alertname": "A"}, ends_at=END)
    history = [Tick(START), posted, Tick(START + 1.0, START), Tick(START + 2.0, START + 1.0)]
    said = [one for one in Replay(ROUTE).said(history) if isinstance(one, Notification)]
    assert [round(one.time - START, 3) for one in said] == [1.9]


def test_a_log_with_actions_is_read(tmp_path) -> None:
    (tmp_path / "log.jsonl").write_bytes(
        b"\n".join(
            (
                encode_control(Tick(START)),
                encode_action(Deed(time=START + 1.0, incident="x", act="ack", by="ann")),
                encode_control(Ack(START + 1.0, "a", "n", "false_alarm")),
            )
        )
    )
    assert {type(record) for record in read([tmp_path / "log.jsonl"], 60.0).records} == {Tick, Deed, Ack}


def test_stepping_by_hand_says_the_same_as_all_at_once(tmp_path) -> None:
    lines = [alert(float(n), f"A{n % 4}", ends_at=START + 2.0 * n + 9.0) for n in range(30)]
    (tmp_path / "t.jsonl").write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    records = read([tmp_path / "t.jsonl"], 60.0).records
    whole = list(Replay(ROUTE).said(records, START + 100.0))
    replay, pieces = Replay(ROUTE), []
    for second in range(101):
        pieces += replay.feed([each for each in records if second - 1.0 < each.time - START <= second])  # type: ignore[operator]
        pieces += replay.advance(START + second)
    assert pieces == whole


# -- lines

GOOD: list[tuple[str, Any]] = [
    ('{"type":"alert","time":1760000000,"labels":{"a":"b"},"ends_at":1760000009}',
     PostedAlert(time=START, labels={"a": "b"}, starts_at=START, ends_at=START + 9.0)),
    ('{"type":"alert","time":1760000000,"labels":{"a":"b"},"ends_at":1760000000}',
     PostedAlert(time=START, labels={"a": "b"}, ends_at=START)),
    ('{"type":"alert","time":"2025-10-09T08:53:20Z","labels":{"a":"b","c":""}}',
     PostedAlert(time=START, labels={"a": "b"})),
    ('{"type":"alert","time":1760000000,"labels":{"a":"b"},"annotations":{"s":"t"},"starts_at":1,"ends_at":2,"more":0}',
     PostedAlert(time=START, labels={"a": "b"}, annotations={"s": "t"}, starts_at=1.0, ends_at=2.0)),
    ('{"type":"silence","time":1760000000,"ends_at":1760000001,"matchers":"{a=\\"b\\",c!~\\"d|e\\"}","id":"x"}',
     SilenceSet(time=START, id="x", matchers=(Matcher("a", "b"), Matcher("c", "d|e", True, False)), starts_at=START,
                ends_at=START + 1.0)),
    ('{"type":"silence","time":1760000000,"ends_at":1760000001,"matchers":[{"name":"a","value":"b"}],"id":"x",'
     '"created_by":"ann","comment":"c"}',
     SilenceSet(time=START, id="x", matchers=(Matcher("a", "b"),), starts_at=START, ends_at=START + 1.0,
                created_by="ann", comment="c")),
]  # fmt: skip


@pytest.mark.parametrize(("line", "action"), GOOD)
def test_a_line_is_an_action(line: str, action: Any) -> None:
    assert read_action(line.encode()) == action


def test_the_same_silence_has_the_same_id() -> None:
    line = b'{"type":"silence","time":1,"ends_at":2,"matchers":["a=b"]}'
    first, second = read_action(line), read_action(line)
    assert isinstance(first, SilenceSet)
    assert first == second
    assert first.id


BAD = [
    ('{"type":"alert","time":1,"labels":{}}', "an alert needs a label"),
    ('{"type":"alert","labels":{"a":"b"}}', "missing required field `time`"),
    ('{"type":"alert","time":1,"labels":{"a":5}}', "at `$.labels[...]`"),
    ('{"type":"alert","time":1760000000000,"labels":{"a":"b"}}', "is no time"),
    ('{"type":"alert","time":1,"labels":{"a":"b"},"starts_at":5,"ends_at":4}', "an alert ends after it starts"),
    ('{"type":"alrt","time":1}', "Invalid value 'alrt'"),
    ('{"type":"silence","time":1,"ends_at":2,"matchers":[]}', "a silence needs a matcher"),
    ('{"type":"silence","time":1,"ends_at":1,"matchers":["a=b"]}', "a silence ends after it starts"),
    ('{"type":"silence","time":1,"ends_at":2,"matchers":["a"]}', "expected =, !=, =~ or !~"),
]


@pytest.mark.parametrize(("line", "said"), BAD)
def test_a_bad_line_is_named_and_the_rest_goes_on(tmp_path, line: str, said: str) -> None:
    with pytest.raises(BadEvent) as raised:
        read_action(line.encode())
    assert said in str(raised.value)
    (tmp_path / "t.jsonl").write_text(f"{line}\n{json.dumps(alert(0.0))}\n", encoding="utf-8")
    history = read([tmp_path / "t.jsonl"], 60.0)
    assert (len(history.records), history.dead_letters) == (1, 1)
    assert history.bad[0].startswith(f"{tmp_path / 't.jsonl'}:1: ")


def test_an_event_with_a_type_of_its_own_is_an_event(tmp_path) -> None:
    line = b'{"type":"alert","kind":"heartbeat","producer":"p","time":1}'
    (tmp_path / "t.jsonl").write_bytes(line)
    assert read([tmp_path / "t.jsonl"], 60.0).records == [decode(line)]


def test_no_secret_is_needed(tmp_path) -> None:
    (tmp_path / "f.yaml").write_text("owners: {a: {}}\nslack: {bot_token: '${NOBODY_SET_THIS}'}\n", encoding="utf-8")
    (tmp_path / "t.jsonl").write_text(json.dumps(alert(0.0)), encoding="utf-8")
    result = CliRunner().invoke(cli, ["replay", str(tmp_path / "f.yaml"), str(tmp_path / "t.jsonl"), "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout.splitlines()[0])["reason"] == "first notification"
