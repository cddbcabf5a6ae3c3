"""One sentence for one finding: `refund-agent v13: tool issue_refund fails 16 % of runs, was 4 %`.

Pure wording, used for titles, summaries and for the question whether numbers changed visibly. It is not a renderer:
names stand in it as the producer wrote them, so whoever shows the sentence cleans and escapes it.
"""

from __future__ import annotations

import math

from schemas.config import DAY, WEEK
from schemas.finding import Ending, Finding, Unit, ending

_RATES = ("agent.traffic",)
_SHARES: dict[str, str] = {
    "run.failed": "fails {after} of runs",
    "run.silent": "{after} of runs end ok without doing their job",
    "run.hung": "{after} of runs hang",
    "run.loop": "{after} of runs loop",
    "run.rejected": "{after} of runs are rejected by evaluation",
    "tool.failed": "fails {after} of runs",
    "tool.schema": "{after} of calls have arguments that do not fit",
    "agent.fallback": "{after} of runs use the fallback",
    "agent.escalation": "{after} of runs are escalated",
    "agent.guardrail": "{after} of runs meet a guardrail",
    "retrieval.empty": "{after} of retrievals find nothing",
    "retrieval.repeated": "{after} of runs get the same document",
    "contract.violated": "{after} of runs break the contract",
    "user.unhappy": "{after} of runs make users unhappy",
}
_DRIFT: dict[str, tuple[str, str, str]] = {
    "run.output_shape": ("outputs changed shape",) * 3,
    "run.tool_mix": ("tool mix",) * 3,
    "run.outcome": ("outcomes",) * 3,
    "tool.error_type": ("error types",) * 3,
    "tool.schema": ("interface changed",) * 3,
    "llm.finish_reason": ("finish reasons",) * 3,
    "llm.response_model": ("answers come from another model",) * 3,
    "agent.fallback": ("more fallbacks", "fewer fallbacks", "fallbacks stopped"),
    "agent.escalation": ("more escalations", "fewer escalations", "escalations stopped"),
    "agent.guardrail": ("guardrail acts more", "guardrail acts less", "guardrail stopped"),
    "retrieval.empty": (
        "more retrievals find nothing",
        "fewer retrievals find nothing",
        "every retrieval finds something",
    ),
    "retrieval.repeated": ("the same again and again",) * 3,
}
"""Signal → what is said before the detail where it rose, fell, or fell to nothing. Others are said by name."""
_FACTS = {"contract.violated": "breaks its contract", "run.loop": "loops"}
"""Signals that are told as facts, with what was done in `detail`: that is said, not only how often."""
_NAMED = ("run.tool_mix", "retrieval.empty", "retrieval.repeated")
"""Signals whose detail names the tool."""
_FIRST_DIGITS = 2


def share_text(share: float, digits: int = _FIRST_DIGITS) -> str:
    """A share 0..1 as people read it, to two significant digits: `16 %`, `4 %`, `0.35 %`; never 100 % unless it is."""
    percent = share * 100.0
    if not math.isfinite(percent):
        return "an unknown share"
    if percent == 0.0 or percent == 100.0:
        return f"{percent:.0f} %"
    while True:
        places = max(0, digits - 1 - math.floor(math.log10(abs(percent))))
        text = f"{percent:.{places}f}"
        if abs(float(text)) < 100.0 or abs(percent) > 100.0 or digits > 6:
            break
        digits += 1
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text} %"


def span_text(seconds: float) -> str:
    """A length of time as a person says it: `40 s`, `12 min`, `3 h 5 min`, `2 d 4 h`."""
    whole = max(0, round(seconds))
    if whole < 90:
        return f"{whole} s"
    minutes = round(whole / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def budget_text(per_second: float) -> str:
    """A budget in the shortest period that gives at least one: `1 per week`, `2 per day`, `0.5 per week`."""
    daily = per_second * DAY
    return f"{daily:.3g} per day" if daily > 1.0 - 1e-9 else f"{per_second * WEEK:.3g} per week"


def rate_text(per_second: float) -> str:
    """Events per second in the unit that gives a readable number: `60 per hour`, `0.5 per day`."""
    if not math.isfinite(per_second):
        return "an unknown rate"
    if per_second == 0.0:
        return "none"
    for seconds, unit in ((1.0, "second"), (60.0, "minute"), (3600.0, "hour")):
        if per_second * seconds >= 1.0:
            return f"{per_second * seconds:.3g} per {unit}"
    return f"{per_second * 86400.0:.3g} per day"


def seconds_text(seconds: float) -> str:
    """A duration as people read it: `0.35 s`, `12 s`, `3.5 min`, `2 h`."""
    for size, unit in ((3600.0, "h"), (60.0, "min")):
        if abs(seconds) >= 2.0 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def level_text(value: float, unit: Unit, digits: int = _FIRST_DIGITS) -> str:
    """A level with its unit: `16 %`, `12 s`, `$0.031`, `5,200 tokens`."""
    if unit == "share":
        return share_text(value, digits)
    if not math.isfinite(value):
        return "an unknown level"
    if unit == "rate":
        return rate_text(value)
    if unit == "seconds":
        return seconds_text(value)
    if unit == "usd":
        return f"${value:.{digits}g}" if abs(value) < 10.0 else f"${value:,.2f}"
    number = f"{value:,.0f}" if abs(value) >= 1_000.0 else f"{value:.3g}"
    return number if unit in ("", "count") else f"{number} {unit}"


def level_texts(finding: Finding) -> tuple[str, str]:
    """`before` and `after` as text, with as many digits as it takes to tell them apart."""
    unit, was = unit_of(finding), level_before(finding)
    for digits in range(_FIRST_DIGITS, 6):
        before, after = level_text(was, unit, digits), level_text(finding.after, unit, digits)
        if before != after:
            break
    return before, after


def level_before(finding: Finding) -> float:
    """What was normal, as people are told it: a learned share is what was counted.

    What the detector bets against stands in `before`; it is a little more, for it has seen little: of 600 runs without
    a failure 0.08 %.
    """
    counted = finding.signal in _SHARES and (not finding.detail or finding.signal in _FACTS)
    if not counted or finding.reference == "declared" or finding.before_n <= 0.0:
        return finding.before
    return finding.before_bad / finding.before_n


def unit_of(finding: Finding) -> Unit:
    """The unit of its levels: its own, or the one that its signal has."""
    return finding.unit or ("rate" if finding.signal in _RATES else "share" if _is_share(finding) else "")


def subject(node: dict[str, str]) -> str:
    """The slice as a person names it: `refund-agent v13`, `tool issue_refund`, `the fleet`."""
    parts = []
    if "agent" in node:
        parts.append(node["agent"])
    if "version" in node:
        version = node["version"]
        parts.append(version if version[:1] in ("v", "V") else f"version {version}")
    parts += [f"{label} {node[label]}" for label in ("model", "provider", "tenant") if label in node]
    if not parts:
        if "tool" in node:
            return f"tool {node['tool']}"
        return f"all agents of {node['owner']}" if "owner" in node else "the fleet"
    return " ".join(parts)


def headline(finding: Finding) -> str:
    """Who does what, how much, and how much before; the words of another system where they are."""
    if finding.words:
        return finding.words
    who = subject(finding.node)
    if finding.detail and finding.signal in _FACTS:
        return f"{who}: {told(finding)}"
    tool = f"tool {finding.node['tool']} " if "tool" in finding.node and not who.startswith("tool ") else ""
    if finding.detail and finding.signal in _NAMED:
        tool = ""
    return f"{who}: {tool}{told(finding)}{_beside(finding)}"


def told(finding: Finding) -> str:
    """What it does, how much, and how much before: the sentence without who, and without what changed beside it."""
    if finding.words:
        return finding.words
    before, after = level_texts(finding)
    if finding.detail and finding.signal in _FACTS:
        counted = f"{finding.after_bad:.0f} of {finding.after_n:.0f} runs"
        return f"{_FACTS[finding.signal]} in {counted}: {finding.detail}"
    if finding.detail:
        return f"{_drift_words(finding)}: {finding.detail}"
    if finding.signal in _RATES:
        what = "no runs any more" if finding.after == 0.0 else f"runs at {after}"
    elif finding.signal in _SHARES:
        what = _SHARES[finding.signal].format(after=after)
        if finding.direction == "down":
            what = f"only {what}" if what[0].isdigit() else what.replace("fails ", "fails only ", 1)
    else:
        what = f"{finding.signal} {'rose' if finding.direction == 'up' else 'fell'} to {after}"
    was = "declared normal" if finding.reference == "declared" else "was"
    return f"{what}, {was} {before}"


def recovered(finding: Finding, recovery: Finding) -> bool:
    """Whether the finding that resolved tells a level, and one that is nearer to normal than what was reached."""
    return recovery.after_n > 0 and abs(recovery.after - recovery.before) < abs(finding.after - finding.before)


def closing_line(finding: Finding, recovery: Finding | None, verdict: str = "") -> str:
    """How it ended, from what: `refund-agent v13: tool issue_refund is back to normal, 3.8 % after 21 %`.

    Only what the evidence calls back is told as back; else what it is now, or why it is not followed any more.
    `verdict`: what a person called it who ended it.
    """
    if finding.words:
        return f"over: {finding.words}"
    who = subject(finding.node)
    tool = f"tool {finding.node['tool']} " if "tool" in finding.node and not who.startswith("tool ") else ""
    reached = level_texts(finding)[1]
    end = ending(recovery)
    if end is Ending.SETTLED and recovery is not None:
        what = "" if finding.signal in _NAMED else tool
        return f"{who}: {what}{_drift_words(finding)}: {end}: {_new_level(recovery, finding.detail)}"
    if end is Ending.DROPPED:
        why = recovery.reason if recovery is not None else verdict
        return f"{who}: {tool}is {end}{f': {why}' if why else ''}, had {reached}"
    if recovery is None or not recovered(finding, recovery) or finding.signal in _RATES:
        return f"{who}: {tool}is {end}, had {reached}"
    return f"{who}: {tool}is {end}, {level_texts(recovery)[1]} after {reached}"


def closing_entry(recovery: Finding) -> str:
    """The same as one entry of a timeline: `back to normal: tool.failed of refund-agent v13`."""
    what = f"{recovery.signal} of {subject(recovery.node)}"
    if recovery.words:
        return f"over: {what}"
    end = ending(recovery)
    return f"{end}: {what}" if end is Ending.BACK else f"{end}: {what}: {_rest(recovery)}"


def how_it_ended(recovery: Finding) -> str:
    """What is to be said of the end where the signal is not back; else, and of what another system says, empty."""
    end = ending(recovery)
    return "" if recovery.words or end is Ending.BACK else f"{end}: {_rest(recovery)}"


def visible(finding: Finding) -> str:
    """What a reader would see change: the sentence, the names, and the count each time it has doubled."""
    doublings = int(math.log2(finding.after_n)) if finding.after_n >= 1.0 else 0
    sides = (*sorted(finding.affected), "|", *sorted(finding.unaffected), "|", *sorted(finding.error_types))
    return "\n".join((headline(finding), str(doublings), finding.mode, finding.reason, *sides))


def _new_level(recovery: Finding, detail: str) -> str:
    if detail:
        return detail  # it says what was, too
    before, after = level_texts(recovery)
    return f"{after}, was {before}"


def _rest(recovery: Finding) -> str:
    return _new_level(recovery, recovery.detail) if ending(recovery) is Ending.SETTLED else recovery.reason


def _beside(finding: Finding) -> str:
    return f" (also: {', '.join(finding.corroborated)})" if finding.corroborated else ""


def _drift_words(finding: Finding) -> str:
    words = _DRIFT.get(finding.signal)
    if words is None:
        return finding.signal
    return words[0] if finding.direction == "up" else words[2] if finding.after == 0.0 else words[1]


def _is_share(finding: Finding) -> bool:
    return finding.signal in _SHARES or (0.0 <= finding.before <= 1.0 and 0.0 <= finding.after <= 1.0)
