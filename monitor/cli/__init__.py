"""The command line: a table of commands, each imported when it is called.

Knows the names of the commands and their first line of help, not what they do. Exit codes: 0 good, 1 problems found,
2 could not run, 3 undecided (`rollout`), 141 nobody reads on. Invariant: `forewarn --help` imports no command.
"""

from __future__ import annotations

import difflib
import errno
import importlib
import os
import sys
from importlib import metadata
from typing import Any, NoReturn

import click

GOOD = 0
PROBLEMS_FOUND = 1
COULD_NOT_RUN = 2
UNDECIDED = 3
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
PIPE_CLOSED = 141
"""Whoever read our output went away (`| head -1`): what a shell says of a tool that ended so (128 and SIGPIPE). Click's
own code for it is 1, which here means that problems were found."""

COMMANDS = {
    "demo": "See a small fleet break silently, and what Slack would show.",
    "run": "Run the monitor.",
    "check": "Validate a configuration, offline.",
    "test": "Run the scenarios of a configuration on a virtual clock.",
    "replay": "Push recorded events and alerts through the monitor on a virtual clock.",
    "alerts": "What fires, and what mutes it.",
    "incidents": "What is open, whose it is, and who has it in hand.",
    "silence": "Mute alerts for a time: add, list, expire.",
    "ack": "Say of an incident that you have it, that it is not yours, or that it is none.",
    "explain": "Why is there, or is there not, an alert?",
    "ready": "May an agent go to production, and what is missing?",
    "impact": "Who depends on a component, before it is changed.",
    "report": "Lead times, misses, false alarms against budget, per owner.",
    "rollout": "The verdict on canary and shadow versions.",
    "emit": "Send one event, a change or a complaint.",
    "topics": "Create and check the Kafka topics.",
    "schema": "Print the JSON Schema of events or of the configuration, or the topics.",
}
"""Name → one line of help. The command itself is `monitor.cli.<name>:command`."""

FOLDERS = {
    "test": "scenarios", "alerts": "acting", "incidents": "acting", "silence": "acting", "ack": "acting",
    "topics": "brokers", "ready": "judging", "impact": "judging", "report": "judging", "rollout": "judging",
}  # fmt: skip
"""Name → the folder of `monitor.cli` that its module lies in, where it lies in one."""


class _Commands(click.Group):
    """Commands that are imported when they are called."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """As click's, but quiet, and with a code of its own, where nobody reads on."""
        try:
            return super().main(*args, **kwargs)
        except BrokenPipeError:  # while an error was shown
            _pipe_closed()
        except SystemExit as end:
            if isinstance(end.__context__, BrokenPipeError):
                _pipe_closed()
            raise
        except OSError as error:
            if error.errno not in _FULL:
                raise
            _discard()
            sys.stderr.write(f"forewarn: cannot write: {error.strerror}\n")
            raise SystemExit(COULD_NOT_RUN) from None

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        place = f"{FOLDERS[cmd_name]}.{cmd_name}" if cmd_name in FOLDERS else cmd_name
        command = importlib.import_module(f"monitor.cli.{place}").command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        near = difflib.get_close_matches(args[0], COMMANDS, n=1)
        if args[0] not in COMMANDS and near:
            ctx.fail(f"No such command '{args[0]}'; did you mean '{near[0]}'?")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _pipe_closed() -> NoReturn:
    """End without a word."""
    _discard()
    raise SystemExit(PIPE_CLOSED) from None


def _discard() -> None:
    """Forget what is still in Python's buffers and has nowhere to go: it would be tried again at the end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(nowhere, stream.fileno())


def _version() -> str:
    try:
        return metadata.version("forewarn")
    except metadata.PackageNotFoundError:  # run from a source tree that is not installed
        return "unknown"


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 good, 1 problems found, 2 could not run, 3 undecided.\n\nBegin with: forewarn demo",
)
@click.version_option(version=_version(), prog_name="forewarn")
def cli() -> None:
    """A streaming runtime monitor for AI agents: one message to the owner before a user complains."""
