"""Any bytes to the one port: the guard answers requests in order, refuses by name, or waits; it never raises, and the
application sees nothing that a strict reader would not have seen."""

import asyncio
import contextlib
import json
import re
from typing import Any

import httptools
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from uvicorn.config import Config
from uvicorn.server import ServerState

from matchday.config import Doors
from matchday.edge.admission import OPEN
from matchday.edge.frames import deflated, frame_binary, frame_text
from matchday.edge.guard import make_guard
from matchday.edge.problems import REASONS
from matchday.edge.stream import PATH, Streams
from matchday.edge.websocket import make_protocol
from matchday.services.push import Framing, Push
from tests.fuzz.budget import examples_off_the_wire
from tests.unit.pushing import Desk

LIMITS = Doors(head_bytes_max=600, headers_max=12)


class Transport(asyncio.Transport):
    """Where the door writes to."""

    def __init__(self) -> None:
        super().__init__()
        self.written, self.closing, self.protocol = b"", False, None

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing waits."""

    def get_write_buffer_size(self) -> int:
        return 0

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("192.0.2.1", 4711) if name == "peername" else default

    def write(self, data: Any) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.closing

    def write_eof(self) -> None:
        self.closing = True

    def close(self) -> None:
        self.closing = True

    abort = close

    def pause_reading(self) -> None:
        """All comes at once."""

    def resume_reading(self) -> None:
        """All comes at once."""

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def get_protocol(self) -> Any:
        return self.protocol


async def told(pieces: list[bytes]) -> tuple[bytes, list[bytes], bool]:
    """What a door says to some bytes, the bodies that its application was handed, and whether the connection lasts."""
    desk, bodies = Desk(), []
    desk.price("F", 2_000)
    push = Push(
        desk.clock, desk.books, "e", desk.settings, ledger=desk.ledger, verify=lambda _: None,
        framing=Framing(frame_text, frame_binary, deflated),
        stale=lambda: False,
    )  # fmt: skip

    async def application(scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body, more = body + message["body"], message["more_body"]
        bodies.append(body)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    streams = Streams(
        push, desk.settings, OPEN, verify=lambda _: None, verify_ticket=lambda _: None, retry_ms=lambda: 1_000
    )
    guard = make_guard(LIMITS, dead_ms=1_000, stream_path=PATH, open_stream=streams.opener)
    config = Config(
        application, interface="asgi3", ws=make_protocol(push, desk.settings), lifespan="off", log_config=None
    )
    config.load()
    state = ServerState()
    transport = Transport()
    door = guard(config, state, {})
    transport.set_protocol(door)
    door.connection_made(transport)
    for piece in pieces:
        if not transport.closing:
            transport.get_protocol().data_received(piece)
            desk.settle()
            await asyncio.gather(*state.tasks) if not _reading(door) else await asyncio.sleep(0)
    lasts = not transport.closing
    transport.get_protocol().connection_lost(None)
    await asyncio.gather(*state.tasks)
    assert push.connections == 0
    return transport.written, bodies, lasts


def _reading(door: Any) -> bool:
    """Whether the application waits for the rest of a body."""
    return door.cycle is not None and not door.cycle.response_complete and door.cycle.more_body


class Strict:
    """A strict reader of requests: how many bodies are whole before the first mistake."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.body = b""

    def on_message_begin(self) -> None:
        self.body = b""

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.bodies.append(self.body)


def strictly(said: bytes) -> list[bytes]:
    reader = Strict()
    with contextlib.suppress(httptools.HttpParserError, httptools.HttpParserUpgrade):
        httptools.HttpRequestParser(reader).feed_data(said)
    return reader.bodies


TARGETS = (
    "GET /", "POST /", "GET /ws", "GET /api/stream?channels=home", "HEAD /", "OPTIONS *", "CONNECT x:1", "GET  /",
)  # fmt: skip
SHAKE = (
    "Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="
)  # fmt: skip
H2C = "Connection: Upgrade\r\nUpgrade: h2c"
FIELDS = (
    SHAKE, SHAKE, H2C, H2C, "Host: x", "Content-Length: 3", "Content-Length: 0", "Content-Length: 3, 3",
    "content-length:3", "Content-Length: +3", "Transfer-Encoding: chunked", "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: chunked, x", "Connection: close", "Connection: Upgrade", "Upgrade: websocket", "Upgrade: h2c",
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Extensions: permessage-deflate", "Expect: 100-continue", "X-Forwarded-For: 1.2.3.4",
    "Last-Event-ID: x", " folded", "No-Colon", "A: b\nB: c", "A : b", "A: " + "x" * 300,
)  # fmt: skip
BODIES = (
    "abc", "", "3\r\nabc\r\n0\r\n\r\n", "3;x\r\nabc\r\n0\r\n\r\n", "0\r\n\r\n", "zz\r\n", "3\r\nabcd\r\n",
)  # fmt: skip
requests = st.builds(
    lambda target, version, fields, body: "\r\n".join([f"{target} HTTP/{version}", *fields, "", body]).encode(),
    st.sampled_from(TARGETS), st.sampled_from(["1.1", "1.1", "1.0"]), st.lists(st.sampled_from(FIELDS), max_size=7),
    st.sampled_from(BODIES),
)  # fmt: skip


@settings(max_examples=examples_off_the_wire(250), deadline=None)
@given(st.lists(requests | st.binary(max_size=30), min_size=1, max_size=4), st.integers(1, 2_000))
def test_any_bytes_in_any_pieces_to_the_one_port(said: list[bytes], size: int) -> None:
    whole = b"".join(said)
    answer, handed, lasts = asyncio.run(told([whole[at : at + size] for at in range(0, len(whole), size)]))
    assert handed == strictly(whole)[: len(handed)], "read otherwise than a strict reader does"
    statuses = [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]
    assert set(statuses) <= {100, 101, 200, *REASONS.values(), 426}
    if not lasts and statuses and statuses[-1] >= 400 and b"application/problem+json" in answer:
        assert json.loads(answer.rpartition(b"\r\n\r\n")[2])["reason"] in REASONS
    assert 101 not in statuses[:-1], "nothing may be answered after the connection was taken over"


@pytest.mark.parametrize("said", [b"GET / HTTP/1.1\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"])
def test_plain_requests_are_served_in_any_pieces(said: bytes) -> None:
    for size in range(1, len(said) + 1):
        answer, handed, lasts = asyncio.run(told([said[at : at + size] for at in range(0, len(said), size)]))
        assert answer.startswith(b"HTTP/1.1 200")
        assert handed == strictly(said)
        assert lasts
