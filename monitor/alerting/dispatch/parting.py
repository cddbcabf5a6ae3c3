"""Under another tree: which messages lose their alerts to others, and what has rung already where those go on.

Pure. It is asked once, when groups were made anew for an edited configuration, by a reload or at a start. A group of
before that was told of alerts which other groups hold now is kept until its message has said so; it has no members
then. Invariant: no message fires for ever, and nobody is rung a second time because of a new tree.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from monitor.alerting.dispatch.book import Book, Held
from monitor.alerting.dispatch.groups import Group, Groups
from monitor.alerting.dispatch.told import Told, ToldLog
from monitor.alerting.routing.tree import Routing

_Message = tuple[str, str]
"""Key of a group and receiver: what names a message."""


def part(before: Sequence[Group], groups: Groups, told: ToldLog, book: Book, routing: Routing, now: float) -> None:
    """Let the groups of `before` say what has left them, and the present `groups` know what has rung. Due at `now`."""
    present: dict[_Message, list[Group]] = {}
    for group in groups:
        present.setdefault((group.key, group.receiver), []).append(group)
    rang: set[tuple[str, str]] = set()
    for old in before:
        last, same = told.last(old.key, old.receiver), present.get((old.key, old.receiver), [])
        held = {name for group in same for name in group.members}
        gone = [name for name in dict.fromkeys((*old.members, *old.left)) if name not in held]
        rang |= _rang(old, gone, last, book, routing)
        left = [name for name in gone if last is not None and name in last.firing]
        if left:
            groups.part(same[0] if same else old, left, now)
    for group in groups:
        found = ((h.matter, routing.called(group.receiver, h.alert.labels)) for h in _held(group.members, book))
        matters = tuple(dict.fromkeys(matter for matter, whom in found if (matter, whom) in rang))
        if matters:
            groups.rang(group, tuple(dict.fromkeys((*group.rung, *matters))))


def went_to(held: Iterable[Held], routing: Routing) -> tuple[str, ...]:
    """Receivers that are told of alerts now."""
    return tuple(dict.fromkeys(each.receiver for one in held for each in routing.destinations(one.alert.labels)))


def _rang(old: Group, gone: Iterable[str], last: Told | None, book: Book, routing: Routing) -> set[tuple[str, str]]:
    """Matters of alerts that are gone from a message, and whom they rang in it: in another one they do not again.

    What a receiver that is gone was told may not have been delivered, and cannot be any more: it rings anew.
    """
    if old.receiver not in routing.receivers:
        return set()
    known = {*old.rung, *(() if last is None else last.knows(_held(old.members, book)))}
    left = (held for held in _held(gone, book) if held.matter in known)
    return {(held.matter, routing.called(old.receiver, held.alert.labels)) for held in left}


def _held(names: Iterable[str], book: Book) -> list[Held]:
    return [held for name in names if (held := book.get(name)) is not None]
