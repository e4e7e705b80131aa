"""What a page of a settlement comes to, worked out on a snapshot of the file before the writer's turn has come.

The rules are those of the writer, over rows of their own. What they changed is kept as rows to be written, with all
that the writer must find as it was: how the accounts of these bets stand, and what is decided. Whatever changes a bet
says a fact of its account, whose row names its last one: an account that stands as it did has bets that do.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from matchday.backends.columns import encoded, limits_of
from matchday.backends.ledger_sqlite_rows import (
    HeldRow,
    Players,
    RowStore,
    Worked,
    account_rows_of,
    entry_rows,
    standing_rows,
)
from matchday.backends.sqlite import each
from matchday.model.ledger import Command, SettleBets
from matchday.model.messages import AccountFact
from matchday.model.posting import Rows, apply

_SEQ: Final = b'"seq":'
_OF_ACCOUNTS: Final = (
    "SELECT sum(balance), sum((SELECT used FROM counters WHERE number = -player)), "
    "sum((SELECT max(entry) FROM entries e WHERE e.player = a.player)), "
    "sum((SELECT count(*) FROM standings s INDEXED BY standings_open WHERE s.player = a.player AND s.status = 'open')) "
    "FROM accounts a WHERE player IN (%s)"
)
"""What is written of bets' accounts: their rows, their counters, where their entries go, and where their open bets are
listed."""


def look_at(reader: sqlite3.Connection, players: Iterable[int]) -> None:
    """Have in memory what the writer will need of these accounts: it would have every fan wait for the disk."""
    each(reader, _OF_ACCOUNTS, players)


class Question(msgspec.Struct, array_like=True):
    """What is to be worked out, and how often what is decided had changed before it was asked."""

    page: SettleBets
    decided: int


def only_page(commands: Sequence[Command]) -> SettleBets | None:
    """The page that a commit is to settle, if it is to do nothing else."""
    return commands[0] if len(commands) == 1 and isinstance(commands[0], SettleBets) else None


class Snapshots:
    """Reads a file of the ledger, each page at one moment of it."""

    def __init__(self, reader: sqlite3.Connection) -> None:
        self._reader = reader
        self._store = RowStore(reader)
        self._store.next_entry = self._store.next_fact = 0  # the writer numbers them
        self._decided = -1

    def work_out(self, asked: Question) -> Worked | None:
        """None: it changes more than this knows how to tell, and is left to the writer. sqlite3.OperationalError: the
        file cannot be read now."""
        if asked.decided != self._decided:
            self._store.forget()
            self._decided = asked.decided
        self._reader.execute("BEGIN")
        try:
            rows, players = self._store.begin()
            self._store.load(rows, players, [asked.page], {})
        finally:
            self._reader.execute("ROLLBACK")
        held: list[HeldRow] = [
            (players[a.account], a.status, a.balance, a.facts, limits_of(a)) for a in rows.accounts.values()
        ]
        apply(asked.page, rows)
        if rows.changed_free_bets or rows.changed_accounts != {fact.account for fact in rows.new_facts}:
            return None
        return _worked(asked.decided, held, rows, players)


def _worked(decided: int, held: list[HeldRow], rows: Rows, players: Players) -> Worked:
    return Worked(
        decided, held, account_rows_of(rows, players),
        standing_rows(players, (rows.bets[name] for name in rows.changed_bets)), entry_rows(rows, players),
        sorted(rows.charged.items()), list(rows.house.items()),
        [(fact.account, *_without_seq(fact)) for fact in rows.new_facts],
    )  # fmt: skip


def _without_seq(fact: AccountFact) -> tuple[bytes, bytes]:
    """The text of a fact before and after its number."""
    text = encoded(fact)
    start = text.index(_SEQ) + len(_SEQ)  # the kind alone stands before it
    return text[:start], text[start + len(str(fact.seq)) :]
