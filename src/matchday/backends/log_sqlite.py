"""The log on SQLite: the embedded backend. One partition a topic.

``SqliteLogCore`` is synchronous; ``SqliteLog`` drives it from a thread of its own and implements the port. Positions of
groups travel with the next append: they may be a little late after a crash, and readers hear some records twice.
"""

import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from matchday.backends.checkpointer import Checkpointer
from matchday.backends.sqlite import Database, insert
from matchday.backends.writer import Post, Writer
from matchday.config import Storage
from matchday.model.messages import COMPACTED, Topic
from matchday.ports import Clock, LogUnavailable, Record, Stored, Timer

_SCHEMA: Final = Path(__file__).with_suffix(".sql")
_PAGE: Final = 1_000
"""Records that a tail catches up by."""

Hear = Callable[[Sequence[Stored]], None]
Done = Callable[[Sequence[int] | LogUnavailable], None]
Move = tuple[str, Topic, int]
"""(group, topic, offset) of a position."""


class LogReads:
    """The reads of the port over one database; shared by the core and whatever drives it."""

    _database: Database
    _next: dict[Topic, int]
    _epochs: dict[Topic, str]
    _positions: dict[tuple[str, str], int]

    def epoch(self, topic: Topic) -> str:
        """See ``Log.epoch``."""
        return self._epochs[topic]

    def partitions(self, topic: Topic) -> int:  # noqa: ARG002 - part of the port
        """One, always."""
        return 1

    def end(self, topic: Topic) -> int:
        """See ``Log.end``."""
        return self._next[topic] - 1

    def oldest(self, topic: Topic) -> int:
        """See ``Log.oldest``."""
        table = "compacted" if topic in COMPACTED else "records"
        sql = f"SELECT min(offset) FROM {table} WHERE topic=?"
        found = self._database.reader.execute(sql, (topic,)).fetchone()[0]
        return self._next[topic] if found is None else int(found)

    def read(self, topic: Topic, after: int, limit: int) -> list[Stored]:
        """See ``Log.read``."""
        table = "compacted" if topic in COMPACTED else "records"
        sql = f"SELECT offset, key, value, at_ms FROM {table} WHERE topic=? AND offset > ? ORDER BY offset LIMIT ?"
        rows = self._database.reader.execute(sql, (topic, after, limit))
        return [Stored(topic, 0, offset, key, value, at_ms) for offset, key, value, at_ms in rows]

    def latest(self, topic: Topic) -> list[Stored]:
        """See ``Log.latest``."""
        return self.read(topic, -1, 2**31)

    def position(self, group: str, topic: Topic) -> int:
        """See ``Log.position``."""
        return self._positions.get((group, topic), -1)


class SqliteLogCore(LogReads):
    """The synchronous core. ``new_epoch`` names the incarnation of topics that a new file begins."""

    def __init__(self, path: Path | str, new_epoch: Callable[[], str]) -> None:
        self._database = Database(path, [_SCHEMA.read_text()])
        with self._database.transaction() as db:
            for topic in Topic:
                db.execute("INSERT OR IGNORE INTO topics VALUES (?,?,0)", (topic, new_epoch()))
        rows = self._database.writer.execute("SELECT topic, epoch, next FROM topics").fetchall()
        self._epochs = {Topic(topic): epoch for topic, epoch, _ in rows}
        self._next = {Topic(topic): number for topic, _, number in rows}
        moves = self._database.writer.execute("SELECT grp, topic, offset FROM positions")
        self._positions = {(group, topic): offset for group, topic, offset in moves}

    @property
    def database(self) -> Database:
        """For those who share its reads."""
        return self._database

    def close(self) -> None:
        """Give up the file."""
        self._database.close()

    def append(self, records: Sequence[Record], moves: Sequence[Move], now_ms: int) -> list[Stored]:
        """Append in order and move positions, in one transaction. sqlite3.Error: nothing of it was taken."""
        ahead = dict(self._next)
        stored = []
        for record in records:
            stored.append(Stored(record.topic, 0, ahead[record.topic], record.key, record.value, now_ms))
            ahead[record.topic] += 1
        with self._database.transaction() as db:
            rows = [(s.topic, s.offset, s.key, s.value, s.at_ms) for s in stored if s.topic not in COMPACTED]
            insert(db, "INSERT INTO records VALUES", rows)
            for s in stored:
                if s.topic in COMPACTED and s.value:
                    row = (s.topic, s.key, s.offset, s.value, s.at_ms)
                    db.execute("INSERT OR REPLACE INTO compacted VALUES (?,?,?,?,?)", row)
                elif s.topic in COMPACTED:
                    db.execute("DELETE FROM compacted WHERE topic=? AND key=?", (s.topic, s.key))
            changed = [(ahead[topic], topic) for topic in ahead if ahead[topic] != self._next[topic]]
            db.executemany("UPDATE topics SET next=? WHERE topic=?", changed)
            db.executemany("INSERT OR REPLACE INTO positions VALUES (?,?,?)", moves)
        self._next.update(ahead)
        return stored

    def advance(self, move: Move) -> None:
        """Remember a position at once, for reads; ``append`` makes it durable."""
        self._positions[move[0], move[1]] = move[2]

    def trim(self, before_ms: int) -> bool:
        """Drop records appended before a moment, from topics that are not compacted, a page of each topic; whether
        there may be more. Some other time where the file takes nothing now."""
        more = False
        with contextlib.suppress(sqlite3.OperationalError), self._database.transaction() as db:
            for topic in Topic:
                page = "SELECT offset, at_ms FROM records WHERE topic=? ORDER BY offset LIMIT ?"
                rows = db.execute(page, (topic, _PAGE)).fetchall()
                old = [offset for offset, at_ms in rows if at_ms < before_ms]
                if old:
                    sql = "DELETE FROM records WHERE topic=? AND offset <= ? AND at_ms < ?"
                    db.execute(sql, (topic, old[-1], before_ms))
                more = more or (bool(old) and len(rows) == _PAGE)
        return more


class Tail:
    """One reader: first what stands in the store, page by page, then what is appended."""

    def __init__(self, topic: Topic, after: int, hear: Hear) -> None:
        self.topic, self.after, self.hear = topic, after, hear
        self.caught_up = False
        self.cancelled = False

    def cancel(self) -> None:
        """Hear no more."""
        self.cancelled = True

    def catch_up(self, log: LogReads) -> bool:
        """Hear one page from the store; whether there may be more."""
        if self.cancelled:
            return False
        page = log.read(self.topic, self.after, _PAGE)
        self.give(page)
        self.caught_up = len(page) < _PAGE
        return not self.caught_up

    def give(self, records: Sequence[Stored]) -> None:
        """Hear those that were not heard yet."""
        fresh = [stored for stored in records if stored.offset > self.after]
        if fresh and not self.cancelled:
            self.after = fresh[-1].offset
            self.hear(fresh)


class SqliteLog(LogReads):
    """The port: group commit on a thread of its own; tails hear on the caller's."""

    def __init__(
        self, core: SqliteLogCore, clock: Clock, post: Post, settings: Storage, fatal: Callable[[BaseException], None]
    ) -> None:
        self._core = core
        self._database, self._positions, self._epochs = core.database, core._positions, core._epochs
        self._next = dict(core._next)
        self._clock = clock
        self._fatal = fatal
        self._tails: dict[Topic, list[Tail]] = {}
        self._moves: dict[tuple[str, Topic], int] = {}
        self._checkpointer = Checkpointer(core.database, "log")
        self._writer: Writer[tuple[tuple[Record, ...], tuple[Move, ...], Done | None]] = Writer(
            "log", self._write, lambda work: len(work[0]), settings.batch_max, post, fatal
        )

    def close(self) -> None:
        """Write what is waiting, the last positions included, and stop."""
        self._writer.submit(((), self._take_moves(), None))
        self._writer.close()
        self._checkpointer.close()

    def trim(self, before_ms: int) -> None:
        """Drop records appended before a moment, page by page between what is appended."""

        def page() -> None:
            if self._core.trim(before_ms):
                self._writer.do(page)

        self._writer.do(page)

    def append(self, records: Sequence[Record], done: Done | None = None) -> None:
        """See ``Log.append``."""
        self._writer.submit((tuple(records), self._take_moves(), done))

    def advance(self, group: str, topic: Topic, offset: int) -> None:
        """See ``Log.advance``."""
        self._core.advance((group, topic, offset))
        self._moves[group, topic] = offset

    def tail(self, topic: Topic, after: int | None, hear: Hear) -> Timer:
        """See ``Log.tail``."""
        tail = Tail(topic, self.end(topic) if after is None else after, hear)
        self._tails.setdefault(topic, []).append(tail)

        def catch_up() -> None:
            if tail.catch_up(self):
                self._clock.call_later(0, catch_up)

        self._clock.call_later(0, catch_up)
        return tail

    def _take_moves(self) -> tuple[Move, ...]:
        moves = tuple((group, topic, offset) for (group, topic), offset in self._moves.items())
        self._moves.clear()
        return moves

    def _write(
        self, group: Sequence[tuple[tuple[Record, ...], tuple[Move, ...], Done | None]], _more: Callable[[], object]
    ) -> Callable[[], None]:
        """On the writer's thread: one transaction for the whole group. Nothing yields here, so that nothing joins."""
        records = [record for work, _, _ in group for record in work]
        moves = [move for _, moved, _ in group for move in moved]
        try:
            stored = self._core.append(records, moves, self._clock.now_ms())
        except sqlite3.IntegrityError:
            raise
        except sqlite3.Error as error:
            failure = LogUnavailable(str(error))
            return lambda: self._failed(group, failure)
        self._checkpointer.wrote()
        return lambda: self._appended(group, stored)

    def _failed(
        self, group: Sequence[tuple[tuple[Record, ...], tuple[Move, ...], Done | None]], failure: LogUnavailable
    ) -> None:
        for records, _, done in group:
            if done is not None:
                done(failure)
            elif records:
                self._fatal(failure)

    def _appended(
        self, group: Sequence[tuple[tuple[Record, ...], tuple[Move, ...], Done | None]], stored: Sequence[Stored]
    ) -> None:
        by_topic: dict[Topic, list[Stored]] = {}
        for record in stored:
            by_topic.setdefault(record.topic, []).append(record)
            self._next[record.topic] = record.offset + 1
        start = 0
        for records, _, done in group:
            if done is not None:
                done([record.offset for record in stored[start : start + len(records)]])
            start += len(records)
        for topic, records_of in by_topic.items():
            tails = self._tails.get(topic, [])
            tails[:] = [tail for tail in tails if not tail.cancelled]
            for tail in tuple(tails):
                if tail.caught_up:
                    tail.give(records_of)
