"""YAML with positions → configuration, or all problems at once."""

from monitor.config.problem import ConfigError, Problem, render
from monitor.config.reader import check_text, load, load_with_places, read_text

__all__ = ["ConfigError", "Problem", "check_text", "load", "load_with_places", "read_text", "render"]
