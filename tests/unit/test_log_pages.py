"""The log's rows hold what an append brings to a topic; files of before had a row a record."""

import sqlite3
from contextlib import closing
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from matchday.backends import log_sqlite
from matchday.backends.log_sqlite import _BYTES, SqliteLogCore
from matchday.model.messages import Topic
from matchday.ports import Record

FIRST = Path(log_sqlite.__file__).with_name("log_sqlite.sql").read_text()
VALUES = (b"{}", b"", b"\xff\x00not text", "über, \"'[]".encode())
KEYS = ("plain", "", 'with "quotes" and, commas', "Fußball@3")


def opened(path: Path) -> SqliteLogCore:
    return SqliteLogCore(path, iter("abcdefghijklmnopqr").__next__)


def test_a_file_of_before_is_read_on(tmp_path: Path) -> None:
    """What stands in it comes first, whatever bytes it is, at the offsets it had."""
    path = tmp_path / "log.sqlite"
    records = [(10 + n, key, value, 100 + n) for n, (key, value) in enumerate(zip(KEYS, VALUES, strict=True))]
    with closing(sqlite3.connect(path)) as db, db:
        db.executescript(f"{FIRST}; PRAGMA user_version = 1")
        db.executemany("INSERT INTO records VALUES ('accounts', ?, ?, ?, ?)", records)
        db.executemany("INSERT INTO topics VALUES (?, ?, ?)", [("accounts", "epoch", 14)])
        db.execute("INSERT INTO compacted VALUES ('fixtures', 'F', 3, X'6b657074', 7)")
        db.execute("INSERT INTO positions VALUES ('relay', 'accounts', 12)")
    with closing(opened(path)) as core:
        core.append([Record(Topic.ACCOUNTS, "new", b"later")], (), 200)
        found = core.read(Topic.ACCOUNTS, -1, 100)
        assert [(s.offset, s.key, s.value, s.at_ms) for s in found] == [*records, (14, "new", b"later", 200)]
        assert (core.oldest(Topic.ACCOUNTS), core.end(Topic.ACCOUNTS)) == (10, 14)
        assert core.position("relay", Topic.ACCOUNTS) == 12
        assert [stored.value for stored in core.latest(Topic.FIXTURES)] == [b"kept"]
    with closing(opened(path)) as again:
        assert len(again.read(Topic.ACCOUNTS, 11, 100)) == 3


@settings(max_examples=40)
@given(
    appends=st.lists(st.lists(st.tuples(st.sampled_from(KEYS), st.binary(max_size=40)), min_size=1, max_size=9)),
    after=st.integers(-1, 60),
    limit=st.integers(1, 30),
)
def test_any_part_of_it_is_read_as_it_was_appended(
    appends: list[list[tuple[str, bytes]]], after: int, limit: int
) -> None:
    """From the middle of a row to the middle of another."""
    with closing(SqliteLogCore(":memory:", iter("abcdefghijklmnopqr").__next__)) as core:
        for at_ms, append in enumerate(appends):
            core.append([Record(Topic.ACCOUNTS, key, value) for key, value in append], (), at_ms)
        there = [(key, value, at_ms) for at_ms, append in enumerate(appends) for key, value in append]
        found = core.read(Topic.ACCOUNTS, after, limit)
        assert [(s.key, s.value, s.at_ms) for s in found] == there[after + 1 : after + 1 + limit]
        assert [s.offset for s in found] == list(range(after + 1, after + 1 + len(found)))


def test_a_row_does_not_grow_without_end(tmp_path: Path) -> None:
    """Large values stand in rows of their own, and all are there."""
    values = [b"x" * size for size in (_BYTES // 2, _BYTES // 2, 10, 3 * _BYTES, 10, 10)]
    path = tmp_path / "log.sqlite"
    with closing(opened(path)) as core:
        core.append([Record(Topic.ACCOUNTS, "k", value) for value in values], (), 1)
        assert [stored.value for stored in core.read(Topic.ACCOUNTS, -1, 9)] == values
    with closing(sqlite3.connect(path)) as db:
        sizes = [size for (size,) in db.execute("SELECT length(body) FROM records ORDER BY last")]
    assert sizes == [_BYTES, 10, 3 * _BYTES, 20]
