"""Event v1 as pydantic models, one per kind: for people, for JSON Schema, and to look closely at one event.

Not on the hot path: `schemas.event.decode` reads events there, and a property test holds the two equal in what they
accept. Descriptions and units stand here; which fields a kind cannot do without stands in `schemas.event`.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Union

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, WithJsonSchema, create_model
from pydantic import model_validator as validator

from schemas import limits
from schemas.config import Config
from schemas.event import ANCHORS, COMPONENT_FORM, LATEST_TIME, REQUIRED, Action, Actor, Stage, Status, Variant

DIALECT = "https://json-schema.org/draft/2020-12/schema"
EVENT_ID = "urn:forewarn:event:1"
CONFIG_ID = "urn:forewarn:config:1"

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:?\d\d)?")


def parse_time(value: object) -> float:
    """Epoch seconds from a number or from RFC 3339 text (without an offset: UTC). Raises ValueError."""
    if isinstance(value, str) and _RFC3339.fullmatch(value):
        moment = datetime.fromisoformat(value.upper())
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    elif isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value)
    else:
        raise ValueError("`time` is epoch seconds or RFC 3339")
    if not 0.0 <= seconds < LATEST_TIME:
        raise ValueError("`time` is no date in seconds")
    return seconds


Name = Annotated[str, Field(max_length=limits.NAME_LENGTH)]
ComponentName = Annotated[str, Field(max_length=limits.NAME_LENGTH, pattern=COMPONENT_FORM)]
Whole = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Counted = Annotated[int, Field(ge=0, le=limits.COUNTED)]
Seconds = Annotated[float, Field(ge=0.0, le=limits.DURATION_SECONDS)]
Dollars = Annotated[float, Field(ge=0.0, le=limits.COST_USD)]
Part = Annotated[float, Field(ge=0.0, le=1.0)]
Labels = Annotated[dict[Name, Name], Field(max_length=limits.LABELS)]
Shape = Annotated[list[Number], Field(max_length=limits.SHAPE_NUMBERS)]
Read = Annotated[list[Name], Field(max_length=limits.FIELDS_READ)]
Violations = Annotated[list[Name], Field(max_length=limits.VIOLATIONS_READ)]
Url = Annotated[str, Field(max_length=2048)]
Time = Annotated[
    float,
    BeforeValidator(parse_time),
    WithJsonSchema({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "number", "minimum": 0}]}),
]


def _number(value: object) -> object:
    """`true` equals 1 in Python, and is no version."""
    if isinstance(value, bool):
        raise ValueError("this must be the number 1")
    return value


class CommonFields(BaseModel):
    """What every kind has. Unknown fields are kept."""

    model_config = ConfigDict(extra="allow", strict=True)

    schema_version: Annotated[Literal[1], BeforeValidator(_number)] = Field(
        default=1, description="Version of this format."
    )
    id: Name = Field(
        default="", description="Unique; a second event of the run with it is dropped. Default: from the bytes."
    )
    time: Time = Field(description="When it happened, by the agent's clock: epoch seconds or RFC 3339.")
    observed_time: Number | None = Field(default=None, description="When we received it, epoch seconds. Set by intake.")
    producer: Name | None = Field(default=None, description="The process that sends.")
    agent: Name | None = Field(default=None, description="The agent that acts; key of the Kafka record.")
    version: Name | None = Field(default=None, description="Deployed version of the agent.")
    run: Name | None = Field(default=None, description="One execution of the agent from start to finish.")
    parent_run: Name | None = Field(default=None, description="The run that called this one.")
    parent_agent: Name | None = Field(default=None, description="The agent of `parent_run`.")
    session: Name | None = Field(default=None, description="The conversation.")
    user: Name | None = Field(default=None, description="Who is served; opaque to us.")
    tenant: Name | None = Field(default=None, description="The customer, where one system serves several.")
    variant: Variant = Field(default="stable", description="`canary` takes live traffic, `shadow` copies of it.")
    pair: Name | None = Field(default=None, description="Shadow: joins the two runs of one input.")
    labels: Labels | None = Field(default=None, description="Small map of your own.")
    status: Status | None = Field(default=None, description="How it ended, as the agent sees it.")
    error_type: Name | None = Field(default=None, description="Class of the error.")
    duration_seconds: Seconds | None = Field(default=None, description="How long it took, seconds.")

    @validator(mode="before")
    @classmethod
    def _fields_of_other_kinds(cls, data: Any) -> Any:
        """They mean nothing here, yet must be of their type: one decoder reads all kinds."""
        if isinstance(data, dict):
            for name in data.keys() & _ADAPTERS.keys():
                if name not in cls.model_fields and f"{name}_" not in cls.model_fields:
                    _ADAPTERS[name].validate_python(data[name], strict=True)
        return data


FIELDS: dict[str, tuple[Any, str]] = {
    "input": (Any, "What the run was asked. Text, read for features."),
    "trigger": (Name | None, "What started the run: user, schedule, agent …"),
    "outcome": (Name | None, "How it ended for the user, a free word: resolved, partial, escalated, refused …"),
    "output": (Any, "What came out. Text, read for features."),
    "cost_usd": (Dollars | None, "Cost in US dollars."),
    "actor": (Actor, "`user`: a simulated or human user's own call, kept apart."),
    "model": (Name | None, "Model asked for."),
    "response_model": (Name | None, "Model that answered."),
    "provider": (Name | None, "Maker behind the model."),
    "input_tokens": (Counted | None, "Tokens read."),
    "output_tokens": (Counted | None, "Tokens written."),
    "cached_tokens": (Counted | None, "Tokens read from a cache."),
    "finish_reason": (Name | None, "Why the model stopped."),
    "attempt": (Counted | None, "Which try this is, from 1."),
    "tool": (Name | None, "Name of the tool."),
    "tool_version": (Name | None, "Version of the tool."),
    "call_id": (Name | None, "Id of the call."),
    "arguments": (Any, "Arguments of the call. Text, read for features."),
    "result": (Any, "What the tool gave back; one that says that the tool failed is a soft error."),
    "source": (Name | None, "Where it came from: the index that was searched, the channel of a complaint."),
    "hits": (Counted | None, "Documents found."),
    "top_score": (Number | None, "Score of the best document."),
    "document": (Name | None, "Id of the best document; opaque to us."),
    "to_agent": (Name | None, "The agent that takes over."),
    "from": (Name | None, "What could not be used."),
    "to": (Name | None, "What or who was used or asked instead."),
    "reason": (Name | None, "Why."),
    "name": (Name | None, "Name of the guardrail or evaluation."),
    "action": (Action | None, "What the guardrail did."),
    "score": (Number | None, "Result of the evaluation."),
    "label": (Name | None, "Result of the evaluation as a word."),
    "rating": (Number | None, "From -1 (bad) to 1 (good)."),
    "text": (Any, "What the user wrote."),
    "component": (ComponentName | None, "`agent:`, `prompt:`, `tool:`, `model:` or `retriever:` and a name."),
    "previous": (Name | None, "Version before the change."),
    "stage": (Stage | None, "How far the change has come."),
    "share": (Part | None, "Share of traffic that has the change, 0 to 1."),
    "author": (Name | None, "Who made the change."),
    "url": (Url | None, "Link to the change."),
    "soft_error": (bool | None, "Ours: the result says that it failed."),
    "arguments_hash": (Whole | None, "Ours: stands for the arguments."),
    "result_hash": (Whole | None, "Ours: stands for the result."),
    "result_empty": (bool | None, "Ours: the result holds nothing."),
    "input_hash": (Whole | None, "Ours: stands for the input."),
    "output_hash": (Whole | None, "Ours: stands for the output."),
    "output_shape": (Shape | None, "Ours: numbers read from the output, in the order of `monitor.reading.shape`."),
    "arguments_fields": (Read | None, "Ours: fields of the arguments with their types, as in `items[].price:number`."),
    "result_fields": (Read | None, "Ours: fields of the result with their types."),
    "output_fields": (
        Read | None,
        "Ours: fields of an output that is JSON, each with what kind of value it has and three hexadecimal digits of a"
        " hash of it, as in `decision.state:words#3f1`.",
    ),
    "output_marks": (
        Read | None,
        "Ours: the signs between the words of an output, or of what its JSON holds, with `a` for a letter and `9` for a"
        " digit on either side, as in `9.9`, and the names of its tags.",
    ),
    "result_form": (
        Name | None,
        "Ours: what the result is as a whole, and of a text its hashed first word: `line #3`.",
    ),
    "arguments_looks": (
        Read | None,
        "Ours: what the values of the arguments look like, as in `since:digits 9-9-9`; of a line of text its marks.",
    ),
    "result_looks": (Read | None, "Ours: what the values of the result look like."),
    "result_traits": (
        Read | None,
        "Ours: of the numbers of the result the order, of its short words bits of a hash, of its lists whether they"
        " have no, one or several items, of what lies deep the type: `total~+15`, `state=9d4`, `lines*2`.",
    ),
    "violations": (Violations | None, "Ours: rules of the contract that this event breaks, and claims that it makes."),
}
"""Field → type and description, for the fields that not every kind has."""

KINDS: dict[str, tuple[str, str]] = {
    "run_started": ("A run begins.", "input trigger input_hash"),
    "run_finished": (
        "A run ends.",
        "outcome output cost_usd output_hash output_shape output_fields output_marks violations",
    ),
    "llm_call": (
        "A model was called.",
        "actor model response_model provider input_tokens output_tokens cached_tokens cost_usd finish_reason output"
        " attempt output_hash output_shape output_fields output_marks violations",
    ),
    "tool_call": (
        "A tool was called.",
        "actor tool tool_version call_id arguments result attempt soft_error arguments_hash result_hash result_empty"
        " arguments_fields arguments_looks result_fields result_looks result_form result_traits violations",
    ),
    "retrieval": ("Documents were looked up.", "source hits top_score document"),
    "handoff": ("Another agent takes over.", "to_agent"),
    "fallback": ("The defined degradation was used.", "from to reason"),
    "escalation": ("A human was asked.", "to reason"),
    "guardrail": ("A guardrail looked at something.", "name action"),
    "evaluation": ("A judgement of a run; may come days later.", "name score label"),
    "feedback": ("What a user thinks.", "rating text"),
    "complaint": ("A user complains.", "text source"),
    "change": ("A version of a component was deployed.", "component previous stage share author url"),
    "heartbeat": ("A producer is alive.", ""),
}
"""Kind → what it says, and its further fields."""

_ADAPTERS: dict[str, TypeAdapter[Any]] = {
    name: TypeAdapter(kind) for name, (kind, _) in FIELDS.items() if kind is not Any
}


def _needs_an_anchor(self: BaseModel) -> BaseModel:
    anchors = ANCHORS[self.kind]  # type: ignore[attr-defined]
    if not any(getattr(self, name) for name in anchors):
        raise ValueError(f"one of {', '.join(anchors)} is needed")
    return self


def _model(kind: str) -> type[BaseModel]:
    says, names = KINDS[kind]
    fields: dict[str, Any] = {"kind": (Literal[kind], Field(description=says))}
    for name in names.split():
        annotation, text = FIELDS[name]
        default = "agent" if name == "actor" else None
        attribute = "from_" if name == "from" else name
        fields[attribute] = (
            annotation,
            Field(default=default, description=text, alias="from" if name == "from" else None),
        )
    for name in REQUIRED[kind]:
        text = FIELDS[name][1] if name in FIELDS else CommonFields.model_fields[name].description or ""
        kept = ComponentName if name == "component" else Annotated[str, Field(max_length=limits.NAME_LENGTH)]
        fields[name] = (Annotated[kept, Field(min_length=1)], Field(description=text))
    validators: dict[str, Any] = {"_anchor": validator(mode="after")(_needs_an_anchor)} if kind in ANCHORS else {}
    title = "".join(part.title() for part in kind.split("_"))
    return create_model(title, __base__=CommonFields, __doc__=says, __validators__=validators, **fields)


MODELS: dict[str, type[BaseModel]] = {kind: _model(kind) for kind in KINDS}
"""Kind → its model."""

_any_kind: Any = Union[tuple(MODELS.values())]  # noqa: UP007 (made of a list)
_event: TypeAdapter[Any] = TypeAdapter(Annotated[_any_kind, Field(discriminator="kind")])


def parse(raw: bytes) -> BaseModel:
    """One JSON object → its model. Raises ValueError, mostly pydantic's `ValidationError` with everything at once."""
    if len(raw) > limits.EVENT_BYTES:
        raise ValueError(f"{len(raw)} bytes; at most {limits.EVENT_BYTES}")
    value = json.loads(raw.decode(), parse_constant=_refuse)
    event: BaseModel = _event.validate_python(value)
    return event


def event_schema() -> dict[str, Any]:
    """JSON Schema of an event of any kind."""
    schema = _event.json_schema()
    return {"$schema": DIALECT, "$id": EVENT_ID, "title": "Forewarn event, version 1", **schema}


def config_schema() -> dict[str, Any]:
    """JSON Schema of the configuration file."""
    schema = Config.model_json_schema()
    return {"$schema": DIALECT, "$id": CONFIG_ID, **schema, "title": "Forewarn configuration"}


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no JSON")
