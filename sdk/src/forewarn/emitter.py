"""The emitter: what an agent holds. Makes runs, sends what is said outside of runs, counts what did not get through.

Nothing here raises into the agent or waits for the network, but `flush` and `close`, which wait as long as told.
With `strict=True`, for tests, misuse and bad values raise `Misuse`.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Mapping

from forewarn import delivery
from forewarn.delivery import Delivery
from forewarn.http_transport import HttpTransport
from forewarn.record import UNSET, Counts, Misuse, Writer
from forewarn.run import Run, current_run
from forewarn.transport import Receipt, Record, Transport

_LOST = ("queue_full", "refused", "undelivered", "closed", "incomplete", "internal_errors")

_log = logging.getLogger("forewarn")


class Emitter:
    """One for each agent in a process, made once, used from any thread or task.

    `endpoint`: the monitor (default: the environment's FOREWARN_ENDPOINT, else http://127.0.0.1:4319); `token`: default
    FOREWARN_TOKEN. `transport`: instead of HTTP, e.g. `KafkaTransport` or `MemoryTransport`; one for each emitter.
    `variant`: `stable`, `canary` or `shadow`. `text=False` sends no inputs, outputs, arguments, results and complaint
    texts; whether a tool result says `error` is still sent. `queue_events`: how many events may wait.
    """

    def __init__(
        self,
        agent: str,
        version: str | None = None,
        endpoint: str | None = None,
        token: str | None = None,
        strict: bool = False,
        *,
        transport: Transport | None = None,
        producer: str | None = None,
        tenant: str | None = None,
        variant: str | None = None,
        labels: dict[str, str] | None = None,
        text: bool = True,
        queue_events: int = delivery.QUEUE_EVENTS,
        linger_seconds: float = delivery.LINGER_SECONDS,
        retry_seconds: float = delivery.RETRY_SECONDS,
    ) -> None:
        self.agent = agent
        self.version = version
        self.counts = Counts()
        """All that is counted: emitted, sent, retries, truncated, bad_values, misuse, and what `dropped` shows."""
        self._strict = strict
        self._writer = Writer(self.counts, strict=strict, text=text)
        self._producer = producer or socket.gethostname()
        self._base: dict[str, object] = {"producer": self._producer, "agent": agent, "version": version}
        self._base["variant"] = variant
        self._context: dict[str, object] = {"tenant": tenant, "labels": labels}
        if transport is None:
            transport = self._http(endpoint, token)
        self._delivery = Delivery(
            transport,
            self.counts,
            queue_events=queue_events,
            linger_seconds=linger_seconds,
            retry_seconds=retry_seconds,
        )

    def __repr__(self) -> str:
        return f"Emitter(agent={self.agent!r}, version={self.version!r})"

    def __enter__(self) -> Emitter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- runs

    def run(
        self,
        run: str | None = None,
        *,
        session: str | None = None,
        user: str | None = None,
        input: object = UNSET,
        trigger: str | None = None,
        agent: str | None = None,
        version: str | None = None,
        parent_run: str | None = None,
        parent_agent: str | None = None,
        tenant: str | None = None,
        variant: str | None = None,
        pair: str | None = None,
        labels: dict[str, str] | None = None,
    ) -> Run:
        """A run, for `with` or `async with`. Inside another run it names that one as its parent.

        `run`: an id of your own (default: a random one). `agent`, `version`: other than the emitter's, for a process
        that holds several agents. `parent_run`, `parent_agent`: for a parent in another process.
        """
        base = dict(self._base)
        base.update(parent_run=parent_run, parent_agent=parent_agent)
        if agent is not None:
            base.update(agent=agent, version=version)
        elif version is not None:
            base["version"] = version
        if variant is not None:
            base["variant"] = variant
        context = {**self._context, "session": session, "user": user, "pair": pair}
        if tenant is not None:
            context["tenant"] = tenant
        if labels is not None:
            context["labels"] = labels
        return Run(self, run, agent if agent is not None else self.agent, base, context, input, trigger)

    # -- outside of runs

    def change(
        self,
        component: str,
        version: str,
        *,
        previous: str | None = None,
        stage: str | None = None,
        share: float | None = None,
        author: str | None = None,
        url: str | None = None,
    ) -> None:
        """A new version of `agent:…`, `prompt:…`, `tool:…`, `model:…` or `retriever:…` is live.

        `stage`: `shadow`, `canary`, `full` or `rolled_back`; `share`: of the traffic, 0..1. A component of
        another form is a bad value, and the change is dropped as `incomplete`.
        """
        fields: dict[str, object] = {"component": component, "version": version, "previous": previous}
        fields.update(stage=stage, share=share, author=author, url=url)
        self._say("change", {"producer": self._producer}, fields)

    def complaint(
        self,
        text: object = UNSET,
        *,
        run: Run | str | None = None,
        session: str | None = None,
        user: str | None = None,
        source: str | None = None,
    ) -> None:
        """A user complained. Without `run` the complaint is about the current run, else about the agent."""
        fields = {"text": text, "run": _run_id(run), "session": session, "user": user, "source": source}
        self._say("complaint", self._base, fields)

    def feedback(
        self,
        rating: float | None = None,
        text: object = UNSET,
        *,
        run: Run | str | None = None,
        session: str | None = None,
        user: str | None = None,
    ) -> None:
        """A user's judgement: `rating` from -1 (bad) to 1 (good)."""
        fields = {"rating": rating, "text": text, "run": _run_id(run), "session": session, "user": user}
        self._say("feedback", self._base, fields)

    def evaluation(
        self, name: str, score: float | None = None, label: str | None = None, *, run: Run | str | None = None
    ) -> None:
        """A judgement of a run (default: the current one); may come days later."""
        self._say("evaluation", self._base, {"name": name, "score": score, "label": label, "run": _run_id(run)})

    def heartbeat(self) -> None:
        """This producer lives."""
        self._say("heartbeat", self._base, {})

    # -- delivery

    @property
    def dropped(self) -> dict[str, int]:
        """Events that did not or will not get through, by reason; empty when all is well.

        `queue_full`: more than `queue_events` waited; `refused`: by the server; `undelivered`: tried for too long;
        `closed`: emitted after `close`; `incomplete`: lacked a field; `internal_errors`: our own.
        """
        counts = self.counts.snapshot()
        return {name: counts[name] for name in _LOST if name in counts}

    def flush(self, timeout: float = 5.0) -> bool:
        """Waits up to `timeout` seconds until every event left; whether it did. From async code: in a thread."""
        return self._delivery.flush(timeout)

    def close(self, timeout: float = 5.0) -> bool:
        """As `flush`, and takes no more events. At the end of the interpreter it happens by itself."""
        return self._delivery.close(timeout)

    # -- for runs

    def _say(self, kind: str, base: Mapping[str, object], fields: Mapping[str, object]) -> None:
        self._emit(kind, time.time(), {}, {**base, **fields})

    def _emit(self, kind: str, at: float, base: dict[str, object], fields: dict[str, object]) -> None:
        """Encodes and queues; never raises (strict: `Misuse`)."""
        try:
            body = self._writer.encode(kind, at, base, fields)
            if body is not None:
                agent = base.get("agent") or fields.get("agent")
                self._delivery.put(Record(agent if isinstance(agent, str) else None, body))
        except Misuse:
            raise
        except Exception as error:
            self._failed(kind, error)

    def _clean(self, fields: dict[str, object]) -> dict[str, object]:
        try:
            return self._writer.clean(fields)
        except Misuse:
            raise
        except Exception as error:
            self._failed("run", error)
            return {}

    def _misuse(self, problem: str) -> None:
        self._writer.misuse("misuse", problem)

    def _failed(self, kind: str, error: Exception) -> None:
        """Ours, not the agent's: counted, said once."""
        self.counts.add("internal_errors")
        if self._strict:
            raise error
        if self.counts.get("internal_errors") == 1:
            _log.warning("forewarn: a %s event could not be made: %r", kind, error)

    def _http(self, endpoint: str | None, token: str | None) -> Transport:
        try:
            return HttpTransport(endpoint, token)
        except ValueError as error:
            if self._strict:
                raise Misuse(str(error)) from None
            _log.warning("forewarn: nothing will be sent: %s", error)
            return _Nowhere()


class _Nowhere:
    """Stands in for a transport whose address cannot be read: the agent goes on, every event is counted as refused."""

    def send(self, batch: list[Record]) -> Receipt:
        return Receipt(refused={"no usable endpoint": len(batch)})

    def reset(self) -> None:
        """Nothing to forget."""

    def close(self) -> None:
        """Nothing to give back."""


def _run_id(run: Run | str | None) -> str | None:
    if run is None:
        run = current_run()
    return run.id if isinstance(run, Run) else run
