"""One sentence for one finding: `refund-agent v13: tool issue_refund fails 16 % of runs, was 4 %`.

Pure wording, used for titles, summaries and for the question whether numbers changed visibly. It is not a renderer:
names stand in it as the producer wrote them, so whoever shows the sentence cleans and escapes it.
"""

from __future__ import annotations

import math

from schemas.finding import Finding

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
    "contract.violated": "{after} of runs break the contract",
    "user.unhappy": "{after} of runs make users unhappy",
}
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


def level_texts(finding: Finding) -> tuple[str, str]:
    """`before` and `after` as text, with as many digits as it takes to tell them apart."""
    if finding.signal in _RATES:
        return rate_text(finding.before), rate_text(finding.after)
    if not _is_share(finding):
        return f"{finding.before:.3g}", f"{finding.after:.3g}"
    for digits in range(_FIRST_DIGITS, 6):
        before, after = share_text(finding.before, digits), share_text(finding.after, digits)
        if before != after:
            break
    return before, after


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
    """Who does what, how much, and how much before."""
    before, after = level_texts(finding)
    who = subject(finding.node)
    tool = f"tool {finding.node['tool']} " if "tool" in finding.node and not who.startswith("tool ") else ""
    if finding.signal in _RATES:
        what = "no runs any more" if finding.after == 0.0 else f"runs at {after}"
    elif finding.signal in _SHARES:
        what = _SHARES[finding.signal].format(after=after)
        if finding.direction == "down":
            what = f"only {what}" if what[0].isdigit() else what.replace("fails ", "fails only ", 1)
    else:
        what = f"{finding.signal} {'rose' if finding.direction == 'up' else 'fell'} to {after}"
    was = "declared normal" if finding.reference == "declared" else "was"
    return f"{who}: {tool}{what}, {was} {before}"


def recovered(finding: Finding, recovery: Finding) -> bool:
    """Whether the finding that resolved tells a level, and one that is nearer to normal than what was reached."""
    return recovery.after_n > 0 and abs(recovery.after - recovery.before) < abs(finding.after - finding.before)


def closing_line(finding: Finding, recovery: Finding | None) -> str:
    """Who is back to normal, from what: `refund-agent v13: tool issue_refund is back to normal, 3.8 % after 21 %`."""
    who = subject(finding.node)
    tool = f"tool {finding.node['tool']} " if "tool" in finding.node and not who.startswith("tool ") else ""
    reached = level_texts(finding)[1]
    if recovery is None or not recovered(finding, recovery) or finding.signal in _RATES:
        return f"{who}: {tool}is back to normal, had {reached}"
    return f"{who}: {tool}is back to normal, {level_texts(recovery)[1]} after {reached}"


def visible(finding: Finding) -> str:
    """What a reader would see change: the sentence, the names, and the count each time it has doubled."""
    doublings = int(math.log2(finding.after_n)) if finding.after_n >= 1.0 else 0
    sides = (*sorted(finding.affected), "|", *sorted(finding.unaffected), "|", *sorted(finding.error_types))
    return "\n".join((headline(finding), str(doublings), finding.mode, finding.reason, *sides))


def _is_share(finding: Finding) -> bool:
    return finding.signal in _SHARES or (0.0 <= finding.before <= 1.0 and 0.0 <= finding.after <= 1.0)
