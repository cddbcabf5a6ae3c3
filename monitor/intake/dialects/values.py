"""Attribute values → the types of event fields. What cannot be read is None, never an error: a field more or less."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from schemas import limits
from schemas.event import NOTHING

_DEPTH = 8
_NO_TEXT = frozenset(("tool_call", "tool_use", "tool_call_response", "tool_result", "reasoning", "thinking"))
_SPEAKERS = ("assistant", "model", "ai")
_TEXT_KEYS = ("parts", "blocks", "content", "text", "message", "data")

FINISH_REASONS = {
    "stop": ("end_turn", "stop_sequence", "eos", "eos_token", "complete", "completed", "end", "finished", "done"),
    "length": ("max_tokens", "max_output_tokens", "max_length", "model_length", "incomplete"),
    "tool_calls": ("tool_call", "tool_use", "function_call", "function_calls", "tool_calls"),
    "content_filter": ("safety", "refusal", "recitation", "guardrail_intervened", "content_filtered", "blocklist"),
    "error": ("failed", "cancelled", "canceled"),
}
"""What we say → what others say."""
_FINISH = {other: ours for ours, others in FINISH_REASONS.items() for other in others}


def name(value: Any) -> str | None:
    """A short text; longer than a name may be: cut."""
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        return None
    return str(value).strip()[: limits.NAME_LENGTH] or None


def identity(value: Any) -> str | None:
    """The id of a call; what a framework writes in its place (`<not specified>`) is none."""
    found = name(value)
    return None if found is None or found[0] + found[-1] == "<>" else found


def given(value: Any) -> Any:
    """A value as it is; Python's word for none, written as a text, is none."""
    return None if value == "None" else value


def number(value: Any) -> float | None:
    """A finite number, also one written as text."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def count(value: Any) -> int | None:
    """A number of things: not negative, at most `COUNTED`."""
    found = number(value)
    return None if found is None or not 0.0 <= found <= limits.COUNTED else int(found)


def dollars(value: Any) -> float | None:
    """What something cost: not negative, at most `COST_USD`."""
    found = number(value)
    return None if found is None or not 0.0 <= found <= limits.COST_USD else found


def finish_reason(value: Any) -> str | None:
    """One word of `FINISH_REASONS`, or the word as it was, in our spelling."""
    if isinstance(value, str) and value[:1] == "[":
        value = parsed(value)
    if isinstance(value, list):
        value = next((item for item in value if item), None)
    word = name(value)
    if word is None or word.lower() in ("none", "null"):
        return None
    word = word.rsplit(".", 1)[-1].lower().replace("-", "_").replace(" ", "_")
    return _FINISH.get(word, word)


def parsed(value: Any) -> Any:
    """A structured value as it is, or the JSON that a string holds; None if it holds none."""
    if not isinstance(value, str):
        return value
    if value.lstrip()[:1] not in ("{", "["):
        return None
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, RecursionError):
        return None


def raw(value: Any) -> msgspec.Raw:
    """Any value as the JSON of a text field. A string that is JSON stays that JSON."""
    if value is None:
        return NOTHING
    if isinstance(value, str):
        try:
            text = value.encode()
            msgspec.json.decode(text, type=msgspec.Raw)
            return msgspec.Raw(text)
        except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
            return msgspec.Raw(msgspec.json.encode(value.encode(errors="replace").decode()))
    return msgspec.Raw(msgspec.json.encode(value, enc_hook=_encode_other))


def _encode_other(value: Any) -> str:
    return base64.b64encode(bytes(value)).decode()


def message_text(value: Any) -> str | None:
    """The text that a message, a list of messages or of content parts says; None if there is no text to be seen."""
    structured = parsed(value)
    if structured is None:
        return value if isinstance(value, str) else None
    return _text_of(structured, 0)


def finished(response: Any) -> str | None:
    """Why a model stopped, as the response of its client says, whole or the first of its choices."""
    structured = parsed(response)
    if not isinstance(structured, dict):
        return None
    choices = structured.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    for said in (structured, first):
        if isinstance(said, dict):
            found = finish_reason(said.get("finish_reason", said.get("stop_reason")))
            if found is not None:
                return found
    return None


def answer(value: Any) -> Any:
    """What a run answered, without what its framework wraps it in; what nobody is known to write is as it was."""
    structured = parsed(value)
    for _ in range(_DEPTH):
        if not isinstance(structured, dict):
            break
        if structured.keys() == {"result"}:  # the last event of a workflow
            structured = structured["result"]
            continue
        if "content" in structured and structured.get("role") in _SPEAKERS:
            return _text_of(structured, 0)  # a message; one that only calls tools says nothing
        said = _answered(structured)
        return value if said is None else said
    return value


def _answered(state: dict[str, Any]) -> str | None:
    """A graph's whole state is no answer: the last of its messages is. Beside an answer stand sources, tasks, usage."""
    messages, content, response = state.get("messages"), state.get("content"), state.get("response")
    if isinstance(messages, list) and messages:
        return _text_of(messages[-1], 0)
    if isinstance(content, dict) and "parts" in content and "role" in content:
        return _text_of(content, 0)
    if isinstance(response, dict) and "role" in response:
        return _text_of(response, 0)
    if isinstance(response, str) and ("sources" in state or "source_nodes" in state):
        return response
    raw = state.get("raw")
    return raw if isinstance(raw, str) and ("tasks_output" in state or "expected_output" in state) else None


def _text_of(value: Any, depth: int) -> str | None:
    if isinstance(value, str):
        return value
    if depth > _DEPTH or value is None:
        return None
    if isinstance(value, list):
        texts = [text for item in value if (text := _text_of(item, depth + 1)) is not None]
        return "".join(texts) if texts else None
    if isinstance(value, dict) and value.get("type") not in _NO_TEXT:
        for key in _TEXT_KEYS:
            if key in value:
                return _text_of(value[key], depth + 1)
    return None


def result(value: Any) -> tuple[Any, bool | None]:
    """A tool's result without the envelope of its framework, and whether the envelope says that the call failed."""
    structured = parsed(value)
    for unwrap in _ENVELOPES:
        found = unwrap(structured)
        if found is not None:
            return found
    return value, None


def arguments(value: Any, tool: str | None) -> Any:
    """A call's arguments without what its framework wraps them in: how Python was called, or the model's own call."""
    if isinstance(value, str) and not value.startswith(_CALLED):
        return value
    called = parsed(value)
    if not isinstance(called, dict):
        return value
    if called.keys() <= {"args", "kwargs"} and not called.get("args") and isinstance(called.get("kwargs"), dict):
        return called["kwargs"]
    if called.keys() == {"name", "arguments"} and called["name"] == tool:
        return called["arguments"]
    return value


def taker(called: Any, tool: str | None) -> Any:
    """The agent to which a call hands the work over; None where the tool is none of those that frameworks do it by."""
    if tool not in HANDING_OVER:
        return None
    structured = parsed(called)
    return (
        next((structured[key] for key in _TAKERS if key in structured), None) if isinstance(structured, dict) else None
    )


def _tool_message(value: Any) -> tuple[Any, bool | None] | None:
    """LangChain's ToolMessage, plain or dumped with its type."""
    if isinstance(value, dict) and value.get("type") == "tool" and isinstance(value.get("data"), dict):
        value = value["data"]
    if not isinstance(value, dict) or "tool_call_id" not in value or "content" not in value:
        return None
    status = value.get("status")
    return value["content"], None if status is None else status == "error"


def _content_block(value: Any) -> tuple[Any, bool | None] | None:
    """A list of one text block, as Bedrock and MCP write it."""
    if not isinstance(value, list) or len(value) != 1 or not isinstance(value[0], dict):
        return None
    block = value[0]
    if isinstance(block.get("text"), str) and set(block) <= {"text", "type"}:
        return block["text"], None
    return (block["json"], None) if set(block) == {"json"} else None


def _tool_output(value: Any) -> tuple[Any, bool | None] | None:
    """LlamaIndex's ToolOutput, alone or inside the event of a workflow that tells of it."""
    if isinstance(value, dict) and "tool_id" in value and isinstance(value.get("tool_output"), dict):
        value = value["tool_output"]
    if not isinstance(value, dict) or "raw_output" not in value or "is_error" not in value:
        return None
    said = _text_of(value, 0)
    return value["raw_output"] if said is None else said, value["is_error"] is True


def _function_response(value: Any) -> tuple[Any, bool | None] | None:
    """Google's FunctionResponse."""
    if not isinstance(value, dict) or not {"name", "response"} <= value.keys() <= {"id", "name", "response"}:
        return None
    return value["response"], None


def _executed(value: Any) -> tuple[Any, bool | None] | None:
    """AG2's pair: whether the function ran to its end, and the message about it."""
    if not isinstance(value, list) or len(value) != 2 or not isinstance(value[0], bool):
        return None
    message = value[1]
    if not isinstance(message, dict) or "content" not in message or message.get("role") not in ("function", "tool"):
        return None
    return message["content"], not value[0]


HANDING_OVER = frozenset(("handoff", "handoff_to_agent", "transfer_to_agent"))
"""The tools of LlamaIndex, Strands and Google's ADK that name in an argument who takes over."""
_TAKERS = ("to_agent", "agent_name")
_CALLED = ('{"kwargs"', '{"args"', '{"arguments"', '{"name"')
_ENVELOPES: tuple[Callable[[Any], tuple[Any, bool | None] | None], ...] = (
    _tool_message,
    _content_block,
    _tool_output,
    _function_response,
    _executed,
)


class Found(NamedTuple):
    """What a search found: how many documents, the best score, and the id of the best document."""

    hits: int
    top_score: float | None
    document: str | None


_TEXTS_OF_DOCUMENTS = ("content", "page_content", "text")


def documents(value: Any) -> Found | None:
    """What a list of retrieved documents says; None if the value is no list of them."""
    found = parsed(value)
    if isinstance(found, dict):
        found = found.get("documents")
    if not isinstance(found, list):
        return None
    return best([_told(item) if isinstance(item, dict) else (None, None, None) for item in found])


def best(found: Sequence[tuple[Any, Any, Any]]) -> Found:
    """What documents say, each as (score, id, text), in the order in which they were found.

    The best one has the highest score, or came first. One without an id goes by a digest of its text.
    """
    scores = [number(score) for score, _, _ in found]
    told = [(score, -at) for at, score in enumerate(scores) if score is not None]
    at = -max(told)[1] if told else 0
    return Found(len(found), max(told)[0] if told else None, _document(*found[at][1:]) if found else None)


def _told(item: dict[str, Any]) -> tuple[Any, Any, Any]:
    return item.get("score"), item.get("id"), next((item[key] for key in _TEXTS_OF_DOCUMENTS if key in item), None)


def _document(identity: Any, text: Any) -> str | None:
    known = name(identity)
    if known is None and isinstance(text, str) and text:
        known = "text " + hashlib.blake2b(text.encode(errors="replace"), digest_size=8).hexdigest()
    return known
