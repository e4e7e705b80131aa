"""The fast HTTP class answers as uvicorn and the route do, byte for byte, and leaves to them what is not plain."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator

import pytest

from matchday.config import Bets, Doors, Settings
from matchday.edge.fast_http import HEAD_BYTES_MAX, read_head
from matchday.model.role import Role
from tests.unit.serving import Served, bet, hang_up, request, response, serving

Wire = Callable[[Served], bytes]
PLAIN = "Content-Type: application/json"


def body(**changes: object) -> bytes:
    return json.dumps(bet(1, **changes)).encode()


def of(raw: bytes, *lines: str) -> Wire:
    return lambda served: request(raw, *lines, token=served.token())


def sized(raw: bytes, *lines: str) -> Wire:
    return of(raw, f"Content-Length: {len(raw)}", *lines)


CHUNKED = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body()), body())
TAKEN: dict[str, Wire] = {
    "a bet": of(body()),
    "a refused bet": of(body(leg={"generation": 7})),
    "no fixture": of(body(leg={"selection": "X:1x2/home"})),
    "too high a stake": of(body(stake="99999.00")),
    "no JSON": of(b"{"),
    "no UTF-8": of(b'{"id":"\xff"}'),
    "no body": of(b""),
    "a wrong field": of(body(colour="red")),
    "a wrong type": of(body(stake=10)),
    "a wrong amount": of(body(stake="ten")),
    "a wrong id": of(body(id="1")),
    "no legs": of(body(legs=[])),
    "a nested body": of(b"[" * 20_000),
    "no token": lambda served: request(body()),
    "a forged token": lambda served: request(body(), token="x.y.z"),
    "a trader's token": lambda served: request(body(), token=served.token("tom", Role.TRADER)),
    "another scheme": lambda served: request(body(), f"Content-Length: {len(body())}", "Authorization: Basic YTpi"),
    "no type": sized(body()),
    "a type with a parameter": sized(body(), "Content-Type: Application/JSON; charset=utf-8"),
    "other headers": sized(body(), PLAIN, "Accept: */*", "Accept: text/html", "X-Odd!#$: \t a \t"),
    "names in any case": sized(body(), "content-TYPE: application/json", "CONNECTION: Keep-Alive"),
}
LEFT: dict[str, Wire] = {
    "two lengths": sized(body(), f"Content-Length: {len(body())}"),
    "two lengths that differ": sized(body(), "Content-Length: 3"),
    "a list of lengths": of(body(), f"Content-Length: {len(body())}, {len(body())}"),
    "a signed length": of(body(), f"Content-Length: +{len(body())}"),
    "a length in hexadecimal": of(body(), f"Content-Length: 0x{len(body()):x}"),
    "length and chunks": sized(CHUNKED, "Transfer-Encoding: chunked"),
    "chunks": of(CHUNKED, "Transfer-Encoding: chunked", PLAIN),
    "chunks, oddly written": of(CHUNKED, "Transfer-Encoding: Chunked , identity", PLAIN),
    "expectations": sized(body(), PLAIN, "Expect: 100-continue"),
    "the end of the connection": sized(body(), PLAIN, "Connection: close"),
    "another type": sized(body(), "Content-Type: text/plain"),
    "a space before the colon": sized(body(), "X-Odd : 1"),
    "a folded line": sized(body(), "X-Odd: 1", "  2"),
    "bytes that are not ASCII": lambda served: sized(body(), "X-Odd: @")(served).replace(b"@", b"\xe4"),
    "a control character": sized(body(), "X-Odd: \x01"),
    "a query": lambda served: request(body(), token=served.token(), path="/api/bets?x=1"),
    "another route": lambda served: request(body(), token=served.token(), path="/api/bets/quote"),
    "an old version": lambda served: of(body())(served).replace(b"HTTP/1.1", b"HTTP/1.0"),
    "bare line feeds": lambda served: of(body())(served).replace(b"\r\n", b"\n"),
    "a large body": of(b" " * 65_537),
    "a large head": sized(body(), f"X-Odd: {'x' * HEAD_BYTES_MAX}"),
    "another method": lambda served: (
        b"GET /api/bets HTTP/1.1\r\nAuthorization: Bearer %b\r\n\r\n" % (served.token().encode())
    ),
}


async def answered(served: Served, wire: bytes) -> bytes:
    """What a connection of its own hears, up to the end of the last response."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(wire)
    found = await response(reader)
    if found.startswith(b"HTTP/1.1 100 "):
        found += await response(reader)
    await hang_up(writer)
    return found


Pair = tuple[asyncio.Runner, Served, Served]


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """Two gates that are told the same, one with the fast class and one without."""
    settings = Settings(bets=Bets(delay_ms=0), doors=Doors(requests_per_second_max=10_000))
    with asyncio.Runner() as runner:
        doors = serving(settings), serving(settings, fast=False)
        ours, theirs = (runner.run(door.__aenter__()) for door in doors)
        yield runner, ours, theirs
        for door in doors:
            runner.run(door.__aexit__(None, None, None))


@pytest.mark.parametrize(("name", "fast"), [*((name, True) for name in TAKEN), *((name, False) for name in LEFT)])
def test_both_answer_with_the_same_bytes(name: str, fast: bool, pair: Pair) -> None:
    runner, ours, theirs = pair
    number = 1_000 + list(TAKEN | LEFT).index(name)

    def wire(served: Served) -> bytes:
        return (TAKEN | LEFT)[name](served).replace(bet(1)["id"].encode(), bet(number)["id"].encode())

    async def story() -> None:
        before = ours.taken
        for times in (1, 2):  # the second time it is a repeated answer
            found = [await answered(served, wire(served)) for served in (ours, theirs)]
            assert found[0] == found[1]
            assert ours.taken - before == times * fast

    runner.run(story())


def test_too_many_requests_are_counted_together_and_refused_alike() -> None:
    settings = Settings(bets=Bets(delay_ms=0), doors=Doors(requests_per_second_max=1))

    async def story() -> None:
        async with serving(settings) as ours, serving(settings, fast=False) as theirs:
            found: list[bytes] = []
            for _ in range(3):
                found = [await answered(served, of(body())(served)) for served in (ours, theirs)]
                assert found[0] == found[1]
            assert found[0].startswith(b"HTTP/1.1 429 ")
            account = b"GET /api/account HTTP/1.1\r\nAuthorization: Bearer %b\r\n\r\n" % ours.token().encode()
            assert (await answered(ours, account)).startswith(b"HTTP/1.1 429 ")

    asyncio.run(story())


@pytest.mark.parametrize(
    ("settings", "late_ms", "away"),
    [
        (Settings(bets=Bets(delay_ms=60_000, quote_ms=61_000)), 0, False),  # in play: pending
        (Settings(bets=Bets(delay_ms=0), doors=Doors(answer_ms_max=20)), 500, False),  # the ledger is slow: pending
        (Settings(bets=Bets(delay_ms=0)), 0, True),  # unavailable
    ],
)
def test_what_is_no_end_is_said_alike(settings: Settings, late_ms: int, away: bool) -> None:
    async def story() -> None:
        found = []
        for fast in (True, False):
            async with serving(settings, fast=fast) as served:
                served.offer("F", live=True)
                served.ledger.late_ms, served.ledger.away = late_ms, away
                served.clock.elapsed_ms = lambda: int(asyncio.get_running_loop().time() * 1000)  # type: ignore[method-assign]
                served.room.odds_alive(1, served.clock.now_ms())
                found.append(await answered(served, of(body())(served)))
        assert found[0] == found[1]
        assert found[0].partition(b"\r\n")[0] in (b"HTTP/1.1 202 Accepted", b"HTTP/1.1 503 Service Unavailable")

    asyncio.run(story())


# --- connections ------------------------------------------------------------------------------------------------------


def tell(story: Callable[[Served], Awaitable[None]], *, idle_s: int = 5) -> None:
    async def main() -> None:
        async with asyncio.timeout(15), serving(idle_s=idle_s) as served:
            await story(served)

    asyncio.run(main())


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


def numbered(served: Served, number: int) -> bytes:
    return request(bet(number), token=served.token())


def test_what_is_pipelined_is_answered_in_its_order() -> None:
    async def story(served: Served) -> None:
        served.ledger.late_ms = 20
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        wires = [
            numbered(served, 1), get("/healthz"), numbered(served, 2), numbered(served, 3), get("/api/fixtures"),
            get("/healthz"), request(b"{", token=served.token()), request(b"{", token=served.token()),
            numbered(served, 4),
        ]  # fmt: skip
        writer.write(b"".join(wires))
        found = [await response(reader) for _ in wires]
        ids = [json.loads(one.partition(b"\r\n\r\n")[2]).get("id") for one in found]
        assert [found[at][9:12] for at in range(len(wires))] == [
            b"201", b"200", b"201", b"201", b"200", b"200", b"400", b"400", b"201",
        ]  # fmt: skip
        assert [id_ for id_ in ids if id_] == [bet(number)["id"] for number in (1, 2, 3, 4)]
        await hang_up(writer)

    tell(story)


def test_a_request_in_pieces_is_answered_wherever_it_is_cut() -> None:
    async def story(served: Served) -> None:
        whole = numbered(served, 1)
        for cut in (1, 10, len(whole) - 200, len(whole) - 1):
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
            writer.write(whole[:cut])
            await writer.drain()
            while not any(getattr(one, "_theirs", False) for one in served.server.server_state.connections):  # noqa: ASYNC110 - what is waited for says nothing
                await asyncio.sleep(0)
            writer.write(whole[cut:] + get("/healthz"))
            assert (await response(reader)).startswith(b"HTTP/1.1 201 ")
            assert (await response(reader)).startswith(b"HTTP/1.1 200 ")
            writer.write(whole)  # and then, whole, by the fast class
            before = served.taken
            assert (await response(reader)).startswith(b"HTTP/1.1 201 ")
            assert served.taken == before + 1
            await hang_up(writer)

    tell(story)


def test_an_idle_connection_is_closed_and_one_with_a_bet_under_way_is_not() -> None:
    async def story(served: Served) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(numbered(served, 1))
        await response(reader)
        served.ledger.late_ms = 1_500  # longer than a connection may be idle
        writer.write(numbered(served, 2))
        assert (await response(reader)).startswith(b"HTTP/1.1 201 ")
        began = asyncio.get_running_loop().time()
        assert await reader.read() == b""
        assert asyncio.get_running_loop().time() - began > 0.9
        await hang_up(writer)

    tell(story, idle_s=1)


def test_a_bet_under_way_is_answered_before_uvicorn_stops() -> None:
    async def story(served: Served) -> None:
        served.ledger.late_ms = 100
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        idle, idle_writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(numbered(served, 1))
        while not served.taken:  # noqa: ASYNC110 - what is waited for says nothing when it happens
            await asyncio.sleep(0)
        served.server.should_exit = True
        found = await response(reader)
        assert found.startswith(b"HTTP/1.1 201 ")
        assert b"\r\nconnection: close\r\n" in found
        assert (await reader.read(), await idle.read()) == (b"", b"")
        await hang_up(writer)
        await hang_up(idle_writer)

    tell(story)


def test_a_client_that_leaves_is_not_answered_and_nobody_else_either() -> None:
    async def story(served: Served) -> None:
        served.ledger.late_ms = 50
        _, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(numbered(served, 1))
        while not served.taken:  # noqa: ASYNC110 - what is waited for says nothing when it happens
            await asyncio.sleep(0)
        writer.transport.abort()
        await hang_up(writer)
        assert b'"repeated":true' in await answered(served, numbered(served, 1))  # it was placed all the same

    tell(story)


@pytest.mark.parametrize(
    ("head", "plain"),
    [
        (b"Content-Length: 3\r\n", True),
        (b"content-length:3\r\n", True),
        (b"", False),
        (b"Content-Length: 3", False),
        (b"Content-Length: 1234567890\r\n", False),
        (b"Content-Length: 3\r\nHost: a\r\nHost: b\r\n", False),
        (b"Content-Length: 3\r\nAuthorization: a\r\nauthorization: b\r\n", False),
        (b"Content-Length: 3\r\nUpgrade: websocket\r\n", False),
        (b"Content-Length: 3\r\n: x\r\n", False),
    ],
)
def test_which_heads_are_plain(head: bytes, plain: bool) -> None:
    assert (read_head(head) is not None) == plain
