"""Spans of one trace → the events of its runs: pure functions, used by `monitor.intake.assembler` alone."""
