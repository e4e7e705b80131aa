"""SQLite files as embedded backends use them: for one process, durable before anybody is told, of a known version."""

import contextlib
import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from io import FileIO
from itertools import chain
from pathlib import Path
from typing import IO, Any, Final

from matchday.backends.errors import BackendError

MEMORY = ":memory:"
_CACHE_KIB: Final = 16_384
"""KiB of pages that the writer keeps in memory."""
_WAL_PAGES_MAX: Final = 131_072
"""Pages of a write-ahead log (512 MB) from which on the writer moves itself what nobody else has, and begins it anew:
some 50 ms in which nobody is answered. While a big market is settled that is every ten seconds; at 64 MB it was every
one."""
_WAL_PAGES_NEAR: Final = _WAL_PAGES_MAX // 8 * 7
"""From then on whoever moves them hurries, so that little is left to the writer."""
_SIZES: Final = (256, 128, 64, 32, 16, 8, 4, 2, 1)
"""Rows, or keys, of one statement: few sizes, so that each is prepared once."""
_FITTING: Final = [max((size for size in _SIZES if size <= count), default=0) for count in range(_SIZES[0] + 1)]
_HOLDING: Final = [min(size for size in _SIZES if size >= count) for count in range(_SIZES[0] + 1)]
"""The largest that is not more than so many rows, and the smallest that holds so many keys."""


class Database:
    """One SQLite file with a writer's and a reader's connection.

    WAL with synchronous=FULL: a commit that returned is on the disk, unless that wait is left to somebody else. A lock
    file keeps a second process out. In memory both connections are the same one, and only one thread may use it.
    """

    def __init__(self, path: Path | str, schema: Sequence[str]) -> None:
        """``schema``: scripts of statements, each of which takes a file from one format to the next."""
        self._moving: sqlite3.Connection | None = None
        self._wal: FileIO | None = None
        """The write-ahead log, where somebody else waits for the disk."""
        self._syncing = threading.Lock()
        self._failed: OSError | None = None
        self._path: Path | None = None
        self._opened = contextlib.ExitStack()
        if path == MEMORY:
            self.writer = self.reader = sqlite3.connect(MEMORY, isolation_level=None)
            self._opened.callback(self.writer.close)
            self._prepare(schema, MEMORY)
            return
        self._path = path = Path(path)
        try:
            self._open(path, schema)
        except sqlite3.OperationalError as error:
            self.close()
            raise BackendError(
                f"{path}: {error}; the data folder must be writable, or choose another with --data DIR"
            ) from error
        except sqlite3.DatabaseError as error:
            self.close()
            raise BackendError(
                f"{path} is damaged or no database: {error}; restore it, or choose another --data DIR"
            ) from error
        except BackendError:
            self.close()
            raise

    def _open(self, path: Path, schema: Sequence[str]) -> None:
        self._opened.enter_context(_locked(path.with_suffix(".lock")))
        self.writer = self._connect(path)
        self.writer.execute("PRAGMA journal_mode=WAL")
        self.writer.execute("PRAGMA synchronous=FULL")
        self.writer.execute(f"PRAGMA cache_size={-_CACHE_KIB}")
        self._prepare(schema, str(path))
        self.reader = self.another_reader()

    @property
    def path(self) -> Path | None:
        """The file; none in memory."""
        return self._path

    def another_reader(self) -> sqlite3.Connection:
        """A connection that reads, for another thread; in memory it is the only one."""
        if self._path is None:
            return self.reader
        reader = self._connect(self._path)
        reader.execute("PRAGMA query_only=ON")
        return reader

    def _connect(self, path: Path) -> sqlite3.Connection:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
        self._opened.callback(connection.close)
        return connection

    def _prepare(self, schema: Sequence[str], name: str) -> None:
        version = len(schema)
        found = self.writer.execute("PRAGMA user_version").fetchone()[0]
        if found > version:
            raise BackendError(
                f"{name} was written by a newer Matchday (format {found}, this one knows {version}); "
                "run that release, or choose another --data DIR"
            )
        for number in range(found, version):
            with self.transaction():
                for statement in schema[number].split(";\n"):
                    if statement.strip():
                        self.writer.execute(statement)
                self.writer.execute(f"PRAGMA user_version={number + 1}")

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing; committed when left without an exception."""
        self.writer.execute("BEGIN IMMEDIATE")
        try:
            yield self.writer
            self.writer.execute("COMMIT")
        except BaseException:
            if self.writer.in_transaction:
                self.writer.execute("ROLLBACK")
            raise

    def leave_checkpoints(self) -> None:
        """Somebody else calls ``checkpoint``, on a thread of its own. The writer only does so where that lags behind,
        and begins the write-ahead log anew."""
        if self._path is None:
            return
        self._moving = self._connect(self._path)
        self._moving.execute("PRAGMA synchronous=FULL")
        self.writer.execute(f"PRAGMA wal_autocheckpoint={_WAL_PAGES_MAX}")

    def leave_syncs(self) -> None:
        """Commits do not wait for the disk any more: somebody else calls ``sync`` before anybody is told of them. What
        stands in the file is one moment's state all the same, whenever the power fails, and no commit without those
        before it: the write-ahead log is synced before it is moved, and before it begins anew (SQLite, "PRAGMA
        synchronous", NORMAL). What an earlier process may have left unsynced is durable when this returns."""
        if self._path is None:
            return
        self.writer.execute("PRAGMA synchronous=NORMAL")
        with self.transaction():
            pass  # from now on there is a write-ahead log
        self._move(self.writer, "TRUNCATE")
        name = self.writer.execute("PRAGMA database_list").fetchone()[2]  # where it really is: ours may be a link
        try:
            self._wal = self._opened.enter_context(FileIO(f"{name}-wal"))
        except OSError as error:
            raise BackendError(f"{name}-wal: {error.strerror}; restore it, or choose another --data DIR") from error
        self.sync()

    def sync(self) -> None:
        """Wait until everything that was committed is on the disk. OSError: nobody knows whether it is, then nor ever:
        the kernel says so once, and whoever asks again is told that all is well."""
        if self._wal is None:
            return
        with self._syncing:
            if self._failed is None:
                try:
                    os.fdatasync(self._wal.fileno())
                except OSError as error:
                    self._failed = error
            if self._failed is not None:
                raise self._failed

    def checkpoint(self) -> bool:
        """Move what was committed from the write-ahead log into the file; some other time where the disk is full.
        Whether it should be done again at once: the log will soon begin anew. sqlite3.OperationalError: the disk could
        not be waited for, and what was moved may be on it or not."""
        return self._moving is not None and self._move(self._moving, "PASSIVE") >= _WAL_PAGES_NEAR

    def _move(self, connection: sqlite3.Connection, how: str) -> int:
        """The pages of the log."""
        try:
            _, pages, _ = connection.execute(f"PRAGMA wal_checkpoint({how})").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname == "SQLITE_IOERR_FSYNC":
                raise
            return 0
        return int(pages)

    def close(self) -> None:
        """Give up the file."""
        self._opened.close()


def _locked(path: Path) -> IO[str]:
    try:
        file = path.open("w")
    except OSError as error:
        raise BackendError(
            f"{path.parent}: {error.strerror}; the data folder must be writable, or choose another with --data DIR"
        ) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise BackendError(
            f"data folder {path.parent} is in use by another Matchday; stop that one, or choose another with --data DIR"
        ) from None
    return file


def marks(count: int) -> str:
    """``?,?,?`` for a list of so many values."""
    return ",".join("?" * count)


def insert(db: sqlite3.Connection, into: str, rows: Sequence[Sequence[Any]], then: str = "") -> None:
    """``into`` with as many rows a statement as there are, and ``then`` after each (``ON CONFLICT …``)."""
    start, end = 0, len(rows)
    while start < end:
        size = _FITTING[min(end - start, _SIZES[0])]
        part = rows[start : start + size]
        db.execute(_inserting(into, len(part[0]), size, then), list(chain.from_iterable(part)))
        start += size


@lru_cache(maxsize=256)
def _inserting(into: str, width: int, size: int, then: str) -> str:
    return f"{into} {','.join([f'({marks(width)})'] * size)} {then}"


def each(db: sqlite3.Connection, sql: str, keys: Iterable[str | int]) -> list[Any]:
    """Rows of a statement with ``IN (%s)`` for all keys, some at a time."""
    ordered = sorted(set(keys))
    rows: list[Any] = []
    for start in range(0, len(ordered), _SIZES[0]):
        part = ordered[start : start + _SIZES[0]]
        size = _HOLDING[len(part)]
        part += part[-1:] * (size - len(part))
        rows += db.execute(_within(sql, size), part).fetchall()
    return rows


def each_pair(db: sqlite3.Connection, sql: str, keys: Iterable[tuple[int, int]]) -> list[Any]:
    """The same with ``VALUES %s`` for pairs."""
    ordered = sorted(keys)
    rows: list[Any] = []
    for start in range(0, len(ordered), _SIZES[0]):
        part = ordered[start : start + _SIZES[0]]
        size = _HOLDING[len(part)]
        part += part[-1:] * (size - len(part))
        rows += db.execute(_valued(sql, size), [value for pair in part for value in pair]).fetchall()
    return rows


@lru_cache(maxsize=64)
def _valued(sql: str, size: int) -> str:
    return sql % ",".join(["(?,?)"] * size)


@lru_cache(maxsize=256)
def _within(sql: str, size: int) -> str:
    return sql % marks(size)
