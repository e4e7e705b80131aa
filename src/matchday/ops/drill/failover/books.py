"""Reads of the ledger for a drill, on connections and in SQL of its own: an auditor does not ask the platform.

Writes nothing to the ledger: its connection is read only. DrillError where there is nothing to be had: a primary that
is down cannot be read.
"""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from matchday.backends.errors import client_of
from matchday.config import Postgres
from matchday.ops.drill import DrillError
from matchday.ops.drill.failover.audit import Held

if TYPE_CHECKING:
    from matchday.backends.postgres import Connection

READ_MS_MAX: Final = 10_000
"""Milliseconds of one read: the books as a whole take a second or more on a busy machine."""
MONEY: Final = (
    "SELECT currency, CAST(sum(balance) AS bigint), CAST(coalesce(min(players), 0) AS bigint) FROM ("
    "SELECT currency, balance, balance AS players FROM accounts UNION ALL SELECT currency, balance, NULL FROM house"
    ") every GROUP BY currency"
)
"""What ``Money.of`` reads, on PostgreSQL and SQLite alike."""
_UNBALANCED: Final = (
    "SELECT count(*) FROM entries WHERE "
    "(SELECT sum((posting->>1)::bigint) FROM json_array_elements(postings::json) posting) <> 0"
)
_DIFFERS: Final = (
    "WITH posted AS (SELECT posting->>0 AS account, sum((posting->>1)::bigint) AS total "
    "FROM entries, json_array_elements(postings::json) posting GROUP BY 1), "
    "balances AS (SELECT account, balance FROM accounts UNION ALL "
    "SELECT account, sum(balance) FROM house GROUP BY account) "
    "SELECT count(*) FROM posted FULL JOIN balances USING (account) WHERE coalesce(total, 0) <> coalesce(balance, 0)"
)
_HELD: Final = """
WITH mine AS (SELECT player, account, part FROM accounts WHERE account = ANY(%(accounts)s)),
placed AS (SELECT b.number, b.part, b.bet, mine.account FROM mine JOIN bets b USING (player)),
moved AS (
  SELECT e.bet AS number, count(*) FILTER (WHERE e.reason = 'stake') AS stakes,
    count(*) FILTER (WHERE e.reason = 'settlement') - count(*) FILTER (WHERE e.reason = 'rollback') AS settlements,
    coalesce(sum(own.amount) FILTER (WHERE e.reason <> 'stake'), 0) AS paid
  FROM placed JOIN entries e ON e.bet = placed.number, LATERAL (
    SELECT coalesce(sum((posting->>1)::bigint), 0) AS amount FROM json_array_elements(e.postings::json) posting
    WHERE posting->>0 = placed.account) own
  GROUP BY 1)
SELECT k.id, placed.bet, coalesce(m.stakes, 0), coalesce(m.settlements, 0), coalesce(m.paid, 0)::bigint,
  coalesce(s.returns + s.owed + s.cash, 0)
FROM mine JOIN known k ON k.account = mine.account AND k.part = mine.part
LEFT JOIN placed ON placed.number = k.bet
LEFT JOIN standings s ON s.number = k.bet AND s.part = k.part
LEFT JOIN moved m ON m.number = k.bet
WHERE k.bet IS NOT NULL OR k.refusal IS NOT NULL"""
_KNOWN: Final = "SELECT id FROM known WHERE id = ANY(%s) AND bet IS NOT NULL"
_UNSETTLED: Final = (
    "SELECT count(*) FROM decisions d JOIN legs l USING (selection) LEFT JOIN standings s USING (number, part) "
    "WHERE d.outcome <> 'null' AND coalesce(s.status, 'open') = 'open'"
)
"""Open bets on what is decided: all of a drill's are singles, and no part of the account that entries go by is asked
for: one of a lost bet moves nothing of the fan's, and names no player."""
_FACTS: Final = "SELECT seq, body::json->>'account' FROM facts WHERE seq > %s"
_NEWER: Final = "SELECT count(*) FROM facts WHERE seq > %s"


class Money(msgspec.Struct, frozen=True):
    """Balances, in one snapshot."""

    totals: dict[str, int]
    """Currency -> sum over all accounts, those of the house included, in minor units: 0."""
    least: int
    """Of all players: not below 0."""

    @classmethod
    def of(cls, rows: Iterable[tuple[str, int, int]]) -> "Money":
        """By what ``MONEY`` found."""
        found = list(rows)
        return cls({currency: total for currency, total, _ in found}, min((least for *_, least in found), default=0))

    @property
    def conserved(self) -> bool:
        """Whether it is as it must be."""
        return not any(self.totals.values()) and self.least >= 0


class Books:
    """One connection to whichever server can be written to; made anew when it is lost. For one thread at a time."""

    def __init__(self, settings: Postgres) -> None:
        self._settings = msgspec.structs.replace(settings, read_ms_max=READ_MS_MAX)
        self._db: Connection | None = None

    def close(self) -> None:
        """Give up the connection."""
        if self._db is not None:
            self._db.close()
            self._db = None

    def money(self) -> Money:
        """All balances."""
        return Money.of(self._read(MONEY))

    def unsound(self) -> list[str]:
        """What is wrong with the books as a whole: every entry is added up again. Nothing, where they are sound."""
        found = []
        if count := self._read(_UNBALANCED)[0][0]:
            found.append(f"{count} entries do not balance")
        if count := self._read(_DIFFERS)[0][0]:
            found.append(f"{count} accounts differ from the sum of their postings")
        return found

    def held(self, accounts: Sequence[str]) -> list[Held]:
        """All bets and refusals of these accounts."""
        rows = self._read(_HELD, {"accounts": list(accounts)})
        return [
            Held(id=id_, bet=bet, stakes=stakes, settlements=settlements, paid=paid, due=due)
            for id_, bet, stakes, settlements, paid, due in rows
        ]

    def known(self, ids: Sequence[str]) -> set[str]:
        """Those of these ids that stand as a bet."""
        return {id_ for (id_,) in self._read(_KNOWN, (list(ids),))}

    def unsettled(self) -> int:
        """Open bets on selections that are decided."""
        return int(self._read(_UNSETTLED)[0][0])

    def facts(self, after: int) -> dict[str, list[int]]:
        """Account -> the places of its facts in the outbox, after one."""
        found: dict[str, list[int]] = {}
        for seq, account in self._read(_FACTS, (after,)):
            found.setdefault(account, []).append(seq)
        return found

    def newer(self, seq: int) -> int:
        """Facts after that one."""
        return int(self._read(_NEWER, (seq,))[0][0])

    def administer(self, sql: str) -> str:
        """What a server's administrator says to the primary; the first value of what it answers. DrillError."""
        with client_of("PostgreSQL"):
            import psycopg

            from matchday.backends.postgres import connect, said
        try:
            with connect(self._settings.address, self._settings) as db:
                asked = db.execute(sql, prepare=False)
                rows = asked.fetchall() if asked.description else []
        except psycopg.Error as error:
            raise DrillError(f"the ledger's server does not take `{sql}`: {said(error)}") from error
        return str(rows[0][0]) if rows else ""

    def _read(self, sql: str, values: Any = None) -> list[Any]:
        """Rows of one statement, which is one snapshot. DrillError where there are none to be had."""
        with client_of("PostgreSQL"):
            import psycopg

            from matchday.backends.postgres import connect, said
        try:
            if self._db is None:
                self._db = connect(self._settings.address, self._settings, read_only=True)
                for setting in ("default_transaction_read_only", "enable_seqscan"):
                    self._db.execute(f"SET {setting} = on")
            return self._db.execute(sql, values, prepare=False).fetchall()
        except psycopg.ProgrammingError:
            raise  # ours, and no state of the server's
        except psycopg.Error as error:
            self.close()
            raise DrillError(f"the ledger could not be read: {said(error)}") from error


@contextlib.contextmanager
def reading(settings: Postgres) -> Iterator[Books]:
    """Books, closed at the end."""
    books = Books(settings)
    try:
        yield books
    finally:
        books.close()
