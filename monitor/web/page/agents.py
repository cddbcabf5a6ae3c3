"""Agents on the page: one row each, and below it the signals with level, normal level and evidence.

The agents that need a look come first. Bounded: what does not fit is counted and left to the API.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from monitor.alerting.headline import share_text
from monitor.web.page import words
from monitor.web.page.markup import Markup, el, join, jointed, name, visible
from schemas.view import AgentState, AgentView, SignalView

AGENTS_SHOWN = 100
"""Agents on the page, those that need a look first."""

SIGNALS_SHOWN = 12
"""Signals of one agent, those with the most evidence first."""

STATES: tuple[AgentState, ...] = ("incident", "silent", "blind", "warming up", "healthy")
"""In the order in which they need a look."""

ABSENT = "\u2013"
"""A number that is not known yet."""

_MEANING: dict[AgentState, str] = {
    "incident": "an incident is open",
    "silent": "nothing was heard for longer than usual",
    "blind": "the monitor itself does not see",
    "warming up": "still learning what is normal",
    "healthy": "nothing has changed",
}
_COLUMNS = (
    ("Agent", None, "its name; below it its owner and its versions"),
    ("State", None, "what to think of it now"),
    ("Runs", "number", "runs that closed since the monitor knows it"),
    ("Failed", "number", "runs that ended with an error"),
    ("Silent failures", "number wide", "runs that said ok while something that they did says otherwise"),
    ("Hung", "number wide", "runs that never ended"),
    ("Rate", "number wide", "runs that close, at present"),
    ("Open", "number wide", "runs that go on"),
    ("Last seen", "number wide", "when it was last heard of"),
)


def agents(found: Iterable[AgentView], now: float) -> Markup:
    """The section's inside."""
    ordered = in_order(found)
    if not ordered:
        return el(
            "p",
            "No agent has sent anything yet. The first event shows up here by itself, within a second.",
            class_="quiet",
        )
    hidden = len(ordered) - AGENTS_SHOWN
    return join(
        el(
            "table",
            el("caption", "Agents, those that need a look first", class_="visually-hidden"),
            el(
                "thead", el("tr", [el("th", head, scope="col", class_=kind, title=why) for head, kind, why in _COLUMNS])
            ),
            [_agent(agent, now) for agent in ordered[:AGENTS_SHOWN]],
            class_="agents",
        ),
        el("p", f"and {hidden:,} more: ", el("a", "/api/v1/agents", href="/api/v1/agents"), class_="more")
        if hidden > 0
        else None,
    )


def in_order(found: Iterable[AgentView]) -> list[AgentView]:
    """Those that need a look first; the page shows `AGENTS_SHOWN` of them."""
    return sorted(found, key=lambda agent: (STATES.index(agent.state), agent.agent))


def tally(found: Iterable[AgentView]) -> Markup:
    """How many agents are in which state, as a legend that explains the states."""
    counted = Counter(agent.state for agent in found)
    return el(
        "ul",
        [el("li", state_of(state, f"{counted[state]:,} {state}")) for state in STATES if counted[state]],
        class_="tally",
        aria_label="Agents by state",
    )


def state_of(state: AgentState, text: str | None = None) -> Markup:
    """A state as mark and word; the mark has a shape of its own, colour only helps."""
    mark = el("span", class_="mark", aria_hidden="true")
    return el("span", mark, text or state, class_="state", data_state=state, title=_MEANING[state])


def _agent(agent: AgentView, now: float) -> Markup:
    trouble = [words.plural(agent.silent, "silent failure")] * bool(agent.silent) + [f"{agent.hung:,} hung"] * bool(
        agent.hung
    )
    row = el(
        "tr",
        el(
            "th",
            name(agent.agent),
            el("span", name(agent.owner), _versions(agent.versions), class_="under"),
            el("span", ", ".join(trouble), class_="under narrow") if trouble else None,
            scope="row",
        ),
        el("td", state_of(agent.state)),
        _number(agent.runs),
        el(
            "td",
            f"{agent.failed:,}",
            el("span", share_text(agent.failed / agent.runs), class_="under") if agent.failed else None,
            class_="number" if agent.failed else "number none",
        ),
        _number(agent.silent, wide=True),
        _number(agent.hung, wide=True),
        el("td", words.rate(agent.runs_per_minute), class_="number wide"),
        _number(agent.open_runs, wide=True),
        el("td", words.ago(agent.last_seen, now), class_="number wide"),
        class_="agent",
    )
    signals = el("tr", el("td", _signals(agent), colspan=len(_COLUMNS)), class_="signals")
    return el("tbody", row, signals if agent.signals else None, data_key=visible(agent.agent), data_state=agent.state)


def _number(number: int, *, wide: bool = False) -> Markup:
    return el("td", f"{number:,}", class_="number" + " wide" * wide + " none" * (number == 0))


def _versions(versions: Sequence[str]) -> list[str]:
    if not versions:
        return []
    shown: list[str] = [" · "]
    for version in versions[-3:]:
        shown += [name(version), " "]
    if len(versions) > 3:
        shown.append(f"and {len(versions) - 3} more")
    return shown


def _signals(agent: AgentView) -> Markup:
    ordered = sorted(
        agent.signals,
        key=lambda signal: (signal.state != "firing", signal.state == "warming up", -signal.evidence, signal.signal),
    )
    hidden = len(ordered) - SIGNALS_SHOWN
    return el(
        "details",
        el("summary", _summary(ordered)),
        el(
            "table",
            el("caption", "Signals of ", name(agent.agent), class_="visually-hidden"),
            el(
                "thead",
                el(
                    "tr",
                    el("th", "Signal", scope="col", title="what is watched, and in which slice"),
                    el("th", "Level", scope="col", class_="number", title="what it is now"),
                    el("th", "Normal", scope="col", class_="number", title="what was learned or declared"),
                    el("th", "Evidence for a page", scope="col", title="how much of what a page takes was gathered"),
                ),
            ),
            el("tbody", [_signal(signal) for signal in ordered[:SIGNALS_SHOWN]]),
        ),
        el("p", f"and {hidden:,} more: ", el("a", "/api/v1/agents", href="/api/v1/agents"), class_="more")
        if hidden > 0
        else None,
        open=agent.state in ("incident", "warming up"),
        data_state=agent.state,
    )


def _summary(ordered: Sequence[SignalView]) -> Markup:
    first = ordered[0]
    counted = words.plural(len(ordered), "signal")
    waiting = [signal for signal in ordered if signal.state == "warming up"]
    if first.state == "firing":
        firing = sum(signal.state == "firing" for signal in ordered)
        return join(counted, f", {firing} firing: ", el("code", first.signal))
    if len(waiting) == len(ordered):
        return join(counted, ", all warming up")
    learning = f", {len(waiting)} warming up" if waiting else ""
    return join(counted, learning, f", most evidence {_rounded(first.evidence)}: ", el("code", first.signal))


def _signal(signal: SignalView) -> Markup:
    labels = {label: value for label, value in signal.labels.items() if label != "agent"}
    under = [[el("span", f"{label} "), name(value), " "] for label, value in labels.items()]
    normal = ABSENT if signal.reference is None else words.level(signal.signal, signal.reference)
    level = signal.level if signal.n > 0 else None
    return el(
        "tr",
        el("th", el("code", jointed(signal.signal)), el("span", under, class_="under") if under else None, scope="row"),
        el(
            "td",
            ABSENT if level is None else words.level(signal.signal, level),
            None if level is None or signal.reference is None else _scale(level, signal.reference),
            class_="number",
        ),
        el("td", normal, class_="number"),
        el("td", _evidence(signal), class_="evidence"),
        data_key=visible(f"{signal.signal} {labels}"),
        data_state=signal.state,
    )


def _scale(level: float, reference: float) -> Markup:
    """The level as a bar and the normal level as a tick, on a scale of their own."""
    top = max(level, reference) * 1.2 or 1.0
    tick = el("rect", class_="tick", x=f"{reference / top * 100.0 - 0.75:.1f}", y=0, width="1.5", height=8)
    return _bar(level / top, "scale", tick)


def _evidence(signal: SignalView) -> Markup:
    if signal.state in ("warming up", "held"):
        return name(signal.waiting_for or "learning what is normal", class_="name waiting")
    share = min(max(signal.evidence, 0.0), 1.0)
    if signal.state == "firing":
        return join(_bar(1.0, "proof firing"), el("span", "firing", class_="share"))
    return join(_bar(share, "proof"), el("span", _rounded(share), class_="share"))


def _rounded(share: float) -> str:
    return f"{share * 100.0:.0f} %"


def _bar(share: float, kind: str, over: Markup | None = None) -> Markup:
    return el(
        "svg",
        el("rect", class_="track", width=100, height=8),
        el("rect", class_="fill", width=f"{min(max(share, 0.0), 1.0) * 100.0:.1f}", height=8),
        over,
        class_=f"bar {kind}",
        viewBox="0 0 100 8",
        preserveAspectRatio="none",
        aria_hidden="true",
    )
