"""The ledger on SQLite: the embedded backend.

``SqliteLedgerCore`` is synchronous: one batch, one transaction, the rules of ``model/posting`` over rows loaded by a
few statements and written once. ``SqliteLedger`` drives it from a thread of its own and implements the port.
It gives up more than one machine, and a standby; nothing else.
"""

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from matchday.backends.ledger_sqlite_reads import LedgerReads, account_row, each, offer_body, windows_of
from matchday.backends.sqlite import Database
from matchday.backends.writer import Post, Writer
from matchday.config import Storage
from matchday.model.bet import Bet, BetStatus, Outcome
from matchday.model.ledger import ID_MEMORY_MS, AccountView, Answer, Charge, Command, Refusal
from matchday.model.posting import (
    HeldFreeBet,
    HeldOffer,
    Known,
    PlacedBet,
    Rows,
    account_of,
    apply,
    needs,
)
from matchday.model.posting.rows import FreeBetState
from matchday.ports import Clock, LedgerUnavailable

_SCHEMA: Final = tuple(
    Path(__file__).with_name(name) for name in ("ledger_sqlite.sql", "ledger_sqlite_2.sql", "ledger_sqlite_3.sql")
)
_json = msgspec.json.Encoder().encode
_bet = msgspec.json.Decoder(Bet).decode
_charges = msgspec.json.Decoder(tuple[Charge, ...]).decode
_outcome = msgspec.json.Decoder(Outcome | None).decode


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
                "SELECT hash, refusal, bet, balance, pending_until_ms FROM known WHERE account=? AND id=?",
                (account, id_),
            ).fetchone()
            if row is not None:
                known[account, id_] = Known(row[0], Refusal(row[1]) if row[1] else None, *row[2:])
                if row[2] is not None:
                    need.bets.add(row[2])
        bets = {
            row[0]: PlacedBet(_bet(row[1]), _charges(row[2]))
            for row in each(db, "SELECT bet, body, charges FROM bets WHERE bet IN (%s)", need.bets)
        }
        need.of_bets(bets.values())
        accounts = {
            row[0]: account_row(row) for row in each(db, "SELECT * FROM accounts WHERE account IN (%s)", need.accounts)
        }
        guards = dict(each(db, "SELECT guard, used FROM guards WHERE guard IN (%s)", need.guards))
        decisions = {
            row[0]: (row[1], _outcome(row[2]))
            for row in each(
                db, "SELECT selection, version, outcome FROM decisions WHERE selection IN (%s)", need.selections
            )
        }
        windows = windows_of(db, need.fixtures)
        free_bets = {
            name: HeldFreeBet(name, account, currency, amount, until_ms, FreeBetState(state), bet)
            for name, account, currency, amount, until_ms, state, bet in each(
                db, "SELECT * FROM free_bets WHERE free_bet IN (%s)", need.free_bets
            )
        }
        offers = {
            row[0]: HeldOffer(offer_body(row[3]), row[1], bool(row[2]))
            for row in each(db, "SELECT * FROM offers WHERE offer IN (%s)", need.offers)
        }
        return Rows(
            known, accounts, bets, guards, decisions, windows, free_bets, offers, self._next_entry, self._next_fact
        )

    def _save(self, db: sqlite3.Connection, rows: Rows, commands: Sequence[Command]) -> None:
        at_ms = {(account_of(command), command.id): command.at_ms for command in commands}
        many = db.executemany
        many(
            "INSERT OR REPLACE INTO known VALUES (?,?,?,?,?,?,?,?)",
            [
                (*key, k.hash, k.refusal, k.bet, k.balance, at_ms[key], k.pending_until_ms)
                for key, k in rows.new_known.items()
            ],
        )
        many(
            "INSERT OR REPLACE INTO accounts VALUES (?,?,?,?,?,?,?,?)",
            [
                (a.account, a.currency, a.status, a.balance, a.facts, _json(a.limits), _json(a.raised), _json(a.days))
                for a in (rows.accounts[name] for name in rows.changed_accounts)
            ],
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
            "INSERT INTO bets VALUES (?,?,?,?,?,NULL)",
            [(p.bet.bet, p.bet.account, p.bet.status, _json(p.bet), _json(p.charges)) for p in new],
        )
        many(
            "INSERT OR IGNORE INTO legs VALUES (?,?)",
            [(selection, p.bet.bet) for p in new for leg in p.bet.legs for selection in leg.selections],
        )
        changed = [rows.bets[bet].bet for bet in rows.changed_bets]
        many(
            "UPDATE bets SET status=?, body=?, cash_out_at=? WHERE bet=?",
            [
                (bet.status, _json(bet), bet.cash_out_at if bet.status == BetStatus.OPEN else None, bet.bet)
                for bet in changed
            ],
        )
        many("INSERT OR REPLACE INTO guards VALUES (?,?)", [(g, rows.guards[g]) for g in rows.changed_guards])
        many(
            "INSERT OR REPLACE INTO decisions VALUES (?,?,?)",
            [(s, rows.decisions[s][0], _json(rows.decisions[s][1])) for s in rows.changed_decisions],
        )
        many(
            "INSERT OR IGNORE INTO windows VALUES (?,?,?,?)",
            [(fixture, *msgspec.structs.astuple(window)) for fixture, window in rows.new_windows],
        )
        self._save_rarer(db, rows)
        many("INSERT INTO facts VALUES (?,?)", [(fact.seq, _json(fact)) for fact in rows.new_facts])

    @staticmethod
    def _save_rarer(db: sqlite3.Connection, rows: Rows) -> None:
        """Referrals, offers and free bets."""
        db.executemany(
            "INSERT INTO referrals VALUES (?,?,?,?)",
            [(*key, referral.until_ms, _json(referral)) for key, referral in rows.new_referrals.items()],
        )
        db.executemany("DELETE FROM referrals WHERE account=? AND id=?", rows.answered_referrals)
        db.executemany(
            "INSERT OR REPLACE INTO offers VALUES (?,?,?,?)",
            [(name, o.account, o.taken, _json(o.offer)) for name in rows.changed_offers for o in (rows.offers[name],)],
        )
        db.executemany(
            "INSERT OR REPLACE INTO free_bets VALUES (?,?,?,?,?,?,?)",
            [msgspec.structs.astuple(rows.free_bets[name]) for name in rows.changed_free_bets],
        )

    @property
    def last_fact(self) -> int:
        """``seq`` of the newest fact."""
        return int(self._next_fact) - 1

    @property
    def database(self) -> Database:
        """For those who share its reads."""
        return self._database


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
