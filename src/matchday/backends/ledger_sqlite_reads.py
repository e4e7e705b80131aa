"""The reads of the ledger's port on SQLite, shared by the synchronous core and whatever drives it."""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from matchday.backends.sqlite import Database, marks
from matchday.model.bet import Bet, Outcome
from matchday.model.ledger import (
    AccountStatus,
    AccountView,
    Answer,
    Entry,
    FreeBet,
    LimitName,
    Offer,
    Posting,
    Referral,
    Refusal,
    Window,
)
from matchday.model.messages import AccountFact
from matchday.model.posting import Account
from matchday.model.posting.rows import Day
from matchday.ports import LedgerUnavailable

_VARIABLES_MAX: Final = 30_000
"""Values of one statement; SQLite takes 32,766."""
_bet = msgspec.json.Decoder(Bet).decode
_outcome = msgspec.json.Decoder(Outcome | None).decode
_fact = msgspec.json.Decoder(AccountFact).decode
_referral = msgspec.json.Decoder(Referral).decode
offer_body = msgspec.json.Decoder(Offer).decode
_limits = msgspec.json.Decoder(dict[LimitName, int]).decode
_raised = msgspec.json.Decoder(dict[LimitName, tuple[int | None, int]]).decode
_days = msgspec.json.Decoder(list[Day]).decode


def account_row(row: Sequence[Any]) -> Account:
    """An account as its table has it."""
    account, currency, status, balance, facts, limits, raised, days = row
    return Account(
        account, currency, AccountStatus(status), balance, facts, _limits(limits), _raised(raised), _days(days)
    )


class LedgerReads:
    """The reads of the port over one database; shared by the core and whatever drives it."""

    _database: Database

    def _read(self, sql: str, values: Iterable[object] = ()) -> list[Any]:
        try:
            return self._database.reader.execute(sql, tuple(values)).fetchall()
        except sqlite3.OperationalError as error:
            raise LedgerUnavailable(str(error)) from error

    def account_at(self, account: str, now_ms: int) -> AccountView | None:
        """An account as it is at a moment: limits in cooling and day windows depend on it."""
        rows = self._read("SELECT * FROM accounts WHERE account=?", (account,))
        return account_row(rows[0]).view(now_ms) if rows else None

    def answer(self, account: str, id_: str) -> Answer | None:
        """See ``Ledger.answer``."""
        sql = "SELECT refusal, bet, balance, pending_until_ms FROM known WHERE account=? AND id=?"
        rows = self._read(sql, (account, id_))
        if not rows:
            return None
        refusal, bet, balance, pending_until_ms = rows[0]
        held = self.bet(bet) if bet else None
        refused = Refusal(refusal) if refusal else None
        return Answer(id_, account, refused, held, balance, repeated=True, pending_until_ms=pending_until_ms)

    def bet(self, bet: str) -> Bet | None:
        """See ``Ledger.bet``."""
        rows = self._read("SELECT body FROM bets WHERE bet=?", (bet,))
        return _bet(rows[0][0]) if rows else None

    def bets(self, account: str, *, open_only: bool, before: str | None, limit: int) -> list[Bet]:
        """See ``Ledger.bets``."""
        only = " AND status = 'open'" if open_only else ""
        sql = f"SELECT body FROM bets WHERE account=? AND bet < ?{only} ORDER BY bet DESC LIMIT ?"
        return [_bet(row[0]) for row in self._read(sql, (account, before or "\uffff", limit))]

    def bets_on(self, selections: Sequence[str], after: str, limit: int) -> list[Bet]:
        """See ``Ledger.bets_on``."""
        sql = (
            f"SELECT DISTINCT l.bet, b.body FROM legs l JOIN bets b USING (bet) "
            f"WHERE l.selection IN ({marks(len(selections))}) AND l.bet > ? ORDER BY l.bet LIMIT ?"
        )
        return [_bet(row[1]) for row in self._read(sql, (*selections, after, limit))]

    def bets_of(self, fixture: str, after: str, limit: int) -> list[Bet]:
        """See ``Ledger.bets_of``."""
        sql = (
            "SELECT DISTINCT l.bet, b.body FROM legs l JOIN bets b USING (bet) "
            "WHERE l.selection >= ? AND l.selection < ? AND l.bet > ? ORDER BY l.bet LIMIT ?"
        )
        return [_bet(row[1]) for row in self._read(sql, (f"{fixture}:", f"{fixture};", after, limit))]

    def windows(self, fixtures: Sequence[str]) -> dict[str, Sequence[Window]]:
        """See ``Ledger.windows``."""
        return dict(windows_of(self._database.reader, fixtures))

    def decisions(self, selections: Sequence[str]) -> dict[str, tuple[int, Outcome | None]]:
        """See ``Ledger.decisions``."""
        sql = "SELECT selection, version, outcome FROM decisions WHERE selection IN (%s)"
        return {row[0]: (row[1], _outcome(row[2])) for row in each(self._database.reader, sql, selections)}

    def statement(self, account: str, before: int | None, limit: int) -> list[Entry]:
        """See ``Ledger.statement``."""
        sql = (
            "SELECT entry FROM postings WHERE account=? AND instr(account, ':') = 0 AND entry < ? "
            "ORDER BY entry DESC LIMIT ?"
        )
        numbers = [row[0] for row in self._read(sql, (account, 2**62 if before is None else before, limit))]
        return sorted(self._entries(f"entry IN ({marks(len(numbers))})", numbers), key=lambda e: -e.entry)

    def entries(self, after: int, limit: int) -> list[Entry]:
        """See ``Ledger.entries``."""
        return self._entries("entry > ? AND entry <= ?", (after, after + limit))

    def _entries(self, where: str, values: Sequence[object]) -> list[Entry]:
        sql = (  # `where` is one of two constants
            "SELECT e.entry, at_ms, reason, currency, bet, account, amount "
            "FROM entries e JOIN postings p USING (entry) "
            f"WHERE e.{where} ORDER BY e.entry"
        )
        found: dict[int, Entry] = {}
        postings: dict[int, list[Posting]] = {}
        for entry, at_ms, reason, currency, bet, account, amount in self._read(
            sql.replace("AND entry", "AND e.entry"), values
        ):
            found.setdefault(entry, Entry(entry, at_ms, reason, currency, (), bet))
            postings.setdefault(entry, []).append(Posting(account, amount))
        return [msgspec.structs.replace(e, postings=tuple(postings[n])) for n, e in found.items()]

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
        return dict(self._read("SELECT account, sum(amount) FROM postings GROUP BY account"))

    def guards(self, names: Sequence[str]) -> dict[str, int]:
        """See ``Ledger.guards``."""
        return dict(each(self._database.reader, "SELECT guard, used FROM guards WHERE guard IN (%s)", names))

    def all_guards(self) -> dict[str, int]:
        """Every guard's counter."""
        return dict(self._read("SELECT guard, used FROM guards"))

    def referral(self, account: str, id_: str) -> Referral | None:
        """See ``Ledger.referral``."""
        rows = self._read("SELECT body FROM referrals WHERE account=? AND id=?", (account, id_))
        return _referral(rows[0][0]) if rows else None

    def referrals(self, due_ms: int, limit: int) -> list[Referral]:
        """See ``Ledger.referrals``."""
        sql = "SELECT body FROM referrals WHERE until_ms <= ? ORDER BY until_ms, id LIMIT ?"
        return [_referral(row[0]) for row in self._read(sql, (due_ms, limit))]

    def offer(self, account: str, offer: str) -> Offer | None:
        """See ``Ledger.offer``."""
        rows = self._read("SELECT body FROM offers WHERE offer=? AND account=? AND NOT taken", (offer, account))
        return offer_body(rows[0][0]) if rows else None

    def free_bets(self, account: str) -> list[FreeBet]:
        """See ``Ledger.free_bets``."""
        sql = (
            "SELECT free_bet, amount, currency, until_ms FROM free_bets WHERE account=? AND state = 'available' "
            "ORDER BY until_ms, free_bet"
        )
        return [FreeBet(*row) for row in self._read(sql, (account,))]

    def free_bets_over(self, now_ms: int, limit: int) -> list[tuple[str, str]]:
        """See ``Ledger.free_bets_over``."""
        sql = (
            "SELECT account, free_bet FROM free_bets WHERE state = 'available' AND until_ms <= ? "
            "ORDER BY until_ms LIMIT ?"
        )
        return self._read(sql, (now_ms, limit))

    def to_cash_out(self, after: str, limit: int) -> list[Bet]:
        """See ``Ledger.to_cash_out``."""
        sql = "SELECT body FROM bets WHERE cash_out_at IS NOT NULL AND bet > ? ORDER BY bet LIMIT ?"
        return [_bet(row[0]) for row in self._read(sql, (after, limit))]

    def open_bets(self) -> int:
        """See ``Ledger.open_bets``."""
        return int(self._read("SELECT count(*) FROM bets WHERE status = 'open'")[0][0])

    def facts(self, after: int, limit: int) -> list[AccountFact]:
        """See ``Ledger.facts``. One writer numbers and commits them in order, so none appears late."""
        return [
            _fact(row[0])
            for row in self._read("SELECT body FROM facts WHERE seq > ? ORDER BY seq LIMIT ?", (after, limit))
        ]


def windows_of(db: sqlite3.Connection, fixtures: Iterable[str]) -> dict[str, list[Window]]:
    """The void windows of those fixtures that have any."""
    found: dict[str, list[Window]] = {}
    sql = "SELECT fixture, version, from_ms, until_ms FROM windows WHERE fixture IN (%s)"
    for fixture, *window in each(db, sql, fixtures):
        found.setdefault(fixture, []).append(Window(*window))
    return found


def each(db: sqlite3.Connection, sql: str, keys: Iterable[str]) -> list[Any]:
    """Rows of a statement with ``IN (%s)`` for all keys, in slices that SQLite takes."""
    ordered = sorted(set(keys))
    rows: list[Any] = []
    for start in range(0, len(ordered), _VARIABLES_MAX):
        part = ordered[start : start + _VARIABLES_MAX]
        rows.extend(db.execute(sql % marks(len(part)), part).fetchall())
    return rows
