"""ARCHITECTURE.md names only what exists."""

import ast
import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "ARCHITECTURE.md").read_text()
STATIONS = sorted(set(re.findall(r"`([a-z_]+(?:\.[a-z_]+)+):([A-Za-z_]+)`", TEXT)))
MODULES = sorted(set(re.findall(r"`((?:monitor|detectors|schemas)(?:\.[a-z_]+)+)`", TEXT)))


def test_there_is_something_to_resolve() -> None:
    assert len(STATIONS) >= 15
    assert len(MODULES) >= 5


@pytest.mark.parametrize(("module", "name"), STATIONS)
def test_a_station_exists(module: str, name: str) -> None:
    assert hasattr(importlib.import_module(module), name)


@pytest.mark.parametrize("module", MODULES)
def test_a_module_exists(module: str) -> None:
    place = ROOT / module.replace(".", "/")  # what is compiled has no docstring of its own
    source = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    assert ast.get_docstring(ast.parse(source.read_text()))
