"""The rows of a batch on SQLite: loaded by a few statements, and what the rules changed written by a few.

A statement takes many rows: what one costs, in SQLite, in Python and in handing the interpreter to another thread and
back, is then paid once for all of them. Accounts and bets are known to each other by small numbers of the file's own
(``player``, ``number``), so that what belongs to one account stands on few pages.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final

import msgspec

from matchday.backends.ledger_sqlite_reads import (
    ACCOUNT_GUARD,
    BET,
    STANDING,
    account_row,
    bet_row,
    charges_of,
    offer_body,
    placed_bets,
    standing_at,
    windows_of,
)
from matchday.backends.sqlite import each, each_pair, insert
from matchday.model.bet import Outcome
from matchday.model.ledger import Command, OpenAccount, Refusal, Window
from matchday.model.posting import HeldFreeBet, HeldOffer, Known, PlacedBet, Rows, account_of, needs
from matchday.model.posting.rows import FreeBetState, Needs

REMEMBERED_MAX: Final = 100_000
"""Decisions, fixtures' void windows and numbers of guards that are kept in memory; beyond that they are read anew."""
_json = msgspec.json.Encoder().encode
_outcome = msgspec.json.Decoder(Outcome | None).decode
_UNDECIDED: Final = (0, None)
_BETS: Final = (
    f"SELECT b.number, b.player, b.charges, {BET} FROM bets b JOIN standings s USING (player, number) "
    "WHERE b.bet IN (%s)"
)
_CHANGED: Final = (
    f"WITH v (player, number) AS (VALUES %s) SELECT number, {STANDING} FROM v JOIN standings s USING (player, number) "
    "WHERE status <> 'open' OR version <> 0 OR cashed <> 0 OR cash_out_at IS NOT NULL"
)
"""Bets that do not stand as they were placed."""
Players = dict[str, int]
"""Account -> its number in the file."""


class RowStore:
    """Loads and writes the rows of a batch within the writer's transaction.

    Decisions, void windows and the numbers of guards are remembered, as one match's are needed by a million bets:
    nobody else writes to the file. ``forget`` what a batch that failed may have left in them.
    """

    def __init__(self, writer: sqlite3.Connection) -> None:
        self._db = writer
        self.next_entry = 1 + self._last("entry", "entries")
        self.next_fact = 1 + self._last("seq", "facts")
        self._next_player = 1 + self._last("player", "accounts")
        self._next_number = 1 + self._last("number", "bets")
        self._decisions: dict[str, tuple[int, Outcome | None]] = {}
        self._windows: dict[str, list[Window]] = {}
        self._fixtures = set[str]()
        """Whose windows are remembered; few have any."""
        self._guards: dict[str, int] = {}
        """Guard -> the number of its counter."""
        self._new_guards: dict[int, str] = {}
        """Numbers given to guards in this batch."""
        self._next_guard = 1 + self._last("number", "guards")

    def _last(self, key: str, table: str) -> int:
        return int(self._db.execute(f"SELECT coalesce(max({key}), 0) FROM {table}").fetchone()[0])

    def forget(self) -> None:
        """Read anew what is remembered."""
        self._decisions, self._windows, self._fixtures, self._guards = {}, {}, set(), {}

    # --- loading ------------------------------------------------------------------------------------------------------

    def begin(self) -> tuple[Rows, Players]:
        """An empty working set, and what the accounts in it are called."""
        self._new_guards = {}
        if len(self._decisions) + len(self._fixtures) + len(self._guards) > REMEMBERED_MAX:
            self.forget()
        return Rows({}, {}, {}, {}, {}, self._decisions, self._windows, {}, {}, self.next_entry, self.next_fact), {}

    def load(self, rows: Rows, players: Players, commands: Sequence[Command], read: Mapping[int, PlacedBet]) -> None:
        """What those commands touch, as far as it is not there. ``read``: bets as they were placed, which the caller
        has read before."""
        need = needs(commands)
        self._load_known(rows, need)
        need.of_bets(self._load_bets(rows, need, read))
        self._remember(need)
        self._load_accounts(rows, players, need)
        for command in commands:
            if isinstance(command, OpenAccount) and command.account not in players:
                players[command.account] = self._next_player  # a bet of the same batch is charged to it
                self._next_player += 1
        rows.guards |= (numbers := self._numbers(need.guards, players))
        counters = numbers.values() - rows.counters.keys()
        rows.counters |= dict(each(self._db, "SELECT number, used FROM counters WHERE number IN (%s)", counters))
        for name, account, currency, amount, until_ms, state, bet in each(
            self._db, "SELECT * FROM free_bets WHERE free_bet IN (%s)", need.free_bets - rows.free_bets.keys()
        ):
            rows.free_bets[name] = HeldFreeBet(name, account, currency, amount, until_ms, FreeBetState(state), bet)
        offers = need.offers - rows.offers.keys()
        for name, account, taken, body in each(self._db, "SELECT * FROM offers WHERE offer IN (%s)", offers):
            rows.offers[name] = HeldOffer(offer_body(body), account, bool(taken))

    def _load_known(self, rows: Rows, need: Needs) -> None:
        wanted = set(need.ids) - rows.known.keys()
        sql = (
            "SELECT k.account, k.id, hash, refusal, b.bet, balance, pending_until_ms "
            "FROM known k LEFT JOIN bets b ON b.number = k.bet WHERE k.id IN (%s)"
        )
        for account, id_, hash_, refusal, bet, *more in each(self._db, sql, {id_ for _, id_ in wanted}):
            if (account, id_) in wanted:
                rows.known[account, id_] = Known(hash_, Refusal(refusal) if refusal else None, bet, *more)
                if bet is not None:
                    need.bets.add(bet)

    def _load_bets(self, rows: Rows, need: Needs, read: Mapping[int, PlacedBet]) -> list[PlacedBet]:
        """By name and by number; those that were not there."""
        loaded = []
        for number, player, charges, *held in each(self._db, _BETS, need.bets - rows.bets.keys()):
            loaded.append(PlacedBet(bet_row(*held), charges_of(charges), number, player))
        if numbers := need.numbers - rows.numbered.keys():
            placed = {number: read[number] for number in numbers if number in read}
            placed |= placed_bets(self._db, numbers - placed.keys())
            pairs = [(found.player, number) for number, found in placed.items()]
            for number, *standing in each_pair(self._db, _CHANGED, pairs):
                placed[number].bet = standing_at(placed[number].bet, *standing)
            rows.numbered |= placed
            loaded += placed.values()
        rows.bets.update((placed.bet.bet, placed) for placed in loaded)
        return loaded

    def _load_accounts(self, rows: Rows, players: Players, need: Needs) -> None:
        """By name; those of bets are found by number."""
        of_bets = {placed.player for placed in rows.numbered.values() if placed.bet.account not in rows.accounts}
        found = each(self._db, "SELECT * FROM accounts WHERE player IN (%s)", of_bets)
        names = need.accounts - rows.accounts.keys() - {row[1] for row in found}
        found += each(self._db, "SELECT * FROM accounts WHERE account IN (%s)", names)
        rows.accounts.update((row[1], account_row(row)) for row in found)
        players.update((row[1], row[0]) for row in found)

    def _numbers(self, guards: Iterable[str], players: Players) -> dict[str, int]:
        """What guards are called by; new ones are given a number."""
        found: dict[str, int] = {}
        unknown: list[str] = []
        for guard in guards:
            if (number := self._guards.get(guard)) is not None:
                found[guard] = number
            elif guard.startswith(ACCOUNT_GUARD) and (player := players.get(guard[len(ACCOUNT_GUARD) :])) is not None:
                found[guard] = -player
            else:
                unknown.append(guard)
        if unknown:
            found |= (stored := dict(each(self._db, "SELECT guard, number FROM guards WHERE guard IN (%s)", unknown)))
            new = {guard: self._next_guard + n for n, guard in enumerate(sorted(unknown - stored.keys()))}
            self._next_guard += len(new)
            self._new_guards |= {number: guard for guard, number in new.items()}
            self._guards |= stored
            found |= new
        return found

    def _remember(self, need: Needs) -> None:
        if new := need.selections - self._decisions.keys():
            self._decisions.update(dict.fromkeys(new, _UNDECIDED))
            sql = "SELECT selection, version, outcome FROM decisions WHERE selection IN (%s)"
            self._decisions.update((row[0], _decision(row[1], row[2])) for row in each(self._db, sql, new))
        if new := need.fixtures - self._fixtures:
            self._fixtures |= new
            self._windows.update(windows_of(self._db, new))

    # --- writing ------------------------------------------------------------------------------------------------------

    def save(self, rows: Rows, players: Players, commands: Sequence[Command]) -> None:
        """What the rules changed."""
        db = self._db
        self._save_accounts(rows, players)
        self._save_bets(rows, players)
        if rows.new_known:
            self._save_known(rows, commands)
        self._save_entries(rows, players)
        if rows.charged:
            self._save_guards(rows.charged)
        insert(db, "INSERT OR REPLACE INTO decisions VALUES",
               [(s, rows.decisions[s][0], _json(rows.decisions[s][1])) for s in rows.changed_decisions])  # fmt: skip
        insert(db, "INSERT OR IGNORE INTO windows VALUES",
               [(fixture, w.version, w.from_ms, w.until_ms) for fixture, w in rows.new_windows])  # fmt: skip
        self._save_rarer(rows)
        insert(db, "INSERT INTO facts VALUES", [(fact.seq, _json(fact)) for fact in rows.new_facts])

    def _save_accounts(self, rows: Rows, players: Players) -> None:
        changed = [(players[name], rows.accounts[name]) for name in rows.changed_accounts]
        insert(
            self._db, "INSERT INTO accounts VALUES",
            sorted([
                (player, a.account, a.currency, a.status, a.balance, a.facts, _json((a.limits, a.raised, a.days)))
                for player, a in changed
            ]),
            "ON CONFLICT (player) DO UPDATE SET status = excluded.status, balance = excluded.balance, "
            "facts = excluded.facts, limits = excluded.limits",
        )  # fmt: skip
        insert(
            self._db, "INSERT INTO house VALUES",
            [(name, name.split(":")[1], amount) for name, amount in rows.house.items() if amount],
            "ON CONFLICT DO UPDATE SET balance = balance + excluded.balance",
        )  # fmt: skip

    def _save_bets(self, rows: Rows, players: Players) -> None:
        new = [rows.bets[bet] for bet in rows.new_bets]
        for placed in new:
            placed.number = self._next_number
            self._next_number += 1
        insert(self._db, "INSERT INTO bets VALUES", [
            (p.number, p.bet.bet, players[p.bet.account], _json(p.bet), _json(p.charges)) for p in new
        ])  # fmt: skip
        insert(self._db, "INSERT OR IGNORE INTO legs VALUES", sorted([
            (selection, p.number, players[p.bet.account])
            for p in new for leg in p.bet.legs for selection in leg.selections
        ]))  # fmt: skip
        standings = [_standing(players, rows.bets[name]) for name in rows.changed_bets.union(rows.new_bets)]
        insert(
            self._db, "INSERT INTO standings VALUES", sorted(standings),
            "ON CONFLICT DO UPDATE SET status = excluded.status, version = excluded.version, "
            "returns = excluded.returns, owed = excluded.owed, cashed = excluded.cashed, cash = excluded.cash, "
            "cash_out_at = excluded.cash_out_at",
        )  # fmt: skip

    def _save_guards(self, charged: dict[int, int]) -> None:
        new = [(number, guard) for number, guard in self._new_guards.items() if number in charged]
        insert(self._db, "INSERT INTO guards VALUES", new)
        added = [(number, charged[number]) for number in sorted(charged)]
        insert(self._db, "INSERT INTO counters VALUES", added, "ON CONFLICT DO UPDATE SET used = used + excluded.used")

    def _save_known(self, rows: Rows, commands: Sequence[Command]) -> None:
        at_ms = {(account_of(command), command.id): command.at_ms for command in commands}
        insert(self._db, "INSERT OR REPLACE INTO known VALUES", [
            (id_, account, k.hash, k.refusal, None if k.bet is None else rows.bets[k.bet].number, k.balance,
             at_ms[account, id_], k.pending_until_ms)
            for (account, id_), k in rows.new_known.items()
        ])  # fmt: skip

    def _save_entries(self, rows: Rows, players: Players) -> None:
        bets = rows.bets
        insert(self._db, "INSERT INTO entries VALUES", [
            (e.entry, e.at_ms, e.reason, e.currency, None if e.bet is None else bets[e.bet].number,
             None if player is None else players[player], _json(e.postings))
            for e, player in rows.new_entries
        ])  # fmt: skip

    def _save_rarer(self, rows: Rows) -> None:
        """Referrals, offers and free bets."""
        db = self._db
        referrals = [(*key, referral.until_ms, _json(referral)) for key, referral in rows.new_referrals.items()]
        insert(db, "INSERT INTO referrals VALUES", referrals)
        db.executemany("DELETE FROM referrals WHERE account=? AND id=?", rows.answered_referrals)
        offers = [(name, rows.offers[name]) for name in rows.changed_offers]
        insert(db, "INSERT OR REPLACE INTO offers VALUES",
               [(name, held.account, held.taken, _json(held.offer)) for name, held in offers])  # fmt: skip
        insert(db, "INSERT OR REPLACE INTO free_bets VALUES",
               [msgspec.structs.astuple(rows.free_bets[name]) for name in rows.changed_free_bets])  # fmt: skip


@lru_cache(maxsize=256)
def _decision(version: int, outcome: bytes) -> tuple[int, Outcome | None]:
    """One object for equal ones: few are many selections' decisions."""
    return version, _outcome(outcome)


def _standing(players: Players, placed: PlacedBet) -> tuple[object, ...]:
    b = placed.bet
    return players[b.account], placed.number, b.status, b.version, b.returns, b.owed, b.cashed, b.cash, b.cash_out_at
