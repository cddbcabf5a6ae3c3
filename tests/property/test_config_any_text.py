"""Whatever the file says, the check answers with problems at places of the file; it never fails itself."""

from __future__ import annotations

import json
import re
import string
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitor.config import Problem, check_text, render

FILE = """\
owners:
  payments: {slack: "#payments-oncall", budget: 1 per week, escalate: {after: 15m, to: platform}}
  platform: {slack: "#platform"}
components:
  - agent: refund-agent
    owner: payments
    depends_on: ["tool:issue_refund", "model:gpt-4o"]
    objectives: [{name: success, target: 97%, window: 30d}]
    contract:
      tools: {issue_refund: {version: "3", arguments: {type: object}}}
      limits: {steps: 20, duration: 90s}
      claims: [{output_matches: "refund (has|was)", requires_tool: issue_refund}]
defaults: &d {owner: platform}
detectors: {run.failed: {reference: 2%, tolerance: 1.25}, agent.traffic: {reference: 60 per hour}}
route: {routes: [{receiver: x, matchers: ['a="b"'], group_by: [agent]}]}
receivers: [{name: x, webhook_configs: [{url: "${URL}"}], slack_configs: [{channel: "#a"}]}]
slack: {bot_token: "${SLACK_BOT_TOKEN}"}
runtime: {kind: kafka, retention: {text: 1d}, kafka: {topics: {events: e}}}
"""
PIECES = [
    "",
    "null",
    "[]",
    "{}",
    "5",
    "1.5",
    "true",
    "'x'",
    "*d",
    "&d ",
    "<<: *d",
    "${X}",
    ": ",
    "- ",
    "#",
    "\n",
    "\t",
    "  ",
    "!!int ",
]


def _look(text: str) -> list[Problem]:
    problems = check_text(text, "f.yaml", {})
    lines = re.split("\r\n|[\n\r\x85\u2028\u2029]", text)  # as PyYAML counts
    for problem in problems:
        assert 1 <= problem.line <= len(lines), problem
        assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1, problem
        assert problem.message
    assert len(render(problems).splitlines()) >= len(problems)
    return problems


def test_the_file_itself_is_good() -> None:
    assert {problem.severity for problem in _look(FILE)} == {"warning"}


@given(
    st.lists(
        st.tuples(
            st.integers(0, len(FILE)), st.integers(0, 40), st.one_of(st.sampled_from(PIECES), st.text(max_size=4))
        ),
        min_size=1,
        max_size=3,
    )
)
@settings(max_examples=400, deadline=None)
def test_a_damaged_file(cuts: list[tuple[int, int, str]]) -> None:
    text = FILE
    for at, length, piece in cuts:
        text = text[:at] + piece + text[at + length :]
    _look(text)


_words = st.sampled_from(
    ["owners", "a", "slack", "budget", "components", "agent", "tool", "owner", "depends_on", "objectives", "target",
     "contract", "claims", "detectors", "run.failed", "reference", "route", "routes", "receiver", "receivers", "name",
     "webhook_configs", "url", "runtime", "kafka", "topics", "events", "bot_token", "bot_token_file", "tests"]
)  # fmt: skip
_scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(string.printable, max_size=6), _words
)
_values: st.SearchStrategy[Any] = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_words, inner, max_size=4), max_leaves=25
)


@given(st.dictionaries(_words, _values, max_size=5))
@settings(max_examples=300, deadline=None)
@example({"receivers": [{"name": "a"}, {"name": None}, {"name": "a"}], "route": {"receiver": 5}})
@example({"components": [{"agent": "x", "tool": "y"}, {"agent": 5}, {"agent": "z", "depends_on": [None, 5, "x"]}]})
@example({"components": [{"agent": "x", "contract": {"claims": [{}, {"output_matches": "("}]}, "objectives": [{}]}]})
def test_any_values_under_any_keys(values: dict[str, Any]) -> None:
    _look(json.dumps(values))


@given(st.text(max_size=60))
@settings(max_examples=200, deadline=None)
@example("\r0")
@example("\x85bot_token: xoxb-1")
def test_any_text(text: str) -> None:
    _look(text)
