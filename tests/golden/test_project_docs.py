"""The docs say what is: usage blocks are the real `--help`, schemas the real ones, examples pass, links lead on.

`make golden` writes the blocks and the schemas anew.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from monitor.cli import COMMANDS, cli
from monitor.cli.schema import asyncapi
from monitor.config import check_text, render
from monitor.config.shape import fields_of
from schemas.border import config_schema, event_schema
from schemas.config import Config
from schemas.signals import PUBLIC_SIGNALS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
UPDATE = "UPDATE_GOLDEN"
USAGE = re.compile(r"(?<=```console\n)\$ forewarn (?P<words>(?:[a-z]+ )*)--help\n.*?(?=```)", re.DOTALL)
EXAMPLES = re.compile(r"^```yaml\n(.*?)^```", re.DOTALL | re.MULTILINE)
OTHERS = re.compile(r"^(?:groups|scrape_configs|services|apiVersion):", re.MULTILINE)  # YAML of other programs
LINKS = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")

PAGES = sorted(path.relative_to(ROOT).as_posix() for path in [*DOCS.rglob("*.md"), *ROOT.glob("*.md")])


def _usage(words: str) -> str:
    result = CliRunner().invoke(cli, [*words.split(), "--help"], prog_name="forewarn", terminal_width=80)
    assert result.exit_code == 0, result.output
    return f"$ forewarn {words}--help\n{result.output}"


def _wanted(name: str) -> list[str]:
    """The blocks that a page has: the command's own, and those of its own commands."""
    command = cli.get_command(click.Context(cli), name)
    inner = command.commands if isinstance(command, click.Group) else ()
    return [f"{name} ", *(f"{name} {inner_name} " for inner_name in inner)]


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_a_page_shows_the_real_help(name: str) -> None:
    page = DOCS / f"{name or 'commands'}.md"
    text = page.read_text(encoding="utf-8")
    blocks = list(USAGE.finditer(text))
    missing = set(_wanted(name) if name else [""]) - {block["words"] for block in blocks}
    assert not missing, (
        f"{page.name} needs a block ```console that begins with $ forewarn …--help for each of {missing}"
    )
    renewed = USAGE.sub(lambda block: _usage(block["words"]), text)
    if os.environ.get(UPDATE):
        page.write_text(renewed, encoding="utf-8")
    assert page.read_text(encoding="utf-8") == renewed, "`make golden` writes it anew"


@pytest.mark.parametrize(("file", "schema"), [("event", event_schema), ("forewarn", config_schema)])
def test_schemas_for_editors_are_the_real_ones(file: str, schema: object) -> None:
    assert callable(schema)
    path = DOCS / f"{file}.schema.json"
    real = json.dumps(schema(), indent=2) + "\n"
    if os.environ.get(UPDATE):
        path.write_text(real, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == real, "`make golden` writes it anew"


def test_the_topics_for_other_programs_are_the_real_ones() -> None:
    path = DOCS / "asyncapi.yaml"
    if os.environ.get(UPDATE):
        path.write_text(asyncapi(), encoding="utf-8")
    assert path.read_text(encoding="utf-8") == asyncapi(), "`make golden` writes it anew"


@pytest.mark.parametrize("page", PAGES)
def test_examples_of_configuration_pass_the_check(page: str) -> None:
    for example in EXAMPLES.findall((ROOT / page).read_text(encoding="utf-8")):
        if OTHERS.search(example):
            continue
        errors = [problem for problem in check_text(example, page) if problem.severity == "error"]
        assert not errors, render(errors)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    for link in LINKS.findall((ROOT / page).read_text(encoding="utf-8")):
        if not link.startswith(("http://", "https://", "#", "mailto:")):
            assert ((ROOT / page).parent / link.split("#")[0]).exists(), link


def test_every_page_is_found_from_the_first() -> None:
    seen, waiting = set(), [DOCS / "README.md"]
    while waiting:
        page = waiting.pop()
        if page not in seen and page.suffix == ".md":
            seen.add(page)
            links = [
                link.split("#")[0] for link in LINKS.findall(page.read_text(encoding="utf-8")) if "://" not in link
            ]
            waiting += [(page.parent / link).resolve() for link in links if link]
    assert set(DOCS.rglob("*.md")) <= seen


def test_the_reference_names_every_section_and_signal() -> None:
    text = (DOCS / "configuration.md").read_text(encoding="utf-8")
    assert [name for name in fields_of(Config) if f"## `{name}`" not in text] == []
    assert [signal.name for signal in PUBLIC_SIGNALS if f"`{signal.name}`" not in text] == []
