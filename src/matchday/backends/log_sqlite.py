"""The log on SQLite: the embedded backend. One partition a topic, unless it is asked for more (simulations do).

``SqliteLogCore`` is synchronous; ``SqliteLog`` drives it from a thread of its own and implements the port. Positions of
groups travel with the next append: they may be a little late after a crash, and readers hear some records twice.
Partitions after the first are stored as topics of their own (``incidents/1``): with one the file is as it always was.

What one append brings to a topic stands in one row, or a few: a row a record cost as much again as all else that an
append does. So a page's offsets follow each other, and all of it was appended at one moment.
"""

import contextlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from matchday.backends.checkpointer import Checkpointer
from matchday.backends.errors import BackendError
from matchday.backends.partitions import Done, Hear, Part, PartitionedLog, PartitionedReads
from matchday.backends.sqlite import Database
from matchday.backends.writer import Post, Writer
from matchday.config import Storage
from matchday.model.messages import COMPACTED, Topic
from matchday.ports import Clock, LogUnavailable, Record, Stored

_SCHEMA: Final = tuple(Path(__file__).with_name(f"log_sqlite{suffix}.sql") for suffix in ("", "_2"))
_PAGE: Final = 1_000
"""Records that a tail catches up by."""
_BYTES: Final = 1 << 20
"""Bytes of values of one row, unless the first record has more."""

_ADD: Final = "INSERT INTO records VALUES (?,?,?,?,?,?)"
_READ: Final = "SELECT last, keys, sizes, body, at_ms FROM records WHERE topic=? AND last > ? ORDER BY last"
_AGES: Final = "SELECT last, sizes, at_ms FROM records WHERE topic=? ORDER BY last LIMIT ?"
_keys: Final = msgspec.json.Decoder(list[str]).decode
_sizes: Final = msgspec.json.Decoder(list[int]).decode
_encoded: Final = msgspec.json.Encoder().encode

Move = tuple[str, Part, int]
"""(group, partition of a topic, offset) of a position."""
_Row = tuple[str, int, bytes, bytes, bytes, int]


def _name(part: Part) -> str:
    """What a partition is stored as."""
    topic, partition = part
    return f"{topic}/{partition}" if partition else topic.value


def _part(name: str) -> Part:
    topic, _, partition = name.partition("/")
    return Topic(topic), int(partition or 0)


def by_part(stored: Sequence[Stored]) -> dict[Part, list[Stored]]:
    """What was appended to each partition, in order."""
    found: dict[Part, list[Stored]] = {}
    for record in stored:
        found.setdefault((record.topic, record.partition), []).append(record)
    return found


def _pages(name: str, records: Sequence[Stored]) -> Iterator[_Row]:
    """The rows of what is appended to a partition."""
    start, bytes_ = 0, 0
    for n, record in enumerate(records):
        bytes_ += len(record.value)
        if bytes_ > _BYTES and n > start:
            yield _page(name, records[start:n])
            start, bytes_ = n, len(record.value)
    yield _page(name, records[start:])


def _page(name: str, records: Sequence[Stored]) -> _Row:
    keys, values = [record.key for record in records], [record.value for record in records]
    sizes = _encoded([len(value) for value in values])
    return name, records[-1].offset, _encoded(keys), sizes, b"".join(values), records[-1].at_ms


def _records(part: Part, last: int, keys: bytes, sizes: bytes, values: bytes, at_ms: int) -> list[Stored]:
    """Those of a row, in order."""
    found, start = list[Stored](), 0
    lengths = _sizes(sizes)
    for offset, key, size in zip(range(last - len(lengths) + 1, last + 1), _keys(keys), lengths, strict=True):
        found.append(Stored(*part, offset, key, values[start : start + size], at_ms))
        start += size
    return found


def _keep(db: sqlite3.Connection, name: str, records: Sequence[Stored]) -> None:
    """Of a compacted topic: the last of every key, none where that has no value."""
    for s in records:
        if s.value:
            row = (name, s.key, s.offset, s.value, s.at_ms)
            db.execute("INSERT OR REPLACE INTO compacted VALUES (?,?,?,?,?)", row)
        else:
            db.execute("DELETE FROM compacted WHERE topic=? AND key=?", (name, s.key))


class LogReads(PartitionedReads):
    """The reads of the port over one database; shared by the core and whatever drives it."""

    _database: Database
    _next: dict[Part, int]
    _epochs: dict[Topic, str]
    _positions: dict[tuple[str, Part], int]

    def epoch(self, topic: Topic) -> str:
        """See ``Log.epoch``."""
        return self._epochs[topic]

    def end_of(self, part: Part) -> int:
        """See ``Log.end``."""
        return self._next[part] - 1

    def oldest_of(self, part: Part) -> int:
        """See ``Log.oldest``."""
        read = self._database.reader.execute
        if part[0] in COMPACTED:
            found = read("SELECT min(offset) FROM compacted WHERE topic=?", (_name(part),)).fetchone()[0]
            return self._next[part] if found is None else int(found)
        row = read(_AGES, (_name(part), 1)).fetchone()
        return self._next[part] if row is None else int(row[0]) - len(_sizes(row[1])) + 1

    def read_of(self, part: Part, after: int, limit: int) -> list[Stored]:
        """See ``Log.read``."""
        if part[0] in COMPACTED:
            sql = "SELECT offset, key, value, at_ms FROM compacted WHERE topic=? AND offset > ? ORDER BY offset LIMIT ?"
            rows = self._database.reader.execute(sql, (_name(part), after, limit))
            return [Stored(*part, offset, key, value, at_ms) for offset, key, value, at_ms in rows]
        found: list[Stored] = []
        with contextlib.closing(self._database.reader.execute(_READ, (_name(part), after))) as rows:
            for row in rows:
                found += [record for record in _records(part, *row) if record.offset > after]
                if len(found) >= limit:
                    break
        return found[:limit]

    def latest_of(self, part: Part) -> list[Stored]:
        """See ``Log.latest``."""
        return self.read_of(part, -1, 2**31)

    def position_of(self, group: str, part: Part) -> int:
        """See ``Log.position``."""
        return self._positions.get((group, part), -1)


class SqliteLogCore(LogReads):
    """The synchronous core. ``new_epoch`` names the incarnation of topics that a new file begins."""

    def __init__(self, path: Path | str, new_epoch: Callable[[], str], partitions: int = 1) -> None:
        self.count = partitions
        self._database = Database(path, [script.read_text() for script in _SCHEMA])
        wanted = [part for topic in Topic for part in self.parts(topic)]
        known = {_part(name) for (name,) in self._database.writer.execute("SELECT topic FROM topics")}
        if known - set(wanted) or (known and self.partitions(Topic.INCIDENTS) != _count(known)):
            self._database.close()
            raise BackendError(
                f"{path} was written with {_count(known)} partitions, not {partitions}: what is where goes by their "
                f"number; keep it, or choose another --data DIR"
            )
        with self._database.transaction() as db:
            for part in wanted:
                db.execute("INSERT OR IGNORE INTO topics VALUES (?,?,0)", (_name(part), new_epoch()))
        rows = self._database.writer.execute("SELECT topic, epoch, next FROM topics").fetchall()
        self._epochs = {Topic(name): epoch for name, epoch, _ in rows if "/" not in name}
        self._next = {_part(name): number for name, _, number in rows}
        moves = self._database.writer.execute("SELECT grp, topic, offset FROM positions")
        self._positions = {(group, _part(name)): offset for group, name, offset in moves}

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
            part = self.place(record)
            stored.append(Stored(*part, ahead[part], record.key, record.value, now_ms))
            ahead[part] += 1
        with self._database.transaction() as db:
            for part, of_part in by_part(stored).items():
                if part[0] in COMPACTED:
                    _keep(db, _name(part), of_part)
                else:
                    for page in _pages(_name(part), of_part):
                        db.execute(_ADD, page)
            changed = [(ahead[part], _name(part)) for part in ahead if ahead[part] != self._next[part]]
            db.executemany("UPDATE topics SET next=? WHERE topic=?", changed)
            moved = [(group, _name(part), offset) for group, part, offset in moves]
            db.executemany("INSERT OR REPLACE INTO positions VALUES (?,?,?)", moved)
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
            for part in self._next:
                old, count = 0, 0
                for last, sizes, at_ms in db.execute(_AGES, (_name(part), _PAGE)).fetchall():
                    if at_ms >= before_ms or count >= _PAGE:
                        break
                    old, count = last, count + len(_sizes(sizes))
                if count:
                    db.execute("DELETE FROM records WHERE topic=? AND last <= ?", (_name(part), old))
                more = more or count >= _PAGE
        return more


class Tail:
    """One reader: first what stands in the store, page by page, then what is appended."""

    def __init__(self, part: Part, after: int, hear: Hear) -> None:
        self.part, self.after, self.hear = part, after, hear
        self.caught_up = False
        self.cancelled = False

    def cancel(self) -> None:
        """Hear no more."""
        self.cancelled = True

    def catch_up(self, log: LogReads) -> bool:
        """Hear one page from the store; whether there may be more."""
        if self.cancelled:
            return False
        page = log.read_of(self.part, self.after, _PAGE)
        self.give(page)
        self.caught_up = len(page) < _PAGE
        return not self.caught_up

    def give(self, records: Sequence[Stored]) -> None:
        """Hear those that were not heard yet."""
        fresh = records
        if fresh and fresh[0].offset <= self.after:
            fresh = [stored for stored in records if stored.offset > self.after]
        if fresh and not self.cancelled:
            self.after = fresh[-1].offset
            self.hear(fresh)


def _count(known: Iterable[Part]) -> int:
    return max(partition for _, partition in known) + 1


class SqliteLog(LogReads, PartitionedLog):
    """The port: group commit on a thread of its own; tails hear on the caller's."""

    def __init__(
        self, core: SqliteLogCore, clock: Clock, post: Post, settings: Storage, fatal: Callable[[BaseException], None]
    ) -> None:
        self._core, self.count = core, core.count
        self._database, self._positions, self._epochs = core.database, core._positions, core._epochs
        self._next = dict(core._next)
        self._clock = clock
        self._fatal = fatal
        self._tails: dict[Part, list[Tail]] = {}
        self._moves: dict[tuple[str, Part], int] = {}
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

    def advance_of(self, group: str, part: Part, offset: int) -> None:
        """See ``Log.advance``."""
        self._core.advance((group, part, offset))
        self._moves[group, part] = offset

    def tail_of(self, part: Part, after: int | None, hear: Hear) -> Tail:
        """See ``Log.tail``."""
        tail = Tail(part, self.end_of(part) if after is None else after, hear)
        self._tails.setdefault(part, []).append(tail)

        def catch_up() -> None:
            if tail.catch_up(self):
                self._clock.call_later(0, catch_up)

        self._clock.call_later(0, catch_up)
        return tail

    def _take_moves(self) -> tuple[Move, ...]:
        moves = tuple((group, part, offset) for (group, part), offset in self._moves.items())
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
        appended = by_part(stored)
        self._next.update((part, records_of[-1].offset + 1) for part, records_of in appended.items())
        start = 0
        for records, _, done in group:
            if done is not None:
                done([record.offset for record in stored[start : start + len(records)]])
            start += len(records)
        for part, records_of in appended.items():
            tails = self._tails.get(part, [])
            tails[:] = [tail for tail in tails if not tail.cancelled]
            for tail in tuple(tails):
                if tail.caught_up:
                    tail.give(records_of)
