"""What the real command tells those who run it: figures, traces to a collector, lines that name nobody, its load."""

import asyncio
import contextlib
import http.server
import json
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from websockets.asyncio.client import connect

from matchday.app import ROOMS
from tests.e2e.test_run import Running, figure, place, running
from tests.real import new_id, poll


class Collector:
    """Takes spans by OTLP over HTTP."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.url = ""

    def named(self, name: str) -> list[Any]:
        return [span for span in self.spans if span.name == name]


@contextlib.contextmanager
def collecting() -> Iterator[Collector]:
    collector = Collector()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            said = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
            for resource in said.resource_spans:
                for scope in resource.scope_spans:
                    collector.spans.extend(scope.spans)
            self.send_response(200)
            self.end_headers()

        def log_request(self, code: object = "-", size: object = "-") -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        collector.url = f"http://127.0.0.1:{server.server_port}/v1/traces"
        yield collector
        server.shutdown()
        thread.join()


async def watch(run: Running, token: str) -> None:
    """A screen that signs in, follows the front page, and says something wrong."""
    assert run.door is not None
    async with connect(f"ws://127.0.0.1:{run.door.port}/ws", subprotocols=["matchday.v1.json"]) as socket:  # type: ignore[list-item]
        for word in ({"op": "auth", "token": token}, {"op": "subscribe", "channel": "home"}, {"op": "nonsense"}):
            await socket.send(json.dumps(word))
        async with asyncio.timeout(10):
            while json.loads(await socket.recv())["t"] != "error":
                pass


def test_a_story_is_told_and_nobody_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with collecting() as collector:
        for name, value in (
            ("TRACE_ENDPOINT", collector.url), ("TRACE_SAMPLE_RATIO", "1"), ("TRACE_INCIDENT_RATIO", "1"),
            ("LOGS_FORMAT", "json"), ("LOGS_LEVEL", "info"), ("BETS_DELAY_MS", "0"),
        ):  # fmt: skip
            monkeypatch.setenv(f"MATCHDAY_{name}", value)
        words = ("--port", "0", "--data", str(tmp_path), "--speed", "60")
        with running(*ROOMS, words=words) as run:
            door = run.door
            assert door is not None
            poll(lambda: run.ask("/readyz")[0] == 200)
            status, guest = door.ask("POST", "/api/guest", {})
            assert status == 201
            assert poll(lambda: place(door, guest["token"]))["answer"] == "accepted"
            door.ask("POST", "/api/bets", {"id": new_id()}, guest["token"])
            door.ask("POST", "/api/bets", b"\xff" * 10, guest["token"] + "x")
            asyncio.run(watch(run, guest["token"]))
            assert figure(run.ops_port, "matchday_http_requests_total") >= 4
            assert figure(run.ops_port, "matchday_push_frames_total") >= 3
            assert figure(run.ops_port, "matchday_loop_lag_seconds_count") > 0
            poll(lambda: [one for one in collector.named("gate") if one.parent_span_id], 30)
            run.process.terminate()
            said = run.process.communicate(timeout=30)[1]
        spans = {span.span_id: span for span in collector.spans}
        gate = next(one for one in collector.named("gate") if one.parent_span_id in spans)
        odds = spans[gate.parent_span_id]
        assert (odds.name, spans[odds.parent_span_id].name) == ("odds", "incident")
        assert gate.trace_id == spans[odds.parent_span_id].trace_id
        slips = {attribute.value.string_value for span in collector.named("slip") for attribute in span.attributes
                 if attribute.key == "matchday.outcome"}  # fmt: skip
        assert "accepted" in slips
        assert guest["account"] not in str(collector.spans)
    lines = [json.loads(line) for line in said.splitlines()]
    assert lines, "the server says that it shuts down"
    assert all({"at", "level", "logger", "room", "message"} <= line.keys() for line in lines)
    for secret in (guest["token"], guest["token"].split(".")[0], guest["account"], "127.0.0.1"):
        assert secret not in said
    with contextlib.closing(sqlite3.connect(tmp_path / "load.sqlite")) as opened:
        rows = opened.execute("SELECT sum(requests), sum(bets), sum(frames), sum(covered_ms) FROM minutes").fetchall()
    requests, bets, frames, covered_ms = rows[0]
    assert requests >= 7
    assert bets >= 1
    assert frames >= 3
    assert covered_ms > 500
