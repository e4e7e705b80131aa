"""The ledger on PostgreSQL: for more than one machine, and with a standby.

``Committer`` makes one writer's commits: one batch, one transaction, the rules of ``model/posting`` over rows that are
locked and loaded in one round trip and written, with the commit, in a second one (``ledger_postgres_rows`` has what is
locked and why that is enough). ``PostgresLedger`` drives several of them and implements the port.

*What is known of a commit.* Before its second round trip nothing is recorded: a server that cannot be reached, a lock
or a disk that is not to be had is ``LedgerUnavailable``. Conflicts with other processes (a deadlock, an id that was
inserted meanwhile) are tried again here. Once the second round trip is on its way and no answer comes, only the ledger
knows: the batch is sent again, to whichever server can then be written to, until it is answered. It finds its ids, or
it does not; it waits for the locks of the first attempt, should that still be under way; and it writes something itself
in any case, so that a synchronous standby that confirms the second attempt has the first. A commit whose wait for the
standby was cut short comes as a warning, and is sent again in the same way.

*News.* ``listen`` is told of this process's own commits at once and of those of others by a look at the outbox every
``outbox_ms``. Not by NOTIFY: a transaction that notifies takes a lock of the whole database until it is committed and
confirmed by the standby, which would put all commits one behind the other; and a fact that waits for
another batch to end becomes visible with no commit at all.
"""

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final, NamedTuple

import psycopg

from matchday.backends.errors import BackendError
from matchday.backends.ledger_postgres_reads import PostgresReads, Reader, certain
from matchday.backends.ledger_postgres_rows import COMMANDS_MAX, NUMBERS, RowStore, Working, size_of
from matchday.backends.ledger_postgres_schema import prepare
from matchday.backends.postgres import Connection, conflict, connect, lost, no_room, said, where
from matchday.backends.postgres_trip import Trip, rows_of
from matchday.backends.writer import Post
from matchday.backends.writers import Writers
from matchday.config import Postgres
from matchday.model.ledger import REFUSALS_MS, AccountView, Answer, Command, SettleBet, SettleBets
from matchday.model.posting import account_of, apply
from matchday.ports import Clock, LedgerUnavailable

_log = logging.getLogger(__name__)
CONFLICTS_MAX: Final = 20
"""Attempts at a batch that others were in the way of; then it is ``LedgerUnavailable``."""
_SHARDS: Final = 1_024
"""Writers that have rows of their own of the house's accounts; further ones share one."""
_SHARD: Final = (
    "SELECT n FROM generate_series(1, %s) n WHERE pg_try_advisory_lock(%s, n) LIMIT 1"  # tried one after the other
)
_SHARD_LOCK: Final = 0x6D61_7463
_PURGED_MAX: Final = 5_000
"""Refusals that are forgotten in one transaction."""
_PURGE: Final = (
    "DELETE FROM known WHERE ctid = ANY(ARRAY("
    "SELECT ctid FROM known WHERE refusal IS NOT NULL AND at_ms < %s LIMIT %s))"
)
_ABOVE: Final = "SELECT setval('batches', greatest(last_value, %s)) FROM batches"
_NEWS: Final = "SELECT FROM facts WHERE seq > %s AND seq <= %s LIMIT 1"
_NOWHERE: Final = 2**62
"""A place in the write-ahead log that no standby has come to."""
_PLACE: Final = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint"
Done = Callable[[Sequence[Answer] | LedgerUnavailable], None]


class _Unknown(Exception):
    """Nobody here knows whether a commit was made."""


class _Conflict(Exception):
    """Somebody else was in the way: nothing is recorded, and it may be different now."""


class Stopped(Exception):
    """The process ends before it is known what became of a commit: nobody is answered."""


class Committer:
    """One writer's connection and its commits; used by one thread."""

    def __init__(self, settings: Postgres, stopped: threading.Event) -> None:
        self._settings, self._stopped = settings, stopped
        self._store = RowStore()
        self._db: Connection | None = None
        self._writer = 0
        self._proven = False
        """Whether a commit was made over this connection."""
        self.place = 0
        """Where in the write-ahead log its last commit ends, if there is a standby to be read from."""
        self.said = False
        """Whether its last commit added facts."""

    def close(self) -> None:
        """Give up the connection."""
        if self._db is not None:
            self._db.close()
            self._db = None

    def commit(self, commands: Sequence[Command]) -> list[Answer]:
        """Apply in order, in one transaction. LedgerUnavailable: nothing of it is recorded."""
        unknown, conflicts = False, 0
        while True:
            try:
                return self._attempt(commands)
            except _Unknown as error:
                unknown = True
                _log.warning("ledger: a commit of %d commands is sent again, as %s", len(commands), error)
            except _Conflict as error:
                conflicts += 1
                if conflicts < CONFLICTS_MAX:
                    continue
                if isinstance(error.__cause__, psycopg.errors.UniqueViolation):
                    raise error.__cause__ from None  # nobody was first: it is ours that is not unique
                if not unknown:
                    raise LedgerUnavailable(str(error)) from error
            except LedgerUnavailable:
                if not unknown:
                    raise
            if self._stopped.wait(self._settings.retry_ms / 1_000):
                raise Stopped

    def _attempt(self, commands: Sequence[Command]) -> list[Answer]:
        db = self._connected()
        try:
            work = self._store.load(db, commands)
            answers = [apply(command, work.rows) for command in commands]
        except psycopg.Error as error:
            raise self._taken_back(db, error) from error
        except BaseException:
            self.close()  # and with it the transaction
            raise
        self._write(db, work, commands)
        self.said = bool(work.rows.new_facts)
        return answers

    def _write(self, db: Connection, work: Working, commands: Sequence[Command]) -> None:
        """Write what the rules changed and commit it."""
        db.warned, trip, place, committed = "", Trip(db), None, None
        try:
            self._store.save(trip, work, commands, self._writer)
            trip.ask("SET LOCAL statement_timeout = 0")  # ended in its wait for a standby, a commit would stand
            committed = trip.ask("COMMIT")
            place = trip.ask(_PLACE) if self._settings.standby else None
            trip.go()
        except psycopg.Error as error:
            if lost(error, db):
                self.close()
                raise _Unknown(said(error)) from error
            if committed is None or committed.result is None:
                raise self._taken_back(db, error) from error
            _log.warning("ledger: where a commit ends is not known, so that the standby is not read: %s", said(error))
        except BaseException:
            self.close()  # and with it the transaction
            raise
        if db.warned:
            raise _Unknown(f"the server warned: {db.warned}")
        self._proven = True
        if place is not None:
            self.place = _NOWHERE if place.result is None else place.rows()[0][0]

    def _connected(self) -> Connection:
        if self._db is None or self._db.closed:
            try:
                self._db = connect(self._settings.address, self._settings)
                self._store.forget()  # it may be another server, without what was written last
                found = self._db.execute(_SHARD, (_SHARDS, _SHARD_LOCK)).fetchone()
            except psycopg.Error as error:
                self.close()
                raise LedgerUnavailable(said(error)) from error
            self._writer, self._proven = found[0] if found is not None else 0, False
        return self._db

    def _taken_back(self, db: Connection, error: psycopg.Error) -> Exception:
        """Nothing of it is recorded; what that means for the caller."""
        if lost(error, db):
            self.close()
            # One that was good once: another server may have taken its place.
            return _Conflict(said(error)) if self._proven else LedgerUnavailable(said(error))
        try:
            rows_of(db, "ROLLBACK")
        except psycopg.Error:
            self.close()
        if conflict(error):
            return _Conflict(said(error))
        return LedgerUnavailable(said(error)) if no_room(error) else error

    def purge(self, now_ms: int) -> None:
        """Forget refusals that are older than their memory, some at a time; later where that cannot be now."""
        with contextlib.suppress(psycopg.Error, LedgerUnavailable):
            while not self._stopped.is_set():
                found = self._connected().execute(_PURGE, (now_ms - REFUSALS_MS, _PURGED_MAX))
                if found.rowcount < _PURGED_MAX:
                    break


def opened(settings: Postgres) -> Reader:
    """See that the ledger is there, of a version that is known, and this platform's; what then reads it. BackendError:
    what to do."""
    try:
        with contextlib.closing(connect(settings.address, settings)) as connection:
            id_ = prepare(connection, settings)
        reader = Reader(settings.address, settings)
        reader.ledger_id = id_
        return reader
    except psycopg.Error as error:
        raise BackendError(
            f"the ledger {where(settings.address)} cannot be reached: {said(error)}; start it, or set "
            "MATCHDAY_POSTGRES_ADDRESS to where it is"
        ) from error


class PostgresLedgerCore(PostgresReads):
    """One committer and reads on the caller's thread, without a clock."""

    def __init__(self, settings: Postgres) -> None:
        self._reader, self._settings = opened(settings), settings
        self._stopped = threading.Event()
        self._committer = Committer(settings, self._stopped)
        self._standby = Reader(settings.standby, settings, standby=True) if settings.standby else None
        self._place = lambda: self._committer.place

    def commit(self, commands: Sequence[Command]) -> list[Answer]:
        """See ``Committer.commit``."""
        return self._committer.commit(commands)

    def purge(self, now_ms: int) -> None:
        """Forget refusals that are older than their memory."""
        self._committer.purge(now_ms)

    def number_above(self, number: int) -> None:
        """Give entries and facts numbers above this one from now on: those up to it were given before, by a ledger that
        this one was restored from. psycopg.Error: it cannot be said now."""
        with contextlib.closing(connect(self._settings.address, self._settings)) as db:
            db.execute(_ABOVE, (-(-number // NUMBERS),))

    def close(self) -> None:
        """Give up the connections."""
        self._stopped.set()
        self._committer.close()
        self._reader.close()
        if self._standby is not None:
            self._standby.close()


class _Work(NamedTuple):
    commands: tuple[Command, ...]
    done: Done


def _size(work: _Work) -> int:
    return size_of(work.commands)


def _keys(work: _Work) -> set[str]:
    return {account_of(command) for command in work.commands}


def _yields(commands: Sequence[Command]) -> bool:
    return all(isinstance(command, SettleBet | SettleBets) for command in commands)


def _refuse(written: Sequence[_Work], failure: LedgerUnavailable) -> None:
    for work in written:
        work.done(failure)


class PostgresLedger(PostgresReads):
    """The port: group commits on threads of their own, those of an account in order; reads on the caller's."""

    def __init__(
        self, settings: Postgres, clock: Clock, post: Post, fatal: Callable[[BaseException], None]
    ) -> None:  # fmt: skip
        self._reader = opened(settings)
        self._settings, self._clock, self._post = settings, clock, post
        self._stopped = threading.Event()
        self._listeners: list[Callable[[], None]] = []
        self._listening: threading.Thread | None = None
        self._standby = Reader(settings.standby, settings, standby=True) if settings.standby else None
        self._committers = [Committer(settings, self._stopped) for _ in range(settings.writers)]
        self._place = lambda: max(committer.place for committer in self._committers)
        self._writers: Writers[_Work] = Writers(
            "ledger", settings.writers, self._write, _size, _keys, settings.batch_max, post, fatal
        )

    @property
    def id(self) -> str:
        """The ledger's own, which no other has."""
        return self._reader.ledger_id

    def close(self) -> None:
        """Write what is waiting and stop. What is sent again and again, as the server is gone, is left unanswered."""
        self._writers.close(self._stopped.set)
        self._stopped.set()
        if self._listening is not None:
            self._listening.join()
        for committer in self._committers:
            committer.close()
        self._reader.close()
        if self._standby is not None:
            self._standby.close()

    def purge(self, now_ms: int) -> None:
        """Forget refusals that are older than their memory, soon."""
        self._writers.do(lambda number: self._committers[number].purge(now_ms))

    def commit(self, commands: Sequence[Command], done: Done) -> None:
        """See ``Ledger.commit``."""
        if (size := size_of(commands)) > COMMANDS_MAX:
            raise ValueError(f"a commit of {size} commands; {COMMANDS_MAX} are the most")
        self._writers.submit(_Work(tuple(commands), done), yields=_yields(commands))

    def _write(self, number: int, group: Sequence[_Work]) -> Callable[[], None]:
        committer = self._committers[number]
        commands = [command for work in group for command in work.commands]
        try:
            answers = committer.commit(commands)
        except LedgerUnavailable as failure:
            return partial(_refuse, group, failure)
        except Stopped:
            return lambda: None
        return partial(self._answer, group, answers, said=committer.said)

    def _answer(self, written: Sequence[_Work], answers: Sequence[Answer], *, said: bool) -> None:
        start = 0
        for work in written:
            work.done(answers[start : start + len(work.commands)])
            start += len(work.commands)
        if said:
            self._tell()

    def _tell(self) -> None:
        for heard in self._listeners:
            heard()

    def listen(self, heard: Callable[[], None]) -> None:
        """See ``Ledger.listen``."""
        self._listeners.append(heard)
        if self._listening is None:
            self._listening = threading.Thread(target=self._look, name="ledger-outbox", daemon=True)
            self._listening.start()

    def _look(self) -> None:
        """Into the outbox, now and again, on a connection of its own."""
        seen, reader = 0, Reader(self._settings.address, self._settings, waits=True)
        while not self._stopped.wait(self._settings.outbox_ms / 1_000):
            with contextlib.suppress(LedgerUnavailable), reader.connection() as db:
                with db.pipeline():
                    newest = certain(db)()
                if newest > seen and db.execute(_NEWS, (seen, newest)).fetchall():
                    with contextlib.suppress(RuntimeError):  # the loop is closed
                        self._post(self._tell)
                seen = newest
        reader.close()

    def account(self, account: str) -> AccountView | None:
        """See ``Ledger.account``."""
        return self.account_at(account, self._clock.now_ms())


@contextlib.contextmanager
def postgres_ledger(
    settings: Postgres, clock: Clock, post: Post, fatal: Callable[[BaseException], None]
) -> Iterator[PostgresLedger]:
    """The ledger of an address, its schema brought up to date, until the block ends. BackendError: it cannot be."""
    with contextlib.closing(PostgresLedger(settings, clock, post, fatal)) as ledger:
        yield ledger
