"""The stage of a drill: a cluster that runs, with fans who bet on it, watchers, and an auditor.

Owns nothing of the cluster but what a fault of the drill ended: that it starts again.
"""

import asyncio
import http.client
import re
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import closing, suppress
from typing import Any, Final

import msgspec

from matchday.config import Kafka
from matchday.ops.cluster_local import Cluster
from matchday.ops.cluster_rooms import readiness
from matchday.ops.cluster_state import Folder, Member, State
from matchday.ops.drill import DrillError
from matchday.ops.drill.failover import engines
from matchday.ops.drill.failover.books import Books
from matchday.ops.drill.failover.fans import Fans
from matchday.ops.drill.failover.processes import Supervisor
from matchday.ops.drill.failover.screens import Watcher
from matchday.ports import Clock

SHARED: Final = ("odds", "settlement")
"""Rooms that share out the partitions: while one has no owner, its part of the work stands still."""
ALONE: Final = ("relay", "feed")
"""Rooms of which one works, the holder of the first partition."""
LOOK_S: Final = 0.05
_ASK_S_MAX: Final = 1.0


class Struck(msgspec.Struct, frozen=True):
    """A fault that was brought about."""

    at_s: float
    """When, by the drill's clock."""
    at_ms: int
    """The same since 1970."""
    proof: str
    """How it is known that it happened."""
    pending: int
    """Bets that were sent and not answered then."""
    mend: Callable[[], Coroutine[Any, Any, None]]
    """Put right what was broken, as an operator would."""
    timed: bool = False
    """Whether that waits for a time of its own, whatever becomes of bets meanwhile: such as a machine that hangs."""
    met: bool = True
    """Whether it struck at the worst moment that it is named after; where it has none, any moment is."""


class Mark(msgspec.Struct, frozen=True):
    """The moment of a fault."""

    at_s: float
    at_ms: int
    pending: int

    def struck(
        self, proof: str, mend: Callable[[], Coroutine[Any, Any, None]], *, timed: bool = False, met: bool = True
    ) -> Struck:
        """It has happened."""
        shown = proof if met else f"moment not met; {proof}"
        return Struck(self.at_s, self.at_ms, shown, self.pending, mend, timed, met)


class Stage:
    """Everything that faults and rows need."""

    def __init__(
        self, clock: Clock, folder: Folder, log: Kafka, fans: Fans, watchers: Sequence[Watcher], books: Books
    ) -> None:
        self.clock, self.folder = clock, folder
        self.shares, self.brokers, self.platform = log.partitions, log.brokers, log.platform
        self._cluster = Cluster(folder.path, lambda _: None, bytes)
        self.fans, self.books = fans, books
        self.watchers = [*watchers, *(fan.watcher for fan in fans.fans)]
        self.supervisor = Supervisor(folder)

    @property
    def now_s(self) -> float:
        """The drill's clock."""
        return self.clock.elapsed_ms() / 1_000

    def state(self) -> State:
        """The cluster as it is written down."""
        return self.folder.load()

    def mark(self) -> Mark:
        """Now is the moment: what is measured is measured from here."""
        for watcher in self.watchers:
            watcher.mark()
        return Mark(self.now_s, self.clock.now_ms(), len(self.fans.unanswered()))

    # --- who does what ------------------------------------------------------------------------------------------------

    def one(self, room: str) -> Member:
        """The first of a room that lives. DrillError where none does."""
        for member in self.state().of(room):
            if member.lives:
                return member
        raise DrillError(f"no {room} lives in {self.folder.path}: see `matchday cluster status`")

    async def owners(self, room: str) -> list[tuple[int, Member]]:
        """(shares, process) of a room, those that have most first."""
        living = [member for member in self.state().of(room) if member.lives]
        shares = await asyncio.gather(*(asyncio.to_thread(shares_of, member) for member in living))
        found = [(count or 0, member) for count, member in zip(shares, living, strict=True)]
        return sorted(found, key=lambda one: (-one[0], one[1].number))

    async def owner(self, room: str) -> Member:
        """The process that has most of a room's work. DrillError where nobody has any."""
        for count, member in await self.owners(room):
            if count:
                return member
        raise DrillError(f"no {room} has a share of the work: see `matchday cluster status`")

    async def owned(self) -> bool:
        """Whether every share of every room's work is somebody's who has begun it."""
        for room in SHARED:
            owners = await self.owners(room)
            if sum(count for count, _ in owners) != self.shares:
                return False
            begun = await asyncio.gather(*(asyncio.to_thread(_begun, member) for _, member in owners))
            if not all(begun):
                return False
        for room in ALONE:
            if not any(count for count, _ in await self.owners(room)):
                return False
        return True

    # --- whether all is well ------------------------------------------------------------------------------------------

    async def until(self, happened: Callable[[], Awaitable[bool]], seconds: float, every_s: float = LOOK_S) -> bool:
        """Whether something happens in time; looks at it again and again."""
        until_s = self.now_s + seconds
        while not await happened():
            if self.now_s > until_s:
                return False
            await asyncio.sleep(every_s)
        return True

    def served(self, at_s: float, at_ms: int) -> bool:
        """Whether every fan had a bet accepted that was due after a moment, and everybody's screen moved since."""
        happy = set[str]()
        for offer in reversed(self.fans.offers.values()):
            if offer.offered.due_s <= at_s:
                break
            if offer.accepted:
                happy.add(offer.offered.account)
        return (
            all(fan.account in happy for fan in self.fans.fans)
            and all(watcher.changed_ms > at_ms for watcher in self.watchers)
            and all(fan.watcher.newest_ms > at_ms for fan in self.fans.fans)
        )

    async def whole(self) -> bool:
        """Whether every process lives and is ready, by itself and by the balancers, and every engine has its others."""
        report = await asyncio.to_thread(self._cluster.report)
        return report.whole and await asyncio.to_thread(engines.whole, self.state(), self.brokers)

    def ailing(self) -> str:
        """What is not ready, for people."""
        found = [f"{one.name}: {', '.join(one.reasons) or 'not ready'}" for one in self._cluster.report().members
                 if not one.ready]  # fmt: skip
        nodes = [f"{node.name} is {node.role}, {node.state}" for node in engines.nodes(self.state())]
        return "; ".join([*found, *nodes]) or "bets are not accepted everywhere, or screens stand still"


def _begun(member: Member) -> bool:
    """Whether a room has begun what it holds: that it cannot read the ledger just now is another matter."""
    said = readiness(member)
    return said is not None and not any("has not begun" in reason for reason in said.reasons)


def shares_of(member: Member) -> int | None:
    """Shares of its room's work that a process holds; None where it does not say."""
    with suppress(OSError, http.client.HTTPException):
        connection = http.client.HTTPConnection("127.0.0.1", member.ops_port, timeout=_ASK_S_MAX)
        with closing(connection):
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
        found = re.search(rf'^matchday_shares{{room="{member.room}"}} (\d+)', text, re.MULTILINE)
        return int(found[1]) if found else None
    return None
