"""The reads of the ledger's port on PostgreSQL.

*Blocking, but not for long.* A room reads on its own thread, over a connection that is kept for it; after
``read_ms_max`` without an answer the connection is given up, and until a thread has made a new one every read is
``LedgerUnavailable`` at once.

*A standby* (``postgres.standby``) answers statements, totals and the scans of settlement, which need not be of
this moment but of one that is late enough: each time it is first asked whether it has replayed the last commit of this
process that was answered (by its place in the write-ahead log), and where it has not the primary is read. That is what
the port promises of every read, and it is what settlement needs. It reads the bets on a selection once the decision has
committed, and must find every bet that committed before: that bet stands earlier in the write-ahead log than the place
noted after the decision's commit, whichever process placed it. Bets that commit later are heard of in the outbox, and
``decisions``, which then says so, is always read on the primary, and so is the outbox.

*The outbox without gaps.* Facts are numbered before they are committed, so that a lower number may become visible
after a higher one. Whoever draws numbers first takes a lock, until the end of the transaction, that names the last
batch before his own. A reader looks which batch was drawn last, then for the lowest that is named by such a lock, then
at the facts: those of batches up to both are all there, since PostgreSQL shows what a transaction has written before it
lets go of its locks, and whoever took his lock after that look draws a higher number. What is shown ends there. The
usual rule (nothing above the ``xmin`` of the reader's snapshot) would need the number that the next transaction will
have, which no transaction can ask for once it has one of its own: ``pg_snapshot_xmax`` is that after the last one that
has ended. And anybody's transaction that stays open anywhere in the server, a backup's or a forgotten one, would hold
back every fact; so only a ledger's own does, which the server ends when it idles
(``idle_in_transaction_session_timeout``).
"""

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

import psycopg
from psycopg.types.numeric import Int8

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
from matchday.backends.ledger_postgres_rows import DRAWING, NUMBERS
from matchday.backends.ledger_reads import SameReads
from matchday.backends.postgres import Connection, conflict, connect, lost, no_room, plain, said, texts
from matchday.config import Postgres
from matchday.model.bet import Bet, Outcome
from matchday.model.ledger import AccountView, Answer, Entry, Refusal, Window
from matchday.model.messages import AccountFact
from matchday.ports import LedgerUnavailable

_EVER: Final = 2**62
_BETS: Final = f"SELECT {BET} FROM bets b LEFT JOIN standings s USING (number, part) "
_ENTRIES: Final = (
    "SELECT entry, at_ms, reason, currency, postings, "
    "(SELECT b.bet FROM bets b WHERE b.number = e.bet AND b.part = e.part) FROM entries e "
)
_BACKED: Final = """WITH RECURSIVE found (selection) AS (
  (SELECT min(selection) FROM legs WHERE selection > %s AND selection < %s)
  UNION ALL
  SELECT (SELECT min(l.selection) FROM legs l WHERE l.selection > found.selection AND l.selection < %s)
  FROM found WHERE found.selection IS NOT NULL
) SELECT selection FROM found WHERE selection IS NOT NULL"""
_ON: Final = """WITH first (number) AS (
  SELECT min((SELECT min(number) FROM legs WHERE selection = name AND number > %s)) FROM unnest(%s) name
) SELECT DISTINCT l.player, l.number FROM first JOIN legs l
  ON l.selection = ANY(%s) AND l.number >= first.number AND l.number < first.number + %s ORDER BY l.number"""
_LOWEST: Final = (  # a lock's 64 bits are its classid and its objid
    "SELECT min((classid::bigint & 65535) << 32 | objid::bigint) FROM pg_locks WHERE locktype = 'advisory' AND granted "
    "AND objsubid = 1 AND classid::bigint >> 16 = %s "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
_AS_FAR: Final = "SELECT pg_is_in_recovery() AND pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0') >= %s"
_AGE: Final = """SELECT CASE WHEN NOT pg_is_in_recovery() THEN 0
  WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()
    AND EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming') THEN 0
  ELSE (1000 * extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()))::bigint END"""


class Reader:
    """A connection for the reads of one thread, made anew by another one after it has failed."""

    def __init__(
        self, address: str, settings: Postgres, *, standby: bool = False, waits: bool = False
    ) -> None:  # fmt: skip
        """The first connection is made here, unless it is a standby's or ``waits``: then it comes when it comes.
        psycopg.Error: it cannot be made."""
        self._address, self._settings = address, settings
        self.ledger_id = ""
        """That of the ledger which is read, where that was asked."""
        self._attributes = {"target_session_attrs": "any"} if standby else {}
        self._db: Connection | None = None
        self._why = "not connected yet"
        self._closed = threading.Event()
        self._changing = threading.Lock()
        self._connecting: threading.Thread | None = None
        if standby or waits:
            self._reconnect("not connected yet")
        else:
            self._db = self._connect()

    def _connect(self) -> Connection:
        return connect(self._address, self._settings, read_only=True, **self._attributes)

    def close(self) -> None:
        """Give up the connection."""
        self._closed.set()
        if self._connecting is not None:
            self._connecting.join()
        if self._db is not None:
            self._db.close()

    @property
    def up(self) -> bool:
        """Whether there is a connection."""
        return self._db is not None

    @contextlib.contextmanager
    def connection(self) -> Iterator[Connection]:
        """The connection, for one read. LedgerUnavailable: there is none, or it failed."""
        db = self._db
        if db is None:
            raise LedgerUnavailable(self._why)
        try:
            yield db
        except psycopg.Error as error:
            if lost(error, db):
                self._reconnect(said(error))
            elif not (no_room(error) or conflict(error)):  # a standby's replay may have been in the way
                raise
            raise LedgerUnavailable(said(error)) from error

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[Any]:
        """All rows of a statement."""
        with self.connection() as db:
            return db.execute(sql, values).fetchall()

    def _reconnect(self, why: str) -> None:
        with self._changing:
            if self._db is not None:
                self._db.close()
            self._db, self._why = None, why
            if self._connecting is None or not self._connecting.is_alive():
                self._connecting = threading.Thread(target=self._until_connected, name="ledger-reads", daemon=True)
                self._connecting.start()

    def _until_connected(self) -> None:
        while not self._closed.is_set():
            try:
                self._db = self._connect()
                break
            except psycopg.Error as error:
                self._why = said(error)
                self._closed.wait(self._settings.retry_ms / 1_000)


class PostgresReads(SameReads):
    """The reads of the port over a primary and perhaps a standby; shared by the core and whatever drives it."""

    _reader: Reader
    _standby: Reader | None
    _place: Callable[[], int]
    """Where in the write-ahead log the last answered commit of this process ends; 0: there was none."""

    def _read(self, sql: str, values: Iterable[object] = ()) -> list[Any]:
        return self._reader.rows(sql, _stored(values))

    def _asked(self, sql: str, values: Iterable[object]) -> list[Any]:
        return self._read(sql.replace("?", "%s"), values)

    def _read_late(self, sql: str, values: Iterable[object] = ()) -> list[Any]:
        """On the standby, if it has come as far as we have."""
        values = _stored(values)
        if self._standby is None or not self._standby.up:
            return self._reader.rows(sql, values)
        try:
            with self._standby.connection() as db, db.pipeline():
                far = db.execute(_AS_FAR, (self._place(),))
                rows = db.execute(sql, values)
                if far.fetchall() == [(True,)]:
                    return rows.fetchall()
        except LedgerUnavailable:
            pass  # the primary may be there
        return self._reader.rows(sql, values)

    def standby_age_ms(self) -> int | None:
        """How far the standby is behind, in milliseconds; None: there is none, or it cannot be asked."""
        with contextlib.suppress(LedgerUnavailable):
            if self._standby is not None:
                return int(self._standby.rows(_AGE)[0][0] or 0)
        return None

    def account_at(self, account: str, now_ms: int) -> AccountView | None:
        """An account as it is at a moment: limits in cooling and day windows depend on it."""
        sql = "SELECT player, account, currency, status, balance, facts, limits FROM accounts WHERE account = %s"
        rows = self._read(sql, (account,))
        return account_row(rows[0]).view(now_ms) if rows else None

    def answer(self, account: str, id_: str) -> Answer | None:
        """See ``Ledger.answer``."""
        sql = (
            f"SELECT k.refusal, k.balance, k.pending_until_ms, {BET} FROM known k "
            "LEFT JOIN bets b ON b.number = k.bet AND b.part = k.part "
            "LEFT JOIN standings s ON s.number = k.bet AND s.part = k.part WHERE k.id = %s AND k.account = %s"
        )
        rows = self._read(sql, (id_, account))
        if not rows:
            return None
        refusal, balance, pending_until_ms, body, *standing = rows[0]
        held = bet_row(body, *standing) if body is not None else None
        refused = Refusal(refusal) if refusal else None
        return Answer(id_, account, refused, held, balance, repeated=True, pending_until_ms=pending_until_ms)

    def bet(self, bet: str) -> Bet | None:
        """See ``Ledger.bet``."""
        rows = self._read(f"{_BETS} WHERE b.bet = %s", (bet,))
        return bet_row(*rows[0]) if rows else None

    def bets(self, account: str, *, open_only: bool, before: str | None, limit: int) -> list[Bet]:
        """See ``Ledger.bets``. Those that are over are read, too, where only open ones are wanted."""
        only = "AND (s.status IS NULL OR s.status = 'open')" if open_only else ""
        sql = (
            f"{_BETS} WHERE b.player = (SELECT player FROM accounts WHERE account = %s) AND b.number < %s {only} "
            "ORDER BY b.number DESC LIMIT %s"
        )
        return [bet_row(*row) for row in self._read(sql, (account, self._number(before, _EVER), limit))]

    def bets_on(self, selections: Sequence[str], after: int, limit: int) -> list[tuple[int, int]]:
        """See ``Ledger.bets_on``."""
        names = texts(list(selections))
        return self._read_late(_ON, (after, names, names, limit))

    def backed(self, fixture: str) -> list[str]:
        """See ``Ledger.backed``: from each selection to the next one, whatever stands between."""
        end = f"{fixture};"
        return [row[0] for row in self._read_late(_BACKED, (f"{fixture}:", end, end))]

    def windows(self, fixtures: Sequence[str]) -> dict[str, Sequence[Window]]:
        """See ``Ledger.windows``."""
        found: dict[str, list[Window]] = {}
        sql = (
            "SELECT fixture, version, from_ms, until_ms FROM windows WHERE fixture = ANY(%s) ORDER BY fixture, version"
        )
        for fixture, *window in self._read(sql, (texts(list(fixtures)),)):
            found.setdefault(fixture, []).append(Window(*window))
        return dict(found)

    def decisions(self, selections: Sequence[str]) -> dict[str, tuple[int, Outcome | None]]:
        """See ``Ledger.decisions``."""
        sql = "SELECT selection, version, outcome FROM decisions WHERE selection = ANY(%s)"
        return {row[0]: (row[1], outcome_of(row[2])) for row in self._read(sql, (texts(list(selections)),))}

    def statement(self, account: str, before: int | None, limit: int) -> list[Entry]:
        """See ``Ledger.statement``."""
        where = "WHERE player = (SELECT player FROM accounts WHERE account = %s) AND entry < %s ORDER BY entry DESC"
        rows = self._read_late(f"{_ENTRIES} {where} LIMIT %s", (account, _EVER if before is None else before, limit))
        return [_entry(row) for row in rows]

    def entries(self, after: int, limit: int) -> list[Entry]:
        """See ``Ledger.entries``: as with facts, none that may yet have one with a lower number before it."""
        rows = self._certain(f"{_ENTRIES} WHERE entry > %s ORDER BY entry LIMIT %s", (after, limit))
        return [_entry(row) for row in rows]

    def totals(self) -> dict[str, int]:
        """See ``Ledger.totals``: over balances, in one snapshot."""
        return {currency: int(total) for currency, total in self._read_late(
            "SELECT currency, sum(balance) FROM (SELECT currency, balance FROM accounts UNION ALL "
            "SELECT currency, balance FROM house) every GROUP BY currency"
        )}  # fmt: skip

    def balances(self) -> dict[str, int]:
        """Every account's balance, the house's included."""
        sql = "SELECT account, balance FROM accounts UNION ALL SELECT account, sum(balance) FROM house GROUP BY account"
        return {account: int(balance) for account, balance in self._read(sql)}

    def posted(self) -> dict[str, int]:
        """Every account's sum of postings: equal to ``balances``, always."""
        sql = (
            "SELECT posting->>0, sum((posting->>1)::bigint) FROM entries, json_array_elements(postings::json) posting "
            "GROUP BY 1"
        )
        return {account: int(total) for account, total in self._read(sql)}

    def guards(self, names: Sequence[str]) -> dict[str, int]:
        """See ``Ledger.guards``."""
        sql = (
            "SELECT guard, used FROM guards WHERE guard = ANY(%s) AND used IS NOT NULL UNION ALL "
            "SELECT %s || account, exposed FROM accounts WHERE account = ANY(%s) AND exposed IS NOT NULL"
        )
        accounts = [name.removeprefix(ACCOUNT_GUARD) for name in names if name.startswith(ACCOUNT_GUARD)]
        return dict(self._read(sql, (texts(list(names)), ACCOUNT_GUARD, texts(accounts))))

    def all_guards(self) -> dict[str, int]:
        """Every guard's counter."""
        sql = (
            "SELECT guard, used FROM guards WHERE used IS NOT NULL UNION ALL "
            "SELECT %s || account, exposed FROM accounts WHERE exposed IS NOT NULL"
        )
        return dict(self._read(sql, (ACCOUNT_GUARD,)))

    def to_cash_out(self, after: str, limit: int) -> list[Bet]:
        """See ``Ledger.to_cash_out``."""
        sql = (
            f"SELECT {BET} FROM standings s JOIN bets b USING (number, part) "
            "WHERE s.status = 'open' AND s.cash_out_at IS NOT NULL AND s.number > %s ORDER BY s.number LIMIT %s"
        )
        return [bet_row(*row) for row in self._read(sql, (self._number(after, 0), limit))]

    def open_bets(self) -> int:
        """See ``Ledger.open_bets``: a count over all bets."""
        sql = "SELECT (SELECT count(*) FROM bets) - (SELECT count(*) FROM standings WHERE status <> 'open')"
        return int(self._read_late(sql)[0][0])

    def facts(self, after: int, limit: int) -> list[AccountFact]:
        """See ``Ledger.facts``."""
        return [fact_of(body) for _, _, body in self.outbox(after, limit)]

    def outbox(self, after: int, limit: int) -> list[tuple[int, str, bytes]]:
        """See ``Ledger.outbox``."""
        sql = "SELECT seq, convert_to(body, 'UTF8') FROM facts WHERE seq > %s ORDER BY seq LIMIT %s"
        return [(seq, owner_of(body).account, body) for seq, body in self._certain(sql, (after, limit))]

    def _certain(self, sql: str, values: Sequence[object]) -> list[Any]:
        """Those rows, their numbers first, before which none can appear any more."""
        with self._reader.connection() as db, db.pipeline():
            until, rows = certain(db), db.execute(sql, values)
            newest = until()
            return [row for row in rows.fetchall() if row[0] <= newest]


def _stored(values: Iterable[object]) -> list[object]:
    """As columns have them."""
    return [plain(value) if isinstance(value, str) else value for value in values]


def certain(db: Connection) -> Callable[[], int]:
    """Asks, in a pipeline, and then says up to which number all entries and facts are visible to what is asked next."""
    drawn = db.execute("SELECT last_value - (NOT is_called)::int FROM batches")
    drawing = db.execute(_LOWEST, (Int8(DRAWING >> 48),))

    def until() -> int:
        (last,), (lowest,) = (cursor.fetchall()[0] for cursor in (drawn, drawing))
        return NUMBERS * int(last if lowest is None else min(last, lowest))

    return until


def _entry(row: Sequence[Any]) -> Entry:
    entry, at_ms, reason, currency, postings, bet = row
    return Entry(entry, at_ms, reason, currency, postings_of(postings), bet)
