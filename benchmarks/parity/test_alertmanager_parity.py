"""Our router on a virtual clock beside the real Alertmanager in real time: the same timelines, the same notifications.

All timelines run at once, each under a route of its own, in a quarter of a minute. Compared is what each receiver is
told: the times (within `TOLERANCE_SECONDS`, for the machine may be busy), the status, and the alerts with theirs.

Nothing here hangs on the version: up to 0.30 a group that is empty lives on for at most 30 s and keeps its ticks, later
ones drop it at once, as ours does; so no group becomes empty and fires again. Actions keep away from the ticks.
"""

from __future__ import annotations

import json
import math
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from monitor.cli import cli
from tests.services import alertmanager

TOLERANCE_SECONDS = 0.9
ATTEMPTS, STILL_SECONDS = 3, 0.3
"""A run in which the machine stood still for so long is made again, so often at most."""
END = 15.0
"""Seconds after which every timeline is over."""

Told = tuple[float, str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True)
class Alert:
    """Posted `at`; `since`: it began so long before; `ends`: its end, seconds after the start of the timeline."""

    at: float
    name: str
    ends: float | None = 1_000.0
    since: float | None = 0.0
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Silence:
    """Set `at`, until `ends`, for alerts with this name."""

    at: float
    ends: float
    name: str
    op: str = "="


@dataclass(frozen=True)
class Timeline:
    """What is done, under a route with these settings, and what it shows."""

    sentence: str
    posted: tuple[Alert | Silence, ...]
    route: str = "group_by: []"
    more: str = ""
    """Routes below it, `{case}` standing for its name."""
    receiver: str = ""
    """Settings of its webhook."""


def resolved(at: float, name: str, **more: Any) -> Alert:
    return Alert(at, name, ends=at, **more)


X, Y = (("env", "x"),), (("env", "y"),)
TIMELINES = {
    "first": Timeline("one alert: after group_wait, and once it is over", (Alert(0.5, "A"), resolved(6.5, "A"))),
    "wait": Timeline("what ends during group_wait is never told", (Alert(0.5, "A"), resolved(1.5, "A"))),
    "added": Timeline(
        "all that is new between two ticks goes into one notification",
        (Alert(0.5, "A"), Alert(2.2, "B"), Alert(3.5, "C"), Alert(5.5, "D"), resolved(8.5, "B"), resolved(8.6, "D")),
    ),
    "between": Timeline(
        "what fires and is over between two ticks stays invisible",
        (Alert(0.5, "A"), Alert(3.2, "B"), resolved(4.4, "B")),
    ),
    "old": Timeline("an alert that began long ago does not wait", (Alert(1.0, "A", since=60.0), resolved(3.5, "A"))),
    "repeat": Timeline(
        "a repeat waits for the next tick: 5 s are 6 s", (Alert(0.5, "A"),), "group_by: []\n      repeat_interval: 5s"
    ),
    "again": Timeline(
        "one that was told to be over and fires again is new in its group",
        (Alert(0.5, "A"), Alert(0.6, "B"), resolved(3.0, "A"), Alert(8.0, "A")),
    ),
    "flip": Timeline(
        "over and back between two ticks is no news", (Alert(0.5, "A"), resolved(3.0, "A"), Alert(4.0, "A"))
    ),
    "timeout": Timeline(
        "without an end it is over after resolve_timeout, which each post pushes",
        (Alert(0.5, "A", ends=None), Alert(4.0, "A", ends=None)),
    ),
    "ahead": Timeline("an end that lies ahead comes by itself", (Alert(0.5, "A", ends=7.0),)),
    "quiet": Timeline(
        "without send_resolved the end is not told, and the next fire is",
        (Alert(0.5, "A"), Alert(0.6, "B"), resolved(3.5, "A"), resolved(6.5, "B"), Alert(12.0, "A")),
        receiver="send_resolved: false",
    ),
    "groups": Timeline(
        "each value of group_by is a group with its own clock",
        (Alert(0.5, "A", labels=X), Alert(2.0, "B", labels=Y), Alert(3.2, "C", labels=X)),
        "group_by: [env]",
    ),
    "all": Timeline("`...`: each alert is a group", (Alert(0.5, "A"), Alert(1.0, "B")), "group_by: ['...']"),
    "go-on": Timeline(
        "continue: both receivers are told, the parent is not",
        (Alert(0.5, "A", labels=(("team", "db"),)), Alert(0.7, "B")),
        more="""
        - {matchers: [team="db"], receiver: "{case}-db", continue: true, group_wait: 2s}
        - {matchers: [team=~"d.*"], receiver: "{case}-d"}""",
    ),
    "inhibit": Timeline(
        "while the source fires the target is muted; after it, told at the next tick",
        (
            Alert(0.5, "Source", labels=(("side", "source"), ("host", "1"))),
            Alert(0.7, "Target", labels=(("side", "target"), ("host", "1"))),
            Alert(0.8, "Other", labels=(("side", "target"), ("host", "2"))),
            resolved(6.0, "Source", labels=(("side", "source"), ("host", "1"))),
        ),
        "group_by: [alertname]",
    ),
    "inhibit-late": Timeline(
        "a target that was told and is inhibited then is told no end of",
        (
            Alert(0.5, "Target", labels=(("side", "target"), ("host", "3"))),
            Alert(3.0, "Source", labels=(("side", "source"), ("host", "3"))),
            resolved(6.0, "Target", labels=(("side", "target"), ("host", "3"))),
        ),
        "group_by: [alertname]",
    ),
    "silence": Timeline(
        "silenced from the start: told at the first tick after the silence",
        (Silence(0.1, 6.0, "A"), Alert(0.5, "A"), Alert(0.6, "B")),
        "group_by: [alertname]",
    ),
    "silence-one": Timeline(
        "one of a group is silenced later; its end is told with the group",
        (Alert(0.5, "A"), Alert(0.6, "B"), Silence(2.5, 30.0, "B", "=~"), resolved(6.5, "B"), resolved(9.5, "A")),
    ),
}  # fmt: skip


def config(timelines: dict[str, Timeline], url: str) -> str:
    """One configuration that both read."""
    routes, receivers = [], ['  - {name: nobody, webhook_configs: [{url: "' + url + 'nobody"}]}']
    for case, timeline in timelines.items():
        names = [case]
        below = ""
        if timeline.more:
            below = "\n      routes:" + timeline.more.replace("{case}", case)
            names += [f"{case}-db", f"{case}-d"]
        routes.append(f'    - matchers: [case="{case}"]\n      receiver: {case}\n      {timeline.route}{below}')
        for name in names:
            more = f", {timeline.receiver}" if timeline.receiver else ""
            receivers.append(f'  - {{name: {name}, webhook_configs: [{{url: "{url}{name}"{more}}}]}}')
    return "\n".join(
        (
            "global: {resolve_timeout: 4s}",
            "route:",
            "  receiver: nobody",
            "  group_wait: 1s",
            "  group_interval: 3s",
            "  repeat_interval: 1h",
            "  routes:",
            *routes,
            "inhibit_rules:",
            '  - {source_matchers: [side="source"], target_matchers: [side="target"], equal: [host, case]}',
            "receivers:",
            *receivers,
            "",
        )
    )


def steps(start: float) -> list[tuple[float, str, dict[str, Any], dict[str, Any]]]:
    """(seconds, which list of the API, its body, our line), in order."""
    found: list[tuple[float, str, dict[str, Any], dict[str, Any]]] = []
    for case, timeline in TIMELINES.items():
        for each in timeline.posted:
            at = start + each.at
            if isinstance(each, Silence):
                body: dict[str, Any] = {
                    "matchers": [
                        {"name": "alertname", "value": each.name, "isRegex": each.op == "=~", "isEqual": True},
                        {"name": "case", "value": case, "isRegex": False, "isEqual": True},
                    ],
                    "startsAt": moment(at), "endsAt": moment(start + each.ends), "createdBy": "t", "comment": "t",
                }  # fmt: skip
                line: dict[str, Any] = {
                    "type": "silence", "time": at, "starts_at": at, "ends_at": start + each.ends, "created_by": "t",
                    "comment": "t", "matchers": [f'alertname{each.op}"{each.name}"', f'case="{case}"'],
                }  # fmt: skip
                found.append((each.at, "silences", body, line))
                continue
            labels = {"alertname": each.name, "case": case, **dict(each.labels)}
            began = at if each.since is None else at - each.since
            if each.ends is not None:
                began = min(began, start + each.ends)
            body = {"labels": labels, "annotations": {"summary": "s"}, "startsAt": moment(began)}
            line = {"type": "alert", "time": at, "labels": labels, "annotations": {"summary": "s"}, "starts_at": began}
            if each.ends is not None:
                body["endsAt"], line["ends_at"] = moment(start + each.ends), start + each.ends
            found.append((each.at, "alerts", body, line))
    return sorted(found, key=lambda step: step[0])


def moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, list[Told]], dict[str, list[Told]]]:
    """What the real one said and what ours would have, by receiver."""
    program = alertmanager.binary()
    if program is None:
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(alertmanager.REMEDY)
        pytest.skip(alertmanager.REMEDY)
    for _ in range(ATTEMPTS):
        start, heard, text, todo, stood = lived(program)
        if stood < STILL_SECONDS:  # else this run says nothing of the two
            break
    real: dict[str, list[Told]] = {}
    for each in heard:
        alerts = sorted((alert["labels"]["alertname"], alert["status"]) for alert in each.payload["alerts"])
        real.setdefault(each.receiver, []).append((each.time - start, each.payload["status"], tuple(alerts)))
    return real, replayed(tmp_path_factory.mktemp("parity"), text, [line for *_, line in todo], start)


def lived(program: str) -> tuple[float, list[alertmanager.Heard], str, list[Any], float]:
    """All timelines in real time: start, what was heard, the configuration, the steps, how long the machine stood."""
    stood = 0.0
    with alertmanager.webhook() as hook, alertmanager.alertmanager(program, config(TIMELINES, hook.url)) as url:
        start = time.time() + 0.5
        todo = steps(start)
        for at, what, body, _ in todo:
            stood = max(stood, wait_until(start + at))
            alertmanager.post(url, what, [body] if what == "alerts" else body)
        stood = max(stood, wait_until(start + END))
        return start, list(hook.heard), config(TIMELINES, hook.url), todo, stood


def wait_until(moment: float) -> float:
    """Sleep in short steps; the longest time by which one of them, or what was before, came too late."""
    late = max(0.0, time.time() - moment)
    while (now := time.time()) < moment:
        time.sleep(min(0.05, moment - now))
        late = max(late, time.time() - now - 0.05)
    return late


def replayed(folder: Path, text: str, lines: list[dict[str, Any]], start: float) -> dict[str, list[Told]]:
    """The same through `forewarn replay`."""
    (folder / "forewarn.yaml").write_text(text, encoding="utf-8")
    (folder / "timeline.jsonl").write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    arguments = ["replay", str(folder / "forewarn.yaml"), str(folder / "timeline.jsonl"), "--json"]
    result = CliRunner().invoke(cli, [*arguments, "--until", str(start + END)])
    assert result.exit_code == 0, result.output
    ours: dict[str, list[Told]] = {}
    for line in map(json.loads, result.stdout.splitlines()):
        if line["type"] == "notification":
            alerts = tuple(sorted((alert["labels"]["alertname"], alert["status"]) for alert in line["alerts"]))
            ours.setdefault(line["receiver"], []).append((line["time"] - start, line["status"], alerts))
    return ours


RECEIVERS = [
    (case if not more else f"{case}-{more}", timeline.sentence)
    for case, timeline in TIMELINES.items()
    for more in (("", "db", "d") if timeline.more else ("",))
]


@pytest.mark.parametrize(("receiver", "sentence"), RECEIVERS)
def test_a_receiver_is_told_the_same(both: Any, receiver: str, sentence: str) -> None:
    real, ours = both[0].get(receiver, []), both[1].get(receiver, [])
    shown = f"{sentence}\nalertmanager {_shown(real)}\nforewarn     {_shown(ours)}"
    assert [told[1:] for told in ours] == [told[1:] for told in real], shown
    assert all(
        math.isclose(mine[0], theirs[0], abs_tol=TOLERANCE_SECONDS) for mine, theirs in zip(ours, real, strict=True)
    ), shown


def test_nothing_else_was_told(both: Any) -> None:
    known = {receiver for receiver, _ in RECEIVERS}
    assert set(both[0]) - known == set(both[1]) - known == set()


def _shown(told: list[Told]) -> list[str]:
    return [
        f"{at:.1f} s {status} {' '.join(f'{name}:{state}' for name, state in alerts)}" for at, status, alerts in told
    ]
