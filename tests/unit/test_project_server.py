"""The entry point takes its own packages or says what is in the way: tried in real processes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("schemas", "detectors", "monitor")


def _start(
    arguments: list[str], *, folder: Path, path: list[Path], safe: bool = False
) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environ["PYTHONPATH"] = os.pathsep.join(str(entry) for entry in path)
    if safe:
        environ["PYTHONSAFEPATH"] = "1"
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environ, capture_output=True, text=True, check=False
    )


def _foreign(folder: Path, name: str, *, regular: bool = True) -> Path:
    package = folder / name
    package.mkdir(parents=True)
    if regular:
        (package / "__init__.py").write_text("raise RuntimeError('foreign code ran')\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", PACKAGES)
def test_a_foreign_package_on_the_path_is_named_and_not_run(tmp_path: Path, name: str) -> None:
    foreign = _foreign(tmp_path, name)
    done = _start(["-m", "forewarn_server", "--version"], folder=tmp_path, path=[foreign, ROOT], safe=True)
    assert done.returncode == 2
    assert f"{name}: {foreign / name / '__init__.py'}" in done.stderr
    assert "PYTHONSAFEPATH=1" in done.stderr
    assert "foreign code ran" not in done.stderr


def test_a_foreign_package_in_the_current_directory_is_named(tmp_path: Path) -> None:
    foreign = _foreign(tmp_path, "monitor")
    done = _start(["-m", "forewarn_server", "--version"], folder=foreign, path=[ROOT])
    assert done.returncode == 2
    assert "monitor: " in done.stderr


def test_a_safe_path_bypasses_the_current_directory(tmp_path: Path) -> None:
    foreign = _foreign(tmp_path, "monitor")
    done = _start(["-m", "forewarn_server", "--version"], folder=foreign, path=[ROOT], safe=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("forewarn, version ")


def test_a_foreign_folder_that_is_no_package_is_harmless(tmp_path: Path) -> None:
    foreign = _foreign(tmp_path, "monitor", regular=False)
    done = _start(["-m", "forewarn_server", "--version"], folder=foreign, path=[foreign, ROOT])
    assert done.returncode == 0, done.stderr


def test_a_wheel_takes_its_own_packages_and_no_other(tmp_path: Path) -> None:
    """What the wheel holds, laid out as an installer lays it out; beside it a source tree that must not be taken."""
    builder = "import sys, hatchling.build as b; print(b.build_wheel(sys.argv[1]))"
    built = subprocess.run(
        [sys.executable, "-c", builder, str(tmp_path)],
        cwd=_source_tree(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    site = tmp_path / "site"
    with zipfile.ZipFile(tmp_path / built.stdout.strip().splitlines()[-1]) as wheel:
        names = wheel.namelist()
        wheel.extractall(site)
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {*PACKAGES, "forewarn_server.py"}
    good = _start(["-m", "forewarn_server", "check", "/dev/null"], folder=tmp_path, path=[site], safe=True)
    assert good.returncode == 0, good.stderr
    bad = _start(
        ["-m", "forewarn_server", "--version"], folder=tmp_path, path=[_foreign(tmp_path / "x", "detectors"), site]
    )
    assert bad.returncode == 2
    assert f"Forewarn's own lie in {site}" in bad.stderr


def test_a_crash_is_not_taken_for_problems_found(tmp_path: Path) -> None:
    """Exit code 1 says that a file has problems; an exception of ours ends with 2."""
    program = (
        "import forewarn_server, monitor.cli\n"
        "def crash(**_): raise RuntimeError('ours')\n"
        "monitor.cli.cli.main = crash\n"
        "forewarn_server.main()\n"
    )
    done = _start(["-c", program], folder=tmp_path, path=[ROOT])
    assert done.returncode == 2
    assert "RuntimeError: ours" in done.stderr


def test_nobody_is_sent_to_an_index_that_does_not_have_us() -> None:
    """Until packages are published, pages and messages name a clone."""
    shown = [ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("sdk/**/*.*"), *ROOT.glob("monitor/**/*.py")]
    named = re.compile(r"(?:pipx? install|uv tool install|uv add)[^\n]*[ \"']forewarn(?:-sdk)?\b(?!\.)")
    assert named.search('pip install "forewarn[demo]"') and not named.search("pip install /a/clone; forewarn.yaml")
    texts = {path: path.read_text("utf-8") for path in shown if path.suffix in (".py", ".md", ".toml")}
    assert {path.name: found[0] for path, text in texts.items() if (found := named.search(text))} == {}


def test_a_compiled_wheel_brings_what_compiles_it() -> None:
    """An installer that builds apart from everything else installs what the build asks for, no more."""
    asked = "import hatchling.build as b; print(*b.get_requires_for_build_wheel(), sep='\\n')"
    for native, needs in (("1", True), ("", False)):
        environ = {**os.environ, "FOREWARN_NATIVE": native}
        told = subprocess.run([sys.executable, "-c", asked], cwd=ROOT, env=environ, capture_output=True, text=True)
        assert told.returncode == 0, told.stderr
        found = [line.partition(">")[0] for line in told.stdout.split()]
        assert ({"mypy", "setuptools", "msgspec"} <= set(found)) == needs


def _source_tree(folder: Path) -> Path:
    tree = folder / "tree"
    tree.mkdir()
    for name in PACKAGES:
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    for file in ("forewarn_server.py", "hatch_build.py", "pyproject.toml", "LICENSE", "README.md"):
        if (ROOT / file).exists():
            shutil.copy(ROOT / file, tree / file)
    return tree
