"""Inhibition: while a source alert fires, its targets are muted.

Rules of Alertmanager 0.34, its index included: of several sources that are equal on the `equal` labels the one that
ends last stands for them until another is sent again; so where that one is over, the others of them mute only after
their next sending. That holds for posted alerts; ours are not sent again, so all of ours that fire mute.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from monitor.alerting.dispatch.book import Book, Held
from monitor.alerting.entries import Entries
from monitor.alerting.routing.matchers import Matcher, in_order, matches_all, parse_matchers, text_of
from schemas.config import Config, InhibitRule

PREFIX = "router/inhibit/"


@dataclass(frozen=True)
class Rule:
    """A rule with its matchers read. `key` names it among what is kept, whatever its place in the file."""

    key: str
    name: str
    source: tuple[Matcher, ...]
    target: tuple[Matcher, ...]
    equal: tuple[str, ...]

    def side(self, labels: Mapping[str, str]) -> str:
        """The values of the `equal` labels; a missing one equals an empty one."""
        return f"{self.key}|" + "\xff".join(labels.get(name, "") for name in self.equal)


class Inhibition:
    """The rules of a configuration, and which source stands for its equals. Raises `ValueError` for a bad matcher."""

    def __init__(self, config: Config) -> None:
        self._rules = [_rule(each) for each in config.inhibit_rules]
        self._index = Entries(PREFIX, str)
        self._own: dict[str, set[str]] = {}

    def loaded(self, book: Book) -> None:
        """The book was loaded: know the sources that are ours."""
        for held in book.own():
            self._know(held)

    def reload(self, config: Config, book: Book) -> None:
        """Go on under other rules; what stays in the file keeps what it knows."""
        before = {rule.key for rule in self._rules}
        self._rules = [_rule(each) for each in config.inhibit_rules]
        kept = tuple(f"{rule.key}|" for rule in self._rules)
        for side, _ in self._index.items():  # noqa: PERF102 (a copy, for sides are dropped)
            if not side.startswith(kept):
                self._index.drop(side)
        self._own.clear()
        self.loaded(book)
        fresh = [rule for rule in self._rules if rule.key not in before]
        for held in sorted(book, key=lambda each: (each.updated_at, each.alert.fingerprint)):
            self._stand(held, fresh, book)

    def seen(self, held: Held, book: Book) -> None:
        """An alert was put into the book."""
        self._know(held)
        self._stand(held, self._rules, book)

    def _stand(self, held: Held, rules: Iterable[Rule], book: Book) -> None:
        """Which source stands for its equals, after this one came."""
        labels, name = held.alert.labels, held.alert.fingerprint
        for rule in rules:
            if not matches_all(rule.source, labels):
                continue
            side = rule.side(labels)
            indexed = self._index.get(side)
            if indexed == name:
                continue
            standing = None if indexed is None else book.get(indexed)
            if standing is None or standing.ends <= held.ends:
                self._index.put(side, name)

    def muting(self, labels: Mapping[str, str], now: float, book: Book) -> str | None:
        """The fingerprint of a source that mutes an alert with these labels; None for none."""
        found = self.source(labels, now, book)
        return None if found is None else found[1].alert.fingerprint

    def source(self, labels: Mapping[str, str], now: float, book: Book) -> tuple[str, Held] | None:
        """A source that mutes an alert with these labels, and the side on which it stands; None for none."""
        for rule in self._rules:
            if not matches_all(rule.target, labels):
                continue
            both = matches_all(rule.source, labels)
            side = rule.side(labels)
            for source in self._sources(side, now, book):
                if not (both and matches_all(rule.target, source.alert.labels)):
                    return side, source
        return None

    def sides(self, labels: Mapping[str, str]) -> Iterator[str]:
        """The sides on which an alert with these labels is a source."""
        return (rule.side(labels) for rule in self._rules if matches_all(rule.source, labels))

    def _sources(self, side: str, now: float, book: Book) -> Iterable[Held]:
        indexed = self._index.get(side)
        standing = None if indexed is None else book.get(indexed)
        if standing is not None and not standing.over(now):
            yield standing
        own = self._own.get(side)
        if own is None:
            return
        for name in sorted(own):
            held = book.get(name)
            if held is None or held.over(now) or held.alert.posted:
                own.discard(name)
            elif held is not standing:
                yield held
        if not own:
            self._own.pop(side, None)

    def _know(self, held: Held) -> None:
        if held.alert.posted:
            return
        for rule in self._rules:
            if matches_all(rule.source, held.alert.labels):
                self._own.setdefault(rule.side(held.alert.labels), set()).add(held.alert.fingerprint)

    def changes(self) -> list[tuple[str, bytes | None]]:
        """Entries that changed since the last call."""
        return self._index.changes()

    def load(self, entries: Iterable[tuple[str, bytes]]) -> None:
        """Take up what `changes` gave."""
        self._index.load(entries)


def _rule(rule: InhibitRule) -> Rule:
    source = in_order(each for text in rule.source_matchers for each in parse_matchers(text))
    target = in_order(each for text in rule.target_matchers for each in parse_matchers(text))
    equal = tuple(sorted(set(rule.equal)))
    return Rule(f"{text_of(source)}{text_of(target)}{equal}", rule.name, source, target, equal)
