"""A bank: all drift channels of one agent, or one version of it, stepped by one call per run.

Each channel bets against its learned reference (`numbers`, `shares`); each signal has an account for notices and one
for pages (`accounts`). A notice speaks when its account is full. A page also waits until the change is material and
sustained. From then on the signal fires (`episode`), its reference frozen, until it is back or the new level is normal.

Invariant: expected notices (pages) of a bank never exceed what was dripped for them, while every channel's law stays
within its tolerance band. Bands are learned: calibrated by simulation, not proved.
"""

from __future__ import annotations

import math
from array import array
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.drift import onset, strongest
from detectors.drift.accounts import Accounts
from detectors.drift.channels import Crossing, Ended, How, Value, Voice, Word
from detectors.drift.episode import Episode
from detectors.drift.onset import Seen
from detectors.drift.plan import Plan
from detectors.drift.references import learning, suspicion
from detectors.drift.references.gathering import Gathering
from detectors.drift.references.numbers import NONE, RECENT, WINDOW, NumberChannels
from detectors.drift.references.shares import ShareChannels

LOOKED_AT: Final = 8
"""A page account that is full but waits is looked at again after so many runs at most."""


class Bank:
    """The accounts and references of one slice; `plan` may be shared by any number of banks."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.runs = 0
        """Runs observed."""
        self.numbers: NumberChannels | None = None
        """Made when the first number goes live: before that it would be empty tables."""
        self.shares = ShareChannels(plan.channels, [(i, plan.tolerances[i]) for i in plan.others])
        self.learners = {i: learning.Numbers(array("f")) for i in range(len(plan.numbers))}
        """Of numbers that are not live, or fire; by their place among the numbers."""
        self.accounts = Accounts(plan)
        self.episodes: dict[int, Episode] = {}
        """What fires, by signal."""
        self.counted = 0
        """Runs whose numbers went into the references."""
        self.names: list[str] = []
        """The latest runs, to show examples."""
        self.times = array("d", bytes(8 * WINDOW))
        self.gathering = Gathering()
        self._go_live()

    # -- runs

    def observe(
        self,
        values: list[Value],
        run: str,
        now: float,
        notice_drip: float = 0.0,
        page_drip: float = 0.0,
        learns: bool = True,
        roots: int = 0,
    ) -> list[Word]:
        """One closed run: a value per channel of the plan, in its order. Returns what there is to say, mostly nothing.

        `now`: when it closed, in seconds, for onsets. The drips are the expected false alarms that flowed in for the
        whole bank since the last call, fixed before the run was seen. `learns`: whether channels that learn take it;
        `roots`: see `Accounts.step`.
        """
        index, plan, accounts = self.runs, self.plan, self.accounts
        self.times[index % WINDOW] = now
        self.names.append(run)
        del self.names[:-RECENT]
        self.runs += 1
        learns = learns and self.gathering.take(values, self.learners, self.plan, self.shares)
        bets = plan.room(accounts.size)
        if self.numbers is not None:
            self.numbers.read(values, index, bets)
        if self.shares.size:
            self.shares.read(values, index, bets, accounts.split)
        said: list[Word] = []
        if accounts.size:
            accounts.step(bets, notice_drip, page_drip, roots)
            for signal in accounts.full("page"):
                said += self._page(signal)
            for signal in accounts.full("notice"):
                said += self._notice(signal)
            said += self._follow() if self.episodes else []
        if self.runs - self.counted >= RECENT:
            self._count()
            self._refresh()
        if learns and self.gathering.due:
            self._go_live()
        return said

    def learn(self) -> None:
        """Let the learners take the runs that wait for them."""
        self.gathering.give(self.learners, self.plan, self.numbers, self.shares)

    def rebaseline(self, signal: str | None = None) -> list[Ended]:
        """Learn anew what is normal, for one signal or all: after a false alarm, or because someone said so."""
        ended: list[Ended] = []
        for i, one in enumerate(self.plan.signals):
            if signal is None or one.name == signal:
                episode = self.episodes.pop(i, None)
                if episode is not None:
                    ended.append(self.ended(episode, "rebaselined"))
                self.learn_anew(i, keep=episode is not None)
        return ended

    def inherit(self, other: Bank) -> None:
        """Start with the references of another bank of the same plan, in channels that know nothing yet.

        Counts are scaled down to `learning.INHERITED` runs, so that the slice's own runs soon matter.
        """
        assert other.plan is self.plan
        other._count()
        self.learn()
        if other.numbers is not None and self.numbers is None:
            self.make_numbers()
        for at in range(len(self.plan.numbers)):
            if other.numbers is not None and other.numbers.live[at]:
                assert self.numbers is not None
                if not self.numbers.live[at]:
                    self.numbers.inherit(at, other.numbers)
                    del self.learners[at]
        pairs = [
            (mine, theirs)
            for mine, theirs in zip(self.shares.channels, other.shares.channels, strict=True)
            if theirs.live and not (mine.live and mine.n)
        ]
        self.lay_out(self.shares.inherit(other.shares, pairs))
        self.weigh()

    def settle(self) -> None:
        """After a restore: make what is derived from the state."""
        self.accounts.place(len(self.plan.numbers) if self.numbers is not None else 0, self.shares)
        self.weigh()
        self.learn()

    # -- what can be asked

    def live(self) -> list[bool]:
        """Per channel of the plan, whether it knows what is normal."""
        found = [False] * len(self.plan.channels)
        if self.numbers is not None:
            for at, position in enumerate(self.plan.numbers):
                found[position] = self.numbers.live[at]
        for channel in self.shares.channels:
            found[channel.position] = channel.live
        return found

    def warming(self) -> dict[str, int]:
        """Per signal none of whose channels is live: the runs that the furthest one has seen, of `learning.LIVE`."""
        self.learn()
        live = self.live()
        seen = {self.plan.numbers[at]: learner.n for at, learner in self.learners.items()}
        seen |= {channel.position: channel.learner.n for channel in self.shares.learners if channel.learner is not None}
        return {
            signal.name: max(seen.get(at, 0) for at in members)
            for signal, members in zip(self.plan.signals, self.plan.members, strict=True)
            if members and not any(live[at] for at in members)
        }

    def height(self, position: int, since: float) -> float:
        """How much the runs since `since` (seconds) look changed in one channel: the highest CUSUM of its bets;
        infinity while the channel's signal fires."""
        if self.plan.signal_of[position] in self.episodes:
            return math.inf
        if not self.live()[position]:
            return 1.0
        first = max(self.runs - WINDOW, 0)
        while first < self.runs and self.times[first % WINDOW] < since:
            first += 1
        if first == self.runs:
            return 1.0
        bets = strongest.past_bets(self.plan, self.numbers, self.shares, position, first, self.runs)
        return max((onset.onset_of(bets[:, at])[1] for at in range(bets.shape[1])), default=1.0)

    # -- speaking

    def _notice(self, signal: int) -> list[Word]:
        seen, onset_run = self._examine(signal, "notice", None)
        episode = self._begin(signal, "notice", seen[0], onset_run, any(one.material for one in seen))
        return [self._crossing(episode, seen)]

    def _page(self, signal: int) -> list[Word]:
        """A full page account: speaks if the change is material and sustained, waits otherwise."""
        episode = self.episodes.get(signal)
        sustained = self.plan.signals[signal].sustained
        if self.runs % LOOKED_AT if episode is None else self.runs < max(episode.look, episode.onset_run + sustained):
            return []
        seen, onset_run = self._examine(signal, "page", episode.onset_run if episode is not None else None)
        if not any(one.material for one in seen) or self.runs - onset_run < sustained:
            if episode is not None:
                episode.look = self.runs + min(1 + (self.runs - episode.began) // LOOKED_AT, LOOKED_AT)
            return []
        escalated = episode is not None
        if episode is None:
            episode = self._begin(signal, "page", seen[0], onset_run, True)
        else:
            episode.voice, episode.material, episode.change, episode.began = "page", True, seen[0].change, self.runs
        self.accounts.empty("page", signal)
        self._silence(signal)
        self.weigh()
        return [self._crossing(episode, seen, escalated)]

    def _crossing(self, episode: Episode, seen: list[Seen], escalated: bool = False) -> Crossing:
        return Crossing(
            self.plan.signals[episode.signal].name, episode.voice, seen[0].change, [one.change for one in seen[1:]],
            episode.onset, episode.onset_run, onset.examples(seen[0].hits, self.names), episode.material, escalated,
            seen[0].hits, self._normal(seen[0]),
        )  # fmt: skip

    def _examine(self, signal: int, voice: Voice, onset_run: int | None) -> tuple[list[Seen], int]:
        self._count()
        return strongest.examine(
            self.plan, self.numbers, self.shares, self.accounts, self.runs, signal, voice, onset_run
        )

    # -- episodes

    def _begin(self, signal: int, voice: Voice, seen: Seen, onset_run: int, material: bool) -> Episode:
        """Freeze the reference as it was before the onset, and start to learn what is there now."""
        self._count()
        self.learn()
        position = next(i for i, channel in enumerate(self.plan.channels) if channel.name == seen.change.channel)
        hits = [hit for hit in seen.hits if hit is not None]
        episode = Episode(
            signal, voice, self.runs, onset_run, self.times[max(onset_run, self.runs - WINDOW) % WINDOW],
            position, seen.cell, seen.up, self._normal(seen), seen.change, material, sum(hits, 0.0), float(len(hits)),
        )  # fmt: skip
        self.episodes[signal] = episode
        since = max(onset_run, self.runs - WINDOW)
        for at in self.plan.members[signal]:
            place = self.plan.place[at]
            if self.plan.channels[at].kind == "number":
                if self.numbers is not None and self.numbers.live[place]:
                    self.numbers.uncount(place, self.numbers.past(place, since, self.runs))
                    self.numbers.learns[place] = False
                    self.learners[place] = learning.Numbers(array("f"))
            else:
                channel = self.shares.channels[place]
                if channel.live:
                    self.shares.uncount(channel, self.shares.past(channel, since, self.runs))
                    self.shares.learn(channel, False)
                    self.shares.begin(channel)
        self.accounts.empty("notice", signal)
        self.weigh()
        return episode

    def _normal(self, seen: Seen) -> float:
        """The share of bad observations before a change: of a category that became rare the rest is bad."""
        kind = next(channel.kind for channel in self.plan.channels if channel.name == seen.change.channel)
        return 1.0 - seen.change.before if not seen.up and kind != "number" else seen.change.before

    def _follow(self) -> list[Word]:
        """What the present run means for the signals that fire."""
        said: list[Word] = []
        paged = any(episode.voice == "page" for episode in self.episodes.values())
        for signal, episode in sorted(self.episodes.items()):
            y = self._indicator(episode)
            if episode.began == self.runs:
                continue
            if y is not None and episode.observe(y):
                del self.episodes[signal]
                self.restore(signal)
                said.append(self.ended(episode, "back"))
            elif self.runs - episode.began >= episode.patience(paged):
                del self.episodes[signal]
                self.learn_anew(signal, keep=True)
                said.append(self.ended(episode, "settled"))
        return said

    def ended(self, episode: Episode, how: How) -> Ended:
        """What is said of an episode that is over."""
        name = self.plan.signals[episode.signal].name
        return Ended(name, episode.voice, how, episode.change, self.runs - episode.began)

    def _indicator(self, episode: Episode) -> float | None:
        """The bad part of the latest run."""
        at = self.plan.place[episode.position]
        if self.plan.channels[episode.position].kind == "number":
            assert self.numbers is not None
            cell = self.numbers.past(at, self.runs - 1, self.runs)[0]
            return None if cell == NONE else float((cell >= episode.cell) == episode.up)
        part = float(self.shares.past(self.shares.channels[at], self.runs - 1, self.runs)[0, episode.cell])
        return None if part != part else part if episode.up else 1.0 - part

    def _silence(self, signal: int) -> None:
        for at in self.plan.members[signal]:
            if self.plan.channels[at].kind != "number":
                self.shares.silence(self.shares.channels[self.plan.place[at]])
            elif self.numbers is not None:
                self.numbers.silence(self.plan.place[at])

    def restore(self, signal: int) -> None:
        """Back to the reference that was frozen."""
        self.learn()
        for at in self.plan.members[signal]:
            place = self.plan.place[at]
            if self.plan.channels[at].kind != "number":
                channel = self.shares.channels[place]
                if channel.live:
                    channel.learner = None
                    self.lay_out(self.shares.refresh([(channel, None)]))
            elif self.numbers is not None and self.numbers.live[place]:
                self.learners.pop(place, None)
                self.numbers.learns[place] = True
                self.numbers.refresh(place, [])
        self.shares.note()
        self.accounts.empty("page", signal)
        self.weigh()

    def learn_anew(self, signal: int, keep: bool, only: int | None = None) -> None:
        """Drop the reference, of one channel `only`; what learners collected since an episode is kept if `keep`."""
        self._count()
        self.learn()
        for at in self.plan.members[signal] if only is None else (only,):
            place = self.plan.place[at]
            if self.plan.channels[at].kind != "number":
                self.shares.drop(self.shares.channels[place], keep)
            else:
                if self.numbers is not None:
                    self.numbers.drop(place)
                if not keep or place not in self.learners:
                    self.learners[place] = learning.Numbers(array("f"))
        self.accounts.empty("notice", signal)
        self.accounts.empty("page", signal)
        self.weigh()
        self._go_live()

    # -- references

    def _count(self) -> None:
        if self.numbers is not None and self.counted < self.runs:
            self.numbers.count(self.counted, self.runs)
        self.counted = self.runs

    def _refresh(self) -> None:
        """Make tables anew where the reference has doubled, without the runs of a suspicious stretch."""
        first = max(self.runs - WINDOW, 0)
        numbers = self.numbers
        ripe = numbers.ripe() if numbers is not None else []
        shares = [one for one in self.shares.channels if one.live and one.learns and one.n >= one.due]
        if not ripe and not shares:
            return
        since = [suspicion.of_share(self.shares, channel, first, self.runs) for channel in shares]
        held_back = [self.shares.past(one, start, self.runs) for one, start in zip(shares, since, strict=True)]
        self.lay_out(self.shares.refresh(list(zip(shares, held_back, strict=True))))
        if numbers is not None:
            for at in ripe:
                start = suspicion.of_number(numbers, at, first, self.runs)
                numbers.refresh(at, numbers.past(at, start, self.runs))
        self.weigh()

    def _go_live(self) -> None:
        """Freeze the references of channels that have seen enough."""
        changed = False
        self.learn()
        for at in [at for at, learner in self.learners.items() if learner.n >= learning.LIVE]:
            numbers = self.numbers or self.make_numbers()
            if not numbers.live[at]:
                self._count()
                numbers.freeze(at, self.learners.pop(at).values)
                changed = True
        ripe = self.shares.ripe()
        if ripe:
            self.lay_out(self.shares.freeze(ripe))
            changed = True
        if changed:
            self.learners = dict(self.learners)  # those that are gone take no room
            self.weigh()

    def make_numbers(self) -> NumberChannels:
        """Room for numbers."""
        self.numbers = NumberChannels(self.plan)
        self.counted = self.runs
        self.accounts.lay_out(len(self.plan.numbers), self.shares, None)
        return self.numbers

    def lay_out(self, moved: NDArray[np.intp] | None) -> None:
        """Let the accounts follow the cells of shares."""
        if moved is None:
            return
        self.accounts.lay_out(len(self.plan.numbers) if self.numbers is not None else 0, self.shares, moved)

    def weigh(self) -> None:
        """Let the accounts follow what is live and what fires."""
        live, firing, signals = self.live(), self.episodes, range(len(self.plan.signals))
        quiet = [signal not in firing for signal in signals]
        unpaged = [signal not in firing or firing[signal].voice == "notice" for signal in signals]
        self.accounts.weigh("notice", live, quiet)
        self.accounts.weigh("page", live, unpaged)
