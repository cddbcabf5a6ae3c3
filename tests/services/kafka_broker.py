"""A real Kafka broker for tests and benchmarks; not a model of one.

It comes from the Maven artifact of Kafka itself (a Java 17 process in KRaft mode with its own directory and free
loopback ports), from the `apache/kafka` image where Docker works and Java does not, or from the address in
`FOREWARN_TEST_KAFKA`, which then belongs to the user and is only used.

Invariant: what `start` started, `stop` ends, by its process id or container id, and nothing else.

    python tests/services/kafka_broker.py prepare   # download the jars (once, about 45 MB)
    python tests/services/kafka_broker.py run       # a broker until Ctrl-C; its address on standard output
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

VERSION = "4.3.0"
IMAGE = f"apache/kafka:{VERSION}"
ADDRESS_VARIABLE = "FOREWARN_TEST_KAFKA"
CACHE = Path(__file__).resolve().parents[2] / ".cache" / "kafka"
READY_SECONDS = 60.0
STOP_SECONDS = 20.0
PREPARE_SECONDS = 600.0

_POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>forewarn.tests</groupId><artifactId>broker</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
"""


class BrokerUnavailableError(Exception):
    """No broker can be had here; the message says how to get one."""


@dataclass
class Broker:
    """One running broker. `bootstrap` is `host:port`; `log` is where it writes what it does."""

    bootstrap: str
    log: Path | None = None
    directory: Path | None = None
    container: str | None = None
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def ours(self) -> bool:
        """Whether it may be stopped, killed and restarted."""
        return self._process is not None or self.container is not None

    def stop(self) -> None:
        """End the broker and remove its directory. Does nothing to a broker of the user."""
        self.halt()
        if self.container is not None:
            subprocess.run(["docker", "rm", "-f", self.container], check=False, capture_output=True)
        if self.directory is not None:
            shutil.rmtree(self.directory, ignore_errors=True)

    def halt(self, *, kill: bool = False) -> None:
        """End the process, keep its data: orderly, or with `kill` as a power cut would."""
        if self.container is not None:
            subprocess.run(["docker", "kill" if kill else "stop", self.container], check=False, capture_output=True)
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def resume(self) -> None:
        """Start it again with the same data and address, and wait until it answers."""
        if self.container is not None:
            subprocess.run(["docker", "start", self.container], check=True, capture_output=True)
        elif self.directory is not None:
            self._process = _launch(self.directory)
        self._wait_until_ready()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not _answers(self.bootstrap):
            if self._process is not None and self._process.poll() is not None:
                raise BrokerUnavailableError(f"the broker ended with {self._process.returncode}:\n{self._tail()}")
            if time.monotonic() > deadline:
                raise BrokerUnavailableError(
                    f"no answer from {self.bootstrap} in {READY_SECONDS:.0f}s:\n{self._tail()}"
                )
            time.sleep(0.1)

    def _tail(self) -> str:
        if self.log is None or not self.log.exists():
            return "(no log)"
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])


def start(more: Mapping[str, str] | None = None, scram: Sequence[str] = ()) -> Broker:
    """A broker that answers. `more`: further server properties, listeners with a `+` before them; `scram`: its users.

    With these it is always a process of ours. Raises `BrokerUnavailableError`.
    """
    address = os.environ.get(ADDRESS_VARIABLE)
    if address and more is None:
        broker = Broker(address)
        broker._wait_until_ready()
        return broker
    if shutil.which("java") and (_libraries().exists() or shutil.which("mvn")):
        prepare()
        return _start_java(more or {}, scram)
    if _docker_works() and more is None:
        return _start_docker()
    raise BrokerUnavailableError(
        "these tests need a real Kafka: install Java 17 and Maven (Debian: openjdk-17-jre-headless maven), "
        f"or start Docker, or set {ADDRESS_VARIABLE}=host:port"
    )


def prepare(cache: Path = CACHE) -> Path:
    """Download the broker's jars into the cache, unless they are there; the folder appears whole or not at all."""
    libraries = _libraries(cache)
    if libraries.exists():
        return libraries
    if not shutil.which("mvn"):
        raise BrokerUnavailableError("Maven is needed once, to download Kafka: install it (Debian: apt install maven)")
    cache.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="download-", dir=cache))
    try:
        (work / "pom.xml").write_text(_POM)
        command = ["mvn", "-B", "-q", "dependency:copy-dependencies", "-DincludeScope=runtime"]
        command += [f"-DoutputDirectory={work / 'libs'}"]
        done = subprocess.run(command, cwd=work, capture_output=True, text=True, timeout=PREPARE_SECONDS, check=False)
        if done.returncode != 0:
            raise BrokerUnavailableError(
                f"Maven could not download Kafka {VERSION}:\n{(done.stdout + done.stderr)[-2000:]}"
            )
        try:
            (work / "libs").rename(libraries)
        except OSError:
            if not libraries.exists():  # another process was first: its copy is as good
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return libraries


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _libraries(cache: Path = CACHE) -> Path:
    return cache / f"kafka-{VERSION}"


def _start_java(more: Mapping[str, str], scram: Sequence[str]) -> Broker:
    last: BrokerUnavailableError | None = None
    for _ in range(3):  # a free port may be taken before the broker binds it
        directory = Path(tempfile.mkdtemp(prefix="forewarn-kafka-"))
        broker = Broker(f"127.0.0.1:{free_port()}", directory / "broker.log", directory)
        try:
            _format(directory, broker.bootstrap, more, scram)
            broker._process = _launch(directory)
            broker._wait_until_ready()
            return broker
        except BrokerUnavailableError as error:
            last = error
            broker.stop()
    assert last is not None
    raise last


def _format(directory: Path, bootstrap: str, more: Mapping[str, str], scram: Sequence[str]) -> None:
    controller = f"127.0.0.1:{free_port()}"
    properties = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.bootstrap.servers": controller,
        "listeners": f"PLAINTEXT://{bootstrap},CONTROLLER://{controller}",
        "advertised.listeners": f"PLAINTEXT://{bootstrap}",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "log.dirs": str(directory / "data"),
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
        "auto.create.topics.enable": "false",
    }
    for name, value in more.items():
        properties[name.lstrip("+")] = f"{properties[name[1:]]},{value}" if name.startswith("+") else value
    (directory / "server.properties").write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
    made = _java(directory, "-Xmx128m", "kafka.tools.StorageTool", "random-uuid")
    cluster = made.stdout.strip().splitlines()[-1] if made.returncode == 0 else ""
    done = _java(
        directory,
        "-Xmx128m",
        "kafka.tools.StorageTool",
        "format",
        "--standalone",
        "-t",
        cluster,
        "-c",
        "server.properties",
        *(part for user in scram for part in ("--add-scram", user)),
    )
    if done.returncode != 0:
        raise BrokerUnavailableError(
            f"the broker's storage could not be formatted:\n{(done.stdout + done.stderr)[-2000:]}"
        )


def _java(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["java", arguments[0], "-cp", f"{_libraries()}/*", *arguments[1:]]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=READY_SECONDS, check=False)


def _launch(directory: Path) -> subprocess.Popen[bytes]:
    command = ["java", "-Xmx768m", "-XX:+UseSerialGC", "-cp", f"{_libraries()}/*", "kafka.Kafka", "server.properties"]
    with (directory / "broker.log").open("ab") as log:
        return subprocess.Popen(
            command, cwd=directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )


def _docker_works() -> bool:
    return (
        bool(shutil.which("docker"))
        and subprocess.run(["docker", "info"], check=False, capture_output=True).returncode == 0
    )


def _start_docker() -> Broker:
    port = free_port()
    settings = {
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:29093",
        "KAFKA_LISTENERS": "CONTROLLER://:29093,PLAINTEXT://:9092",
        "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://127.0.0.1:{port}",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR": "1",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
    }
    command = ["docker", "run", "-d", "-p", f"127.0.0.1:{port}:9092"]
    for name, value in settings.items():
        command += ["-e", f"{name}={value}"]
    done = subprocess.run([*command, IMAGE], capture_output=True, text=True, timeout=PREPARE_SECONDS, check=False)
    if done.returncode != 0:
        raise BrokerUnavailableError(f"Docker could not start {IMAGE}:\n{done.stderr[-2000:]}")
    broker = Broker(f"127.0.0.1:{port}", container=done.stdout.strip())
    try:
        broker._wait_until_ready()
    except BrokerUnavailableError:
        broker.stop()
        raise
    return broker


def _answers(bootstrap: str) -> bool:
    """Whether a broker speaks Kafka there and knows itself to be part of a cluster."""
    from kafka import KafkaAdminClient
    from kafka.errors import KafkaError

    host, _, port = bootstrap.split(",")[0].rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=1.0):
            pass
        admin = KafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=5000, bootstrap_timeout_ms=5000)
    except (OSError, KafkaError):
        return False
    try:
        return bool(admin.describe_cluster()["brokers"])
    except KafkaError:
        return False
    finally:
        admin.close()


def main(arguments: list[str]) -> int:
    """The command line: `prepare` or `run`."""
    try:
        if arguments == ["prepare"]:
            sys.stdout.write(f"{prepare()}\n")
            return 0
        if arguments == ["run"]:
            signal.signal(signal.SIGTERM, signal.default_int_handler)  # both end it as Ctrl-C does: with its broker
            broker = start()
            try:
                sys.stdout.write(f"{broker.bootstrap}\n")
                sys.stdout.flush()
                signal.pause()
            except KeyboardInterrupt:
                pass
            finally:
                broker.stop()
            return 0
    except BrokerUnavailableError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stderr.write(f"{__doc__}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
