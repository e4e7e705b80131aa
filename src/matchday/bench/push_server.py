"""The serving side of ``bench push``: the platform's rooms, its door, and as many bare sockets, in one process.

It is told what to do by words on a pipe, and answers each with the time at which it began. One match is in play; what
happens in it is said on the log, as its feed would, or handed to the gate, as its tail of the log would.
"""

import asyncio
import os
import resource
import select
import socket
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Final

import msgspec
import uvicorn
import uvloop

from matchday.app import Platform, stores
from matchday.backends.clock_wall import WallClock
from matchday.bench.sampler import sampled
from matchday.bench.server import LIMITS
from matchday.bench.stopwatch import cpu_s, now_s, rss_bytes
from matchday.collector import tune_gc
from matchday.config import Settings, load
from matchday.edge.websocket import make_protocol
from matchday.model.football import FootballState, IncidentType, Side, advance
from matchday.model.market import Market, MarketStatus
from matchday.model.messages import BookChanged, Incident, Topic, encode
from matchday.model.reports import Announced, Report, Reported
from matchday.ports import Record
from matchday.pricing.calibrate import PRIOR
from matchday.pricing.football import warm_up

FIXTURE: Final = "F"
CHANGES: Final = 60
"""Changes of one match within a tick."""
_HOUR_MS: Final = 3_600_000
_SEND_S_MAX: Final = 10.0
_GOALS_MAX: Final = 6


def settings() -> Settings:
    """The platform's, but: no heartbeat, sweep or tick falls into a round, all may connect, and a goal brings its new
    prices at once, as after its hold."""
    whole = load(environment=dict(LIMITS))
    replace = msgspec.structs.replace
    return replace(
        whole,
        push=replace(whole.push, heartbeat_ms=_HOUR_MS, idle_ms_max=2 * _HOUR_MS),
        odds=replace(whole.odds, hold_goal_ms=0, tick_ms=_HOUR_MS, feed_silence_ms_max=_HOUR_MS),
    )


class Match:
    """The provider: one match that has kicked off, and goes on by goals that are said apart."""

    name = "bench"

    def __init__(self, now_ms: int) -> None:
        self._now = now_ms

    def in_touch(self, now_ms: int) -> bool:  # noqa: ARG002 - always
        """See ``Adapter.in_touch``."""
        return True

    def knows(self, fixture: str) -> bool:
        """See ``Adapter.knows``."""
        return fixture == FIXTURE

    def reports(self, now_ms: int, known: Collection[str]) -> Iterator[Report]:  # noqa: ARG002 - starts once
        """See ``Adapter.reports``."""
        yield Announced(self._now, FIXTURE, 1, "Bench", "Home", "Away", self._now, PRIOR, "invented")
        yield Reported(self._now, FIXTURE, 2, IncidentType.KICK_OFF, None, 0)


async def _no_http(scope: object, receive: object, send: object) -> None:
    """There is no HTTP here."""


def goal(state: FootballState, seq: int, now_ms: int) -> tuple[FootballState, Incident]:
    """The next goal after a state; the sides take turns, and after some a new match's score begins."""
    if sum(state.score) >= _GOALS_MAX:
        state = advance(FootballState(), IncidentType.KICK_OFF, None, 0)
    side: Side = "home" if sum(state.score) % 2 else "away"
    after = advance(state, IncidentType.GOAL, side, 60)
    return after, Incident(FIXTURE, seq, Match.name, IncidentType.GOAL, side, 60, after, now_ms)


class Server:
    """What the words do."""

    def __init__(self, platform: Platform, clock: WallClock) -> None:
        self._platform, self._clock = platform, clock
        self.bare: list[socket.socket] = []
        self._state = advance(FootballState(), IncidentType.KICK_OFF, None, 0)
        self._seq, self._offset, self._cpu = 2, 10**12, 0.0

    @property
    def open(self) -> bool:
        """Whether the match is priced."""
        market = self._platform.gate.books.market(FIXTURE, f"{FIXTURE}:1x2")
        return market is not None and market.status == MarketStatus.OPEN

    def do(self, word: str, size: int) -> float:
        """Do it; what it answers."""
        if word == "rss":
            return float(rss_bytes(os.getpid()))
        if word == "cpu":  # since the last word
            return cpu_s(os.getpid()) - self._cpu
        began, self._cpu = now_s(), cpu_s(os.getpid())
        if word == "bare":
            send_to_all(self.bare, bytes(size))
        elif word == "goal":
            self.goal()
        else:
            self.change(size)
        return began

    def goal(self) -> None:
        """The next goal, as the feed says it."""
        self._seq += 1
        self._state, incident = goal(self._state, self._seq, self._clock.now_ms())
        self._platform.log.append([Record(Topic.INCIDENTS, FIXTURE, encode(incident))])

    def change(self, count: int) -> None:
        """So many changes of one price each, as the gate hears them in one batch of the log."""
        gate = self._platform.gate
        book = gate.books.fixtures[FIXTURE]
        markets = [market for market in book.markets.values() if market.status == MarketStatus.OPEN]
        for turn in range(count):
            self._offset += 1
            market = _moved(markets[turn % len(markets)], self._offset)
            n = gate.books.fixtures[FIXTURE].n + 1
            said = BookChanged(FIXTURE, book.epoch, n, "tick", self._clock.now_ms(), book.board, (market,))
            assert gate.books.apply(said, self._offset)
            gate.push.book_changed(said, self._offset)


def _moved(market: Market, turn: int) -> Market:
    """One of its prices is another."""
    first, *others = market.selections
    moved = msgspec.structs.replace(first, price=2_000 + turn % 500)
    return msgspec.structs.replace(market, selections=(moved, *others))


def send_to_all(sockets: list[socket.socket], data: bytes) -> None:
    """The bare loop: ``sock.send`` over all; who cannot take all of it gets the rest when he can."""
    behind: dict[int, tuple[socket.socket, int]] = {}
    size = len(data)
    for sock in sockets:
        try:
            sent = sock.send(data)
        except BlockingIOError:
            sent = 0
        if sent < size:
            behind[sock.fileno()] = (sock, sent)
    if not behind:
        return
    with select.epoll() as poll:
        for number in behind:
            poll.register(number, select.EPOLLOUT)
        while behind:
            found = poll.poll(_SEND_S_MAX)
            assert found, "nobody takes the rest"
            for number, _ in found:
                sock, sent = behind[number]
                sent += sock.send(memoryview(data)[sent:])
                behind[number] = (sock, sent)
                if sent == size:
                    poll.unregister(number)
                    del behind[number]


def serve(pipe: Pipe, folder: Path, count: int, profile: Path | None) -> None:
    """The process: says its two ports, hears words until the pipe ends."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with ExitStack() as stack:
        if profile is not None:
            stack.enter_context(sampled(profile))
        runner = stack.enter_context(asyncio.Runner(loop_factory=uvloop.new_event_loop))
        runner.run(_serve(pipe, folder, count))


async def _serve(pipe: Pipe, folder: Path, count: int) -> None:
    loop = asyncio.get_running_loop()
    clock, chosen = WallClock(loop), settings()
    failed: list[BaseException] = []
    over = asyncio.Event()

    def fatal(error: BaseException) -> None:
        failed.append(error)
        over.set()

    loop.set_exception_handler(lambda _, context: fatal(context.get("exception") or RuntimeError(context["message"])))
    with stores(folder, clock, loop.call_soon_threadsafe, chosen, fatal) as (log, ledger):
        warm_up()
        platform = Platform(clock, log, ledger, Match(clock.now_ms()), chosen, secret=b"bench")
        platform.start()
        server = Server(platform, clock)
        while not server.open:  # noqa: ASYNC110 - the books come by callback
            await asyncio.sleep(0.01)
        bare, door = (socket.create_server(("127.0.0.1", 0), backlog=4_096) for _ in range(2))
        uvicorn_ = uvicorn.Server(uvicorn.Config(
            _no_http, loop="none", http="httptools", ws=make_protocol(platform.push, chosen.push), lifespan="off",
            log_config=None, access_log=False,
        ))  # fmt: skip
        serving = asyncio.create_task(uvicorn_._serve([door]))
        pipe.send((bare.getsockname()[1], door.getsockname()[1]))
        server.bare = await _accepted(bare, count)
        tune_gc()
        _hear(pipe, server, over)
        await over.wait()
        loop.remove_reader(pipe.fileno())
        uvicorn_.should_exit = uvicorn_.force_exit = True
        await serving
        for sock in server.bare:
            sock.close()
    if failed:
        raise failed[0]


async def _accepted(listener: socket.socket, count: int) -> list[socket.socket]:
    listener.setblocking(False)
    found = []
    for _ in range(count):
        sock, _ = await asyncio.get_running_loop().sock_accept(listener)
        sock.setblocking(False)
        found.append(sock)
    listener.close()
    return found


def _hear(pipe: Pipe, server: Server, over: asyncio.Event) -> None:
    """Words as they come; ``over`` when there are none any more."""

    def word() -> None:
        try:
            said: tuple[str, int] = pipe.recv()
        except EOFError:
            over.set()
            return
        pipe.send(server.do(*said))

    asyncio.get_running_loop().add_reader(pipe.fileno(), word)
