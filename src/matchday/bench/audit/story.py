"""What is done to a cluster while screens watch it: its odds owners are stopped, added and killed, and its gates become
four and two again. After each step every screen has to be told of something newer than it."""

import asyncio
import contextlib
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import Final

import msgspec

from matchday.app import StartError
from matchday.bench.audit.fans import Fan, ask, fan_of
from matchday.bench.audit.states import States
from matchday.bench.audit.truth import Truth
from matchday.bench.audit.watcher import Watcher
from matchday.model.messages import OddsAlive, Topic, decode, kind
from matchday.ops.cluster_local import Cluster
from matchday.ops.cluster_state import signalled
from matchday.ports import Clock, Log, Stored

TOLD_S_MAX: Final = 120.0
"""Seconds after a step in which every screen must be told of something newer."""
FANS: Final = 8
"""Who bet meanwhile."""
_LOOK_S: Final = 0.1
_ALIVE: Final = OddsAlive.__struct_config__.tag


class Step(msgspec.Struct):
    """One thing that was done."""

    what: str
    seconds: float
    """Until it was done."""
    told_s: float
    """From then until every screen was told of something newer."""


class AuditReport(msgspec.Struct, kw_only=True):
    """What an audit came to."""

    watchers: int
    steps: list[Step] = []
    connections: int = 0
    """Made by all screens, those included that were handed over."""
    turned_away: int = 0
    frames: int = 0
    """Told to all screens."""
    told_losses: int = 0
    """Snapshots in place of what was missed."""
    changes: int = 0
    """Of books on the log meanwhile."""
    owners: int = 0
    """Who began to own a share of the books meanwhile."""
    dropped: int = 0
    """Changes on the log by owners whose place was taken."""
    compared: int = 0
    """Offsets at which what screens held was compared with what the log adds up to."""
    bets: dict[str, int] = {}
    """What became of fans' bets."""
    faults: list[str] = []
    """The first of them."""
    faults_total: int = 0


class Story:
    """An audit under way."""

    def __init__(self, cluster: Cluster, log: Log, clock: Clock, watchers: int) -> None:
        self._cluster, self._log, self._clock = cluster, log, clock
        self._state, self._states = cluster.state(), States()
        self._chance = clock.random("audit")
        self.report = AuditReport(watchers=watchers)
        self._watchers: list[Watcher] = []
        self._fans: list[Fan] = []
        self._alive: dict[int, tuple[int, int]] = {}
        """Share of the books -> the epoch of its owner, and when it was last heard."""
        self._tasks: list[asyncio.Task[None]] = []

    async def run(self, say: Callable[[str], None]) -> AuditReport:
        """Watch, and do it all. StartError where the cluster cannot be watched at all."""
        tail = self._log.tail(Topic.BOOKS, None, self._hear)
        await self._scale("gate", 2)
        await self._scale("odds", 2)
        since = self._log.end(Topic.BOOKS)
        await self._meet()
        async with self._running():
            await self._told("all are let in")
            for what, does in self._steps():
                say(what)
                began = self._clock.elapsed_ms()
                await does()
                done = self._clock.elapsed_ms()
                await self._told(what)
                took = (done - began) / 1_000, (self._clock.elapsed_ms() - done) / 1_000
                self.report.steps.append(Step(what, *took))
            await self._ask_after_bets()
        tail.cancel()
        self._sum_up(since)
        return self.report

    def _steps(self) -> list[tuple[str, Callable[[], Awaitable[None]]]]:
        return [
            ("an odds owner is stopped", partial(self._scale, "odds", 1)),
            ("another is added", partial(self._scale, "odds", 2)),
            ("one is killed", self._kill_owner),
            ("another takes its place", partial(self._scale, "odds", 2)),
            ("two gates become four", partial(self._scale, "gate", 4)),
            ("half of the screens come back", self._come_back),
            ("four gates become two", partial(self._scale, "gate", 2)),
        ]

    # --- the cluster --------------------------------------------------------------------------------------------------

    async def _scale(self, room: str, count: int) -> None:
        self._state = await asyncio.to_thread(self._cluster.scale, {room: count})
        if room == "odds":
            await self._all_owned()

    async def _kill_owner(self) -> None:
        """The one that has been there for longest; until an heir is heard of every share."""
        before = {share: epoch for share, (epoch, _) in self._alive.items()}
        signalled(next(one for one in self._state.of("odds") if one.lives), signal.SIGKILL)
        await self._until(
            "an heir is heard", lambda: any(epoch > before.get(share, 0) for share, (epoch, _) in self._alive.items())
        )
        await self._all_owned()

    async def _come_back(self) -> None:
        """To the new gates, which have the fewest connections."""
        for watcher in self._all[::2]:
            watcher.come_back()

    def _hear(self, records: Sequence[Stored]) -> None:
        for stored in records:
            if kind(stored.value) == _ALIVE and isinstance(message := decode(stored.value), OddsAlive):
                self._alive[message.share] = message.epoch, self._clock.elapsed_ms()

    async def _all_owned(self) -> None:
        """From now on an owner is heard of every share of the books."""
        since_ms, shares = self._clock.elapsed_ms(), self._log.partitions(Topic.INCIDENTS)
        await self._until(
            "every share of the books has an owner",
            lambda: sum(at_ms > since_ms for _, at_ms in self._alive.values()) == shares,
        )

    def _gates(self) -> list[int]:
        return [gate.port for gate in self._state.of("gate") if gate.lives]

    # --- the screens --------------------------------------------------------------------------------------------------

    async def _meet(self) -> None:
        """Fans, and screens that follow ``home`` and one match each, those that are soonest or under way."""
        port, watchers = self._state.door, self.report.watchers
        status, answer = await asyncio.to_thread(ask, port, "GET", "/api/fixtures")
        boards = [row["board"] for row in answer["fixtures"]] if status == 200 else []
        shown = [board["fixture"] for board in boards if board["status"] in ("scheduled", "live")]
        if not shown:
            raise StartError("the cluster shows no match: is its feed running? (matchday cluster status)")
        for number in range(watchers):
            channels = ("home", f"fixture:{shown[number % len(shown)]}")
            self._watchers.append(Watcher(self._states, number, port, channels, self._chance))
        for number in range(watchers, watchers + FANS):
            made = await asyncio.to_thread(
                fan_of, self._states, number, port, self._gates, self._clock.new_id, self._chance
            )
            self._fans.append(made)

    @property
    def _all(self) -> list[Watcher]:
        return [*self._watchers, *(fan.watcher for fan in self._fans)]

    @contextlib.asynccontextmanager
    async def _running(self) -> AsyncIterator[None]:
        """Screens connected, fans betting."""
        betting = [asyncio.create_task(fan.bet()) for fan in self._fans]
        self._tasks = [*betting, *(asyncio.create_task(watcher.run()) for watcher in self._all)]
        try:
            yield
        finally:
            await _ended(self._tasks)

    async def _told(self, what: str) -> None:
        mark = self._log.end(Topic.BOOKS)
        await self._until(
            f"{what}: every screen is told of something newer",
            lambda: all(watcher.offset() > mark for watcher in self._all),
        )

    async def _until(self, what: str, happened: Callable[[], bool]) -> None:
        until_ms = self._clock.elapsed_ms() + round(1_000 * TOLD_S_MAX)
        while not happened():
            for task in self._tasks:
                if task.done():
                    task.result()  # a fault of ours
            if self._clock.elapsed_ms() > until_ms:
                end = self._log.end(Topic.BOOKS)
                behind = sum(watcher.offset() < end for watcher in self._all)
                raise StartError(f"did not happen within {TOLD_S_MAX:g} s: {what} ({behind} screens are behind)")
            await asyncio.sleep(_LOOK_S)

    # --- at the end ---------------------------------------------------------------------------------------------------

    async def _ask_after_bets(self) -> None:
        """No more bets; what became of those that there are."""
        await _ended(self._tasks[: len(self._fans)])
        self._tasks = self._tasks[len(self._fans) :]
        for fan in self._fans:
            await fan.check()

    def _sum_up(self, since: int) -> None:
        report, states = self.report, self._states
        truth = Truth(states, self._log.epoch(Topic.BOOKS), since)
        truth.read(self._log)
        truth.check(self._watchers)
        report.changes, report.dropped, report.compared = truth.changes, truth.dropped, truth.compared
        report.owners, report.frames = len(truth.owners), states.frames
        report.connections = sum(watcher.connections for watcher in self._all)
        report.turned_away = sum(watcher.turned_away for watcher in self._all)
        report.told_losses = sum(watcher.told for watcher in self._all)
        report.bets = dict(sum((fan.answers for fan in self._fans), Counter()))
        report.faults, report.faults_total = states.faults, states.faults_total


async def _ended(tasks: Sequence["asyncio.Task[None]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
