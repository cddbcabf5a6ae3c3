"""The YAML of the user, as types. `monitor.config` reads it with positions; defaults stand here and nowhere else.

Everything is strict and frozen: an unknown key, a second key of the same name or a value of the wrong type is an error.
Quantities are written as people write them (`1 per week`, `90s`, `97%`) and held in base units: events per second,
seconds, shares of one.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, model_validator

from schemas.event import COMPONENT_KINDS
from schemas.settings.changes import Changes, Deployment, GitHub
from schemas.settings.gates import Backtest, Ready
from schemas.settings.kafka import Floods, Kafka, Security, Topics
from schemas.settings.quantities import (
    DAY,
    WEEK,
    Budget,
    Duration,
    Rate,
    Reference,
    Share,
    Strict,
    parse_duration,
    parse_rate,
    parse_share,
)
from schemas.settings.report import Reporting
from schemas.settings.rollouts import RolloutSettings
from schemas.settings.routing import (
    ConsoleReceiver,
    Escalation,
    Global,
    InhibitRule,
    NamedInterval,
    Receiver,
    Route,
    SlackReceiver,
    TimeRange,
    TimeSpec,
    VerdictReceiver,
    WebhookReceiver,
)
from schemas.settings.scenarios import Scenario
from schemas.texts.soft_errors import ERRORS

__all__ = [
    "DAY",
    "WEEK",
    "Backtest",
    "Changes",
    "ConsoleReceiver",
    "Deployment",
    "Duration",
    "Escalation",
    "Floods",
    "GitHub",
    "Global",
    "InhibitRule",
    "Kafka",
    "NamedInterval",
    "Rate",
    "Ready",
    "Receiver",
    "Reference",
    "Reporting",
    "RolloutSettings",
    "Route",
    "Security",
    "Share",
    "SlackReceiver",
    "Strict",
    "TimeRange",
    "TimeSpec",
    "Topics",
    "VerdictReceiver",
    "WebhookReceiver",
    "parse_duration",
    "parse_rate",
    "parse_share",
]  # fmt: skip
"""What stands in `schemas.settings`: the whole file can be read from here."""

Role = Literal["emit", "read", "act"]

Phrase = Annotated[str, Field(min_length=3, max_length=200)]
Beginning = Annotated[str, Field(min_length=2, max_length=200)]
"""Of a text; two characters of some scripts are a word."""


class Owner(Strict):
    """A team or person who is told, and how often falsely they accept to be."""

    slack: str | None = None
    budget: Budget = 1.0 / WEEK
    notices: Budget = 1.0 / DAY
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
    rollout: RolloutSettings | None = None
    """For this agent; what it leaves out is as at the top of the file."""
    fallback: str | None = None
    """What takes over when it fails: a component (`model:gpt-4o-mini`, `agent:refund-basic`) or `human`."""

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


HUMAN = "human"
"""The fallback that is no component."""


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


class SlackComplaints(Strict):
    """Reactions that mark a message in a support channel as a complaint about an agent."""

    channel: Annotated[str, Field(pattern=r"^[CG][A-Z0-9]{2,20}$")]
    """The id of the channel (`C…`), not its name."""
    emoji: Annotated[list[Annotated[str, Field(pattern=r"^[a-z0-9_+'-]{1,100}$")]], Field(min_length=1, max_length=20)]
    """Names of emoji without colons, as `sos`."""
    agent: str = Field(min_length=1, max_length=200)
    """The agent that users of this channel talk to."""


class Slack(Strict):
    """How to reach Slack. Without a token every message goes to the console as text."""

    bot_token: SecretStr | None = None
    bot_token_file: str | None = None
    app_token: SecretStr | None = None
    """Token of Socket Mode (`xapp-…`): with it messages have buttons."""
    app_token_file: str | None = None
    signing_secret: SecretStr | None = None
    """Signs what Slack sends to `/slack/interactions`: buttons without Socket Mode."""
    signing_secret_file: str | None = None
    members: dict[str, Annotated[str, Field(pattern=r"^[UW][A-Z0-9]{2,20}$")]] = Field(default_factory=dict)
    """Name of a person → Slack user id (`U…`). With it only these may press buttons, and deeds carry their names."""
    complaints: list[SlackComplaints] = Field(default_factory=list, max_length=100)
    """Which reactions in which support channels are complaints; needs Socket Mode or the signing secret."""
    base_url: str = "https://slack.com/api/"


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


class Token(Strict):
    """A secret that a sender or reader shows, and what it opens."""

    name: str = Field(min_length=1, max_length=100)
    """Recorded as who did it: `token:<name>`."""
    token: SecretStr | None = None
    token_file: str | None = None
    roles: list[Role] = Field(min_length=1)
    """`emit`: send events, spans and alerts; `read`: page, API, metrics; `act`: silences, acknowledgements, reload."""


class Runtime(Strict):
    """Where the monitor runs and keeps its state."""

    kind: Literal["embedded", "kafka"] = "embedded"
    directory: str = "forewarn-data"
    host: str = "127.0.0.1"
    port: int = Field(default=4319, ge=0, le=65535)
    token: SecretStr | None = None
    """What senders and readers show as `Authorization: Bearer …`. Where `host` is not loopback, this or `tokens`."""
    token_file: str | None = None
    tokens: list[Token] = Field(default_factory=list, max_length=100)
    """Further tokens, each with the roles that it opens; `token` opens all of them."""
    kafka: Kafka = Kafka()
    retention: Retention = Retention()
    privacy: Privacy = Privacy()
    run_timeout: Duration | None = None
    """A run without a sign of life for so long is hung; default: three times the agent's usual p99, at least 60s."""
    trace_timeout: Duration = 60.0
    """A trace whose root span never came ends so long after its last span."""
    trace_grace: Duration = 1.0
    """So long after its topmost span a trace waits for spans of other processes."""
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
    """Phrases that are looked for in text, in any case, before it is dropped. A list replaces the default.

    `refusals`, `apologies`: in outputs. `errors`: how a tool's result begins that is an error.
    """

    refusals: tuple[Phrase, ...] = Field(default=REFUSALS, max_length=200)
    apologies: tuple[Phrase, ...] = Field(default=APOLOGIES, max_length=200)
    errors: tuple[Beginning, ...] = Field(default=ERRORS, max_length=200)


class Config(Strict):
    """The whole file."""

    owners: dict[str, Owner] = Field(default_factory=dict)
    components: list[Component] = Field(default_factory=list)
    defaults: Defaults = Defaults()
    detectors: dict[str, DetectorSettings] = Field(default_factory=dict)
    slices: Slices = Slices()
    changes: Changes = Changes()
    rollout: RolloutSettings = RolloutSettings()
    global_: Global = Field(default=Global(), alias="global")
    route: Route | None = None
    inhibit_rules: list[InhibitRule] = Field(default_factory=list)
    time_intervals: list[NamedInterval] = Field(default_factory=list)
    mute_time_intervals: list[NamedInterval] = Field(default_factory=list)
    """The older name of `time_intervals`; both may stand."""
    receivers: list[Receiver] = Field(default_factory=list)
    slack: Slack = Slack()
    runtime: Runtime = Runtime()
    text: Text = Text()
    report: Reporting = Reporting()
    ready: Ready = Ready()
    backtest: Backtest | None = None
    tests: list[Scenario] = Field(default_factory=list)

    @property
    def default_owner(self) -> str:
        """Who owns what nobody declared: `defaults.owner`, else the first owner, else `everyone`."""
        if self.defaults.owner is not None:
            return self.defaults.owner
        return next(iter(self.owners), "everyone")
