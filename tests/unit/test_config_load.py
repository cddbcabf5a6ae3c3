"""A whole file: defaults, secrets from variables and files."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.config import ConfigError, check_text, load, render
from monitor.config.secret import SECRET_FILE_BYTES, SECRET_PATHS
from monitor.config.shape import fields_of, secret_keys
from monitor.signals import WATCHED
from schemas.config import Config, GitHub, Receiver, Runtime, Slack, Token, WebhookReceiver
from schemas.signals import SIGNALS

MINIMAL = """\
owners:
  payments: {slack: "#payments-oncall"}
defaults: {owner: payments}
"""

LONG = """\
owners:
  payments: {slack: "#payments-oncall", budget: 1 per week, notices: 1 per day, escalate: {after: 15m, to: platform}}
  platform: {slack: "#platform"}
components:
  - agent: refund-agent
    owner: payments
    depends_on: ["tool:issue_refund", "model:gpt-4o", "prompt:refund"]
    objectives: [{name: success, target: 97%, window: 30d}]
    contract:
      tools: {issue_refund: {version: "3", arguments: {type: object, required: [order_id]}}}
      limits: {steps: 20, duration: 90s, cost_usd: 0.50, tokens: 60000}
      outcomes: [resolved, escalated]
      claims: [{output_matches: "refund (has been|was) issued", requires_tool: issue_refund}]
  - {tool: issue_refund, owner: platform}
defaults: {owner: platform}
detectors: {}
route: {}
inhibit_rules: []
time_intervals: []
receivers: []
slack: {bot_token: "${SLACK_BOT_TOKEN}", app_token: "${SLACK_APP_TOKEN}"}
runtime: {}
tests: []
"""

TOKENS = {"SLACK_BOT_TOKEN": "xoxb-one", "SLACK_APP_TOKEN": "xapp-two"}


def _write(folder: Path, text: str) -> Path:
    path = folder / "forewarn.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_three_lines_are_a_configuration(tmp_path: Path) -> None:
    config = load(_write(tmp_path, MINIMAL), {})
    assert config.default_owner == "payments"
    assert config.owners["payments"].budget == pytest.approx(1 / (7 * 86400))
    assert all(problem.severity == "warning" for problem in check_text(MINIMAL, "f.yaml"))


def test_the_long_example_is_read_as_written(tmp_path: Path) -> None:
    config = load(_write(tmp_path, LONG), TOKENS)
    assert [component.key for component in config.components] == ["agent:refund-agent", "tool:issue_refund"]
    agent = config.components[0]
    assert agent.objectives[0].target == pytest.approx(0.97)
    assert agent.contract is not None
    assert agent.contract.limits.duration == 90.0
    assert config.slack.bot_token is not None
    assert config.slack.bot_token.get_secret_value() == "xoxb-one"


EVERYTHING = """\
owners: {a: {escalate: {after: 1m, to: b}}, b: {escalate: {after: 1m, to: a}}}
components:
  - {agent: x, owner: a, contract: {limits: {steps: 3}}, objectives: [{target: 97%}]}
inhibit_rules: [{source_matchers: [a=b], target_matchers: [c=d], equal: [agent]}]
time_intervals: [{name: night}]
route:
  routes:
    - receiver: r
      routes:
        - {group_by: [agent], group_wait: 5s, group_interval: 1m}
        - {mute_time_intervals: [night], active_time_intervals: [night]}
receivers: [{name: r}]
slack: {app_token: x}
"""


def test_a_file_with_every_part_has_no_errors() -> None:
    problems = check_text(EVERYTHING, "f.yaml")
    assert {problem.severity for problem in problems} <= {"warning"}, render(problems)


def test_empty_parts_are_not_spoken_of() -> None:
    assert not check_text("owners: {a: }\nroute: {}\ninhibit_rules: []\ntime_intervals: []\ntests: []\n", "f.yaml")


def test_an_owner_without_slack_and_receivers_is_fine() -> None:
    assert check_text("owners: {a: {}}\ncomponents: [{agent: x}]\n", "f.yaml") == []


def test_a_section_without_content_is_an_empty_one(tmp_path: Path) -> None:
    config = load(_write(tmp_path, "owners:\n  a:\nreceivers:\nruntime:\n  kafka:\n"), {})
    assert list(config.owners) == ["a"]
    assert config == Config(owners=config.owners)


# secrets


def test_a_missing_variable_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(_write(tmp_path, LONG), {"SLACK_BOT_TOKEN": "xoxb-one", "SLACK_APP_TOKEN": ""})
    assert [problem.message for problem in caught.value.problems if problem.severity == "error"] == [
        "the variable SLACK_APP_TOKEN is not set"
    ]


def test_check_does_not_need_the_secrets() -> None:
    """A file is checked in CI, where its tokens are not; there the variable is a warning."""
    problems = check_text(LONG, "f.yaml", {})
    assert {problem.severity for problem in problems} == {"warning"}
    assert "the variable SLACK_BOT_TOKEN is not set" in render(problems)
    assert "not set" not in render(check_text(LONG, "f.yaml"))


def test_a_secret_is_read_from_a_file_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("xoxb-from-file\n", encoding="utf-8")
    config = load(_write(tmp_path, "slack: {bot_token_file: token}\n"), {})
    assert config.slack.bot_token is not None
    assert config.slack.bot_token.get_secret_value() == "xoxb-from-file"


SECRET_PROBLEMS = [
    ("slack: {bot_token_file: nowhere}", "cannot read the secret's file: No such file or directory"),
    ("slack: {bot_token_file: empty}", "the secret's file is empty"),
    ("slack: {bot_token_file: binary}", "cannot read the secret's file: no text"),
    ("slack: {bot_token_file: large}", f"the secret's file is larger than {SECRET_FILE_BYTES} bytes"),
    ("slack: {bot_token: x, bot_token_file: empty}", "`bot_token` is given already; keep one"),
    ('slack: {bot_token: "${A B}"}', "`${…}` takes the name of a variable"),
    ('slack: {bot_token: "${A"}', "`${` without its `}`"),
    ('runtime: {directory: "${HOME}/x"}', "variables are read in fields for secrets only"),
    ('components:\n- {tool: x, owner: a, depends_on: ["tool:${T}"]}\nowners: {a: }', "variables are read in fields"),
    ('receivers: [{name: a, webhook_configs: [{url: "${BAD}"}]}]', "no address"),
]


@pytest.mark.parametrize(("text", "message"), SECRET_PROBLEMS)
def test_what_is_wrong_with_a_secret_is_said_without_it(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "empty").write_text(" \n", encoding="utf-8")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "large").write_text("x" * (SECRET_FILE_BYTES + 1), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(_write(tmp_path, text), {"HOME": "/root-of-secrets", "BAD": "ftp-secret", "A": "a-secret"})
    errors = [problem for problem in caught.value.problems if problem.severity == "error"]
    assert len(errors) == 1, str(caught.value)
    assert message in errors[0].message
    assert "secrets/" not in str(caught.value)
    assert "ftp-secret" not in str(caught.value)


LEAKS = [
    "slack: {bot_token: xoxb-SECRET, app_tokn: xapp-SECRET, base_url: x}",
    "slack: {bot_tokn: SECRET}",
    "slack: {bot_token: [SECRET]}",
    "slack: {bot_token: {SECRET: 1}}",
    "slack: {bot_token: |\n  SECRET\n  SECRET\n}",
    "slack:\n  bot_token: |\n    SECRET\n    SECRET\n  wrong: 1",
    "slack: {bot_token: xoxb-SECRET, : : }",
    "slack: {bot_token: SECRET",
    "#\x85slack:\u2028  {bot_token: SECRET, wrong: 1}",
    'receivers: [{name: a, webhook_configs: [{url: "https://user:SECRET@h/x", max: 1}]}]',
    'receivers: [{name: a, webhook_configs: [{url: "ftp://h/SECRET"}]}]',
    'runtime: {external_url: "ftp://user:SECRET@h"}',
]


@pytest.mark.parametrize("text", LEAKS)
def test_no_secret_is_shown(text: str) -> None:
    problems = check_text(text, "f.yaml", {})
    assert problems
    shown = render(problems) + repr(problems)
    assert "SECRET" not in shown, shown


def test_variables_are_not_shown_where_a_check_fails(tmp_path: Path) -> None:
    text = 'slack: {bot_token: "${T}", app_token: 5}\nreceivers: [{name: a, webhook_configs: [{url: "x${T}"}]}]\n'
    with pytest.raises(ConfigError) as caught:
        load(_write(tmp_path, text), {"T": "very-secret"})
    assert len(caught.value.problems) == 2
    assert "very-secret" not in str(caught.value) + repr(caught.value.problems)


def test_secret_fields_are_those_of_the_types() -> None:
    assert {
        *(f"slack.{key}" for key in secret_keys(Slack)),
        *(f"runtime.{key}" for key in secret_keys(Runtime)),
        *(f"runtime.tokens[].{key}" for key in secret_keys(Token)),
        *(f"receivers[].webhook_configs[].{key}" for key in secret_keys(WebhookReceiver)),
        *(f"changes.github.{key}" for key in secret_keys(GitHub)),
    } == set(SECRET_PATHS)
    assert not secret_keys(Receiver)


# files


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "nowhere.yaml", {})


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_bytes(b"owners:\n  a\xff: {}\n")
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    assert f"{path}:2:4: the file is no UTF-8 text" in str(caught.value)


def test_windows_line_ends_and_a_byte_order_mark_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_bytes(b"\xef\xbb\xbfowners:\r\n  a: {}\r\n")
    assert list(load(path, {}).owners) == ["a"]


def test_keys_of_the_types_are_those_of_the_design() -> None:
    """Sections are public; a renamed one breaks every user's file."""
    assert list(fields_of(Config)) == [
        "owners", "components", "defaults", "detectors", "slices", "rollout", "changes", "global", "route",
        "inhibit_rules", "time_intervals", "mute_time_intervals", "receivers", "slack", "runtime", "text", "tests",
    ]  # fmt: skip


def test_a_signal_is_said_to_be_watched_where_there_is_a_detector_for_it() -> None:
    assert {name for name, signal in SIGNALS.items() if signal.watched} == set(WATCHED)
