"""`forewarn ack`: say of an incident that you have it, that it is not yours, or that it is none."""

from __future__ import annotations

import click
import msgspec

from monitor.cli.acting.asking import Monitor, fail, with_endpoint
from monitor.cli.acting.silence import one_of, who
from monitor.cli.acting.source import incidents_of

_SAID = {
    "ack": "is acknowledged; this ends with the incident",
    "unack": "is no longer acknowledged",
    "not_mine": "goes to another owner",
    "false_alarm": "was a false alarm; what is normal is learned anew",
    "new_normal": "is the new normal; what is normal is learned anew",
}
_SAID_OF_OLD = {
    "false_alarm": "was a false alarm; the report counts it so",
    "new_normal": "was the new normal",
}


class _Done(msgspec.Struct):
    incident: str
    act: str
    by: str = ""


@click.command(
    "ack",
    short_help="Say of an incident that you have it, that it is not yours, or that it is none.",
    epilog='Example: forewarn ack 2cace6f9 --note "rolling back v13"',
)
@click.argument("incident")
@click.option("--undo", is_flag=True, help="Take an acknowledgement back.")
@click.option("--not-mine", is_flag=True, help="Hand it to another owner (--to).")
@click.option("--false-alarm", is_flag=True, help="Nothing was wrong: end it, learn anew.")
@click.option("--new-normal", is_flag=True, help="It stays like this: end it, learn anew.")
@click.option("--to", help="With --not-mine: the owner that it goes to; default: the next in line.")
@click.option("--note", default="", help="A word for the others; it stands in the timeline.")
@click.option("-a", "--by", "--author", "by", help="Who; default: the user of this shell.")
@with_endpoint
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    incident: str, undo: bool, not_mine: bool, false_alarm: bool, new_normal: bool, to: str | None, note: str,
    by: str | None, endpoint: str, token: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Acknowledge INCIDENT: you have it in hand, and it does not escalate. Its message says so.

    INCIDENT is an id as `forewarn incidents` shows it; the first letters are enough. Exit code 0, 1 if there is no such
    incident or the monitor refuses, 2 if it could not be asked.
    """
    acts = {"unack": undo, "not_mine": not_mine, "false_alarm": false_alarm, "new_normal": new_normal}
    chosen = [act for act, given in acts.items() if given]
    if len(chosen) > 1:
        fail("one of --undo, --not-mine, --false-alarm and --new-normal at a time")
    word = chosen[0] if chosen else "ack"
    if to is not None and word != "not_mine":
        fail("--to belongs to --not-mine")
    monitor = Monitor(endpoint, token)
    known = {each.id: each for each in incidents_of(monitor).incidents}
    name = one_of(incident, list(known), "incident")
    wish = {"act": word, "incident": name, "to": to or "", "note": note, "by": by or who()}
    done = monitor.post("/api/v1/act", wish, _Done)
    if as_json:
        click.echo(msgspec.json.encode(done).decode())
    else:
        said = _SAID if known[name].status == "firing" else _SAID_OF_OLD
        click.echo(f"incident {done.incident} {said.get(done.act, _SAID[done.act])}")
