"""What says that a tool failed while its call is ok, and what only looks like it: monitor and SDK read the same."""

from __future__ import annotations

import json
from typing import Any

import pytest
from forewarn import record
from forewarn.text import soft_errors
from hypothesis import given
from hypothesis import strategies as st

from schemas.event import raw
from schemas.texts import derive
from schemas.texts import soft_errors as ours
from schemas.texts.soft_errors import Beginnings

PAGE = "<!DOCTYPE html>\n<html>\n<head><title>{}</title></head>\n<body>{}</body></html>"
TEXT = {"type": "text", "text": "x"}
TRACEBACK = """Traceback (most recent call last):
  File "tool.py", line 3, in <module>
    raise ValueError("no")
ValueError: no"""

FAILED: list[tuple[str, Any]] = [
    ("a top-level error", {"error": "no such order"}),
    (
        "isError of the Model Context Protocol, with content",
        {"content": [TEXT], "isError": True},
    ),
    ("is_error of a message's tool result", {"type": "tool_result", "is_error": True, "content": "boom"}),
    ("status error (JSend)", {"status": "error", "message": "Unable to communicate with database"}),
    ("status fail (JSend)", {"status": "fail", "data": {"title": "A title is required"}}),
    ("status error (Agent Development Kit)", {"status": "error", "error_message": "no weather there"}),
    ("status error and nothing else", {"status": "Error"}),
    ("success false", {"success": False}),
    ("ok false", {"ok": False, "description": "chat not found"}),
    ("successful false", {"successful": False, "data": {}}),
    ("the status of HTTP in an answer of a function", {"statusCode": 500, "body": "..."}),
    ("the same in other letters", {"status_code": 429}),
    ("a problem document (RFC 9457)", {"type": "about:blank", "title": "Forbidden", "status": 403}),
    ("a code with its message", {"code": 500, "msg": "internal"}),
    ("a function that raised (Lambda)", {"errorMessage": "division by zero", "errorType": "ZeroDivisionError"}),
    ("GraphQL without data", {"data": None, "errors": [{"message": "x"}]}),
    ("JSON in a string", '{"success": false}'),
    ("a text", "Error: connection refused"),
    ("a text in capitals", "ERROR: El RUT no existe"),
    ("a text without more", "error"),
    ("a text with a mark before it", "**Error:** no such file"),
    ("a text with a sign before it", "❌ Error: no such file"),
    ("a traceback", TRACEBACK),
    ("tracebacks in a row", f"{TRACEBACK}\n\nDuring handling of it:\n\n{TRACEBACK}"),
    ("an exception by its class", "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='x')"),
    ("an exception by its class and repr", "ToolException('no')"),
    ("a Java exception", "java.lang.NullPointerException: Cannot invoke\n\tat com.x.Y.z(Y.java:3)"),
    ("what the OpenAI Agents SDK says", "An error occurred while running the tool. Please try again. Error: boom"),
    ("what LangGraph says", "Error: ValueError('x')\n Please fix your mistakes."),
    ("what FastMCP says", "Error executing tool add: 1 validation error"),
    ("what the protocol's own library says", "MCP error -32602: Tool x not found"),
    (
        "what CrewAI says",
        "I encountered an error while trying to use the tool. This was the error: x.\n Tool y accepts",
    ),
    ("what a shell says", "permission denied"),
    ("what a socket says", "Connection refused"),
    ("a line of HTTP", "502 Bad Gateway"),
    ("a line of a client", "404 Client Error: Not Found for url: https://x"),
    ("an error of a client", "HTTP Error 503: Service Unavailable"),
    ("another language", "Fehler: Verbindung abgelehnt"),
    ("a page of nginx", PAGE.format("502 Bad Gateway", "<h1>502 Bad Gateway</h1>")),
    ("a page of Tomcat", PAGE.format("HTTP Status 500 - Internal Server Error", "")),
    ("a page of a content network", PAGE.format("example.com | 504: Gateway time-out", "")),
    ("a page titled Error", PAGE.format("Error", "<pre>Cannot GET /x</pre>")),
    ("a text inside content", {"content": [{"type": "text", "text": "Error executing tool x: y"}]}),
    ("JSON inside content", {"content": [{"type": "text", "text": '{"error": "x"}'}], "isError": False}),
    ("a list that is one text", [{"type": "text", "text": "Error: x"}]),
    ("a text that is all of the result", {"result": "Error: connection refused"}),
]

GOOD: list[tuple[str, Any]] = [
    ("no errors", {"errors": []}),
    ("errors beside data, as partial results have them", {"data": {"a": 1}, "errors": [{"message": "x"}]}),
    ("what a linter found", {"errors": [{"line": 3, "message": "unused"}], "warnings": 2}),
    ("a share of errors", {"error_rate": 0.1}),
    ("a number of errors", {"error_count": 3, "errors": 3}),
    ("an error that is null", {"error": None, "result": 5}),
    ("a status that only begins so", {"status": "error_resolved"}),
    ("a status of a payment", {"status": "failed", "amount": 3}),
    ("a thing that was found, and its status", {"id": "job-1", "status": "error", "message": "disk full"}),
    ("a code that is well", {"code": 200, "message": "ok"}),
    ("a code that is a number like others", {"code": 404, "name": "Peugeot"}),
    ("a small code of another kind", {"code": 5, "message": "five"}),
    ("a status that is well", {"statusCode": 204}),
    ("a number of characters", {"status": 500, "size": 3}),
    ("success told in words", {"success": "false"}),
    ("a successful answer", {"success": True, "ok": True}),
    ("rows of a search that hold errors", {"rows": [{"level": "error", "error": "x", "ok": False}]}),
    ("rows alone", [{"error": "x"}, {"success": False}]),
    ("rows of a log", "Error: disk full\nError: disk full\nError: no route"),
    ("rows of a log with times", "2026-01-01 ERROR: disk full\n2026-01-02 ERROR: disk full"),
    ("a log's level", "ERROR 2026-01-01 disk full"),
    ("a text about errors", "Errors are values in Go. Error: is a type"),
    ("a text about handling them", "Error handling in Go differs from exceptions"),
    ("errors in the middle", "All 5 jobs ran.\nError: none"),
    ("a text about permissions", "Permission denied errors happen when a file belongs to root"),
    ("a word that ends so", "Terror: a short history"),
    ("a class of an exception, explained", "ValueError is raised when an argument has the right type"),
    ("a house number", "404 Not So Far Road"),
    ("a page about errors", PAGE.format("Error handling in Go", "<h1>Error handling</h1> 500 Internal Server Error")),
    ("a page with a number", PAGE.format("500 recipes for two", "<h1>All of them</h1>")),
    ("several texts", {"content": [{"type": "text", "text": "Error: x"}, {"type": "text", "text": "y"}]}),
    ("a ticket that speaks of an error", {"subject": "help", "message": "Error: my printer is on fire"}),
    ("empty", ""),
    ("nothing", None),
    ("empty content", {"content": []}),
    ("a number", 500),
]  # fmt: skip


@pytest.mark.parametrize(("sentence", "result"), FAILED, ids=[row[0] for row in FAILED])
def test_it_says_that_it_failed(sentence: str, result: Any) -> None:
    assert derive.soft_error(raw(result)) is True, sentence
    assert derive.soft_error(json.dumps(json.dumps(result)).encode()) is True or isinstance(result, str), sentence
    assert record.says_error(result) is True, sentence


@pytest.mark.parametrize(("sentence", "result"), GOOD, ids=[row[0] for row in GOOD])
def test_it_says_no_such_thing(sentence: str, result: Any) -> None:
    assert derive.soft_error(raw(result)) is False, sentence
    assert record.says_error(result) is False, sentence


def test_both_sides_know_the_same_conventions() -> None:
    assert soft_errors.ERRORS == ours.ERRORS
    assert tuple(word.encode() for word in soft_errors.FAILING) == ours.FAILING
    assert (soft_errors.HEAD, soft_errors.WRAPPED, soft_errors.ROWS) == (ours.HEAD, ours.WRAPPED, ours.ROWS)


verdicts = st.none() | st.booleans() | st.integers(399, 600) | st.sampled_from(["", "error", "Fail", "ok", "Error: x"])
wrapped = st.sampled_from(
    [[], [{"type": "text", "text": "Error: x"}], [{"type": "text", "text": '{"ok": false}'}], [1]]
)
places = sorted(
    {*soft_errors.VERDICTS, "errors", "data", "errorMessage", "message", "msg", "content", "result", "output"}
)
objects = st.dictionaries(st.sampled_from(places), verdicts | wrapped, max_size=4)
texts = st.lists(st.sampled_from(["Error", ": ", "ValueError", "\n", "permission denied", " ", "502 Bad Gateway", "a"]))


@given(result=objects | texts.map("".join) | st.builds(json.dumps, objects))
def test_both_sides_read_the_same(result: Any) -> None:
    assert derive.soft_error(raw(result)) is record.says_error(result)


def test_a_list_of_yours_replaces_the_phrases() -> None:
    mine = Beginnings(["computer says no*", "nope"])
    assert mine.found("Computer says no, sorry") and mine.found("Nope: x")
    assert not mine.found("Nope of ours") and not mine.found("Error: x")
    assert not Beginnings([]).found("Error: x")
