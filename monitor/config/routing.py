"""The grammar of routing: receivers, the tree of routes, matchers, time intervals.

Says whether it can be read, not what it does: `monitor.alerting.routing` gives it its meaning. Rules of Prometheus
Alertmanager 0.34, whose configuration this is.
"""

from __future__ import annotations

from monitor.alerting.routing.matchers import parse_matchers
from monitor.config.document import Mapping, Sequence, clip
from monitor.config.meaning import Checked
from schemas.config import Route


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
            given = [key for key in ("url", "url_file") if key in holder.keys_at]
            if not given:
                checked.document.report(holder.span, holder.path, "a webhook needs `url` or `url_file`")
            elif webhook.url is not None and not webhook.url.get_secret_value().startswith(
                ("http://", "https://", "${")
            ):
                checked.at(holder, given[0], "no address: write `https://…`")


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


def _check_route(checked: Checked, place: Mapping, route: Route) -> None:
    known = checked.names.receivers
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
    _check_matchers(checked, place.get("matchers"))
    for key in ("mute_time_intervals", "active_time_intervals"):
        _check_intervals(checked, place.get(key))
    for inner_place, inner in zip(place.get("routes", ()), route.routes, strict=True):
        _check_route(checked, inner_place, inner)


def _check_intervals(checked: Checked, names: object) -> None:
    known = checked.names.intervals
    if not isinstance(names, Sequence) or known is None:
        return
    for index, name in enumerate(names):
        if name not in known:
            path = (*names.path, names.indexes[index])
            checked.document.unknown(names.items_at[index], path, "there is no time interval", str(name), known)


def _check_matchers(checked: Checked, matchers: object) -> None:
    if not isinstance(matchers, Sequence):
        return
    for index, text in enumerate(matchers):
        try:
            parse_matchers(str(text))
        except ValueError as error:
            span, path = matchers.items_at[index], (*matchers.path, matchers.indexes[index])
            checked.document.report(span, path, f"no matcher: {error}", found=clip(str(text)))
