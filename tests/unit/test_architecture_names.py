"""ARCHITECTURE.md names only what exists."""

import importlib
import re
from pathlib import Path

import pytest

TEXT = (Path(__file__).parents[2] / "ARCHITECTURE.md").read_text()
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
    assert importlib.import_module(module).__doc__
