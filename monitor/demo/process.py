"""The fleet's process as its owner holds it: started, told to break and to repair, ended.

Invariant: the process ends when `stop` was called, and also when its owner dies without a word (its input ends).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from pathlib import Path

STOP_SECONDS = 5.0
"""How long the fleet may take to send its last spans. Longer: killed."""


class FleetEnded(Exception):
    """The fleet ended by itself; the message is what it said last."""


class FleetProcess:
    """Made by `start`."""

    def __init__(self, process: asyncio.subprocess.Process, said: Path) -> None:
        self._process = process
        self._said = said

    @classmethod
    async def start(cls, endpoint: str, seed: int, directory: Path) -> FleetProcess:
        """Start it; what it says goes to a file in `directory`. The environment's own OpenTelemetry settings and
        proxies are left out: the spans go to `endpoint` and nowhere else."""
        home = str(Path(__file__).resolve().parents[2])
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("OTEL_") and not name.lower().endswith("_proxy")
        }
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (home, environment.get("PYTHONPATH"))))
        said = directory / "fleet.log"
        with said.open("wb") as stream:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "monitor.demo.fleet", endpoint, str(seed)),
                stdin=asyncio.subprocess.PIPE,
                stdout=stream,
                stderr=stream,
                env=environment,
            )
        return cls(process, said)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    async def break_tool(self) -> None:
        """From now on the fault lasts."""
        await self._tell("break")

    async def repair_tool(self) -> None:
        """From now on there is no fault."""
        await self._tell("repair")

    async def wait(self) -> None:
        """Returns never; raises `FleetEnded` when the process is gone."""
        code = await self._process.wait()
        lines = self._said.read_text("utf-8", "replace").strip().splitlines()
        raise FleetEnded(f"the fleet ended with code {code}: {lines[-1] if lines else 'it said nothing'}")

    async def stop(self) -> None:
        """End it, and wait until it is gone."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), STOP_SECONDS)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):  # it has ended at this very moment
                self._process.kill()
            await self._process.wait()

    async def _tell(self, word: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(word.encode() + b"\n")
        await self._process.stdin.drain()
