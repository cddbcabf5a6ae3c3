"""OTLP bodies: both encodings say the same, a bad record costs itself alone, garbage has a reason."""

from __future__ import annotations

import json
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from monitor.intake import otlp, spans
from monitor.intake.otlp import decode_logs, decode_traces
from schemas.event import BadEvent, Reason

TRACE, SPAN, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "00f067aa0ba902b7"
SECRET = "card-4111111111111111"


def json_span(**changes: Any) -> dict[str, Any]:
    return {
        "traceId": TRACE.upper(),
        "spanId": SPAN,
        "parentSpanId": PARENT,
        "name": "chat m",
        "kind": 3,
        "startTimeUnixNano": "1700000000000000000",
        "endTimeUnixNano": 1700000001500000000,
        "flags": 0x301,
        "status": {"code": 2, "message": "it broke"},
        "attributes": [
            {"key": "text", "value": {"stringValue": "a"}},
            {"key": "count", "value": {"intValue": "7"}},
            {"key": "share", "value": {"doubleValue": 0.5}},
            {"key": "flag", "value": {"boolValue": True}},
            {"key": "list", "value": {"arrayValue": {"values": [{"stringValue": "x"}, {}]}}},
            {"key": "map", "value": {"kvlistValue": {"values": [{"key": "k", "value": {"intValue": 1}}]}}},
            {"key": "bytes", "value": {"bytesValue": "AAE="}},
        ],
        "events": [{"name": "exception", "timeUnixNano": "1700000001000000000", "attributes": []}],
        "aFieldOfTheFuture": {"x": 1},
    } | changes


def json_body(*found: Any) -> bytes:
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}
    scope = {"scope": {"name": "lib"}, "spans": list(found)}
    return json.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": [scope]}]}).encode()


def proto_request(*names: str) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    group.resource.attributes.add(key="service.name").value.string_value = "shop"
    scoped = group.scope_spans.add()
    scoped.scope.name = "lib"
    for number, name in enumerate(names):
        span = scoped.spans.add(name=name, start_time_unix_nano=10**18, end_time_unix_nano=2 * 10**18)
        span.trace_id = bytes.fromhex(TRACE)
        span.span_id = bytes([number + 1] * 8)
    return request


def test_json_and_protobuf_say_the_same() -> None:
    request = proto_request("chat m")
    span = request.resource_spans[0].scope_spans[0].spans[0]
    span.span_id, span.parent_span_id = bytes.fromhex(SPAN), bytes.fromhex(PARENT)
    span.kind, span.flags = 3, 0x301
    span.start_time_unix_nano, span.end_time_unix_nano = 1700000000000000000, 1700000001500000000
    span.status.code, span.status.message = 2, "it broke"
    values = {
        key: span.attributes.add(key=key).value for key in ("text", "count", "share", "flag", "list", "map", "bytes")
    }
    values["text"].string_value, values["count"].int_value, values["share"].double_value = "a", 7, 0.5
    values["flag"].bool_value, values["bytes"].bytes_value = True, b"\0\1"
    values["list"].array_value.values.add().string_value = "x"
    values["list"].array_value.values.add()
    values["map"].kvlist_value.values.add(key="k").value.int_value = 1
    span.events.add(name="exception", time_unix_nano=1700000001000000000)
    (ours,) = decode_traces(request.SerializeToString(), received=5.0).spans
    (theirs,) = decode_traces(json_body(json_span()), received=5.0).spans
    assert ours == theirs
    assert ours.trace_id == TRACE and ours.parent_id == PARENT and ours.kind == "client" and ours.status == "error"
    assert ours.attributes["list"] == ["x", None] and ours.attributes["map"] == {"k": 1}
    assert ours.start == 1.7e9 and ours.end == 1.7e9 + 1.5 and ours.remote_parent is True and ours.observed_time == 5.0
    assert spans.decode(spans.encode(ours)) == ours and spans.key(ours) == TRACE.encode()


BAD = [
    ("ids in base64, as protobuf's JSON would have them", {"traceId": "SvdlGRbNQ92ESOshHIAxnA=="}, Reason.BAD_SPAN),
    ("an id of zeros", {"spanId": "0" * 16}, Reason.BAD_SPAN),
    ("no id", {"spanId": None}, Reason.BAD_SPAN),
    ("a parent that is no id", {"parentSpanId": "zz"}, Reason.BAD_SPAN),
    ("an enum by its name", {"kind": "SPAN_KIND_CLIENT"}, Reason.BAD_SPAN),
    ("no start", {"startTimeUnixNano": 0}, Reason.UNREADABLE_TIME),
    ("a start beyond the calendar", {"startTimeUnixNano": "9" * 25}, Reason.UNREADABLE_TIME),
    ("attributes that are no list", {"attributes": SECRET}, Reason.BAD_SPAN),
    ("an integer beyond 64 bits", {"attributes": [{"key": "a", "value": {"intValue": "9" * 30}}]}, Reason.BAD_SPAN),
    ("a status that is a word", {"status": {"code": SECRET}}, Reason.BAD_SPAN),
    (
        "bytes that are no base64",
        {"attributes": [{"key": "a", "value": {"bytesValue": SECRET + "é"}}]},
        Reason.BAD_SPAN,
    ),
]


@pytest.mark.parametrize(("changes", "reason"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_a_bad_span_is_rejected_alone(changes: dict[str, Any], reason: Reason) -> None:
    found = decode_traces(json_body(json_span(), json_span(**changes), json_span()), source="http:/v1/traces")
    assert (len(found.spans), found.rejected) == (2, 1)
    assert (found.bad[0].reason, found.bad[0].source) == (reason, "http:/v1/traces[1]")
    assert SECRET not in repr(found.bad)


def test_a_span_that_is_no_object_is_rejected_alone() -> None:
    assert decode_traces(json_body(json_span(), 5, None)).rejected == 2


def test_text_that_is_no_utf8_costs_its_own_span_only() -> None:
    body = proto_request("good", "BAD!", "good").SerializeToString().replace(b"BAD!", b"\xff\xfe\xff\xfe")
    found = decode_traces(body)
    assert [span.name for span in found.spans] == ["good", "good"]
    assert found.bad[0].reason is Reason.BAD_SPAN and found.spans[0].resource == {"service.name": "shop"}
    assert found.spans[0].scope == "lib"


def test_protobuf_with_wrong_ids_is_rejected_alone() -> None:
    request = proto_request("a", "b")
    request.resource_spans[0].scope_spans[0].spans[0].trace_id = b"short"
    assert (len((found := decode_traces(request.SerializeToString())).spans), found.rejected) == (1, 1)


def test_every_truncation_of_a_protobuf_body_is_refused_or_read() -> None:
    body = proto_request("one", "two").SerializeToString()
    for length in range(1, len(body)):
        with pytest.raises(BadEvent) as caught:
            decode_traces(body[:length], "protobuf")
        assert caught.value.reason is Reason.NOT_OTLP


GARBAGE = [
    ("no protobuf, no JSON", b"hello"),
    ("cut off JSON", b'{"resourceSpans": ['),
    ("JSON, not of OTLP", b'{"resourceSpans": 5}'),
    ("a number where an object is", b'{"resourceSpans": [{"scopeSpans": 3}]}'),
    ("10 MB of nesting", b'{"resourceSpans":' + b"[" * 10_000_000),
    ("invalid UTF-8", b'{"resourceSpans": "\xff"}'),
    ("NUL bytes", b"\0" * 64),
]


@pytest.mark.parametrize("body", [row[1] for row in GARBAGE], ids=[row[0] for row in GARBAGE])
def test_garbage_has_a_reason(body: bytes) -> None:
    with pytest.raises(BadEvent) as caught:
        decode_traces(body)
    assert caught.value.reason is Reason.NOT_OTLP


@pytest.mark.parametrize(
    "body", [b"", b" \n", b"{}", b'{"resourceSpans":[]}', b'{"resourceSpans":[{"scopeSpans":[{}]}]}']
)
def test_an_empty_body_is_a_success(body: bytes) -> None:
    assert decode_traces(body) == decode_logs(body) == otlp.Decoded()


def test_bytes_say_what_they_are() -> None:
    proto, js = proto_request("a").SerializeToString(), json_body(json_span())
    for body in (
        proto,
        b"\0\0\0\0\7" + proto,
        b"\0\0\0\0\7\0" + proto,
        js,
        b"\n " + js,
        b"\0\0\0\0\7" + js,
        b"\xef\xbb\xbf" + js,
    ):
        assert len(decode_traces(body).spans) == 1
    request = proto_request("a")  # a length that looks like `{` after a line feed
    for length in range(200):
        request.resource_spans[0].schema_url = "x" * length
        body = request.SerializeToString()
        assert len(decode_traces(body).spans) == 1
        if body[1:2] == b"{":
            return
    pytest.fail("no body began with a line feed and a brace")


def test_nested_too_deeply_is_that_spans_fault() -> None:
    value: dict[str, Any] = {"stringValue": "x"}
    for _ in range(70):
        value = {"arrayValue": {"values": [value]}}
    deep = json_span(attributes=[{"key": "a", "value": value}])
    assert decode_traces(json_body(json_span(), deep)).rejected == 1


def test_a_record_too_large_for_kafka_loses_its_largest_texts() -> None:
    large = [{"key": f"k{n}", "value": {"stringValue": "x" * (400_000 + n)}} for n in range(4)]
    found = decode_traces(json_body(json_span(attributes=large)))
    assert len(spans.encode(found.spans[0])) <= spans.SPAN_BYTES and found.counts == {"evicted:attributes": 2}
    assert set(found.spans[0].attributes) == {"k0", "k1"}


def test_too_many_records_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otlp, "RECORDS_PER_BODY", 2)
    with pytest.raises(BadEvent) as caught:
        decode_traces(json_body(*[json_span()] * 3))
    assert caught.value.reason is Reason.TOO_LARGE


def test_prompts_and_schemas_are_not_kept() -> None:
    names = ("llm.input_messages.0.message.content", "gen_ai.tool.definitions", "tool.name")
    body = json_body(json_span(attributes=[{"key": name, "value": {"stringValue": SECRET}} for name in names]))
    assert set(decode_traces(body).spans[0].attributes) == {"tool.name"}


def test_logs_of_the_conventions_are_read_and_others_counted() -> None:
    request = ExportLogsServiceRequest()
    scoped = request.resource_logs.add().scope_logs.add()
    named = scoped.log_records.add(event_name="gen_ai.evaluation.result", observed_time_unix_nano=3 * 10**18)
    named.trace_id, named.span_id = bytes.fromhex(TRACE), bytes.fromhex(SPAN)
    older = scoped.log_records.add(time_unix_nano=10**18)
    older.trace_id = bytes.fromhex(TRACE)
    older.attributes.add(key="event.name").value.string_value = "gen_ai.choice"
    older.body.kvlist_value.values.add(key="finish_reason").value.string_value = "stop"
    scoped.log_records.add(time_unix_nano=10**18).body.string_value = "GET / 200"
    scoped.log_records.add(event_name="gen_ai.evaluation.result", time_unix_nano=10**18)
    found = decode_logs(request.SerializeToString())
    assert [(log.name, log.span_id, log.time) for log in found.spans] == [
        ("gen_ai.evaluation.result", SPAN, 3e9),
        ("gen_ai.choice", "", 1e9),
    ]
    assert found.spans[1].attributes["finish_reason"] == "stop"
    assert found.counts == {"spans_ignored:log": 1} and found.rejected == 1  # a judgement of no trace
