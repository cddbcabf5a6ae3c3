"""Every kind of problem: one row with the file, the place, and what is said."""

from __future__ import annotations

import pytest

from monitor.config import ConfigError, Problem, check_text, render
from monitor.config.problem import ALLOWED_SHOWN, nearest
from schemas.signals import SIGNALS


def _errors(text: str) -> list[Problem]:
    return [problem for problem in check_text(text, "f.yaml") if problem.severity == "error"]


TWO = "owners: {a: {}, b: {}}\n"
DOOR = "runtime: {kafka: {security: {"
NIGHT = "time_intervals:\n- {name: n, time_intervals: [{"
GITHUB = "changes: {github: {"
ROW = 'deployments: [{repository: a/b, component: "agent:x"}]'
SIGNED = GITHUB + "secret: a-secret-of-the-webhook, deployments: "
AGENT = "owners: {a: {}}\ncomponents:\n  - agent: x\n    "

ROWS = [
    # the shape
    ("componets: []", 1, 1, "unknown key `componets`", "components"),
    ("owners: {a: {bugdet: 1 per week}}", 1, 14, "unknown key `bugdet`", "budget"),
    ("owners: {a: {budget: 1 weak}}", 1, 22, "'1 weak' is no rate", None),
    ("owners: {a: {budget: 61 per minute}}", 1, 22, "more than one false alarm a second; write `1 per week`", None),
    ("owners: {a: {notices: 1000000 per day}}", 1, 23, "more than one false alarm a second", None),
    ("owners: [a]", 1, 1, "this must be a mapping, not a list", None),
    ("owners: {a: 5}", 1, 13, "this must be a mapping, not the number 5", None),
    ("owners: {a: {escalate: {to: a}}}", 1, 14, "`after` is missing here", None),
    ("owners: {a: {slack: #x\n}}", 1, 14, "has no value, because an unquoted `#` starts a comment", 'slack: "#x"'),
    ("owners: {a: {slack: }}", 1, 14, "`slack` has no value", None),
    ("runtime: {kind: embeded}", 1, 17, "`embeded` is not among the allowed words", "embedded"),
    ('runtime: {port: "80"}', 1, 17, "this must be a whole number, not the text `80`", None),
    ("runtime: {port: 70000}", 1, 17, "this must be at most 65535", None),
    ("runtime: {port: true}", 1, 17, "this must be a whole number, not `true`", None),
    ("runtime: {privacy: {excerpts: yes}}", 1, 31, "this must be `true` or `false`, not the text `yes`", None),
    ("runtime: {trace_timeout: 60}", 1, 26, "60 is no duration", None),
    ("runtime: {trace_timeout: 300y}", 1, 26, "longer than 292 years", None),
    ("runtime: {trace_grace: 60s}", 1, 24, "this must be shorter than `trace_timeout`", None),
    ("components:\n- {tool: 1.10}", 2, 10, "this must be text, not the number 1.10", '"1.10"'),
    ("components:\n- {tool: a, agent: b}", 2, 3, "a component has exactly one of agent, tool", None),
    ("receivers: [null]", 1, 13, "this item has no value", None),
    ("route: {receiver: a, continue: 3}\nreceivers: [{name: a}]", 1, 32, "this must be `true` or `false`", None),
    ("tests: 5", 1, 8, "this must be a list, not the number 5", None),
    (AGENT + "contract: {limits: {cost_usd: .inf}}", 4, 35, "this must be a finite number, not the number .inf", None),
    (AGENT + "contract: {limits: {cost_usd: .nan}}", 4, 35, "this must be a finite number, not the number .nan", None),
    # tokens
    ("runtime: {tokens: [{name: a, roles: [read]}]}", 1, 27, "this needs a `token` (or `token_file`)", None),
    ("runtime: {tokens: [{name: a b, token: x, roles: [read]}]}", 1, 27, "a name of its own, without spaces", None),
    ("runtime: {tokens: [{name: token, token: x, roles: [read]}]}", 1, 27, "a name of its own", None),
    ("runtime: {token: x, tokens: [{name: a, token: x, roles: [read]}]}", 1, 37, "has the same secret", None),
    ('runtime: {tokens: [{name: a, token: "", roles: [read]}]}', 1, 37, "an empty token opens nothing", None),
    ("runtime: {tokens: [{name: a, token: x, roles: [raed]}]}", 1, 48, "`raed` is not among the allowed words", "read"),
    ("runtime: {tokens: [{name: a, token: x, roles: []}]}", 1, 40, "at least 1", None),
    # rollouts
    ("rollout: {alpha: 50%}", 1, 18, "this must be at most 0.2", None),
    ("rollout: {alpha: 0}", 1, 18, "this must be at least 1e-06", None),
    ("rollout: {randomised: runs}", 1, 23, "`runs` is not among the allowed words", "run"),
    ("rollout: {randomised: off}", 1, 23, "`off` is not among the allowed words", None),
    ("rollout: {margin: 0%}", 1, 19, "this must be more than 0", None),
    ("rollout: {factor: 0.5}", 1, 19, "this must be at least 1", None),
    ("rollout: {minimum_runs: 0}", 1, 25, "this must be at least 1", None),
    ("rollout: {signals: []}", 1, 11, "at least 1", None),
    ("rollout: {signals: [run.faild]}", 1, 21, "`run.faild` is not among the allowed words", "run.failed"),
    ("rollout: {signals: [run.failed, run.failed]}", 1, 33, "`run.failed` stands here twice", None),
    (AGENT + "rollout: {margins: 2%}", 4, 15, "unknown key `margins`", "margin"),
    ("owners: {a: {}}\ncomponents:\n- {tool: t, rollout: {margin: 2%}}", 3, 13, "only an agent has versions", None),
    # changes
    ("changes: {grace: 0s}", 1, 18, "this must be longer than nothing", None),
    (GITHUB + ROW + "}}", 1, 19, "whoever may announce changes", None),
    (GITHUB + "secret: short, " + ROW + "}}", 1, 28, "can be guessed", None),
    (SIGNED + "[{repository: ab, component: \"agent:x\"}]}}", 1, 80, "write `owner/name`", None),
    (SIGNED + "[{repository: a/b, component: agnet:x}]}}", 1, 96, "`agnet:x` names no component", "agent:x"),
    (SIGNED + "[{repository: a/b, component: x}]}}", 1, 96, "`x` names no component", None),
    (SIGNED + "[]}}", 1, 53, "at least 1", None),
    (
        SIGNED + "[{repository: a/b, component: \"agent:x\"}, {repository: A/B, component: \"agent:x\"}]}}",
        1, 121, "this deployment means this component already", None,
    ),
    ("detectors: {change.unannounced: {mode: page}}", 1, 40, "never pages", None),
    ("detectors: {change.unannounced: {tolerance: 2}}", 1, 34, "is a fact and measures nothing", None),
    ("detectors: {change.unannounced: {reference: 2%}}", 1, 34, "is a fact and measures nothing", None),
    # owners
    ("owners: {a: {budget: 0 per week}}", 1, 22, "with a budget of 0 nothing may ever page", None),
    ("owners: {a: {slack: general}}", 1, 21, "no Slack channel", "#general"),
    ('owners: {a: {mention: "@ann"}}', 1, 23, "Slack mentions by id only", None),
    ("owners: {ann: {escalate: {after: 5m, to: anne}}}", 1, 42, "there is no owner `anne`", "ann"),
    ("owners: {a: {escalate: {after: 5m, to: a}}}", 1, 40, "this escalates to the owner itself", None),
    ("owners: {a: {}}\ndefaults: {owner: plat}", 2, 19, "there is no owner `plat`", None),
    # components
    (TWO + "components:\n- tool: x", 3, 9, "`tool:x` has no owner", None),
    ("components: [{tool: x}]", 1, 21, "`tool:x` has no owner; add `owners:` and name one", None),
    (TWO + "components:\n- {tool: x, owner: c}", 3, 20, "there is no owner `c`", None),
    (AGENT + "owner: a\n  - agent: x", 5, 12, "`agent:x` is declared twice, first on line 3", None),
    (AGENT + "depends_on: [refund]", 4, 18, "`refund` does not say of what kind it is", None),
    (AGENT + "depends_on: [tol:refund]", 4, 18, "there is no kind of component `tol`", "tool:refund"),
    (AGENT + 'depends_on: ["tool:"]', 4, 18, "names no component", None),
    (AGENT + "depends_on: [agent:x]", 4, 18, "depends on itself", None),
    (AGENT + "fallback: person", 4, 15, "`person` does not say of what kind it is", None),
    (AGENT + "fallback: modle:small", 4, 15, "there is no kind of component `modle`", "model:small"),
    (AGENT + "fallback: agent:x", 4, 15, "`agent:x` falls back to itself", None),
    ("ready: {require: [owners]}", 1, 19, "`owners` is not among the allowed words", "owner"),
    ("ready: {runs: 500}", 1, 15, "at most 200", None),
    (TWO + "backtest: {owners: {c: {pages: 1 per week}}}", 2, 21, "there is no owner", None),
    (TWO + "backtest: {must_catch: [{labels: {agent: x}, at: noon}]}", 2, 50, "'noon' is no moment", None),
    (TWO + "backtest: {must_catch: [{labels: {a: x}, at: 2026-01-05, within: 0s}]}", 2, 66, "longer than", None),
    (TWO + "backtest: {must_catch: [{labels: {}, at: 2026-01-05}]}", 2, 26, "at least 1", None),
    # objectives and contracts
    (AGENT + "objectives: [{target: 100%}]", 4, 27, "unreachable: at 100% the first failure breaks it", None),
    (AGENT + "objectives: [{target: 0%}]", 4, 27, "nothing can break a target of 0%", None),
    (AGENT + "objectives: [{target: 97}]", 4, 27, "97 is no share", None),
    (AGENT + "objectives: [{target: 97%, window: 5m}]", 4, 40, "unreachable: shorter than 1h", None),
    (AGENT + "objectives: [{target: 97%, window: 2y}]", 4, 40, "longer than a year", None),
    (AGENT + "objectives: [{target: 97%}, {target: 98%}]", 4, 33, "a second objective `success`", None),
    (AGENT + "objectives: [{target: 90%, burn: [3, 14.4]}]", 4, 42, "unreachable: 14.4 times 0.1", None),
    (AGENT + "objectives: [{target: 90%, burn: [1]}]", 4, 39, "a burn rate of 1 or less keeps the objective", None),
    (AGENT + "contract: {claims: [{output_matches: (, requires_tool: t}]}", 4, 42, "no regular expression", None),
    (AGENT + "contract: {tools: {send: {}}, claims: [{output_matches: x, requires_tool: sent}]}", 4, 79,
     "the contract has no tool `sent`", "send"),
    (AGENT + "contract: {tools: {pay: {arguments: {type: objekt}}}}", 4, 30, "no JSON Schema: type: 'objekt'", None),
    (AGENT + "contract: {tools: {pay: {arguments: {properties: {to: {pattern: (}}}}}}", 4, 30,
     "no JSON Schema: pattern: missing ): (", None),
    (AGENT + "contract: {tools: {pay: {arguments: {$ref: '#/$defs/none'}}}}", 4, 30, "is not in this schema", None),
    (AGENT + "contract: {tools: {pay: {arguments: {$ref: 'https://x/y'}}}}", 4, 30, "leads out of this schema", None),
    (AGENT + "contract: {tools: {send: {}}, effects: [{outcome: done, requires_tool: sent}]}", 4, 76,
     "the contract has no tool `sent`", "send"),
    (AGENT + "contract: {outcomes: [done], effects: [{outcome: don, requires_tool: send}]}", 4, 54,
     "the contract has no outcome `don`", "done"),
    (AGENT + "contract: {limits: {steps: 0}}", 4, 32, "this must be more than 0", None),
    ("owners: {a: {}}\ncomponents:\n- {tool: x, contract: {}}", 3, 13, "only an agent has a contract", None),
    # detectors
    ("detectors: {run.faild: {}}", 1, 13, "there is no signal `run.faild`", "run.failed"),
    ("detectors: {run.failed: {reference: 60 per hour}}", 1, 37, "`run.failed` is a share: write `2%`", None),
    ("detectors: {agent.traffic: {reference: 2%}}", 1, 40, "`agent.traffic` is a rate", None),
    ("detectors: {run.failed: {reference: 100%}}", 1, 37, "unreachable: nothing is worse than 100%", None),
    (
        "detectors: {run.tokens: {reference: 0.5}}", 1, 26,
        "what is normal of `run.tokens` is learned; set its `tolerance` or `material`", None,
    ),
    (
        "detectors: {objective.burn: {reference: 3%}}", 1, 30,
        "what is normal of `objective.burn` is the `target` of the objective", None,
    ),
    ("detectors: {agent.fallback: {reference: 60 per hour}}", 1, 41, "`agent.fallback` is a share: write `2%`", None),
    (
        "detectors: {agent.fallback: {method: river.drift.ADWIN, reference: 2%}}", 1, 57,
        "`river.drift.ADWIN` learns itself what is normal; write `reference` or `method`", None,
    ),
    ("detectors: {run.failed: {reference: 0}}", 1, 37, "nothing can be compared with 0", None),
    ("detectors: {run.failed: {tolerance: 0.5}}", 1, 37, "this must be at least 1", None),
    # routing
    ("route: {routes: [{matchers: ['a~b']}]}", 1, 30, "no matcher: ", None),
    ("route: {routes: [{matchers: ['a=~\"(\"']}]}", 1, 30, "no matcher: ", None),
    ("route: {routes: [{matchers: ['{a=b']}]}", 1, 30, "no matcher: ", None),
    ("receivers: [{name: slack}]\nroute: {receiver: slak}", 2, 19, "there is no receiver `slak`", "slack"),
    ("receivers: [{name: a}]\nroute: {receiver: a, routes: [{receiver: b}]}", 2, 42, "there is no receiver `b`", None),
    ("receivers: [{name: a}, {name: a}]", 1, 31, "a second receiver `a`", None),
    ("receivers: [{name: a, webhook_configs: [{}]}]", 1, 41, "a webhook needs `url` or `url_file`", None),
    ("receivers: [{name: a, webhook_configs: [{url: \"ftp://x\"}]}]", 1, 47, "no address", None),
    ("receivers: [{name: a, verdict_configs: [{secret: \"${S}\"}]}]", 1, 41, "a webhook needs `url`", None),
    ("receivers: [{name: a, verdict_configs: [{url: \"https://x\"}]}]", 1, 41, "is signed: give `secret`", None),
    ("receivers: [{name: a, verdict_configs: [{url: \"https://x\", secret: \"short\"}]}]", 1, 68, "too short", None),
    ("receivers: [{name: a, verdict_configs: [{url: \"https://x\", secret: \"whsec_not-base64-at-all\"}]}]", 1, 68,
     "must be base64", None),
    ("receivers: [{name: a}]\nroute: {receiver: a, matchers: ['a=b']}", 2, 22, "no `matchers` here", None),
    ("receivers: [{name: a}]\nroute: {receiver: a, group_interval: 0s}", 2, 38, "must be longer than nothing", None),
    ("receivers: [{name: a}]\nroute: {receiver: a, group_by: [x, '...']}", 2, 32, "stands alone", None),
    ("receivers: [{name: a}]\nroute: {receiver: a, group_by: [x, x]}", 2, 32, "`x` stands here twice", None),
    ("receivers: [{name: a}]\nroute: {receiver: a, routes: [{mute_time_intervals: [night]}]}", 2, 54,
     "there is no time interval `night`", None),
    ("receivers: [{name: a}]\nroute: {receiver: a, repeat_interval: 0s}", 2, 39, "must be longer than nothing", None),
    ("time_intervals: [{name: x}]\nroute: {mute_time_intervals: [x]}", 2, 9,
     "no `mute_time_intervals` here", None),
    ("owners: {payments: {}}\nroute: {receiver: payment}", 2, 19, "there is no receiver `payment`", "payments"),
    ("owners: {payments: {}}\nreport: {to: payment}", 2, 14, "there is no owner or receiver `payment`", "payments"),
    ("report: {weekly: mondays}", 1, 18, "`mondays` is not among the allowed words", "monday"),
    ("report: {hour: 24}", 1, 16, "this must be at most 23", None),
    ("slack: {complaints: [{channel: C123, emoji: [sos], agent: a}]}", 1, 21, "nobody hears of reactions", None),
    ('slack: {complaints: [{channel: "#help", emoji: [sos], agent: a}]}', 1, 32, "", None),
    ("global: {resolve_timeout: 0s}", 1, 27, "must be longer than nothing", None),
    ("inhibit_rules: [{source_matchers: ['a'], target_matchers: [b=c]}]", 1, 36, "no matcher: ", None),
    ("inhibit_rules: [{source_matchers: [a=b], target_matchers: ['b=~\"[\"']}]", 1, 60, "no matcher: ", None),
    ("inhibit_rules: [{source_matchers: [a=b], target_matchers: [b=c], equal: [x, x]}]", 1, 73,
     "`x` stands here twice", None),
    ("time_intervals: [{name: a}, {name: a}]", 1, 36, "a second time interval `a`", None),
    ("time_intervals: [{name: a}]\nmute_time_intervals: [{name: a}]", 2, 30, "a second time interval `a`", None),
    (NIGHT + "times: [{start_time: '9:00', end_time: '10:00'}]}]}", 2, 39, "`9:00` is no time of day", None),
    (NIGHT + "times: [{start_time: '10:00', end_time: '09:00'}]}]}", 2, 39, "is not before `09:00`", None),
    (NIGHT + "times: [{start_time: '10:00', end_time: '24:01'}]}]}", 2, 39, "`24:01` is no time of day", None),
    (NIGHT + "weekdays: [mon]}]}", 2, 42, "`mon` is no day of the week", None),
    (NIGHT + "weekdays: ['friday:monday']}]}", 2, 42, "ends before it begins", None),
    (NIGHT + "days_of_month: [0]}]}", 2, 47, "`0` is no day of the month", None),
    (NIGHT + "days_of_month: ['-3:1']}]}", 2, 47, "cannot end with a day from its start", None),
    (NIGHT + "days_of_month: ['30:-10']}]}", 2, 47, "always ends before it begins", None),
    (NIGHT + "months: [13]}]}", 2, 40, "`13` is no month", None),
    (NIGHT + "months: ['a:b:c']}]}", 2, 40, "is no range", None),
    (NIGHT + "years: ['2027:2026']}]}", 2, 39, "ends before it begins", None),
    (NIGHT + "location: Mars}]}", 2, 41, "`Mars` is no time zone", None),
    # Slack, runtime
    ("slack: {base_url: here}", 1, 19, "no address", None),
    ('runtime: {run_url: "https://x/runs"}', 1, 20, "no `{run}`", None),
    ("runtime: {host: 0.0.0.0}", 1, 17, "needs a `token`", None),
    ("runtime: {external_url: x}", 1, 25, "no address", None),
    ('runtime: {kafka: {topics: {events: "a b"}}}', 1, 36, "Kafka takes letters", None),
    ("runtime: {kafka: {topics: {events: forewarn.control}}}", 1, 36, "are the same topic", None),
    # the brokers' door
    (DOOR + "protocol: SASL_TLS}}}", 1, 40, "`SASL_TLS` is not among the allowed words", "SASL_SSL"),
    (DOOR + "mechanism: PLAIN}}}", 1, 30, "`mechanism` has no effect: the protocol PLAINTEXT shows no password", None),
    (DOOR + "protocol: SASL_SSL}}}", 1, 40, "SASL_SSL needs `mechanism` and `username` and `password`", None),
    (DOOR + "protocol: SASL_SSL, mechanism: PLAIN, username: u}}}", 1, 40, "SASL_SSL needs `password`", None),
    (DOOR + "protocol: SASL_SSL, mechanism: MD5, username: u, password: p}}}", 1, 61, "`MD5` is not among", None),
    (DOOR + 'protocol: SASL_SSL, mechanism: PLAIN, username: "", password: p}}}', 1, 78, "an empty username", None),
    (DOOR + "protocol: SASL_PLAINTEXT, mechanism: PLAIN, username: u, password: p, ca_file: c}}}", 1, 100,
     "`ca_file` has no effect: the protocol SASL_PLAINTEXT is in the open", None),
    (DOOR + "protocol: SSL, key_file: k}}}", 1, 45, "a key without its `certificate_file`", None),
    (DOOR + "protocol: SSL, username: u}}}", 1, 45, "`username` has no effect: the protocol SSL", None),
    (DOOR + "ca_fil: x}}}", 1, 30, "unknown key `ca_fil`", "ca_file"),
    ("runtime: {retention: {text: 0s}}", 1, 29, "must be longer than nothing", None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "column", "message", "suggestion"), ROWS)
def test_each_problem_is_told_once_at_its_place(
    text: str, line: int, column: int, message: str, suggestion: str | None
) -> None:
    problems = _errors(text)
    assert len(problems) == 1, render(problems)
    problem = problems[0]
    assert message in problem.message
    assert (problem.line, problem.column, problem.suggestion) == (line, column, suggestion), render(problems)


def test_all_problems_are_told_at_once() -> None:
    text = "owners: {a: {bugdet: 1}}\ncomponents:\n- {tool: 5}\n- {tool: x, owner: c}\nroute: {receiver: z}\ntests: 1\n"
    assert [problem.line for problem in _errors(text)] == [1, 3, 4, 5, 6]


FOLLOWING = [
    ("owners: 5\ncomponents: [{tool: x, owner: a}]", 1, "an unreadable section of owners makes no owner unknown"),
    ("owners: {a: 5}\ncomponents: [{tool: x, owner: a}]", 1, "an unreadable owner still has its name"),
    ("owners: {a: {}}\ncomponents: [{agent: 5}]", 1, "a component without its bad name is not told a second time"),
    ("owners: {a: {bugdet: 1, slack: general}}", 2, "what remains of a section is still checked"),
    ("owners: {a: {}, b: {}}\ndefaults: {owner: 5}\ncomponents: [{tool: x}]", 1, "a bad default is still a default"),
    ("receivers: 5\nroute: {receiver: a}", 1, "unreadable receivers make no receiver unknown"),
]


@pytest.mark.parametrize(("text", "count", "why"), FOLLOWING, ids=[row[2] for row in FOLLOWING])
def test_a_problem_is_not_told_twice_by_what_follows_from_it(text: str, count: int, why: str) -> None:
    assert len(_errors(text)) == count, why + "\n" + render(_errors(text))


def test_an_alias_shows_its_problem_once() -> None:
    text = "owners:\n  a: &o {bugdet: 1}\n  b: *o\n"
    assert [(problem.line, problem.path) for problem in _errors(text)][:1] == [(2, "owners.a.bugdet")]


WARNINGS = [
    ("owners: {a: {slack: '#x'}}", "without a `bot_token` under `slack` this goes to the console"),
    ("runtime: {host: 0.0.0.0, token: x}", "a token that others can try has 16 characters at least"),
    ("runtime: {host: '::', tokens: [{name: a, token: short, roles: [read]}]}", "this can be guessed"),
    ("runtime: {host: 0.0.0.0, token: '${FOREWARN_TOKEN}'}", ""),
    ("runtime: {host: 0.0.0.0, token: 0123456789abcdef}", ""),
    ("runtime: {token: x}", ""),
]


@pytest.mark.parametrize(("text", "message"), WARNINGS)
def test_a_warning_is_told_and_not_masked(text: str, message: str) -> None:
    problems = check_text(text, "f.yaml")
    assert {problem.severity for problem in problems} <= {"warning"}
    assert [message in problem.message for problem in problems] == [True] * bool(message), render(problems)


def test_the_length_of_a_token_is_told_where_it_is_read_from() -> None:
    (warning,) = check_text("runtime: {host: 0.0.0.0, token: '${T}'}", "f.yaml", {"T": "y"})
    assert (warning.column, warning.severity) == (33, "warning") and "y" not in warning.source


def test_rendering_marks_the_word() -> None:
    text = "owners:\n  payments: {budgt: 1 per week}\n"
    assert render(check_text(text, "forewarn.yaml")) == (
        "forewarn.yaml:2:14: unknown key `budgt`\n"
        "  2 |   payments: {budgt: 1 per week}\n"
        "    |              ^^^^^ did you mean `budget`?"
    )


def test_rendering_lines_up_under_tabs_and_wide_characters() -> None:
    text = 'owners: {"支\t払": {bugdet: 1}}\n'
    _, source, caret = render(check_text(text, "f.yaml")).splitlines()
    assert source.index("bugdet") + 2 == caret.index("^")  # two wide characters take two columns more
    assert "\t" in caret


def test_a_long_line_is_shown_around_the_place() -> None:
    text = "owners: {" + "a: {}, " * 0 + ", ".join(f"a{n}: {{}}" for n in range(100)) + ", z: {bugdet: 1}}\n"
    first, source, caret = render(check_text(text, "f.yaml")).splitlines()
    assert "unknown key" in first
    assert len(source) < 200
    at = caret.index("^")
    assert source[at : at + 6] == "bugdet"


def test_many_allowed_words_are_counted() -> None:
    assert f"and {len(SIGNALS) - ALLOWED_SHOWN} more" in render(check_text("detectors: {xyzzy: {}}\n", "f.yaml"))


def test_the_error_holds_what_is_printed() -> None:
    problems = check_text("x: 1", "f.yaml")
    assert str(ConfigError(problems)) == render(problems)


def test_nearest_ignores_case_and_gives_up_on_strangers() -> None:
    assert nearest("Budget", ["budget", "notices"]) == "budget"
    assert nearest("xyz", ["budget", "notices"]) is None
