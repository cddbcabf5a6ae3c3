"""Values → `Config` by its types; every disagreement becomes a problem at the key or value that causes it.

What is wrong is taken out and the rest is read again, so that the checks of meaning see as much of the file as can be
seen, and all problems are told at once. Knows the types, not what they mean.
"""

from __future__ import annotations

import types
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_core import ErrorDetails

from monitor.config.document import Document, Mapping, Path, Sequence, clip
from monitor.config.problem import Span, nearest
from schemas.config import Config

MAX_PASSES = 1_000
"""Readings of one file, each of which takes something wrong out. More: the rest of the problems is told next time."""

_WANTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "`true` or `false`",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "list_type": "a list",
}
_BOUNDS = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
}


def read_config(document: Document) -> Config:
    """The file as far as it fits its types; what does not fit is in `document.problems` and out of `document.root`."""
    damaged: list[Mapping | Sequence] = []
    _settle_nulls(document, document.root, Config, damaged)
    for _ in range(MAX_PASSES):
        try:
            return Config.model_validate(document.root, strict=True)
        except ValidationError as error:
            faults = [_fault(document, detail) for detail in error.errors(include_url=False)]
        for fault in faults:
            # What is wrong only because we took something out is no problem of the file.
            if not any(fault.value is holder for holder in damaged):
                fault.report(document)
        for fault in faults:
            fault.take_out(document)
            if fault.holder is not None:
                damaged.append(fault.holder)
    document.root.clear()
    return Config()


def secret_keys(model: type[BaseModel]) -> set[str]:
    """The keys of a section that hold secrets."""
    return {key for key, field in fields_of(model).items() if SecretStr in _options(field)}


def fields_of(model: type[BaseModel]) -> dict[str, Any]:
    """Key as written → its type."""
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}


def sections(value: Any, annotation: Any) -> Any:
    """Every (mapping, model) of the file that the types know, the root first."""
    for option in _options(annotation):
        if isinstance(value, Mapping) and isinstance(option, type) and issubclass(option, BaseModel):
            yield value, option
            for key, inner in fields_of(option).items():
                if key in value:
                    yield from sections(value[key], inner)
        elif isinstance(value, Mapping) and get_origin(option) is dict:
            for inner_value in value.values():
                yield from sections(inner_value, get_args(option)[1])
        elif isinstance(value, Sequence) and get_origin(option) is list:
            for inner_value in value:
                yield from sections(inner_value, get_args(option)[0])


def _settle_nulls(document: Document, value: Any, annotation: Any, damaged: list[Mapping | Sequence]) -> None:
    """A section without content is an empty one; a single value without content is a slip, often a `#` unquoted."""
    for option in _options(annotation):
        if isinstance(value, Mapping) and isinstance(option, type) and issubclass(option, BaseModel):
            known = fields_of(option)
            inner = {key: known[key] for key in value if key in known}
        elif isinstance(value, Mapping) and get_origin(option) is dict:
            inner = dict.fromkeys(value, get_args(option)[1])
        elif isinstance(value, Sequence) and get_origin(option) is list:
            for index in range(len(value) - 1, -1, -1):
                if value[index] is None and get_args(option)[0] is not Any:
                    span = value.items_at[index]
                    document.report(span, (*value.path, value.indexes[index]), "this item has no value")
                    value.drop(index)
                else:
                    _settle_nulls(document, value[index], get_args(option)[0], damaged)
            continue
        else:
            continue
        for key, kind in inner.items():
            if value[key] is not None:
                _settle_nulls(document, value[key], kind, damaged)
            elif (empty := _empty(kind, (*value.path, key), value.keys_at[key])) is not None:
                value[key] = empty
            elif kind is not Any:
                _report_null(document, value, key)
                del value[key]
                damaged.append(value)


def _empty(annotation: Any, path: Path, span: Span) -> Mapping | Sequence | None:
    for option in _options(annotation):
        if get_origin(option) is list:
            return Sequence(path, span)
        if get_origin(option) is dict or (isinstance(option, type) and issubclass(option, BaseModel)):
            return Mapping(path, span)
    return None


def _report_null(document: Document, mapping: Mapping, key: str) -> None:
    span = mapping.keys_at[key]
    after = document.lines[span.line - 1][span.column - 1 + span.length :].lstrip("\"' ")
    comment = after.removeprefix(":").strip()
    message, suggestion = f"`{key}` has no value", None
    if comment.startswith("#") and comment[1:2].strip():
        message += ", because an unquoted `#` starts a comment"
        suggestion = f'{key}: "{comment.split()[0].rstrip("},")}"'
    document.report(span, (*mapping.path, key), message, suggestion=suggestion)


@dataclass(slots=True)
class _Fault:
    """One disagreement between the file and its types, and the key or item that causes it (`None`: the root)."""

    detail: ErrorDetails
    holder: Mapping | Sequence | None
    last: str | int
    value: Any
    """What stands there."""
    kind: Any
    """Its type; for an unknown key: the type of the holder."""

    def report(self, document: Document) -> None:
        """Note it at its place."""
        detail, last, holder = self.detail, self.last, self.holder
        if isinstance(holder, Mapping):
            key_at, value_at = holder.keys_at[str(last)], holder.values_at[str(last)]
            path: Path = (*holder.path, str(last))
        elif isinstance(holder, Sequence):
            key_at = value_at = holder.items_at[int(last)]
            path = (*holder.path, holder.indexes[int(last)])
        else:
            key_at = value_at = Span(1, 1)
            path = ()
        if detail["type"] == "missing":
            _report_missing(document, str(detail["loc"][-1]), self.value, key_at, path)
        elif detail["type"] == "extra_forbidden":
            _report_unknown(document, str(last), holder, self.kind, key_at, path)
        else:
            secret = SecretStr in _options(self.kind)
            on_key = isinstance(self.value, Mapping | Sequence)
            written = None if on_key else _written(document, value_at)
            message, allowed, suggestion = _message(detail, written, secret)
            document.report(
                key_at if on_key else value_at,
                path,
                message,
                found=None if secret or on_key else clip(str(self.value)),
                allowed=allowed,
                suggestion=suggestion,
            )

    def take_out(self, document: Document) -> None:
        """Remove the cause, if it still stands there."""
        holder = self.holder
        if holder is None:
            document.root.clear()
        elif isinstance(holder, Mapping):
            holder.pop(str(self.last), None)
        else:
            for index, item in enumerate(holder):
                if item is self.value:
                    holder.drop(index)
                    break


def _fault(document: Document, detail: ErrorDetails) -> _Fault:
    fault = _Fault(detail, None, "", document.root, Config)
    for part in detail["loc"][:-1] if detail["type"] == "missing" else detail["loc"]:
        value = fault.value
        inside = (isinstance(value, Mapping) and isinstance(part, str) and part in value) or (
            isinstance(value, Sequence) and isinstance(part, int) and part < len(value)
        )
        if inside:  # else the part names no node: an alternative of a union, a validator
            fault = _Fault(detail, value, part, value[part], _inner(fault.kind, value, part))
    return fault


def _report_unknown(document: Document, key: str, holder: Any, kind: Any, span: Span, path: Path) -> None:
    allowed = tuple(fields_of(kind)) if isinstance(kind, type) and issubclass(kind, BaseModel) else ()
    free = tuple(name for name in allowed if name not in holder)
    document.report(
        span,
        path,
        f"unknown key `{clip(key)}`",
        found=clip(key),
        allowed=free or allowed,
        suggestion=nearest(key, free) or nearest(key, allowed),
    )


def _report_missing(document: Document, key: str, value: Any, span: Span, path: Path) -> None:
    similar = nearest(key, value) if isinstance(value, Mapping) else None
    hint = f"; is `{similar}` meant?" if similar else ""
    document.report(span, path, f"`{key}` is missing here{hint}")


def _message(detail: ErrorDetails, written: str | None, secret: bool) -> tuple[str, tuple[str, ...], str | None]:
    """Message, allowed words, suggestion. `written`: a scalar as it stands in the file."""
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in _WANTED:
        found = detail["input"]
        quoted = kind == "string_type" and isinstance(found, int | float)
        message = f"this must be {_WANTED[kind]}" + ("" if secret else f", not {_noun(found, written)}")
        return message, (), f'"{written}"' if quoted and not secret else None
    if kind == "literal_error":
        allowed = tuple(word.strip(" '") for word in str(context["expected"]).replace(" or ", ", ").split(","))
        found = clip(str(detail["input"]))
        return f"`{found}` is not among the allowed words", allowed, nearest(found, allowed)
    if kind in _BOUNDS:
        words, key = _BOUNDS[kind]
        return f"this must be {words} {context[key]}", (), None
    if kind == "value_error":
        return str(context["error"]), (), None
    return detail["msg"][:1].lower() + detail["msg"][1:], (), None


def _written(document: Document, span: Span) -> str:
    """A scalar as it stands in the file."""
    return document.lines[span.line - 1][span.column - 1 : span.column - 1 + span.length]


def _noun(value: object, written: str | None) -> str:
    match value:
        case bool():
            return f"`{str(value).lower()}`"
        case int() | float():
            return f"the number {written or value}"
        case str():
            return f"the text `{clip(value)}`"
        case dict():
            return "a mapping"
        case list():
            return "a list"
    return "nothing"


def _inner(annotation: Any, holder: Any, last: str | int) -> Any:
    """The type of what stands under `last`; for a key that the type does not know: the type itself."""
    for option in _options(annotation):
        if isinstance(option, type) and issubclass(option, BaseModel) and isinstance(holder, Mapping):
            return fields_of(option).get(str(last), option)
        if get_origin(option) is dict and isinstance(holder, Mapping):
            return get_args(option)[1]
        if get_origin(option) is list and isinstance(last, int):
            return get_args(option)[0]
    return annotation


def _options(annotation: Any) -> tuple[Any, ...]:
    """The alternatives of a type: `X | None` → X."""
    if get_origin(annotation) in (Union, types.UnionType):
        return tuple(option for option in get_args(annotation) if option is not type(None))
    return () if get_origin(annotation) is Literal else (annotation,)
