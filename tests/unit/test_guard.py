"""The guard of the HTTP door, asked over raw sockets what no client asks: each is refused by name, and what follows on
its connection is nobody's request."""

import asyncio
import json
import re
import socket

import pytest

from matchday.config import Doors
from tests.unit.listening import until
from tests.unit.standing import HANDSHAKE, World, tell

QUICK = Doors(head_ms_max=150, request_ms_max=150, head_bytes_max=4_000, headers_max=20)
GET = b"GET /plain HTTP/1.1\r\nHost: x\r\n"
POST = b"POST /bets HTTP/1.1\r\nHost: x\r\n"
HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n"


def problem(answer: bytes) -> tuple[int, str]:
    """Status and reason of the last answer on a connection."""
    *_, last = re.finditer(rb"HTTP/1\.1 \d{3} ", answer)
    head, _, body = answer[last.start() :].partition(b"\r\n\r\n")
    assert b"Connection: close" in head
    assert b"Content-Type: application/problem+json" in head
    return int(head.split()[1]), json.loads(body)["reason"]


@pytest.mark.parametrize(
    "said",
    [
        POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello" + HIDDEN,
        POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello" + HIDDEN,
        POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
        POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + HIDDEN,
        POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + HIDDEN,
        POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + HIDDEN,
        POST + b"Content-Length: +5\r\n\r\nhello" + HIDDEN,
        POST + b"Content-Length: 0x5\r\n\r\nhello" + HIDDEN,
        POST + b"Content-Length: -1\r\n\r\n" + HIDDEN,
        POST + b"Content-Length: 5, 5\r\n\r\nhello" + HIDDEN,
        POST + b"Content-Length: 99999999999999999999999\r\n\r\n" + HIDDEN,
        POST + b"Content-Length : 5\r\n\r\nhello" + HIDDEN,
        POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
        POST + b"Transfer-Encoding: chunked\r\n\r\n5;\nGET\r\nhello\r\n0\r\n\r\n" + HIDDEN,
        POST + b"Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n" + HIDDEN,
        POST + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n" + HIDDEN,
        POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello!\r\n0\r\n\r\n" + HIDDEN,
        POST + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nhello\r\n0\r\n\r\n" + HIDDEN,
        GET + b" Folded: x\r\n\r\n" + HIDDEN,
        GET + b"No-Colon\r\n\r\n" + HIDDEN,
        GET + b"Null: \x00\r\n\r\n" + HIDDEN,
        GET + b"Bare: x\rContent-Length: 5\r\n\r\nhello" + HIDDEN,
        GET + b"Na me: x\r\n\r\n" + HIDDEN,
        b"GET /plain HTTP/3.7\r\nHost: x\r\n\r\n" + HIDDEN,
        b"GARBAGE\r\n\r\n" + HIDDEN,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + HIDDEN,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + HIDDEN,
        "GET /pläin HTTP/1.1\r\n\r\n".encode("latin-1") + HIDDEN,
        HANDSHAKE[:-2] + b"Content-Length: 5\r\n\r\nhello" + HIDDEN,
        HANDSHAKE[:-2] + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    ],
    ids=lambda said: said[:70].decode("latin-1").replace("\r\n", " "),
)
def test_what_two_readers_could_read_in_two_ways_is_refused_and_hides_nothing(said: bytes) -> None:
    async def story(world: World) -> None:
        (gate,) = world.gates
        assert problem(await gate.exchange(said)) == (400, "request_invalid")
        assert all(path != "/hidden" for _, path, _ in gate.served)
        assert gate.push.connections == 0

    tell(story)


@pytest.mark.parametrize(
    ("said", "served"),
    [
        (POST + b"Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nTrailer: x\r\n\r\n", b"hello"),
        (POST + b"Content-Length: 5\r\n\r\nhello", b"hello"),
        (POST + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello", b"hello"),
    ],
)
def test_what_is_odd_and_clear_is_served(said: bytes, served: bytes) -> None:
    async def story(world: World) -> None:
        (gate,) = world.gates
        answer = await gate.exchange(said + GET + b"Connection: close\r\n\r\n")
        assert gate.served == [("POST", "/bets", served), ("GET", "/plain", b"")]
        assert answer.count(b"HTTP/1.1 200") == 2

    tell(story)


def test_an_upgrade_to_what_we_do_not_speak_is_answered_and_what_follows_is_not_read() -> None:
    async def story(world: World) -> None:
        (gate,) = world.gates
        answer = await gate.exchange(GET + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n" + HIDDEN)
        assert answer.startswith(b"HTTP/1.1 200")
        assert [path for _, path, _ in gate.served] == ["/plain"]

    tell(story)


@pytest.mark.parametrize(
    "body", [b"Content-Length: 5\r\n\r\nhello", b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"]
)
def test_a_body_behind_such_an_upgrade_is_refused_and_never_left_out(body: bytes) -> None:
    """As Java's client sends it by default: the request ran without its body."""

    async def story(world: World) -> None:
        (gate,) = world.gates
        answer = await gate.exchange(POST + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n" + body + HIDDEN)
        assert problem(answer) == (400, "request_invalid")
        assert b"HTTP/1.1" in answer.partition(b"\r\n\r\n")[2]
        assert gate.served == []

    tell(story)


@pytest.mark.parametrize(
    "said",
    [
        GET + b"".join(b"H%d: x\r\n" % i for i in range(30)) + b"\r\n" + HIDDEN,
        GET + b"Long: " + b"x" * 5_000 + b"\r\n\r\n" + HIDDEN,
        GET + b"Long: " + b"x" * 500_000,
        GET + b"H: x\r\n" * 100_000,
        b"GET /" + b"x" * 5_000 + b" HTTP/1.1\r\n\r\n" + HIDDEN,
        b"GET /" + b"x" * 500_000,
        HANDSHAKE[:-2] + b"Cookie: " + b"x" * 5_000 + b"\r\n\r\n",
    ],
    ids=["many", "long", "endless header", "endless headers", "long line", "endless line", "handshake"],
)
def test_a_flood_of_headers_is_cut_off(said: bytes) -> None:
    async def story(world: World) -> None:
        (gate,) = world.gates
        assert problem(await gate.exchange(said)) == (431, "head_too_large")
        assert gate.served == []

    tell(story, doors=QUICK)


def test_a_large_body_before_the_next_head_is_no_flood() -> None:
    async def story(world: World) -> None:
        (gate,) = world.gates
        first = POST + b"Content-Length: 50000\r\n\r\n" + b"x" * 50_000
        reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
        writer.write(first + GET)
        await reader.readuntil(b'"/bets"]')
        writer.write(b"Connection: close\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 200")
        writer.close()

    tell(story, doors=QUICK)


@pytest.mark.parametrize(
    "said",
    [GET, b"G", HANDSHAKE[:-4], POST + b"Content-Length: 5\r\n\r\nhel", POST + b"Transfer-Encoding: chunked\r\n\r\n5"],
    ids=["head", "first byte", "handshake", "body", "chunk"],
)
def test_whoever_is_too_slow_is_told_and_cut_off(said: bytes) -> None:
    async def story(world: World) -> None:
        (gate,) = world.gates
        assert problem(await gate.exchange(said)) == (408, "request_too_slow")
        await until(lambda: not gate.server.server_state.connections)

    tell(story, doors=QUICK)


def test_a_trickle_does_not_buy_time() -> None:
    async def story(world: World) -> None:
        (gate,) = world.gates
        reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
        ended = asyncio.create_task(reader.read())
        writer.write(GET)
        async with asyncio.timeout(2):
            while not ended.done():
                writer.write(b"A: b\r\n")
                await asyncio.sleep(0.01)
        assert problem(ended.result()) == (408, "request_too_slow")
        writer.close()

    tell(story, doors=QUICK)


@pytest.mark.parametrize("said", [b"", b"\r\n"])
def test_whoever_says_nothing_is_cut_off_without_a_word(said: bytes) -> None:
    async def story(world: World) -> None:
        (gate,) = world.gates
        assert await gate.exchange(said) == b""

    tell(story, doors=QUICK)


def test_empty_lines_between_requests_keep_no_connection() -> None:
    async def story(world: World) -> None:
        (gate,) = world.gates
        answer = await gate.exchange(GET + b"\r\n" + b"\r\n" * 3)
        assert answer.count(b"HTTP/1.1") >= 1
        await until(lambda: not gate.server.server_state.connections)

    tell(story, doors=QUICK)


def test_a_connection_to_keep_is_kept_when_its_head_s_time_is_over() -> None:
    async def story(world: World) -> None:
        (gate,) = world.gates
        reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
        writer.write(HANDSHAKE)
        await reader.readuntil(b'"hello"')
        await asyncio.sleep(2 * QUICK.head_ms_max / 1_000)
        assert gate.push.connections == 1
        writer.close()

    tell(story, doors=QUICK)


def test_a_slow_answer_is_nobody_s_fault() -> None:
    async def story(world: World) -> None:
        (gate,) = world.gates
        asking = asyncio.create_task(gate.exchange(b"GET /slow HTTP/1.1\r\nConnection: close\r\n\r\n"))
        await until(lambda: bool(gate.served))
        await asyncio.sleep(2 * QUICK.head_ms_max / 1_000)
        gate.release.set()
        assert (await asking).startswith(b"HTTP/1.1 200")

    tell(story, doors=QUICK)


def test_a_refusal_comes_after_the_answers_before_it() -> None:
    async def story(world: World) -> None:
        (gate,) = world.gates
        asking = asyncio.create_task(gate.exchange(b"GET /slow HTTP/1.1\r\n\r\n" + GET + b"No-Colon\r\n\r\n" + HIDDEN))
        await until(lambda: bool(gate.served))
        gate.release.set()
        answer = await asking
        assert answer.startswith(b"HTTP/1.1 200")
        assert problem(answer) == (400, "request_invalid")
        assert [path for _, path, _ in gate.served] == ["/slow"]

    tell(story)


@pytest.mark.parametrize("takes", [HANDSHAKE, b"GET /api/stream?channels=home HTTP/1.1\r\nHost: x\r\n\r\n"])
def test_nothing_takes_a_connection_over_that_still_owes_an_answer(takes: bytes) -> None:
    async def story(world: World) -> None:
        (gate,) = world.gates
        asking = asyncio.create_task(gate.exchange(b"GET /slow HTTP/1.1\r\n\r\n" + takes))
        await until(lambda: bool(gate.served))
        gate.release.set()
        answer = await asking
        assert answer.startswith(b"HTTP/1.1 200")
        assert problem(answer) == (400, "request_invalid")
        assert gate.push.connections == 0

    tell(story)


@pytest.mark.parametrize(
    ("upgrade", "answered"), [(b"websocket", b"HTTP/1.1 404"), (b"h2c", b"HTTP/1.1 200")], ids=["websocket", "h2c"]
)
def test_a_stream_that_would_be_something_else_too_is_no_stream(upgrade: bytes, answered: bytes) -> None:
    """Both the stream's and the WebSocket's door took it, and the process stopped over it. Found by the fuzzer."""

    async def story(world: World) -> None:
        (gate,) = world.gates
        both = HANDSHAKE.replace(b"/ws", b"/api/stream?channels=home").replace(b"websocket", upgrade)
        assert (await gate.exchange(both)).startswith(answered)
        assert gate.push.connections == 0

    tell(story)


def test_what_comes_right_behind_a_handshake_is_heard() -> None:
    async def story(world: World) -> None:
        (gate,) = world.gates
        text = b'{"op":"ping"}'
        reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
        writer.write(HANDSHAKE + b"\x81" + bytes([0x80 | len(text)]) + bytes(4) + text)
        await reader.readuntil(b'"t":"pong"')
        writer.close()

    tell(story)


def test_more_connections_than_there_may_be_are_told_so() -> None:
    async def story(world: World) -> None:
        (gate,) = world.gates
        held = [await asyncio.open_connection("127.0.0.1", gate.port) for _ in range(3)]
        await until(lambda: len(gate.server.server_state.connections) == 3)
        assert problem(await gate.exchange(GET + b"\r\n")) == (503, "full")
        for _, writer in held:
            writer.close()

    tell(story, doors=Doors(connections_max=3))


@pytest.mark.parametrize(
    ("trusted", "forwarded", "client"),
    [
        ((), b"X-Forwarded-For: 203.0.113.7\r\n", "127.0.0.1"),
        (("127.0.0.1",), b"X-Forwarded-For: 203.0.113.7\r\n", "203.0.113.7"),
        (("127.0.0.1",), b"X-Forwarded-For: 1.1.1.1\r\nx-forwarded-for: 203.0.113.7\r\n", "203.0.113.7"),
        (("127.0.0.1",), b"", "127.0.0.1"),
        (("10.0.0.0/8",), b"X-Forwarded-For: 203.0.113.7\r\n", "127.0.0.1"),
    ],
)
def test_a_proxy_is_believed_where_it_is_ours(trusted: tuple[str, ...], forwarded: bytes, client: str) -> None:
    async def story(world: World) -> None:
        (gate,) = world.gates
        answer = await gate.exchange(GET + forwarded + b"Connection: close\r\n\r\n")
        assert json.loads(answer.partition(b"\r\n\r\n")[2])[0] == client
        reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
        writer.write(HANDSHAKE[:-2] + forwarded + b"\r\n")
        await reader.readuntil(b'"hello"')
        assert gate.entrance._held == {client: 1}
        writer.close()
        await until(lambda: not gate.entrance._held)

    tell(story, doors=Doors(trusted_proxies=trusted))


def test_a_dead_client_is_forgotten_by_the_kernel() -> None:
    async def story(world: World) -> None:
        (gate,) = world.gates
        _, writer = await asyncio.open_connection("127.0.0.1", gate.port)
        await until(lambda: bool(gate.server.server_state.connections))
        (connection,) = gate.server.server_state.connections
        tcp = connection.transport.get_extra_info("socket")
        assert tcp.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 60_000
        writer.close()

    tell(story)
