"""The drill itself: fault after fault on one stage, and a row of each.

Before a fault all is well; after it the platform has to come back by itself; then what was broken is put right, and all
is well again. Bets go on all the while, and so do reads of the money.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from matchday.config import Postgres
from matchday.ops.drill import DrillError
from matchday.ops.drill.failover import rows
from matchday.ops.drill.failover.audit import Findings, audit
from matchday.ops.drill.failover.books import reading
from matchday.ops.drill.failover.faults import Fault, NotHere
from matchday.ops.drill.failover.record import Record, read
from matchday.ops.drill.failover.rows import Row
from matchday.ops.drill.failover.screens import HOME, Watcher, differing, missed
from matchday.ops.drill.failover.stage import LOOK_S, Stage, Struck

WELL_S_MAX: Final = 120.0
"""Seconds in which all must be well: before a fault, and after it was mended."""
PATIENCE_S: Final = 30.0
"""Seconds beyond a fault's bound for which it is watched whether the platform comes back."""
LINGER_S: Final = 1.5
"""Seconds that are watched after that."""
ANSWER_S_MAX: Final = 30.0
"""Seconds in which the last bets must be answered."""
MONEY_S: Final = 0.25
"""Seconds between two reads of all balances."""
OWNED_S: Final = 0.2
"""Seconds between two looks at who owns what."""
SAME_S_MAX: Final = 5.0
"""Seconds in which watchers are to be found where a newcomer is."""
READ_S_MAX: Final = 60.0
"""Seconds in which the ledger must be readable once all is well."""
Say = Callable[[str], None]
Read = TypeVar("Read")


class NotWell(DrillError):
    """The platform does not come back to where it was: a further fault would say nothing."""


class MoneyWatch:
    """All balances, all the time."""

    def __init__(self) -> None:
        self.reads = self.failed = 0
        self.wrong: list[str] = []

    def begin(self) -> None:
        """Count anew."""
        self.reads = self.failed = 0
        self.wrong = []

    async def run(self, settings: Postgres) -> None:
        """Until it is cancelled."""
        with reading(settings) as books:
            while True:
                try:
                    money = await asyncio.to_thread(books.money)
                except DrillError:
                    self.failed += 1
                else:
                    self.reads += 1
                    if not money.conserved:
                        self.wrong.append(f"sums {money.totals}, the least balance {money.least}")
                await asyncio.sleep(MONEY_S)


class Drill:
    """Strikes, waits, counts."""

    def __init__(self, stage: Stage, record: Record, file: Path, urls: Sequence[str], say: Say) -> None:
        self._stage, self._record, self._file = stage, record, file
        self._urls, self._say = urls, say
        self._money = MoneyWatch()
        self._found = Findings()
        self._counted = 0
        """Offers that stand in some row."""

    async def run(self, faults: Sequence[Fault], rate: float, ledger: Postgres) -> list[Row]:
        """All of them, one after the other."""
        done = []
        async with self._going(rate, ledger):
            await self._well("before the first fault")
            for number, fault in enumerate(faults, 1):
                self._say(f"{number}/{len(faults)} {fault.name}: {fault.what}")
                row, well = await self._row(fault)
                self._say(told(row))
                done.append(row)
                if not well:
                    self._say(f"the drill ends here; its cluster is in {self._stage.folder.path}")
                    break
        return done

    @contextlib.asynccontextmanager
    async def _going(self, rate: float, ledger: Postgres) -> AsyncIterator[None]:
        """Bets and reads, until the block ends. What goes wrong with one of them is raised then."""
        fans = self._stage.fans
        works = (fans.bet(rate), fans.ask_again(), self._money.run(ledger))
        tasks = [asyncio.create_task(work) for work in works]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        for error in ended:
            if isinstance(error, Exception):
                raise error

    async def _row(self, fault: Fault) -> tuple[Row, bool]:
        """What became of a fault, and whether all is well after it."""
        row, well = Row(fault=fault.name, what=fault.what, fired="", seconds_bound=fault.bound_s), True
        self._money.begin()
        try:
            await self._struck(row, await fault.strike(self._stage))
        except NotHere as error:
            row.skipped = str(error)
            return row, True
        except NotWell as error:
            row.problems.append(str(error))
            well = False
        except DrillError as error:
            row.problems.append(str(error))
        await self._count(row)
        rows.judge(row)
        return row, well

    async def _struck(self, row: Row, struck: Struck) -> None:
        stage = self._stage
        row.fired, row.bets_pending_at_fault = struck.proof, struck.pending
        row.moment_met = struck.met

        async def owned() -> float:
            await stage.until(stage.owned, row.seconds_bound + PATIENCE_S, OWNED_S)
            return round(stage.now_s - struck.at_s, 2)

        async def served() -> bool:
            return stage.served(struck.at_s, struck.at_ms)

        owning = asyncio.create_task(owned())
        mending = asyncio.create_task(struck.mend()) if struck.timed else None
        back = await stage.until(served, row.seconds_bound + PATIENCE_S)
        row.seconds_without_owner = await owning
        await asyncio.sleep(LINGER_S)
        try:
            await (mending or struck.mend())
        except DrillError as error:
            row.problems.append(str(error))
        await self._well("after it was mended")
        if not back:
            row.problems.append("not all fans were served before it was mended")
        await asyncio.sleep(LINGER_S)
        found = rows.times(
            stage.fans.offers.values(), [fan.account for fan in stage.fans.fans], struck.at_s, stage.now_s
        )
        row.seconds_to_first_bet, row.seconds_to_every_fan = found.first, found.every_fan
        row.seconds_without_bet = found.longest_without
        gaps = [watcher.gap_s() for watcher in stage.watchers]
        row.watcher_gap_seconds = round(max(*gaps, row.seconds_without_owner), 2)

    async def _well(self, when: str) -> None:
        """Until all is well. DrillError where it does not become so."""
        stage, mark = self._stage, self._stage.clock.now_ms()
        at_s = stage.now_s

        async def well() -> bool:
            return stage.served(at_s, mark) and await stage.whole() and await stage.owned()

        if not await stage.until(well, WELL_S_MAX, OWNED_S):
            raise NotWell(f"{when} not all was well within {WELL_S_MAX:g} s: {await asyncio.to_thread(stage.ailing)}")

    # --- what it came to ----------------------------------------------------------------------------------------------

    async def _count(self, row: Row) -> None:
        """Bets, money and watchers, as they are now."""
        stage = self._stage
        offers = list(stage.fans.offers.values())[self._counted :]
        self._counted += len(offers)
        row.bets_not_offered, stage.fans.nothing_open = stage.fans.nothing_open, 0

        async def answered() -> bool:
            return all(offer.answered is not None for offer in offers)

        await stage.until(answered, ANSWER_S_MAX)
        await self._record.durable()
        found = await self._read(self._audit)
        due = {offer.offered.id for offer in offers}  # not those that came since, and are under way
        found = msgspec.structs.replace(found, unknown=tuple(id_ for id_ in found.unknown if id_ in due))
        rows.count(row, offers, found - self._found)
        self._found = found
        row.money_reads, row.money_reads_failed = self._money.reads, self._money.failed
        wrong = [*self._money.wrong[:3], *await self._read(stage.books.unsound)]
        row.money_conserved = bool(row.money_reads) and not wrong
        row.problems += wrong
        row.problems += await self._screens(row)

    def _audit(self) -> Findings:
        """All bets so far, from the record on the disk. What it had before the ledger was read must stand there; what
        stands there must be on the record afterwards."""
        before = read(self._file)
        held = self._stage.books.held([fan.account for fan in self._stage.fans.fans])
        after = read(self._file)
        return audit(before.values(), (one for one in held if one.id in before or one.id not in after))

    async def _read(self, call: Callable[[], Read]) -> Read:
        """A read of the ledger that has to be had. DrillError where there is none in time."""
        until_s = self._stage.now_s + READ_S_MAX
        while True:
            try:
                return await asyncio.to_thread(call)
            except DrillError:
                if self._stage.now_s > until_s:
                    raise
            await asyncio.sleep(MONEY_S)

    async def _screens(self, row: Row) -> list[str]:
        """What watchers found wrong; and whether they hold what a newcomer gets."""
        stage = self._stage
        wrong = [error for watcher in stage.watchers for error in watcher.errors]
        for watcher in stage.watchers:
            watcher.errors.clear()
        heard = {fan.account: fan.watcher.heard() for fan in stage.fans.fans}
        first = min(one.since for one in heard.values())
        recorded = await self._read(lambda: stage.books.facts(first))
        for account, one in heard.items():
            wrong += missed(one, recorded.get(account, ()))[:3]
        newcomer = Watcher("newcomer", self._urls, stage.clock)
        newcomer.start(HOME)
        compared, other = 0, list[str]()
        until_s = stage.now_s + SAME_S_MAX
        while compared < len(stage.watchers) and stage.now_s < until_s:
            await asyncio.sleep(LOOK_S)
            if newcomer.client.held[HOME].whole:
                now, found = differing(stage.watchers, newcomer)
                compared, other = max(compared, now), [*other, *found]
        await newcomer.stop()
        row.watchers_compared = compared
        return wrong + other[:3]


def told(row: Row) -> str:
    """A row, in a line for people."""
    if row.skipped:
        return f"  not run: {row.skipped}"
    first = "never" if row.seconds_to_first_bet is None else f"{row.seconds_to_first_bet:g} s"
    line = (
        f"  {'met' if row.met else 'NOT MET'}: first bet after {first}, watchers {row.watcher_gap_seconds:g} s "
        f"(bound {row.seconds_bound:g} s); {row.bets_lost} lost, {row.bets_paid_twice} paid twice of "
        f"{row.bets_accepted}; {row.fired or 'it did not happen'}"
    )
    return "\n".join([line, *(f"  ! {problem}" for problem in row.problems)])
