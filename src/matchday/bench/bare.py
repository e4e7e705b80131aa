"""The bare batch: the rows that a ledger wrote for bets, once more into the same tables, and nothing else.

No guard, no check, no id looked up, nothing encoded: what SQLite itself takes for them, durably.
"""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from matchday.backends.ledger_sqlite import SqliteLedgerCore
from matchday.model.ledger import Command

GUARDS: Final = frozenset({"guards", "counters"})
"""Tables of the guards: the bare batch has none."""
UPDATED: Final = {
    "accounts": ("UPDATE accounts SET balance = ?, facts = ? WHERE player = ?", ("balance", "facts", "player")),
    "house": (
        "INSERT INTO house VALUES (?, ?, ?) ON CONFLICT (account) DO UPDATE SET balance = excluded.balance",
        ("account", "currency", "balance"),
    ),
}
"""Tables whose rows are changed in place."""
_ORDER: Final = {"bets": "number", "standings": "number", "legs": "number", "known": "id"}
"""By what rows are in the order of their bets, where the table does not say so itself."""
Rows = dict[str, list[tuple[Any, ...]]]


def new_rows(db: sqlite3.Connection, before: Rows) -> Rows:
    """What was added to each table since, in the order of the bets."""
    return {
        table: [row for row in rows if row not in seen]
        for table, rows in all_rows(db).items()
        for seen in [frozenset(before.get(table, ()))]
        if table not in GUARDS
    }


def all_rows(db: sqlite3.Connection) -> Rows:
    """Every table whole."""
    tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return {
        table: db.execute(f"SELECT * FROM {table} ORDER BY {_ORDER.get(table, '1')}").fetchall()  # noqa: S608 - ours
        for table in tables
    }


class Bare:
    """A ledger's file with the accounts in it, into which the rows of bets are put."""

    def __init__(self, file: Path, accounts: Sequence[Command], bets: Sequence[Command], batch: int) -> None:
        """``bets`` are committed to a ledger beside it, to see what rows they are."""
        beside = file.with_name(f"{file.stem}-seen.sqlite")
        with closing(SqliteLedgerCore(beside)) as seen:
            seen.commit(accounts)
            before = all_rows(seen.database.writer)
            for start in range(0, len(bets), batch):
                seen.commit(bets[start : start + batch])
            self._rows = new_rows(seen.database.writer, before)
            self._columns = {
                table: [row[1] for row in seen.database.writer.execute(f"PRAGMA table_info({table})")]
                for table in self._rows
            }
        self._core = SqliteLedgerCore(file)
        self._core.commit(accounts)
        self.batch, self._bets = batch, len(bets)
        self._work = [work for start in range(0, len(bets), batch) if (work := self._statements(start))]
        self._next = 0

    @property
    def left(self) -> int:
        """Batches that were not written yet."""
        return len(self._work) - self._next

    def _statements(self, start: int) -> list[tuple[str, list[tuple[Any, ...]]]]:
        """What one batch writes: of every table its share of the rows."""
        found = []
        for table, rows in self._rows.items():
            part = rows[start * len(rows) // self._bets : (start + self.batch) * len(rows) // self._bets]
            if table in UPDATED:
                sql, columns = UPDATED[table]
                places = [self._columns[table].index(column) for column in columns]
                many = rows if table == "house" else [rows[(start + n) % len(rows)] for n in range(self.batch)]
                found.append((sql, [tuple([row[place] for place in places]) for row in many]))
            elif part:
                found.append((f"INSERT INTO {table} VALUES ({','.join('?' * len(part[0]))})", part))  # noqa: S608 - ours
        return found

    def write(self) -> None:
        """The next batch, in one transaction, durably."""
        work, self._next = self._work[self._next], self._next + 1
        with self._core.database.transaction() as db:
            for sql, rows in work:
                db.executemany(sql, rows)

    def close(self) -> None:
        """Give up the file."""
        self._core.close()
