"""A goal's way to the screens: through Kafka (feed, odds, gate and balancer as processes), and in one process.

The provider is here: it says a goal on the log, as the feed does, and notes when; screens over real sockets note when
the first frame with it came. The embedded platform is that of ``bench push``: the same rooms, SQLite's log with its
fsyncs, in a process of its own. Holds are 0, so that nothing but the way is timed. Goals of both take turns.
"""

import asyncio
import contextlib
import multiprocessing
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Final

from matchday.app import StartError
from matchday.app.stores import open_log
from matchday.backends.clock_wall import WallClock
from matchday.bench.bettors import SocketFan, masked
from matchday.bench.figures import Row, compared, percentile, plain
from matchday.bench.local_cluster import LocalCluster
from matchday.bench.push_server import FIXTURE, Match, goal, serve
from matchday.bench.run import Run
from matchday.bench.stopwatch import now_s
from matchday.config import load
from matchday.model.football import FootballState, IncidentType, advance
from matchday.model.messages import Topic, encode
from matchday.ports import Record
from matchday.services.feed import Feed

SCREENS: Final = 20
GOALS: Final = 40
"""Of a round, each."""
_GOALS_QUICK: Final = 4
_SEEN_S_MAX: Final = 20.0
_PAUSE_S: Final = 0.05
"""Seconds between a goal that all have seen and the next one."""
_SUBSCRIBE: Final = masked(b'{"op":"subscribe","channel":"fixture:%b"}' % FIXTURE.encode())


class _Screen(SocketFan):
    """One screen: when the first change after a goal came."""

    def __init__(self, seen: Callable[[], None]) -> None:
        super().__init__(lambda *_: None, lambda: None)
        self._seen = seen
        self.ready, self._at_s = False, 0.0

    def _opened(self) -> None:
        self._transport.write(_SUBSCRIBE)

    def _hear(self, frame: bytes) -> None:
        if b'"t":"snapshot"' in frame:
            self.ready = True
        elif b'"t":"delta"' in frame and not self._at_s:
            self._at_s = now_s()
            self._seen()

    def since(self, began_s: float) -> float:
        """Milliseconds until it was seen; the next goal may come."""
        at_s, self._at_s = self._at_s, 0.0
        return 1e3 * (at_s - began_s)

    def forget(self) -> None:
        """What came so far was of before."""
        self._at_s = 0.0


class _Screens:
    """All of one platform."""

    def __init__(self) -> None:
        self._missing, self._all_seen = 0, asyncio.Event()
        self._screens: list[_Screen] = []

    async def connect(self, port: int) -> None:
        """Each, subscribed. StartError where that takes too long."""
        loop = asyncio.get_running_loop()
        for _ in range(SCREENS):
            _, screen = await loop.create_connection(lambda: _Screen(self._saw), "127.0.0.1", port)
            self._screens.append(screen)
        await _until(lambda: all(screen.ready for screen in self._screens), "screens are shown the match")

    def _saw(self) -> None:
        self._missing -= 1
        if self._missing <= 0:
            self._all_seen.set()

    async def times_ms(self, say: Callable[[], float]) -> list[float]:
        """Of one goal, by screen: ``say`` says it, and when."""
        for screen in self._screens:
            screen.forget()
        self._missing = len(self._screens)
        self._all_seen.clear()
        began_s = say()
        async with asyncio.timeout(_SEEN_S_MAX):
            await self._all_seen.wait()
        found = [screen.since(began_s) for screen in self._screens]
        await asyncio.sleep(_PAUSE_S)  # what else the goal brings
        return found

    def close(self) -> None:
        """All go."""
        for screen in self._screens:
            screen.close()


async def _until(happened: Callable[[], bool], what: str) -> None:
    try:
        async with asyncio.timeout(_SEEN_S_MAX):
            while not happened():  # noqa: ASYNC110 - what is waited for says nothing when it happens
                await asyncio.sleep(0.01)
    except TimeoutError as error:
        raise StartError(f"did not happen within {_SEEN_S_MAX:g} s: {what}") from error


async def _until_open(cluster: LocalCluster) -> None:
    """Until the match is there for fans."""
    for _ in range(round(_SEEN_S_MAX / _PAUSE_S)):
        with contextlib.suppress(StartError):
            found = await asyncio.to_thread(cluster.ask, "GET", f"/api/fixtures/{FIXTURE}")
            if any(market["status"] == "open" for market in found["markets"]):
                return
        await asyncio.sleep(_PAUSE_S)
    raise StartError(f"the cluster does not show the match within {_SEEN_S_MAX:g} s")


async def measured(run: Run, cluster: LocalCluster) -> list[Row]:
    """The rows."""
    through, embedded = list[list[float]](), list[list[float]]()
    goals = run.share(GOALS, _GOALS_QUICK)
    async with _kafka(cluster) as say_there, _embedded(run) as (port, say_here):
        await _until_open(cluster)
        there, here = _Screens(), _Screens()
        with ExitStack() as stack:
            for screens, door in ((there, cluster.port), (here, port)):
                stack.callback(screens.close)
                await screens.connect(door)
            await there.times_ms(say_there)
            await here.times_ms(say_here)
            for n in range(run.rounds):
                through.append([])
                embedded.append([])
                for _ in range(goals):
                    through[-1] += await there.times_ms(say_there)
                    embedded[-1] += await here.times_ms(say_here)
                run.progress("cluster: a goal", n + 1, run.rounds)
    return [row for share in (0.5, 0.99) for row in _rows(share, through, embedded)]


def _rows(share: float, through: list[list[float]], embedded: list[list[float]]) -> list[Row]:
    pairs = [
        (percentile(ours, share), percentile(others, share)) for ours, others in zip(through, embedded, strict=True)
    ]
    name = f"goal to screen through Kafka, p{100 * share:g}"
    what = f"a goal said on the log -> its first frame at {SCREENS} screens, by way of odds, a gate and HAProxy"
    return [
        compared(name, what, "ms", pairs, reference="the embedded platform: one process, SQLite's log with its fsyncs"),
        plain(f"{name}: added", "the difference", "ms", [ours - others for ours, others in pairs]),
    ]


@asynccontextmanager
async def _kafka(cluster: LocalCluster) -> AsyncIterator[Callable[[], float]]:
    """The match on the cluster's log; what says a goal there."""
    loop = asyncio.get_running_loop()
    clock, settings = WallClock(loop), load(cluster.config)

    def fatal(error: BaseException) -> None:
        loop.call_exception_handler({"message": "the log failed", "exception": error})

    with open_log(settings, Path(), clock, loop.call_soon_threadsafe, fatal) as log:
        feed = Feed(clock, log, Match(clock.now_ms()), settings.feed)
        feed.start()
        state, seq = advance(FootballState(), IncidentType.KICK_OFF, None, 0), 2

        def say() -> float:
            nonlocal state, seq
            state, incident = goal(state, seq := seq + 1, clock.now_ms())
            began_s = now_s()
            log.append([Record(Topic.INCIDENTS, FIXTURE, encode(incident))])
            return began_s

        yield say


@asynccontextmanager
async def _embedded(run: Run) -> AsyncIterator[tuple[int, Callable[[], float]]]:
    """The embedded platform's door, and what says a goal in it."""
    with _process(run.folder / "embedded") as pipe:
        _, port = await asyncio.to_thread(pipe.recv)

        def say() -> float:
            pipe.send(("goal", 0))
            began_s: float = pipe.recv()
            return began_s

        yield port, say


@contextmanager
def _process(folder: Path) -> Iterator[Pipe]:
    folder.mkdir()
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs, folder, 0, None), daemon=True)
    process.start()
    theirs.close()  # so that its end is heard of
    try:
        yield ours
    finally:
        ours.close()
        process.join()
