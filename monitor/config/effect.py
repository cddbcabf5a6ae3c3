"""What the grammar accepts and this version does not act on yet: said, because silence would be a promise.

One row per part of the file; a part that comes to life loses its row.
"""

from __future__ import annotations

from monitor.config.document import Document, Mapping, Sequence

WITHOUT_EFFECT: dict[str, str] = {}
"""Key path (`*`: any name or item, `**`: any route of the tree) → what does not happen yet."""


def say_without_effect(document: Document) -> None:
    """A warning per part, at the first place where the file has it with content."""
    for pattern, what in WITHOUT_EFFECT.items():
        place = _first(document.root, pattern.split("."))
        if place is not None:
            holder, key = place
            span = holder.keys_at[key]
            document.report(span, (*holder.path, key), f"`{key}` is accepted, not yet effective: {what}", warning=True)


def _first(value: object, pattern: list[str]) -> tuple[Mapping, str] | None:
    part, rest = pattern[0], pattern[1:]
    if part == "**":
        inner = value.get("routes", ()) if isinstance(value, Mapping) else ()
        found = (_first(value, rest), *(_first(route, pattern) for route in inner))
        return next((place for place in found if place is not None), None)
    if part == "*":
        items = value.values() if isinstance(value, Mapping) else value if isinstance(value, Sequence) else ()
        return next((place for item in items if (place := _first(item, rest)) is not None), None)
    if not isinstance(value, Mapping) or not value.get(part):
        return None
    return (value, part) if not rest else _first(value[part], rest)
