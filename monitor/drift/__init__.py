"""Drift of one agent: what a closed run says about its numbers, words and shapes, and what changed in them.

Not here: the bets (`detectors.drift`), failures (`monitor.evidence`), who is told (`monitor.alerting`).
"""
