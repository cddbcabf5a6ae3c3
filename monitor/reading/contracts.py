"""What an event's own text says about its agent's contract, as rules that it breaks; never with a word of the text.

    arguments: issue_refund: 'order_id' is a required property     the call does not fit the tool's JSON Schema
    tool: not in the contract: delete_user                         the contract lists tools, and this is none of them
    tool version: issue_refund: 4 instead of 3
    claim:0                                                        the output makes the contract's first claim

A claim breaks nothing by itself: whether the tool that makes it true was called is known at the end of the run. Names
of tools and versions are the producer's; everything else that is said comes from the contract.

Regular expressions are RE2's, as in Prometheus: linear in the text, whatever an agent writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import re2
from jsonschema import validators
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.protocols import Validator
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from monitor.reading.values import UNREAD
from schemas.config import Claim, Config, Contract

CLAIM = "claim:"
"""What begins a claim; its place in the contract's list follows, from 0."""
CLAIM_CHARACTERS = 4_000
"""Characters of an output in which claims are looked for. Longer: its first and its last half of that."""
ARGUMENTS_BROKEN = 8
"""Rules of a schema that one call is said to break. More: left out."""
SAID_CHARACTERS = 200
"""Longer rules are cut."""

PATTERN_CHARACTERS = 1_000
"""Characters of a regular expression. More: a problem of the configuration."""
PATTERN_TEXT = 4_000
"""Characters of a text that a `pattern` is searched for in. Longer: its first and its last half of that."""
UNIQUE_ITEMS = 100
"""Items of an array of which `uniqueItems` is checked."""
ERRORS_LOOKED_AT = 100
"""Errors of one call that are read to find `ARGUMENTS_BROKEN` different ones."""

_DATA = frozenset(("enum", "const", "default", "examples"))
"""Keywords below which stand values, not schemas."""
_SCALARS = (str, int, float, bool, type(None))


class Contracts:
    """The contracts of all agents, compiled. Raises nothing for a configuration that was checked.

    `any`: whether there is one.
    """

    def __init__(self, config: Config) -> None:
        self._of_agent = {
            component.agent: _Compiled(component.contract)
            for component in config.components
            if component.agent is not None and component.contract is not None
        }
        self.any = bool(self._of_agent)
        self._claimants = {name: each for name, each in self._of_agent.items() if each.claims}
        self._callers: dict[str, list[tuple[str, Validator]]] = {}
        for name, each in self._of_agent.items():
            for tool, validator in each.schemas.items():
                self._callers.setdefault(tool, []).append((name, validator))

    def of_call(self, agent: str | None, tool: str, version: str | None) -> list[str]:
        """What a call breaks by its names alone."""
        compiled = self._of_agent.get(agent or "")
        if compiled is None or not compiled.tools:
            return []
        if tool not in compiled.tools:
            return [_cut(f"tool: not in the contract: {tool}")]
        wanted = compiled.tools[tool]
        if wanted is None or version is None or version == wanted:
            return []
        return [_cut(f"tool version: {tool}: {version} instead of {wanted}")]

    def checks_arguments(self, agent: str | None, tool: str) -> bool:
        """Whether the arguments of such a call are worth reading."""
        compiled = self._of_agent.get(agent or "")
        return compiled is not None and tool in compiled.schemas

    def of_arguments(self, agent: str | None, tool: str, arguments: Any) -> list[str]:
        """What the arguments of a call break."""
        compiled = self._of_agent.get(agent or "")
        validator = compiled.schemas.get(tool) if compiled is not None else None
        return [] if validator is None else _broken(validator, tool, arguments)

    def claims(self, agent: str | None) -> bool:
        """Whether the agent's outputs are to be searched for claims."""
        return agent in self._claimants

    def of_output(self, agent: str | None, text: str) -> list[str]:
        """The claims that an output makes."""
        compiled = self._claimants.get(agent or "")
        return [] if compiled is None else _claimed(compiled.claims, text)

    # -- where the agent is not known yet

    def of_anyones_arguments(self, tool: str | None, arguments: Any) -> dict[str, list[str]]:
        """Agent → what the arguments break if the call is that agent's; of every tool where the tool is not known."""
        found: dict[str, list[str]] = {}
        for known in self._callers if tool is None else (tool,):
            for name, validator in self._callers.get(known, ()):
                found.setdefault(name, []).extend(_broken(validator, known, arguments))
        return {name: rules for name, rules in found.items() if rules}

    def of_anyones_output(self, text: str) -> dict[str, list[str]]:
        """Agent → the claims that the output makes if it is that agent's."""
        found = {name: _claimed(each.claims, text) for name, each in self._claimants.items()}
        return {name: rules for name, rules in found.items() if rules}


def are_of(rules: Iterable[str], tool: str) -> list[str]:
    """Of rules that arguments break, those of one tool."""
    start = _cut(f"arguments: {tool}: ")
    return [rule for rule in rules if rule.startswith(start)]


class _Compiled:
    """One contract. `tools`: each with its version, if one is named."""

    def __init__(self, contract: Contract) -> None:
        self.tools: dict[str, str | None] = {name: tool.version for name, tool in contract.tools.items()}
        self.schemas = {
            name: _validator(tool.arguments) for name, tool in contract.tools.items() if tool.arguments is not None
        }
        self.claims = _compiled_claims(contract.claims)


def schema_problem(schema: dict[str, Any]) -> str | None:
    """Why a mapping is no JSON Schema that we can use: what is wrong, and where in it."""
    try:
        texts = list(_texts_of(schema))
        for keyword, text in texts:
            if keyword == "pattern" and (problem := pattern_problem(text)) is not None:
                return f"pattern: {problem}"
        type(_validator(schema)).check_schema(schema)
    except SchemaError as error:
        place = ".".join(str(part) for part in error.absolute_path)
        return f"{place}: {error.message}" if place else error.message
    except (RecursionError, OverflowError):
        return "it is nested too deeply"
    for keyword, text in texts:
        if keyword == "$ref" and (problem := _reference_problem(schema, text)) is not None:
            return f"$ref: {problem}"
    return None


def pattern_problem(pattern: str) -> str | None:
    """Why a text is no regular expression."""
    if len(pattern) > PATTERN_CHARACTERS:
        return f"{len(pattern)} characters; at most {PATTERN_CHARACTERS}"
    try:
        _compiled(pattern)
    except re2.error as error:
        said = error.args[0] if error.args else ""
        return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    return None


def _compiled(pattern: str) -> Any:
    """A regular expression of RE2. Raises `re2.error`."""
    options = re2.Options()
    options.log_errors = False  # it would write to standard error by itself
    return re2.compile(pattern, options)


def _validator(schema: Mapping[str, Any]) -> Validator:
    """A validator that asks nobody: references lead within the schema or nowhere. Its dear keywords are bounded."""
    chosen = validators.validator_for(schema, default=validators.Draft202012Validator)
    extended = {
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional_properties,
        "uniqueItems": _unique(chosen),
    }
    bounded = validators.extend(chosen, extended)  # type: ignore[no-untyped-call]
    validator: Validator = bounded(schema, registry=Registry())
    return validator


def _pattern(validator: Validator, pattern: str, instance: object, schema: object) -> Iterator[ValidationError]:
    """The keyword `pattern`, on a bounded part of the text."""
    del validator, schema
    if isinstance(instance, str):
        half = PATTERN_TEXT // 2
        text = instance if len(instance) <= PATTERN_TEXT else instance[:half] + instance[-half:]
        if not _compiled(pattern).search(text):
            yield ValidationError("does not match")


def _pattern_properties(
    validator: Any, patterns: Mapping[str, Any], instance: object, schema: object
) -> Iterator[ValidationError]:
    """The keyword `patternProperties`."""
    del schema
    if isinstance(instance, dict):
        for pattern, inner in patterns.items():
            compiled = _compiled(pattern)
            for name, value in instance.items():
                if compiled.search(name):
                    yield from validator.descend(value, inner, path=name, schema_path=pattern)


def _additional_properties(
    validator: Any, inner: Any, instance: object, schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    """The keyword `additionalProperties`: properties that neither `properties` nor `patternProperties` names."""
    if not isinstance(instance, dict):
        return
    known = schema.get("properties", {})
    patterns = [_compiled(pattern) for pattern in schema.get("patternProperties", {})]
    for name, value in instance.items():
        if name in known or any(pattern.search(name) for pattern in patterns):
            continue
        if inner is False:
            yield ValidationError("not known")
            return
        yield from validator.descend(value, inner, path=name)


def _unique(chosen: type[Validator]) -> Callable[..., Iterator[ValidationError] | None]:
    """The keyword `uniqueItems`, on a bounded number of items: what cannot be sorted is compared each with each."""
    original: Callable[..., Iterator[ValidationError] | None] = chosen.VALIDATORS["uniqueItems"]

    def unique(validator: Validator, value: bool, instance: object, schema: object) -> Iterator[ValidationError] | None:
        if isinstance(instance, list):
            instance = instance[:UNIQUE_ITEMS]
        return original(validator, value, instance, schema)

    return unique


def _reference_problem(schema: Mapping[str, Any], reference: str) -> str | None:
    if reference.startswith("#"):
        try:
            resource = DRAFT202012.create_resource(schema)
            Registry().with_resource("", resource).resolver().lookup(reference)
        except (Unresolvable, ValueError, TypeError):
            return f"{reference} is not in this schema"
        return None
    return f"{reference} leads out of this schema, which is not followed"


def _texts_of(schema: Any) -> Iterator[tuple[str, str]]:
    """Patterns and references, wherever they stand. The depth was tried before."""
    if isinstance(schema, list):
        for each in schema:
            yield from _texts_of(each)
    elif isinstance(schema, Mapping):
        for keyword, value in schema.items():
            if keyword in ("pattern", "$ref", "$dynamicRef") and isinstance(value, str):
                yield keyword.replace("$dynamicRef", "$ref"), value
            elif keyword == "patternProperties" and isinstance(value, Mapping):
                yield from (("pattern", str(each)) for each in value)
                yield from _texts_of(value)
            elif keyword not in _DATA:
                yield from _texts_of(value)


def _compiled_claims(claims: Iterable[Claim]) -> list[tuple[str, Any]]:
    return [(f"{CLAIM}{number}", _compiled(claim.output_matches)) for number, claim in enumerate(claims)]


def _claimed(claims: Iterable[tuple[str, Any]], text: str) -> list[str]:
    if len(text) > CLAIM_CHARACTERS:
        half = CLAIM_CHARACTERS // 2
        text = f"{text[:half]}\n{text[-half:]}"
    return [name for name, pattern in claims if pattern.search(text)]


def _broken(validator: Validator, tool: str, arguments: Any) -> list[str]:
    """The rules that arguments break, in the order of the schema."""
    if arguments is UNREAD:
        return []
    found: dict[str, None] = {}
    try:
        for error in islice(validator.iter_errors(arguments), ERRORS_LOOKED_AT):
            found.update(dict.fromkeys(_rules(error)))
            if len(found) >= ARGUMENTS_BROKEN:
                break
    except RecursionError:
        found["nested too deeply for their schema"] = None
    except Unresolvable:
        found["their schema has a reference that leads nowhere"] = None
    return [_cut(f"arguments: {tool}: {rule}") for rule in islice(found, ARGUMENTS_BROKEN)]


def _rules(error: ValidationError) -> Iterator[str]:
    """What was broken, in words of the schema alone: neither values nor names that the agent chose."""
    keyword, value = str(error.validator), error.validator_value
    place = _place(list(error.absolute_schema_path)[:-1])
    if keyword == "required" and isinstance(value, list) and isinstance(error.instance, dict):
        for name in value:
            if name not in error.instance:
                yield f"'{f'{place}.{name}' if place else name}' is a required property"
        return
    subject = f"'{place}' " if place else ""
    if keyword == "type":
        yield f"{subject}is not of type {' or '.join(value) if isinstance(value, list) else value}"
    elif keyword in ("additionalProperties", "unevaluatedProperties"):
        yield f"{subject}has a property that the schema does not know"
    elif isinstance(value, _SCALARS):
        yield f"{subject}breaks {keyword}: {value}"
    else:
        yield f"{subject}breaks {keyword}"


def _place(path: Iterable[str | int]) -> str:
    """Where in the arguments, by the names that the schema has for it."""
    place = ""
    named = False
    for part in path:
        if named:
            place += f".{part}" if place else str(part)
            named = False
        elif part == "properties":
            named = True
        elif part in ("items", "prefixItems", "contains"):
            place += "[]"
        elif part in ("additionalProperties", "patternProperties"):
            place += ".*" if place else "*"
    return place


def _cut(rule: str) -> str:
    return rule if len(rule) <= SAID_CHARACTERS else rule[: SAID_CHARACTERS - 1] + "…"
