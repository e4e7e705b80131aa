"""A full disk and a slow one under the ledger: every fan has a named answer, and nothing is lost or done twice."""

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from matchday.backends.clock_wall import WallClock
from matchday.backends.ledger_sqlite import Batch, Committed, SqliteLedger, SqliteLedgerCore
from matchday.config import Bets as BetSettings
from matchday.config import Storage
from matchday.model.ledger import Moment, OpenAccount, PlaceBet, Transfer
from tests.unit.gates import Gates, Told

PATIENCE_S = 10.0


class Disk(SqliteLedgerCore):
    """A ledger whose disk may be full, or slow."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.quick = threading.Event()
        self.quick.set()

    def commit_joined(self, batch: Batch) -> Committed:
        """See ``SqliteLedgerCore.commit_joined``."""
        assert self.quick.wait(PATIENCE_S)
        return super().commit_joined(batch)

    def full(self, *, full: bool) -> None:
        """From now on the file grows no more, or does again."""
        pages = self._database.writer.execute("PRAGMA page_count").fetchone()[0]
        self._database.writer.execute(f"PRAGMA max_page_count={pages if full else 2**30}")


class Desk(Gates):
    """A gate over a real file with a writer's thread."""

    def __init__(self, disk: Disk, ledger: SqliteLedger, clock: WallClock, settings: BetSettings) -> None:
        super().__init__(clock, ledger, [settings])
        self.disk = disk
        self.offer()

    def balance(self) -> int:
        view = self.ledger.account("anna")
        assert view is not None
        return view.balance

    def consistent(self, accepted: int) -> None:
        """So many bets of 10 are there, and every currency sums to zero."""
        assert self.balance() == 10**6 - 10 * accepted
        assert self.ledger.open_bets() == accepted
        assert set(self.ledger.totals().values()) == {0}


@contextlib.asynccontextmanager
async def desk(path: Path, **settings: int) -> AsyncIterator[Desk]:
    loop = asyncio.get_running_loop()
    clock, fatal = WallClock(loop), list[BaseException]()
    with contextlib.closing(Disk(path / "ledger.sqlite")) as disk:
        now = clock.now_ms()
        disk.commit([
            OpenAccount("open:anna", "anna", "EUR", now), Transfer("grant:anna", "anna", 10**6, "EUR", "grant", now),
        ])  # fmt: skip
        ledger = SqliteLedger(disk, clock, loop.call_soon_threadsafe, Storage(), fatal.append)
        with contextlib.closing(ledger):
            found = BetSettings(delay_ms=0, exposure_account_max=10**9, waiting_account_max=1_000, **settings)
            yield Desk(disk, ledger, clock, found)
            disk.quick.set()
    assert not fatal


async def answered(told: Sequence[Told]) -> list[Any]:
    """What each was told: why the gate or the ledger did not take it, or None."""
    async with asyncio.timeout(PATIENCE_S):
        while not all(one.answers for one in told):  # noqa: ASYNC110 - rooms know no event to wait for
            await asyncio.sleep(0.001)
    return [one.answers[0] if isinstance(one.answers[0], Moment) else one.answer.refusal for one in told]


def many(gate: Desk, count: int) -> list[PlaceBet]:
    return [gate.bet(10) for _ in range(count)]


def test_a_full_disk_is_unavailable_and_the_same_ids_are_taken_when_there_is_room_again(tmp_path: Path) -> None:
    async def story() -> None:
        async with desk(tmp_path) as gate:
            before = many(gate, 3)
            assert await answered([gate.place(command) for command in before]) == [None] * 3
            gate.disk.full(full=True)
            commands = many(gate, 300)
            found = await answered([gate.place(command) for command in commands])
            assert Moment.UNAVAILABLE in found
            gate.consistent(3 + found.count(None))
            gate.disk.full(full=False)
            again = [gate.place(command) for command in commands]
            assert await answered(again) == [None] * 300
            assert [told.answer.repeated for told in again] == [answer is None for answer in found]
            gate.consistent(303)

    asyncio.run(story())


def test_a_full_disk_leaves_nothing_in_memory_that_is_not_in_the_file(tmp_path: Path) -> None:
    """Accounts and counters are remembered between batches: a batch that failed must not have moved them."""
    with contextlib.closing(Disk(tmp_path / "ledger.sqlite")) as disk:
        now = 1_790_000_000_000
        disk.commit([OpenAccount("o", "anna", "EUR", now), Transfer("g", "anna", 1_000, "EUR", "grant", now)])
        disk.full(full=True)
        taken = 0

        def pay() -> None:
            nonlocal taken
            while True:
                disk.commit([Transfer(f"t{taken}", "anna", 1, "EUR", "deposit", now)])
                taken += 1

        with pytest.raises(sqlite3.OperationalError, match="full"):
            pay()
        disk.full(full=False)
        (answer,) = disk.commit([Transfer(f"t{taken}", "anna", 1, "EUR", "deposit", now)])
        assert (answer.balance, answer.repeated) == (1_000 + taken + 1, False)


def test_a_slow_disk_makes_those_who_wait_busy_and_loses_nobody_who_was_handed_over(tmp_path: Path) -> None:
    async def story() -> None:
        async with desk(tmp_path, queue_max=20, queue_ms_max=100) as gate:
            gate.disk.quick.clear()
            first = gate.place(gate.bet(10))
            await asyncio.sleep(0)  # it is handed over
            waiting = [gate.place(command) for command in many(gate, 20)]
            beyond = [gate.place(command) for command in many(gate, 5)]
            assert await answered(beyond) == [Moment.BUSY] * 5  # at once: the queue is full
            assert not any(told.answers for told in waiting)
            assert await answered(waiting) == [Moment.BUSY] * 20  # not later than is set, though nothing has moved
            assert not first.answers
            gate.disk.quick.set()
            assert await answered([first]) == [None]
            gate.consistent(1)
            assert await answered([gate.place(gate.bet(10))]) == [None]  # and the gate goes on
            gate.consistent(2)

    asyncio.run(story())
