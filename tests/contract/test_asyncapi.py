"""docs/asyncapi.yaml: as AsyncAPI's own schema wants it, and as the monitor's records really are."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from monitor.cli.brokers.asyncapi import ASYNCAPI, CHANNELS, document
from monitor.intake import dead_letters
from schemas.config import Kafka, Runtime, Topics
from schemas.event import BadEvent, Reason
from schemas.finding import encode_finding
from tests.doubles.findings import finding

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "tests" / "asyncapi"


@pytest.fixture(scope="module")
def written() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "docs" / "asyncapi.yaml").read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def official() -> dict[str, Any]:
    """AsyncAPI's JSON Schema, from the pinned lock."""
    npm = shutil.which("npm")
    if npm is None:
        if os.environ.get("CI"):
            pytest.fail("CI has no npm")
        pytest.skip("install Node 20 or newer with npm, and AsyncAPI's own schema is asked")
    schemas = PACKAGE / "node_modules" / "@asyncapi" / "specs" / "schemas"
    if not schemas.exists():
        command = [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        subprocess.run(command, cwd=PACKAGE, check=True, capture_output=True, timeout=300)
    found: dict[str, Any] = json.loads((schemas / f"{ASYNCAPI}.json").read_text(encoding="utf-8"))
    return found


def test_asyncapis_own_schema_takes_it(written: dict[str, Any], official: dict[str, Any]) -> None:
    jsonschema.Draft7Validator(official).validate(written)


def test_the_schema_would_see_a_fault(written: dict[str, Any], official: dict[str, Any]) -> None:
    broken = json.loads(json.dumps(written))
    broken["operations"]["receive_events"]["action"] = "take"
    with pytest.raises(jsonschema.ValidationError, match="take"):
        jsonschema.Draft7Validator(official).validate(broken)


def references(value: Any) -> Iterator[str]:
    """Every `$ref` of the document."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "$ref":
                yield inner
            else:
                yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def test_every_reference_leads_somewhere(written: dict[str, Any]) -> None:
    found = set(references(written))
    assert found
    for reference in found:
        at: Any = written
        for part in reference.removeprefix("#/").split("/"):
            at = at[part]


def test_every_topic_has_its_channel_under_its_own_name() -> None:
    assert {channel.topic for channel in CHANNELS} == set(Topics.model_fields)
    named = document(Runtime(kafka=Kafka(topics=Topics(events="acme.agents"), partitions=3)))
    assert named["channels"]["events"]["address"] == "acme.agents"
    assert named["channels"]["events"]["bindings"]["kafka"]["partitions"] == 3


LETTER = dead_letters.dead_letter(b"{", BadEvent(Reason.NOT_JSON, "x"), time=1.0, source="s")
RECORDS = [
    ("Finding", encode_finding(finding())),
    ("DeadLetter", dead_letters.encode(LETTER)),
    ("RunFinished", b'{"kind":"run_finished","time":1.5,"agent":"a","run":"r","status":"ok","own":[1]}'),
]  # fmt: skip


@pytest.mark.parametrize(("name", "raw"), RECORDS, ids=[row[0] for row in RECORDS])
def test_a_real_record_is_as_its_schema_says(written: dict[str, Any], name: str, raw: bytes) -> None:
    schema = {"$ref": f"#/components/schemas/{name}", "components": written["components"]}
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate(json.loads(raw))
    without = json.loads(raw)
    without.pop(next(iter(written["components"]["schemas"][name]["required"])))
    assert not validator.is_valid(without)
