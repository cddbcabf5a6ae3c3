"""Compiles the hot path with mypyc, where there is a C compiler: the same source runs interpreted where there is none.

    python hatch_build.py            compile beside the sources, for a checkout (`make native`)
    python hatch_build.py --clean    remove what that made

Hatchling calls `CustomBuildHook` when it builds a wheel: with FOREWARN_NATIVE=1 the wheel is compiled, and for this
platform and Python alone; else it is pure.

Floating point is that of IEEE 754 in both (`-ffp-contract=off`: nothing is fused), so both say the same, bit for bit.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent
MODULES = (
    "detectors/arms/labels.py",
    "detectors/arms/medians.py",
    "detectors/arms/pairs.py",
    "detectors/arms/past.py",
    "detectors/arms/shares.py",
    "detectors/failure.py",
    "detectors/recursion.py",
    "detectors/reference.py",
    "detectors/loops.py",
    "detectors/durations.py",
    "detectors/drift/accounts.py",
    "detectors/drift/bank.py",
    "detectors/drift/bets/band.py",
    "detectors/drift/bets/odds.py",
    "detectors/drift/bets/shapes.py",
    "detectors/drift/plan.py",
    "detectors/drift/references/cells.py",
    "detectors/drift/references/gathering.py",
    "detectors/drift/references/memory.py",
    "detectors/drift/references/numbers.py",
    "detectors/drift/references/share.py",
    "detectors/drift/references/shares.py",
    "detectors/drift/references/shortest.py",
    "detectors/drift/references/suspicion.py",
    "monitor/blocks.py",
    "monitor/changes/sightings.py",
    "monitor/readiness/carried.py",
    "monitor/rollouts/book.py",
    "monitor/rollouts/comparing.py",
    "monitor/rollouts/pairing.py",
    "monitor/rollouts/readings.py",
    "monitor/rollouts/sides.py",
    "monitor/rollouts/telling.py",
    "monitor/rollouts/verdicts.py",
    "monitor/rollouts/versions.py",
    "monitor/runs/packing.py",
    "monitor/runs/run.py",
    "monitor/runs/work.py",
    "monitor/runs/silent.py",
    "monitor/runs/contracts.py",
    "monitor/runs/tracker.py",
    "monitor/runs/view.py",
    "monitor/saved/turning.py",
    "monitor/evidence/accounts.py",
    "monitor/evidence/nodes.py",
    "monitor/evidence/slices.py",
    "monitor/evidence/above.py",
    "monitor/evidence/aggregator.py",
    "monitor/evidence/outages/cells.py",
    "monitor/evidence/outages/choice.py",
    "monitor/evidence/outages/family.py",
    "monitor/evidence/outages/past.py",
    "monitor/evidence/outages/pieces.py",
    "monitor/evidence/parents.py",
    "monitor/evidence/within/hitters.py",
    "monitor/evidence/within/node.py",
    "monitor/evidence/within/order.py",
    "monitor/evidence/within/table.py",
    "monitor/drift/channels.py",
    "monitor/drift/memory.py",
    "monitor/drift/outputs/answers.py",
    "monitor/drift/outputs/marks.py",
    "monitor/drift/outputs/stretches.py",
    "monitor/drift/outputs/versions.py",
    "monitor/drift/tools/interfaces.py",
    "monitor/drift/tools/amounts.py",
    "monitor/drift/tools/looks.py",
    "monitor/drift/tools/paces.py",
    "monitor/drift/tools/stuck.py",
    "monitor/drift/tools/terms.py",
    "monitor/drift/tools/traits.py",
    "monitor/drift/banks/columns.py",
    "monitor/drift/banks/packed.py",
    "monitor/drift/banks/profile.py",
    "monitor/drift/banks/recent.py",
    "monitor/drift/banks/serial.py",
    "monitor/drift/banks/sessions.py",
    "monitor/drift/watch.py",
    "monitor/reading/characters.py",
    "monitor/reading/calls/answers.py",
    "monitor/reading/calls/fields.py",
    "monitor/reading/calls/forms.py",
    "monitor/reading/calls/known.py",
    "monitor/reading/calls/looks.py",
    "monitor/reading/calls/outlines.py",
    "monitor/reading/calls/strings.py",
    "monitor/reading/calls/traits.py",
    "monitor/reading/marks.py",
    "monitor/reading/phrases.py",
    "monitor/reading/reader.py",
    "monitor/reading/shape.py",
    "monitor/reading/structure.py",
    "monitor/reading/tally.py",
    "monitor/reading/values.py",
    "monitor/runs/remembered.py",
    "monitor/runtime/kafka/cluster/watermarks.py",
    "monitor/runtime/kafka/events.py",
    "monitor/signals.py",
    "monitor/agents.py",
    "monitor/stepping/speaker.py",
    "monitor/stepping/step.py",
    "monitor/stepping/wakes.py",
    "monitor/engine.py",
    "schemas/texts/derive.py",
    "schemas/texts/soft_errors.py",
)
"""What every event or run passes. A module with a msgspec struct of its own cannot be one of them: mypyc drops the
annotations that msgspec reads."""

UNREAD = (
    "aiohttp",
    "aiokafka",
    "faust",
    "google",
    "jsonschema",
    "kafka",
    "numpy",
    "pydantic",
    "re2",
    "river",
    "slack_sdk",
    "yaml",
)
"""Libraries whose sources mypyc need not look at: five minutes become five seconds."""

AT_A_TIME = 8
"""Files that are compiled side by side at most: each takes some hundred megabytes."""


def compile_here(root: Path = ROOT) -> list[Path]:
    """Compile `MODULES` beside their sources; the files that were made. Raises `OSError` where the compiler fails, and
    what mypyc raises."""
    from mypyc.build import mypycify
    from setuptools import Distribution
    from setuptools.command.build_ext import build_ext
    from setuptools.errors import CCompilerError

    class Parallel(build_ext):
        """Compiles as many files of an extension at a time as there are cores, `AT_A_TIME` at most."""

        def build_extensions(self) -> None:
            one_by_one = self.compiler.compile

            def side_by_side(sources: list[str], **options: Any) -> list[str]:
                with ThreadPoolExecutor(min(os.cpu_count() or 1, AT_A_TIME)) as pool:
                    made = pool.map(lambda source: one_by_one([source], **options), sources)
                    return [each for objects in made for each in objects]

            self.compiler.compile = side_by_side
            super().build_extensions()

    with tempfile.TemporaryDirectory() as scratch:
        config = Path(scratch) / "mypy.ini"
        skipped = ",".join(f"{name}.*" for name in UNREAD)
        config.write_text(
            f"[mypy]\ncache_dir = {scratch}/cache\n"
            f"[mypy-{skipped}]\nfollow_imports = skip\nfollow_imports_for_stubs = True\nignore_missing_imports = True\n"
        )
        before = Path.cwd()
        os.chdir(root)
        try:
            extensions = mypycify(
                [f"--config-file={config}", *MODULES],
                opt_level="2",
                debug_level="0",
                multi_file=True,
                target_dir=f"{scratch}/c",
                group_name="forewarn",
            )
            for extension in extensions:
                given = extension.extra_compile_args  # one list for all extensions
                # hidden: a call from one module to another goes straight there, not by a table
                flags = ["-ffp-contract=off", "-fvisibility=hidden", "-Wno-unused-function"]
                extension.extra_compile_args = [*given, *flags]
            distribution = Distribution({"name": "forewarn", "ext_modules": extensions, "packages": []})
            command = Parallel(distribution)
            command.inplace = True
            command.build_temp = scratch
            command.build_lib = f"{scratch}/lib"
            command.ensure_finalized()
            command.run()
        except CCompilerError as error:
            raise OSError(f"the C compiler failed: {error}") from None
        finally:
            os.chdir(before)
    return made(root)


def made(root: Path = ROOT) -> list[Path]:
    """The compiled files that lie beside the sources."""
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    found = [root / module.replace(".py", suffix) for module in MODULES]
    return [path for path in (*found, root / f"forewarn__mypyc{suffix}") if path.exists()]


def clean(root: Path = ROOT) -> None:
    """Remove what was ever made, for any Python; also of modules that are compiled no longer: it hides their source."""
    for package in ("detectors", "monitor", "schemas"):
        for path in (root / package).rglob("*.so"):
            path.unlink()
    for path in root.glob("forewarn__mypyc.*.so"):
        path.unlink()


def has_compiler() -> bool:
    """Whether the C compiler that Python was built for is there, and Python's own headers."""
    name = os.environ.get("CC") or (sysconfig.get_config_var("CC") or "cc").split()[0]
    return shutil.which(name) is not None and Path(sysconfig.get_path("include"), "Python.h").exists()


def main() -> int:
    """Compile, or say why not; a checkout without a compiler is no failure."""
    clean()
    if "--clean" in sys.argv[1:]:
        return 0
    if not has_compiler():
        print(
            "no C compiler, or no headers of Python: Forewarn runs interpreted, several times slower (gcc, python3-dev)"
        )
        return 0
    print("compiling the hot path, about a minute; it runs interpreted without (`make interpreted`)", flush=True)
    try:
        compile_here()
    except (SystemExit, subprocess.CalledProcessError, OSError) as error:
        clean()
        print(f"could not be compiled ({error}): Forewarn runs interpreted, several times slower")
        return 1 if os.environ.get("CI") == "true" else 0
    return 0


try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # run as a script, by a Python without hatchling
    pass
else:

    class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg]
        """Puts the compiled files into a wheel."""

        def dependencies(self) -> list[str]:
            """What compiles a wheel, and the libraries whose types it reads: an installer puts them where it builds."""
            if os.environ.get("FOREWARN_NATIVE") != "1":
                return []
            project = tomllib.loads((Path(self.root) / "pyproject.toml").read_text("utf-8"))
            return [*project["dependency-groups"]["build"], *project["project"]["dependencies"]]

        def initialize(self, version: str, build_data: dict[str, Any]) -> None:
            """Compile for a wheel if FOREWARN_NATIVE=1; an editable install takes what `make native` makes."""
            if self.target_name != "wheel" or version == "editable" or os.environ.get("FOREWARN_NATIVE") != "1":
                return
            root = Path(self.root)
            for path in compile_here(root):
                name = path.relative_to(root).as_posix()
                build_data["force_include"][str(path)] = name
            build_data["pure_python"] = False
            build_data["infer_tag"] = True


if __name__ == "__main__":
    sys.exit(main())
