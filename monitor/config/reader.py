"""The user's file → `Config`, or all its problems at once. The way through `monitor.config`, in its order.

Reads the file and the files of secrets; the environment is an argument. Invariant: `load` returns a configuration in
which every secret is resolved and every check has passed.
"""

from __future__ import annotations

from collections.abc import Mapping as Environment
from pathlib import Path

from monitor.config.document import MAX_CHARACTERS, Document, read_document
from monitor.config.meaning import CHECKS, Checked, Names
from monitor.config.methods import check_methods
from monitor.config.problem import ConfigError, Problem
from monitor.config.routing import (
    check_global,
    check_inhibition,
    check_intervals,
    check_receivers,
    check_report,
    check_routes,
)
from monitor.config.scenarios.checks import check_scenarios
from monitor.config.secret import resolve_secrets
from monitor.config.sections.changes import check_changes, check_unannounced
from monitor.config.sections.gates import check_backtest, check_fallbacks
from monitor.config.sections.rollouts import check_rollouts
from monitor.config.sections.security import check_security, locate_files
from monitor.config.sections.tokens import check_tokens
from monitor.config.shape import read_config
from schemas.config import Config


def load(path: Path | str, environ: Environment[str, str]) -> Config:
    """The configuration at `path`, secrets resolved. Raises OSError, and `ConfigError` with every problem."""
    document, config = _read(read_text(path), str(path), environ, as_warnings=False)
    if any(problem.severity == "error" for problem in document.problems):
        raise ConfigError(document.problems)
    return config


def load_with_places(path: Path | str) -> tuple[Config, Document]:
    """The configuration and where everything in it stands; no secret is read. Raises as `load` does."""
    document, config = _read(read_text(path), str(path), None, as_warnings=True)
    if any(problem.severity == "error" for problem in document.problems):
        raise ConfigError(document.problems)
    return config, document


def check_text(text: str, file: str, environ: Environment[str, str] | None = None) -> list[Problem]:
    """Every problem of a file's text, in the order of the file.

    Without `environ` no variable and no secret's file is read; with it, those that are missing are warnings, because a
    file is often checked where its secrets are not.
    """
    document, _ = _read(text, file, environ, as_warnings=True)
    return sorted(document.problems, key=lambda problem: (problem.line, problem.column, problem.message))


def read_text(path: Path | str) -> str:
    """The file as text, at most a little more than is accepted. Raises OSError, and `ConfigError` if it is no UTF-8."""
    with Path(path).open("rb") as file:
        raw = file.read(4 * MAX_CHARACTERS + 4)
    try:
        return raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        column = error.start - raw.rfind(b"\n", 0, error.start)
        raise ConfigError([Problem(str(path), line, column, "", "the file is no UTF-8 text")]) from None


def _read(text: str, file: str, environ: Environment[str, str] | None, *, as_warnings: bool) -> tuple[Document, Config]:
    document = read_document(text, file)
    names = Names.of(document.root)
    resolve_secrets(document, environ, as_warnings=as_warnings)
    locate_files(document, environ, as_warnings=as_warnings)
    config = read_config(document)
    checked = Checked(document, config, names)
    for check in (
        *CHECKS,
        check_tokens,
        check_security,
        check_fallbacks,
        check_backtest,
        check_methods,
        check_receivers,
        check_routes,
        check_global,
        check_inhibition,
        check_intervals,
        check_report,
        check_scenarios,
        check_rollouts,
        check_changes,
        check_unannounced,
    ):
        check(checked)
    return document, config
