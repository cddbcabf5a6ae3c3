"""What the running monitor does with what it is sent: bodies that are packed, and runs that end twice."""

from __future__ import annotations

import gzip
import json
import zlib

import pytest
from google.rpc.status_pb2 import Status

from tests.services.serving import Running, running

EVENTS, TRACES = "/v1/events", "/v1/traces"
JSON, PROTOBUF = "application/json", "application/x-protobuf"


async def ask(monitor: Running, path: str, body: bytes, encoding: str, kind: str = JSON) -> tuple[int, str, bytes]:
    """Status, content type and body of the answer."""
    headers = {"Content-Type": kind, "Content-Encoding": encoding}
    async with monitor.session.post(monitor.url + path, data=body, headers=headers) as answer:
        return answer.status, answer.content_type, await answer.read()


@pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "gzip, br"])
async def test_a_packing_that_we_do_not_know_is_refused_in_the_senders_encoding(tmp_path, encoding) -> None:
    async with running(tmp_path) as monitor:
        packed = zlib.compress(b"{}")
        status, kind, body = await ask(monitor, TRACES, packed, encoding, PROTOBUF)
        assert (status, kind) == (415, PROTOBUF)
        assert "gzip" in Status.FromString(body).message
        status, kind, body = await ask(monitor, TRACES, packed, encoding)
        assert (status, kind) == (415, JSON)
        assert "gzip" in json.loads(body)["message"]
        status, kind, body = await ask(monitor, EVENTS, packed, encoding)
        assert (status, kind) == (415, JSON)
        assert "gzip" in json.loads(body)["error"]


@pytest.mark.parametrize("cut", [slice(0, 8), slice(0, 30), slice(0, -1)])
async def test_gzip_that_is_cut_off_is_refused_and_whole_gzip_is_taken(tmp_path, cut) -> None:
    event = {"kind": "run_finished", "agent": "a", "run": "r", "time": 1_790_000_000.0}
    packed = gzip.compress(json.dumps(event).encode())
    async with running(tmp_path) as monitor:
        for path in (EVENTS, TRACES):
            status, kind, _ = await ask(monitor, path, packed[cut], "gzip")
            assert (status, kind) == (400, JSON)
        status, kind, body = await ask(monitor, TRACES, packed[cut], "gzip", PROTOBUF)
        assert (status, kind) == (400, PROTOBUF)
        assert Status.FromString(body).code == 3
        status, _, body = await ask(monitor, EVENTS, packed, "gzip")
        assert (status, json.loads(body)["accepted"]) == (200, 1)
        assert (await monitor.metrics())['forewarn_bodies_refused_total{reason="400"}'] == 3
