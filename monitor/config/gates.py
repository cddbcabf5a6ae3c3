"""What stands between a change and production, as far as types cannot say it: fallbacks that can exist.

Reports at the place and raises nothing, as the other checks do.
"""

from __future__ import annotations

from monitor.config.meaning import Checked, check_reference
from schemas.config import HUMAN


def check_fallbacks(checked: Checked) -> None:
    """A fallback is a person or another component."""
    for place, component in checked.components():
        if component.fallback is not None and component.fallback != HUMAN and "fallback" in place.values_at:
            span, path = place.values_at["fallback"], (*place.path, "fallback")
            check_reference(checked, span, path, component.fallback, component, "falls back to", (HUMAN,))
