"""The ledger of the alert budget: what each owner's accounts may drip, epoch by epoch.

A part of an owner's budget is for nodes above agents, the rest for agents; within each the known ones share by
`detectors.shares`, with a reserve for those that come meanwhile. Nodes above agents share by signal and level first, so
that hundreds of tools take nothing from the one fleet. Epochs start short, so that an owner's first agents share fairly
soon, and grow to an hour. All grants of one owner together never exceed the budget, whatever the traffic does, because
a grant depends on nothing but who was seen before it.

Spent is what a bet cost, whether the router then tells of it or not. A notice that becomes a page has cost both. Facts
and repeats of an episode cost nothing and are counted apart.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Struct

from detectors import shares
from detectors.shares import Split
from monitor.signals import AGGREGATOR_SHARE
from schemas.config import Config, Owner
from schemas.finding import Finding
from schemas.records import Grant
from schemas.view import BudgetView

SHORTEST_EPOCH = 60.0
LONGEST_EPOCH = 3600.0
REFRESH_SECONDS = 3600.0
"""How exactly it is known when an agent was last there."""
FORGET_SECONDS = 7 * 86400.0
"""An account that asked for nothing for so long no longer counts as known."""
ACCOUNTS = 100_000
"""Accounts of one owner. More get nothing, counted as `accounts_refused`; nodes above agents still watch them."""
EPISODES = 1_000
"""Episodes that were paid and are known again, of all owners. A repeat of an older one is paid again."""


class Book(Struct, array_like=True):
    """One owner's accounts. Rates: expected false alarms per second; times in epoch seconds."""

    owner: str
    start: float
    end: float
    length: float
    known: int
    newcomers: int
    accounts: dict[str, list[float]]
    """Agent → when it last had something to say, and its share of this epoch."""
    page_share: float = 0.0
    """Part of the agents' budget that the grants of this epoch hold together."""
    page_granted: float = 0.0
    notice_granted: float = 0.0
    """Expected false alarms granted in earlier epochs."""
    pages: int = 0
    notices: int = 0
    parents: Split = msgspec.field(default_factory=Split)
    """How nodes above agents share their part in this epoch."""
    facts: int = 0
    repeats: int = 0


class Ledger:
    """The books of all owners. `dirty`: owners whose book changed since it was saved."""

    def __init__(self, config: Config, counts: dict[str, int]) -> None:
        self._owners = config.owners
        self._counts = counts
        self.books: dict[str, Book] = {}
        self._owners_of: dict[str, set[str]] = {}
        self.dirty: set[str] = set()
        self.episodes: dict[str, bool] = {}
        """Incident key of each episode that was paid, the latest last → whether as a page."""

    def ask(self, owner: str, agent: str, now: float) -> Grant | None:
        """An agent has nodes of this owner and no grant for them; asked again, it gets the same again."""
        book = self._book(owner, now)
        account = book.accounts.get(agent)
        if account is None:
            if len(book.accounts) >= ACCOUNTS:
                self._counts["accounts_refused"] = self._counts.get("accounts_refused", 0) + 1
                return None
            book.newcomers += 1
            account = book.accounts[agent] = [now, shares.newcomer_share(book.known, book.newcomers)]
            book.page_share += account[1]
            self._owners_of.setdefault(agent, set()).add(owner)
            self.dirty.add(owner)
        return self._grant(book, agent, account[1], now)

    def seen(self, agent: str, now: float) -> None:
        """An agent is still there."""
        for owner in self._owners_of.get(agent, ()):
            account = self.books[owner].accounts[agent]
            if now - account[0] > REFRESH_SECONDS:
                account[0] = now
                self.dirty.add(owner)

    def restore(self, book: Book) -> None:
        """Put back a saved book."""
        self.books[book.owner] = book
        for agent in book.accounts:
            self._owners_of.setdefault(agent, set()).add(book.owner)

    def tick(self, now: float) -> tuple[list[Grant], list[str]]:
        """New grants for every owner whose epoch is over, and who these owners are: their parents share anew."""
        grants: list[Grant] = []
        turned = [owner for owner in sorted(self.books) if now >= self.books[owner].end]
        for owner in turned:
            grants += self._turn(self.books[owner], now)
        return grants, turned

    def split_parents(self, owner: str, groups: Mapping[str, int], weights: Mapping[str, float]) -> Split:
        """The epoch of an owner's nodes above agents, from how many there are in each group."""
        split = self.books[owner].parents = shares.split(groups, weights)
        self.dirty.add(owner)
        return split

    def parent_comes(self, owner: str, group: str, now: float) -> float:
        """The share of a new node above agents of all that parents of its owner drip."""
        book = self._book(owner, now)
        self.dirty.add(owner)
        return book.parents.newcomer(group)

    def spend(self, finding: Finding) -> None:
        """An episode began, or became a page: a bet takes it from its owner's budget; facts and repeats are only
        counted."""
        book = self._book(finding.owner, finding.time)
        self.dirty.add(finding.owner)
        if not finding.paid:
            book.facts += 1
            return
        page, paged = finding.mode == "page", self.episodes.get(finding.incident_key)
        if paged is not None and (paged or not page):
            book.repeats += 1
        else:
            self.episodes[finding.incident_key] = page
            while len(self.episodes) > EPISODES:
                del self.episodes[next(iter(self.episodes))]
            book.pages += page
            book.notices += finding.mode == "notice"

    def parent_rate(self, owner: str, mode: str) -> float:
        """What all nodes above agents of this owner may drip together, per second."""
        return AGGREGATOR_SHARE * self._budget(owner, mode)

    def view(self, now: float) -> list[BudgetView]:
        """Granted and spent per owner, up to `now`."""
        found = []
        for owner, book in sorted(self.books.items()):
            part = AGGREGATOR_SHARE + (1.0 - AGGREGATOR_SHARE) * book.page_share
            elapsed = max(min(now, book.end) - book.start, 0.0)
            found.append(
                BudgetView(
                    owner=owner,
                    granted=book.page_granted + part * self._budget(owner, "page") * elapsed,
                    spent=book.pages,
                    notices_granted=book.notice_granted + part * self._budget(owner, "notice") * elapsed,
                    notices_spent=book.notices,
                    facts=book.facts,
                    repeats=book.repeats,
                )
            )
        return found

    def _budget(self, owner: str, mode: str) -> float:
        settings = self._owners.get(owner) or _DEFAULT
        return settings.budget if mode == "page" else settings.notices

    def _book(self, owner: str, now: float) -> Book:
        book = self.books.get(owner)
        if book is None:
            book = self.books[owner] = Book(owner, now, now + SHORTEST_EPOCH, SHORTEST_EPOCH, 0, 0, {})
        return book

    def _turn(self, book: Book, now: float) -> list[Grant]:
        """Close an epoch and open the next."""
        part = AGGREGATOR_SHARE + (1.0 - AGGREGATOR_SHARE) * book.page_share
        elapsed = book.end - book.start
        book.page_granted += part * self._budget(book.owner, "page") * elapsed
        book.notice_granted += part * self._budget(book.owner, "notice") * elapsed
        book.length = (
            SHORTEST_EPOCH if book.newcomers or book.parents.newcomers else min(2.0 * book.length, LONGEST_EPOCH)
        )
        book.start, book.end = now, now + book.length
        for agent in [agent for agent, (at, _) in book.accounts.items() if at + FORGET_SECONDS <= now]:
            del book.accounts[agent]
            self._owners_of[agent].discard(book.owner)
        book.known, book.newcomers = len(book.accounts), 0
        share = shares.known_share(book.known)
        book.page_share = share * book.known
        self.dirty.add(book.owner)
        for account in book.accounts.values():
            account[1] = share
        return [self._grant(book, agent, share, now) for agent in sorted(book.accounts)]

    def _grant(self, book: Book, agent: str, share: float, now: float) -> Grant:
        part = (1.0 - AGGREGATOR_SHARE) * share
        owner = book.owner
        return Grant(
            owner, agent, now, book.end, part * self._budget(owner, "page"), part * self._budget(owner, "notice")
        )


_DEFAULT = Owner()
