"""Faust's recovery, which never calls itself complete when it was cut short.

When partitions move while the changelogs are being read, release 0.15.3 takes the interruption for the end of the
reading, and tells that the state is there. A partition built on it would begin without a part of its agents. Here that
pass ends unsaid, and the next one, for the partitions as they are now, goes on where it was.

It also counts what is left in the queue of a partition that has gone as read, and gives it to another table: should
the partition come back, a part of its state would be missing. Here each pass asks the stores what they hold.
"""

from __future__ import annotations

import logging

from faust.tables.recovery import RebalanceAgain, Recovery
from faust.types import TP

_log = logging.getLogger(__name__)


class SureRecovery(Recovery):
    """Complete means: of the partitions as they are now, all was read, and the stores have it."""

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        """Begin where the stores end, whatever was in the queue."""
        if generation_id == self.app.consumer_generation_id:  # else they move again, and Faust waits for that
            self.active_offsets.clear()
            self.standby_offsets.clear()
            self.tables.changelog_queue.clear()  # it comes again, from where the stores end
        await super().on_rebalance(assigned, revoked, newly_assigned, generation_id)

    async def on_recovery_completed(self, generation_id: int = 0) -> None:
        """Called at the end of a pass. Raises `RebalanceAgain`, which Faust's loop expects, if it was cut short."""
        moved = generation_id != self._generation_id or generation_id != self.app.consumer_generation_id
        if moved or self.signal_recovery_start.is_set() or self.need_recovery() or self._missing():
            if not moved and not self.signal_recovery_start.is_set():
                self.signal_recovery_start.set()  # nothing moved and something is missing: once more
            raise RebalanceAgain
        await super().on_recovery_completed(generation_id)

    def _missing(self) -> bool:
        """Whether a store holds less than there was when the pass began; what it lacks is to be read once more."""
        found = False
        for tp in self.active_tps:
            highwater, held = self.active_highwaters.get(tp), self.tp_to_table[tp].persisted_offset(tp)
            if highwater is not None and highwater > (-1 if held is None else held):
                _log.warning("state of %s/%d is read up to %s of %d: once more", *tp, held, highwater)
                self.active_offsets[tp] = -1 if held is None else held
                found = True
        return found
