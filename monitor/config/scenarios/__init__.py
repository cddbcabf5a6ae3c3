"""Scenarios of the YAML: what is wrong with them, and what they are as records of the log."""
