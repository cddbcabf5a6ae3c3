"""What stands between a change and production, as far as types cannot say it: fallbacks and limits that can be.

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


def check_backtest(checked: Checked) -> None:
    """Limits of `backtest:` speak of owners that exist and of times that can be kept."""
    limits = checked.config.backtest
    if limits is None:
        return
    place, known = checked.section("backtest", "owners"), checked.names.owners
    for name in limits.owners:
        if known is not None and name not in known and name in place.keys_at:
            checked.document.unknown(place.keys_at[name], (*place.path, name), "there is no owner", name, known)
    rows = checked.section("backtest").get("must_catch", ())
    for holder, wanted in zip(rows, limits.must_catch, strict=True):
        if "within" in holder and wanted.within <= 0.0:
            checked.at(holder, "within", "this must be longer than nothing")
