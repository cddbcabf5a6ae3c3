"""Faust's recovery, which never calls itself complete when it was cut short.

When partitions move while the changelogs are being read, release 0.15.3 takes the interruption for the end of the
reading, and tells that the state is there. A partition built on it would begin without a part of its agents. Here that
pass ends unsaid, and the next one, for the partitions as they are now, goes on where it was.
"""

from __future__ import annotations

from faust.tables.recovery import RebalanceAgain, Recovery


class SureRecovery(Recovery):
    """Complete means: of the partitions as they are now, all was read."""

    async def on_recovery_completed(self, generation_id: int = 0) -> None:
        """Called at the end of a pass. Raises `RebalanceAgain`, which Faust's loop expects, if it was cut short."""
        moved = generation_id != self._generation_id or generation_id != self.app.consumer_generation_id
        if moved or self.signal_recovery_start.is_set() or self.need_recovery():
            if not moved and not self.signal_recovery_start.is_set():
                self.signal_recovery_start.set()  # nothing moved and something is missing: once more
            raise RebalanceAgain
        await super().on_recovery_completed(generation_id)
