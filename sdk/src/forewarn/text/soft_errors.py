"""Whether a tool's result says that the tool failed while its call is ok: read here only where no text is sent.

The server's conventions, for Python values; a contract test holds both equal. Its `text.errors` are not known here.

Invariant: reads the verdict of a dict and the first `HEAD` characters of a text, whatever their size; never raises.
"""

from __future__ import annotations

import json
import re

HEAD = 2_000
"""Characters of a text that are looked at."""
WRAPPED = 3
"""How often a text is taken out of what it is wrapped in: a string of JSON, the content of a message."""
ROWS = 20
"""Lines of these in which a second one that begins like the first makes the text rows of a log."""

ERRORS = (
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
FAILING = ("error", "fail", "failure")
VERDICTS = ("error", "isError", "is_error", "status", "statusCode", "status_code", "code", "success", "successful",
            "ok", "errorType", "id")  # fmt: skip
"""Keys of a dict that say it, and are short: a copy that is cut has them first."""

_FALSES = ("success", "ok", "successful")
_DECORATION = " \t\r\n*_#>`\ufeff\ufe0f❌⚠⛔🚫🛑🚨"
_STOP = "[ \\t]*(?:$|[:：.,;!(\\[{<|\"'\\n\\r–—-])"  # noqa: RUF001 (the colon of other scripts)
_OPEN_ENDED = "|".join(re.escape(phrase[:-1]) for phrase in ERRORS if phrase.endswith("*"))
_ENDED = "|".join(re.escape(phrase) for phrase in ERRORS if not phrase.endswith("*"))
_BEGINS = re.compile(f"{_OPEN_ENDED}|(?:{_ENDED}){_STOP}")
_RAISED = re.compile("[A-Za-z_][\\w.$]{0,100}(?:Error|Exception)(?:: |:?\\n|:?$|\\()")
_STATUS = re.compile(
    "(?:(?:http )?(?:error|status)(?: code)?:? )?[45][0-9]{2}[ :,-]+(?:client error|server error|bad request|"
    "unauthorized|forbidden|not found|method not allowed|request timeout|too many requests|internal server error|"
    "bad gateway|service unavailable|service temporarily unavailable|gateway time-?out)"
)
_PAGES = ("<!doctype html", "<html", "<head")
_TITLES = re.compile("<(?:title|h1)[^>]*>([^<]*)")
_NUMBER = re.compile("(?<![0-9.])[45][0-9]{2}(?![0-9])")
_REASON = re.compile(
    "error|bad request|unauthorized|forbidden|not found|time-?out|timed out|too many requests|bad gateway|unavailable|"
    "denied|not allowed|fetch failed"
)
_TITLED = frozenset(("error", "bad gateway", "internal server error", "service unavailable", "access denied",
                     "gateway timeout", "error: the request could not be satisfied"))  # fmt: skip
_ALIKE = 5
"""Characters in which two lines begin alike."""
_TRACE = "trace"


def says_failure(result: object) -> bool:
    """Whether a result, as a copy that JSON can hold, says that the tool failed."""
    try:
        return _of(result, WRAPPED)
    except RecursionError:
        return False


def _of(result: object, depth: int) -> bool:
    """`depth`: how often a text may still be taken out of what it is wrapped in."""
    if isinstance(result, str):
        return _of_text(result, depth)
    if isinstance(result, dict):
        return _of_dict(result, depth)
    return isinstance(result, list) and depth > 0 and _of_blocks(result, depth)


def _of_text(text: str, depth: int) -> bool:
    if depth > 0 and text[:HEAD].lstrip()[:1] in ("{", "["):
        try:
            return _of(json.loads(text, parse_int=_number, parse_constant=_refuse), depth - 1)
        except (ValueError, RecursionError):
            pass  # no JSON after all
    head = text[:HEAD].lstrip(_DECORATION)
    if head[:20].lower().startswith(_PAGES):
        return _is_error_page(head.lower())
    return _begins(head) and not _is_rows(head)


def _of_dict(found: dict[str, object], depth: int) -> bool:
    if any(found.get(name) for name in ("error", "isError", "is_error")):
        return True
    if any(found.get(name) is False for name in _FALSES):
        return True
    if isinstance(found.get("errorType"), str) and found.get("errorMessage"):
        return True
    if "data" in found and found["data"] is None and found.get("errors"):
        return True
    if "id" not in found and _status_fails(found):
        return True
    if depth <= 0:
        return False
    for inner in (found.get("content"), found.get("result"), found.get("output")):
        if isinstance(inner, str) and _of_text(inner, depth - 1):
            return True
    return _of_blocks(found.get("content"), depth - 1)


def _of_blocks(blocks: object, depth: int) -> bool:
    """Content as models and the Model Context Protocol have it, if it is one text."""
    if not isinstance(blocks, list) or len(blocks) != 1 or not isinstance(blocks[0], dict):
        return False
    text = blocks[0].get("text")
    return blocks[0].get("type") == "text" and isinstance(text, str) and _of_text(text, depth)


def _status_fails(found: dict[str, object]) -> bool:
    status = found.get("status")
    if isinstance(status, str) and status.lower() in FAILING:
        return True
    if any(_is_failure_number(found.get(name)) for name in ("statusCode", "status_code")):
        return True
    if not _is_failure_number(status) and not _is_failure_number(found.get("code")):
        return False
    return any(isinstance(found.get(name), str) for name in ("title", "detail", "message", "msg", "reason"))


def _is_failure_number(value: object) -> bool:
    return type(value) is int and 400 <= value <= 599


def _begins(line: str) -> bool:
    lower = line.lower()
    return bool(_BEGINS.match(lower) or _STATUS.match(lower) or _RAISED.match(line))


def _is_rows(head: str) -> bool:
    start = head[:_ALIKE].lower()
    if start == _TRACE:
        return False  # one may be the cause of the next
    lines = [line.lstrip(_DECORATION) for line in head.splitlines()[1:ROWS]]
    return any(line[:_ALIKE].lower() == start and _begins(line) for line in lines)


def _is_error_page(page: str) -> bool:
    for title in _TITLES.findall(page)[:2]:
        said = title.strip()
        if said in _TITLED or (_NUMBER.search(said) and _REASON.search(said)):
            return True
    return False


def _number(digits: str) -> object:
    return int(digits) if len(digits) < 20 else float(digits)  # Python refuses the longest


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is no JSON")
