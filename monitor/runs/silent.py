"""Why a run that says ok did not do what it says: read of what it did, without a judge.

Not here: loops (`detectors.loops`) and the rest of a contract, which are facts of their own.
"""

from __future__ import annotations

from typing import Final

from monitor.runs.run import CLAIM_BROKEN, EFFECT_BROKEN, Run, Work

KNOWN_RUNS: Final = 20
"""Runs that must have ended well before an output can be missing."""
USUALLY: Final = 0.95
"""Part of the runs that give an output where one that gives none is missing it."""
REMEMBERED: Final = 2_000
"""Runs after which older ones count half, so that a change of custom becomes the custom."""


def reason(run: Run, work: Work, outputs: list[int]) -> str:
    """The reason in words, or nothing, for a run that says ok.

    `outputs`: how many runs ended so before, and how many of them gave an output; this one is counted (in place).
    """
    # Where somebody else took the task over no output is missing.
    gave = work.output_hash is not None or work.output_shape is not None or work.escalations > 0 or work.handoffs > 0
    known, given = outputs
    if known >= REMEMBERED:
        outputs[0], outputs[1] = known // 2, given // 2
    outputs[0] += 1
    outputs[1] += gave
    for rule in work.broken:
        if rule.startswith((CLAIM_BROKEN, EFFECT_BROKEN)):
            kind, _, tool = rule.partition(": ")
            return f"no call of {tool} succeeded, which its {kind} needs"
    if run.error_type is not None:  # some call failed
        for tool, calls in run.tools.items():
            if calls[2]:
                return f"the last call of {tool} failed"
    if work.last_step_failed:
        return "it ended right after an error or an empty result"
    if work.output_empty:
        return "its output is empty"
    if not gave and known >= KNOWN_RUNS and given >= USUALLY * known:
        return "it gave no output, and usually there is one"
    return ""
