"""Whether a tool's result says that the tool failed while its call is ok: the conventions of formats and frameworks.

Only what says it by its place or by its first words: a document about errors, rows of a log and a thing whose status
is told are results. How often a tool says so is learned like every failure, so that a habit is no alert; what follows
no convention shows as a change of form (`monitor.drift.tools.interfaces`). The SDK reads the same where it sends no
text.

    {"error": "no such order"}    {"ok": false}    {"statusCode": 500}    Error: connection refused

Invariant: reads the verdict of an object and the first `HEAD` characters of a text, whatever their size; never raises.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from schemas.event import NOTHING

HEAD: Final = 2_000
"""Characters of a text that are looked at."""
WRAPPED: Final = 3
"""How often a text is taken out of what it is wrapped in: a string of JSON, the content of a message."""
ROWS: Final = 20
"""Lines of these in which a second one that begins like the first makes the text rows of a log."""

ERRORS: Final = (
    # people and shells
    "error", "fatal error", "fatal: *", "exception", "unhandled exception", "uncaught exception", "timeout",
    "timed out", "an error occurred", "an error occurred while*", "an error has occurred",
    "an unexpected error occurred*",
    "an unknown error occurred*", "an internal error occurred*", "an exception occurred*", "error occurred",
    "fehler", "erreur", "erro", "errore", "fout", "ошибка", "错误", "エラー", "오류",
    # languages and clients
    "traceback (most recent call last)", "panic: runtime error*", "curl: (*", "permission denied", "access denied",
    "connection refused", "connection reset by peer", "connection error", "connection timed out", "request timed out",
    "the request timed out", "read timed out",
    # servers
    "internal server error", "internal error", "bad gateway", "gateway timeout", "gateway time-out",
    "service unavailable", "service temporarily unavailable", "too many requests", "rate limit exceeded",
    "unauthorized", "forbidden", "authentication failed", "invalid api key", "<error>*",
    # agents and the frameworks that they are made of
    "error executing tool*", "error executing function*", "error calling tool*", "error invoking tool*",
    "error running tool*", "error while executing*", "error when executing*", "error in tool call*", "execution error",
    "execution error in*", "encountered error", "i encountered an error while trying to use the tool*",
    "failed to invoke tool*", "failed to execute*", "failed to call*", "failed to connect to*", "failed to fetch*",
    "tool error", "tool execution failed", "tool call failed", "unknown tool", "mcp error*", "<tool_use_error>*",
)  # fmt: skip
"""How a text begins that is an error, in any case. After a star anything may follow, else the phrase ends there."""
FAILING: Final = (b"error", b"fail", b"failure")
"""Words of `status` that say so (JSend, Agent Development Kit); `failed` is what becomes of a payment."""

_PLACES = ("error", "isError", "is_error", "status", "statusCode", "status_code", "code", "success", "successful", "ok",
           "errors", "data", "errorMessage", "errorType", "id", "title", "detail", "message", "msg", "reason",
           "content", "result", "output")  # fmt: skip
_Verdict = msgspec.defstruct("_Verdict", [(name, msgspec.Raw, NOTHING) for name in _PLACES], gc=False)
_verdict: msgspec.json.Decoder[Any] = msgspec.json.Decoder(_Verdict)
_NO_VERDICT: Final = _Verdict()
_Block = msgspec.defstruct("_Block", [(name, msgspec.Raw, NOTHING) for name in ("type", "text")], gc=False)
_blocks: msgspec.json.Decoder[Any] = msgspec.json.Decoder(list[_Block])  # type: ignore[valid-type]
_string = msgspec.json.Decoder(str)

_KEYS = re.compile(
    rb'"[eiscor](?:rror|s_?[Ee]rror|rrors|rrorMessage|tatus(?:_?[Cc]ode)?|ode|uccess(?:ful)?|k|ontent|esult|utput)"'
)
"""What stands in an object that says anything: `error`, `isError`, `errors`, `status`, `code`, `success`, `ok` …"""

_FAULT: Final = 1
"""A place of a failure where it holds anything."""
_SUCCESS: Final = 2
"""One where it is false."""
_BY_STATUS: Final = 3
"""One by what status it holds."""
_INSIDE: Final = 4
"""One by the text in it, or beside it."""
_PLACE_OF: Final[dict[str, int]] = {
    **dict.fromkeys(("error", "isError", "is_error", "errors"), _FAULT),
    **dict.fromkeys(("success", "successful", "ok"), _SUCCESS),
    **dict.fromkeys(("status", "statusCode", "status_code", "code"), _BY_STATUS),
    **dict.fromkeys(("errorType", "content", "result", "output"), _INSIDE),
}
_FAILING: Final = frozenset(word.decode() for word in FAILING)
_FIRST_FAILURE: Final = 400

_NO_ERROR: Final = frozenset((b"", b"null", b"false", b'""', b"0", b"[]", b"{}"))
_NUMBER_STARTS: Final = b"-0123456789"
_OPENERS: Final = b"[{"
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeError, RecursionError)

_DECORATION: Final = " \t\r\n*_#>`\ufeff\ufe0f❌⚠⛔🚫🛑🚨"
_STOP: Final = "[ \\t]*(?:$|[:：.,;!(\\[{<|\"'\\n\\r–—-])"  # noqa: RUF001 (the colon of other scripts)
_RAISED = re.compile("[A-Za-z_][\\w.$]{0,100}(?:Error|Exception)(?:: |:?\\n|:?$|\\()")
"""The class of an exception, as `str` and tracebacks show it."""
_STATUS = re.compile(
    "(?:(?:http )?(?:error|status)(?: code)?:? )?[45][0-9]{2}[ :,-]+(?:client error|server error|bad request|"
    "unauthorized|forbidden|not found|method not allowed|request timeout|too many requests|internal server error|"
    "bad gateway|service unavailable|service temporarily unavailable|gateway time-?out)"
)
"""A line of HTTP: `502 Bad Gateway`, `404 Client Error: Not Found for url`."""
_PAGES: Final = ("<!doctype html", "<html", "<head")
_TITLES = re.compile("<(?:title|h1)[^>]*>([^<]*)")
_NUMBER = re.compile("(?<![0-9.])[45][0-9]{2}(?![0-9])")
_REASON = re.compile(
    "error|bad request|unauthorized|forbidden|not found|time-?out|timed out|too many requests|bad gateway|unavailable|"
    "denied|not allowed|fetch failed"
)
_TITLED: Final = frozenset(("error", "bad gateway", "internal server error", "service unavailable", "access denied",
                            "gateway timeout", "error: the request could not be satisfied"))  # fmt: skip
_TITLES_READ: Final = 2
_ALIKE: Final = 5
"""Characters in which two lines begin alike."""
_TRACE: Final = "trace"


class Beginnings:
    """The phrases of `text.errors`, ready to be looked for."""

    def __init__(self, phrases: Iterable[str] = ERRORS) -> None:
        said = [phrase.lower() for phrase in phrases]
        open_ended = [re.escape(phrase[:-1]) for phrase in said if phrase.endswith("*")]
        ended = [re.escape(phrase) for phrase in said if not phrase.endswith("*")]
        parts = ["|".join(open_ended)] if open_ended else []
        parts += [f"(?:{'|'.join(ended)}){_STOP}"] if ended else []
        self._pattern = re.compile("|".join(parts) if parts else "(?!)")

    def found(self, text: str) -> bool:
        """Whether a text is an error by its first words, or a page that a server shows in place of an answer."""
        head = text[:HEAD].lstrip(_DECORATION)
        if head.startswith("<") and head[:20].lower().startswith(_PAGES):
            return _is_error_page(head.lower())
        if not self._begins(head):
            return False
        start = head[:_ALIKE].lower()
        if start == _TRACE:
            return True  # one may be the cause of the next
        for line in head.splitlines()[1:ROWS]:
            line = line.lstrip(_DECORATION)
            if line[:_ALIKE].lower() == start and self._begins(line):
                return False
        return True

    def _begins(self, line: str) -> bool:
        lower = line.lower()
        return (
            self._pattern.match(lower) is not None
            or _STATUS.match(lower) is not None
            or _RAISED.match(line) is not None
        )


DEFAULT: Final = Beginnings()


def says_failure(result: bytes, beginnings: Beginnings = DEFAULT) -> bool:
    """Whether a tool's result, as JSON, says that the tool failed. A string that holds JSON is read as that JSON."""
    try:
        return _of_json(result, beginnings, WRAPPED)
    except _UNREADABLE:
        return False


def gives_no_verdict(value: dict[str, Any]) -> bool:
    """Whether an object that was read surely says no failure: what `says_failure` finds out of its bytes, sooner.

    Not sure is what is told by texts inside, by strings and numbers as they are written, or by several keys together.
    """
    for name, said in value.items():
        place = _PLACE_OF.get(name)
        if place is None:
            continue
        if place == _FAULT:
            if said:
                return False
        elif place == _SUCCESS:
            if said is False:
                return False
        elif place == _BY_STATUS:
            if isinstance(said, str):
                if said.lower() in _FAILING:
                    return False
            elif isinstance(said, int) and said >= _FIRST_FAILURE:
                return False
        elif isinstance(said, (str, list)):
            return False
    return True


def _of_json(text: bytes, beginnings: Beginnings, depth: int) -> bool:
    """`depth`: how often a text may still be taken out of what it is wrapped in."""
    text = text.lstrip()
    first = text[:1]
    if first == b"{":
        try:
            found = _verdict.decode(text)
        except _UNREADABLE:
            if _may_hold_verdict(text):
                raise
            return False
        return found != _NO_VERDICT and _of_object(found, beginnings, depth)
    if first == b"[":
        return depth > 0 and b'"text"' in text[:200] and _of_blocks(text, beginnings, depth)
    return first == b'"' and _of_text(_string.decode(text), beginnings, depth)


def _may_hold_verdict(text: bytes) -> bool:
    """Whether a key of a verdict may stand in what begins like an object. One may be written with escapes."""
    return _KEYS.search(text) is not None or text.find(b"\\u") >= 0


def _of_text(text: str, beginnings: Beginnings, depth: int) -> bool:
    start = text[:HEAD].lstrip()[:1]
    if start == "{" or start == "[":
        try:
            return depth > 0 and _of_json(text.encode(), beginnings, depth - 1)
        except _UNREADABLE:
            pass  # no JSON after all
    return beginnings.found(text)


def _of_object(found: Any, beginnings: Beginnings, depth: int) -> bool:
    for said in (found.error, found.isError, found.is_error):
        if said is not NOTHING and _says_something(bytes(said)):
            return True
    if _is(found.success, b"false") or _is(found.ok, b"false") or _is(found.successful, b"false"):
        return True
    if found.errorType is not NOTHING and _is_string(found.errorType) and _says_something(bytes(found.errorMessage)):
        return True  # what a function of AWS Lambda answers that raised
    if _is(found.data, b"null") and _says_something(bytes(found.errors)):
        return True  # GraphQL
    if found.id is NOTHING and _status_fails(found):
        return True  # a thing with an id has a status, and was found
    if depth <= 0:
        return False
    content = found.content
    for inner in (content, found.result, found.output):
        if inner is not NOTHING and _is_string(inner) and _of_text(_string.decode(inner), beginnings, depth - 1):
            return True
    return content is not NOTHING and bytes(content)[:1] == b"[" and _of_blocks(bytes(content), beginnings, depth - 1)


def _of_blocks(text: bytes, beginnings: Beginnings, depth: int) -> bool:
    """Content as models and the Model Context Protocol have it, if it is one text."""
    try:
        blocks = _blocks.decode(text)
    except msgspec.ValidationError:
        return False  # a list of something else
    if len(blocks) != 1 or not _is(blocks[0].type, b'"text"') or bytes(blocks[0].text)[:1] != b'"':
        return False
    return _of_text(_string.decode(blocks[0].text), beginnings, depth)


def _status_fails(found: Any) -> bool:
    status = b""
    if found.status is not NOTHING:
        status = bytes(found.status).strip()
        if status[:1] == b'"' and status[1:-1].lower() in FAILING:
            return True
    for number in (found.statusCode, found.status_code):
        if number is not NOTHING and _is_failure_number(bytes(number)):
            return True
    if not (_is_failure_number(status) or (found.code is not NOTHING and _is_failure_number(bytes(found.code)))):
        return False
    said = (found.title, found.detail, found.message, found.msg, found.reason)
    return any(_is_string(each) for each in said)  # else a number like others


def _is_failure_number(value: bytes) -> bool:
    """Whether it is a status of HTTP from 400 to 599."""
    value = value.strip()
    return len(value) == 3 and b"45".find(value[:1]) >= 0 and value.isdigit()


def _is(value: msgspec.Raw, said: bytes) -> bool:
    return value is not NOTHING and bytes(value).strip() == said


def _is_string(value: msgspec.Raw) -> bool:
    return bytes(value)[:1] == b'"'


def _says_something(value: bytes) -> bool:
    """Whether a JSON value is neither null, false, a zero (however it is written) nor empty."""
    value = value.strip()
    if value in _NO_ERROR:
        return False
    # `find`, not `in`: compiled, that makes an exception and drops it where a byte is not there
    if _NUMBER_STARTS.find(value[:1]) >= 0:
        return float(value) != 0.0
    return _OPENERS.find(value[:1]) < 0 or bool(value[1:-1].strip())


def _is_error_page(page: str) -> bool:
    for title in _TITLES.findall(page)[:_TITLES_READ]:
        said = title.strip()
        if said in _TITLED or (_NUMBER.search(said) is not None and _REASON.search(said) is not None):
            return True
    return False
