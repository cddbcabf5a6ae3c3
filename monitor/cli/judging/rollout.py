"""`forewarn rollout`: the verdict on canary and shadow versions, for people and for pipelines.

Asks a running monitor, reads the state directory of one, or replays recorded events. It judges nothing: the verdict is
the engine's. The exit code is that of the rollouts that are shown: `roll back` before `hold` before `promote`.
"""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

import click
import msgspec

from monitor.cli import COULD_NOT_RUN, GOOD, PROBLEMS_FOUND, UNDECIDED
from monitor.cli.acting.asking import Monitor, NoAnswer, check_recording, fail, with_recording
from monitor.cli.acting.source import rollouts_of, stored
from monitor.cli.replay import read_history
from monitor.cli.telling.rollouts import as_table, in_full
from monitor.notify.redact import name as harmless
from monitor.runtime.replay import Replay
from monitor.saved.collecting import collect_rarely
from schemas.config import parse_duration
from schemas.news import Verdict
from schemas.view import RolloutView, rollout_line

LEAST_SECONDS = 0.1
"""Between two looks of `--watch`."""
PATIENCE_SECONDS = 300.0
"""For so long a watch asks on while nobody answers: a monitor that restarts is no reason to stop a pipeline."""
CODES: dict[Verdict, int] = {"promote": GOOD, "hold": UNDECIDED, "roll back": PROBLEMS_FOUND}

Look = Callable[[], Sequence[RolloutView]]


@click.command(
    "rollout",
    short_help="The verdict on canary and shadow versions.",
    epilog="Example: forewarn rollout refund-agent --candidate v13 --watch --timeout 2h",
)
@click.argument("agent", required=False)
@click.option("--candidate", metavar="VERSION", help="Only rollouts of this new version.")
@click.option("--mode", type=click.Choice(("canary", "shadow")), help="Only rollouts of this sort.")
@click.option("--all", "everything", is_flag=True, help="Those that are over as well.")
@click.option("--watch", is_flag=True, help="Look again until there is a verdict.")
@click.option("--every", default="10s", show_default=True, help="With --watch: how often, as 10s.")
@click.option("--timeout", help="With --watch: end undecided after so long, as 2h.")
@with_recording
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
def command(
    agent: str | None, candidate: str | None, mode: str | None, everything: bool, watch: bool, every: str,
    timeout: str | None, file: Path | None, inputs: tuple[str, ...], endpoint: str, token: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Say how new versions do beside old ones, and what to do with them.

    Without AGENT all rollouts that go on are listed. With one they are shown in full; where none goes on, the last that
    is over. Asks a running monitor. With --config the state directory is read, or with --from recorded events are
    replayed under that configuration.

    Exit code 0 to promote, 1 to roll back, 3 to hold: not decided yet, or nothing is known of such a rollout. Of
    several the worst counts. 2 if nothing could be asked.
    """
    check_recording(inputs, file)
    if watch and file is not None:
        fail("--watch asks a running monitor; leave out --config")
    if timeout is not None and not watch:
        fail("--timeout ends a --watch; without it one look is taken")
    pause = max(_seconds("--every", every), LEAST_SECONDS)
    patience = None if timeout is None else _seconds("--timeout", timeout)
    monitor = Monitor(endpoint, token)

    def wanted(found: Sequence[RolloutView]) -> list[RolloutView]:
        return selected(found, agent, candidate, mode, everything=everything)

    def say(found: Sequence[RolloutView]) -> str:
        if as_json:
            return msgspec.json.encode([rollout_line(each) for each in found]).decode()
        return in_full(found) if agent is not None else as_table(found)

    if watch:
        _watch(lambda: wanted(rollouts_of(monitor)), say, pause, patience)
    known = _replayed(file, inputs) if file is not None else _asked(monitor)
    found = wanted(known)
    if found or as_json:
        click.echo(say(found))
    if not found:
        click.echo(f"forewarn: {_nothing(known, agent, candidate, mode)}", err=True)
    raise click.exceptions.Exit(code_of(found))


def selected(
    found: Sequence[RolloutView], agent: str | None, candidate: str | None, mode: str | None, *, everything: bool
) -> list[RolloutView]:
    """The rollouts that are asked for: those that go on, else of an agent or a version the last that is over."""
    fitting = [
        each
        for each in found
        if agent in (None, each.seen.agent)
        and candidate in (None, each.seen.candidate)
        and mode in (None, each.seen.mode)
    ]
    going = [each for each in fitting if each.ended_at is None]
    if everything:
        return fitting
    if going or (agent is None and candidate is None):
        return going
    return sorted(fitting, key=lambda each: -each.seen.time)[:1]


def code_of(found: Sequence[RolloutView]) -> int:
    """The exit code of what is shown: the worst of it; nothing is undecided."""
    verdicts = {each.seen.verdict for each in found} or {"hold"}
    return next(code for verdict, code in _WORST if verdict in verdicts)


_WORST = tuple((verdict, CODES[verdict]) for verdict in ("roll back", "hold", "promote"))


def watched(
    look: Look,
    show: Callable[[Sequence[RolloutView]], None],
    pause: float,
    patience: float | None,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Look until all have a verdict, one is to be rolled back, or all are over; the exit code.

    `pause`, `patience`: seconds between looks, and until it ends undecided. Raises `NoAnswer` after `PATIENCE_SECONDS`
    in which nobody answered.
    """
    began = answered = clock()
    while True:
        try:
            found = look()
        except NoAnswer:
            if clock() - answered > PATIENCE_SECONDS:
                raise
        else:
            answered = clock()
            show(found)
            code = code_of(found)
            if code != UNDECIDED or (found and all(each.ended_at is not None for each in found)):
                return code
        if patience is not None and clock() - began >= patience:
            return UNDECIDED
        sleep(pause if patience is None else min(pause, max(began + patience - clock(), LEAST_SECONDS)))


def _watch(look: Look, say: Callable[[Sequence[RolloutView]], str], pause: float, patience: float | None) -> NoReturn:
    """On a terminal one picture that changes; elsewhere each picture that differs from the one before."""
    before: list[str] = []

    def show(found: Sequence[RolloutView]) -> None:
        text = say(found) if found else "no such rollout yet"
        if click.get_text_stream("stdout").isatty():
            click.clear()
        elif before == [text]:
            return
        before[:] = [text]
        click.echo(text)

    try:
        code = watched(look, show, pause, patience)
    except NoAnswer as error:
        fail(str(error))
    raise click.exceptions.Exit(code)


def _asked(monitor: Monitor) -> Sequence[RolloutView]:
    try:
        return rollouts_of(monitor)
    except NoAnswer as error:
        fail(str(error))


def _replayed(file: Path, inputs: tuple[str, ...]) -> Sequence[RolloutView]:
    if not inputs:
        return stored(file).rollouts
    collect_rarely()
    config, recorded = read_history(file, inputs)
    replay = Replay(config)
    for _ in replay.said(recorded.records):
        pass
    return replay.rollouts()


def _nothing(known: Sequence[RolloutView], agent: str | None, candidate: str | None, mode: str | None) -> str:
    """Why nothing is shown, and what is known instead."""
    if agent is None and candidate is None:
        return f"no {mode or 'canary or shadow'} goes on" + ("; --all shows those that are over" if known else "")
    what = " ".join(filter(None, (mode or "rollout", f"of {agent}" if agent else "", candidate or "")))
    agents = {each.seen.agent for each in known}
    near = difflib.get_close_matches(agent or "", agents, n=1)
    if agent is not None and agent not in agents and near:
        return f"no {harmless(what)} is known; did you mean {harmless(near[0])!r}?"
    versions = sorted({each.seen.candidate for each in known if agent in (None, each.seen.agent)})
    more = f"; known: {', '.join(harmless(each, 24) for each in versions[:10])}" if versions else ""
    return f"no {harmless(what)} is known{more}"


def _seconds(option: str, text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        fail(f"{option}: {error}", COULD_NOT_RUN)
