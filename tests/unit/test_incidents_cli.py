"""`forewarn incidents`: in which order it lists what is open."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from monitor.cli import cli
from monitor.cli.acting import incidents
from monitor.cli.acting.source import Known
from schemas.config import Config
from tests.doubles.alert_log import Told
from tests.doubles.clock import START
from tests.doubles.findings import finding

DEPENDS = {"agent": "refund-agent", "owner": "payments", "depends_on": ["tool:issue_refund"]}


def test_what_another_incident_causes_comes_last(monkeypatch: pytest.MonkeyPatch) -> None:
    owners = {"platform": {}, "payments": {}, "search": {}}
    seen = Told(Config.model_validate({"owners": owners, "components": [DEPENDS], "defaults": {"owner": "search"}}))
    seen.take(
        finding(0.0, key="tool", node={"tool": "issue_refund"}, owner="platform"),
        finding(30.0, key="quiet", mode="notice", node={"agent": "search-agent"}, owner="search"),
        finding(60.0, key="a", signal="run.failed", node={"agent": "refund-agent"}, owner="payments"),
    )
    monkeypatch.setattr(incidents, "stored", lambda _: Known(START + 90.0, incidents=seen.router.incidents()))

    listed = json.loads(CliRunner().invoke(cli, ["incidents", "-c", "forewarn.yaml", "--json"]).stdout)

    assert [each["owner"] for each in listed] == ["platform", "search", "payments"]
    assert listed[2]["root"] == listed[0]["id"] and listed[2]["severity"] == "page"
