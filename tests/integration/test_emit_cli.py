"""`forewarn emit` against a real HTTP server: what is sent, what is refused, and how it ends."""

import http.server
import json
import threading

import pytest
from click.testing import CliRunner

from monitor.cli import cli
from schemas import event


class Server:
    """Takes events like the intake; `answers` come first."""

    def __init__(self) -> None:
        server = self
        self.answers: list[tuple[int, bytes]] = []
        self.bodies: list[bytes] = []
        self.requests: list[dict[str, str]] = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                server.requests.append({**self.headers, "path": self.path})
                status, answer = server.answers.pop(0) if server.answers else (200, b"{}")
                self.send_response(status)
                self.send_header("Location", "/elsewhere")
                self.send_header("Retry-After", "0")
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def events(self) -> list[event.Event]:
        return [event.decode(line) for body in self.bodies for line in body.splitlines()]

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server():
    server = Server()
    yield server
    server.stop()


def emit(server, *arguments, input=None, **environment):
    environment = {"FOREWARN_ENDPOINT": server.endpoint, "FOREWARN_TOKEN": "", **environment}
    return CliRunner().invoke(cli, ["emit", *arguments], input=input, env=environment)


def test_a_change(server) -> None:
    options = ["--version", "v13", "--previous", "v12", "--stage", "canary", "--share", "0.1", "--author", "ada"]
    options += ["--url", "https://x/1"]
    result = emit(server, "change", "prompt:refund", *options, FOREWARN_TOKEN="s3cret")
    assert result.exit_code == 0, result.output
    assert result.output.startswith("sent 1 event (change, id ")
    (sent,) = server.events()
    assert (sent.kind, sent.component, sent.version, sent.previous) == ("change", "prompt:refund", "v13", "v12")
    assert (sent.stage, sent.share, sent.author, sent.url) == ("canary", 0.1, "ada", "https://x/1")
    assert server.requests[0]["Authorization"] == "Bearer s3cret"
    assert server.requests[0]["path"] == "/v1/events"


def test_a_complaint_from_standard_input_with_a_time(server) -> None:
    arguments = ["complaint", "--agent", "refund-agent", "--time", "2026-01-02T03:04:05Z", "-"]
    result = emit(server, *arguments, input="No money.\n")
    assert result.exit_code == 0, result.output
    (sent,) = server.events()
    assert (sent.agent, bytes(sent.text), sent.at) == ("refund-agent", b'"No money."', 1767323045.0)


def test_events_from_standard_input_go_in_one_request(server) -> None:
    lines = '{"kind":"heartbeat","producer":"ci"}\n\n{"kind":"complaint","user":"u","text":"Ü","id":"mine","time":5}\n'
    result = emit(server, "event", "-", "--json", input=lines)
    assert json.loads(result.output)["sent"] == 2
    assert json.loads(result.output)["ids"][1] == "mine"
    assert len(server.bodies) == 1
    assert [each.kind for each in server.events()] == ["heartbeat", "complaint"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["change", "promt:x", "--version", "1"], "did you mean `prompt:x`?"),
        (["change", "prompt:", "--version", "1"], "component: 'prompt:' is not one of"),
        (["change", "prompt:x", "--version", "1", "--share", "3"], "share: 3 is not between 0 and 1"),
        (["change", "prompt:x", "--version", "1", "--time", "soon"], "time: "),
        (["change", "prompt:x", "--version", "1", "--url", "x" * 3000], "url: "),
        (["complaint", "no"], "one of agent, run, session, user is needed"),
        (["event", "{"], "no JSON"),
        (["event", "[]"], "expected an object, found list"),
        (["event", '{"kind":"run_finished","run":"x","agent":"a","duration_seconds":NaN}'], "forewarn: NaN is no JSON"),
        (["event", '{"kind":"run_finished","run":"x","agent":"a","cost_usd":-Infinity}'], "-Infinity is no JSON"),
        (["event", '{"kind":"run_finished","run":"x","agent":"a","cost_usd":Infinity}'], "forewarn: Infinity is no"),
        (["event", "{}"], "kind: missing"),
        (["event", '{"kind":"tool_cal"}'], "did you mean 'tool_call'?"),
        (["event", '{"kind":"forewarn.tick"}'], "is no kind of event"),
        (["event", '{"kind":"tool_call","agent":"a","run":"r"}'], "tool: field required"),
        (["event", '{"kind":"heartbeat","producer":"p","status":"fine"}'], "status: "),
        (["event", '{"kind":"heartbeat","producer":"p","duration_seconds":-1}'], "duration_seconds: "),
        (["event", '{"kind":"llm_call","agent":"a","run":"r","input_tokens":-1}'], "input_tokens: "),
    ],
)
def test_what_is_not_good_is_said_and_not_sent(server, arguments, says) -> None:
    result = emit(server, *arguments)
    assert result.exit_code == 1
    assert says in result.output
    assert server.bodies == []
    shown = json.loads(emit(server, *arguments, "--json").output)
    assert (shown["ok"], shown["sent"]) == (False, 0)


def test_one_bad_line_stops_all_and_every_bad_line_is_named(server) -> None:
    result = emit(server, "event", "-", input='{"kind":"heartbeat","producer":"p"}\n{bad\n{"kind":"change"}\n')
    assert result.exit_code == 1
    assert [line.split(":")[1] for line in result.output.splitlines()] == [" line 2", " line 3", " line 3"]
    assert server.bodies == []


@pytest.mark.parametrize(
    ("status", "answer", "code", "says"),
    [
        (
            200,
            b'{"accepted":0,"rejected":[{"index":0,"reason":"too_long","detail":"run"}]}',
            1,
            "refused it: too_long: run",
        ),
        (200, b'{"accepted":0,"skipped":1,"rejected":[]}', 1, "refused it: 1 of a kind that it does not know"),
        (400, b'{"error": "bad things"}', 1, "the monitor refused it (HTTP 400): bad things"),
        (401, b"", 2, "wants a token (HTTP 401): set FOREWARN_TOKEN"),
        (403, b'{"error": "not the role `emit`"}', 2, "refuses this (HTTP 403): not the role `emit`"),
        (403, b"", 2, "refuses this (HTTP 403): the token has not the role for it"),
        (307, b"", 2, "answered HTTP 307"),
        (500, b"oh", 2, "answered HTTP 500: oh"),
    ],
)
def test_what_the_monitor_says_is_passed_on(server, status, answer, code, says) -> None:
    server.answers = [(status, answer)]
    result = emit(server, "complaint", "--agent", "a", "x")
    assert result.exit_code == code
    assert says in result.output
    assert len(server.bodies) == 1


def test_a_busy_monitor_is_asked_again_with_the_same_id(server) -> None:
    server.answers = [(503, b""), (429, b"")]
    assert emit(server, "complaint", "--agent", "a", "x").exit_code == 0
    assert len({each.id for each in server.events()}) == 1
    assert len(server.bodies) == 3


def test_no_monitor_there(server) -> None:
    server.stop()
    result = emit(server, "complaint", "--agent", "a", "x")
    assert result.exit_code == 2
    assert "Connection refused; is the monitor running?" in result.output
    result = emit(server, "complaint", "--agent", "a", "x", "--endpoint", "localhost:4319")
    assert result.exit_code == 2
    assert "it is no http or https address" in result.output
