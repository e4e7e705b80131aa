"""The doors of the real command: what bad bytes are told over a raw socket, whose address counts, streams, and how the
process hands its clients over before it stops."""

import asyncio
import contextlib
import http.client
import json
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from matchday.services.push import CLOSE_DRAINING
from tests.real import Server, poll, serving
from tests.unit.listening import until
from tests.unit.standing import HANDSHAKE, Fan


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings = {
        "MATCHDAY_DOORS_HEAD_MS_MAX": "300", "MATCHDAY_DOORS_TRUSTED_PROXIES": "127.0.0.1",
        "MATCHDAY_DOORS_GUESTS_PER_MINUTE_MAX": "3", "MATCHDAY_PUSH_CONNECTIONS_PER_ADDRESS_MAX": "2",
    }  # fmt: skip
    with contextlib.ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:  # of this server, not of those that other tests start
            for name, value in settings.items():
                patch.setenv(name, value)
            running = stack.enter_context(serving(tmp_path_factory.mktemp("door"), "--speed", "20"))
        poll(lambda: running.ask("GET", "/healthz")[1]["status"] == "ok")
        yield running


def exchange(server: Server, said: bytes) -> bytes:
    """All that is answered to some bytes, until the server closes."""
    answer = b""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as raw, contextlib.suppress(ConnectionError):
        raw.sendall(said)
        while piece := raw.recv(65_536):
            answer += piece
    return answer


HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"POST /api/guest HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 9\r\n\r\n{}" + HEALTH, "request_invalid"),
        (
            b"POST /api/guest HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "request_invalid",
        ),
        (b"POST /api/guest HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "request_invalid"),
        (HEALTH + b"X: " + b"x" * 20_000 + b"\r\n\r\n", "head_too_large"),
        (HEALTH + b"X: x\r\n" * 101 + b"\r\n", "head_too_large"),
        (HEALTH, "request_too_slow"),
        (HANDSHAKE[:-2], "request_too_slow"),
        (HANDSHAKE.replace(b"Host: x", b"Host: x\r\nOrigin: https://elsewhere.example"), "origin_not_allowed"),
        (HANDSHAKE.replace(b"/ws", b"/socket"), "not_found"),
        (b"GET /api/stream?channels=account HTTP/1.1\r\nHost: x\r\n\r\n", "not_signed_in"),
    ],
)
def test_bad_bytes_are_refused_by_name(server: Server, said: bytes, reason: str) -> None:
    answer = exchange(server, said)
    assert json.loads(answer.rpartition(b"\r\n\r\n")[2])["reason"] == reason, answer
    assert server.ask("GET", "/healthz")[0] == 200


def test_guests_are_counted_by_the_address_behind_our_proxy(server: Server) -> None:
    def guest(forwarded: str) -> int:
        return server.ask("POST", "/api/guest", {}, headers={"X-Forwarded-For": forwarded})[0]

    assert [guest("203.0.113.1") for _ in range(4)] == [201, 201, 201, 429]
    assert guest("198.51.100.9, 203.0.113.1") == 429
    assert guest("203.0.113.1, 203.0.113.2") == 201


def test_connections_are_counted_by_address(server: Server) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(2):
            raw = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=10))
            raw.sendall(HANDSHAKE)
            assert raw.recv(12) == b"HTTP/1.1 101"
        answer = exchange(server, HANDSHAKE)
        assert answer.startswith(b"HTTP/1.1 429")
        assert b"Retry-After: " in answer
        raw = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=10))
        raw.sendall(HANDSHAKE.replace(b"Host: x", b"Host: x\r\nX-Forwarded-For: 203.0.113.5"))
        assert raw.recv(12) == b"HTTP/1.1 101"


def test_a_fan_s_stream_opens_by_a_ticket_that_is_no_token(server: Server) -> None:
    token = server.ask("POST", "/api/guest", {}, headers={"X-Forwarded-For": "203.0.113.8"})[1]["token"]
    status, answer = server.ask("POST", "/api/stream/ticket", {}, token)
    assert status == 201
    assert server.ask("GET", "/api/account", token=answer["ticket"])[0] == 401
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", f"/api/stream?channels=account,home&ticket={answer['ticket']}")
        stream = connection.getresponse()
        assert stream.headers["Content-Type"] == "text/event-stream"
        kinds: list[str] = []
        while "heartbeat" not in kinds and kinds.count("snapshot") < 2:
            line = stream.readline()
            if line.startswith(b"data: "):
                kinds.append(json.loads(line[6:])["t"])
        assert kinds[:3] == ["hello", "signed_in", "snapshot"]


def test_asked_to_stop_it_hands_its_clients_over_and_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setenv("MATCHDAY_PUSH_DRAIN_MS", "1500")
    monkeypatch.setenv("MATCHDAY_PUSH_DRAIN_RETURN_MS", "60000")

    async def story(server: Server) -> None:
        fans = [Fan([server.port], "home") for _ in range(60)]
        for fan in fans:
            fan.come()
        await until(lambda: all(fan.snapshots for fan in fans), 20)
        server.process.send_signal(signal.SIGTERM)
        seen: set[Any] = set()
        counts = []
        while sum(len(fan.codes) for fan in fans) < 30:
            seen.add((await asyncio.to_thread(server.ask, "GET", "/healthz"))[1]["status"])
            counts.append(sum(len(fan.codes) for fan in fans))
            await asyncio.sleep(0.02)
        assert "draining" in seen
        assert (await asyncio.to_thread(exchange, server, HANDSHAKE)).startswith(b"HTTP/1.1 503")
        await until(lambda: all(fan.codes == [CLOSE_DRAINING] for fan in fans))
        assert len(set(counts)) > 5, "spread, not at once"
        assert all(not fan.gaps and fan.waits_ms for fan in fans)  # who came back too soon was told again
        assert len({fan.waits_ms[0] for fan in fans}) > 30
        for fan in fans:
            await fan.leave()

    with serving(tmp_path / "data", "--speed", "20") as server:
        poll(lambda: server.ask("GET", "/healthz")[1]["status"] == "ok")
        asyncio.run(story(server))
        assert server.process.wait(timeout=10) == 0


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_asked_twice_it_stops_at_once(tmp_path: Path, second: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MATCHDAY_PUSH_DRAIN_MS", "600000")
    with serving(tmp_path / "data") as server, socket.create_connection(("127.0.0.1", server.port), timeout=10) as raw:
        raw.sendall(HANDSHAKE)
        assert raw.recv(12) == b"HTTP/1.1 101"
        server.process.send_signal(signal.SIGTERM)
        poll(lambda: server.ask("GET", "/healthz")[1]["status"] == "draining")
        server.process.send_signal(second)
        assert server.process.wait(timeout=10) == 0
