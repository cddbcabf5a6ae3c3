"""`forewarn impact`: who depends on a component, before it is changed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlencode

import click
import msgspec

from monitor.alerting.headline import share_text, span_text
from monitor.cli import PROBLEMS_FOUND
from monitor.cli.acting.asking import Monitor, fail, with_endpoint
from monitor.cli.judging.traffic import asked, declared, given, recorded
from monitor.cli.telling.words import table
from monitor.config.problem import nearest
from monitor.notify.redact import name as harmless
from monitor.readiness.dependents import KINDS, Graph
from schemas.config import Config
from schemas.view import Dependent, Dependents, SeenView


@click.command(
    "impact",
    short_help="Who depends on a component, before it is changed.",
    epilog="Example: forewarn impact tool:issue_refund -c forewarn.yaml",
)
@click.argument("component")
@click.option(
    "-c", "--config", "file", type=click.Path(path_type=Path),
    help="The configuration that declares who depends on what; without it, that of the running monitor.",
)  # fmt: skip
@click.option(
    "--from", "inputs", multiple=True, metavar="FILE", help="Recorded events, as for replay; may be repeated."
)
@with_endpoint
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    component: str, file: Path | None, inputs: tuple[str, ...], endpoint: str, token: str | None, as_json: bool
) -> None:
    """List who depends on COMPONENT, directly or through others: owners, traffic and objectives.

    COMPONENT is written as depends_on writes it: tool:issue_refund, model:gpt-4o, prompt:refund, retriever:handbook,
    agent:refund-agent, or provider:openai. Dependencies are those of the YAML and those that were seen in runs. Asks a
    running monitor. With --config alone it needs none, and says what is declared; with --from or --endpoint as well it
    says what was seen. Exit code 0, 1 if nobody knows COMPONENT, 2 if nothing could be asked.
    """
    kind, _, rest = component.partition(":")
    if kind not in KINDS or not rest:
        forms = ", ".join(f"{each}:{rest or kind}" for each in KINDS)
        fail(f"{component!r} does not say of what kind it is; write one of {forms}")
    found, names = _found(component, file, inputs, endpoint, token)
    if not found.known:
        near = nearest(component, tuple(names))
        hint = f"; did you mean {near!r}?" if near else ""
        where = "no component declares or uses it" if found.asked else "the configuration names it nowhere"
        fail(f"{component!r} is not known: {where}{hint}", PROBLEMS_FOUND)
    click.echo(msgspec.json.encode(found).decode() if as_json else "\n".join(lines(found)))


def lines(found: Dependents) -> list[str]:
    """The answer for a person."""
    direct = [each for each in found.dependents if each.steps == 1]
    whose = f"owner {harmless(found.owner)}{'' if found.declared else ', not declared'}"
    head = f"{harmless(found.component)} ({whose})"
    if not direct:
        nobody = "nobody depends on it" if found.asked else "nobody declares to depend on it"
        return [f"{head}: {nobody}", *_unasked(found)]
    many = len(found.dependents) + found.left_out
    depend = "component depends" if many == 1 else "components depend"
    through = f", {many - len(direct)} of them through others" if many > len(direct) else ""
    rows = [
        (harmless(each.component), harmless(each.owner), _how(each, found), _traffic(each), _share(each),
         _ago(each, found), ", ".join(each.objectives) or "-")
        for each in found.dependents
    ]  # fmt: skip
    heads = ("DEPENDENT", "OWNER", "HOW", "TRAFFIC", "USES IT IN", "LAST", "OBJECTIVES")
    if not found.asked:
        rows, heads = [(*row[:3], row[6]) for row in rows], (*heads[:3], heads[6])  # type: ignore[assignment,misc]
    told = [f"{head}: {many} {depend} on it{through}", *table(heads, rows)]
    if found.left_out:
        told.append(f"… and {found.left_out} more")
    owners = list(dict.fromkeys(each.owner for each in found.dependents if each.owner != found.owner))
    told.append(
        f"ask before the change: {', '.join(map(harmless, owners))}" if owners else "all of them are its owner's"
    )
    return told + _unasked(found)


def _found(
    component: str, file: Path | None, inputs: tuple[str, ...], endpoint: str, token: str | None
) -> tuple[Dependents, Sequence[str]]:
    """The answer, and every component that is known."""
    config: Config | None = None
    seen: Sequence[SeenView] = ()
    now = 0.0
    if inputs:
        config, replay = recorded(file, inputs)
        seen = replay.seen()
    elif file is not None:
        config = declared(file)
        seen, now = asked(endpoint, token) if given("endpoint") else ((), 0.0)
    if config is None:
        if "," in endpoint:
            fail("several workers answer with the configuration: -c forewarn.yaml")
        return Monitor(endpoint, token).get(f"/api/v1/dependents?{urlencode({'component': component})}", Dependents), ()
    graph = Graph(config, seen, now=now, asked=bool(inputs) or given("endpoint"))
    return graph.dependents(component), graph.components


def _how(each: Dependent, found: Dependents) -> str:
    if each.steps > 1:
        return f"through {harmless(each.through)}" + ("" if each.declared else ", not declared")
    if each.fallback:
        return "as its fallback, seen" if each.seen else "as its fallback"
    if not found.asked:
        return "declared"
    if each.declared:
        return "declared, seen" if each.seen else "declared, not seen"
    return "seen, not declared"


def _traffic(each: Dependent) -> str:
    if each.runs_per_minute is None:
        return "-"
    shown = f"{each.runs_per_minute:,.0f}" if each.runs_per_minute >= 100.0 else f"{each.runs_per_minute:.3g}"
    return f"{shown} runs/min"


def _share(each: Dependent) -> str:
    return "-" if each.share is None else f"{share_text(each.share)} of runs"


def _ago(each: Dependent, found: Dependents) -> str:
    return "-" if each.last_seen is None else f"{span_text(max(found.time - each.last_seen, 0.0))} ago"


def _unasked(found: Dependents) -> list[str]:
    if found.asked:
        return []
    return ["declared dependencies only; --endpoint or --from adds what was seen in runs"]
