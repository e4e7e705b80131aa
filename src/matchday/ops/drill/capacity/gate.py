"""The gate's knee: bets, frames and requests a second, each alone and mixed, and how many connections it carries.

The real command (`matchday up`) on one core; on the other those who bet over WebSockets, those who ask for the list of
fixtures, a trader whose commands change a price, and a process of watchers. So a gate's figures hold the whole way of a
bet, the ledger's file included, and of a price from the trader's command on.
"""

import asyncio
import contextlib
import itertools
import os
import select
from collections.abc import Callable
from contextlib import AsyncExitStack, ExitStack, closing
from pathlib import Path
from typing import Any, Final

import msgspec

from matchday.app import StartError, sign_token
from matchday.backends.clock_wall import WallClock
from matchday.bench.bettors import body_maker
from matchday.bench.crowd import Crowd
from matchday.bench.fans import crowds_of
from matchday.bench.figures import percentile
from matchday.bench.knee import Step, judged
from matchday.bench.open_loop import Seen, at_rate
from matchday.bench.server import Server, serving
from matchday.bench.stopwatch import cpu_s, now_s
from matchday.config import Settings
from matchday.model.role import Role
from matchday.ops.drill.capacity.watchers import Heard, Watchers, watching
from matchday.ops.drill.fans.wire import Asker, request

BETS_MS: Final = 100.0
REQUESTS_MS: Final = 250.0
FRAMES_MS: Final = 250.0
"""Targets of each load: p99 from due, of frames from published; the trader's command has that of requests."""
GOAL_MS: Final = 250.0
"""Until the last of all connections has a change: how many connections a gate carries."""
BETTORS: Final = 64
ASKERS: Final = 32
LOAD_CORE_MAX: Final = 0.97
"""Share of the load's core beyond which it is the crowd that could not keep up."""
_GUEST_TRIES: Final = 40
_GUEST_PAUSE_S: Final = 0.25
CHANGES: Final = 5
"""Of one number of connections; the median counts."""
_HOUR: Final = {"MATCHDAY_PUSH_HEARTBEAT_MS": "3600000", "MATCHDAY_PUSH_IDLE_MS_MAX": "7200000"}
"""Watchers answer no ping: none is sent while it is measured."""


class Mix(msgspec.Struct, frozen=True):
    """How much of each load there is at rate 1, a second."""

    bets: float = 0.0
    frames: float = 0.0
    requests: float = 0.0

    def times(self, rate: float) -> "Mix":
        """The same at another rate."""
        return Mix(self.bets * rate, self.frames * rate, self.requests * rate)


class Gate:
    """A server and its crowds."""

    def __init__(self, server: Server, watchers: Watchers, crowd: Crowd, body: Callable[[], bytes], clock: WallClock,
                 trader: str, selection: str) -> None:  # fmt: skip
        self.server, self.watchers = server, watchers
        self._crowd, self._body, self._clock = crowd, body, clock
        self._trader, self._selection = trader, selection
        self._factors = itertools.cycle(("1.1", "0.9"))
        self._askers: list[Asker] = []
        self.frame_bytes = 0.0

    async def attempt(self, mix: Mix, rate: float, seconds: float) -> Step:
        """All loads of a mix at once, for so long."""
        load = mix.times(rate)
        bets, asked, traded = Seen(), Seen(), Seen()
        began, own = now_s(), self._load_cpu_s()
        if load.frames:
            self.watchers.begin()
        async with asyncio.TaskGroup() as group:
            placing = None
            if load.bets:
                placing = group.create_task(self._crowd.arrive(BETTORS, load.bets, seconds, self._body))
            if load.requests:
                group.create_task(self._asking(load.requests, seconds, asked, self._look))
            if load.frames:
                changes = load.frames / max(self.watchers.count, 1)
                group.create_task(self._asking(changes, seconds, traded, self._shift))
        bets = placing.result() if placing is not None else bets
        heard = self.watchers.end() if load.frames else None
        if (self._load_cpu_s() - own) / (now_s() - began) > LOAD_CORE_MAX:
            return Step(rate=rate, state="unjudged", why="the load's core was full")
        steps = []
        if load.bets:
            steps.append(judged(rate, bets, frozenset({"accepted"}), BETS_MS))
        if load.requests:
            steps.append(judged(rate, asked, frozenset({"200"}), REQUESTS_MS))
        if heard is not None:
            steps += [judged(rate, traded, frozenset({"202"}), REQUESTS_MS), self._framed(rate, heard, traded)]
        return worst(steps)

    def _framed(self, rate: float, heard: Heard, traded: Seen) -> Step:
        """Whether every watcher had every change, and soon."""
        wanted = traded.count("202") * heard.sampled
        if not heard.times_ms or heard.frames < 0.9 * wanted:
            return Step(rate=rate, state="missed", why=f"{heard.frames} of {wanted} frames came singly")
        self.frame_bytes = heard.bytes / (heard.frames / heard.sampled * self.watchers.count)
        p99 = percentile(heard.times_ms, 0.99)
        if p99 > FRAMES_MS:
            return Step(rate=rate, state="missed", p99_ms=p99, why=f"frames' p99 {p99:.0f} ms")
        return Step(rate=rate, state="met", p99_ms=p99)

    def _load_cpu_s(self) -> float:
        return cpu_s(os.getpid()) + self.watchers.cpu_s()

    # --- requests -----------------------------------------------------------------------------------------------------

    async def _asking(self, rate: float, seconds: float, seen: Seen, make: Callable[[], bytes]) -> None:
        """Requests at a rate, by whichever connection is free; who waits for one counts from when it was due."""
        free, backlog = await self._connected(), list[float]()

        def ask(due: float) -> None:
            asker = free.pop()

            def told(status: int, _: int, __: bytes) -> None:
                seen.answer(str(status), now_s() - due)
                free.append(asker)
                if backlog:
                    ask(backlog.pop(0))

            asker.ask(make(), told)

        def send(due: float) -> bool:
            if free:
                ask(due)
            else:
                backlog.append(due)
            return True

        await at_rate(rate, seconds, send, seen)
        until = now_s() + 10
        while seen.answered < seen.sent and now_s() < until:  # noqa: ASYNC110 - answers come by callback
            await asyncio.sleep(0.005)

    async def _connected(self) -> list[Asker]:
        """New connections each time: a server closes those that are silent for long."""
        loop, made = asyncio.get_running_loop(), list[Asker]()
        for _ in range(ASKERS // 2):
            _, asker = await loop.create_connection(Asker, "127.0.0.1", self.server.port)
            made.append(asker)
        self._askers += made
        return made

    @staticmethod
    def _look() -> bytes:
        return request("GET", "/api/fixtures")

    def _shift(self) -> bytes:
        """A price moves, and back."""
        return request("POST", "/api/trader/commands", self._trader, msgspec.json.encode({
            "id": self._clock.new_id(), "fixture": self._selection.partition(":")[0], "action": "shift_price",
            "selection": self._selection, "factor": next(self._factors),
        }))  # fmt: skip

    async def last_ms(self) -> float:
        """Milliseconds from a trader's command until the last watcher has its change."""
        self.watchers.begin()
        seen, began = Seen(), now_s()
        await self._asking(1_000, 0.001, seen, self._shift)
        return 1e3 * (self.watchers.end().last_s - began)

    def close(self) -> None:
        """All go."""
        for asker in self._askers:
            asker.close()


def worst(steps: list[Step]) -> Step:
    """Of several loads at once: what could not be judged, else what missed, else the slowest."""
    order = {"unjudged": 2, "missed": 1, "met": 0}
    return max(steps, key=lambda step: (order[step.state], step.p99_ms))


class Opened(msgspec.Struct):
    """A server that was started, before the loop."""

    server: Server
    boot_s: float
    trader: str
    tokens: list[str]


def opened(folder: Path, stack: ExitStack) -> Opened:
    """Start it."""
    began = now_s()
    server = stack.enter_context(serving(folder, settings=_HOUR))
    boot_s = now_s() - began
    trader = sign_token(folder / "data", Settings(), "drill", Role.TRADER)
    return Opened(server, boot_s, trader, [_guest(server) for _ in range(BETTORS)])


def _guest(server: Server) -> str:
    """The token of a new fan; on a machine that is busy elsewhere newcomers are asked to wait."""
    for _ in range(_GUEST_TRIES):
        with contextlib.suppress(StartError):
            return server.guest()
        select.select([], [], [], _GUEST_PAUSE_S)
    return server.guest()


async def gate_of(found: Opened, watchers: int, stack: AsyncExitStack) -> Gate:
    """Its crowds, connected."""
    clock = WallClock(asyncio.get_running_loop())
    legs: list[list[dict[str, Any]]] = found.server.legs()
    selection = str(legs[0][0]["selection"])
    crowd = stack.enter_context(closing(crowds_of(found.server, found.tokens)["WebSocket"]))
    body = body_maker([leg for market in legs for leg in market], clock.new_id)
    them = stack.enter_context(watching(found.server.port, selection.partition(":")[0]))
    them.connect(watchers)
    return stack.enter_context(closing(Gate(found.server, them, crowd, body, clock, found.trader, selection)))
