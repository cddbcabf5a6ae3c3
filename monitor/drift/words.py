"""What is said of a change: the phrase that names what moved, and its levels with their unit.

Pure wording; whether anything is said is decided elsewhere (`monitor.drift.episodes`).
"""

from __future__ import annotations

from typing import NamedTuple

from detectors.drift import Change, Crossing
from monitor.alerting.headline import level_text, share_text
from monitor.drift.banks.profile import AGENT, Profile
from monitor.drift.channels import NO_HASH, NO_TOOL, RETRIEVAL, ROW_OF, SLOWEST
from monitor.drift.memory import Memory
from monitor.drift.outputs.marks import Marks
from monitor.drift.tools import interfaces, paces
from monitor.drift.tools.interfaces import Seen
from monitor.reading.calls.forms import STARTS
from schemas.finding import BACK_AS_IT_WAS, KNOWN_STATE, REBASELINED, SETTLED, Unit

FIELDS = 3
"""Fields of an interface that are named; of further ones only the number is said."""
USUAL_START = "usual first word"
TELLING = 0.6
"""A channel that people understand better is named if it moved at least this part of what the strongest did."""
MOSTLY = 0.5
"""Share from which on it is said what a category is by now, in place of what it is no longer."""
_CLEAR = (
    "kind",
    "new output fields",
    "missing output fields",
    "first character",
    "script",
    "refusal",
    "apology",
    "repeated",
    "last character",
    "used",
    "calls",
    "same value",
)
"""Channels that are understood at once, the clearest first."""
_NEARLY_NEVER = 0.02
"""Share below which a category without a name is another one than usual."""
_APART = 1.02
"""Medians nearer than this factor are the same: the change is in the tail or the spread."""

ENDINGS = {"back": BACK_AS_IT_WAS, "settled": SETTLED, "rebaselined": REBASELINED, "known": KNOWN_STATE}
"""How a bank says that an episode is over → why it is, for people."""


CATEGORY_LABELS = {
    "run.tool_mix": "tool",
    "llm.response_model": "model",
    "retrieval.empty": "tool",
    "retrieval.repeated": "tool",
}
"""Signals whose categories are things with a label of their own."""
NO_THINGS = frozenset(("", NO_TOOL, RETRIEVAL, "all others", "never seen before"))


class Level(NamedTuple):
    """What a finding says of a change: levels before and after, their unit, the phrase, and of what they are shares."""

    before: float
    after: float
    unit: Unit
    phrase: str
    share_of: str = ""


def telling(crossing: Crossing) -> Change:
    """Of the channels that changed, the one that people understand best, if it changed nearly as much."""
    changes = [crossing.change, *crossing.others]
    least = TELLING * max(_moved(change) for change in changes)
    clear = [change for change in changes if change.channel in _CLEAR and _moved(change) >= least]
    return min(clear, key=lambda change: _CLEAR.index(change.channel)) if clear else crossing.change


def described(
    profile: Profile, memory: Memory, bank: str, crossing: Crossing, version: str | None
) -> tuple[Level, str, dict[str, str]]:
    """Levels, phrase, and the labels of the thing that a change of a bank, or of one version in it, is about."""
    change = telling(crossing)
    if bank == AGENT and version is not None:
        change = profile.recent.narrowed(change, version, crossing.onset)
    usual, kind = None, ROW_OF[change.channel].kind
    if kind in ("category", "share"):
        usual = profile.recent.usual(change.channel, version, crossing.onset)
    if kind == "category" and change.unseen and usual is not None:
        change.what = usual[0]
    elif kind in ("share", "set") and change.unseen:
        change.what = profile.newcomer(bank, change.channel, crossing.onset) or change.what
    level = of_change(change, usual)
    if crossing.signal == "tool.schema":
        found = of_interface(memory, change)
        if found is not None:
            tool, said, what = found
            return level, f"{said}, {level.phrase.replace('fields', what, 1)}", {"tool": tool}
    if of_what := of_answers(memory, change):
        said, what = of_what
        return level, f"{said}, {level.phrase.replace('fields', what, 1)}", {}
    if crossing.signal == "run.duration_seconds":
        slow = of_pace(memory, crossing)
        if slow is not None and change.channel == SLOWEST:
            return slow[1], slow[1].phrase, {"tool": slow[0]}
        if slow is not None:
            return level, f"{level.phrase}, {slow[1].phrase}", {"tool": slow[0]}
    label = CATEGORY_LABELS.get(crossing.signal)
    thing = named(change, usual)
    return level, level.phrase, {label: thing} if label is not None and thing not in NO_THINGS else {}


def of_change(change: Change, usual: tuple[str, float] | None = None) -> Level:
    """The levels and the phrase of a change. `usual`: what a category mostly is by now, and its share."""
    row = ROW_OF[change.channel]
    if row.kind == "number":
        before, after = change.median_before, change.median_after
        if before is not None and after is not None and not _alike(before, after):
            old, new = _apart(before, after, row.unit)
            return Level(before, after, row.unit, f"{row.words.format(new)}, was {old}")
        tail = row.tail.replace("{word}", change.what) or f"{row.name} {change.what}"
        return _of_shares(change, f"{tail} in {{}} of runs")
    if row.hashed:
        return _of_shares(change, row.words.replace("{word}", _unnamed(change)))
    level = _of_shares(change, row.words.replace("{word}", _plain(change.what)))
    if usual is None or not _says_usual(change, usual):
        return level
    now = row.words.replace("{word}", _plain(usual[0])).format(share_text(usual[1]))
    return level._replace(phrase=f"{now}, was {change.what} in {share_text(change.before)}")


def named(change: Change, usual: tuple[str, float] | None) -> str:
    """The category that the phrase blames; empty where it only became rarer beside others, or there is none."""
    kind = ROW_OF[change.channel].kind
    if usual is not None and kind == "category" and _says_usual(change, usual):
        return usual[0]
    blames = kind == "set" or (kind in ("category", "share") and change.direction == "up")
    return change.what if blames else ""


def _says_usual(change: Change, usual: tuple[str, float]) -> bool:
    """Whether it is said what there is most of by now, in place of what became rarer."""
    if change.direction == "up" or usual[0] == change.what or usual[1] < MOSTLY:
        return False
    # of a mix, what there is most of may have been that before
    return ROW_OF[change.channel].kind != "share" or change.before >= MOSTLY


def of_interface(memory: Memory, change: Change) -> tuple[str, str, str] | None:
    """The tool that changed, what changed, and what that is: fields, or what values look like; None if no tool's latest
    run shows it."""
    found = {tool: interfaces.changes(interface) for tool, interface in memory.tools.items() if interface.known}
    for tool, interface in memory.forms.items():
        if interface.known:
            found[tool] = _with_forms(found.get(tool, interfaces.NOTHING), interfaces.changes(interface))
    fields = {tool for tool, seen in found.items() if seen.young or seen.missing}
    # another field has other values, too
    found |= {tool: seen for tool, seen in memory.looks.seen().items() if tool not in fields}
    shown = {tool for tool, seen in found.items() if seen.young or seen.missing}
    traits = {tool: said for tool, said in memory.traits.seen().items() if tool not in shown}
    found |= {tool: Seen(tuple(said), ()) for tool, said in traits.items()}
    wanted = [
        (
            len(seen.young) if change.channel == "new fields" else len(seen.missing),
            memory.tools[tool].runs if tool in memory.tools else 0,
            tool,
        )
        for tool, seen in found.items()
        if (seen.young if change.channel == "new fields" else seen.missing)
    ]
    if not wanted:
        return None
    tool = max(wanted)[2]
    seen = found[tool]
    if tool in traits:
        more = f" and {len(seen.young) - FIELDS} more" if len(seen.young) > FIELDS else ""
        return tool, ", ".join(seen.young[:FIELDS]) + more, "values"
    parts = [f"{_listed(seen.young)} new"] if seen.young else []
    parts += [f"{_listed(seen.missing)} gone"] if seen.missing else []
    return tool, ", ".join(parts), "fields" if tool in fields else "forms of values"


def of_answers(memory: Memory, change: Change) -> tuple[str, str] | None:
    """What the latest of the agent's answers shows to have changed, or to stand still, and what that is: fields or
    signs; None for other channels."""
    answers, marks = memory.versions.latest.answers, memory.versions.latest.marks
    if change.channel in ("new output fields", "missing output fields"):
        parts = [f"{_listed(tuple(sorted(answers.young)))} new"] if answers.young else []
        parts += [f"{_listed(tuple(sorted(answers.gone)))} gone"] if answers.gone else []
        if parts:
            return ", ".join(parts), "fields"
        parts = _of_marks(marks)
        return (", ".join(parts), "signs") if parts else None
    if change.channel == "same value" and answers.still:
        paths = tuple(sorted(path or "the whole answer" for path in answers.still))
        return f"{_listed(paths)} always the same", "fields"
    return None


def _of_marks(marks: Marks) -> list[str]:
    """Which signs the latest answer shows to have changed: "`##` is new", "`9.9` is gone"."""
    parts = []
    for names, how in ((marks.young, "new"), (marks.gone, "gone")):
        if names:
            shown = ", ".join(f"`{name}`" for name in names[:FIELDS])
            more = f" and {len(names) - FIELDS} more" if len(names) > FIELDS else ""
            parts.append(f"{shown}{more} {'is' if len(names) == 1 else 'are'} {how}")
    return parts


def of_pace(memory: Memory, crossing: Crossing) -> tuple[str, Level] | None:
    """The tool that became slower, and how much; None if the change is not of one tool."""
    changes = [crossing.change, *crossing.others]
    if not any(one.channel == SLOWEST and one.direction == "up" for one in changes):
        return None
    found = paces.slower(memory.paces)
    if found is None:
        return None
    tool, usual, late = found
    then, now = _apart(usual, late, "seconds")
    return tool, Level(usual, late, "seconds", f"a call of {_plain(tool)} takes {now}, usually {then}")


def _with_forms(fields: Seen, found: Seen) -> Seen:
    """What changed in the fields of a tool, and in the form of its results."""
    young = [f"result:{name}" for name in found.young if not name.startswith(STARTS)]
    missing = [f"result:{USUAL_START if name.startswith(STARTS) else name}" for name in found.missing]
    return Seen((*fields.young, *young), (*fields.missing, *missing))


def _of_shares(change: Change, words: str) -> Level:
    for digits in range(2, 6):
        before, after = share_text(change.before, digits), share_text(change.after, digits)
        if before != after:
            break
    was = "declared normal" if change.declared else "was"
    side, found, _ = words.partition(" in {}")
    phrase = f"{words.format(after)}, {was} {before}"
    return Level(change.before, change.after, "share", phrase, side if found else "")


def _unnamed(change: Change) -> str:
    """What a category goes by that is only known as a hash: `another first word in 93 % of outputs, was 0.1 %`."""
    if change.what == NO_HASH:
        return "no"
    if change.direction == "down":
        return "the usual" if change.before >= MOSTLY else "one"
    return "another" if change.unseen or change.before < _NEARLY_NEVER else "one"


def _plain(word: str) -> str:
    """A word of the agent's, not to be taken for a place in the phrase."""
    return word.replace("{", "(").replace("}", ")")


def _moved(change: Change) -> float:
    return abs(change.after - change.before)


def _apart(before: float, after: float, unit: Unit) -> tuple[str, str]:
    for digits in range(2, 6):
        texts = level_text(before, unit, digits), level_text(after, unit, digits)
        if texts[0] != texts[1]:
            break
    return texts


def _alike(before: float, after: float) -> bool:
    low, high = sorted((abs(before), abs(after)))
    return before == after or (before * after > 0.0 and high <= low * _APART)


def _listed(names: tuple[str, ...]) -> str:
    shown = ", ".join(
        name.replace(":", " (", 1).replace("  (", " (") + ")" if ":" in name and "`" not in name else name
        for name in names[:FIELDS]
    )
    more = f" and {len(names) - FIELDS} more" if len(names) > FIELDS else ""
    return f"{shown}{more} {'is' if len(names) == 1 else 'are'}"
