"""The ops port: what a scheduler, a balancer and a collector are told."""

import asyncio
import contextlib
from collections.abc import Sequence
from errno import EHOSTUNREACH, ETIMEDOUT
from typing import cast

import pytest

from matchday.edge import ops
from matchday.edge.ops import OpsPort, Sample


def answered(head: bytes, reasons: Sequence[str] = ()) -> tuple[int, bytes]:
    samples = [
        Sample("up", "gauge", "Whether.", 1),
        Sample("shares", "gauge", "Held.", 2, {"room": "odds"}),
        Sample("seconds_total", "counter", "Spent.", 0.25),
        Sample("shares", "gauge", "Held.", 0, {"room": 'a"b\\c'}),
    ]
    said = OpsPort(["odds", "relay"], lambda: reasons, lambda: samples).answer(head)
    head, _, body = said.partition(b"\r\n\r\n")
    assert b"Connection: close" in head
    return int(head.split(b" ")[1]), body


def test_it_lives_whatever_it_can_do() -> None:
    assert answered(b"GET /healthz HTTP/1.1\r\n\r\n", ["no"]) == (200, b'{"status":"ok","rooms":["odds","relay"]}')


def test_it_is_ready_or_says_why_not() -> None:
    assert answered(b"GET /readyz HTTP/1.1\r\n\r\n") == (200, b'{"ready":true,"reasons":[]}')
    assert answered(b"GET /readyz?x HTTP/1.1\r\n\r\n", ["the ledger cannot be read"]) == (
        503, b'{"ready":false,"reasons":["the ledger cannot be read"]}'
    )  # fmt: skip


def test_what_all_gates_share_makes_none_of_them_unready() -> None:
    """While a ledger fails over, a balancer that left all gates out for it would cut off every screen."""
    said = OpsPort(["gate"], list, list, lambda: ["the ledger cannot be read: gone"]).answer(
        b"GET /readyz HTTP/1.1\r\n\r\n"
    )
    assert said.startswith(b"HTTP/1.1 200 OK\r\n")
    assert said.endswith(b'{"ready":true,"reasons":[],"waits_for":["the ledger cannot be read: gone"]}')


def test_metrics_of_one_name_stand_together() -> None:
    status, body = answered(b"GET /metrics HTTP/1.1\r\n\r\n")
    assert status == 200
    assert body.decode().splitlines() == [
        "# HELP up Whether.", "# TYPE up gauge", "up 1",
        "# HELP shares Held.", "# TYPE shares gauge", 'shares{room="odds"} 2', 'shares{room="a\\"b\\\\c"} 0',
        "# HELP seconds_total Spent.", "# TYPE seconds_total counter", "seconds_total 0.25",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 404),
        (b"POST /healthz HTTP/1.1\r\n\r\n", 405),
        (b"\r\n\r\n", 405),
        (b"\xff\xfe\r\n\r\n", 405),
        (b"HEAD /healthz HTTP/1.1\r\n\r\n", 200),
    ],
)
def test_what_else_is_asked_is_refused(head: bytes, status: int) -> None:
    found, body = answered(head)
    assert found == status
    assert not (head.startswith(b"HEAD") and body)


def test_over_a_socket_and_no_more_than_its_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        port = OpsPort(["odds"], list, list)
        async with await port.open("127.0.0.1", 0) as server:
            address = server.sockets[0].getsockname()[:2]

            async def ask(head: bytes) -> bytes:
                reader, writer = await asyncio.open_connection(*address)
                writer.write(head)
                said = b""
                with contextlib.suppress(ConnectionError):  # closed before it was read
                    said = await reader.read()
                writer.close()
                return said

            assert (await ask(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")
            assert await ask(b"GET /healthz HTTP/1.1\r\nX: " + b"x" * 20_000 + b"\r\n\r\n") == b""
            monkeypatch.setattr(ops, "HEAD_S_MAX", 0.02)
            assert await ask(b"GET /healthz HTTP/1.1\r\n") == b""
            monkeypatch.setattr(ops, "CONNECTIONS_MAX", 0)
            assert await ask(b"GET /healthz HTTP/1.1\r\n\r\n") == b""

    asyncio.run(story())


class Gone:
    """A peer that is gone: what was written to it is never taken."""

    def __init__(self, error: Exception | None) -> None:
        self._error, self.aborted, self.closed = error, 0, 0
        self.transport = self

    def close(self) -> None:
        self.closed += 1

    def abort(self) -> None:
        self.aborted += 1

    async def wait_closed(self) -> None:
        if self._error is None:
            await asyncio.Event().wait()
        else:
            raise self._error


@pytest.mark.parametrize(
    "error", [TimeoutError(ETIMEDOUT, "timed out"), OSError(EHOSTUNREACH, "no route"), ConnectionResetError(), None]
)
def test_a_peer_that_vanishes_is_forgotten(error: Exception | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """What leaves a connection's task ends the process."""
    monkeypatch.setattr(ops, "ANSWER_S_MAX", 0.01)
    peer = Gone(error)
    asyncio.run(ops._close(cast("asyncio.StreamWriter", peer)))
    assert (peer.closed, peer.aborted) == (1, 1)


def test_who_does_not_read_is_counted_until_it_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A collector that hangs, with more to read than a socket takes."""
    monkeypatch.setattr(ops, "CONNECTIONS_MAX", 2)
    monkeypatch.setattr(ops, "ANSWER_S_MAX", 0.3)

    async def story() -> None:
        samples = [Sample("up", "gauge", "x" * 20_000_000, 1)]
        port = OpsPort(["odds"], list, lambda: samples)
        async with await port.open("127.0.0.1", 0) as server:
            address = server.sockets[0].getsockname()[:2]

            async def ask() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
                reader, writer = await asyncio.open_connection(*address)
                writer.write(b"GET /metrics HTTP/1.1\r\n\r\n")
                return reader, writer

            hanging = [await ask() for _ in range(2)]
            while port._connections < 2:  # noqa: ASYNC110 - a server knows no event to wait for
                await asyncio.sleep(0)
            reader, third = await ask()
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
            async with asyncio.timeout(10):
                while port._connections:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            reader, writer = await ask()
            assert (await reader.read(15)).startswith(b"HTTP/1.1 200 OK")
            for one in (*(one for _, one in hanging), third, writer):
                one.transport.abort()

    asyncio.run(story())
