"""What the types cannot say: names that must exist, forms that must fit, promises that can be kept.

Each check is one function over the file's values and the types made of them, listed in `CHECKS`. It reports every
problem at its place and raises nothing. Grammar of routing stands in `monitor.config.routing`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from monitor.config.document import Document, Mapping, Path, Sequence, clip
from monitor.config.problem import Span, nearest
from monitor.reading.contracts import pattern_problem, schema_problem
from schemas.config import Component, Config, Contract, Objective
from schemas.event import COMPONENT_KINDS
from schemas.signals import PUBLIC_SIGNALS, SIGNALS

SHORTEST_WINDOW_SECONDS = 3_600.0
LONGEST_WINDOW_SECONDS = 366 * 86_400.0

_SLACK_ID = re.compile(r"[UWS][A-Z0-9]{2,}")
_CHANNEL = re.compile(r"#[^\s#]{1,80}|[CGD][A-Z0-9]{6,}")
_NO_REFERENCE = {
    "objective.burn": "what is normal of `objective.burn` is the `target` of the objective",
    "run.anomaly": "what is normal of `run.anomaly` is learned",
    "change.unannounced": "`change.unannounced` is a fact and measures nothing; it has a `mode`",
}
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")


@dataclass(frozen=True, slots=True)
class Names:
    """Names that the file declares, read before anything wrong was taken out. None: the section cannot be read."""

    owners: tuple[str, ...] | None
    receivers: tuple[str, ...] | None
    intervals: tuple[str, ...] | None

    @classmethod
    def of(cls, root: Mapping) -> Names:
        """The names of a file as written."""
        owners = root.get("owners")
        known = None if owners is not None and not isinstance(owners, Mapping) else tuple(owners or ())
        intervals = [_named(root.get(key)) for key in ("time_intervals", "mute_time_intervals")]
        named = None if None in intervals else tuple(name for names in intervals for name in names or ())
        return cls(known, _named(root.get("receivers")), named)


@dataclass(frozen=True, slots=True)
class Checked:
    """What every check is given."""

    document: Document
    config: Config
    names: Names

    def components(self) -> Iterator[tuple[Mapping, Component]]:
        """Each component with its place."""
        return zip(self.document.root.get("components", ()), self.config.components, strict=True)

    def section(self, *path: str) -> Mapping:
        """A section that may be absent."""
        value: Any = self.document.root
        for key in path:
            value = value.get(key)
            if not isinstance(value, Mapping):
                return Mapping(path, Span(1, 1))
        assert isinstance(value, Mapping)
        return value

    def at(self, holder: Mapping, key: str, message: str, **more: Any) -> None:
        """Report a problem at a value."""
        self.document.report(holder.values_at[key], (*holder.path, key), message, **more)

    def owner(self, holder: Mapping, key: str) -> None:
        """The value must name an owner."""
        name, known = holder.get(key), self.names.owners
        if isinstance(name, str) and known is not None and name not in known:
            self.document.unknown(holder.values_at[key], (*holder.path, key), "there is no owner", name, known)


def check_owners(checked: Checked) -> None:
    """Owners: a budget that can page, an escalation that ends somewhere else, ids that Slack understands."""
    for name, owner in checked.config.owners.items():
        place = checked.section("owners", name)
        if not name.strip():
            checked.document.report(place.span, place.path, "an owner needs a name")
        if owner.budget <= 0.0:
            checked.at(place, "budget", "with a budget of 0 nothing may ever page; set `mode: notice` for its signals")
        if owner.slack is not None and not _CHANNEL.fullmatch(owner.slack):
            checked.at(
                place,
                "slack",
                "no Slack channel: write `#name` or its id",
                found=clip(owner.slack),
                suggestion=f"#{owner.slack}" if re.fullmatch(r"[\w-]+", owner.slack) else None,
            )
        if owner.mention is not None and not _SLACK_ID.fullmatch(owner.mention):
            checked.at(
                place, "mention", "Slack mentions by id only: `U…` a user, `S…` a user group", found=owner.mention
            )
        if owner.escalate is not None:
            escalate = checked.section("owners", name, "escalate")
            checked.owner(escalate, "to")
            if owner.escalate.to == name:
                checked.at(escalate, "to", "this escalates to the owner itself")
            if owner.escalate.after <= 0.0:
                checked.at(escalate, "after", "this must be longer than nothing")


def check_components(checked: Checked) -> None:
    """Components: declared once, owned by someone who exists, depending on what can exist."""
    checked.owner(checked.section("defaults"), "owner")
    owners = checked.names.owners
    unowned = checked.config.defaults.owner is None and "defaults" not in _broken(checked) and owners is not None
    first: dict[str, int] = {}
    for place, component in checked.components():
        key = component.key
        name_at, name_path = place.values_at[component.kind], (*place.path, component.kind)
        if not getattr(component, component.kind).strip():
            checked.document.report(name_at, name_path, "a component needs a name")
        elif key in first:
            checked.document.report(name_at, name_path, f"`{clip(key)}` is declared twice, first on line {first[key]}")
        first.setdefault(key, name_at.line)
        checked.owner(place, "owner")
        if (
            unowned
            and owners is not None
            and component.owner is None
            and "owner" not in place.keys_at
            and len(owners) != 1
        ):
            how = "add `owner:`, or `defaults: {owner: …}` for all" if owners else "add `owners:` and name one"
            checked.document.report(name_at, name_path, f"`{clip(key)}` has no owner; {how}", allowed=owners)
        _check_dependencies(checked, place, component)


def _check_dependencies(checked: Checked, place: Mapping, component: Component) -> None:
    dependencies = place.get("depends_on")
    if isinstance(dependencies, Sequence):
        for index, text in enumerate(dependencies):
            span, path = dependencies.items_at[index], (*dependencies.path, dependencies.indexes[index])
            check_reference(checked, span, path, text, component, "depends on")


def check_reference(
    checked: Checked, span: Span, path: Path, text: str, component: Component, verb: str, words: tuple[str, ...] = ()
) -> None:
    """A component that is named must be of a kind, and another one."""
    kind, colon, name = text.partition(":")
    if not colon:
        forms = (*words, *(f"{kind}:{text}" for kind in COMPONENT_KINDS))
        checked.document.report(
            span, path, f"`{clip(text)}` does not say of what kind it is", found=clip(text), allowed=forms
        )
    elif kind not in COMPONENT_KINDS:
        near = nearest(kind, COMPONENT_KINDS)
        checked.document.report(
            span,
            path,
            f"there is no kind of component `{clip(kind)}`",
            found=clip(text),
            allowed=COMPONENT_KINDS,
            suggestion=f"{near}:{name}" if near else None,
        )
    elif not name.strip():
        checked.document.report(span, path, f"`{clip(text)}` names no component", found=clip(text))
    elif text == component.key:
        checked.document.report(span, path, f"`{clip(text)}` {verb} itself", found=clip(text))


def check_objectives(checked: Checked) -> None:
    """Objectives: one that nothing can break, or that the first failure breaks, is no objective."""
    for place, component in checked.components():
        seen: set[str] = set()
        for holder, objective in zip(place.get("objectives", ()), component.objectives, strict=True):
            if objective.target >= 1.0:
                checked.at(
                    holder,
                    "target",
                    "unreachable: at 100% the first failure breaks it, too late to warn; write 99.9% or less",
                )
            if objective.target <= 0.0:
                checked.at(holder, "target", "nothing can break a target of 0%")
            if objective.window < SHORTEST_WINDOW_SECONDS:
                checked.at(holder, "window", "unreachable: shorter than 1h, no agent has enough runs to judge by")
            if objective.window > LONGEST_WINDOW_SECONDS:
                checked.at(holder, "window", "this is longer than a year (366d)")
            _check_burn(checked, holder, objective)
            if objective.name in seen:
                checked.document.report(holder.span, holder.path, f"a second objective `{objective.name}`")
            seen.add(objective.name)


def _check_burn(checked: Checked, holder: Mapping, objective: Objective) -> None:
    """Burn rates that failures can reach: at 90 % a factor of 14.4 would need 144 % of the runs to fail."""
    written = holder.get("burn")
    if objective.burn is None or not isinstance(written, Sequence):
        return
    most = 1.0 - objective.target
    for index, factor in enumerate(objective.burn):
        span, path = written.items_at[index], (*written.path, written.indexes[index])
        if factor <= 1.0:
            checked.document.report(span, path, "a burn rate of 1 or less keeps the objective; write more than 1")
        elif factor * most >= 1.0 and most > 0.0:
            checked.document.report(
                span,
                path,
                f"unreachable: {factor:g} times {most:.3g} is all runs or more; write less than {1.0 / most:.3g}",
            )


def check_contracts(checked: Checked) -> None:
    """Contracts: expressions that compile, claims about tools of the contract, limits above zero."""
    for place, component in checked.components():
        contract, where = component.contract, place.get("contract")
        if contract is None or not isinstance(where, Mapping):
            continue
        if component.kind != "agent":
            checked.document.report(place.keys_at["contract"], where.path, "only an agent has a contract")
        for holder, claim in zip(where.get("claims", ()), contract.claims, strict=True):
            problem = pattern_problem(claim.output_matches)
            if problem:
                checked.at(holder, "output_matches", f"no regular expression: {problem}")
            _check_known(checked, holder, "requires_tool", claim.requires_tool, tuple(contract.tools))
        for holder, effect in zip(where.get("effects", ()), contract.effects, strict=True):
            _check_known(checked, holder, "requires_tool", effect.requires_tool, tuple(contract.tools))
            _check_known(checked, holder, "outcome", effect.outcome, tuple(contract.outcomes))
        _check_tools(checked, where, contract)
        if contract.limits.duration is not None and contract.limits.duration <= 0.0:
            checked.at(where["limits"], "duration", "this must be longer than nothing")


def _check_known(checked: Checked, holder: Mapping, key: str, name: str, known: tuple[str, ...]) -> None:
    """A tool or an outcome that is named must be one of the contract's, where that lists any."""
    if known and name not in known:
        kind = key.removeprefix("requires_")
        checked.document.unknown(holder.values_at[key], (*holder.path, key), f"the contract has no {kind}", name, known)


def _check_tools(checked: Checked, where: Mapping, contract: Contract) -> None:
    for name, tool in contract.tools.items():
        if tool.arguments is None:
            continue
        problem = schema_problem(tool.arguments)
        if problem:
            holder = where["tools"][name]
            checked.document.report(
                holder.keys_at["arguments"], (*holder.path, "arguments"), f"no JSON Schema: {problem}"
            )


def check_detectors(checked: Checked) -> None:
    """Detectors: signals that exist and are watched, references in the form of their signal."""
    section = checked.section("detectors")
    watched = tuple(signal.name for signal in PUBLIC_SIGNALS if signal.watched)
    for name, settings in checked.config.detectors.items():
        span, path, place = section.keys_at[name], (*section.path, name), section[name]
        signal = SIGNALS.get(name)
        if signal is None:
            checked.document.unknown(span, path, "there is no signal", name, tuple(SIGNALS))
            continue
        if not signal.watched:
            checked.document.report(
                span,
                path,
                f"`{name}` is not watched yet, so a setting for it has no effect",
                found=name,
                allowed=watched,
            )
        if settings.reference is None:
            continue
        written = place["reference"]
        is_rate = isinstance(written, str) and " per " in written
        if not signal.declared:
            checked.document.report(
                place.keys_at["reference"],
                (*place.path, "reference"),
                _NO_REFERENCE.get(name, f"what is normal of `{name}` is learned; set its `tolerance` or `material`"),
            )
        elif signal.form == "rate" and not is_rate:
            checked.at(place, "reference", f"`{name}` is a rate: write `60 per hour`", found=clip(str(written)))
        elif signal.form == "share" and is_rate:
            checked.at(place, "reference", f"`{name}` is a share: write `2%`", found=clip(str(written)))
        elif settings.reference <= 0.0:
            checked.at(place, "reference", "nothing can be compared with 0; write the most that is still normal")
        elif signal.form == "share" and settings.reference >= 1.0:
            checked.at(place, "reference", "unreachable: nothing is worse than 100%")


def check_slack(checked: Checked) -> None:
    """Slack: an address that is one; channels without a token are told to the console, which is said."""
    slack, place = checked.config.slack, checked.section("slack")
    if "base_url" in place and not _is_url(slack.base_url):
        checked.at(place, "base_url", "no address: write `https://…`", found=clip(slack.base_url))
    doors = {"app_token", "app_token_file", "signing_secret", "signing_secret_file"}
    if slack.complaints and not doors & place.keys_at.keys():
        checked.at(place, "complaints", "nobody hears of reactions without `app_token` or `signing_secret`")
    has_token = any(key in place.keys_at for key in ("bot_token", "bot_token_file"))
    for name, owner in checked.config.owners.items():
        if owner.slack is not None and not has_token:
            holder = checked.section("owners", name)
            checked.at(holder, "slack", "without a `bot_token` under `slack` this goes to the console", warning=True)
            return


def check_runtime(checked: Checked) -> None:
    """The runtime: links that are links, topics that Kafka takes, times above zero."""
    runtime, place = checked.config.runtime, checked.section("runtime")
    if not is_loopback(runtime.host) and not {"token", "token_file", "tokens"} & place.keys_at.keys():
        checked.at(place, "host", "who listens beyond this machine needs a `token` (or `tokens`) that senders show")
    for key in ("external_url", "run_url"):
        value = getattr(runtime, key)
        if value is not None and not _is_url(value):
            checked.at(place, key, "no address: write `https://…`", found=clip(value))
    if runtime.run_url is not None and "{run}" not in runtime.run_url:
        checked.at(place, "run_url", "the link has no `{run}` where the run's id belongs")
    for holder, section in ((place, runtime), (checked.section("runtime", "retention"), runtime.retention)):
        for key in ("run_timeout", "trace_timeout", "text", "events", "incidents"):
            seconds = getattr(section, key, None)
            if key in holder and isinstance(seconds, float) and seconds <= 0.0:
                checked.at(holder, key, "this must be longer than nothing")
    if "trace_grace" in place and runtime.trace_grace >= runtime.trace_timeout:
        checked.at(place, "trace_grace", "this must be shorter than `trace_timeout`")
    topics = checked.section("runtime", "kafka", "topics")
    first: dict[str, str] = {}
    for key, name in runtime.kafka.topics.model_dump().items():
        if key in topics and (not _TOPIC.fullmatch(name) or name in (".", "..")):
            checked.at(topics, key, "Kafka takes letters, digits, `.`, `_`, `-`", found=clip(name))
        other = first.setdefault(name, key)
        if other != key and (key in topics or other in topics):
            checked.at(topics, key if key in topics else other, f"`{key}` and `{other}` are the same topic", found=name)


CHECKS: tuple[Callable[[Checked], None], ...] = (
    check_owners,
    check_components,
    check_objectives,
    check_contracts,
    check_detectors,
    check_slack,
    check_runtime,
)


def is_loopback(host: str) -> bool:
    """Whether an address that is listened on is of this machine alone."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _named(section: object) -> tuple[str, ...] | None:
    if section is None:
        return ()
    if not isinstance(section, Sequence):
        return None
    return tuple(str(item["name"]) for item in section if isinstance(item, Mapping) and "name" in item)


def _broken(checked: Checked) -> set[str]:
    """Sections in which something was wrong; what they lack may have been there."""
    return {re.split(r"[.\[]", problem.path)[0] for problem in checked.document.problems if problem.severity == "error"}


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)
