"""`forewarn emit`: send events to a running monitor, for shells and CI. Checked here first, so that the error is seen.

Makes its own small request: the server does not contain the SDK. Invariant: either all events of one call are good and
sent in one request, or none is sent.
"""

from __future__ import annotations

import contextlib
import difflib
import http.client
import json
import time
import uuid
from collections.abc import Callable
from typing import Any, NoReturn
from urllib.parse import urlsplit

import click

from monitor.cli import COULD_NOT_RUN, PROBLEMS_FOUND
from monitor.cli.acting.asking import unwelcome
from schemas import limits
from schemas.event import COMPONENT_KINDS, REQUIRED

TIMEOUT_SECONDS = 10.0
TRIES = 3
TRY_AGAIN = (429, 502, 503, 504)
LONGEST_WAIT_SECONDS = 10.0
"""A `Retry-After` beyond this is taken as this."""

ANSWER_BYTES = 256 * 1024
PROBLEMS_SHOWN = 20


class _Options:
    """What every subcommand takes."""

    def __init__(self, endpoint: str, token: str | None, as_json: bool) -> None:
        self.endpoint = endpoint
        self.token = token
        self.as_json = as_json


def _with_options(function: Callable[..., None]) -> Callable[..., None]:
    def wrapped(endpoint: str, token: str | None, as_json: bool, **arguments: Any) -> None:
        function(_Options(endpoint, token, as_json), **arguments)

    wrapped.__name__, wrapped.__doc__ = function.__name__, function.__doc__
    wrapped.__click_params__ = getattr(function, "__click_params__", [])  # type: ignore[attr-defined]
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object with what was sent."),
        click.option("--token", envvar="FOREWARN_TOKEN", help="Bearer token; better in FOREWARN_TOKEN than here."),
        click.option(
            "--endpoint",
            envvar="FOREWARN_ENDPOINT",
            default="http://127.0.0.1:4319",
            show_default=True,
            help="The monitor's address; also FOREWARN_ENDPOINT.",
        ),
    ):
        option(wrapped)
    return wrapped


@click.group(
    "emit",
    short_help="Send one event, a change or a complaint.",
    epilog="Example: forewarn emit change prompt:refund --version v13 --stage full",
)
def command() -> None:
    """Send one event, a change or a complaint to a running monitor.

    The event is checked before it is sent. Exit code 0 if the monitor took it, 1 if the event is not good, 2 if the
    monitor could not be reached.
    """


@command.command(epilog="Example: forewarn emit change prompt:refund --version v13 --previous v12 --stage canary")
@click.argument("component")
@click.option("--version", required=True, help="The version that is live now.")
@click.option("--previous", help="The version before.")
@click.option("--stage", type=click.Choice(["shadow", "canary", "full", "rolled_back"]), help="How far it has come.")
@click.option("--share", type=float, help="Share of the traffic that has it, 0 to 1.")
@click.option("--author", help="Who made the change.")
@click.option("--url", help="Link to the change.")
@click.option("--time", "at", help="When: RFC 3339 or epoch seconds. Default: now.")
@_with_options
def change(options: _Options, component: str, at: str | None, **fields: Any) -> None:
    """Say that a version of COMPONENT was deployed.

    COMPONENT is `agent:`, `prompt:`, `tool:`, `model:` or `retriever:` and a name.
    """
    kind, colon, name = component.partition(":")
    if kind not in COMPONENT_KINDS or not colon or not name:
        near = difflib.get_close_matches(kind, COMPONENT_KINDS, n=1)
        hint = f"; did you mean `{near[0]}:{name or '…'}`?" if near else ""
        allowed = ", ".join(f"`{each}:`" for each in COMPONENT_KINDS)
        _refuse(options, [f"component: {component!r} is not one of {allowed} and a name{hint}"])
    share = fields["share"]
    if share is not None and not 0.0 <= share <= 1.0:
        _refuse(options, [f"share: {share:g} is not between 0 and 1"])
    _check_and_send(options, [_event("change", at, component=component, **fields)])


@command.command(epilog='Example: forewarn emit complaint --agent refund-agent "My money has not come."')
@click.argument("text")
@click.option("--agent", help="The agent it is about.")
@click.option("--run", help="The run it is about.")
@click.option("--session", help="The conversation it is about.")
@click.option("--user", help="Who complains; opaque.")
@click.option("--source", help="Where it came from: mail, chat, phone …")
@click.option("--time", "at", help="When: RFC 3339 or epoch seconds. Default: now.")
@_with_options
def complaint(options: _Options, text: str, at: str | None, **fields: Any) -> None:
    """Pass on a user's complaint TEXT (`-`: from standard input).

    It needs one of --agent, --run, --session and --user.
    """
    if text == "-":
        text = click.get_text_stream("stdin").read().strip()
    _check_and_send(options, [_event("complaint", at, text=text, **fields)])


@command.command(epilog="Example: forewarn emit event - < events.jsonl")
@click.argument("event", metavar="JSON")
@_with_options
def event(options: _Options, event: str) -> None:
    """Send an event given as JSON, or events from standard input (`-`), one JSON object a line.

    `time` defaults to now, `id` to a random one. All are checked; if one is not good, none is sent.
    """
    if event != "-":
        lines = [(0, event)]
    else:
        stream = click.get_text_stream("stdin", errors="strict")
        try:
            lines = [(number, line) for number, line in enumerate(stream, 1) if line.strip()]
        except UnicodeDecodeError as error:
            _refuse(options, [f"standard input is not UTF-8: {error.reason} at byte {error.start}"])
    if not lines:
        _refuse(options, ["standard input holds no event"])
    if len(lines) > limits.EVENTS_PER_BODY:
        _refuse(options, [f"{len(lines)} events; at most {limits.EVENTS_PER_BODY} at once"])
    events, problems = [], []
    for number, line in lines:
        where = f"line {number}: " if number else ""
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            problems.append(f"{where}no JSON: {error}")
            continue
        if isinstance(value, dict):
            events.append({"time": time.time(), "id": uuid.uuid4().hex, **value})
            problems += [where + problem for problem in _problems(events[-1])]
        else:
            problems.append(f"{where}expected an object, found {type(value).__name__}")
    if problems:
        _refuse(options, problems)
    _send(options, events)


def _event(kind: str, at: str | None, **fields: Any) -> dict[str, Any]:
    when: object = time.time()
    if at is not None:
        try:
            when = float(at)
        except ValueError:
            when = at
    given = {name: value for name, value in fields.items() if value is not None}
    return {"kind": kind, "id": uuid.uuid4().hex, "time": when, **given}


def _check_and_send(options: _Options, events: list[dict[str, Any]]) -> None:
    problems = [problem for each in events for problem in _problems(each)]
    if problems:
        _refuse(options, problems)
    _send(options, events)


def _problems(value: dict[str, Any]) -> list[str]:
    """What is wrong with one event, a line per field."""
    from pydantic import ValidationError

    from schemas.border import parse  # building the models takes a moment

    kind = value.get("kind")
    if not isinstance(kind, str) or kind not in REQUIRED:
        near = difflib.get_close_matches(kind, REQUIRED, n=1) if isinstance(kind, str) else []
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(REQUIRED)}"
        found = f"{kind!r} is no kind of event" if "kind" in value else "missing"
        return [f"kind: {found}; {hint}"]
    try:
        parse(json.dumps(value).encode())
    except ValidationError as error:
        return [f"{_place(each['loc'], kind)}{_said(each['msg'])}" for each in error.errors(include_url=False)]
    except (ValueError, RecursionError) as error:
        return [str(error)]
    return []


def _place(loc: tuple[str | int, ...], kind: str) -> str:
    names = [str(part) for part in loc if part != kind]
    return ".".join(names) + ": " if names else ""


def _said(message: str) -> str:
    """Pydantic's sentence behind the name of a field; our own words stay as they are."""
    ours = message.removeprefix("Value error, ")
    return ours if ours != message else message[:1].lower() + message[1:]


def _send(options: _Options, events: list[dict[str, Any]]) -> None:
    body = "\n".join(json.dumps(each, ensure_ascii=False) for each in events).encode("utf-8", "replace")
    try:
        status, answer = _post(options, body)
    except (OSError, ValueError, http.client.HTTPException) as error:
        _stop(options, f"cannot reach {_shown(options.endpoint)}: {error}; is the monitor running?")
    if status in (401, 403):
        said = "; ".join(_reasons(answer))
        _stop(options, f"{_shown(options.endpoint)} {unwelcome(status, options.token, said)}")
    reasons = _reasons(answer)
    if not 200 <= status < 300:
        text = "; ".join(reasons) or answer[:300].decode("utf-8", "replace")
        if status in (400, 413, 415, 422):
            _refuse(options, [f"the monitor refused it (HTTP {status}): {text}"])
        _stop(options, f"{_shown(options.endpoint)} answered HTTP {status}: {text}")
    if reasons:
        _refuse(options, [f"the monitor refused it: {reason}" for reason in reasons])
    if options.as_json:
        click.echo(json.dumps({"ok": True, "sent": len(events), "ids": [each["id"] for each in events]}))
    else:
        click.echo(f"sent {_words(events)} to {_shown(options.endpoint)}")


def _post(options: _Options, body: bytes) -> tuple[int, bytes]:
    """Status and body of the answer, after as many tries as it takes (at most `TRIES`). Redirects are not followed."""
    address = urlsplit(options.endpoint)
    if address.scheme not in ("http", "https") or not address.hostname:
        raise ValueError("it is no http or https address")
    kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
    headers = {"Content-Type": "application/x-ndjson", "User-Agent": "forewarn-emit"}
    if options.token:
        headers["Authorization"] = f"Bearer {options.token}"
    for left in reversed(range(TRIES)):
        connection = kind(address.hostname, address.port, timeout=TIMEOUT_SECONDS)
        with contextlib.closing(connection):
            connection.request("POST", address.path.rstrip("/") + "/v1/events", body, headers)
            response = connection.getresponse()
            answer = response.read(ANSWER_BYTES)
        if response.status not in TRY_AGAIN or not left:
            break
        asked = response.headers.get("Retry-After", "")
        time.sleep(min(float(asked) if asked.isdigit() else 1.0, LONGEST_WAIT_SECONDS))
    return response.status, answer


def _reasons(answer: bytes) -> list[str]:
    """The monitor's words about events that it did not take."""
    try:
        found = json.loads(answer)
    except (ValueError, RecursionError):
        return []
    if not isinstance(found, dict):
        return []
    if found.get("error"):
        return [str(found["error"])]
    reasons = [f"{each.get('reason')}: {each.get('detail')}" for each in found.get("rejected") or []]
    if found.get("skipped"):
        reasons.append(f"{found['skipped']} of a kind that it does not know")
    return reasons


def _words(events: list[dict[str, Any]]) -> str:
    if len(events) == 1:
        return f"1 event ({events[0]['kind']}, id {events[0]['id']})"
    return f"{len(events)} events"


def _shown(endpoint: str) -> str:
    """The endpoint without what might be a password in it."""
    address = urlsplit(endpoint)
    return endpoint if "@" not in address.netloc else f"{address.scheme}://{address.netloc.rpartition('@')[2]}"


def _refuse(options: _Options, problems: list[str]) -> NoReturn:
    """The event is not good: exit code 1."""
    if options.as_json:
        click.echo(json.dumps({"ok": False, "sent": 0, "problems": problems}))
    else:
        for problem in problems[:PROBLEMS_SHOWN]:
            click.echo(f"forewarn: {problem}", err=True)
        if len(problems) > PROBLEMS_SHOWN:
            click.echo(f"forewarn: and {len(problems) - PROBLEMS_SHOWN} more problems", err=True)
    raise click.exceptions.Exit(PROBLEMS_FOUND)


def _stop(options: _Options, problem: str) -> NoReturn:
    """The monitor could not be reached: exit code 2."""
    if options.as_json:
        click.echo(json.dumps({"ok": False, "sent": 0, "problems": [problem]}))
    else:
        click.echo(f"forewarn: {problem}", err=True)
    raise click.exceptions.Exit(COULD_NOT_RUN)
