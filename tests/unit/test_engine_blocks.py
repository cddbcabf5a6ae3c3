"""Runs of two versions that come in blocks, as exporters send them: what is between two blocks is not gone."""

from __future__ import annotations

import pytest

from monitor.evidence.nodes import GONE_SECONDS
from schemas.config import Config
from tests.doubles.fleet_log import START, Run, events, replay

CONFIG = Config.model_validate({"owners": {"one": {}}, "detectors": {"agent.traffic": {"mode": "off"}}})


@pytest.mark.parametrize(("lasts", "over"), [(2_700, False), (1_300, True)], ids=["it goes on", "it was rolled back"])
def test_a_version_whose_runs_come_in_blocks_is_not_called_gone(lasts: int, over: bool) -> None:
    """Twenty runs a second; the process of each version sends what it has every second and a half."""

    def version(i: int) -> str:
        return "v2" if i // 30 % 2 and i < lasts else "v1"

    runs = [Run("x", START + i * 0.05, version=version(i)) for i in range(1_200 + 1_500)]
    for i in range(1_000, 2_000):
        runs[i].failed = version(i) == "v2" and i % 10 != 1
    _, findings = replay(CONFIG, events(runs))
    told = [(one.status, one.node.get("version")) for one in findings if one.status != "update"]
    if over:
        assert told == [("firing", "v2"), ("resolved", "v2")]
        assert findings[-1].reason == "version v2 gets no more runs"
        assert GONE_SECONDS - 1.5 <= findings[-1].time - (START + lasts * 0.05) < GONE_SECONDS + 5.0
    else:
        assert [one.reason for one in findings if one.status == "resolved"] == ["the signal is back"]
        assert told[0] == ("firing", "v2") and len(told) == 2
