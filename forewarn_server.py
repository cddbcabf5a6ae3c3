"""The entry point of the console script `forewarn`: makes sure that the server imports its own packages, then starts.

`schemas`, `detectors` and `monitor` are generic names. A folder of such a name on PYTHONPATH, or in the directory from
which `python -m` is called, would be imported instead of ours and fail somewhere odd. This module has a name of its
own, imports nothing of ours before the check, and lies beside the three packages in a wheel and in a source tree alike.

Invariant: `main` either runs our own code or says which foreign folder is in the way, and ends with exit code 2.
"""

from __future__ import annotations

import importlib.util
import sys
import traceback
from pathlib import Path

OWN_PACKAGES = ("schemas", "detectors", "monitor")
COULD_NOT_RUN = 2


def foreign_packages(home: Path) -> list[tuple[str, str]]:
    """Packages that Python would not take from `home`: (name, where it would take it from). Imports none of them."""
    foreign = []
    for name in OWN_PACKAGES:
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError) as error:  # a broken stand-in in sys.modules
            foreign.append((name, f"{type(error).__name__}: {error}"))
            continue
        origin = spec.origin if spec is not None else None
        if origin is None or Path(origin).resolve() != home / name / "__init__.py":
            places = [str(place) for place in (spec.submodule_search_locations or ())] if spec is not None else []
            foreign.append((name, origin or ", ".join(places) or "nowhere"))
    return foreign


def main() -> None:
    """Run the command line. Ends the process with 0 good, 1 problems found, 2 could not run."""
    home = Path(__file__).resolve().parent
    foreign = foreign_packages(home)
    if foreign:
        lines = "".join(f"  {name}: {place}\n" for name, place in foreign)
        sys.stderr.write(
            "forewarn: Python would import other people's packages in place of Forewarn's own:\n"
            f"{lines}"
            f"Forewarn's own lie in {home}. Unset PYTHONPATH, or start with PYTHONSAFEPATH=1 from another directory;\n"
            "install the server by itself (pipx, `uv tool install`, the container), not into the agent's environment.\n"
        )
        raise SystemExit(COULD_NOT_RUN)
    from monitor.cli import cli

    try:
        cli.main(prog_name="forewarn")
    except Exception:
        traceback.print_exc()  # ours: a crash must not look like exit code 1, problems found
        raise SystemExit(COULD_NOT_RUN) from None


if __name__ == "__main__":
    main()
