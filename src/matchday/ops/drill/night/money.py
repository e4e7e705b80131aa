"""The money checker: reads the ledger while the drill goes on, in one snapshot each time, and never writes.

Every currency sums to zero over all accounts, no player is below zero, and every bet that a fan was told is accepted
stands in the ledger. It reads the store itself, by a connection of its own that cannot write: the platform is not asked
what its own books say. A ledger on PostgreSQL is read by ``failover.books``.
"""

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Protocol

import msgspec

from matchday.ops.drill import DrillError
from matchday.ops.drill.failover.books import MONEY
from matchday.ops.drill.failover.books import Money as Balances

EVERY_S: Final = 2.0
"""Seconds between two looks, at least."""
REST: Final = 20
"""Times as long as a look took until the next: the checker is no load."""
PAGE: Final = 500
"""Ids asked for at a time."""


class Money(msgspec.Struct):
    """What the checker came to."""

    checks: int = 0
    unread: int = 0
    """Looks at which the ledger could not be read, as while it is down."""
    broken: list[str] = []
    promised: int = 0
    """Bets that fans were told are accepted."""
    lost: int = 0
    """Of these, not in the ledger."""

    @property
    def kept(self) -> bool:
        """Whether it was looked, and nothing was wrong."""
        return self.checks > 0 and not self.broken


class Books(Protocol):
    """A ledger, to be read."""

    def money(self) -> Balances:
        """All balances. DrillError where it cannot be read."""

    def known(self, ids: Sequence[str]) -> set[str]:
        """Those of these ids that stand as a bet. DrillError likewise."""


class SqliteBooks:
    """The file of an embedded platform."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def money(self) -> Balances:
        """See ``Books.money``."""
        with self._opened() as opened:
            return Balances.of(opened.execute(MONEY))

    def known(self, ids: Sequence[str]) -> set[str]:
        """See ``Books.known``."""
        sql = "SELECT id FROM known WHERE bet IS NOT NULL AND id IN (SELECT value FROM json_each(?))"
        with self._opened() as opened:
            return {id_ for (id_,) in opened.execute(sql, (msgspec.json.encode(ids).decode(),))}

    @contextlib.contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        try:
            with contextlib.closing(sqlite3.connect(f"file:{self._file}?mode=ro", uri=True, timeout=5)) as opened:
                yield opened
        except sqlite3.Error as error:
            raise DrillError(f"the ledger could not be read: {error}") from error


def check(books: Books, money: Money) -> None:
    """Look once."""
    try:
        found = books.money()
    except DrillError:
        money.unread += 1
        return
    money.checks += 1
    money.broken += [
        f"{currency} sums to {total}, not to 0" for currency, total in sorted(found.totals.items()) if total
    ]
    if found.least < 0:
        money.broken.append(f"a player's balance is {found.least}")


def reckon(books: Books, money: Money, promised: Sequence[str]) -> None:
    """At the end: whether every promised bet stands."""
    known = sum(len(books.known(promised[start : start + PAGE])) for start in range(0, len(promised), PAGE))
    money.promised, money.lost = len(promised), len(set(promised)) - known
    if money.lost:
        money.broken.append(
            f"{money.lost} of {money.promised} bets that were answered as accepted are not in the ledger"
        )
