"""The WebSocket door: a real uvicorn on a free port, the websockets client, and raw sockets for what no client does."""

import asyncio
import contextlib
import itertools
import json
import socket
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import msgspec
import pytest
import uvicorn
import websockets
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from matchday.backends.clock_wall import WallClock
from matchday.config import Push as Settings
from matchday.edge.admission import Admission
from matchday.edge.frames import frame_text, split_frame
from matchday.edge.websocket import make_protocol
from matchday.model.market import Market
from matchday.services.push import Push
from tests.unit.listening import listening, soon
from tests.unit.pushing import FRAMING, GOALS, RESULT, Desk, market

ORIGIN = "https://fans.example"


class Served(Desk):
    """A push room behind a real door; time is the wall's."""

    port = 0

    def serve(self, settings: Settings) -> uvicorn.Server:
        self.settings = settings
        self.clock = WallClock(asyncio.get_running_loop())  # type: ignore[assignment]
        self.push = Push(
            self.clock, self.books, "e1", settings, ledger=self.ledger, verify=lambda token: None, framing=FRAMING,
            stale=lambda: False,
        )  # fmt: skip
        entrance = Admission(self.clock, settings, self.push)
        door = make_protocol(self.push, settings, [ORIGIN], entrance=entrance)
        return uvicorn.Server(uvicorn.Config(
            nothing_else, port=0, http="httptools", ws=door, lifespan="off", log_config=None, access_log=False,
            timeout_graceful_shutdown=3,
        ))  # fmt: skip

    def settle(self) -> None:
        """The loop does."""

    def connect(self, **options: Any) -> connect:
        return connect(f"ws://127.0.0.1:{self.port}/ws", compression=None, **options)


async def nothing_else(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@contextlib.asynccontextmanager
async def serving(**settings: int) -> AsyncIterator[Served]:
    desk = Served()
    server = desk.serve(Settings(**settings))
    async with listening(server, send_bytes=8192) as desk.port:
        desk.price("F", 2000)
        yield desk


Story = Callable[[Served], Awaitable[None]]
Run = Callable[[Story], None]


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    """Tells stories to one door with the default settings, which must be empty after each."""
    with asyncio.Runner() as runner:
        door = serving()
        desk = runner.run(door.__aenter__())

        async def tell(story: Story) -> None:
            async with asyncio.timeout(15):
                await story(desk)
                await soon(lambda: desk.push.connections == 0)

        yield lambda story: runner.run(tell(story))
        runner.run(door.__aexit__(None, None, None))


def run_with(story: Story, **settings: int) -> None:
    """Tell a story to a door of its own."""

    async def main() -> None:
        async with asyncio.timeout(15), serving(**settings) as desk:
            await story(desk)

    asyncio.run(main())


def many(count: int, price: int) -> list[Market]:
    """A book that is long to say."""
    return [market("F", RESULT, price), *(market(f"F{i}", GOALS, price) for i in range(count))]


async def heard(ws: ClientConnection, kind: str) -> dict[str, Any]:
    while True:
        frame: dict[str, Any] = json.loads(await ws.recv())
        if frame["t"] == kind:
            return frame


async def say(ws: ClientConnection, **message: Any) -> None:
    await ws.send(json.dumps(message))


async def close_code(ws: ClientConnection) -> int | None:
    with contextlib.suppress(ConnectionClosed):
        while True:
            await ws.recv()
    return ws.close_code


def masked(opcode: int, payload: bytes, *, fin: bool = True, size: int | None = None) -> bytes:
    """A client's frame; the mask is real, the declared size may lie."""
    mask, size = b"\x01\x02\x03\x04", len(payload) if size is None else size
    head = bytes([(0x80 if fin else 0) | opcode])
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return head + length + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


async def raw(desk: Served, head: str = "") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection that has shaken hands and can then send any bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", desk.port)
    writer.write(
        f"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n{head}"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    answer = await reader.readuntil(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 101"), answer
    return reader, writer


# --- the handshake ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("offered", [None, ["matchday.v1.json"], ["other", "matchday.v1.json"], ["other"]])
def test_the_subprotocol_is_taken_where_it_is_offered(run: Run, offered: list[Any] | None) -> None:
    async def story(desk: Served) -> None:
        async with desk.connect(subprotocols=offered) as ws:
            assert ws.subprotocol == ("matchday.v1.json" if "matchday.v1.json" in (offered or []) else None)
            assert (await heard(ws, "hello"))["heartbeat_ms"] == 5000

    run(story)


@pytest.mark.parametrize(
    ("path", "origin", "status"),
    [
        ("/ws?x=1", None, 101),
        ("/ws", "http://HOST", 101),
        ("/ws", ORIGIN, 101),
        ("/ws", "https://elsewhere.example", 403),
        ("/ws", "null", 403),
        ("/other", None, 404),
        ("/ws/", None, 404),
    ],
)
def test_who_may_connect_where(run: Run, path: str, origin: str | None, status: int) -> None:
    async def story(desk: Served) -> None:
        host = f"127.0.0.1:{desk.port}"
        came: int | None = 101
        try:
            async with connect(f"ws://{host}{path}", origin=origin and origin.replace("HOST", host)):  # type: ignore[arg-type]
                assert desk.push.connections == 1
        except InvalidStatus as refused:
            came = refused.response.status_code
        assert came == status
        await soon(lambda: desk.push.connections == 0)

    run(story)


@pytest.mark.parametrize(
    "wrong",
    [
        b"Sec-WebSocket-Version: 13\r\n",
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n",
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 8\r\n",
        b"Sec-WebSocket-Key: short\r\nSec-WebSocket-Version: 13\r\n",
    ],
    ids=["no key", "no version", "another version", "no key of sixteen bytes"],
)
def test_a_handshake_that_is_none_is_told_what_one_is(run: Run, wrong: bytes) -> None:
    async def story(desk: Served) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", desk.port)
        writer.write(b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" + wrong + b"\r\n")
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400 ")
        assert b"\r\nSec-WebSocket-Version: 13\r\n" in head + b"\r\n"
        problem = json.loads(body)
        assert (problem["reason"], problem["status"]) == ("request_invalid", 400)
        assert "Sec-WebSocket-Key of 16 bytes" in problem["detail"]
        writer.close()

    run(story)


@pytest.mark.parametrize(
    ("path", "more"),
    [("/ws", b"Cookie: " + b"x" * 9_000 + b"\r\n"), ("/ws?" + "x" * 9_000, b"")],
    ids=["cookie", "path"],
)
def test_a_handshake_with_a_line_that_is_too_long_is_told_so(run: Run, path: str, more: bytes) -> None:
    """By a problem, as everywhere: the library, which reads handshakes, answered in plain text."""

    async def story(desk: Served) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", desk.port)
        head = f"GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        key = b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        writer.write(head.encode() + more + key)
        answer, _, body = (await reader.read()).partition(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 431 ")
        assert b"\r\nContent-Type: application/problem+json\r\n" in answer
        assert json.loads(body)["reason"] == "head_too_large"
        writer.close()

    run(story)


def test_the_full_are_503() -> None:
    async def story(desk: Served) -> None:
        async with desk.connect():
            with pytest.raises(InvalidStatus, match="503") as refused:
                await desk.connect()
            assert 1 <= int(refused.value.response.headers["Retry-After"]) <= 30

    run_with(story, connections_max=1)


# --- messages ---------------------------------------------------------------------------------------------------------


def test_a_snapshot_then_deltas_in_one_message_each(run: Run) -> None:
    async def story(desk: Served) -> None:
        async with desk.connect() as ws:
            await say(ws, op="subscribe", channel="fixture:F")
            snapshot = await heard(ws, "snapshot")
            for price in (2001, 2002):
                desk.price("F", price)
            first, second = await heard(ws, "delta"), await heard(ws, "delta")
            assert (first["from"], second["from"]) == (snapshot["to"], first["to"])

    run(story)


def test_a_large_frame_arrives_whole(run: Run) -> None:
    async def story(desk: Served) -> None:
        desk.change("G", *(market(f"G{i}", RESULT, 2000 + i) for i in range(600)))
        async with desk.connect() as ws:
            await say(ws, op="subscribe", channel="fixture:G")
            assert len((await heard(ws, "snapshot"))["data"]["markets"]) == 600

    run(story)


def test_fragments_with_a_ping_between_are_one_message(run: Run) -> None:
    async def story(desk: Served) -> None:
        async with desk.connect() as ws:

            async def parts() -> AsyncIterator[str]:
                yield '{"op":"sub'
                await (await ws.ping())
                yield 'scribe","channel":"home"}'

            await ws.send(parts())
            assert (await heard(ws, "snapshot"))["channel"] == "home"
            await say(ws, op="ping")
            await heard(ws, "pong")

    run(story)


@pytest.mark.parametrize("piece", [1, 5, 1000])
def test_bytes_may_come_in_any_pieces(run: Run, piece: int) -> None:
    async def story(desk: Served) -> None:
        reader, writer = await raw(desk)
        said = b"".join(
            masked(1, b'{"op":"ping"}') + masked(10, b"x") + masked(1, b'{"op":"ping"}' + b" " * 200) for _ in range(3)
        )
        said += masked(9, b"slow") + masked(1, b'{"op":"unsubscribe","channel":"home"}')
        for at in range(0, len(said), piece):
            writer.write(said[at : at + piece])
            await writer.drain()
            await asyncio.sleep(0)
        answer = b""
        for last in (b"one", b"two"):  # what the room answers leaves after what the library answers
            writer.write(masked(9, last))
            while b"\x8a\x03" + last not in answer or answer.count(b'"pong"') < 6:
                answer += await reader.read(1000)
        assert answer.count(b'"pong"') == 6
        writer.close()

    run(story)


def test_what_is_no_json_is_answered_and_the_connection_goes_on(run: Run) -> None:
    async def story(desk: Served) -> None:
        async with desk.connect() as ws:
            await ws.send("hello")
            assert (await heard(ws, "error"))["reason"] == "message_invalid"
            await say(ws, op="ping")
            await heard(ws, "pong")

    run(story)


# --- what ends a connection -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (masked(1, b"", size=4097), 1009),
        (masked(1, b"x" * 3000, fin=False) + masked(0, b"x" * 2000), 1009),
        (b"\x81\x02{}", 1002),
        (masked(1, b"\xff\xfe"), 1007),
        (masked(1, b'{"op":', fin=False) + masked(0, b"\xff"), 1007),
        (masked(2, b"{}"), 1003),
        (masked(3, b"{}"), 1002),
        (masked(0, b"{}"), 1002),
        (masked(9, b"x", fin=False), 1002),
        (masked(1, b"{", fin=False) + masked(1, b"}"), 1002),
        (b"\xc1" + masked(1, b"{}")[1:], 1002),
        (masked(8, b"\x03\xe8"), 1000),
        (masked(1, b'{"op":"ping"}') * 41, 4029),
        (masked(9, b"x") * 41, 4029),
        (masked(10, b"") * 41, 4029),
        (masked(1, b"{", fin=False) + masked(0, b"", fin=False) * 41, 4029),
    ],
    ids=[
        "too large, from the header alone", "too large in fragments", "unmasked", "not UTF-8", "not UTF-8 in fragments",
        "binary", "unknown opcode", "stray continuation", "fragmented ping", "text inside a fragment", "reserved bit",
        "goodbye", "too many messages", "too many pings", "too many pongs", "too many fragments of nothing",
    ],
)  # fmt: skip
def test_close_codes(run: Run, said: bytes, code: int) -> None:
    async def story(desk: Served) -> None:
        reader, writer = await raw(desk)
        writer.write(said)
        answer = await reader.read(4096)
        while b"\x88" not in answer:
            answer += await reader.read(4096)
        at = answer.rindex(b"\x88")
        assert int.from_bytes(answer[at + 2 : at + 4], "big") == code
        writer.write(masked(8, code.to_bytes(2, "big")))
        while await reader.read(4096):
            pass
        writer.close()
        await soon(lambda: desk.push.connections == 0)

    run(story)


def test_a_client_that_never_reads_is_held_in_bounds_closed_and_missed_by_nobody() -> None:
    async def story(desk: Served) -> None:
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.connect(("127.0.0.1", desk.port))
            deaf.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(
                deaf,
                b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n",
            )
            await soon(lambda: desk.push.connections == 1)
            await loop.sock_sendall(deaf, masked(1, b'{"op":"subscribe","channel":"fixture:F"}'))
            async with desk.connect() as quick:
                await say(quick, op="subscribe", channel="fixture:F")
                await heard(quick, "snapshot")
                (session,) = [s for c, s in desk.push._sessions.items() if len(desk.push._sessions) == 2][:1]
                books = itertools.cycle([many(60, 2000), many(60, 2001)])
                highest = 0
                while desk.push.connections == 2:
                    last = desk.change("F", *next(books))
                    assert (await heard(quick, "delta"))["to"] == last
                    highest = max(highest, session.connection.buffered())
                assert 8_000 < highest < 8_000 + 2 * 20_000
            said = b""
            while piece := await loop.sock_recv(deaf, 65_536):
                said += piece
                if said.endswith(b"took nothing for 200 ms"):
                    break
            assert said[-27:-23] == b"\x88\x19" + (4008).to_bytes(2, "big")

    run_with(story, buffer_bytes_max=8_000, slow_ms_max=200, heartbeat_ms=100)


def test_a_client_that_reads_again_gets_the_latest_at_once() -> None:
    async def story(desk: Served) -> None:
        reader, writer = await raw(desk)
        writer.write(masked(1, b'{"op":"subscribe","channel":"fixture:F"}'))
        await soon(lambda: desk.push.connections == 1)
        (session,) = desk.push._sessions.values()
        await soon(lambda: len(session.channels) == 1)
        books = itertools.cycle([many(300, 2000), many(300, 2001)])
        while session.behind is None:
            desk.change("F", *next(books))
            await asyncio.sleep(0)
        for price in (7776, 7777):
            desk.price("F", price)
        answer = b""
        while b'"conflated":true' not in answer or b'"7.777"' not in answer:
            answer += await reader.read(65_536)
        writer.close()

    run_with(story, buffer_bytes_max=8_000, heartbeat_ms=600_000)


def test_a_client_that_does_not_answer_the_goodbye_is_cut(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("matchday.edge.websocket.CLOSE_S_MAX", 0.05)

    async def story(desk: Served) -> None:
        reader, writer = await raw(desk)
        writer.write(masked(2, b""))
        with contextlib.suppress(ConnectionError):
            while await reader.read(4096):
                pass
        writer.close()

    run(story)


def test_a_pong_keeps_a_listener_connected() -> None:
    async def story(desk: Served) -> None:
        async with desk.connect() as answering:
            _, deaf = await raw(desk)
            await soon(lambda: desk.push.connections == 2)
            await soon(lambda: desk.push.connections == 1)
            await say(answering, op="ping")
            await heard(answering, "pong")
            deaf.close()

    run_with(story, idle_ms_max=300, heartbeat_ms=100)


def test_a_stopping_server_says_1012() -> None:
    async def main() -> None:
        async with asyncio.timeout(10):
            async with serving() as desk:
                ws = await desk.connect()
                leaving = asyncio.create_task(close_code(ws))
                await asyncio.sleep(0)
            assert await leaving == 1012

    asyncio.run(main())


# --- frames -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 100_000])
def test_our_frames_are_what_the_library_reads(size: int) -> None:
    client = websockets.client.ClientProtocol(websockets.uri.parse_uri("ws://x/"), state=websockets.protocol.State.OPEN)
    client.receive_data(frame_text(b"x" * size))
    (frame,) = client.events_received()
    assert isinstance(frame, websockets.frames.Frame)
    assert (frame.opcode, len(frame.data)) == (websockets.frames.Opcode.TEXT, size)


@pytest.mark.parametrize(
    ("data", "payload", "after"),
    [
        (masked(1, b"abcde"), b"abcde", 11),
        (masked(1, b""), b"", 6),
        (masked(1, b"x" * 200), b"x" * 200, 208),
        (masked(10, b"pong"), None, 10),
        (masked(1, b"abcde")[:-1], None, 0),
        (masked(1, b"x" * 200)[:7], None, 0),
        (masked(1, b"x" * 300), None, 0),
        (masked(9, b""), None, 0),
        (masked(1, b"", fin=False), None, 0),
        (b"\x81\x05abcdefgh", None, 0),
    ],
    ids=["text", "empty", "long", "pong", "not whole", "no whole head", "too large", "ping", "fragment", "unmasked"],
)
def test_whole_small_frames_are_taken_apart(data: bytes, payload: bytes | None, after: int) -> None:
    assert split_frame(data, 0, 256) == (payload, after)
    assert split_frame(b"??" + data, 2, 256) == (payload, after + 2)


# --- formats ----------------------------------------------------------------------------------------------------------

DEFLATE = "permessage-deflate; client_max_window_bits"


async def upgraded(
    desk: Served, offer: str, protocol: str = ""
) -> tuple[str, asyncio.StreamReader, asyncio.StreamWriter]:
    """The head of the answer, and the connection behind it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", desk.port)
    head = (
        "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    )
    writer.write(f"{head}Sec-WebSocket-Extensions: {offer}\r\n\r\n".encode())
    return (await reader.readuntil(b"\r\n\r\n")).decode(), reader, writer


async def frame_of(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """The first byte of a frame of the server's, and what is in it."""
    first, size = await reader.readexactly(2)
    if size > 125:
        size = int.from_bytes(await reader.readexactly(2 if size == 126 else 8), "big")
    return first, await reader.readexactly(size)


def packed(payload: bytes, opcode: int = 1) -> bytes:
    """A client's compressed message in one frame."""
    packer = zlib.compressobj(wbits=-15)
    data = (packer.compress(payload) + packer.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\x00\x00\xff\xff")
    return masked(opcode | 0x40, data)


def test_no_side_keeps_a_context_so_that_frames_can_be_shared(run: Run) -> None:
    async def story(desk: Served) -> None:
        head, reader, writer = await upgraded(desk, DEFLATE)
        assert "permessage-deflate; server_no_context_takeover; client_no_context_takeover" in head
        writer.write(packed(b'{"op":"subscribe","channel":"fixture:F"}'))
        assert (await frame_of(reader))[0] == 0x81, "a frame as short as hello is not worth compressing"
        first, data = await frame_of(reader)
        assert first == 0xC1
        plain = zlib.decompressobj(wbits=-15).decompress(data + b"\x00\x00\xff\xff")
        assert json.loads(plain)["t"] == "snapshot"
        assert len(data) < 0.6 * len(plain)
        writer.close()

    run(story)


def test_a_small_window_is_sent_plain_frames_and_may_still_compress(run: Run) -> None:
    async def story(desk: Served) -> None:
        head, reader, writer = await upgraded(desk, "permessage-deflate; server_max_window_bits=10")
        assert "server_max_window_bits=10" in head
        writer.write(packed(b'{"op":"subscribe","channel":"fixture:F"}'))
        assert [(await frame_of(reader))[0] for _ in range(2)] == [0x81, 0x81]
        writer.close()

    run(story)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (packed(b'"' + b"x" * 4_096), 1009),
        (packed(b"x" * 1_000_000), 1009),
        (masked(0x41, b"\xff\xff\xff"), 1002),
        (packed(b"\xff{}"), 1007),
    ],
)
def test_bombs_and_rubbish_are_closed_with_their_codes(run: Run, said: bytes, code: int) -> None:
    async def story(desk: Served) -> None:
        _, reader, writer = await upgraded(desk, DEFLATE)
        writer.write(said)
        while (frame := await frame_of(reader))[0] != 0x88:
            pass
        assert int.from_bytes(frame[1][:2], "big") == code
        writer.close()

    run(story)


def test_compressed_without_having_agreed_is_a_protocol_error(run: Run) -> None:
    async def story(desk: Served) -> None:
        reader, writer = await raw(desk)
        writer.write(packed(b'{"op":"ping"}'))
        assert (1002).to_bytes(2, "big") in await reader.read()
        writer.close()

    run(story)


def test_messagepack_says_the_same_in_binary_frames(run: Run) -> None:
    async def story(desk: Served) -> None:
        async with desk.connect(subprotocols=["matchday.v1.msgpack"]) as binary, desk.connect() as text:
            assert binary.subprotocol == "matchday.v1.msgpack"
            subscribe = {"op": "subscribe", "channel": "fixture:F"}
            await binary.send(msgspec.msgpack.encode(subscribe))
            await say(text, **subscribe)
            await heard(text, "snapshot")
            assert msgspec.msgpack.decode(await binary.recv(decode=False))["t"] == "hello"
            assert msgspec.msgpack.decode(await binary.recv(decode=False))["t"] == "snapshot"
            desk.price("F", 2345)
            said = await binary.recv(decode=False)
            assert msgspec.msgpack.decode(said) == await heard(text, "delta")

    run(story)


def test_text_where_messagepack_was_agreed_is_closed(run: Run) -> None:
    async def story(desk: Served) -> None:
        async with desk.connect(subprotocols=["matchday.v1.msgpack"]) as ws:
            await ws.send('{"op":"ping"}')
            assert await close_code(ws) == 1003

    run(story)


def test_messagepack_that_is_none_is_answered(run: Run) -> None:
    async def story(desk: Served) -> None:
        async with desk.connect(subprotocols=["matchday.v1.msgpack"]) as ws:
            await ws.send(b"\xc1")
            await ws.recv()
            assert msgspec.msgpack.decode(await ws.recv(decode=False))["reason"] == "message_invalid"

    run(story)
