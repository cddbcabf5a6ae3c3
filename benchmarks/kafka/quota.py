"""Holds a process to a share of one core, so that two of them on a small machine say what two of them do.

By control group, version 2 (`cpu.max`) or 1 (`cpu.cfs_quota_us`), where this user may make one; else by a thread that
stops and continues the process. `how` says which. Invariant: the group is removed when the quota is closed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
import uuid
from pathlib import Path

ROOTS = (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/cpu"))
PERIOD_MICROSECONDS = 20_000


class Quota:
    """One process and its share (0.4: 40 % of a core)."""

    def __init__(self, pid: int, share: float) -> None:
        self._group: Path | None = None
        self._ended = threading.Event()
        for root, write in zip(ROOTS, (_version_2, _version_1), strict=True):
            group = root / f"forewarn-bench-{uuid.uuid4().hex[:8]}"
            try:
                group.mkdir()
            except OSError:
                continue
            try:
                write(group, share)
                (group / "cgroup.procs").write_text(str(pid))
            except OSError:
                group.rmdir()
                continue
            self._group, self.how = group, f"control group, {write.__name__.strip('_').replace('_', ' ')}"
            return
        self.how = "SIGSTOP and SIGCONT"
        threading.Thread(target=self._stop_and_go, args=(pid, share), daemon=True).start()

    def close(self) -> None:
        """After the process has ended."""
        self._ended.set()
        if self._group is not None:
            for _ in range(50):  # the kernel takes its time to see the group empty
                with contextlib.suppress(OSError):
                    self._group.rmdir()
                    return
                time.sleep(0.1)

    def _stop_and_go(self, pid: int, share: float) -> None:
        period = PERIOD_MICROSECONDS / 1e6
        with contextlib.suppress(ProcessLookupError):
            while not self._ended.is_set():
                os.kill(pid, signal.SIGCONT)
                time.sleep(period * share)
                os.kill(pid, signal.SIGSTOP)
                time.sleep(period * (1.0 - share))


def _version_2(group: Path, share: float) -> None:
    _write(group / "cpu.max", f"{int(PERIOD_MICROSECONDS * share)} {PERIOD_MICROSECONDS}")


def _version_1(group: Path, share: float) -> None:
    _write(group / "cpu.cfs_period_us", str(PERIOD_MICROSECONDS))
    _write(group / "cpu.cfs_quota_us", str(int(PERIOD_MICROSECONDS * share)))


def _write(setting: Path, value: str) -> None:
    """Raises `OSError` where the kernel made no such file: the folder may be a plain one that groups hang in."""
    if not setting.exists():
        raise FileNotFoundError(setting)
    setting.write_text(value)
