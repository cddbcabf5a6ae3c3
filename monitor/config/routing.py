"""The grammar of routing: receivers, the tree of routes, matchers, inhibition rules, time intervals.

Says whether it can be read, not what it does: `monitor.alerting` gives it its meaning. Rules of Prometheus
Alertmanager 0.34, whose configuration this is.
"""

from __future__ import annotations

import base64
from collections.abc import Callable

from pydantic import SecretStr

from monitor.alerting.muting import times
from monitor.alerting.routing.matchers import parse_matchers
from monitor.config.document import Mapping, Sequence, clip
from monitor.config.meaning import Checked
from schemas.config import NamedInterval, Route, TimeSpec

SIGNING_CHARACTERS = 16
"""A secret that signs has at least so many."""


def check_receivers(checked: Checked) -> None:
    """Receivers: one of each name, each with an address."""
    first: dict[str, int] = {}
    for place, receiver in zip(checked.document.root.get("receivers", ()), checked.config.receivers, strict=True):
        span = place.values_at["name"]
        if receiver.name in first:
            checked.at(
                place, "name", f"a second receiver `{clip(receiver.name)}`, first on line {first[receiver.name]}"
            )
        first.setdefault(receiver.name, span.line)
        for holder, webhook in zip(place.get("webhook_configs", ()), receiver.webhook_configs, strict=True):
            _check_url(checked, holder, webhook.url)
        for holder, hook in zip(place.get("verdict_configs", ()), receiver.verdict_configs, strict=True):
            _check_url(checked, holder, hook.url)
            _check_signing(checked, holder, hook.secret)


def _check_url(checked: Checked, holder: Mapping, url: SecretStr | None) -> None:
    given = [key for key in ("url", "url_file") if key in holder.keys_at]
    if not given:
        checked.document.report(holder.span, holder.path, "a webhook needs `url` or `url_file`")
    elif url is not None and not url.get_secret_value().startswith(("http://", "https://", "${")):
        checked.at(holder, given[0], "no address: write `https://…`")


def _check_signing(checked: Checked, holder: Mapping, secret: SecretStr | None) -> None:
    given = [key for key in ("secret", "secret_file") if key in holder.keys_at]
    text = None if secret is None else secret.get_secret_value()
    if not given:
        checked.document.report(holder.span, holder.path, "what acts on a verdict is signed: give `secret` or a file")
    elif text is not None and "${" not in text:
        if len(text) < SIGNING_CHARACTERS:
            checked.at(holder, given[0], f"too short to sign with: write at least {SIGNING_CHARACTERS} characters")
        elif text.startswith("whsec_") and not _is_base64(text.removeprefix("whsec_")):
            checked.at(holder, given[0], "what follows `whsec_` must be base64")


def _is_base64(text: str) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) > 0
    except ValueError:
        return False


SECTIONS = ("time_intervals", "mute_time_intervals")

_FIELDS: dict[str, Callable[[str | int], object]] = {
    "weekdays": times.weekday_range,
    "days_of_month": times.day_range,
    "months": times.month_range,
    "years": times.year_range,
}


def check_global(checked: Checked) -> None:
    """What holds for all alerts: times above zero."""
    place = checked.section("global")
    if "resolve_timeout" in place and checked.config.global_.resolve_timeout <= 0.0:
        checked.at(place, "resolve_timeout", "this must be longer than nothing")


def check_report(checked: Checked) -> None:
    """The weekly report: a receiver that exists."""
    place, to = checked.section("report"), checked.config.report.to
    known = _receivers(checked)
    if to is not None and known is not None and to not in known:
        checked.document.unknown(place.values_at["to"], (*place.path, "to"), "there is no owner or receiver", to, known)


def check_routes(checked: Checked) -> None:
    """Routes: receivers and intervals that exist, matchers that can be read, waits above zero."""
    route, place = checked.config.route, checked.document.root.get("route")
    if route is None or not isinstance(place, Mapping) or not place.keys_at:
        return  # `route: {}`: by owner
    for key in ("matchers", "continue", "mute_time_intervals", "active_time_intervals"):
        if place.get(key):
            checked.document.report(
                place.keys_at[key], (*place.path, key), f"the root takes every alert: no `{key}` here"
            )
    _check_route(checked, place, route)


def check_inhibition(checked: Checked) -> None:
    """Inhibition rules: both sides named, matchers that can be read, labels once."""
    for place, rule in zip(checked.document.root.get("inhibit_rules", ()), checked.config.inhibit_rules, strict=True):
        for key in ("source_matchers", "target_matchers"):
            if not getattr(rule, key):
                span = place.keys_at.get(key, place.span)
                checked.document.report(span, place.path, f"no `{key}`: this side takes every alert", warning=True)
            check_matchers(checked, place.get(key))
        for label in sorted({label for label in rule.equal if rule.equal.count(label) > 1}):
            checked.at(place, "equal", f"`{clip(label)}` stands here twice")


def check_intervals(checked: Checked) -> None:
    """Time intervals: one of each name, fields that are times, ranges that are not empty."""
    first: dict[str, int] = {}
    for section in SECTIONS:
        for place, named in zip(checked.document.root.get(section, ()), getattr(checked.config, section), strict=True):
            line = place.values_at["name"].line
            if named.name in first:
                checked.at(
                    place, "name", f"a second time interval `{clip(named.name)}`, first on line {first[named.name]}"
                )
            if not named.name:
                checked.at(place, "name", "a time interval needs a name")
            first.setdefault(named.name, line)
            _check_named(checked, place, named)


def _check_route(checked: Checked, place: Mapping, route: Route) -> None:
    known = _receivers(checked)
    if route.receiver is not None and known is not None and route.receiver not in known:
        checked.document.unknown(
            place.values_at["receiver"], (*place.path, "receiver"), "there is no receiver", route.receiver, known
        )
    for key in ("group_wait", "group_interval", "repeat_interval"):
        seconds = getattr(route, key)
        if seconds is not None and (seconds < 0.0 or (seconds == 0.0 and key != "group_wait")):
            checked.at(place, key, "this must be longer than nothing")
    labels = route.group_by or []
    if "..." in labels and len(labels) > 1:
        checked.at(place, "group_by", "`...` means every label and stands alone")
    for label in sorted({label for label in labels if labels.count(label) > 1}):
        checked.at(place, "group_by", f"`{clip(label)}` stands here twice")
    check_matchers(checked, place.get("matchers"))
    for key in ("mute_time_intervals", "active_time_intervals"):
        _check_names(checked, place.get(key))
    for inner_place, inner in zip(place.get("routes", ()), route.routes, strict=True):
        _check_route(checked, inner_place, inner)


def _receivers(checked: Checked) -> tuple[str, ...] | None:
    """Names of receivers; an owner is one as well. None where they cannot be read."""
    names = checked.names
    return None if names.receivers is None or names.owners is None else (*names.receivers, *names.owners)


def _check_names(checked: Checked, names: object) -> None:
    known = checked.names.intervals
    if not isinstance(names, Sequence) or known is None:
        return
    for index, name in enumerate(names):
        if name not in known:
            path = (*names.path, names.indexes[index])
            checked.document.unknown(names.items_at[index], path, "there is no time interval", str(name), known)


def check_matchers(checked: Checked, matchers: object) -> None:
    """Matchers of a list: each can be read."""
    if not isinstance(matchers, Sequence):
        return
    for index, text in enumerate(matchers):
        try:
            parse_matchers(str(text))
        except ValueError as error:
            span, path = matchers.items_at[index], (*matchers.path, matchers.indexes[index])
            checked.document.report(span, path, f"no matcher: {error}", found=clip(str(text)))


def _check_named(checked: Checked, place: Mapping, named: NamedInterval) -> None:
    for holder, spec in zip(place.get("time_intervals", ()), named.time_intervals, strict=True):
        for key, read in _FIELDS.items():
            _check_each(checked, holder.get(key), read)
        _check_times(checked, holder, spec)
        if spec.location is not None:
            try:
                times.zone(spec.location)
            except ValueError as error:
                checked.at(holder, "location", str(error), found=clip(spec.location))


def _check_each(checked: Checked, values: object, read: Callable[[str | int], object]) -> None:
    if not isinstance(values, Sequence):
        return
    for index, value in enumerate(values):
        try:
            read(value)
        except ValueError as error:
            path = (*values.path, values.indexes[index])
            checked.document.report(values.items_at[index], path, str(error), found=clip(str(value)))


def _check_times(checked: Checked, holder: Mapping, spec: TimeSpec) -> None:
    for place, each in zip(holder.get("times", ()), spec.times or (), strict=True):
        try:
            times.time_range(each)
        except ValueError as error:
            checked.document.report(place.span, place.path, str(error))
