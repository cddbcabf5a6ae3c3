"""Sends batches as NDJSON to a monitor's `POST /v1/events`. One request a batch, one connection kept open.

Refused connections, time-outs, 408, 429, 502, 503 and 504 are worth another try; everything else that is no success is
a refusal. Redirects are not followed and proxies not asked: events go where the endpoint says. The token is in the
request alone, never in a repr, an error or the log.
"""

from __future__ import annotations

import gzip
import http.client
import json
import os
import ssl
import time
from email.utils import parsedate_to_datetime
from http.client import HTTPMessage
from typing import Any
from urllib.parse import urlsplit

from forewarn.transport import Receipt, Record

DEFAULT_ENDPOINT = "http://127.0.0.1:4319"
TRY_AGAIN = frozenset((408, 429, 502, 503, 504))
TIMEOUT_SECONDS = 10.0
"""For connecting and for each read."""

LONGEST_ASKED_WAIT_SECONDS = 60.0
"""A `Retry-After` beyond this is taken as this."""

ANSWER_BYTES = 256 * 1024
"""What is read of an answer; a longer one costs the connection."""

COMPRESS_FROM_BYTES = 1024


class HttpTransport:
    """Raises ValueError if `endpoint` is no http or https address."""

    def __init__(
        self,
        endpoint: str | None = None,
        token: str | None = None,
        *,
        timeout: float = TIMEOUT_SECONDS,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        address = urlsplit(endpoint or os.environ.get("FOREWARN_ENDPOINT") or DEFAULT_ENDPOINT)
        if address.scheme not in ("http", "https") or not address.hostname or address.username or address.password:
            raise ValueError("the endpoint is an address such as http://127.0.0.1:4319, without user and password")
        token = token or os.environ.get("FOREWARN_TOKEN")
        if token and (not token.isascii() or not token.isprintable()):
            raise ValueError("the token holds characters that a header cannot carry")
        self._host, self._port = address.hostname, address.port
        self._secure = address.scheme == "https"
        self._path = address.path.rstrip("/") + "/v1/events"
        self._headers = {"Content-Type": "application/x-ndjson", "User-Agent": "forewarn-sdk"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._timeout = timeout
        self._tls = tls
        self._connection: http.client.HTTPConnection | None = None

    def __repr__(self) -> str:
        return f"HttpTransport({'https' if self._secure else 'http'}://{self._host}:{self._port})"

    def send(self, batch: list[Record]) -> Receipt:
        """One request."""
        body = b"\n".join(record.body for record in batch)
        headers = dict(self._headers)
        if len(body) >= COMPRESS_FROM_BYTES:
            body = gzip.compress(body, compresslevel=1)
            headers["Content-Encoding"] = "gzip"
        try:
            status, answer_headers, answer = self._request(body, headers)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            return Receipt(again=batch, problem=f"{self!r}: {type(error).__name__}: {error}")
        if 200 <= status < 300:
            return _taken(batch, answer)
        if status in TRY_AGAIN:
            wait = _asked_wait(answer_headers.get("Retry-After"), time.time())
            return Receipt(again=batch, wait_seconds=wait, problem=f"{self!r}: HTTP {status}")
        return Receipt(refused={f"HTTP {status}: {_reason_of(answer)}": len(batch)})

    def reset(self) -> None:
        """In a forked child: the connection belongs to the parent."""
        self._connection = None

    def close(self) -> None:
        """Closes the connection; the next `send` opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _request(self, body: bytes, headers: dict[str, str]) -> tuple[int, HTTPMessage, bytes]:
        reused = self._connection is not None
        try:
            return self._exchange(body, headers)
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
            if not reused:
                raise
            self.close()  # the server had closed the idle connection; ids make a second sending harmless
            return self._exchange(body, headers)

    def _exchange(self, body: bytes, headers: dict[str, str]) -> tuple[int, HTTPMessage, bytes]:
        connection = self._connection
        if connection is None:
            if self._secure:
                connection = http.client.HTTPSConnection(
                    self._host, self._port, timeout=self._timeout, context=self._tls or ssl.create_default_context()
                )
            else:
                connection = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)
            self._connection = connection
        connection.request("POST", self._path, body, headers)
        response = connection.getresponse()
        answer = response.read(ANSWER_BYTES)
        if not response.isclosed() and response.read(1):
            self.close()
        return response.status, response.headers, answer


def _taken(batch: list[Record], answer: bytes) -> Receipt:
    """A success; the server may still have refused some events, with a reason each."""
    accepted = _json_object(answer).get("accepted")
    if isinstance(accepted, bool) or not isinstance(accepted, int) or not 0 <= accepted < len(batch):
        return Receipt(accepted=len(batch))
    return Receipt(accepted=accepted, refused={_reason_of(answer) or "no reason given": len(batch) - accepted})


def _reason_of(answer: bytes) -> str:
    """The server's words: of the first events that it refused, else of the whole body."""
    found = _json_object(answer)
    rejected = found.get("rejected")
    if isinstance(rejected, list) and rejected:
        shown = [f"{each.get('reason')}: {each.get('detail')}" for each in rejected[:3] if isinstance(each, dict)]
        return "; ".join(shown)[:300]
    if found.get("skipped"):
        return "a kind of event that the server does not know"
    return str(found.get("error") or found.get("message") or answer[:200].decode("utf-8", "replace"))[:300]


def _json_object(answer: bytes) -> dict[str, Any]:
    try:
        found = json.loads(answer)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _asked_wait(header: str | None, now: float) -> float | None:
    """`Retry-After` in seconds, or as a date; None if there is none that can be read."""
    if not header:
        return None
    try:
        seconds = float(header) if header.strip().isdigit() else parsedate_to_datetime(header).timestamp() - now
    except (TypeError, ValueError, OverflowError):
        return None
    return min(max(0.0, seconds), LONGEST_ASKED_WAIT_SECONDS)
