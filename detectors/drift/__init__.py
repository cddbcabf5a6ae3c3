"""Drift of numbers, categories, mixes and rates, in both directions: one `Bank` per slice, stepped once per run.

Read `bank` first; `channels` has what goes in and what comes out.
"""

from detectors.drift.bank import Bank
from detectors.drift.channels import Change, Channel, Crossing, Ended, Signal, Word
from detectors.drift.plan import Plan
from detectors.drift.state import from_bytes, to_bytes

__all__ = ["Bank", "Change", "Channel", "Crossing", "Ended", "Plan", "Signal", "Word", "from_bytes", "to_bytes"]
