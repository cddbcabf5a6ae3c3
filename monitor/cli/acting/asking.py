"""Requests to a running monitor, with its token, and the errors in words. Sends nothing unasked.

Ends the process with 2 where nothing could be asked, and with 1 where the monitor said no.
"""

from __future__ import annotations

import http.client
import json
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar
from urllib.parse import urlsplit

import click
import msgspec

from monitor.cli import COULD_NOT_RUN, PROBLEMS_FOUND
from monitor.notify.redact import name as harmless

TIMEOUT_SECONDS = 10.0
ANSWER_BYTES = 64 * 1024 * 1024
"""Of an answer, no more is read."""
SAID_CHARACTERS = 500
"""Of what the monitor says when it refuses."""

T = TypeVar("T")
Function = TypeVar("Function", bound=Callable[..., Any])


class NoAnswer(Exception):
    """Nobody answered, or only that it cannot now; another try may help."""


@dataclass(frozen=True)
class Monitor:
    """Where a running monitor is, and the token that it wants."""

    endpoint: str
    token: str | None

    def get(self, path: str, into: type[T]) -> T:
        """Ask for `path` (from `/`, with its query)."""
        return _decoded(self._answer("GET", path, None), into)

    def ask(self, path: str, into: type[T]) -> T:
        """As `get`, for those to whom 1 says something else, and who may ask again.

        Raises `NoAnswer` where another try may help; where the monitor said no the process ends with 2.
        """
        return _decoded(self._tried("GET", path, None, COULD_NOT_RUN), into)

    def post(self, path: str, body: Any, into: type[T]) -> T:
        """Send a JSON body."""
        return _decoded(self._answer("POST", path, body), into)

    def delete(self, path: str) -> None:
        """End what stands at `path`."""
        self._answer("DELETE", path, None)

    def _answer(self, method: str, path: str, body: Any) -> bytes:
        try:
            return self._tried(method, path, body, PROBLEMS_FOUND)
        except NoAnswer as error:
            fail(str(error))

    def _tried(self, method: str, path: str, body: Any, refusal: int) -> bytes:
        if urlsplit(self.endpoint).scheme not in ("http", "https"):
            fail(f"--endpoint {self.endpoint!r} is no http address; as in http://127.0.0.1:4319")
        headers = {"Content-Type": "application/json"} if body is not None else {}
        headers |= {"Authorization": f"Bearer {self.token}"} if self.token else {}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.endpoint.rstrip('/')}{path}", data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
                return bytes(response.read(ANSWER_BYTES))
        except urllib.error.HTTPError as error:
            self._refused(error, path, refusal)
        except (OSError, ValueError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise NoAnswer(f"no monitor answers at {self.endpoint} ({reason}); start one with `forewarn run`") from None

    def _refused(self, error: urllib.error.HTTPError, path: str, refusal: int) -> NoReturn:
        said = _sentence(error.read(SAID_CHARACTERS * 4))
        if error.code in (401, 403):
            fail(f"{self.endpoint} {unwelcome(error.code, self.token, said)}")
        if error.code == 404 and not said:
            fail(f"{self.endpoint} does not know {urlsplit(path).path}", refusal)
        if 400 <= error.code < 500 and error.code != 429:
            fail(f"{self.endpoint} answered {error.code}: {said}", refusal)
        raise NoAnswer(f"{self.endpoint} answered {error.code}: {said}")


def unwelcome(code: int, token: str | None, said: str) -> str:
    """Why a monitor lets nobody in, as words behind its address: 401 is about the token, 403 about what it opens."""
    if code == 403:
        return f"refuses this (HTTP 403): {said or 'the token has not the role for it'}"
    return f"{'knows no such token' if token else 'wants a token'} (HTTP 401): set FOREWARN_TOKEN"


def fail(message: str, code: int = COULD_NOT_RUN) -> NoReturn:
    """Say it on standard error and end with `code`."""
    click.echo(f"forewarn: {harmless(message, SAID_CHARACTERS)}", err=True)
    sys.exit(code)


def with_endpoint(function: Function) -> Function:
    """The two options of every command that asks a running monitor: `endpoint`, `token`."""
    for option in (
        click.option("--token", envvar="FOREWARN_TOKEN", help="Bearer token; better in FOREWARN_TOKEN than here."),
        click.option(
            "--endpoint", "--url", "endpoint", envvar="FOREWARN_ENDPOINT", default="http://127.0.0.1:4319",
            show_default=True, help="The running monitor's address; also FOREWARN_ENDPOINT.",
        ),
    ):  # fmt: skip
        function = option(function)
    return function


_file = click.option(
    "-c", "--config", "file", type=click.Path(path_type=Path),
    help="Read the state directory of this configuration instead of asking.",
)  # fmt: skip
_inputs = click.option(
    "--from", "inputs", multiple=True, metavar="FILE",
    help="With --config: replay these recorded events instead; may be repeated.",
)  # fmt: skip


def with_state(function: Function) -> Function:
    """Those two, and `file`: the configuration whose state directory is read instead."""
    return _file(with_endpoint(function))


def with_recording(function: Function) -> Function:
    """Those three, and `inputs`: recorded events that are replayed under the configuration; see `check_recording`."""
    return _file(_inputs(with_endpoint(function)))


def check_recording(inputs: Sequence[str], file: Path | None) -> None:
    """Exit unless there is a configuration to replay with."""
    if inputs and file is None:
        fail("--from needs --config: the configuration under which the events are replayed")


def _decoded(answer: bytes, into: type[T]) -> T:
    try:
        return msgspec.json.decode(answer, type=into, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        fail(f"the answer is none of a monitor of this version: {error}")


def _sentence(body: bytes) -> str:
    """What an error's body says: our `error`, Alertmanager's string or `message`, or nothing that a person can read."""
    try:
        said = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        said = body.decode("utf-8", "replace")
    if isinstance(said, dict):
        said = said.get("error") or said.get("message") or ""
    return str(said).strip()[:SAID_CHARACTERS]
