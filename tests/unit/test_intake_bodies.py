"""Our own events in every wrapping that people send them in, and everything that can be wrong with them."""

from __future__ import annotations

import base64
import json
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest

from monitor.intake import bodies, dead_letters
from monitor.intake.bodies import read_events
from schemas.event import BadEvent, Event, Reason

NOW = 1_700_000_000.0
SECRET = "card-4111111111111111"
CALL = {"kind": "tool_call", "time": NOW - 5, "agent": "a", "run": "r", "tool": "t", "id": "1"}
CHANGE = {"kind": "change", "time": NOW - 5, "component": "prompt:refund", "version": "v77"}
RAW = json.dumps(CALL).encode()
PRETTY = json.dumps(CALL, indent=2).encode()
ENVELOPE = {"specversion": "1.0", "type": "com.example.tool_call", "source": "/shop", "id": "9", "data": CALL}

BODIES = [
    ("one object", RAW, {}, 1),
    ("one object over several lines", PRETTY, {}, 1),
    ("an array", b"[" + RAW + b"," + PRETTY + b"]", {}, 2),
    ("lines", RAW + b"\n\n" + RAW + b"\r\n", {"Content-Type": "application/x-ndjson"}, 2),
    ("lines that do not say so", RAW + b"\n" + RAW, {"Content-Type": "application/json; charset=utf-8"}, 2),
    ("text beyond ASCII in lines", RAW.replace(b'"a"', '"ä\u2028"'.encode()) + b"\n" + RAW, {}, 2),
    ("Confluent's framing", b"\0\0\0\0\7" + RAW, {}, 1),
    ("nothing", b"", {}, 0),
    ("blanks", b" \n", {}, 0),
    ("an empty array", b"[]", {}, 0),
]


@pytest.mark.parametrize(("body", "headers", "count"), [row[1:] for row in BODIES], ids=[row[0] for row in BODIES])
def test_wrappings(body: bytes, headers: dict[str, str], count: int) -> None:
    found = read_events(body, headers, NOW)
    assert (len(found.events), found.dead_letters, found.skipped) == (count, [], 0)
    assert all(event.observed_time == NOW and event.time == NOW - 5 for event in found.events)


CLOUD = [
    ("structured", json.dumps(ENVELOPE).encode(), {"content-type": "application/cloudevents+json"}),
    (
        "structured, in base64",
        json.dumps(
            {**{k: v for k, v in ENVELOPE.items() if k != "data"}, "data_base64": base64.b64encode(RAW).decode()}
        ).encode(),
        {"content-type": "application/cloudevents+json; charset=utf-8"},
    ),
    ("a batch", json.dumps([ENVELOPE]).encode(), {"content-type": "application/cloudevents-batch+json"}),
    (
        "binary over HTTP",
        RAW,
        {"CE-Specversion": "1.0", "CE-Id": "9", "Ce-Source": "/shop", "content-type": "application/json"},
    ),
    ("binary over Kafka", RAW, [("ce_specversion", b"1.0"), ("ce_id", b"9"), ("ce_source", b"/shop")]),
]


@pytest.mark.parametrize(("body", "headers"), [row[1:] for row in CLOUD], ids=[row[0] for row in CLOUD])
def test_cloudevents(body: bytes, headers: Any) -> None:
    (event,) = read_events(body, headers, NOW).events
    assert (event.kind, event.agent, event.id, event.producer) == ("tool_call", "a", "1", "/shop")


def test_what_the_data_leaves_open_the_envelope_says() -> None:
    data = {"agent": "a", "run": "r", "tool": "t"}
    said = {
        "ce-type": "com.example.tool_call",
        "ce-source": "/my%20shop",
        "ce-id": "9",
        "ce-time": "2023-11-14T22:13:00Z",
    }
    (event,) = read_events(json.dumps(data).encode(), said | {"ce-specversion": "1.0"}, NOW).events
    assert (event.kind, event.id, event.producer, event.time) == ("tool_call", "/my shop#9", "/my shop", 1699999980.0)


def test_a_tombstone_is_skipped() -> None:
    assert read_events(b"", {"ce_specversion": "1.0"}, NOW).skipped == 1


BAD = [
    ("no JSON", b"hello " + SECRET.encode(), Reason.NOT_JSON),
    ("cut off", RAW[:-1], Reason.NOT_JSON),
    ("a number", b"7", Reason.NOT_AN_OBJECT),
    ("invalid UTF-8", RAW.replace(b'"a"', b'"\xff"'), Reason.NOT_UTF8),
    ("10 MB of nesting", b"[" * 10_000_000, Reason.TOO_LARGE),
    ("nesting below the size limit", b'{"kind":' + b"[" * 500_000, Reason.WRONG_TYPE),
    ("nesting in a text", RAW[:-1] + b',"result":' + b"[" * 500_000, Reason.TOO_DEEP),
    ("nesting that closes", RAW[:-1] + b',"result":' + b"[" * 400_000 + b"]" * 400_000 + b"}", Reason.TOO_DEEP),
    ("a wrong type", json.dumps(CALL | {"duration_seconds": SECRET}).encode(), Reason.WRONG_TYPE),
    ("a word that is none of ours", json.dumps(CALL | {"status": SECRET + "'s"}).encode(), Reason.WRONG_TYPE),
    ("a share of three", json.dumps(CHANGE | {"share": 3}).encode(), Reason.BAD_VALUE),
    ("a component of no kind", json.dumps(CHANGE | {"component": SECRET}).encode(), Reason.BAD_VALUE),
    ("a component of another kind", json.dumps(CHANGE | {"component": "foo:zz"}).encode(), Reason.BAD_VALUE),
    ("a component without a name", json.dumps(CHANGE | {"component": "tool:"}).encode(), Reason.BAD_VALUE),
    ("a negative duration", json.dumps(CALL | {"duration_seconds": -1}).encode(), Reason.BAD_VALUE),
    ("a duration of ages", json.dumps(CALL | {"duration_seconds": 1e300}).encode(), Reason.BAD_VALUE),
    ("negative tokens", json.dumps(CALL | {"input_tokens": -1}).encode(), Reason.BAD_VALUE),
    ("too many tokens to count", json.dumps(CALL | {"output_tokens": 2**53}).encode(), Reason.BAD_VALUE),
    ("a negative cost", json.dumps(CALL | {"cost_usd": -0.01}).encode(), Reason.BAD_VALUE),
    ("a cost beyond all money", json.dumps(CALL | {"cost_usd": 1e308}).encode(), Reason.BAD_VALUE),
    ("no agent", json.dumps(CALL | {"agent": None}).encode(), Reason.NO_AGENT),
    ("an unreadable time", json.dumps(CALL | {"time": SECRET}).encode(), Reason.UNREADABLE_TIME),
    ("a kind that is ours alone", json.dumps(CALL | {"kind": "forewarn.tick" + SECRET}).encode(), Reason.RESERVED_KIND),
    ("too long a name", json.dumps(CALL | {"agent": SECRET * 50}).encode(), Reason.TOO_LONG),
    ("too large", json.dumps(CALL | {"result": SECRET * 100_000}).encode(), Reason.TOO_LARGE),
]


@pytest.mark.parametrize(("body", "reason"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_what_cannot_be_read_is_a_dead_letter_without_its_text(body: bytes, reason: Reason) -> None:
    found = read_events(body, {}, NOW, "http:/v1/events")
    (letter,) = found.dead_letters
    assert (letter.reason, letter.size, letter.time, found.events) == (reason, len(body), NOW, [])
    assert letter.source == "http:/v1/events" and len(letter.sha256) == 16
    stored = dead_letters.encode(letter)
    assert SECRET[:8].encode() not in stored and dead_letters.decode(stored) == letter


def test_of_a_number_that_cannot_be_its_field_and_its_bounds_are_said() -> None:
    lines = [
        RAW,
        json.dumps(CALL | {"duration_seconds": -1}).encode(),
        json.dumps(CALL | {"input_tokens": -1}).encode(),
    ]
    found = read_events(b"\n".join(lines), {}, NOW)
    assert [(one.index, one.letter.detail) for one in found.rejected] == [
        (1, "Expected `float` >= 0.0 - at `$.duration_seconds`"),
        (2, "Expected `int` >= 0 - at `$.input_tokens`"),
    ]


WORDS = [
    ("status", "ok, error"),
    ("actor", "agent, user"),
    ("variant", "stable, canary, shadow"),
    ("stage", "shadow, canary, full, rolled_back"),
    ("action", "allowed, blocked, rewritten"),
]


@pytest.mark.parametrize(("name", "words"), WORDS)
def test_the_words_of_a_field_are_said_and_not_the_one_that_came(name: str, words: str) -> None:
    for said in ("success", SECRET, "` >= 0 'of length <=' $.time` \"", "x" * 1000):
        (letter,) = read_events(json.dumps(CALL | {name: said}).encode(), {}, NOW).dead_letters
        assert (letter.reason, letter.detail) == (
            Reason.WRONG_TYPE,
            f"Invalid enum value '…' - at `$.{name}`; one of {words}",
        )


def test_every_field_that_has_words_is_asked() -> None:
    hints = get_type_hints(Event)
    kinds = {name for name, hint in hints.items() for part in (hint, *get_args(hint)) if get_origin(part) is Literal}
    assert kinds == {name for name, _ in WORDS}


def test_what_a_component_is_called_is_said() -> None:
    (letter,) = read_events(json.dumps(CHANGE | {"component": "refund-agent"}).encode(), {}, NOW).dead_letters
    wanted = "`component` is one of `agent:`, `tool:`, `prompt:`, `model:`, `retriever:` and a name"
    assert letter.detail == f"{wanted} - at `$.component`"


BAD_CLOUD = [
    ("data that is text", ENVELOPE | {"data": SECRET}, Reason.NOT_AN_OBJECT),
    ("no data", {"specversion": "1.0", "id": "9"}, Reason.MISSING_FIELD),
    ("no base64", {"data_base64": "!" + SECRET}, Reason.WRONG_TYPE),
    ("an envelope that is a list", [SECRET], Reason.NOT_AN_OBJECT),
]


@pytest.mark.parametrize(("envelope", "reason"), [row[1:] for row in BAD_CLOUD], ids=[row[0] for row in BAD_CLOUD])
def test_a_bad_envelope_is_a_dead_letter(envelope: Any, reason: Reason) -> None:
    found = read_events(json.dumps(envelope).encode(), {"content-type": "application/cloudevents+json"}, NOW)
    assert [letter.reason for letter in found.dead_letters] == [reason] and SECRET not in repr(found.dead_letters)


def test_a_bad_event_does_not_cost_its_neighbours() -> None:
    lines = b"\n".join([RAW, b"{", json.dumps(CALL | {"kind": "dream"}).encode(), RAW])
    found = read_events(lines, {}, NOW, "kafka:events/2@17")
    assert (len(found.events), found.skipped) == (2, 1)
    assert [(one.index, one.letter.source) for one in found.rejected] == [(1, "kafka:events/2@17[1]")]


PLACES = [
    ("lines, blank ones counted", RAW + b"\n\n{\n" + RAW, "application/x-ndjson", [2]),
    ("lines that do not say so", RAW + b"\r\n\r\n{\r\n\r\n{", "application/json", [2, 4]),
    ("lines beyond ASCII", "{ä\r\n\n\n{\n".encode() + RAW, "application/x-ndjson", [0, 3]),
    ("blank lines first", b"\n\n{\n" + RAW, "application/x-ndjson", [2]),
    ("an array", b"[" + RAW + b",\n\n7," + RAW + b"]", "application/json", [1]),
    ("one object", b"\n\n{", "application/json", [0]),
]


@pytest.mark.parametrize(("body", "kind", "places"), [row[1:] for row in PLACES], ids=[row[0] for row in PLACES])
def test_a_rejected_event_is_found_by_its_index(body: bytes, kind: str, places: list[int]) -> None:
    assert [one.index for one in read_events(body, {"content-type": kind}, NOW).rejected] == places


def test_blank_lines_are_no_events_of_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies.limits, "EVENTS_PER_BODY", 2)
    assert len(read_events(RAW + b"\n\n\n\n" + RAW, {}, NOW).events) == 2


@pytest.mark.parametrize("off", [-601.0, 601.0, -1e9, 1e9])
def test_a_clock_far_off_is_taken_at_receipt_and_counted(off: float) -> None:
    found = read_events(json.dumps(CALL | {"time": NOW + off, "producer": "p"}).encode(), {}, NOW)
    assert (found.events[0].time, found.events[0].observed_time) == (NOW, NOW)
    assert found.counts == {"events_skewed": 1, "events_skewed_by:p": 1}


def test_a_clock_a_little_off_stands() -> None:
    found = read_events(json.dumps(CALL | {"time": NOW + 599}).encode(), {}, NOW)
    assert found.events[0].time == NOW + 599 and found.counts == {}


def test_too_many_events_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies.limits, "EVENTS_PER_BODY", 2)
    with pytest.raises(BadEvent) as caught:
        read_events(b"\n".join([RAW] * 3), {}, NOW)
    assert caught.value.reason is Reason.TOO_LARGE
