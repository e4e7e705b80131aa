"""The client: when it comes back, and that it holds what the room holds through lost connections and lost frames."""

import asyncio
import contextlib
import heapq
import json
import random
import socket
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.server import ServerConnection, serve

from matchday.client import Client, GivenUp, Pauses
from matchday.client.backoff import Backoff
from matchday.client.turns import ERROR_COST, Turns
from matchday.model.role import Role, SignedIn
from matchday.services.push.session import Session
from matchday.services.push.shapes import fixture_view, home_row
from tests.unit.listening import soon, until
from tests.unit.pushing import GOALS, RESULT, Desk, market
from tests.unit.test_websocket import Served, heard, say, serving

QUICK = Pauses(first_s=0.001, longest_s=0.002, later_s=0.001)


class Certain(random.Random):
    """Always the same chance."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def random(self) -> float:
        return self.value


# --- when to come back ------------------------------------------------------------------------------------------------


def test_pauses_double_up_to_the_longest_and_are_drawn_from_all_of_the_span() -> None:
    for chance in (0.0, 0.5, 1.0):
        backoff = Backoff(Pauses(first_s=1, longest_s=8), Certain(chance))
        spans = [backoff.pause_s(None, 0) for _ in range(6)]
        assert spans == [chance * span for span in (1, 2, 4, 8, 8, 8)]


def test_a_connection_that_lasted_makes_the_budget_whole() -> None:
    backoff = Backoff(Pauses(budget=2, steady_s=5), Certain(1))
    for _ in range(4):
        backoff.pause_s(1012, 0)
        assert backoff.pause_s(1012, 5) == Pauses().first_s
    backoff.pause_s(1006, 0)
    with pytest.raises(GivenUp, match="2 connections failed in a row"):
        backoff.pause_s(1006, 4.9)


@pytest.mark.parametrize("code", [1002, 1003, 1007, 1009])
def test_what_the_server_does_not_understand_is_not_said_again(code: int) -> None:
    with pytest.raises(GivenUp, match=str(code)):
        Backoff(Pauses(), Certain(1)).pause_s(code, 100)


@pytest.mark.parametrize(
    ("code", "pause"), [(None, 0.4), (1000, 0.4), (1012, 0.4), (4009, 0), (4008, 10), (4013, 10), (4029, 10)]
)
def test_close_codes_say_when_to_come_back(code: int | None, pause: float) -> None:
    assert Backoff(Pauses(), Certain(1)).pause_s(code, 100) == pause


def test_a_gate_that_stops_says_when_to_come_back() -> None:
    backoff = Backoff(Pauses(), Certain(1))
    assert backoff.pause_s(4012, 100, "this gate is stopping; retry_ms=750") == 0.75
    assert backoff.pause_s(4012, 100, "this gate is stopping") == Pauses().first_s


def test_an_outage_does_not_end_in_a_storm_of_retries() -> None:
    """Two thousand clients lose their server at once, for two minutes. Their retries thin out, and when it is back they
    come over half a minute: never more than a seventh of them in one second."""
    chance, outage_s = random.Random(3), 120.0
    clients = [Backoff(Pauses(), random.Random(f"client {number}")) for number in range(2_000)]
    due = [(chance.random() * 0.1, number) for number in range(len(clients))]
    heapq.heapify(due)
    tried: Counter[int] = Counter()
    while due:
        now, number = heapq.heappop(due)
        tried[int(now)] += 1
        if now < outage_s:
            heapq.heappush(due, (now + clients[number].pause_s(None, 0), number))
    longest_s = Pauses().longest_s
    assert tried.total() < 20 * len(clients)
    assert max(tried[second] for second in range(int(longest_s), int(outage_s + longest_s))) < len(clients) / 7
    assert max(tried) <= outage_s + longest_s


def test_at_once_is_only_once() -> None:
    backoff = Backoff(Pauses(), Certain(1))
    assert [backoff.pause_s(4009, 0) for _ in range(3)] == [0, 0.8, 1.6]


@pytest.mark.parametrize("status", [400, 403, 404])
def test_a_handshake_that_was_refused_for_good_is_not_tried_again(status: int) -> None:
    with pytest.raises(GivenUp, match=str(status)):
        Backoff(Pauses(), Certain(1)).refused_s(status)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_full_server_is_tried_later(status: int) -> None:
    assert Backoff(Pauses(), Certain(1)).refused_s(status) == Pauses().later_s


@pytest.mark.parametrize(
    ("told", "pause_s"), [("7", 7), ("0", 0), ("Thu, 01 Jan 2026 00:00:00 GMT", None), ("-1", None), ("1e9", None)]
)
def test_who_is_told_when_to_come_back_keeps_to_it(told: str, pause_s: float | None) -> None:
    backoff = Backoff(Pauses(), Certain(1))
    assert backoff.refused_s(503, told) == (Pauses().later_s if pause_s is None else pause_s)
    assert backoff.failures == 1


# --- how much to say ------------------------------------------------------------------------------------------------


def asked_for(channels: int, rtt_s: float, refused: float, chance: random.Random) -> float:
    """Seconds in which a client has asked for so many channels, of which a server with the default limits refuses some;
    ValueError where it would have closed the connection."""
    turns, now, paid = Turns(), 0.0, 1.0
    turns.said(now)  # auth
    for number in range(channels):
        turns.want(str(number))
    answers = deque[tuple[float, str, bool]]()
    while (wait_s := turns.wait_s(now)) is not None or answers:
        if wait_s == 0:
            channel, error = turns.take(), chance.random() < refused
            turns.said(now)
            paid = max(paid, 20 * now) + (6 if error else 1)
            if paid - 20 * now > 40:
                raise ValueError(now)
            answers.append((now + rtt_s, channel, error))
        elif answers and (wait_s is None or answers[0][0] <= now + wait_s):
            now, channel, error = answers.popleft()
            if error:
                turns.said(now, ERROR_COST)
            turns.answered(channel)
        else:
            now += wait_s + 1e-6 if wait_s else 0.0
    return now


@pytest.mark.parametrize("rtt_s", [0.0, 0.001, 0.05, 0.3, 2.0])
@pytest.mark.parametrize("refused", [0.0, 0.3, 1.0])
def test_whoever_follows_much_says_no_more_than_a_server_takes(rtt_s: float, refused: float) -> None:
    """However far it is, and however much of it is no longer there."""
    chance = random.Random(7)
    took = [asked_for(100, rtt_s, refused, chance) for _ in range(50)]
    assert max(took) < 7 or rtt_s > 0.3 or refused
    assert asked_for(5, rtt_s, 0, chance) <= rtt_s, "few are asked for at once"


def test_what_the_server_does_not_understand_holds_nobody_up() -> None:
    """Such as a rate of none: its answer names no channel."""

    async def story(desk: Served) -> None:
        async with Listener(desk) as listener:
            for number in range(6):
                listener.client.follow(f"fixture:{number}", max_rate_hz=-1)
            listener.client.follow("home")
            await soon(lambda: listener.client.held["home"].whole)
            assert listener.reasons() == ["message_invalid"] * 6

    run(story)


# --- against a real server --------------------------------------------------------------------------------------------


class Listener:
    """A client that runs while a story is told, and what it heard."""

    def __init__(self, desk: Served, **options: Any) -> None:
        self.frames: list[dict[str, Any]] = []
        self.client = Client(
            f"ws://127.0.0.1:{desk.port}/ws", Certain(0.5), self.frames.append, pauses=QUICK, **options
        )

    async def __aenter__(self) -> "Listener":
        self.running = asyncio.create_task(self.client.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)

    async def follows_both(self, desk: Served) -> Session:
        """Follow the fixture and the list, until both are there; the room's side of it."""
        self.client.follow("fixture:F")
        self.client.follow("home")
        await soon(lambda: self.kinds().count("snapshot") == 2)
        (session,) = desk.push._sessions.values()
        return session

    async def at(self, desk: Desk) -> None:
        """Wait until it has heard all that was said."""
        last = desk.books.fixtures["F"].offset
        await soon(lambda: self.client.held["fixture:F"].offset == last)

    def kinds(self) -> list[str]:
        return [frame["t"] for frame in self.frames if frame["t"] != "heartbeat"]

    def reasons(self) -> list[str]:
        """Of errors."""
        return [frame["reason"] for frame in self.frames if frame["t"] == "error"]


def plain(view: Any) -> Any:
    return json.loads(msgspec.json.encode(view))


def holds(client: Client, desk: Desk) -> None:
    """It holds what the books hold."""
    book, held = desk.books.fixtures["F"], client.held["fixture:F"]
    whole = plain(fixture_view(book))
    assert held.markets == {each["market"]: each for each in whole["markets"]}
    assert held.board == whole["board"]
    assert client.held["home"].rows == {"F": plain(home_row(book))}


def run(story: Callable[[Served], Any], **settings: int) -> None:
    async def main() -> None:
        async with asyncio.timeout(15), serving(**settings) as desk:
            await story(desk)

    asyncio.run(main())


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("compressed", [False, True])
def test_it_holds_what_the_room_holds_in_every_format(binary: bool, compressed: bool) -> None:
    async def story(desk: Served) -> None:
        async with Listener(desk, binary=binary, compressed=compressed) as listener:
            session = await listener.follows_both(desk)
            assert (session.connection.binary, session.connection.deflated) == (binary, compressed)
            for price in range(2000, 2020):
                desk.change("F", market("F", RESULT, price), market("F", GOALS, price - 7), score=(price % 2, 0))
            await listener.at(desk)
            holds(listener.client, desk)
            assert "conflated" not in listener.frames[-1]

    run(story)


def test_it_comes_back_and_goes_on_where_it_was() -> None:
    async def story(desk: Served) -> None:
        async with Listener(desk) as listener:
            session = await listener.follows_both(desk)
            session.connection._transport.abort()  # type: ignore[attr-defined]
            await soon(lambda: session.connection not in desk.push._sessions)
            desk.price("F", 3000)
            desk.price("F", 3001, GOALS)
            await soon(lambda: listener.kinds().count("resumed") == 2)
            desk.price("F", 3002)
            await listener.at(desk)
            holds(listener.client, desk)
            assert listener.kinds().count("snapshot") == 2

    run(story)


def test_with_many_channels_it_comes_back_and_is_not_closed_for_asking() -> None:
    """It asked for all of them at once, and was closed for that (4029) again and again."""

    async def story(desk: Served) -> None:
        channels = [f"fixture:{number}" for number in range(45)]
        for channel in channels:
            desk.price(channel.partition(":")[2], 2000)
        async with Listener(desk) as listener:
            for channel in channels:
                listener.client.follow(channel)
            await soon(lambda: listener.kinds().count("snapshot") == len(channels))
            assert listener.kinds().count("hello") == 1
            listener.client.follow("fixture:none")
            listener.client.leave("fixture:none")
            (session,) = desk.push._sessions.values()
            session.connection._transport.abort()  # type: ignore[attr-defined]
            await soon(lambda: listener.kinds().count("resumed") == len(channels))
            assert listener.kinds().count("hello") == 2

    run(story)


def test_after_a_gap_it_asks_for_a_snapshot() -> None:
    async def story(desk: Served) -> None:
        async with Listener(desk) as listener:
            session = await listener.follows_both(desk)
            desk.price("F", 3000)
            for channel in session.channels.values():
                channel.members[session] = channel.last  # as if it had been sent: lost on its way
            desk.price("F", 3001)
            await soon(lambda: listener.kinds().count("snapshot") == 4)
            desk.price("F", 3002)
            await listener.at(desk)
            holds(listener.client, desk)

    run(story)


def test_a_bet_goes_over_the_connection_that_is_there() -> None:
    async def story(desk: Served) -> None:
        listener = Listener(desk)
        assert not listener.client.place({"id": "1"})
        async with listener:
            await soon(lambda: "hello" in listener.kinds())
            assert listener.client.place({"id": "1"})
            await soon(lambda: bool({"placed", "error"} & set(listener.kinds())))
            assert listener.client.gaps == 0

    run(story)


def test_it_turns_to_another_address_where_one_does_not_answer() -> None:
    async def story(desk: Served) -> None:
        heard: list[dict[str, Any]] = []
        with socket.socket() as closed:  # bound, and nobody listens
            closed.bind(("127.0.0.1", 0))
            places = [f"ws://127.0.0.1:{port}/ws" for port in (closed.getsockname()[1], desk.port)]
            client = Client(places, Certain(0.5), heard.append, pauses=QUICK)
            client.follow("home")
            running = asyncio.create_task(client.run())
            await soon(lambda: client.held["home"].whole)
            assert heard[0]["t"] == "hello"
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    run(story)


@pytest.mark.parametrize("shakes_hands", [False, True])
def test_it_gives_up_on_a_server_that_hangs(shakes_hands: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """It accepts and says nothing. That takes longer to fail than a good connection has to last, and is none: the
    pauses grow, and the third failure is the last."""
    opening_s, pauses = 0.1, Pauses(first_s=0.1, steady_s=0.05, budget=2)
    monkeypatch.setattr("matchday.client.connection.OPENING_S_MAX", opening_s)

    async def main() -> None:
        tried_s: list[float] = []
        gone: list[object] = []

        def tried() -> None:
            tried_s.append(asyncio.get_running_loop().time())

        async def hangs(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            tried()
            await reader.read()
            writer.close()
            gone.append(writer)

        async def hangs_later(server: ServerConnection) -> None:
            tried()
            await server.wait_closed()
            gone.append(server)

        if shakes_hands:
            served: Any = serve(hangs_later, "127.0.0.1", 0)
        else:
            served = await asyncio.start_server(hangs, "127.0.0.1", 0)
        async with asyncio.timeout(10), served as server:
            (listener,) = server.sockets
            client = Client(f"ws://127.0.0.1:{listener.getsockname()[1]}/ws", Certain(1), print, pauses=pauses)
            with pytest.raises(GivenUp, match="2 connections failed in a row"):
                await client.run()
            await until(lambda: len(gone) == len(tried_s))
            first, second, third = tried_s
            assert second - first > pauses.first_s
            assert third - second > 2 * pauses.first_s

    asyncio.run(main())


def test_a_server_that_greets_and_stays_a_while_is_come_back_to_for_ever() -> None:
    async def main() -> None:
        came = 0

        async def restarts(server: ServerConnection) -> None:
            nonlocal came
            came += 1
            await server.send('{"t":"hello","heartbeat_ms":1000,"stale":false}')
            await asyncio.sleep(0.1)
            await server.close(1012)

        async with asyncio.timeout(10), serve(restarts, "127.0.0.1", 0) as server:
            (listener,) = server.sockets
            pauses = Pauses(first_s=0.001, longest_s=0.002, steady_s=0.05, budget=1)
            client = Client(f"ws://127.0.0.1:{listener.getsockname()[1]}/ws", Certain(1), print, pauses=pauses)
            running = asyncio.create_task(client.run())
            await until(lambda: came == 4 or running.done())
            assert not running.done()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    asyncio.run(main())


def test_it_gives_up_where_the_server_has_no_use_for_it() -> None:
    async def story(desk: Served) -> None:
        client = Client(f"ws://127.0.0.1:{desk.port}/nowhere", Certain(1), print, pauses=QUICK)
        with pytest.raises(GivenUp, match="404"):
            await client.run()

    run(story)


def test_it_hears_at_once_that_prices_are_stale_and_that_they_are_no_longer() -> None:
    async def story(desk: Served) -> None:
        async with Listener(desk) as listener:
            listener.client.follow("home")
            await soon(lambda: "snapshot" in listener.kinds())
            assert not listener.client.stale
            desk.push._stale = lambda: True
            await soon(lambda: listener.client.stale)
            desk.push._stale = lambda: False
            await soon(lambda: not listener.client.stale)

    run(story)


# --- what is refused for now ------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def without_room(desk: Served) -> AsyncIterator[tuple[Listener, ClientConnection]]:
    """A client that follows its account, and the one other connection that the account may have."""
    desk.account("anna")
    anna = SignedIn("anna", Role.FAN, 2**62)
    desk.push._verify = lambda token: anna if token == "token-anna" else None
    async with desk.connect() as other:
        await say(other, op="auth", token="token-anna")
        await heard(other, "signed_in")
        async with Listener(desk, token="token-anna") as listener:
            listener.client.follow("account")
            await soon(lambda: "not_signed_in" in listener.reasons())
            yield listener, other


async def goes(desk: Served, other: ClientConnection) -> None:
    await other.close()
    await soon(lambda: desk.push.connections == 1)


def test_an_account_without_room_is_followed_by_the_next_connection() -> None:
    async def story(desk: Served) -> None:
        async with without_room(desk) as (listener, other):
            await goes(desk, other)
            (session,) = desk.push._sessions.values()
            session.connection._transport.abort()  # type: ignore[attr-defined]
            await soon(lambda: listener.kinds().count("hello") == 2)
            await soon(lambda: "account" in listener.client.held and listener.client.held["account"].whole)

    run(story, connections_per_account_max=1)


def test_an_account_without_room_is_asked_for_again_in_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the same connection, and once each time, however often there was none."""
    monkeypatch.setattr("matchday.client.connection.FULL_S", 0.4)

    async def story(desk: Served) -> None:
        async with without_room(desk) as (listener, other):
            await soon(lambda: listener.reasons().count("not_signed_in") == 2)
            await goes(desk, other)
            await soon(lambda: listener.client.held["account"].whole)
            await asyncio.sleep(0.3)
            assert listener.reasons() == ["connections_full", "not_signed_in"] * 2
            assert Counter(listener.kinds()) == {"hello": 1, "error": 4, "signed_in": 1, "snapshot": 1}

    run(story, connections_per_account_max=1)


def test_a_token_that_is_not_good_is_not_signed_in_with_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("matchday.client.connection.FULL_S", 0.0)

    async def story(desk: Served) -> None:
        async with Listener(desk, token="token-forged") as listener:
            listener.client.follow("account")
            await soon(lambda: "not_signed_in" in listener.reasons())
            await asyncio.sleep(0.05)
            assert listener.reasons() == ["token_invalid", "not_signed_in"]
            assert listener.client.held == {}

    run(story)


def test_a_channel_without_room_is_followed_once_there_is_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("matchday.client.connection.FULL_S", 0.2)

    async def story(desk: Served) -> None:
        async with Listener(desk) as listener:
            listener.client.follow("home")
            listener.client.follow("fixture:F")
            await soon(lambda: "subscriptions_full" in listener.reasons())
            listener.client.leave("home")
            await soon(lambda: "fixture:F" in listener.client.held and listener.client.held["fixture:F"].whole)
            desk.price("F", 3000)
            await listener.at(desk)

    run(story, subscriptions_max=1)


def test_a_channel_that_is_not_there_is_followed_no_longer() -> None:
    async def story(desk: Served) -> None:
        async with Listener(desk) as listener:
            listener.client.follow("fixture:none")
            await soon(lambda: "error" in listener.kinds())
            assert listener.client.held == {}

    run(story)
