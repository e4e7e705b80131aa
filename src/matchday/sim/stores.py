"""Stores: the log and the ledger of a simulated world, each one core that all processes share over a slow wire.

The synchronous cores are the embedded backends' own. Around them the seed draws what a network, a disk and a scheduler
would do: latency of every request, boundaries of every group, deliveries again and late, a full disk, and a power cut
that tears the group being written off the file at any byte. The full disk is a real one, SQLite's page limit; a trigger
reaches it at the tables that the seed draws, so that what still fits does not depend on how a version of SQLite lays
out its pages.
"""

import shutil
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Final, Generic, TypeVar

from matchday.backends.ledger_sqlite import Batch, SqliteLedgerCore
from matchday.backends.ledger_sqlite import Done as LedgerDone
from matchday.backends.ledger_sqlite_ahead import UNPREPARED, Prepared
from matchday.backends.ledger_sqlite_reads import LedgerReads
from matchday.backends.ledger_sqlite_worked import Question, Snapshots, only_page
from matchday.backends.log_sqlite import LogReads, Move, SqliteLogCore
from matchday.backends.partitions import Done as LogDone
from matchday.backends.partitions import Hear, Part, PartitionedLog
from matchday.backends.sqlite import MEMORY, Database
from matchday.model.ledger import AccountView, Answer, Command
from matchday.model.messages import COMPACTED, Topic
from matchday.ports import LedgerUnavailable, LogUnavailable, Record, Stored
from matchday.sim.faults import Fault
from matchday.sim.process import Crash, Process, ProcessClock

_NEAR_MS: Final = (0, 4)
"""Milliseconds that a message between a process and a store takes."""
_LAG_MS: Final = (5_000, 60_000)
_SHORT_LAG_MS: Final = (3_000, 11_000)
"""Less than what a gate or an owner takes for silence: the ordinary lag of a bad evening."""
_LAGS_FOR_MS: Final = (20_000, 300_000)
_MOMENT_MS: Final = 15_000
"""What goes wrong at the worst moment lasts so many milliseconds."""
_SLOW_MS: Final = (500, 9_000)
_FULL_MS: Final = (1_000, 60_000)
_GROUP_MAX: Final = 8
_PAGE_MAX: Final = 64
_WORKED_OUT: Final = 0.8
"""Of pages of settlements."""
_ASIDE_MS: Final = (500, 4_000)
"""Milliseconds that such a page may take, at worst."""
_RECENT: Final = 256
"""Records of a partition, at least, that tails are given without a look at the file."""
_PAGES_UNLIMITED: Final = 2**31 - 2
_PAGES_LEFT: Final = 400
"""More than all writes take that touch no table at which the disk is full."""
_FILLING: Final = "INSERT INTO filling VALUES (zeroblob(4000000))"
"""More than fits."""

_Core = TypeVar("_Core", SqliteLogCore, SqliteLedgerCore)
_Work = TypeVar("_Work")


class Store(Generic[_Core, _Work]):
    """One core, written group by group."""

    def __init__(self, name: str, process: Process, folder: Path | None, make: Callable[[Path | str], _Core]) -> None:
        self._name = name
        self._make: Callable[[Path | str], _Core] = make
        self._world, self._faults = process.world, process.faults
        self._chance = process.world.random(f"store/{name}")
        self._folder, self._file = folder, 0
        self.core: _Core = self._open()
        self._waiting: deque[_Work] = deque()
        self._writing = False
        self._slow_until = self._full_until = 0
        self._full: list[str] = []
        """Tables at which the disk is full."""

    def near(self) -> int:
        """Milliseconds of one way."""
        return self._chance.randint(*_NEAR_MS)

    def _path(self) -> Path | str:
        return MEMORY if self._folder is None else self._folder / f"{self._name}{self._file}.sqlite"

    def _open(self) -> _Core:
        core: _Core = self._make(self._path())
        if self._folder is not None:
            # What is durable is the simulation's to say; a checkpoint would blur which bytes were.
            core.database.writer.execute("PRAGMA synchronous=OFF")
            core.database.writer.execute("PRAGMA wal_autocheckpoint=0")
        core.database.writer.execute("CREATE TABLE IF NOT EXISTS filling (bytes BLOB)")
        return core

    def submit(self, work: _Work) -> None:
        """Have it written after all that was submitted before."""
        self._waiting.append(work)
        if not self._writing:
            self._writing = True
            self._world.call_later(self._writes_in(), self._next)

    def _writes_in(self) -> int:
        now = self._world.now_ms()
        if self._faults.over:
            self._slow_until = 0
        elif self._name == "ledger" and now >= self._slow_until and self._faults.happens(Fault.SLOW_LEDGER, 0.002):
            self._slow_until = now + 30_000
        if now < self._slow_until:
            return self._chance.randint(*_SLOW_MS)
        return self.near()

    def _next(self) -> None:
        group = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._chance.randint(1, _GROUP_MAX)))]
        self._fill_or_free()
        if group:
            self._write(group)
        self._writing = bool(self._waiting)
        if self._writing:
            self._world.call_later(self._writes_in(), self._next)

    def _write(self, group: Sequence[_Work]) -> None:
        raise NotImplementedError

    def _fill_or_free(self) -> None:
        """The disk becomes full, or is freed."""
        now = self._world.now_ms()
        if not self._full and self._faults.happens(Fault.DISK_FULL, 0.0005):
            self._full_until = now + self._chance.randint(*_FULL_MS)
            self._fill()
        elif self._full and (now >= self._full_until or self._faults.over):
            self._free()

    def _fill(self) -> None:
        """From now on the disk is full whenever a row comes to some of the tables."""
        write = self.core.database.writer.execute
        named = write("SELECT name FROM sqlite_master WHERE type='table' AND name<>'filling' ORDER BY name")
        tables = [name for (name,) in named if not name.startswith("sqlite_")]
        self._full = self._chance.sample(tables, self._chance.randint(1, len(tables)))
        write(f"PRAGMA max_page_count={write('PRAGMA page_count').fetchone()[0] + _PAGES_LEFT}")
        for table in self._full:
            write(f"CREATE TEMP TRIGGER full_{table} AFTER INSERT ON main.{table} BEGIN {_FILLING}; END")

    def _free(self) -> None:
        write = self.core.database.writer.execute
        for table in self._full:
            write(f"DROP TRIGGER full_{table}")
        write(f"PRAGMA max_page_count={_PAGES_UNLIMITED}")
        self._full = []

    def power_cut(self) -> None:
        """The group being written reaches the file up to some byte; the file is opened anew. All processes are dead."""
        assert self._folder is not None
        before = self._wal_bytes()
        group = list(self._waiting)[: self._chance.randint(1, _GROUP_MAX)]
        self._waiting.clear()
        self._writing = False
        if group and not self._full:
            self._write_torn(group)
        after = self._wal_bytes()
        part = int(self._chance.random() * (after - before))  # as many draws however large a version's pages come out
        kept = self._chance.choice((before, after, before + part))
        source = Path(str(self._path()))
        self._file += 1
        target = Path(str(self._path()))
        shutil.copy(source, target)
        log = Path(f"{source}-wal")
        if log.exists():
            content = log.read_bytes()
            torn = bytes(byte ^ 0x5A for byte in content[kept : kept + self._chance.randrange(5_000)])
            Path(f"{target}-wal").write_bytes(content[:kept] + torn)
        self.core.close()
        self.core = self._open()
        self._full = []

    def _write_torn(self, group: Sequence[_Work]) -> None:
        raise NotImplementedError

    def _wal_bytes(self) -> int:
        path = Path(f"{self._path()}-wal")
        return path.stat().st_size if path.exists() else 0


_LogWork = tuple["ProcessLog", tuple[Record, ...], tuple[Move, ...], LogDone | None]


class LogStore(Store[SqliteLogCore, _LogWork]):
    """The log that all processes share."""

    def __init__(
        self, process: Process, folder: Path | None, wrote: Callable[[Sequence[Stored]], None], partitions: int = 1
    ) -> None:
        self._wrote = wrote
        self.readers: list[ProcessLog] = []
        self._recent: dict[Part, list[Stored]] = {}
        """What was appended last, one offset after the other."""
        self._newest: dict[tuple[Part, str], int] = {}
        """Of compacted topics: the offset of each key's last record."""
        super().__init__("log", process, folder, lambda path: SqliteLogCore(path, process.world.new_id, partitions))

    def _write(self, group: Sequence[_LogWork]) -> None:
        records = [record for _, work, _, _ in group for record in work]
        moves = [move for _, _, moved, _ in group for move in moved]
        try:
            stored = self.core.append(records, moves, self._world.now_ms())
        except sqlite3.OperationalError as error:
            for driver, _, _, done in group:
                driver.deliver(done, LogUnavailable(str(error)))
            return
        for move in moves:
            self.core.advance(move)
        self._wrote(stored)
        start = 0
        for driver, work, _, done in group:
            driver.deliver(done, [record.offset for record in stored[start : start + len(work)]])
            start += len(work)
        self._remember(stored)
        parts = {(record.topic, record.partition) for record in stored}
        for reader in tuple(self.readers):
            reader.appended(parts)

    def _remember(self, stored: Sequence[Stored]) -> None:
        for record in stored:
            part = (record.topic, record.partition)
            recent = self._recent.setdefault(part, [])
            if len(recent) >= 2 * _RECENT:
                del recent[:_RECENT]
            recent.append(record)
            if record.topic in COMPACTED:
                self._newest[part, record.key] = record.offset

    def page(self, part: Part, after: int, limit: int) -> list[Stored]:
        """What ``read_of`` says; of what was appended lately without asking the file, which the tails of the embedded
        log do not ask for it either."""
        recent = self._recent.get(part)
        if not recent or after < recent[0].offset - 1:
            return self.core.read_of(part, after, limit)
        start = after + 1 - recent[0].offset
        if part[0] not in COMPACTED:
            return recent[start : start + limit]
        newest = self._newest
        there = (one for one in recent[start:] if one.value and newest[part, one.key] == one.offset)
        return list(islice(there, limit))

    def power_cut(self) -> None:
        """See ``Store``: what the file holds is read from it again."""
        self._recent, self._newest = {}, {}
        super().power_cut()

    def _write_torn(self, group: Sequence[_LogWork]) -> None:
        self.core.append([record for _, work, _, _ in group for record in work], (), self._world.now_ms())


class ProcessLog(LogReads, PartitionedLog):
    """The log's port of one incarnation of a process."""

    def __init__(self, store: LogStore, process: Process, heard: Callable[[Sequence[Stored]], None]) -> None:
        core = store.core
        self._store, self._process, self._heard = store, process, heard
        self._incarnation = process.incarnation
        self._clock = ProcessClock(process)
        self._database: Database = core.database
        self._next, self._epochs, self.count = core._next, core._epochs, core.count
        self._positions = dict(core._positions)
        self._moves: dict[tuple[str, Part], int] = {}
        self._tails: list[_Tail] = []
        self._answers_at = 0
        store.readers = [reader for reader in store.readers if reader.lives] + [self]

    @property
    def lives(self) -> bool:
        """Whether its incarnation does."""
        return self._process.lives_in(self._incarnation)

    def append(self, records: Sequence[Record], done: LogDone | None = None) -> None:
        """See ``Log.append``."""
        self._process.risk()
        moves = tuple((group, part, offset) for (group, part), offset in self._moves.items())
        self._moves.clear()
        self._store.submit((self, tuple(records), moves, done))
        self._process.risk()

    def deliver(self, done: LogDone | None, outcome: list[int] | LogUnavailable) -> None:
        """Hand an outcome to the room, in order."""
        if done is None:
            assert not isinstance(outcome, LogUnavailable), outcome
            return
        if not self.lives:
            return
        now = self._process.world.now_ms()
        self._answers_at = max(self._answers_at, now + self._store.near())
        self._process.world.call_later(self._answers_at - now, self._process.bound(lambda: done(outcome)))

    def advance_of(self, group: str, part: Part, offset: int) -> None:
        """See ``Log.advance``: travels with the next append of this process."""
        self._positions[group, part] = offset
        self._moves[group, part] = offset

    def tail_of(self, part: Part, after: int | None, hear: Hear) -> "_Tail":
        """See ``Log.tail``."""
        tail = _Tail(self, part, self.end_of(part) if after is None else after, hear)
        self._tails.append(tail)
        tail.wake()
        return tail

    def lag(self, topic: Topic) -> None:
        """The reader of a topic falls behind now, for a moment, by less than what it would take for silence."""
        chance = self._process.faults.stream(Fault.DELAY)
        for tail in self._tails:
            if tail.part[0] == topic:
                tail.lag(chance.randint(*_SHORT_LAG_MS), _MOMENT_MS)

    def appended(self, parts: set[Part]) -> None:
        """Something was appended."""
        if self.lives:
            for tail in self._tails:
                if tail.part in parts:
                    tail.wake()


class _Tail:
    """One reader: pages from the store, sometimes late, sometimes again."""

    def __init__(self, log: ProcessLog, part: Part, after: int, hear: Hear) -> None:
        self._log, self.part, self._after, self._hear = log, part, after, hear
        self._woken = self._cancelled = False
        self._late_ms = self._late_until = 0

    def cancel(self) -> None:
        """Hear no more."""
        if not self._cancelled:
            self._cancelled = True
            self._log._tails.remove(self)

    def wake(self) -> None:
        """There may be more."""
        if self._woken or self._cancelled:
            return
        self._woken = True
        process, store = self._log._process, self._log._store
        process.world.call_later(store.near(), process.bound(self._pump))

    def _lag(self) -> int:
        """Milliseconds by which this reader is behind: for a while it gets everything, but late."""
        process = self._log._process
        now = process.world.now_ms()
        if process.faults.over or now >= self._late_until:
            self._late_ms = 0
        if process.faults.happens(Fault.DELAY, 0.0008):
            chance = process.faults.stream(Fault.DELAY)
            self.lag(chance.randint(*chance.choice((_LAG_MS, _SHORT_LAG_MS))), chance.randint(*_LAGS_FOR_MS))
        return self._late_ms

    def lag(self, late_ms: int, for_ms: int) -> None:
        """Be given everything late from now on, for a while."""
        self._late_ms, self._late_until = late_ms, self._log._process.world.now_ms() + for_ms

    def _pump(self) -> None:
        self._woken = False
        if self._cancelled:
            return
        process, chance = self._log._process, self._log._store._chance
        after = self._after
        if process.faults.happens(Fault.DUPLICATE, 0.01):
            after = max(-1, after - process.faults.stream(Fault.DUPLICATE).randint(1, 40))
        limit = chance.choice((1, 2, _PAGE_MAX)) + max(0, self._after - after)
        page = self._log._store.page(self.part, after, limit)
        if (lag := self._lag()) and page:
            ripe = process.world.now_ms() - lag
            if page[-1].at_ms > ripe and not self._woken:
                self._woken = True
                process.world.call_later(max(1, min(lag, page[-1].at_ms - ripe)), process.bound(self._pump))
            page = [record for record in page if record.at_ms <= ripe]
        if not page:
            return
        self._after = max(self._after, page[-1].offset)
        if len(page) >= limit:
            self.wake()
        self._log._heard(page)
        self._hear(page)


_LedgerWork = tuple["ProcessLedger", tuple[Command, ...], Prepared, LedgerDone]
Wrote = Callable[[Sequence[Command], Sequence[Answer]], None]


class LedgerStore(Store[SqliteLedgerCore, _LedgerWork]):
    """The ledger that all processes share. Most pages of settlements are worked out when they are asked for, and may
    have been overtaken when their turn comes."""

    def __init__(self, process: Process, folder: Path | None, wrote: Wrote) -> None:
        self._wrote = wrote
        self.listeners: list[tuple[Process, Callable[[], None]]] = []
        self._aside = process.world.random("store/ledger/aside")
        self._snapshots: tuple[Database, Snapshots] | None = None
        super().__init__("ledger", process, folder, SqliteLedgerCore)

    def prepare(self, commands: Sequence[Command]) -> tuple[Prepared, int]:
        """What a page comes to now, and the milliseconds until that is said."""
        if (page := only_page(commands)) is None or self._aside.random() >= _WORKED_OUT:
            return UNPREPARED, 0
        database = self.core.database
        if self._snapshots is None or self._snapshots[0] is not database:
            self._snapshots = database, Snapshots(database.reader)
        worked = self._snapshots[1].work_out(Question(page, self.core.decided))
        return Prepared(worked=worked), self._aside.randint(*self._aside.choice((_NEAR_MS, _ASIDE_MS)))

    def _write(self, group: Sequence[_LedgerWork]) -> None:
        (_, first, prepared, _), *others = group
        joined = [command for _, work, _, _ in others for command in work]
        before = self.core.last_fact
        try:
            answers = self.core.commit_joined(Batch(first, prepared, lambda: joined)).answers
        except sqlite3.OperationalError as error:
            for driver, _, _, done in group:
                driver.deliver(done, LedgerUnavailable(str(error)))
            return
        self._wrote([*first, *joined], answers)
        start = 0
        for driver, work, _, done in group:
            driver.deliver(done, answers[start : start + len(work)])
            start += len(work)
        if self.core.last_fact > before:
            self.listeners = [(process, heard) for process, heard in self.listeners if process.alive]
            for process, heard in self.listeners:
                process.world.call_later(self.near(), heard)

    def _write_torn(self, group: Sequence[_LedgerWork]) -> None:
        self.core.commit([command for _, work, _, _ in group for command in work])


class ProcessLedger(LedgerReads):
    """The ledger's port of one incarnation of a process."""

    def __init__(self, store: LedgerStore, process: Process, sealed: Callable[[Sequence[Command]], None]) -> None:
        self._store, self._process, self._sealed = store, process, sealed
        self._clock, self._incarnation = ProcessClock(process), process.incarnation
        self._database: Database = store.core.database
        self._answers_at = self._slow_until = 0

    def commit(self, commands: Sequence[Command], done: LedgerDone) -> None:
        """See ``Ledger.commit``."""
        self._process.risk()
        self._sealed(commands)
        prepared, way_ms = self._store.prepare(commands)
        work, world = (self, tuple(commands), prepared, done), self._process.world
        if world.now_ms() < self._slow_until:
            way_ms += self._process.faults.stream(Fault.SLOW_LEDGER).randint(*_SLOW_MS)
        if way_ms:
            world.call_later(way_ms, lambda: self._arrive(work))
        else:
            self._store.submit(work)
        self._process.risk()

    def _arrive(self, work: _LedgerWork) -> None:
        """A batch has been on its way for long; its process may be gone by now. A power cut in between loses it."""
        if self._store.core.database is self._database:
            self._store.submit(work)

    def slow(self) -> None:
        """For a moment a batch of this process takes seconds to reach the ledger, while others' arrive at once."""
        self._slow_until = self._process.world.now_ms() + _MOMENT_MS

    def deliver(self, done: LedgerDone, outcome: Sequence[Answer] | LedgerUnavailable) -> None:
        """Hand an outcome to the room, in order. What was slow on its way may find its process started again."""
        process, now = self._process, self._process.world.now_ms()
        if not process.lives_in(self._incarnation):
            return
        self._answers_at = max(self._answers_at, now + self._store.near())

        def arrive() -> None:
            if process.name.startswith("gate") and process.faults.happens(Fault.CRASH_ANSWERING, 0.004):
                raise Crash
            done(outcome)

        process.world.call_later(self._answers_at - now, process.bound(arrive))

    def listen(self, heard: Callable[[], None]) -> None:
        """See ``Ledger.listen``."""
        self._store.listeners.append((self._process, self._process.bound(heard)))

    def account(self, account: str) -> AccountView | None:
        """See ``Ledger.account``."""
        return self.account_at(account, self._clock.now_ms())
