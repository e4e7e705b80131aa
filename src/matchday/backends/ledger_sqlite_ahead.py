"""Ahead of its turn: what a page of a settlement comes to is worked out by a process of its own (``Aside``), or at
least what it will need of the file is read on a thread of its own.

A match's bets were placed over days, and stand all over a file that may be larger than what the machine keeps of it in
memory. Read where they are needed, in the order of their accounts, each would have every fan wait for the disk.
"""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple

from matchday.backends.ledger_sqlite_aside import Aside
from matchday.backends.ledger_sqlite_reads import placed_bets
from matchday.backends.ledger_sqlite_rows import Worked
from matchday.backends.ledger_sqlite_worked import Question, look_at
from matchday.backends.sqlite import Database, each_pair
from matchday.backends.writer import Post, Writer
from matchday.model.posting import PlacedBet

_BODIES: Final = "SELECT sum(length(charges)) FROM bets WHERE number BETWEEN ? AND ?"
_STANDINGS: Final = (
    "WITH v (player, number) AS (VALUES %s) SELECT count(status) FROM v JOIN standings USING (player, number)"
)


class Prepared(NamedTuple):
    """What is known of a page when the writer's turn has come."""

    read: Mapping[int, PlacedBet] = {}
    """Those of its bets that have been read, as they were placed."""
    worked: Worked | None = None
    """What it comes to, if that has been worked out."""


UNPREPARED: Final = Prepared()


class Ahead:
    """Prepares pages of one file of the ledger, in the order in which it is asked to."""

    def __init__(self, database: Database, post: Post, fatal: Callable[[BaseException], None]) -> None:
        self._reader = database.another_reader()
        self._aside = None if database.path is None else Aside(database.path)
        self._thread: Writer[Callable[[], None]] = Writer("ledger reads", _call, lambda _: 1, 1, post, fatal)

    def close(self) -> None:
        """Do what was asked for, and stop."""
        self._thread.close()
        if self._aside is not None:
            self._aside.close()

    def look(self, first: int, last: int) -> None:
        """Bets of these numbers will be asked for, in whatever order: now they are read in that of the file."""
        self._thread.submit(partial(self._look, first, last))

    def prepare(self, asked: Question, then: Callable[[Prepared], None]) -> None:
        """What a page comes to, or where nobody works that out now what never changes of its bets, so far as it can be
        read; what will be written of them is looked at. ``then`` is called on a thread of this or of ``Aside``."""

        def prepare() -> None:
            if self._aside is None or not self._aside.ask(asked, lambda worked: then(Prepared(worked=worked))):
                then(Prepared(self._read(asked.page.numbers)))

        self._thread.submit(prepare)

    def _look(self, first: int, last: int) -> None:
        try:
            self._reader.execute(_BODIES, (first, last)).fetchall()
        except sqlite3.OperationalError:  # who needs them says what is wrong
            return

    def _read(self, numbers: Sequence[int]) -> Mapping[int, PlacedBet]:
        try:
            placed = placed_bets(self._reader, numbers)
            each_pair(self._reader, _STANDINGS, [(bet.player, number) for number, bet in placed.items()])
            look_at(self._reader, {bet.player for bet in placed.values()})
        except sqlite3.OperationalError:  # the writer reads it, or says why not
            return {}
        return placed


def _call(group: Sequence[Callable[[], None]], _more: Callable[[], object]) -> None:
    for call in group:
        call()
