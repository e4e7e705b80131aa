"""The ledger on SQLite: the embedded backend.

``SqliteLedgerCore`` is synchronous: one batch, one transaction, the rules of ``model/posting`` over rows loaded by a
few statements and written once. ``SqliteLedger`` drives it from a thread of its own and implements the port.
It gives up more than one machine, and a standby; nothing else.
"""

import contextlib
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from matchday.backends.checkpointer import Checkpointer
from matchday.backends.ledger_sqlite_reads import LedgerReads, placed_bets
from matchday.backends.ledger_sqlite_rows import RowStore
from matchday.backends.sqlite import Database
from matchday.backends.writer import Post, Writer
from matchday.config import Storage
from matchday.model.ledger import ID_MEMORY_MS, AccountView, Answer, Command, SettleBet, SettleBets
from matchday.model.posting import PlacedBet, apply
from matchday.ports import Clock, LedgerUnavailable

_SCHEMA: Final = tuple(Path(__file__).with_name(f"ledger_sqlite{suffix}.sql") for suffix in ("", "_2", "_3", "_4"))


class SqliteLedgerCore(LedgerReads):
    """The synchronous core: what a commit and a read do, without thread or clock."""

    def __init__(self, path: Path | str) -> None:
        self._database = Database(path, [script.read_text() for script in _SCHEMA])
        self._rows = RowStore(self._database.writer)

    def close(self) -> None:
        """Give up the file."""
        self._database.close()

    # --- writing ------------------------------------------------------------------------------------------------------

    def commit(self, commands: Sequence[Command]) -> list[Answer]:
        """Apply in order, in one transaction. sqlite3.Error: nothing of the batch is recorded."""
        return self.commit_read(commands, {})

    def commit_read(self, commands: Sequence[Command], read: Mapping[int, PlacedBet]) -> list[Answer]:
        """The same, where bets to be settled have been read before, as they were placed."""
        try:
            with self._database.transaction():
                rows, players = self._rows.load(commands, read)
                answers = [apply(command, rows) for command in commands]
                self._rows.save(rows, players, commands)
        except BaseException:
            self._rows.forget()
            raise
        self._rows.next_entry, self._rows.next_fact = rows.next_entry, rows.next_fact
        return answers

    def went_in(self) -> bool:
        """Whether the last commit, though it failed, is in the file after all."""
        newest = self._database.writer.execute("SELECT coalesce(max(entry), 0) FROM entries").fetchone()[0]
        return bool(newest >= self._rows.next_entry)

    def purge(self, now_ms: int) -> None:
        """Forget refusals that are older than their memory; some other time where the file takes nothing now."""
        with contextlib.suppress(sqlite3.OperationalError), self._database.transaction() as db:
            db.execute("DELETE FROM known WHERE refusal IS NOT NULL AND at_ms < ?", (now_ms - ID_MEMORY_MS,))

    @property
    def last_fact(self) -> int:
        """``seq`` of the newest fact."""
        return self._rows.next_fact - 1

    @property
    def database(self) -> Database:
        """For those who share its reads."""
        return self._database


Done = Callable[[Sequence[Answer] | LedgerUnavailable], None]
_Work = tuple[tuple[Command, ...], dict[int, PlacedBet], Done]


def _size(command: Command) -> int:
    return len(command.numbers) if isinstance(command, SettleBets) else 1


class SqliteLedger(LedgerReads):
    """The port: group commit on a thread of its own, reads on the caller's."""

    def __init__(
        self,
        core: SqliteLedgerCore,
        clock: Clock,
        post: Post,
        settings: Storage,
        fatal: Callable[[BaseException], None],
    ) -> None:
        self._core = core
        self._database = core.database
        self._clock = clock
        self._listeners: list[Callable[[], None]] = []
        self._checkpointer = Checkpointer(core.database, "ledger")
        self._writer: Writer[_Work] = Writer(
            "ledger", self._write, lambda work: sum(map(_size, work[0])), settings.batch_max, post, fatal
        )

    def close(self) -> None:
        """Write what is waiting and stop."""
        self._writer.close()
        self._checkpointer.close()

    def purge(self, now_ms: int) -> None:
        """Forget refusals that are older than their memory, soon."""
        self._writer.do(lambda: self._core.purge(now_ms))

    def commit(self, commands: Sequence[Command], done: Done) -> None:
        """See ``Ledger.commit``."""
        yields = all(isinstance(command, SettleBet | SettleBets) for command in commands)
        self._writer.submit((tuple(commands), self._read_ahead(commands), done), yields=yields)

    def _read_ahead(self, commands: Sequence[Command]) -> dict[int, PlacedBet]:
        """What never changes of bets to be settled: read here, it need not be while others wait for the writer."""
        numbers = [number for command in commands if isinstance(command, SettleBets) for number in command.numbers]
        try:
            return placed_bets(self._database.reader, numbers) if numbers else {}
        except sqlite3.OperationalError:  # the writer reads it, or says why not
            return {}

    def listen(self, heard: Callable[[], None]) -> None:
        """See ``Ledger.listen``."""
        self._listeners.append(heard)

    def _write(self, group: Sequence[_Work]) -> Callable[[], None]:
        """On the writer's thread: one transaction for the whole group."""
        commands = [command for work, _, _ in group for command in work]
        read = {number: placed for _, placed_bets, _ in group for number, placed in placed_bets.items()}
        before = self._core.last_fact
        try:
            answers = self._core.commit_read(commands, read)
        except sqlite3.Error as error:
            if isinstance(error, sqlite3.IntegrityError) or self._core.went_in():
                raise
            failure = LedgerUnavailable(str(error))

            def refuse() -> None:
                for _, _, done in group:
                    done(failure)

            return refuse
        self._checkpointer.wrote()
        said = self._core.last_fact > before

        def call() -> None:
            start = 0
            for work, _, done in group:
                done(answers[start : start + len(work)])
                start += len(work)
            if said:
                for heard in self._listeners:
                    heard()

        return call

    def account(self, account: str) -> AccountView | None:
        """See ``Ledger.account``."""
        return self.account_at(account, self._clock.now_ms())
