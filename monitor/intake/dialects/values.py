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
_TEXT_KEYS = ("parts", "content", "text", "message", "data")

FINISH_REASONS = {
    "stop": ("end_turn", "stop_sequence", "eos", "eos_token", "complete", "completed", "end", "finished", "done"),
    "length": ("max_tokens", "max_output_tokens", "max_length", "model_length", "incomplete"),
    "tool_calls": ("tool_call", "tool_use", "function_call", "tool_calls"),
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


def answer(value: Any) -> Any:
    """What a run answered. A graph's whole state is no answer: the last of its messages is."""
    state = parsed(value)
    messages = state.get("messages") if isinstance(state, dict) else None
    if not isinstance(messages, list) or not messages:
        return value
    said = _text_of(messages[-1], 0)
    return value if said is None else said


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


_ENVELOPES: tuple[Callable[[Any], tuple[Any, bool | None] | None], ...] = (_tool_message, _content_block)


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
