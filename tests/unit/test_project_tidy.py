"""House style as rules over the source. A rule is a function from a file to complaints, and has a row that breaks it.

What ruff and import-linter can say is said there (`pyproject.toml`). These rules are about this project: which packages
are pure, who reads the environment and the clock, how large things may grow, which names mean nothing.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULE_LINES = 400
FOLDER_MODULES = 9
# One noun each, one detector each with their registry; a folder inside would say less than the tenth name.
MORE_MODULES = {"schemas": 13, "detectors": 10}
CODE = ("schemas/", "detectors/", "monitor/", "sdk/src/", "forewarn_server.py")
PURE = ("schemas/", "detectors/", "monitor/")
EDGES = tuple(
    f"monitor/{part}"
    for part in ("config/", "intake/", "runtime/", "notify/", "web/", "app", "serving/", "history", "demo/", "cli/")
)
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc"}
IMPURE_MODULES = {
    "time", "random", "secrets", "os", "io", "pathlib", "shutil", "tempfile", "socket", "ssl", "select", "logging",
    "threading", "_thread", "multiprocessing", "concurrent", "asyncio", "subprocess", "signal", "sqlite3", "uuid",
    "urllib.request", "http", "aiohttp", "requests", "faust", "kafka", "aiokafka", "slack_sdk", "importlib", "sys",
}  # fmt: skip
IMPURE_CALLS = {"open", "print", "input", "exec", "eval", "__import__", "breakpoint"}
NOW = {"now", "utcnow", "today"}
ENVIRONMENT_READERS = {
    "monitor/cli/environment.py",
    "monitor/demo/process.py",  # hands a child process its variables, cleaned
    "sdk/src/forewarn/http_transport.py",
}
CLOCK_READERS = {"monitor/runtime/clock.py", "monitor/cli/emit.py", "monitor/demo/fleet.py"}
REMEDY = re.compile(r"\b(install|unset|set|run|start|needs?)\b")
# Written in parts, so that this file does not name what it forbids.
REGISTRIES = [
    ".".join(parts.split())
    for parts in (
        "pypi org",
        "files pythonhosted org",
        "registry npmjs org",
        "repo maven apache org",
        "repo1 maven org",
        "crates io",
        "proxy golang org",
        "deb debian org",
        "playwright azureedge net",
    )
]
MACHINE_PATHS = ["/" + "work" + "/", "/" + "root" + "/", "/home" + "/"]

Rule = Callable[[str, str], Iterator[str]]


def is_code(path: str) -> bool:
    return path.endswith(".py") and path.startswith(CODE)


def is_pure(path: str) -> bool:
    return path.endswith(".py") and path.startswith(PURE) and not path.startswith(EDGES)


def module_length(path: str, text: str) -> Iterator[str]:
    """A module that one cannot read in one sitting is two modules."""
    count = text.count("\n")
    if path.endswith(".py") and count > MODULE_LINES:
        yield f"{count} lines; at most {MODULE_LINES}"


def module_docstring(path: str, text: str) -> Iterator[str]:
    """A module starts with what it is."""
    if path.endswith(".py") and text.strip() and not (ast.get_docstring(ast.parse(text)) or "").strip():
        yield "no docstring"


def empty_name(path: str, text: str) -> Iterator[str]:  # noqa: ARG001 (a rule takes both)
    """A name that says nothing collects everything."""
    for part in Path(path).with_suffix("").parts:
        if part in EMPTY_NAMES:
            yield f"`{part}` names nothing"


def purity(path: str, text: str) -> Iterator[str]:
    """No clock, I/O, randomness, threads or logging in the core."""
    if not is_pure(path):
        return
    for node in ast.walk(ast.parse(text)):
        for name in _imported(node):
            if {name, name.split(".")[0]} & IMPURE_MODULES:
                yield f"line {node.lineno}: imports {name}"  # type: ignore[attr-defined]
        if isinstance(node, ast.Call):
            call = ast.unparse(node.func)
            if call in IMPURE_CALLS:
                yield f"line {node.lineno}: calls {call}"
            if isinstance(node.func, ast.Attribute) and node.func.attr in NOW and not node.args:
                yield f"line {node.lineno}: calls {call}"


def environment(path: str, text: str) -> Iterator[str]:
    """The environment is read in one place of the server, and in one of the SDK."""
    if not is_code(path) or path in ENVIRONMENT_READERS:
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "environb", "getenv"):
            yield f"line {node.lineno}: reads the environment"
        if isinstance(node, ast.ImportFrom) and node.module == "os":
            for alias in node.names:
                if alias.name in ("environ", "getenv"):
                    yield f"line {node.lineno}: reads the environment"


def clock(path: str, text: str) -> Iterator[str]:
    """The server has one wall clock; commands that stamp what they send are the exception."""
    if not is_code(path) or path.startswith("sdk/") or path in CLOCK_READERS:
        return
    tree = ast.parse(text)
    # A default of a parameter is a clock that the caller replaces.
    defaults = {id(value) for node in ast.walk(tree) if isinstance(node, ast.arguments) for value in _defaults(node)}
    for node in ast.walk(tree):
        if id(node) in defaults:
            continue
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ("time.time", "time.time_ns", "time.localtime"):
            yield f"line {node.lineno}: reads the clock"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in NOW:
            owner = ast.unparse(node.func.value).split(".")[-1]
            if owner in ("datetime", "date"):
                yield f"line {node.lineno}: reads the clock"
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            yield f"line {node.lineno}: write `time.monotonic()`, so that one sees which clock it is"


def unfinished(path: str, text: str) -> Iterator[str]:
    """What is left to do is an issue, not a comment."""
    if path.endswith(".md") or path == "tests/unit/test_project_tidy.py":
        return
    for number, line in enumerate(text.splitlines(), 1):
        if re.search(r"\b(TODO|FIXME|XXX|HACK)\b", line):
            yield f"line {number}: {line.strip()[:60]}"


def bare_exception_from_a_rule(path: str, text: str) -> Iterator[str]:
    """A rule is broken by name: `noqa: CODE`, `type: ignore[code]`."""
    if path.endswith(".py"):
        for number, line in enumerate(text.splitlines(), 1):
            if re.search(r"#\s*(noqa(?!:)|type:\s*ignore(?!\[))", line):
                yield f"line {number}: names no rule"


def skip_without_remedy(path: str, text: str) -> Iterator[str]:
    """Who skips says how to make it run; a reason that is worked out stands where CI fails instead."""
    if not path.startswith(("tests/", "sdk/tests/")) or not path.endswith(".py"):
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("skip", "skipif", "importorskip"):
            if not ast.unparse(node.func).startswith("pytest."):
                continue
            words = [
                part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)
            ]
            if not words and "CI" in text:
                continue
            if not REMEDY.search(" ".join(words)):
                yield f"line {node.lineno}: the reason names no remedy"
        elif (
            isinstance(node, ast.Attribute)
            and ast.unparse(node) == "pytest.mark.skip"
            and f"{'pytest.mark.skip'}(" not in text
        ):
            yield f"line {node.lineno}: a skip without a reason"


def foreign_host(path: str, text: str) -> Iterator[str]:
    """No registry's host and no machine's path: both are someone's set-up, not the project."""
    if path == "LICENSE":
        return
    for word in REGISTRIES:
        if word in text:
            yield f"names the registry {word}"
    for word in MACHINE_PATHS:
        if re.search(rf"(?<![\w.]){re.escape(word)}", text):
            yield f"names a path of one machine: {word}"


RULES: tuple[Rule, ...] = (
    module_length,
    module_docstring,
    empty_name,
    purity,
    environment,
    clock,
    unfinished,
    bare_exception_from_a_rule,
    skip_without_remedy,
    foreign_host,
)


def folder_size(paths: list[str]) -> Iterator[str]:
    """A folder that one cannot take in at a glance is two folders."""
    sizes = Counter(
        str(Path(path).parent) for path in paths if is_code(path) and "/" in path and Path(path).name != "__init__.py"
    )
    for folder, count in sizes.items():
        most = MORE_MODULES.get(folder, FOLDER_MODULES)
        if count > most:
            yield f"{folder}: {count} modules; at most {most}"


def twin_test_names(paths: list[str]) -> Iterator[str]:
    """Test modules are imported by their name alone."""
    names = Counter(Path(path).name for path in paths if Path(path).name.startswith("test_"))
    for name, count in names.items():
        if count > 1:
            yield f"{name}: {count} times"


def test_folder_like_a_package(paths: list[str]) -> Iterator[str]:
    """`tests/detectors` would shadow `detectors`; an `__init__.py` would make tests a package."""
    for path in paths:
        parts = Path(path).parts
        if parts[0] == "tests" and (
            parts[-1] == "__init__.py" or {"schemas", "detectors", "monitor"} & set(parts[1:2])
        ):
            yield path


test_folder_like_a_package.__test__ = False  # type: ignore[attr-defined]


def missing_layers(paths: list[str], layers: list[str]) -> Iterator[str]:
    """Every part of monitor/ has its place in the import contract."""
    placed = {name.strip("() ") for layer in layers for name in re.split(r"[:|]", layer)}
    for path in paths:
        if path.startswith("monitor/") and path.endswith(".py") and path != "monitor/__init__.py":
            part = "monitor." + Path(path).parts[1].removesuffix(".py")
            if part not in placed:
                yield part


def _defaults(arguments: ast.arguments) -> list[ast.expr]:
    return [*arguments.defaults, *(value for value in arguments.kw_defaults if value is not None)]


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        return [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return []


# The source against the rules


def tracked() -> list[str]:
    """Files of the project. Under git: what is tracked or new; in an unpacked archive: what is there."""
    if (ROOT / ".git").exists():
        command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    else:
        listed = [
            str(Path(folder, file).relative_to(ROOT))
            for folder, _, files in os.walk(ROOT)
            for file in files
            if not any(part.startswith(".") for part in Path(folder).relative_to(ROOT).parts)
        ]
    return sorted(path for path in listed if (ROOT / path).is_file())


def read(path: str) -> str | None:
    try:
        return (ROOT / path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None  # an image


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_source_keeps_the_rule(rule: Rule) -> None:
    complaints = []
    for path in tracked():
        text = read(path)
        if text is not None:
            complaints += [f"{path}: {complaint}" for complaint in rule(path, text)]
    assert not complaints, f"{rule.__doc__}\n" + "\n".join(complaints)


def test_folders_keep_their_rules() -> None:
    paths = tracked()
    assert len(paths) > 50, "the rules look at nothing"
    assert not list(folder_size(paths))
    assert not list(twin_test_names(paths))
    assert not list(test_folder_like_a_package(paths))


def test_every_part_of_the_monitor_has_a_layer() -> None:
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ][0]
    assert set(missing_layers(tracked(), contract["layers"])) == set()


# The rules against what breaks them: a rule that cannot fail is no rule

BROKEN = [
    (module_length, "monitor/x.py", "x\n" * (MODULE_LINES + 1)),
    (module_docstring, "monitor/x.py", "x = 1\n"),
    (empty_name, "monitor/utils.py", ""),
    (empty_name, "monitor/common/x.py", ""),
    (purity, "monitor/engine.py", "import time\n"),
    (purity, "monitor/alerting/x.py", "from os import environ\n"),
    (purity, "monitor/new_part.py", "import logging\n"),
    (purity, "detectors/x.py", "import random as r\n"),
    (purity, "detectors/x.py", "from concurrent import futures\n"),
    (purity, "detectors/x.py", "from urllib import request\n"),
    (purity, "schemas/x.py", "open('f')\n"),
    (purity, "schemas/x.py", "def f():\n    print(1)\n"),
    (purity, "schemas/x.py", "from datetime import datetime\ndatetime.now()\n"),
    (purity, "schemas/x.py", "import datetime as d\nd.date.today()\n"),
    (environment, "monitor/config/x.py", "import os\nos.environ['A']\n"),
    (environment, "monitor/app.py", "import os\nos.getenv('A')\n"),
    (environment, "monitor/app.py", "from os import environ\n"),
    (clock, "monitor/web/x.py", "import time\ntime.time()\n"),
    (clock, "monitor/web/x.py", "import datetime\ndatetime.datetime.now()\n"),
    (clock, "monitor/web/x.py", "from time import time\n"),
    (unfinished, "monitor/x.py", "# TO" + "DO: later\n"),
    (bare_exception_from_a_rule, "x.py", "x = 1  # no" + "qa\n"),
    (bare_exception_from_a_rule, "x.py", "x = 1  # type: " + "ignore\n"),
    (skip_without_remedy, "tests/unit/test_x.py", "pytest.skip('no broker')\n"),
    (skip_without_remedy, "tests/unit/test_x.py", "pytest.skip(reason)\n"),
    (skip_without_remedy, "tests/unit/test_x.py", "@pytest.mark.skipif(True, reason='flaky')\ndef test(): pass\n"),
    (skip_without_remedy, "tests/unit/test_x.py", "@pytest.mark.skip\ndef test(): pass\n"),
    (foreign_host, "Makefile", f"https://{REGISTRIES[0]}/simple\n"),
    (foreign_host, "docs/x.md", f"see {MACHINE_PATHS[0]}main\n"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "path", "text"), BROKEN, ids=[f"{row[0].__name__}-{n}" for n, row in enumerate(BROKEN)]
)
def test_a_rule_sees_what_breaks_it(rule: Rule, path: str, text: str) -> None:
    assert list(rule(path, text))


KEPT = [
    (purity, "monitor/web/x.py", "import asyncio\n", "the edges do I/O"),
    (purity, "monitor/engine.py", "from datetime import timedelta\n", "a duration is no clock"),
    (purity, "monitor/engine.py", "def step(now): return now\n", "time comes in"),
    (environment, "monitor/cli/environment.py", "import os\nos.environ\n", "the one place"),
    (clock, "monitor/web/x.py", "import time\ntime.monotonic()\n", "a time-out is no wall clock"),
    (clock, "monitor/web/x.py", "import time\ndef f(clock=time.time): pass\n", "the caller gives another"),
    (skip_without_remedy, "tests/x.py", "pytest.skip('install Java 17')\n", "a remedy"),
    (skip_without_remedy, "tests/conftest.py", "if CI: fail()\npytest.skip(str(error))\n", "CI fails"),
    (module_docstring, "monitor/x.py", '"""What it is."""\n', ""),
]


@pytest.mark.parametrize(("rule", "path", "text", "why"), KEPT)
def test_a_rule_lets_pass_what_is_right(rule: Rule, path: str, text: str, why: str) -> None:
    assert not list(rule(path, text)), why


def test_every_rule_has_a_row_that_breaks_it() -> None:
    assert {rule for rule, _, _ in BROKEN} == set(RULES)


def test_rules_over_folders_see_what_breaks_them() -> None:
    assert list(folder_size([f"monitor/x/m{n}.py" for n in range(FOLDER_MODULES + 1)]))
    assert not list(folder_size(["monitor/x/__init__.py", *(f"monitor/x/m{n}.py" for n in range(FOLDER_MODULES))]))
    assert list(twin_test_names(["tests/unit/test_x.py", "tests/golden/test_x.py"]))
    assert list(test_folder_like_a_package(["tests/unit/__init__.py"]))
    assert list(test_folder_like_a_package(["tests/detectors/test_x.py"]))
    assert list(missing_layers(["monitor/new.py"], ["monitor.cli", "(monitor.app)"])) == ["monitor.new"]
    assert not list(missing_layers(["monitor/app/x.py"], ["monitor.cli", "(monitor.app)"]))
