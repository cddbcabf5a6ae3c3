"""The metrics: the list, its names, its page, and what Prometheus reads."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from monitor.web.metrics import LABEL_VALUES, METRICS, OTHER, Exposition, split_key, unlisted
from tests.services import web_fleet

PAGE = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"
LABELS = {"kind", "agent", "producer", "signal", "topic", "reason", "owner", "state", "version", "verdict", "fate"}


def _scrape(exposition: Exposition) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    body, content_type = exposition.render("text/plain")
    assert content_type.startswith("text/plain")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_metric_is_named_as_prometheus_asks(metric) -> None:
    assert re.fullmatch(r"forewarn_[a-z][a-z_]*[a-z]", metric.public_name)
    assert metric.public_name.endswith("_total") == (metric.kind == "counter")
    assert not re.search(r"_(ms|milliseconds|minutes|percent|kb|mb)(_|$)", metric.public_name), "base units only"
    assert metric.help.endswith(".") and len(metric.help) <= 120
    assert set(metric.labels) <= LABELS


def test_names_are_unique() -> None:
    assert len({metric.name for metric in METRICS}) == len(METRICS)


def test_the_page_is_the_list() -> None:
    rows = ["| metric | kind | labels | meaning |", "| --- | --- | --- | --- |"]
    rows += [f"| `{m.public_name}` | {m.kind} | {', '.join(m.labels)} | {m.help} |" for m in METRICS]
    wanted = "\n".join(rows)
    text = PAGE.read_text()
    before, rest = text.split("<!-- metrics -->\n")
    table, after = rest.split("\n<!-- end of metrics -->")
    if os.environ.get("UPDATE_GOLDEN"):
        PAGE.write_text(f"{before}<!-- metrics -->\n{wanted}\n<!-- end of metrics -->{after}")
    else:
        assert table == wanted, "UPDATE_GOLDEN=1 writes the table anew"


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("events_received", ()),
        ("dead_letters:not_json", ("not_json",)),
        ("events_skewed:edge:7", ("edge:7",)),  # the last label may hold colons
    ],
)
def test_a_key_is_a_name_and_its_label_values(key: str, values: tuple[str, ...]) -> None:
    found = split_key(key)
    assert found is not None and found[1] == values


@pytest.mark.parametrize("key", ["no_such_metric", "events_received:extra", "dead_letters", "", ":"])
def test_a_key_that_fits_no_metric_is_said_and_breaks_nothing(key: str) -> None:
    view = web_fleet.calm()
    view.count_map[key] = 5
    assert unlisted(view) == [key]
    assert _scrape(Exposition(view, {}))["forewarn_unlisted_counts", ()] == 1.0


def test_a_scrape_shows_counts_agents_and_budgets() -> None:
    view = web_fleet.troubled()
    seen = _scrape(Exposition(view, {"requests_refused:no_token": 3}, lambda: {"live_clients": 2.0}))
    assert seen["forewarn_events_received_total", ()] == 1_204_338
    assert seen["forewarn_dead_letters_total", (("reason", "not_json"),)] == 3
    assert seen["forewarn_requests_refused_total", (("reason", "no_token"),)] == 3
    assert seen["forewarn_live_clients", ()] == 2
    assert seen["forewarn_agent_runs_silent_total", (("agent", "refund-agent"),)] == 17
    assert seen["forewarn_agents", (("state", "blind"),)] == 1
    assert seen["forewarn_budget_granted_pages", (("owner", "payments"),)] == 0.42
    assert seen["forewarn_incidents_open", ()] == 2
    assert seen["forewarn_build_info", (("version", "0.1.0"),)] == 1
    assert seen["forewarn_ready", ()] == 1
    assert seen["forewarn_unlisted_counts", ()] == 0


def test_a_counter_is_0_before_its_first_count() -> None:
    seen = _scrape(Exposition(web_fleet.MemoryView(), {}))
    plain = {metric.public_name for metric in METRICS if metric.kind == "counter" and not metric.labels}
    assert {name for name, labels in seen if not labels and seen[name, labels] == 0.0} >= plain
    assert seen["forewarn_dead_letters_total", (("reason", "not_json"),)] == 0
    assert seen["forewarn_requests_refused_total", (("reason", "no_token"),)] == 0
    assert ("forewarn_outbox_pending", ()) not in seen, "nobody knows a gauge that nobody measured"


def test_more_agents_than_the_limit_share_one_label() -> None:
    view = web_fleet.crowd(LABEL_VALUES + 30)
    exposition = Exposition(view, {})
    first = _scrape(exposition)
    runs = {labels: value for (name, labels), value in first.items() if name == "forewarn_agent_runs_total"}
    assert len(runs) == LABEL_VALUES + 1
    assert runs[(("agent", OTHER),)] == 30 * 4_210
    assert sum(runs.values()) == (LABEL_VALUES + 30) * 4_210, "folding loses nothing"
    seen = [value for (name, labels), value in first.items() if name.endswith("_timestamp_seconds")]
    assert max(seen) < web_fleet.NOW + 1, "times are not added up"
    assert first["forewarn_folded_samples", ()] > 0

    view.agent_list.insert(0, web_fleet.agent("aaa-new"))  # sorts first, came last
    second = _scrape(exposition)
    assert ("forewarn_agent_runs_total", (("agent", "aaa-new"),)) not in second, "a shown label keeps its place"


def test_hostile_names_survive_the_text_format() -> None:
    seen = _scrape(Exposition(web_fleet.hostile(), {}))
    shown = {dict(labels)["agent"] for name, labels in seen if name == "forewarn_agent_runs_total"}
    assert web_fleet.HOSTILE[0] in shown
    assert max(map(len, shown)) <= 200


def test_openmetrics_is_spoken_to_those_who_ask() -> None:
    body, content_type = Exposition(web_fleet.calm(), {}).render("application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")
