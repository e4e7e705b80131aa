"""Drivers without threads: the synchronous cores of the embedded backends, called inline under a virtual clock."""

import sqlite3
from collections.abc import Callable, Sequence

from matchday.backends.ledger_sqlite import Done as LedgerDone
from matchday.backends.ledger_sqlite import SqliteLedgerCore
from matchday.backends.ledger_sqlite_reads import LedgerReads
from matchday.backends.log_sqlite import LogReads, SqliteLogCore, Tail, by_part
from matchday.backends.partitions import Done as LogDone
from matchday.backends.partitions import Hear, Part, PartitionedLog
from matchday.model.ledger import AccountView, Command
from matchday.ports import Clock, LedgerUnavailable, LogUnavailable, Record, Stored


class InlineLog(LogReads, PartitionedLog):
    """The log's port over its core: appended at once, heard by a call of the clock."""

    def __init__(self, core: SqliteLogCore, clock: Clock) -> None:
        self._core, self.count = core, core.count
        self._database, self._positions, self._epochs = core.database, core._positions, core._epochs
        self._next = core._next
        self._clock = clock
        self._tails: dict[Part, list[Tail]] = {}

    def append(self, records: Sequence[Record], done: LogDone | None = None) -> None:
        """See ``Log.append``."""
        try:
            stored = self._core.append(records, (), self._clock.now_ms())
        except sqlite3.OperationalError as error:
            if done is None:
                raise
            failure = LogUnavailable(str(error))
            self._clock.call_later(0, lambda: done(failure))
            return
        self._clock.call_later(0, lambda: self._appended(stored, done))

    def advance_of(self, group: str, part: Part, offset: int) -> None:
        """See ``Log.advance``."""
        self._core.advance((group, part, offset))

    def tail_of(self, part: Part, after: int | None, hear: Hear) -> Tail:
        """See ``Log.tail``."""
        tail = Tail(part, self.end_of(part) if after is None else after, hear)
        self._tails.setdefault(part, []).append(tail)

        def catch_up() -> None:
            if tail.catch_up(self):
                self._clock.call_later(0, catch_up)

        self._clock.call_later(0, catch_up)
        return tail

    def _appended(self, stored: Sequence[Stored], done: LogDone | None) -> None:
        if done is not None:
            done([record.offset for record in stored])
        for part, records in by_part(stored).items():
            for tail in tuple(self._tails.get(part, ())):
                if tail.caught_up:
                    tail.give(records)


class InlineLedger(LedgerReads):
    """The ledger's port over its core: committed at once, answered by a call of the clock."""

    def __init__(self, core: SqliteLedgerCore, clock: Clock) -> None:
        self._core = core
        self._database = core.database
        self._clock = clock
        self._listeners: list[Callable[[], None]] = []

    def commit(self, commands: Sequence[Command], done: LedgerDone) -> None:
        """See ``Ledger.commit``."""
        before = self._core.last_fact
        try:
            answers = self._core.commit(commands)
        except sqlite3.OperationalError as error:
            failure = LedgerUnavailable(str(error))
            self._clock.call_later(0, lambda: done(failure))
            return
        said = self._core.last_fact > before

        def call() -> None:
            done(answers)
            if said:
                for heard in self._listeners:
                    heard()

        self._clock.call_later(0, call)

    def listen(self, heard: Callable[[], None]) -> None:
        """See ``Ledger.listen``."""
        self._listeners.append(heard)

    def account(self, account: str) -> AccountView | None:
        """See ``Ledger.account``."""
        return self.account_at(account, self._clock.now_ms())
