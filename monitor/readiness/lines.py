"""The lines to add so that an agent gets ready: of the YAML, and of the agent's own code with the SDK.

Pure text. What only its owner can know (limits, versions) stands as an example with a comment. The YAML passes
`forewarn check` once it is in the file. Names are quoted where YAML or Python needs it.
"""

from __future__ import annotations

import json

from monitor.readiness.pieces import NAMED, Case, Readiness

TOOLS = 20
"""Tools for which lines are written. The others are like them."""


def yaml_lines(given: Case, readiness: Readiness) -> list[str]:
    """What to add to the configuration; nothing where it declares all."""
    missing = set(readiness.missing)
    owner = (given.component.owner if given.component is not None else None) or given.config.default_owner
    inner: list[str] = []
    if "owner" in missing:
        inner.append(f"owner: {_word(owner)}  # who answers for it")
    if given.component is None and given.tools:
        inner.append(f"depends_on: [{', '.join(_word(f'tool:{tool}') for tool in given.tools[:TOOLS])}]")
    if "objectives" in missing:
        inner.append("objectives: [{name: success, target: 97%, window: 30d}]")
    if "fallback" in missing:
        inner.append("fallback: human  # or a component, as model:NAME or agent:NAME")
    if missing & {"contract", "tools"}:
        inner += _contract(given, empty="contract" in missing)
    lines = []
    if inner:
        verb = "add:" if given.component is None else f"to the component `agent: {given.agent}` add:"
        lines = [f"# under components: {verb}", f"- agent: {_word(given.agent)}", *(f"  {line}" for line in inner)]
    if "escalation" in missing:
        others = [name for name in given.config.owners if name != owner]
        to = others[0] if others else "another-owner"
        lines += [
            f"# under owners: to `{owner}` add:",
            f"{_word(owner)}: {{escalate: {{after: 15m, to: {_word(to)}}}}}",
        ]
    return lines


def sdk_lines(given: Case, readiness: Readiness) -> list[str]:
    """What to add to the agent, in the words of the Python SDK; nothing where its events carry all.

    Python as it stands: what belongs into a run stands in the block of one.
    """
    missing = set(readiness.missing)
    lines = []
    if "versions" in missing:
        lines.append(
            f'emitter = forewarn.Emitter(agent={_text(given.agent)}, version="v1")  # the version that is live'
        )
    inner: list[str] = []
    if missing & {"tokens", "costs"}:
        inner.append(f"with run.llm({_text(_model(given))}) as call:")
        if "tokens" in missing:
            inner.append("    call.tokens(input=usage.input_tokens, output=usage.output_tokens)")
        if "costs" in missing:
            inner.append("    call.cost_usd = cost")
    if "calls" in missing:
        inner += _calls(given, unversioned="tools" in missing)
    if "outcomes" in missing:
        first = next(iter(given.contract.outcomes), "resolved")
        inner.append(f"run.outcome = {_text(first)}  # before the run ends")
    if inner or "runs" in missing:
        wanted = given.config.ready.runs - given.runs
        more = f"  # so that {wanted} more production runs are seen" if "runs" in missing else ""
        lines.append(f"with emitter.run(input=question) as run:{more}")
        lines += [f"    {line}" for line in inner or ["run.output = answer"]]
    return lines


def _contract(given: Case, *, empty: bool) -> list[str]:
    known = given.contract.tools
    wanted = [tool for tool in given.tools if tool not in known or known[tool].version is None]
    lines = ["contract:"]
    if wanted:
        lines.append("  tools:  # the version that calls name as tool_version")
        lines += [f'    {_word(tool)}: {{version: "1"}}' for tool in wanted[:TOOLS]]
    elif empty:
        lines.append("  limits: {steps: 20, duration: 90s}  # what no run may exceed")
    return lines


def _calls(given: Case, *, unversioned: bool) -> list[str]:
    """Calls of the tools that lack something, or of those that were never seen; the version is that of the contract."""
    seen = {use.component.removeprefix("tool:"): use for use in given.calls}
    lines = []
    for tool in [tool for tool in given.tools if not seen or tool in seen][:NAMED]:
        contract = given.contract.tools.get(tool)
        named = contract.version if contract is not None else None
        named = "1" if named is None and unversioned else named
        version = "" if named is None else f", tool_version={_text(named)}"
        lines += [
            f"with run.tool({_text(tool)}, arguments=arguments{version}) as call:",
            "    call.result = result",
        ]
    return lines


def _model(given: Case) -> str:
    uses = [use.component for use in given.seen.uses] if given.seen is not None else []
    named = [*uses, *(given.component.depends_on if given.component is not None else ())]
    return next((name.removeprefix("model:") for name in named if name.startswith("model:")), "gpt-4o")


def _word(name: str) -> str:
    """A name in YAML: plain where it can only be read as text."""
    plain = name.replace("-", "").replace("_", "").isalnum() and name[0].isalpha() and name.isascii()
    reads_else = name.lower() in ("true", "false", "null", "yes", "no", "on", "off", "y", "n")
    return name if plain and not reads_else else json.dumps(name, ensure_ascii=False)


def _text(name: str) -> str:
    """A name in Python."""
    return json.dumps(name)
