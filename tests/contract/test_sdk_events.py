"""Everything that the SDK emits is an event for the server, with the same values."""

import json
import math
import re
import typing

import forewarn
import msgspec
import pytest
from forewarn import record
from forewarn.text import bounds
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import event, limits
from schemas.texts import derive

Texts = ("input", "output", "arguments", "result", "text")

names = st.text(min_size=1, max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30) | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
good_texts = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | names,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)
counts = st.integers(0, limits.COUNTED)
numbers = st.floats(allow_nan=False, allow_infinity=False)
MOST = {"share": 1.0, "duration_seconds": limits.DURATION_SECONDS, "cost_usd": limits.COST_USD}
COMPONENT = re.compile(event.COMPONENT_FORM)


def good(name: str) -> st.SearchStrategy[object]:
    """Values that field `name` takes."""
    check = record.FIELDS[name]
    if name in Texts:
        return good_texts
    if name == "labels":
        return st.dictionaries(names, names, max_size=5)
    if check is record.FIELDS["attempt"]:
        return counts
    if check is record.FIELDS["score"]:
        return numbers
    if name == "soft_error":
        return st.booleans()
    if name in MOST:
        return st.floats(0.0, MOST[name])
    if name == "component":
        return st.tuples(st.sampled_from(event.COMPONENT_KINDS), names).map(":".join).filter(COMPONENT.match)
    choices = {"variant", "status", "actor", "action", "stage"}
    if name in choices:
        hint = typing.get_type_hints(event.Event)[name]
        words = [word for part in (typing.get_args(hint)) for word in (typing.get_args(part) or (part,))]
        return st.sampled_from([word for word in words if isinstance(word, str)])
    return names


def written(kind: str, fields: dict[str, object]) -> tuple[dict[str, object], bytes | None]:
    tally = record.Counts()
    raw = record.Writer(tally, strict=False).encode(kind, 1_700_000_000.25, {}, fields)
    return tally.snapshot(), raw


def test_both_sides_have_the_same_kinds_fields_and_limits() -> None:
    assert record.REQUIRED.keys() == event.REQUIRED.keys()
    for kind, required in event.REQUIRED.items():
        assert set(required) <= set(record.REQUIRED[kind])
        assert kind not in event.ANCHORS or set(event.ANCHORS[kind]) & set(record.REQUIRED[kind])
    ours = {field.encode_name for field in msgspec.structs.fields(event.Event)}
    by_the_writer = {"kind", "id", "time"}
    by_the_server = {"schema_version", "observed_time", "arguments_hash", "result_hash", "result_empty"}
    by_the_server |= {"input_hash", "output_hash", "output_shape", "arguments_fields", "result_fields", "violations"}
    by_the_server |= {"output_fields", "output_marks"}
    by_the_server |= {"result_form", "arguments_looks", "result_looks", "result_traits"}
    assert record.FIELDS.keys() | by_the_writer | by_the_server == ours
    assert record.NAME_CHARACTERS == limits.NAME_LENGTH
    assert record.LABELS == limits.LABELS
    assert (record.DURATION_SECONDS, record.COST_USD) == (limits.DURATION_SECONDS, limits.COST_USD)
    assert bounds.DEPTH < limits.NESTING


@given(data=st.data(), kind=st.sampled_from(sorted(record.REQUIRED)))
@settings(max_examples=300, deadline=None)
def test_good_values_arrive_as_they_were(data: st.DataObject, kind: str) -> None:
    optional = data.draw(st.sets(st.sampled_from(sorted(record.FIELDS)), max_size=12))
    fields = {name: data.draw(good(name), label=name) for name in sorted(optional | set(record.REQUIRED[kind]))}
    tally, raw = written(kind, fields)
    assert raw is not None
    assert tally == {}
    read = event.decode(raw)
    assert (read.kind, read.time) == (kind, 1_700_000_000.25)
    for name, value in fields.items():
        found = getattr(read, "from_" if name == "from" else name)
        assert (json.loads(bytes(found)) if name in Texts else found) == value, name


@given(data=st.data(), kind=st.sampled_from(sorted(record.REQUIRED)))
@settings(max_examples=300, deadline=None)
def test_whatever_is_handed_over_decodes(data: st.DataObject, kind: str) -> None:
    anything = values | st.text(st.characters(categories=["Cs", "Cc", "Lu"])) | st.text(min_size=600, max_size=700)
    fields = data.draw(st.dictionaries(st.sampled_from(sorted(record.FIELDS)), anything, max_size=10))
    fields |= {name: data.draw(anything | names) for name in record.REQUIRED[kind]}
    tally, raw = written(kind, fields)
    if raw is None:
        assert tally["incomplete"] == 1
        return
    read = event.decode(raw)
    for name in Texts:
        if getattr(read, name) != event.NOTHING:
            json.loads(bytes(getattr(read, name)))
    for name in ("cost_usd", "score", "share", "duration_seconds"):
        number = getattr(read, name)
        assert number is None or math.isfinite(number)


@given(result=values | st.fixed_dictionaries({"error": values}) | st.fixed_dictionaries({"isError": values}))
@settings(max_examples=300, deadline=None)
def test_the_verdict_without_text_is_the_servers(result: object) -> None:
    for shown in (result, json.dumps(bounds.bounded(result)[0])):
        _, with_text = written("tool_call", {"agent": "a", "run": "r", "tool": "t", "result": shown})
        assert with_text is not None
        assert derive.derive(event.decode(with_text)).soft_error == record.says_error(shown)


QUIET = ["null", "false", '""', "0", "-0", "0.0", "-0.0", "0e7", "0.00E-3", "1e-999", "[]", "[ ]", "{}", "{\n}"]
LOUD = ["true", '" "', '"0"', '"no such order"', "1", "-1", "0.5", "1e-300", "1e999", "9" * 5000, "[0]", '{"a": 0}']
NO_JSON = ["NaN", "Infinity", "-Infinity", "nul", "00", ".0"]


@pytest.mark.parametrize("field", ["error", "isError"])
@pytest.mark.parametrize(
    ("value", "failed"),
    [(value, False) for value in QUIET] + [(value, True) for value in LOUD] + [(value, False) for value in NO_JSON],
)
def test_both_sides_read_an_error_the_same(field: str, value: str, failed: bool) -> None:
    told = f' {{"ok": 1, "{field}" : {value} }}'
    assert derive.soft_error(event.raw(told)) is failed
    assert record.says_error(told) is failed
    if value not in NO_JSON:
        assert derive.soft_error(msgspec.Raw(told.encode())) is failed
        assert record.says_error(json.loads(told) if len(value) < 1000 else told) is failed


def test_every_method_of_the_emitter_is_read_by_the_server() -> None:
    memory = forewarn.MemoryTransport()
    with forewarn.Emitter(
        "refund-agent", "v12", transport=memory, strict=True, variant="canary", tenant="t"
    ) as emitter:
        with emitter.run(session="s", user="u", input="i", pair="p", labels={"a": "b"}, trigger="cron") as run:
            run.tool("t", {"a": 1}, result={"error": "x"}, tool_version="3", attempt=1, call_id="c", actor="agent")
            run.llm("openai/gpt-4o", output="o", actor="user", attempt=1)
            run.retrieval("manual", hits=1, top_score=0.5, document="d-1", status="ok", duration_seconds=0.1)
            run.fallback(to="b", from_="a", reason="r")
            run.escalation(to="h", reason="r")
            run.guardrail("g", "allowed")
            run.handoff("other")
            emitter.evaluation("e", 1.0, "good")
            emitter.feedback(1.0, "thanks")
            emitter.complaint("bad")
        emitter.change(
            "agent:refund-agent", "v13", previous="v12", stage="full", share=1.0, author="a", url="https://x"
        )
        emitter.heartbeat()
    read = [event.decode(each.body) for each in memory.records]
    assert {each.kind for each in read} == set(event.REQUIRED)
    assert all(each.key == "refund-agent" for each in memory.records if b'"change"' not in each.body)
    by_kind = {each.kind: each for each in read}
    assert by_kind["fallback"].from_ == "a"
    assert by_kind["tool_call"].variant == "canary"
    assert by_kind["run_started"].tenant == "t"
    assert derive.derive(by_kind["tool_call"]).soft_error
