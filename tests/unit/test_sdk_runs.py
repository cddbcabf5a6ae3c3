"""What the calls of an agent become, without a network."""

import asyncio
import contextvars
import threading
import uuid

import forewarn
import pytest


@pytest.fixture
def memory():
    return forewarn.MemoryTransport()


@pytest.fixture
def emitter(memory):
    with forewarn.Emitter("refund-agent", "v12", transport=memory, strict=True, linger_seconds=0.0) as emitter:
        yield emitter


@pytest.fixture
def lenient(memory):
    with forewarn.Emitter("refund-agent", "v12", transport=memory, linger_seconds=0.0) as emitter:
        yield emitter


def events(emitter, memory, kind=None):
    assert emitter.flush(5.0)
    return [event for event in memory.events if kind in (None, event["kind"])]


def test_a_run_and_its_calls(emitter, memory) -> None:
    with emitter.run(session="s", user="u", input={"question": 1}, labels={"region": "eu"}) as run:
        with run.llm("gpt-4o", provider="openai") as model:
            model.output = "text"
            model.tokens(input=10, output=3, cached=2)
        with run.tool("issue_refund", arguments={"order_id": 7}, call_id="c1", attempt=2) as call:
            call.result = {"ok": True}
        run.output = "done"
        run.outcome = "resolved"
        run.cost_usd = 0.01
    first, model, tool, last = events(emitter, memory)
    for event in (first, model, tool, last):
        assert (event["agent"], event["version"], event["run"]) == ("refund-agent", "v12", run.id)
    assert first["kind"] == "run_started"
    assert (first["session"], first["user"], first["labels"], first["input"]) == (
        "s",
        "u",
        {"region": "eu"},
        {"question": 1},
    )
    assert (model["input_tokens"], model["output_tokens"], model["cached_tokens"]) == (10, 3, 2)
    assert (tool["tool"], tool["arguments"], tool["result"]) == ("issue_refund", {"order_id": 7}, {"ok": True})
    assert (tool["status"], tool["call_id"], tool["attempt"]) == ("ok", "c1", 2)
    assert (last["status"], last["output"], last["outcome"], last["cost_usd"]) == ("ok", "done", "resolved", 0.01)
    assert last["time"] - first["time"] == pytest.approx(last["duration_seconds"], abs=1e-5)
    assert len({event["id"] for event in memory.events}) == 4


def test_an_exception_is_recorded_and_passes_through(emitter, memory) -> None:
    with pytest.raises(KeyError, match="order"), emitter.run() as run, run.tool("issue_refund"):
        raise KeyError("order")
    _, tool, last = events(emitter, memory)
    assert (tool["status"], tool["error_type"]) == ("error", "KeyError")
    assert (last["status"], last["error_type"]) == ("error", "KeyError")


def test_a_failure_that_the_agent_handles_stays_with_the_call(emitter, memory) -> None:
    with emitter.run() as run:
        with pytest.raises(TimeoutError), run.tool("issue_refund"):
            raise TimeoutError
        run.fallback(to="apology", reason="tool down")
    _, tool, fallback, last = events(emitter, memory)
    assert tool["status"] == "error"
    assert (fallback["to"], fallback["reason"]) == ("apology", "tool down")
    assert last["status"] == "ok"


def test_a_call_with_its_result_needs_no_block(emitter, memory) -> None:
    with emitter.run() as run:
        run.tool("find_order", {"id": 1}, result=None)
        run.tool("find_order", {"id": 2}, status="error", error_type="Timeout", duration_seconds=1.5)
        run.llm("gpt-4o", output="hi")
    none, failed, model = events(emitter, memory)[1:-1]
    assert none["result"] is None
    assert none["status"] == "ok"
    assert (failed["status"], failed["error_type"], failed["duration_seconds"]) == ("error", "Timeout", 1.5)
    assert model["output"] == "hi"


def test_a_call_that_was_forgotten_is_recorded_with_its_run(lenient, memory) -> None:
    with lenient.run() as run:
        run.tool("find_order")
    assert [event["kind"] for event in events(lenient, memory)] == ["run_started", "tool_call", "run_finished"]
    assert lenient.counts.get("misuse") == 1


def test_everything_else_that_happens_in_a_run(emitter, memory) -> None:
    with emitter.run() as run:
        run.retrieval("manual", hits=0, top_score=0.1)
        run.escalation(to="human", reason="angry")
        run.guardrail("pii", "rewritten")
        run.handoff("order-agent")
    retrieval, escalation, guardrail, handoff = events(emitter, memory)[1:-1]
    assert (retrieval["source"], retrieval["hits"]) == ("manual", 0)
    assert (escalation["to"], escalation["reason"]) == ("human", "angry")
    assert (guardrail["name"], guardrail["action"]) == ("pii", "rewritten")
    assert handoff["to_agent"] == "order-agent"


def test_what_is_said_outside_of_runs(emitter, memory) -> None:
    emitter.change("prompt:refund", "v13", previous="v12", stage="canary", share=0.1, author="ada", url="https://x/1")
    emitter.complaint("where is my money", user="u1", source="mail")
    emitter.feedback(-1, "bad", session="s1")
    emitter.heartbeat()
    change, complaint, feedback, heartbeat = events(emitter, memory)
    assert (change["component"], change["version"], change["stage"]) == ("prompt:refund", "v13", "canary")
    assert "agent" not in change
    assert (complaint["text"], complaint["user"], complaint["agent"]) == ("where is my money", "u1", "refund-agent")
    assert (feedback["rating"], feedback["session"]) == (-1.0, "s1")
    assert heartbeat["producer"]


def test_judgements_of_the_current_run_name_it(emitter, memory) -> None:
    with emitter.run() as run:
        emitter.evaluation("grounded", 0.2, "bad")
        emitter.complaint("no")
    emitter.evaluation("grounded", 0.9, run=run)
    emitter.evaluation("grounded", 0.9, run="earlier")
    named = [event["run"] for event in events(emitter, memory) if event["kind"] in ("evaluation", "complaint")]
    assert named == [run.id, run.id, run.id, "earlier"]


def test_nested_runs_name_their_parent_across_emitters(memory, emitter) -> None:
    with forewarn.Emitter("order-agent", transport=memory, strict=True) as other:
        with emitter.run() as parent:
            assert forewarn.current_run() is parent
            with other.run() as child:
                assert forewarn.current_run() is child
            assert forewarn.current_run() is parent
        assert forewarn.current_run() is None
        assert other.flush(5.0)
    started = {event["run"]: event for event in events(emitter, memory, "run_started")}
    assert (started[child.id]["parent_run"], started[child.id]["parent_agent"]) == (parent.id, "refund-agent")
    assert "parent_run" not in started[parent.id]


def _stream(emitter, name):
    with emitter.run(name):
        yield from range(3)


def test_streams_that_are_read_in_turn_leave_no_run_behind(emitter, memory) -> None:
    """They end in the order in which they began; what runs later is nobody's child."""
    for _ in zip(_stream(emitter, "one"), _stream(emitter, "two"), strict=True):
        pass
    assert forewarn.current_run() is None
    with emitter.run("later"):
        pass
    later = [event for event in events(emitter, memory, "run_started") if event["run"] == "later"]
    assert [event.get("parent_run") for event in later] == [None]


def test_a_run_that_ended_hands_on_to_the_one_around_it(emitter) -> None:
    with emitter.run("around") as around:
        one, two = _stream(emitter, "one"), _stream(emitter, "two")
        next(one), next(two)
        one.close()
        assert forewarn.current_run().id == "two"
        two.close()
        assert forewarn.current_run() is around


def test_a_stream_that_nobody_reads_to_its_end_is_no_failure(emitter, memory) -> None:
    for _ in _stream(emitter, "half"):
        break
    (end,) = events(emitter, memory, "run_finished")
    assert (end["status"], end.get("error_type")) == ("ok", None)


async def test_tasks_have_their_own_current_run(emitter, memory) -> None:
    async def one(name: str) -> None:
        async with emitter.run(name) as run:
            await asyncio.sleep(0)
            async with emitter.run(name + "-child"), run.tool("t") as call:
                await asyncio.sleep(0)
                call.result = name

    await asyncio.gather(*(one(f"r{n}") for n in range(5)))
    parents = {event["run"]: event.get("parent_run") for event in events(emitter, memory, "run_finished")}
    assert parents == {f"r{n}": None for n in range(5)} | {f"r{n}-child": f"r{n}" for n in range(5)}


async def test_a_cancelled_task_is_a_failed_run(emitter, memory) -> None:
    async def forever() -> None:
        async with emitter.run():
            await asyncio.Event().wait()

    task = asyncio.create_task(forever())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert events(emitter, memory, "run_finished")[0]["error_type"] == "CancelledError"


def test_a_run_left_in_another_context_does_not_raise(emitter, memory) -> None:
    run = emitter.run()
    contextvars.copy_context().run(run.__enter__)
    run.__exit__(None, None, None)
    assert len(events(emitter, memory)) == 2


def test_runs_are_shared_between_threads(emitter, memory) -> None:
    with emitter.run() as run:
        threads = [threading.Thread(target=run.tool, args=(f"t{n}",), kwargs={"result": n}) for n in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert {event["tool"] for event in events(emitter, memory, "tool_call")} == {f"t{n}" for n in range(20)}


class Hostile:
    def __repr__(self) -> str:
        raise RuntimeError("no")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no")

    __hash__ = None  # type: ignore[assignment]


def test_a_change_of_nothing_that_we_know_is_not_sent(lenient, memory) -> None:
    lenient.change("refund-agent", "v77")
    lenient.change("prompt:x", "v77", share=3)
    assert [(event["component"], event.get("share")) for event in events(lenient, memory)] == [("prompt:x", None)]
    assert (lenient.counts.get("bad_values"), lenient.dropped) == (2, {"incomplete": 1})


@pytest.mark.parametrize(
    "use",
    [
        lambda emitter: emitter.run(session=Hostile()).start().finish(),
        lambda emitter: emitter.run(labels={"a": Hostile()}).start().finish(),
        lambda emitter: emitter.run(labels="x").start().finish(),
        lambda emitter: emitter.run(Hostile()).start().finish(),
        lambda emitter: emitter.run(variant="blue").start().finish(),
        lambda emitter: emitter.run().start().tool(None, result=1),
        lambda emitter: emitter.run().start().tool("t", status="great"),
        lambda emitter: emitter.run().start().tool("t", status=Hostile()),
        lambda emitter: emitter.run().start().tool("t", result=1, attempt="first"),
        lambda emitter: emitter.run().start().tool("t", duration_seconds=float("nan")),
        lambda emitter: emitter.run().start().tool("t", duration_seconds=-1.0),
        lambda emitter: emitter.run().start().tool("t", duration_seconds=1e300),
        lambda emitter: emitter.run().start().tool("t", result=1, attempt=-1),
        lambda emitter: emitter.run().start().guardrail("g", "exploded"),
        lambda emitter: emitter.run().start().handoff(None),
        lambda emitter: emitter.run().tool("t", result=1),
        lambda emitter: (run := emitter.run().start(), run.finish(), run.finish()),
        lambda emitter: (run := emitter.run().start(), run.finish(), run.tool("t", result=1)),
        lambda emitter: emitter.change("", "v1"),
        lambda emitter: emitter.change("refund-agent", "v77"),
        lambda emitter: emitter.change("foo:zz", "v77"),
        lambda emitter: emitter.change("prompt:", "v77"),
        lambda emitter: emitter.change("prompt:x", "v1", share=3),
        lambda emitter: emitter.change("prompt:x", "v1", stage="everywhere"),
        lambda emitter: emitter.change("prompt:x", "v1", url="x" * 3000),
        lambda emitter: emitter.evaluation("grounded", 0.1),
        lambda emitter: emitter.feedback("very bad"),
    ],
)
def test_misuse_raises_only_when_strict(use, lenient, emitter) -> None:
    use(lenient)
    assert lenient.counts.snapshot().keys() & {"misuse", "bad_values", "incomplete", "internal_errors"}
    with pytest.raises(forewarn.Misuse):
        use(emitter)


@pytest.mark.parametrize("endpoint", ["localhost:4319", "ftp://x", "http://user:pw@host", "http://[::1", "http://h:x"])
def test_a_bad_endpoint_does_not_stop_the_agent(endpoint) -> None:
    with pytest.raises(forewarn.Misuse) as raised:
        forewarn.Emitter("a", endpoint=endpoint, strict=True)
    assert "pw" not in str(raised.value)
    emitter = forewarn.Emitter("a", endpoint=endpoint)
    with emitter.run():
        pass
    assert emitter.close(5.0)
    assert emitter.dropped == {"refused": 2}


def test_a_token_is_not_shown(caplog) -> None:
    emitter = forewarn.Emitter("a", token="s3cret", endpoint="http://127.0.0.1:9", retry_seconds=0.0)
    emitter.heartbeat()
    assert emitter.close(5.0)
    assert emitter.dropped == {"undelivered": 1}
    assert "s3cret" not in repr(vars(emitter)) + caplog.text
    assert "127.0.0.1:9" in caplog.text


def test_without_text_only_the_verdict_is_sent(memory) -> None:
    with forewarn.Emitter("a", transport=memory, text=False, strict=True) as emitter:
        with emitter.run(input="private") as run:
            run.tool("t", {"name": "private"}, result={"error": "private"})
            run.tool("t", result='{"isError": true, "x": "private"}')
            run.tool("t", result="private")
            run.output = "private"
        emitter.complaint("private")
        calls = events(emitter, memory, "tool_call")
    assert [call["soft_error"] for call in calls] == [True, True, False]
    assert b"private" not in b"".join(record.body for record in memory.records)


@pytest.mark.parametrize(
    ("given", "sent"), [(17, "17"), (uuid.UUID(int=1), str(uuid.UUID(int=1))), ("r" * 600, "r" * 512)]
)
def test_a_run_is_known_by_the_id_that_was_sent(given, sent, lenient, memory) -> None:
    with lenient.run(given) as run:
        pass
    assert run.id == sent
    assert [event["run"] for event in events(lenient, memory)] == [sent, sent]


def test_names_and_labels_are_cut_and_counted(lenient, memory) -> None:
    with lenient.run(session="s" * 1000, labels={f"l{n}": "x" for n in range(100)}):
        pass
    started = events(lenient, memory)[0]
    assert len(started["session"]) == 512
    assert len(started["labels"]) == 32
    assert lenient.counts.get("truncated") >= 2
