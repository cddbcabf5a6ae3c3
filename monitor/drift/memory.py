"""What an agent's drift remembers between runs, and what a closed run says beside it.

Not here: which value of it a channel reads (`channels`).

Invariant: everything that is remembered is bounded; what gives way is the oldest.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Final

import msgspec
from mypy_extensions import mypyc_attr

from monitor.drift.banks.slots import Sessions
from monitor.drift.outputs.versions import Versions
from monitor.drift.tools import interfaces, paces
from monitor.drift.tools.interfaces import Interface, Seen
from monitor.drift.tools.looks import Looks
from monitor.drift.tools.pace import Pace
from monitor.drift.tools.stuck import Same, Stuck
from monitor.drift.tools.traits import Traits
from monitor.reading.calls import forms
from monitor.runs import Closed, Work

OUTPUTS: Final = 64
"""Outputs of an agent that are remembered, to tell one that was given before."""
SOURCES: Final = 8
"""Sources of which the latest documents are remembered. More: the one not searched for longest is forgotten."""
DOCUMENTS: Final = 32
"""Best documents remembered of each source, to tell the one that is given most."""
FEW: Final = 8
"""Of fewer latest ones it is not said which comes most."""
INTERFACES: Final = 512
"""Interfaces of a tool whose names are remembered, for its calls are mostly alike."""


class Memory:
    """What an agent's channels remember between runs.

    `tools`, `forms`: tool → the fields of its calls, and the forms of its results. `outputs`: hashes of the latest
    outputs, the newest last. `documents`: source → hashes of the best documents of its latest runs, the newest last.
    `session`: a hash of the session of the latest run that found a document; 0 where none was told. `count`: takes what
    gave way in `versions`, `looks` and `traits`, by name.
    """

    def __init__(
        self,
        outputs: Iterable[int] = (),
        tools: dict[str, Interface] | None = None,
        count: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.tools: dict[str, Interface] = {} if tools is None else tools
        self.paces: dict[str, Pace] = {}
        self.forms: dict[str, Interface] = {}
        self.documents: dict[str, list[int]] = {}
        self.session = 0
        self.versions = Versions(count)
        self.stuck = Stuck()
        self.looks = Looks(count)
        self.traits = Traits(count)
        self.sessions = Sessions(latest={})
        self.outputs: list[int] = []
        self._times: dict[int, int] = {}
        """How often each of them is among the latest."""
        for output in outputs:
            self.note(output)

    def saved_parts(self) -> tuple[bytes, ...]:
        """The states of what is known of tools: their fields, forms, questions with answers, values, and traits."""
        tools, forms = interfaces.save(self.tools), interfaces.save(self.forms)
        return tools, forms, self.stuck.save(), self.looks.save(), self.traits.save()

    def load_calls(self, raw: bytes) -> None:
        """Put back `saved_parts`, as they are written together; the version before wrote no traits."""
        tools, forms, stuck, looks, *later = _saved_calls.decode(raw)
        interfaces.load(self.tools, tools)
        interfaces.load(self.forms, forms)
        self.stuck.load(stuck)
        self.looks.load(looks)
        for traits in later:
            self.traits.load(traits)

    def note(self, output: int) -> bool:
        """Take up one more; whether it is one of the latest."""
        times = self._times.get(output, 0)
        self._times[output] = times + 1
        self.outputs.append(output)
        if len(self.outputs) > OUTPUTS:
            oldest = self.outputs.pop(0)
            left = self._times[oldest] - 1
            if left:
                self._times[oldest] = left
            else:
                del self._times[oldest]
        return times > 0


@mypyc_attr(acyclic=True)
class Reading:
    """A closed run, with what it says beside what the agent's memory holds.

    `repeated`: whether one of the agent's latest outputs was the same. `young`, `missing`: whether a tool had a field,
    or its result a form, that is new, or was without one that it always had. `unusual`: how unlike the usual runs it
    is as a whole, where somebody asked for that. `same`: part of the sources that it searched whose best document was
    the one that they give most of late. `new`, `gone`: whether an output had fields or marks that are new, or was
    without one that it always had. `still`: whether something that outputs hold no longer moves. `times`: how many
    times its usual seconds the slowest tool took.
    """

    def __init__(
        self,
        closed: Closed,
        repeated: bool | None,
        young: bool | None,
        missing: bool | None,
        unusual: float | None,
        same: float | None = None,
        new: bool | None = None,
        gone: bool | None = None,
        still: bool | None = None,
        times: float | None = None,
        stuck: Same | None = None,
    ) -> None:
        self.closed = closed
        self.repeated = repeated
        self.young = young
        self.missing = missing
        self.unusual = unusual
        self.same = same
        self.new = new
        self.gone = gone
        self.still = still
        self.times = times
        self.stuck = stuck


def recall(memory: Memory, closed: Closed, unusual: float | None = None) -> Reading:
    """What the run says beside the memory; the memory takes it up (in place)."""
    work = closed.work
    repeated = None
    if work.output_hash is not None:
        repeated = memory.note(work.output_hash)
    young = missing = None
    if work.argument_fields or work.result_fields:
        for tool in interfaces.tools_of(work.argument_fields, work.result_fields):
            calls = closed.run.tools.get(tool)
            results = work.result_fields.get(tool)
            if results is None:
                if calls is not None and calls[1]:
                    continue  # a failed call has no result to know the interface by; that it fails is told elsewhere
                results = _NONE
            arguments = work.argument_fields.get(tool, _NONE)
            if interfaces.repeats(memory.tools, tool, arguments, results):
                seen: Seen | None = interfaces.NOTHING
            else:
                seen = interfaces.observe(memory.tools, tool, _names(tuple(arguments), tuple(results)))
                memory.tools[tool].told = arguments, results
            if seen is not None:
                young = bool(seen.young) or bool(young)
                missing = bool(seen.missing) or bool(missing)
    for tool in sorted(work.result_forms):
        given = work.result_forms[tool]
        if interfaces.repeats(memory.forms, tool, given, _NONE):
            seen = interfaces.NOTHING
        else:
            seen = interfaces.observe(memory.forms, tool, forms.names_of(given))
            memory.forms[tool].told = given, _NONE
        if seen is not None:
            young = (bool(seen.young) and forms.is_new(seen.young)) or bool(young)
            missing = bool(seen.missing) or bool(missing)
    if work.argument_looks or work.result_looks:
        looks = memory.looks
        looks.observe(work)
        if looks.young is not None:
            young, missing = looks.young or bool(young), bool(looks.gone) or bool(missing)
    if work.result_traits:
        traits = memory.traits
        traits.observe(work)
        if traits.changed is not None:
            young = traits.changed or bool(young)
    same = _same(memory, work) if work.documents else None
    new = gone = still = None
    if memory.versions.observe(closed.run.version, work):
        outputs = memory.versions.latest
        still = bool(outputs.answers.still)
        if outputs.known:
            new, gone = outputs.young, outputs.gone
    times = _times(memory, closed) if work.tool_seconds else None
    stuck = memory.stuck.observe(work.answers) if work.answers else None
    return Reading(closed, repeated, young, missing, unusual, same, new, gone, still, times, stuck)


def _names_of(arguments: tuple[str, ...], results: tuple[str, ...]) -> list[str]:
    """The fields of a tool's calls as they are learned, sorted. Not to be changed: it is remembered."""
    return sorted([f"argument {name}" for name in arguments] + [f"result {name}" for name in results])


_NONE: Final[list[str]] = []
_saved_calls = msgspec.msgpack.Decoder(list[bytes])
_names: Callable[[tuple[str, ...], tuple[str, ...]], list[str]] = lru_cache(maxsize=INTERFACES)(_names_of)


def _times(memory: Memory, closed: Closed) -> float | None:
    """`Reading.times`; how long the tools take is remembered (in place)."""
    found: float | None = None
    for tool, seconds in closed.work.tool_seconds.items():
        calls = closed.run.tools.get(tool)
        if calls is not None:
            times = paces.observe(memory.paces, tool, seconds, calls[0], closed.duration_seconds)
            if times is not None and (found is None or times > found):
                found = times
    return found


def _same(memory: Memory, work: Work) -> float | None:
    """`Reading.same`; the documents are remembered (in place).

    None for a run of the same session as the one before it: who goes on asking gets the same again and again, and
    would be one bet more each time.
    """
    session = zlib.crc32(work.session.encode()) if work.session is not None else 0
    if session and session == memory.session:
        return None
    memory.session, latest = session, memory.documents
    known = hits = 0
    for source, document in work.documents.items():
        before = latest.pop(source, [])
        if len(before) >= FEW:
            known += 1
            hits += document in before and document == Counter(before).most_common(1)[0][0]
        before.append(document)
        if len(before) > DOCUMENTS:
            del before[0]
        latest[source] = before  # the order of a dict is that of the latest search
        if len(latest) > SOURCES:
            del latest[next(iter(latest))]
    return hits / known if known else None
