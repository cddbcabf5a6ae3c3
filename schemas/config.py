"""The YAML of the user, as types. `monitor.config` reads it with positions; defaults stand here and nowhere else.

Everything is strict and frozen: an unknown key, a second key of the same name or a value of the wrong type is an error.
Quantities are written as people write them (`1 per week`, `90s`, `97%`) and held in base units: events per second,
seconds, shares of one.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, WithJsonSchema, model_validator

_UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0, "y": 31536000.0}
_PERIODS = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86400.0, "week": 604800.0, "month": 2592000.0}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|[smhdwy]))+")
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdwy])")
_RATE = re.compile(r"(\d+(?:\.\d+)?) per (second|minute|hour|day|week|month)")
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%")


def parse_duration(value: object) -> float:
    """`1h30m`, `90s`, `500ms` → seconds. A bare number is refused: its unit would be a guess."""
    if isinstance(value, str) and _DURATION.fullmatch(value):
        return sum(float(number) * _UNIT_SECONDS[unit] for number, unit in _DURATION_PART.findall(value))
    raise ValueError(f"{value!r} is no duration; write a number with a unit, as in `90s`, `15m`, `1h30m`, `30d`")


def parse_rate(value: object) -> float:
    """`1 per week` → events per second."""
    if isinstance(value, str) and (match := _RATE.fullmatch(value.strip())):
        return float(match[1]) / _PERIODS[match[2]]
    raise ValueError(f"{value!r} is no rate; write `1 per week`, `0.5 per day`, `60 per hour`")


def parse_share(value: object) -> float:
    """`97%` or `0.97` → 0.97, in [0, 1]."""
    share: float | None = None
    if isinstance(value, str) and (match := _PERCENT.fullmatch(value.strip())):
        share = float(match[1]) / 100.0
    elif isinstance(value, int | float) and not isinstance(value, bool):
        share = float(value)
    if share is None or not 0.0 <= share <= 1.0:
        raise ValueError(f"{value!r} is no share; write `97%` or `0.97`")
    return share


def _parse_reference(value: object) -> float:
    """`2%` (a share) or `60 per hour` (a rate, for `agent.traffic`)."""
    if isinstance(value, str) and " per " in value:
        return parse_rate(value)
    return parse_share(value)


def _schema(pattern_hint: str, examples: list[str]) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "description": pattern_hint, "examples": examples})


Duration = Annotated[float, BeforeValidator(parse_duration), _schema("a number with a unit", ["90s", "15m", "30d"])]
Rate = Annotated[float, BeforeValidator(parse_rate), _schema("a count per period", ["1 per week", "60 per hour"])]
Share = Annotated[
    float,
    BeforeValidator(parse_share),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "number"}], "examples": ["97%", 0.97]}),
]
Reference = Annotated[
    float,
    BeforeValidator(_parse_reference),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "number"}], "examples": ["2%", "60 per hour"]}),
]

Phrase = Annotated[str, Field(min_length=3, max_length=200)]

WEEK = 604800.0
DAY = 86400.0


class Strict(BaseModel):
    """What every section of the file has in common: no unknown keys, no changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Escalation(Strict):
    """Whom to tell when nobody acknowledged."""

    after: Duration
    to: str


class Owner(Strict):
    """A team or person who is told, and how often falsely they accept to be."""

    slack: str | None = None
    budget: Rate = 1.0 / WEEK
    notices: Rate = 1.0 / DAY
    escalate: Escalation | None = None
    mention: str | None = None
    """A Slack user or user group id (`U…`, `S…`) that a page mentions."""


class Objective(Strict):
    """A success target over a window."""

    name: Literal["success"] = "success"
    target: Share
    window: Duration = 30 * DAY
    burn: list[float] | None = Field(default=None, min_length=1, max_length=6)
    """Burn rates to look for; default: 3, 6, 14.4, 50, as far as failures can reach them."""


class ToolContract(Strict):
    """What a call of the tool must look like."""

    version: str | None = None
    arguments: dict[str, Any] | None = None


class Limits(Strict):
    """What one run may take."""

    steps: int | None = Field(default=None, gt=0)
    duration: Duration | None = None
    cost_usd: float | None = Field(default=None, gt=0)
    tokens: int | None = Field(default=None, gt=0)


class Claim(Strict):
    """An output that must not be given without the tool call that makes it true."""

    output_matches: str
    requires_tool: str


class Effect(Strict):
    """An outcome that must not be told without the tool call that brings it about."""

    outcome: str
    requires_tool: str


class Contract(Strict):
    """What an agent may do."""

    tools: dict[str, ToolContract] = Field(default_factory=dict)
    limits: Limits = Limits()
    outcomes: list[str] = Field(default_factory=list)
    claims: list[Claim] = Field(default_factory=list)
    effects: list[Effect] = Field(default_factory=list)
    on_violation: Literal["notice", "page"] = "notice"
    severity: Literal["notice", "page"] = "notice"


class Component(Strict):
    """An agent, tool, prompt, model or retriever: exactly one of the five names it."""

    agent: str | None = None
    tool: str | None = None
    prompt: str | None = None
    model: str | None = None
    retriever: str | None = None
    owner: str | None = None
    depends_on: list[str] = Field(default_factory=list)
    objectives: list[Objective] = Field(default_factory=list)
    contract: Contract | None = None

    @model_validator(mode="after")
    def _one_name(self) -> Component:
        if sum(getattr(self, kind) is not None for kind in COMPONENT_KINDS) != 1:
            raise ValueError(f"a component has exactly one of {', '.join(COMPONENT_KINDS)}")
        return self

    @property
    def kind(self) -> str:
        """`agent`, `tool`, `prompt`, `model` or `retriever`."""
        return next(kind for kind in COMPONENT_KINDS if getattr(self, kind) is not None)

    @property
    def key(self) -> str:
        """The name as `depends_on` writes it: `tool:issue_refund`."""
        return f"{self.kind}:{getattr(self, self.kind)}"


COMPONENT_KINDS = ("agent", "tool", "prompt", "model", "retriever")


class Defaults(Strict):
    """What holds for a component that nobody declared."""

    owner: str | None = None


class Material(Strict):
    """How much a drift must have moved to page."""

    share: Share = 0.3
    """By how much a category's share must have moved."""
    factor: float = Field(default=2.0, gt=1.0)
    """By what factor a median or a rate must have moved."""


class DetectorSettings(Strict):
    """One signal's settings; what is not written keeps the signal's own default."""

    mode: Literal["page", "notice", "digest", "off"] | None = None
    tolerance: float | None = Field(default=None, ge=1.0, le=10.0)
    """Odds ratio within which a change is not worth a word."""
    reference: Reference | None = None
    """The level that is normal, declared instead of learned."""
    method: str | None = None
    """A detector of river's, as `river.drift.ADWIN`, in place of ours at the level of the agent."""
    parameters: dict[str, Any] = Field(default_factory=dict)
    """What `method` is built with; what is not written keeps river's default."""
    sustained: int = Field(default=30, ge=1, le=10_000)
    """Runs for which a drift must have lasted to page."""
    material: Material = Material()


class Slices(Strict):
    """What a fault is narrowed down to, beside version, tool, model, provider and tenant."""

    labels: list[str] = Field(default_factory=list, max_length=8)
    """Labels of runs that tell slices apart, as `[region]`."""


class Route(Strict):
    """A node of the routing tree, in Alertmanager's grammar."""

    receiver: str | None = None
    matchers: list[str] = Field(default_factory=list)
    group_by: list[str] | None = None
    group_wait: Duration | None = None
    group_interval: Duration | None = None
    repeat_interval: Duration | None = None
    continue_: bool = Field(default=False, alias="continue")
    mute_time_intervals: list[str] = Field(default_factory=list)
    active_time_intervals: list[str] = Field(default_factory=list)
    routes: list[Route] = Field(default_factory=list)


class SlackReceiver(Strict):
    """A Slack channel, written to with the bot token of `slack:`."""

    channel: str
    send_resolved: bool = True


class WebhookReceiver(Strict):
    """An HTTP endpoint that takes Alertmanager's webhook payload, version 4."""

    url: SecretStr | None = None
    url_file: str | None = None
    send_resolved: bool = True
    max_alerts: int = Field(default=0, ge=0)


class ConsoleReceiver(Strict):
    """Standard output of the monitor."""

    send_resolved: bool = True


class Receiver(Strict):
    """Where notifications go."""

    name: str
    slack_configs: list[SlackReceiver] = Field(default_factory=list)
    webhook_configs: list[WebhookReceiver] = Field(default_factory=list)
    console_configs: list[ConsoleReceiver] = Field(default_factory=list)


class Slack(Strict):
    """How to reach Slack. Without a token every message goes to the console as text."""

    bot_token: SecretStr | None = None
    bot_token_file: str | None = None
    app_token: SecretStr | None = None
    app_token_file: str | None = None
    base_url: str = "https://slack.com/api/"


class Topics(Strict):
    """Kafka topic names."""

    events: str = "forewarn.events"
    spans: str = "forewarn.spans"
    evidence: str = "forewarn.evidence"
    findings: str = "forewarn.findings"
    incidents: str = "forewarn.incidents"
    control: str = "forewarn.control"
    dead_letters: str = "forewarn.dead-letters"
    otlp_spans: str = "otlp_spans"
    otlp_logs: str = "otlp_logs"


class Kafka(Strict):
    """The broker, and how the topics are laid out."""

    bootstrap_servers: str = "localhost:9092"
    partitions: int = Field(default=8, gt=0)
    replication_factor: int = Field(default=1, gt=0)
    group: str = "forewarn"
    topics: Topics = Topics()


class Retention(Strict):
    """How long things are kept."""

    text: Duration = DAY
    """Agent text on Kafka's events topic; the embedded log keeps none."""
    events: Duration = 7 * DAY
    incidents: Duration = 90 * DAY


class Privacy(Strict):
    """What a notification may show of agent text."""

    excerpts: bool = True
    excerpt_length: int = Field(default=200, ge=0, le=200)


class Runtime(Strict):
    """Where the monitor runs and keeps its state."""

    kind: Literal["embedded", "kafka"] = "embedded"
    directory: str = "forewarn-data"
    host: str = "127.0.0.1"
    port: int = Field(default=4319, ge=0, le=65535)
    token: SecretStr | None = None
    """What senders and readers show as `Authorization: Bearer …`. Needed where `host` is not loopback."""
    token_file: str | None = None
    kafka: Kafka = Kafka()
    retention: Retention = Retention()
    privacy: Privacy = Privacy()
    run_timeout: Duration | None = None
    """A run without a sign of life for so long is hung; default: three times the agent's usual p99, at least 60s."""
    trace_timeout: Duration = 60.0
    """A trace whose root span never came ends so long after its last span."""
    external_url: str | None = None
    """Where people reach the page, for links in messages."""
    run_url: str | None = None
    """Link to one run in your trace store, with `{run}` in it."""


REFUSALS = (
    "i can't help", "i cannot help", "i can't assist", "i cannot assist", "i'm unable to", "i am unable to",
    "i'm not able to", "i am not able to", "i can't provide", "i cannot provide", "i won't be able to",
    "i can't do that", "as an ai,", "as an ai assistant", "as an ai model", "as an ai language", "as a language model",
    "no puedo ayudar", "no puedo proporcionar", "no me es posible",
    "je ne peux pas vous aider", "je ne suis pas en mesure", "je ne peux pas fournir",
    "kann ich ihnen nicht helfen", "kann dir nicht helfen", "kann ich nicht helfen", "nicht in der lage",
    "non posso aiutar", "não posso ajudar", "ik kan je niet helpen", "ik kan u niet helpen", "я не могу помочь",
    "не могу предоставить", "无法帮助", "我不能", "我无法", "お手伝いできません", "できかねます",
    "도와드릴 수 없", "لا أستطيع مساعدت",
)  # fmt: skip
APOLOGIES = (
    "i'm sorry", "i am sorry", "we're sorry", "we are sorry", "i apologize", "i apologise", "we apologize",
    "we apologise", "my apologies", "our apologies", "apologies for", "sorry for", "sorry about", "lo siento",
    "lamento", "disculpe", "disculpa", "mis disculpas", "je suis désolé", "je m'excuse", "mes excuses",
    "es tut mir leid", "tut mir leid", "tut uns leid", "entschuldig", "mi dispiace", "mi scuso", "sinto muito",
    "desculpe", "peço desculpa", "het spijt me", "excuses voor", "извините", "простите", "приношу извинения",
    "抱歉", "对不起", "申し訳", "ごめんなさい", "죄송", "آسف", "أعتذر",
)  # fmt: skip


class Text(Strict):
    """Phrases that are looked for in outputs, in any case, before the text is dropped. A list replaces the default."""

    refusals: tuple[Phrase, ...] = Field(default=REFUSALS, max_length=200)
    apologies: tuple[Phrase, ...] = Field(default=APOLOGIES, max_length=200)


class Config(Strict):
    """The whole file."""

    owners: dict[str, Owner] = Field(default_factory=dict)
    components: list[Component] = Field(default_factory=list)
    defaults: Defaults = Defaults()
    detectors: dict[str, DetectorSettings] = Field(default_factory=dict)
    slices: Slices = Slices()
    route: Route | None = None
    inhibit_rules: list[dict[str, Any]] = Field(default_factory=list)
    time_intervals: list[dict[str, Any]] = Field(default_factory=list)
    receivers: list[Receiver] = Field(default_factory=list)
    slack: Slack = Slack()
    runtime: Runtime = Runtime()
    text: Text = Text()
    tests: list[dict[str, Any]] = Field(default_factory=list)

    @property
    def default_owner(self) -> str:
        """Who owns what nobody declared: `defaults.owner`, else the first owner, else `everyone`."""
        if self.defaults.owner is not None:
            return self.defaults.owner
        return next(iter(self.owners), "everyone")
