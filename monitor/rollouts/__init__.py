"""Rollouts of one agent: two versions side by side (canary) or on the same inputs (shadow), and the verdict on them.

Not here: the statistics (`detectors.arms`), what people are told (`monitor.alerting.rollouts`).
"""

from monitor.rollouts.book import Rollouts

__all__ = ["Rollouts"]
