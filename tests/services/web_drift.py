"""A fleet whose incidents tell of signals with many sides; beside those of `web_fleet`."""

from __future__ import annotations

from typing import Any

from tests.services.web_fleet import MemoryView, agent, calm, incident, learning, signal


def drifted() -> MemoryView:
    """What changed has many sides: the incidents say which of them."""
    view = calm()
    view.agent_list[0] = agent(
        "refund-agent",
        "incident",
        signals=(
            signal("run.output_shape", 0.0625, 0.9999, 1.0, "firing"),
            signal("run.outcome", None, None, 0.1),
            signal("run.retries", None, None, 0.05),
            signal("retrieval.empty", 0.0, 0.02, 0.04),
            signal("agent.fallback", None, 0.05, 0.0, "warming up"),
            learning("run.failed", "118 more runs, or 19 more failures"),
        ),
    )
    here: dict[str, Any] = {"node": {"agent": "refund-agent"}, "unaffected": (), "error_types": ()}
    view.incident_list += [
        incident(
            "shape", signal="run.output_shape", direction="down", before=0.9999, after=0.062, before_bad=0.0,
            after_bad=0.0, detail="kind is prose in 94 % of runs, was 0.01 %",
            corroborated=("run.tokens", "run.output_length"), **here,
        ),
        incident("contract", signal="contract.violated", before=0.0, after=0.2, before_bad=0.0, after_bad=3.0,
                 after_n=15.0, detail="result.amount is missing", **here),
        incident("model", signal="llm.response_model", mode="notice", before=0.0, after=0.97,
                 detail="gpt-small in 97 %, was 0 %", **here),
        incident("cost", signal="run.cost_usd", mode="notice", before=0.031, after=0.094, before_bad=0.0,
                 after_bad=0.0, unit="usd", **here),
        incident("fewer", mode="notice", direction="down", before=0.3, before_n=200.0, before_bad=60.0,
                 after=0.09, **here),
    ]  # fmt: skip
    return view
