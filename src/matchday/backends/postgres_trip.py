"""One round trip to PostgreSQL: statements that go out together and are answered together.

psycopg's pipeline hands each statement to the socket by itself, once the socket is writable, and the server wakes up
for each: half a millisecond of both sides' processor time for the dozen statements of a commit. Here they leave in one
piece and are read back in one, over libpq as psycopg wraps it (``psycopg.pq``), in libpq's pipeline mode. Each is
prepared once a connection; what is passed and what comes back is binary. A connection that makes trips must not roll
back by psycopg, which then has the server forget all that is prepared.

Owns nothing but the names of what a connection has prepared. Every error is psycopg's.
"""

import select
import struct
from collections.abc import Sequence
from typing import Any, Final

import psycopg
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus, Format
from psycopg.pq.abc import PGconn, PGresult

from matchday.backends.postgres import Column, Connection, plain

Value = Column | int | str
"""What is passed to a statement: a column of many rows, a number (a bigint) or a text."""
_Given = tuple[int, bytes]
"""Its type's number and its binary form."""
_INT8, _TEXT, _BOOL = 20, 25, 16
_int8: Final = struct.Struct("!q").pack
_FAILED: Final = (ExecStatus.FATAL_ERROR, ExecStatus.BAD_RESPONSE)


class Found:
    """What a statement brings, once the trip is made."""

    __slots__ = ("_db", "result")

    def __init__(self, db: Connection) -> None:
        self._db = db
        self.result: PGresult | None = None

    def rows(self) -> list[tuple[Any, ...]]:
        """All of its rows."""
        assert self.result is not None, "the trip was not made"
        loader = Transformer(self._db)
        loader.set_pgresult(self.result)
        return loader.load_rows(0, self.result.ntuples, tuple)


class Trip:
    """Statements that are collected, and go out together with ``go``."""

    def __init__(self, db: Connection) -> None:
        self._db = db
        self._asked: list[tuple[str, list[_Given], Found]] = []

    def ask(self, sql: str, *values: Value) -> Found:
        """Add a statement with ``$1`` and so on in the place of its values, which are of the same types each time."""
        found = Found(self._db)
        self._asked.append((sql, [_given(value) for value in values], found))
        return found

    def go(self) -> None:
        """Have them run, in their order; after one that fails, none. psycopg.Error: why that one failed, or what became
        of the connection, which is then closed."""
        pgconn = self._db.pgconn
        try:
            names = self._send(pgconn)
            answered = _answers(pgconn, self._db.patience_s)
            pgconn.exit_pipeline_mode()
        except BaseException:
            pgconn.finish()
            raise
        self._take(names, answered)

    def _send(self, pgconn: PGconn) -> list[tuple[str, bytes] | None]:
        """Of each answer that is to come: what it says is prepared, under which name, or None."""
        pgconn.enter_pipeline_mode()
        prepared, names = self._db.prepared, list[tuple[str, bytes] | None]()
        preparing: dict[str, bytes] = {}
        for sql, given, _ in self._asked:
            name = prepared.get(sql) or preparing.get(sql)
            if name is None:
                self._db.named += 1
                name = preparing[sql] = b"matchday_%d" % self._db.named
                pgconn.send_prepare(name, sql.encode(), [oid for oid, _ in given])
                names.append((sql, name))
            data = [data for _, data in given]
            pgconn.send_query_prepared(name, data, [Format.BINARY] * len(data), Format.BINARY)
            names.append(None)
        pgconn.pipeline_sync()
        return names

    def _take(self, names: Sequence[tuple[str, bytes] | None], answered: Sequence[PGresult]) -> None:
        founds = iter(self._asked)
        for name, result in zip(names, answered, strict=False):
            if result.status in _FAILED:
                raise error_from_result(result)
            if name is not None:
                self._db.prepared[name[0]] = name[1]
            else:
                next(founds)[2].result = result
        if len(answered) > len(names):  # that of a commit which comes with the end of the trip
            raise error_from_result(answered[-1])


def rows_of(db: Connection, sql: str, *values: Value) -> list[tuple[Any, ...]]:
    """A trip of one statement: its rows."""
    trip = Trip(db)
    found = trip.ask(sql, *values)
    trip.go()
    return found.rows()


def _given(value: Value) -> _Given:
    if isinstance(value, Column):
        return value.oid, value.data
    if isinstance(value, str):
        return _TEXT, plain(value).encode(errors="replace")
    return (_BOOL, b"\1" if value else b"\0") if isinstance(value, bool) else (_INT8, _int8(value))


def _answers(pgconn: PGconn, patience_s: float) -> list[PGresult]:
    """One for each statement; those after one that failed say that they were not run."""
    poll, patience_ms = select.poll(), 1_000 * patience_s
    poll.register(pgconn.socket, select.POLLIN | select.POLLOUT)
    found: list[PGresult] = []
    try:
        while pgconn.flush():
            _wait(poll, patience_ms)
            pgconn.consume_input()  # what the server says meanwhile, so that it goes on reading
        poll.modify(pgconn.socket, select.POLLIN)
        while True:
            while pgconn.is_busy():
                _wait(poll, patience_ms)
                pgconn.consume_input()
            result = pgconn.get_result()
            if result is None and pgconn.status == ConnStatus.BAD:
                raise psycopg.OperationalError(pgconn.get_error_message())
            if result is None:  # the end of one statement's
                continue
            if result.status == ExecStatus.PIPELINE_SYNC:
                return found
            found.append(result)
    except psycopg.OperationalError:
        for result in found:
            if result.status in _FAILED:  # it said why before it hung up
                raise error_from_result(result) from None
        raise


def _wait(poll: select.poll, patience_ms: float) -> None:
    if not poll.poll(patience_ms):
        raise psycopg.OperationalError(f"the server was silent for {patience_ms / 1_000:g} s")
