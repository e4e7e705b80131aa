"""The ledger on SQLite: the embedded backend.

``SqliteLedgerCore`` is synchronous: one batch, one transaction, the rules of ``model/posting.py`` over rows loaded by a
few statements and written once. ``SqliteLedger`` drives it from a thread of its own and implements the port.
It gives up more than one machine, and a standby; nothing else.
"""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from matchday.backends.sqlite import Database, marks
from matchday.backends.writer import Post, Writer
from matchday.config import Storage
from matchday.model.bet import Bet, Outcome
from matchday.model.ledger import (
    ID_MEMORY_MS,
    AccountStatus,
    AccountView,
    Answer,
    Charge,
    Command,
    Entry,
    Posting,
    Refusal,
    Window,
)
from matchday.model.messages import AccountFact
from matchday.model.posting import Account, Known, PlacedBet, Rows, account_of, apply, needs
from matchday.ports import Clock, LedgerUnavailable

_SCHEMA: Final = (Path(__file__).with_suffix(".sql"), Path(__file__).with_name("ledger_sqlite_2.sql"))
_VARIABLES_MAX: Final = 30_000
"""Values of one statement; SQLite takes 32,766."""
_json = msgspec.json.Encoder().encode
_bet = msgspec.json.Decoder(Bet).decode
_charges = msgspec.json.Decoder(tuple[Charge, ...]).decode
_outcome = msgspec.json.Decoder(Outcome | None).decode
_fact = msgspec.json.Decoder(AccountFact).decode


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
        return Account(rows[0][0], rows[0][1], AccountStatus(rows[0][2]), *rows[0][3:]).view(now_ms) if rows else None

    def answer(self, account: str, id_: str) -> Answer | None:
        """See ``Ledger.answer``."""
        rows = self._read("SELECT refusal, bet, balance FROM known WHERE account=? AND id=?", (account, id_))
        if not rows:
            return None
        refusal, bet, balance = rows[0]
        held = self.bet(bet) if bet else None
        return Answer(id_, account, Refusal(refusal) if refusal else None, held, balance, repeated=True)

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
        return dict(_windows(self._database.reader, fixtures))

    def decisions(self, selections: Sequence[str]) -> dict[str, tuple[int, Outcome | None]]:
        """See ``Ledger.decisions``."""
        sql = "SELECT selection, version, outcome FROM decisions WHERE selection IN (%s)"
        return {row[0]: (row[1], _outcome(row[2])) for row in _each(self._database.reader, sql, selections)}

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

    def guards(self) -> dict[str, int]:
        """Every guard's counter."""
        return dict(self._read("SELECT guard, used FROM guards"))

    def open_bets(self) -> int:
        """See ``Ledger.open_bets``."""
        return int(self._read("SELECT count(*) FROM bets WHERE status = 'open'")[0][0])

    def facts(self, after: int, limit: int) -> list[AccountFact]:
        """See ``Ledger.facts``. One writer numbers and commits them in order, so none appears late."""
        return [
            _fact(row[0])
            for row in self._read("SELECT body FROM facts WHERE seq > ? ORDER BY seq LIMIT ?", (after, limit))
        ]


class SqliteLedgerCore(LedgerReads):
    """The synchronous core: what a commit and a read do, without thread or clock."""

    def __init__(self, path: Path | str) -> None:
        self._database = Database(path, [script.read_text() for script in _SCHEMA])
        writer = self._database.writer
        self._next_entry = 1 + writer.execute("SELECT coalesce(max(entry), 0) FROM entries").fetchone()[0]
        self._next_fact = 1 + writer.execute("SELECT coalesce(max(seq), 0) FROM facts").fetchone()[0]

    def close(self) -> None:
        """Give up the file."""
        self._database.close()

    # --- writing ------------------------------------------------------------------------------------------------------

    def commit(self, commands: Sequence[Command]) -> list[Answer]:
        """Apply in order, in one transaction. sqlite3.Error: nothing of the batch is recorded."""
        with self._database.transaction() as db:
            rows = self._load(db, commands)
            answers = [apply(command, rows) for command in commands]
            self._save(db, rows, commands)
        self._next_entry, self._next_fact = rows.next_entry, rows.next_fact
        return answers

    def went_in(self) -> bool:
        """Whether the last commit, though it failed, is in the file after all."""
        newest = self._database.writer.execute("SELECT coalesce(max(entry), 0) FROM entries").fetchone()[0]
        return bool(newest >= self._next_entry)

    def purge(self, now_ms: int) -> None:
        """Forget refusals that are older than their memory."""
        with self._database.transaction() as db:
            db.execute("DELETE FROM known WHERE refusal IS NOT NULL AND at_ms < ?", (now_ms - ID_MEMORY_MS,))

    def _load(self, db: sqlite3.Connection, commands: Sequence[Command]) -> Rows:
        need = needs(commands)
        known: dict[tuple[str, str], Known] = {}
        for account, id_ in need.ids:
            row = db.execute(
                "SELECT hash, refusal, bet, balance FROM known WHERE account=? AND id=?", (account, id_)
            ).fetchone()
            if row is not None:
                known[account, id_] = Known(row[0], Refusal(row[1]) if row[1] else None, row[2], row[3])
                if row[2] is not None:
                    need.bets.add(row[2])
        bets = {
            row[0]: PlacedBet(_bet(row[1]), _charges(row[2]))
            for row in _each(db, "SELECT bet, body, charges FROM bets WHERE bet IN (%s)", need.bets)
        }
        for placed in bets.values():
            need.guards.update(charge.guard for charge in placed.charges)
            need.selections.update(leg.selection for leg in placed.bet.legs)
            need.fixtures.update(leg.fixture for leg in placed.bet.legs)
            need.accounts.add(placed.bet.account)
        accounts = {
            row[0]: Account(row[0], row[1], AccountStatus(row[2]), *row[3:])
            for row in _each(db, "SELECT * FROM accounts WHERE account IN (%s)", need.accounts)
        }
        guards = dict(_each(db, "SELECT guard, used FROM guards WHERE guard IN (%s)", need.guards))
        decisions = {
            row[0]: (row[1], _outcome(row[2]))
            for row in _each(
                db, "SELECT selection, version, outcome FROM decisions WHERE selection IN (%s)", need.selections
            )
        }
        windows = _windows(db, need.fixtures)
        return Rows(known, accounts, bets, guards, decisions, windows, self._next_entry, self._next_fact)

    def _save(self, db: sqlite3.Connection, rows: Rows, commands: Sequence[Command]) -> None:
        at_ms = {(account_of(command), command.id): command.at_ms for command in commands}
        many = db.executemany
        many(
            "INSERT INTO known VALUES (?,?,?,?,?,?,?)",
            [(*key, k.hash, k.refusal, k.bet, k.balance, at_ms[key]) for key, k in rows.new_known.items()],
        )
        many(
            "INSERT OR REPLACE INTO accounts VALUES (?,?,?,?,?,?,?,?,?,?)",
            [msgspec.structs.astuple(rows.accounts[name]) for name in rows.changed_accounts],
        )
        many(
            "INSERT INTO house VALUES (?,?,?) ON CONFLICT DO UPDATE SET balance = balance + excluded.balance",
            [(name, name.split(":")[1], amount) for name, amount in rows.house.items()],
        )
        entries = rows.new_entries
        many(
            "INSERT INTO entries VALUES (?,?,?,?,?)", [(e.entry, e.at_ms, e.reason, e.currency, e.bet) for e in entries]
        )
        many(
            "INSERT INTO postings VALUES (?,?,?)", [(e.entry, p.account, p.amount) for e in entries for p in e.postings]
        )
        new = [rows.bets[bet] for bet in rows.new_bets]
        many(
            "INSERT INTO bets VALUES (?,?,?,?,?)",
            [(p.bet.bet, p.bet.account, p.bet.status, _json(p.bet), _json(p.charges)) for p in new],
        )
        many("INSERT OR IGNORE INTO legs VALUES (?,?)", [(leg.selection, p.bet.bet) for p in new for leg in p.bet.legs])
        changed = [rows.bets[bet].bet for bet in rows.changed_bets]
        many("UPDATE bets SET status=?, body=? WHERE bet=?", [(bet.status, _json(bet), bet.bet) for bet in changed])
        many("INSERT OR REPLACE INTO guards VALUES (?,?)", [(g, rows.guards[g]) for g in rows.changed_guards])
        many(
            "INSERT OR REPLACE INTO decisions VALUES (?,?,?)",
            [(s, rows.decisions[s][0], _json(rows.decisions[s][1])) for s in rows.changed_decisions],
        )
        many(
            "INSERT OR IGNORE INTO windows VALUES (?,?,?,?)",
            [(fixture, *msgspec.structs.astuple(window)) for fixture, window in rows.new_windows],
        )
        many("INSERT INTO facts VALUES (?,?)", [(fact.seq, _json(fact)) for fact in rows.new_facts])

    @property
    def last_fact(self) -> int:
        """``seq`` of the newest fact."""
        return int(self._next_fact) - 1

    @property
    def database(self) -> Database:
        """For those who share its reads."""
        return self._database


def _windows(db: sqlite3.Connection, fixtures: Iterable[str]) -> dict[str, list[Window]]:
    found: dict[str, list[Window]] = {}
    sql = "SELECT fixture, version, from_ms, until_ms FROM windows WHERE fixture IN (%s)"
    for fixture, *window in _each(db, sql, fixtures):
        found.setdefault(fixture, []).append(Window(*window))
    return found


def _each(db: sqlite3.Connection, sql: str, keys: Iterable[str]) -> list[Any]:
    """Rows of a statement with ``IN (%s)`` for all keys, in slices that SQLite takes."""
    ordered = sorted(set(keys))
    rows: list[Any] = []
    for start in range(0, len(ordered), _VARIABLES_MAX):
        part = ordered[start : start + _VARIABLES_MAX]
        rows.extend(db.execute(sql % marks(len(part)), part).fetchall())
    return rows


Done = Callable[[Sequence[Answer] | LedgerUnavailable], None]
_Work = tuple[tuple[Command, ...], Done]


class SqliteLedger(LedgerReads):
    """The port: group commit on a thread of its own, reads on the caller's."""

    def __init__(
        self,
        core: SqliteLedgerCore,
        clock: Clock,
        post: Post,
        settings: Storage,
        fatal: Callable[[BaseException], None],
    ) -> None:
        self._core = core
        self._database = core.database
        self._clock = clock
        self._listeners: list[Callable[[], None]] = []
        self._writer: Writer[_Work] = Writer(
            "ledger", self._write, lambda work: len(work[0]), settings.batch_max, post, fatal
        )

    def close(self) -> None:
        """Write what is waiting and stop."""
        self._writer.close()

    def commit(self, commands: Sequence[Command], done: Done) -> None:
        """See ``Ledger.commit``."""
        self._writer.submit((tuple(commands), done))

    def listen(self, heard: Callable[[], None]) -> None:
        """See ``Ledger.listen``."""
        self._listeners.append(heard)

    def _write(self, group: Sequence[_Work]) -> Callable[[], None]:
        """On the writer's thread: one transaction for the whole group."""
        commands = [command for work, _ in group for command in work]
        before = self._core.last_fact
        try:
            answers = self._core.commit(commands)
        except sqlite3.Error as error:
            if isinstance(error, sqlite3.IntegrityError) or self._core.went_in():
                raise
            failure = LedgerUnavailable(str(error))

            def refuse() -> None:
                for _, done in group:
                    done(failure)

            return refuse
        said = self._core.last_fact > before

        def call() -> None:
            start = 0
            for work, done in group:
                done(answers[start : start + len(work)])
                start += len(work)
            if said:
                for heard in self._listeners:
                    heard()

        return call

    def account(self, account: str) -> AccountView | None:
        """See ``Ledger.account``."""
        return self.account_at(account, self._clock.now_ms())
