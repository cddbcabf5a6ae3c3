"""The numbers that a message shows: a share and the count beside it say the same."""

from __future__ import annotations

from monitor.alerting.incidents.alerts import opened
from monitor.notify.incidents.message import compose
from schemas.config import Config
from tests.doubles.findings import finding
from tests.doubles.notifications import notification

CONFIG = Config.model_validate({"owners": {"one": {}}, "detectors": {"agent.traffic": {"mode": "off"}}})


def test_a_share_and_its_count_agree() -> None:
    clean = finding(before=0.5 / 601.0, before_n=600.0, before_bad=0.0)
    message = compose(notification(alerts=(opened(clean),)), CONFIG)
    assert [each.value for each in message.facts if each.name == "Before"] == ["0 % (0 of 600 runs)"]
    assert message.title.endswith("was 0 %")
