"""Compiling the hot path, on two modules of one function each, and what a compiler that fails looks like."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import hatch_build

SOURCES = {
    "doubled.py": "def twice(number: int) -> int:\n    return 2 * number\n",
    "fourfold.py": "import doubled\n\n\ndef of(number: int) -> int:\n    return doubled.twice(doubled.twice(number))\n",
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, source in SOURCES.items():
        (tmp_path / name).write_text(source)
    monkeypatch.setattr(hatch_build, "MODULES", tuple(SOURCES))
    return tmp_path


@pytest.mark.skipif(
    not hatch_build.has_compiler(), reason="needs a C compiler and Python.h: install gcc and python3-dev"
)
def test_what_is_compiled_lies_beside_its_source_and_hides_it(project: Path) -> None:
    made = hatch_build.compile_here(project)

    assert [path.name.partition(".")[0] for path in made] == ["doubled", "fourfold", "forewarn__mypyc"]
    asked = "import fourfold; print(fourfold.__file__, fourfold.of(21))"
    said = subprocess.run([sys.executable, "-c", asked], cwd=project, capture_output=True, text=True, check=True).stdout
    assert said.split() == [str(made[1]), "84"]


def test_a_compiler_that_fails_is_an_error_that_make_native_survives(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CC", "false")

    with pytest.raises(OSError, match="the C compiler failed"):
        hatch_build.compile_here(project)

    assert hatch_build.made(project) == []
