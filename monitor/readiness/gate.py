"""The gate of one agent: what is new in production and not ready is told to the owner of what nobody declared.

A new agent is judged once, after `ready.runs` production runs or a day, by the same pieces as `forewarn ready`; its
tools are part of that. A tool that comes later is judged at its first call. One notice per component, which is no bet:
no budget pays for it. It ends when the pieces are there, or by a person. Only where the YAML declares agents (and, for
tools, tools) at all, else there is no gate to pass; and not what was there in a monitor's first `ready.settle`: that is
the fleet as it is, and nothing new.

State: `Standing`, owned by the agent and saved with its core; bounded by `TOLD` and by the uses of `carried`. A crash
leaves the state before, and the same runs say the same again under the same ids. An agent that an earlier version knew
is not new.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from monitor.evidence.within.episodes import ACKS
from monitor.readiness.carried import USES
from monitor.readiness.pieces import case, judge, judge_tool
from monitor.saved.carried import Carried, Use
from schemas.config import DAY, Config
from schemas.finding import Finding, FindingStatus
from schemas.view import SeenView

AGENT = "agent.unready"
TOOL = "tool.unready"
"""Signals of the notices; they are no signals of runs, and `ready.mode` is their voice."""
KEY = "ready/"
"""Begins the incident key; the component follows, so that a tool has one incident whoever calls it."""
RECHECK_RUNS = 100
"""Runs after which it is looked again whether what was told is over."""
TOLD = 20
"""Notices of one agent that are open at a time. Further tools are not told, counted as `unready_unsaid`."""


class Standing(Struct, array_like=True):
    """What was judged. `tools`: those that were; `told`: component → when it was said that it is not ready."""

    judged: bool = False
    tools: list[str] = []
    runs: int = 0
    told: dict[str, float] = {}


class Gate:
    """Judges one agent. `watched`: how long there has been a monitor, seconds; `count`: adds one to a counter."""

    def __init__(
        self,
        agent: str,
        config: Config,
        watched: Callable[[float], float],
        emit: Callable[[Finding], None],
        identify: Callable[..., str],
        count: Callable[[str], None],
    ) -> None:
        self.standing = Standing()
        self._agent = agent
        self._config = config
        self._watched = watched
        self._judges_tools = any(
            each.tool is not None or (each.contract and each.contract.tools) for each in config.components
        )
        self._emit = emit
        self._identify = identify
        self._count = count
        self.open = config.ready.mode == "off" or not any(each.agent is not None for each in config.components)

    def observe(self, carried: Carried, seen: Callable[[float], SeenView], first_seen: float, now: float) -> None:
        """A production run has closed and is in `carried`."""
        if self.open:
            return
        standing = self.standing
        if not standing.judged:
            runs = carried.runs
            if runs >= self._config.ready.runs or (runs and now - first_seen >= DAY):
                standing.judged = True
                standing.tools = sorted(carried.tools)
                if self._watched(first_seen) >= self._config.ready.settle:
                    self._judge(seen, now)
            return
        if len(carried.tools) != len(standing.tools) or len(carried.tools) + len(carried.uses) >= USES:
            self._look(carried, now)
        if standing.told:
            standing.runs += 1
            if standing.runs >= RECHECK_RUNS:
                standing.runs = 0
                self._recheck(carried, seen, now)

    def acknowledge(self, name: str, word: str, now: float) -> bool:
        """A person's word for a notice, by its incident key; False if none of that name is open."""
        component = name.removeprefix(KEY)
        if component == name or component not in self.standing.told or word not in ACKS:
            return False
        self._end(component, ACKS[word], now)
        return True

    def known(self, tools: list[str]) -> None:
        """The agent was there before there was a gate: it is not new, nor are its tools."""
        self.standing = Standing(judged=True, tools=sorted(tools))

    # -- inner

    def _judge(self, seen: Callable[[float], SeenView], now: float) -> None:
        missing = self._missing(seen, now)
        if missing:
            self._tell(f"agent:{self._agent}", missing, now)

    def _look(self, carried: Carried, now: float) -> None:
        """Tools that were not there before."""
        standing = self.standing
        tools = sorted(carried.tools)
        if tools == standing.tools:
            return
        fresh = tools if self._judges_tools and self._watched(now) >= self._config.ready.settle else []
        for tool in fresh:
            if tool not in standing.tools and (missing := judge_tool(tool, self._agent, self._config)):
                if len(standing.told) < TOLD:
                    self._tell(f"tool:{tool}", missing, now)
                else:
                    self._count("unready_unsaid")
        standing.tools = tools

    def _recheck(self, carried: Carried, seen: Callable[[float], SeenView], now: float) -> None:
        for component in list(self.standing.told):
            kind, _, name = component.partition(":")
            if kind == "agent":
                if not self._missing(seen, now):
                    self._end(component, "it is ready now", now)
            elif not _is_called(carried.tools.get(name)):
                self._end(component, "no run calls it any more", now)
            elif not judge_tool(name, self._agent, self._config):
                self._end(component, "it is ready now", now)

    def _missing(self, seen: Callable[[float], SeenView], now: float) -> tuple[str, ...]:
        """Pieces that are missing. How many runs there were is no fault of an agent that is in production already."""
        found = judge(case(self._agent, self._config, seen(now))).missing
        return tuple(name for name in found if name != "runs")

    def _tell(self, component: str, missing: tuple[str, ...], now: float) -> None:
        self.standing.told[component] = now
        self._say(component, "firing", ", ".join(missing), now)

    def _end(self, component: str, reason: str, now: float) -> None:
        since = self.standing.told.pop(component)
        self._say(component, "resolved", "", now, reason, since)

    def _say(
        self,
        component: str,
        status: FindingStatus,
        missing: str,
        now: float,
        reason: str = "",
        since: float | None = None,
    ) -> None:
        kind, _, name = component.partition(":")
        if kind == "agent":
            signal, node, who = AGENT, {"agent": name}, f"agent {name} is in production"
            hint = f"`forewarn ready {name}` says what to add"
        else:
            signal, node, who = (
                TOOL,
                {"agent": self._agent, "tool": name},
                f"tool {name} is called in production by {self._agent}",
            )
            hint = f"declare it as a component, and its version in the contract of {self._agent}"
        self._emit(
            Finding(
                id=self._identify(component, status),
                incident_key=f"{KEY}{component}",
                status=status,
                time=now,
                signal=signal,
                direction="up",
                mode=self._config.ready.mode,
                owner=self._config.default_owner,
                node=node,
                watched=node,
                before=0.0,
                after=0.0,
                before_n=0.0,
                after_n=0.0,
                before_bad=0.0,
                after_bad=0.0,
                onset=now if since is None else since,
                paid=False,
                reason=reason or hint,
                words=f"{who} and not ready: it lacks {missing}" if missing else f"{who}, and was not ready",
            )
        )


def _is_called(tool: Use | None) -> bool:
    """Whether any of the latest runs called it."""
    return tool is not None and tool.now[0] + tool.before[0] > 0
