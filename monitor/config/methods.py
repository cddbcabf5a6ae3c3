"""`method:` and `parameters:` of a signal: detectors that exist, fit the signal, and can be built.

A method that is to page is tried here on streams that do not change, because a user should know its false alarms
before it runs: `check` says them. River is imported only for a file that names a method.
"""

from __future__ import annotations

from typing import Any

from detectors import registry, river_detectors
from detectors.registry import Method
from detectors.river_detectors import Calibration
from monitor.config.document import Mapping, clip
from monitor.config.meaning import Checked
from monitor.config.problem import nearest
from monitor.drift import anomaly
from monitor.drift.banks.plan import DECLARABLE
from monitor.drift.numbers import READERS
from schemas.config import WEEK, DetectorSettings
from schemas.signals import SIGNALS


def check_methods(checked: Checked) -> None:
    """Methods: known, meant for what the signal gives, with parameters that river takes; and what may page."""
    section = checked.section("detectors")
    for name, settings in checked.config.detectors.items():
        place, signal = section[name], SIGNALS.get(name)
        if name == anomaly.SIGNAL and settings.mode == "page":
            what = f"`{name}` never pages: nothing bounds its false alarms"
            checked.at(place, "mode", what, allowed=("notice", "digest", "off"))
        if settings.method is None:
            if settings.parameters:
                checked.document.report(
                    place.keys_at["parameters"],
                    (*place.path, "parameters"),
                    "parameters of what? write `method:` beside them",
                    allowed=registry.METHOD_NAMES,
                )
            continue
        method = registry.method(settings.method)
        if method is None:
            _report_unknown(checked, place, settings.method)
        elif signal is None:
            continue
        elif name not in READERS:
            what = f"`{name}` is not one number per run, so no detector of river's can take it"
            checked.at(place, "method", what)
        elif signal.form == "number" and method.takes == "failures":
            fitting = tuple(other.name for other in registry.METHODS if other.takes == "numbers")
            checked.at(place, "method", f"`{name}` is a number, and this takes failures", allowed=fitting)
        elif name in DECLARABLE and settings.reference is not None:
            what = f"`{method.name}` learns itself what is normal; write `reference` or `method`"
            checked.document.report(place.keys_at["reference"], (*place.path, "reference"), what)
        elif _check_parameters(checked, place, method, settings):
            _say_what_may_page(checked, place, method, settings, signal.form)


def _report_unknown(checked: Checked, place: Mapping, name: str) -> None:
    """The nearest spelling of the whole name, or of its last part: `ADWIN` means `river.drift.ADWIN`."""
    last = {known.rsplit(".", 1)[1]: known for known in registry.METHOD_NAMES}
    near = nearest(name.rsplit(".", 1)[-1], last)
    checked.document.report(
        place.values_at["method"],
        (*place.path, "method"),
        f"there is no method `{clip(name)}`",
        found=clip(name),
        allowed=registry.METHOD_NAMES,
        suggestion=last[near] if near is not None else nearest(name, registry.METHOD_NAMES),
    )


def _check_parameters(checked: Checked, place: Mapping, method: Method, settings: DetectorSettings) -> bool:
    """Whether the detector can be built; problems are reported at the parameter that causes them."""
    written: Any = place.get("parameters")
    unknown = [key for key in settings.parameters if key not in method.parameters]
    for key in unknown:
        checked.document.unknown(
            written.keys_at[key],
            (*written.path, key),
            f"`{method.name}` has no parameter",
            key,
            tuple(method.parameters),
        )
    if unknown:
        return False
    found = river_detectors.problem(method, settings.parameters)
    if found is None:
        return True
    name, why = found
    if name is not None:
        checked.document.report(written.values_at[name], (*written.path, name), why)
    else:
        checked.document.report(place.keys_at["parameters"], (*place.path, "parameters"), why)
    return False


def _say_what_may_page(checked: Checked, place: Mapping, method: Method, settings: DetectorSettings, form: str) -> None:
    """Nothing is proved about river's false alarms: what was counted, and for how little traffic that is enough."""
    if settings.mode != "page":
        return
    if form == "number":
        words = "its false alarms hang on the values, which are not known here"
        checked.at(place, "mode", f"`{method.name}` on a number speaks as a notice: {words}", warning=True)
        return
    worst = min(
        (
            (river_detectors.calibrate_failures(method, settings.parameters, rate, method.simulated // 3), rate)
            for rate in river_detectors.RATES
        ),
        key=lambda found: found[0].least,
    )
    checked.at(place, "mode", _words(method, *worst, _largest_budget(checked)), warning=True)


def _words(method: Method, counted: Calibration, rate: float, budget: float) -> str:
    runs = int(counted.least * budget * WEEK)
    return (
        f"`{method.name}` pages only where its false alarms fit the budget, else it speaks as a notice: "
        f"{counted.words()} at {rate:.0%} failures; a whole owner's budget covers that up to {runs:,} runs a week"
    )


def _largest_budget(checked: Checked) -> float:
    """False pages per second that the most patient owner accepts."""
    return max((owner.budget for owner in checked.config.owners.values()), default=1.0 / WEEK)
