"""The one place that reads the environment. Everything else is given what it needs as an argument."""

from __future__ import annotations

import os
from collections.abc import Mapping


def environment() -> Mapping[str, str]:
    """The process's variables, for `monitor.config.load` and for the few that commands take themselves."""
    return os.environ
