"""The reads of the ledger's port on SQLite, shared by the synchronous core and whatever drives it."""

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from matchday.backends.columns import (
    ACCOUNT_GUARD,
    BET,
    account_row,
    bet_row,
    fact_of,
    outcome_of,
    owner_of,
    postings_of,
)
from matchday.backends.ledger_reads import SameReads
from matchday.backends.sqlite import Database, each
from matchday.model.bet import Bet, Outcome
from matchday.model.ledger import (
    AccountView,
    Answer,
    Entry,
    Refusal,
    Window,
)
from matchday.model.messages import AccountFact
from matchday.model.posting import PlacedBet
from matchday.model.posting.rows import Held
from matchday.ports import LedgerUnavailable

Said = tuple[int, str, bytes]
"""A fact as the outbox has it: its ``seq``, whose it is, and its text."""

_numbers = msgspec.json.Decoder(list[int]).decode
_bets = msgspec.json.Decoder(list[Bet]).decode
_charges = msgspec.json.Decoder(list[list[Held]]).decode

_PLACED: Final = (
    "SELECT count(*), '[' || group_concat(number) || ']', '[' || group_concat(player) || ']', "
    "CAST('[' || group_concat(body) || ']' AS BLOB), CAST('[' || group_concat(charges) || ']' AS BLOB) "
    "FROM bets WHERE number IN (%s)"
)
"""One row for many bets, each column an array: the interpreter is handed to another thread with every row that is read,
and has to be waited for."""


class LedgerReads(SameReads):
    """The reads of the port over one database; shared by the core and whatever drives it."""

    _database: Database

    def _read(self, sql: str, values: Iterable[object] = ()) -> list[Any]:
        with self._reader() as reader:
            return reader.execute(sql, tuple(values)).fetchall()

    def _asked(self, sql: str, values: Iterable[object]) -> list[Any]:
        return self._read(sql, values)

    @contextlib.contextmanager
    def _reader(self) -> Iterator[sqlite3.Connection]:
        try:
            yield self._database.reader
        except sqlite3.OperationalError as error:
            raise LedgerUnavailable(str(error)) from error

    def account_at(self, account: str, now_ms: int) -> AccountView | None:
        """An account as it is at a moment: limits in cooling and day windows depend on it."""
        rows = self._read("SELECT * FROM accounts WHERE account=?", (account,))
        return account_row(rows[0]).view(now_ms) if rows else None

    def answer(self, account: str, id_: str) -> Answer | None:
        """See ``Ledger.answer``."""
        sql = (
            "SELECT refusal, b.bet, balance, pending_until_ms FROM known k LEFT JOIN bets b ON b.number = k.bet "
            "WHERE k.id=? AND k.account=?"
        )
        rows = self._read(sql, (id_, account))
        if not rows:
            return None
        refusal, bet, balance, pending_until_ms = rows[0]
        held = self.bet(bet) if bet else None
        refused = Refusal(refusal) if refusal else None
        return Answer(id_, account, refused, held, balance, repeated=True, pending_until_ms=pending_until_ms)

    def bet(self, bet: str) -> Bet | None:
        """See ``Ledger.bet``."""
        rows = self._read(f"SELECT {BET} FROM bets b JOIN standings s USING (player, number) WHERE b.bet=?", (bet,))
        return bet_row(*rows[0]) if rows else None

    def bets(self, account: str, *, open_only: bool, before: str | None, limit: int) -> list[Bet]:
        """See ``Ledger.bets``."""
        only, index = (" AND s.status = 'open'", "INDEXED BY standings_open") if open_only else ("", "")
        sql = (
            f"SELECT {BET} FROM standings s {index} JOIN bets b USING (number) "
            f"WHERE s.player = (SELECT player FROM accounts WHERE account=?) AND s.number < ?{only} "
            "ORDER BY s.number DESC LIMIT ?"
        )
        return [bet_row(*row) for row in self._read(sql, (account, self._number(before, 2**62), limit))]

    def bets_on(self, selections: Sequence[str], after: int, limit: int) -> list[tuple[int, int]]:
        """See ``Ledger.bets_on``."""
        names = msgspec.json.encode(selections).decode()
        sql = "SELECT min((SELECT min(number) FROM legs WHERE selection = value AND number > ?)) FROM json_each(?)"
        first = self._read(sql, (after, names))[0][0]
        if first is None:
            return []
        sql = (  # one row, as in ``_PLACED``
            "SELECT '[' || group_concat(player) || ']', '[' || group_concat(number) || ']' FROM ("
            "SELECT DISTINCT player, number FROM legs WHERE selection IN (SELECT value FROM json_each(?)) "
            "AND number >= ? AND number < ? ORDER BY number)"
        )
        players, numbers = self._read(sql, (names, first, first + limit))[0]
        return list(zip(_numbers(players), _numbers(numbers), strict=True))

    def backed(self, fixture: str) -> list[str]:
        """See ``Ledger.backed``: from each selection to the next one, whatever stands between."""
        found, last, end = list[str](), f"{fixture}:", f"{fixture};"
        while row := self._read("SELECT min(selection) FROM legs WHERE selection > ? AND selection < ?", (last, end)):
            if row[0][0] is None:
                break
            found.append(last := row[0][0])
        return found

    def windows(self, fixtures: Sequence[str]) -> dict[str, Sequence[Window]]:
        """See ``Ledger.windows``."""
        with self._reader() as reader:
            return dict(windows_of(reader, fixtures))

    def decisions(self, selections: Sequence[str]) -> dict[str, tuple[int, Outcome | None]]:
        """See ``Ledger.decisions``."""
        sql = "SELECT selection, version, outcome FROM decisions WHERE selection IN (%s)"
        with self._reader() as reader:
            return {row[0]: (row[1], outcome_of(row[2])) for row in each(reader, sql, selections)}

    def statement(self, account: str, before: int | None, limit: int) -> list[Entry]:
        """See ``Ledger.statement``."""
        where = "player = (SELECT player FROM accounts WHERE account=?) AND entry < ?"
        return self._entries(f"{where} ORDER BY entry DESC", (account, 2**62 if before is None else before, limit))

    def entries(self, after: int, limit: int) -> list[Entry]:
        """See ``Ledger.entries``."""
        return self._entries("entry > ? ORDER BY entry", (after, limit))

    def _entries(self, where: str, values: Sequence[object]) -> list[Entry]:
        sql = (  # `where` is one of two constants
            "SELECT entry, at_ms, reason, currency, postings, (SELECT b.bet FROM bets b WHERE b.number = e.bet) "
            f"FROM entries e WHERE {where} LIMIT ?"
        )
        return [
            Entry(entry, at_ms, reason, currency, postings_of(postings), bet)
            for entry, at_ms, reason, currency, postings, bet in self._read(sql, values)
        ]

    def totals(self) -> dict[str, int]:
        """See ``Ledger.totals``: over balances, in one snapshot."""
        return dict(self._read(
            "SELECT currency, sum(balance) FROM (SELECT currency, balance FROM accounts UNION ALL "
            "SELECT currency, balance FROM house) GROUP BY currency"
        ))  # fmt: skip

    def balances(self) -> dict[str, int]:
        """Every account's balance, the house's included."""
        return dict(self._read("SELECT account, balance FROM accounts UNION ALL SELECT account, balance FROM house"))

    def posted(self) -> dict[str, int]:
        """Every account's sum of postings: equal to ``balances``, always."""
        return dict(self._read(
            "SELECT json_extract(value, '$[0]') AS account, sum(json_extract(value, '$[1]')) "
            "FROM entries, json_each(CAST(postings AS TEXT)) GROUP BY account"
        ))  # fmt: skip

    def guards(self, names: Sequence[str]) -> dict[str, int]:
        """See ``Ledger.guards``."""
        accounts = [name.removeprefix(ACCOUNT_GUARD) for name in names if name.startswith(ACCOUNT_GUARD)]
        of_accounts = "SELECT account, used FROM accounts JOIN counters ON number = -player WHERE account IN (%s)"
        named = "SELECT guard, used FROM guards JOIN counters USING (number) WHERE guard IN (%s)"
        with self._reader() as reader:
            found = {ACCOUNT_GUARD + name: used for name, used in each(reader, of_accounts, accounts)}
            return found | dict(each(reader, named, names))

    def all_guards(self) -> dict[str, int]:
        """Every guard's counter."""
        return dict(self._read(
            "SELECT guard, used FROM guards JOIN counters USING (number) UNION ALL "
            "SELECT ? || account, used FROM accounts JOIN counters ON number = -player", (ACCOUNT_GUARD,)
        ))  # fmt: skip

    def to_cash_out(self, after: str, limit: int) -> list[Bet]:
        """See ``Ledger.to_cash_out``."""
        sql = (
            f"SELECT {BET} FROM standings s JOIN bets b USING (number) "
            "WHERE s.status = 'open' AND s.cash_out_at IS NOT NULL AND s.number > ? ORDER BY s.number LIMIT ?"
        )
        return [bet_row(*row) for row in self._read(sql, (self._number(after, 0), limit))]

    def open_bets(self) -> int:
        """See ``Ledger.open_bets``."""
        return int(self._read("SELECT count(*) FROM standings WHERE status = 'open'")[0][0])

    def facts(self, after: int, limit: int) -> list[AccountFact]:
        """See ``Ledger.facts``. One writer numbers and commits them in order, so none appears late."""
        return [fact_of(body) for _, _, body in self.outbox(after, limit)]

    def outbox(self, after: int, limit: int) -> list[Said]:
        """See ``Ledger.outbox``."""
        sql = (  # one row, as in ``_PLACED``; no fact has a line break in it, as JSON writes none
            "SELECT '[' || group_concat(seq) || ']', CAST(group_concat(body, char(10)) AS BLOB) "
            "FROM (SELECT seq, body FROM facts WHERE seq > ? ORDER BY seq LIMIT ?)"
        )
        numbers, bodies = self._read(sql, (after, limit))[0]
        if numbers is None:
            return []
        facts = zip(_numbers(numbers), bodies.split(b"\n"), strict=True)
        return [(seq, owner_of(body).account, body) for seq, body in sorted(facts)]


def placed_bets(db: sqlite3.Connection, numbers: Iterable[int]) -> dict[int, PlacedBet]:
    """Bets as they were placed, by number. That never changes, wherever they have been brought to."""
    found: dict[int, PlacedBet] = {}
    for count, ordered, players, bodies, charges in each(db, _PLACED, numbers):
        if count:
            columns = (_bets(bodies), _charges(charges), _numbers(ordered), _numbers(players))
            found.update((placed.number, placed) for placed in map(PlacedBet, *columns))
    return found


def windows_of(db: sqlite3.Connection, fixtures: Iterable[str]) -> dict[str, list[Window]]:
    """The void windows of those fixtures that have any."""
    found: dict[str, list[Window]] = {}
    sql = "SELECT fixture, version, from_ms, until_ms FROM windows WHERE fixture IN (%s)"
    for fixture, *window in each(db, sql, fixtures):
        found.setdefault(fixture, []).append(Window(*window))
    return found
