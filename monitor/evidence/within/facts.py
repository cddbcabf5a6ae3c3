"""Facts: what a run did and must not. A fact is no bet: it fires at once, and is over by evidence like any fault.

Facts of one signal, tool and rule are one group with one episode; further ones are counted and told as updates. A
notice becomes a page at the third fact within a day, and where its rule says so it is a page from the start. A fact of
a contract costs nothing of the statistical budget and is counted apart (`Finding.paid`); a loop inside a run is paid:
it is a bet of `detectors.loops`, whose start mass the account sets (`loop_mass`). An agent whose runs loop now and then
has that habit: after `HABIT` episodes in a week a single loop is a notice, and a rise of their share is what pages.

Over: the null "the rule is still broken at the rate that was seen up to the last fact" is refuted by later runs that
could have broken it: about twenty clean ones after a single fact. Never by silence.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from detectors import reference, resolution
from monitor.evidence import nodes, words
from monitor.evidence.within.episodes import ACKS
from monitor.runs import Fact, Run
from monitor.saved.states import Firing
from schemas import limits
from schemas.finding import KEPT_AGAIN, Finding, FindingStatus

GROUPS = 64
"""Groups of one agent. One more: the one whose last fact is oldest gives way, one that fires last; counted as
`facts_evicted`."""
DAY = 86_400.0
PAGE_AT = 3
"""The fact within a day at which a notice becomes a page."""
FIRST_WORDS = 10
"""Episodes of facts that one agent begins within an hour. More wait for their next fact, counted as `facts_held`."""
HOUR = 3600.0
RARE = 200.0
"""A rule is taken to be kept in so many runs that nobody saw, so that a first fact is no usual one."""
HIGHEST_LEVEL = 0.15
"""A rate above it need not be refuted as such: one fact in one run is no rate of 100 %."""
OF_ALL_RUNS = ("claim:", "effect:", "tool:", "limit:", "outcome", "loop")
"""How rules begin that a run may break, or keep, without a call of the tool that they name."""
HABIT = 3
HABIT_SECONDS = 7 * 86_400.0
"""So many episodes of a paid fact in so long, and one more is no page: its usual share is known to its node, which
pages if it rises."""
PAID = frozenset(("run.loop",))
"""Signals whose facts are bets, paid from the budget."""


class Group(Struct, array_like=True):
    """Facts of one signal, tool and rule. `version`: of all of them, if they agree."""

    signal: str
    tool: str
    rule: str
    version: str | None
    text: str = ""
    total: float = 0.0
    last: float = 0.0
    last_run: str = ""
    days: list[float] = []
    """When its last facts came, at most as many as make a page."""
    examples: list[str] = []
    level_n: float = 1.0
    level_bad: float = 1.0
    """Runs and facts of the episode up to its last fact."""
    firing: Firing | None = None
    ends: list[float] = []
    """When the latest `HABIT` episodes were over."""

    @property
    def key(self) -> str:
        """What tells it from the other groups of its agent."""
        return f"{self.signal}|{self.tool}|{self.rule}"


class Facts:
    """All groups of one agent. `voice(signal)`: page, notice or off, as the YAML has it; None for the fact's own."""

    def __init__(
        self,
        agent: str,
        owner: str,
        voice: Callable[[str], str | None],
        emit: Callable[[Finding], None],
        identify: Callable[..., str],
        count: Callable[[str], None],
    ) -> None:
        self.agent = agent
        self.owner = owner
        self.voice = voice
        self.emit = emit
        self.identify = identify
        self.count = count
        self.groups: dict[str, Group] = {}
        self.begun: list[float] = []
        """When the last episodes began."""

    def take(self, fact: Fact, run: Run, runs: float, now: float) -> None:
        """One fact of a run; `runs` of the agent closed before."""
        voice = self.voice(fact.signal)
        if voice == "off":
            return
        group = self._group(fact, run)
        if group.last_run == run.run:
            return  # one run breaks a rule once
        before = group.total
        group.total += 1.0
        group.last, group.last_run, group.text = now, run.run, fact.text
        group.days = [*[at for at in group.days if at > now - DAY][1 - PAGE_AT :], now]
        if group.version != run.version:
            group.version = None
        mode = self._mode(fact, group, voice, now)
        firing = group.firing
        if firing is None:
            group.version = run.version
            group.examples = [run.run]
            if not self._may_begin(now):
                self.count("facts_held")
                return
            usual = reference.learned(before, max(runs, before) + RARE)
            group.firing = Firing(
                self.identify(group.key), now, now, usual, runs, before, 1.0, 1.0, said_n=1.0, said_at=now, mode=mode
            )
            group.level_n = group.level_bad = 1.0
            self._say(group, "firing", now)
            return
        group.examples = [*group.examples, run.run][-limits.EXAMPLE_RUNS :]
        firing.n += 1.0
        firing.bad += 1.0
        firing.back = firing.back_n = firing.back_bad = firing.gap = firing.gone = 0.0
        group.level_n, group.level_bad = firing.n, firing.bad
        if mode == "page" and firing.mode != "page":
            firing.mode = mode
            self._say(group, "firing", now)  # louder: whoever was told quietly is told again
        elif firing.bad - firing.said_n >= max(1.0, 0.25 * firing.said_n):
            if now - firing.said_at < nodes.UPDATE_SECONDS:
                return
            self._say(group, "update", now)
        else:
            return
        firing.said_n, firing.said_at = firing.bad, now

    def count_run(self, run: Run, now: float) -> None:
        """A run has closed: whoever could have broken a rule in it, and did not, speaks for the rule."""
        for key in sorted(self.groups):
            group = self.groups[key]
            firing = group.firing
            if firing is None or group.last_run == run.run:
                continue
            other_tool = group.tool and group.tool not in run.tools and not group.rule.startswith(OF_ALL_RUNS)
            if (group.version is not None and run.version != group.version) or other_tool:
                if nodes.observe_elsewhere(firing, nodes.GONE_SECONDS):
                    gone = f"version {group.version}" if run.version != group.version else f"tool {group.tool}"
                    self._end(group, f"{gone} gets no more runs", now)
                continue
            firing.n += 1.0
            firing.back_n += 1.0
            firing.others += firing.gap
            firing.gap = firing.gone = 0.0
            seen = resolution.level(firing.before, group.level_bad, group.level_n)
            level = max(min(seen, HIGHEST_LEVEL), 1.5 * firing.before)
            firing.back = resolution.step(firing.back, 0.0, firing.before, min(level, 0.98), group.level_n)
            if firing.back >= resolution.RESOLVED:
                self._end(group, KEPT_AGAIN, now)

    def acknowledge(self, name: str, word: str, now: float) -> bool:
        """A human's word for an episode (an incident key, or `signal|tool|rule`)."""
        for group in self.groups.values():
            if group.firing is not None and name in (group.firing.incident_key, group.key) and word in ACKS:
                self._end(group, ACKS[word], now)
                group.days = []
                return True
        return False

    def firing(self) -> list[Group]:
        """Groups in an episode."""
        return [group for _, group in sorted(self.groups.items()) if group.firing is not None]

    # -- inner

    def _group(self, fact: Fact, run: Run) -> Group:
        group = Group(fact.signal, fact.tool, fact.rule, run.version)
        known = self.groups.get(group.key)
        if known is not None:
            return known
        if len(self.groups) >= GROUPS:
            oldest = min(self.groups.values(), key=lambda one: (one.firing is not None, one.last, one.key))
            if oldest.firing is not None:
                self._end(oldest, "too many rules are broken to follow this one", run.seen)
            del self.groups[oldest.key]
            self.count("facts_evicted")
        self.groups[group.key] = group
        return group

    def _mode(self, fact: Fact, group: Group, voice: str | None, now: float) -> str:
        if voice in ("notice", "digest"):
            return voice
        if fact.signal in PAID and len(group.ends) >= HABIT and group.ends[0] > now - HABIT_SECONDS:
            return "notice"
        paged = voice == "page" and fact.signal in PAID
        return "page" if paged or fact.severity == "page" or len(group.days) >= PAGE_AT else "notice"

    def _may_begin(self, now: float) -> bool:
        self.begun = [at for at in self.begun if at > now - HOUR]
        if len(self.begun) >= FIRST_WORDS:
            return False
        self.begun.append(now)
        return True

    def _end(self, group: Group, reason: str, now: float) -> None:
        self._say(group, "resolved", now, reason)
        group.firing = None
        group.ends = [*group.ends, now][-HABIT:]

    def _say(self, group: Group, status: FindingStatus, now: float, reason: str = "") -> None:
        firing = group.firing
        assert firing is not None
        node = {"agent": self.agent}
        if group.version is not None:
            node["version"] = group.version
        if group.tool:
            node["tool"] = group.tool
        self.emit(
            words.of_episode(
                firing,
                status,
                now,
                identity=self.identify(firing.incident_key, status, firing.mode),
                signal=group.signal,
                owner=self.owner,
                node=node,
                watched=node,
                runs=group.examples,
                affected=(f"version={group.version}",) if group.version is not None else (),
                reason=reason or group.rule,
                detail=group.text or group.rule,
                paid=group.signal in PAID,
            )
        )
