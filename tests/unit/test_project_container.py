"""Dockerfile, docker-compose.yml and the locks, looked at and not run: there is no Docker where the tests run."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

import hatch_build
from monitor.config import check_text, load, render

ROOT = Path(__file__).parents[2]
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-build.lock")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    return loaded


@pytest.fixture(scope="module")
def dockerfile() -> list[str]:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


# docker-compose.yml


def test_services_are_healthy_and_keep_their_data(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == {"broker", "monitor"}
    named = set()
    for service in compose["services"].values():
        assert service["healthcheck"]["test"][0] == "CMD"
        assert service["restart"] == "unless-stopped"
        named |= {volume.split(":")[0] for volume in service["volumes"] if not volume.startswith(".")}
    assert named == set(compose["volumes"])


def test_nothing_is_reached_from_outside_the_machine(compose: dict[str, Any]) -> None:
    ports = [port for service in compose["services"].values() for port in service["ports"]]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_broker_has_all_that_kraft_needs(compose: dict[str, Any]) -> None:
    """One variable replaces the image's whole default, so each of these must stand there."""
    environ = compose["services"]["broker"]["environment"]
    listeners = dict(part.split("://") for part in environ["KAFKA_LISTENERS"].split(","))
    advertised = dict(part.split("://") for part in environ["KAFKA_ADVERTISED_LISTENERS"].split(","))
    protocols = dict(part.split(":") for part in environ["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(","))
    controller = environ["KAFKA_CONTROLLER_LISTENER_NAMES"]
    assert set(environ["KAFKA_PROCESS_ROLES"].split(",")) == {"broker", "controller"}
    assert set(listeners) == set(protocols) == {*advertised, controller}
    assert all(advertised[name].endswith(listeners[name]) for name in advertised)
    assert environ["KAFKA_INTER_BROKER_LISTENER_NAME"] in advertised
    assert environ["KAFKA_CONTROLLER_QUORUM_VOTERS"] == f"{environ['KAFKA_NODE_ID']}@broker{listeners[controller]}"
    assert re.fullmatch(r"[A-Za-z0-9_-]{22}", environ["CLUSTER_ID"])
    assert [environ[name] for name in environ if name.endswith(("REPLICATION_FACTOR", "MIN_ISR"))] == [1] * 5
    data = environ["KAFKA_LOG_DIRS"]
    assert [volume for volume in compose["services"]["broker"]["volumes"] if volume.endswith(f":{data}")]


def test_the_monitor_finds_the_broker_and_its_configuration(compose: dict[str, Any]) -> None:
    monitor = compose["services"]["monitor"]
    assert monitor["depends_on"]["broker"]["condition"] == "service_healthy"
    source, target = next(v.split(":")[:2] for v in monitor["volumes"] if v.startswith("./"))
    assert target in monitor["command"]
    assert monitor["command"][0] == "run"
    config = load(ROOT / source, {"FOREWARN_TOKEN": "t"})
    assert config.runtime.kind == "kafka"
    advertised = compose["services"]["broker"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    assert f"PLAINTEXT://{config.runtime.kafka.bootstrap_servers}" in advertised.split(",")
    assert f":{config.runtime.port}" in monitor["ports"][0]
    assert config.runtime.directory in {volume.split(":")[1] for volume in monitor["volumes"]}
    assert monitor["read_only"]
    assert monitor["cap_drop"] == ["ALL"]


def test_the_token_of_the_example_is_asked_for(compose: dict[str, Any]) -> None:
    assert compose["services"]["monitor"]["environment"]["FOREWARN_TOKEN"].startswith("${FOREWARN_TOKEN:?")
    text = (ROOT / "deploy/forewarn.yaml").read_text(encoding="utf-8")
    assert not check_text(text, "deploy/forewarn.yaml"), render(check_text(text, "deploy/forewarn.yaml"))


def test_every_secret_that_is_handed_over_has_its_place_in_the_example(compose: dict[str, Any]) -> None:
    """Some lines are comments until somebody has Slack; without the marks they are a configuration that works."""
    text = (ROOT / "deploy/forewarn.yaml").read_text(encoding="utf-8")
    uncommented = re.sub(r"^( *)# (?=slack:|  \w+_token:)", r"\1", text, flags=re.MULTILINE)
    environ = dict.fromkeys(compose["services"]["monitor"]["environment"], "a-secret-of-some-length")
    assert all(f"${{{name}}}" in uncommented for name in environ)
    assert not check_text(uncommented, "deploy/forewarn.yaml", environ), uncommented
    assert check_text(uncommented, "deploy/forewarn.yaml", {}) != []


# Dockerfile


def test_the_image_runs_as_nobody_in_particular(dockerfile: list[str]) -> None:
    last_stage = dockerfile[max(n for n, line in enumerate(dockerfile) if line.startswith("FROM")) :]
    user = next(n for n, line in enumerate(last_stage) if line.startswith("USER"))
    assert last_stage[user].split()[1] not in ("0", "root")
    assert not [line for line in last_stage[user:] if line.startswith(("RUN", "COPY", "ADD"))]
    assert "PYTHONSAFEPATH=1" in " ".join(last_stage)
    assert any(line.startswith("HEALTHCHECK") and "/readyz" in line for line in last_stage)
    assert last_stage[-2:] == ['ENTRYPOINT ["forewarn"]', 'CMD ["run", "-c", "/etc/forewarn/forewarn.yaml"]']


def test_the_image_installs_from_the_lock_alone(dockerfile: list[str]) -> None:
    installs = [
        part for line in dockerfile for part in line.split("&&") if "pip install" in part or "pip wheel" in part
    ]
    assert len(installs) == 4
    for install in installs:
        assert "--require-hashes" in install or "--no-deps" in install, install
    assert dockerfile[0] == "FROM python:3.11-slim AS build"


def test_what_is_copied_is_there_and_not_ignored(dockerfile: list[str]) -> None:
    let_in = {
        line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line.startswith("!")
    }
    copied = [
        name for line in dockerfile if line.startswith("COPY") and "--from" not in line for name in line.split()[1:-1]
    ]
    assert set(copied) == let_in
    assert all((ROOT / name).exists() for name in copied)


def test_what_builds_the_wheel_has_the_types_of_all_that_is_compiled(dockerfile: list[str]) -> None:
    """mypyc reads every library that the server imports, but those of `hatch_build.UNREAD`; one that is missing there
    is an error of the build."""
    install = next(line for line in dockerfile if "/opt/build/bin/pip install" in line)
    there = {package for lock in re.findall(r"-r (\S+)", install) for package in _locked(lock)}
    ours = {"detectors", "monitor", "schemas"}
    files = [path for folder in sorted(ours) for path in (ROOT / folder).rglob("*.py")]
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in files]
    imported = {name.partition(".")[0] for tree in trees for node in ast.walk(tree) for name in _imported(node)}
    read = imported - ours - sys.stdlib_module_names - set(hatch_build.UNREAD)
    assert {"msgspec", "librt", "referencing"} <= read
    providers = importlib.metadata.packages_distributions()
    missing = {name for name in read if not {_name(one) for one in providers.get(name, ())} & there}
    assert missing == set()


# Locks


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_package_is_pinned_with_a_hash_and_no_host(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    packages = re.split(r"\n(?=\S)", "\n".join(line for line in text.splitlines() if not line.startswith("#")))
    assert len(packages) >= 5
    for package in packages:
        assert re.match(r"[a-z0-9-]+==\S+", package), package.splitlines()[0]
        assert "--hash=sha256:" in package, package.splitlines()[0]
    assert "://" not in text
    assert not re.search(r"^\s*--(?:index|extra-index|find-links|trusted-host)", text, re.MULTILINE)


def test_the_locks_hold_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    server, dev, build = (_locked(name) for name in LOCKS)
    assert {_name(wanted) for wanted in project["project"]["dependencies"]} <= server.keys()
    asked = [*project["project"]["optional-dependencies"]["demo"], *project["dependency-groups"]["dev"][1:]]
    assert {_name(wanted) for wanted in asked} <= dev.keys()
    assert {_name(wanted) for wanted in project["dependency-groups"]["build"]} <= build.keys()
    assert server.items() <= dev.items()
    assert build.items() <= dev.items()


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module] if isinstance(node, ast.ImportFrom) and node.module and not node.level else []


def _locked(name: str) -> dict[str, frozenset[str]]:
    versions: dict[str, set[str]] = {}
    for found in re.finditer(r"^([a-z0-9-]+)==(\S+)", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE):
        versions.setdefault(found[1], set()).add(found[2])
    return {package: frozenset(found) for package, found in versions.items()}


def _name(requirement: str) -> str:
    return re.split(r"[\[<>=;~! ]", requirement)[0].lower().replace("_", "-")
