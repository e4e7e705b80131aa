"""The rows of a batch on SQLite: loaded by a few statements, and what the rules changed written by a few.

A statement takes many rows: what one costs, in SQLite, in Python and in handing the interpreter to another thread and
back, is then paid once for all of them. Accounts and bets are known to each other by small numbers of the file's own
(``player``, ``number``), so that what belongs to one account stands on few pages.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import msgspec

from matchday.backends.columns import (
    ACCOUNT_GUARD,
    BET,
    STANDING,
    account_rows,
    bet_row,
    charges_of,
    encoded,
    limits_of,
    offer_body,
    outcome_of,
    standing_at,
)
from matchday.backends.ledger_sqlite_reads import Said, placed_bets, windows_of
from matchday.backends.sqlite import each, each_pair, insert
from matchday.model.bet import Outcome
from matchday.model.ledger import Command, OpenAccount, Refusal, Window
from matchday.model.posting import Account, HeldFreeBet, HeldOffer, Known, PlacedBet, Rows, account_of, needs
from matchday.model.posting.rows import FreeBetState, Needs

REMEMBERED_MAX: Final = 100_000
"""Decisions, fixtures' void windows and numbers of guards that are kept in memory; beyond that they are read anew."""
ACCOUNTS_MAX: Final = 20_000
"""Accounts that are kept in memory (some 600 bytes each); beyond that they are read anew."""
_UNDECIDED: Final = (0, None)
_BETS: Final = (
    f"SELECT b.number, b.player, b.charges, {BET} FROM bets b JOIN standings s USING (player, number) "
    "WHERE b.bet IN (%s)"
)
_ACCOUNTS: Final = {  # one row for many, as of bets (``ledger_sqlite_reads``)
    column: "SELECT count(*), "
    "CAST('[' || group_concat(json_array(player, account, currency, status, balance, facts)) || ']' AS BLOB), "
    f"CAST('[' || group_concat(limits) || ']' AS BLOB) FROM accounts WHERE {column} IN (%s)"
    for column in ("player", "account")
}
_CHANGED: Final = (
    f"WITH v (player, number) AS (VALUES %s) SELECT number, {STANDING} FROM v JOIN standings s USING (player, number) "
    "WHERE status <> 'open' OR version <> 0 OR cashed <> 0 OR cash_out_at IS NOT NULL"
)
"""Bets that do not stand as they were placed."""
_ACCOUNT_CHANGED: Final = (
    "ON CONFLICT (player) DO UPDATE SET status = excluded.status, balance = excluded.balance, "
    "facts = excluded.facts, limits = excluded.limits"
)
_HOUSE_CHANGED: Final = "ON CONFLICT DO UPDATE SET balance = balance + excluded.balance"
_STANDING_CHANGED: Final = (
    "ON CONFLICT DO UPDATE SET status = excluded.status, version = excluded.version, returns = excluded.returns, "
    "owed = excluded.owed, cashed = excluded.cashed, cash = excluded.cash, cash_out_at = excluded.cash_out_at"
)
_HELD: Final = "SELECT player, status, balance, facts, limits FROM accounts WHERE player IN (%s)"
Players = dict[str, int]
"""Account -> its number in the file."""
AccountRow = tuple[int, str, str, str, int, int, bytes]
"""(player, account, currency, status, balance, facts, limits)"""
HeldRow = tuple[int, str, int, int, bytes]
"""(player, status, balance, facts, limits)"""
StandingRow = tuple[int, int, str, int, int, int, int, int, int | None]
"""(player, number, status, version, returns, owed, cashed, cash, cash_out_at)"""
EntryRow = tuple[int, int, str, str, int | None, int | None, bytes]
"""(entry, at_ms, reason, currency, bet, player, postings)"""


class Worked(msgspec.Struct, array_like=True):
    """What a page of a settlement comes to, worked out before (``ledger_sqlite_worked``). Numbers of entries and facts
    begin at 0."""

    decided: int
    """How often what is decided had changed by then."""
    held: list[HeldRow]
    """All accounts of the page as they stood."""
    accounts: list[AccountRow]
    """Those that change."""
    standings: list[StandingRow]
    entries: list[EntryRow]
    charged: list[tuple[int, int]]
    """What is added to a guard's counter, by number."""
    house: list[tuple[str, int]]
    """What is added to an account of the house."""
    facts: list[tuple[str, bytes, bytes]]
    """Whose, and its text before and after its number."""


class Taken(NamedTuple):
    """What of it has been written."""

    entries: int
    said: list[Said]
    accounts: frozenset[str]


NOTHING: Final = Taken(0, [], frozenset())


class RowStore:
    """Loads and writes the rows of a batch within the writer's transaction.

    Decisions, void windows, guards with their counters and accounts are remembered, as one match's are needed by a
    million bets and a fan seldom bets once: nobody else writes to the file. ``forget`` what a batch that failed may
    have left in them.
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
        self._counters: dict[int, int] = {}
        """Number of a guard by which bets were judged -> its counter."""
        self._accounts: dict[str, Account] = {}
        self._players: Players = {}
        self._new_guards: dict[int, str] = {}
        """Numbers given to guards in this batch."""
        self.decided = 0
        """How often what is decided, or void, has changed."""
        self._next_guard = 1 + self._last("number", "guards")

    def _last(self, key: str, table: str) -> int:
        return int(self._db.execute(f"SELECT coalesce(max({key}), 0) FROM {table}").fetchone()[0])

    def forget(self) -> None:
        """Read anew what is remembered."""
        self.decided += 1
        self._forget_questions()
        self._accounts, self._players = {}, {}

    def _forget_questions(self) -> None:
        self._decisions, self._windows, self._fixtures, self._guards, self._counters = {}, {}, set(), {}, {}

    # --- loading ------------------------------------------------------------------------------------------------------

    def begin(self, taken: Taken = NOTHING) -> tuple[Rows, Players]:
        """An empty working set, and what the accounts in it are called. ``taken``: what the same transaction has
        written before."""
        self._new_guards = {}
        if len(self._decisions) + len(self._fixtures) + len(self._guards) + len(self._counters) > REMEMBERED_MAX:
            self._forget_questions()
        if len(self._accounts) > ACCOUNTS_MAX:
            self._accounts, self._players = {}, {}
        rows = Rows(
            {}, {}, {}, self._guards, self._counters, self._decisions, self._windows, {}, {},
            self.next_entry + taken.entries, self.next_fact + len(taken.said),
        )  # fmt: skip
        return rows, {}

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
                self._guards.pop(f"{ACCOUNT_GUARD}{command.account}", None)
        if unknown := need.guards.difference(self._guards):
            self._load_guards(unknown, players)
        for name, account, currency, amount, until_ms, state, bet in each(
            self._db, "SELECT * FROM free_bets WHERE free_bet IN (%s)", need.free_bets.difference(rows.free_bets)
        ):
            rows.free_bets[name] = HeldFreeBet(name, account, currency, amount, until_ms, FreeBetState(state), bet)
        offers = need.offers.difference(rows.offers)
        for name, account, taken, body in each(self._db, "SELECT * FROM offers WHERE offer IN (%s)", offers):
            rows.offers[name] = HeldOffer(offer_body(body), account, bool(taken))
        if referring := need.referring.difference(rows.waiting):
            rows.waiting.update(dict.fromkeys(referring, 0))
            sql = "SELECT account, count(*) FROM referrals WHERE account IN (%s) GROUP BY account"
            rows.waiting.update(each(self._db, sql, referring))

    def _load_known(self, rows: Rows, need: Needs) -> None:
        wanted = set(need.ids).difference(rows.known)
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
        for number, player, charges, *held in each(self._db, _BETS, need.bets.difference(rows.bets)):
            loaded.append(PlacedBet(bet_row(*held), charges_of(charges), number, player))
        if numbers := need.numbers.difference(rows.numbered):
            placed = {number: read[number] for number in numbers if number in read}
            placed |= placed_bets(self._db, numbers.difference(placed))
            pairs = [(found.player, number) for number, found in placed.items()]
            for number, *standing in each_pair(self._db, _CHANGED, pairs):
                placed[number].bet = standing_at(placed[number].bet, *standing)
            rows.numbered |= placed
            loaded += placed.values()
        rows.bets.update((placed.bet.bet, placed) for placed in loaded)
        return loaded

    def _load_accounts(self, rows: Rows, players: Players, need: Needs) -> None:
        """By name; those of bets are found by number."""
        accounts, remembered = rows.accounts, self._accounts
        for name in need.accounts.difference(accounts):
            if (account := remembered.get(name)) is not None:
                accounts[name], players[name] = account, self._players[name]
        of_bets = {placed.player for placed in rows.numbered.values() if placed.bet.account not in accounts}
        found = self._read_accounts("player", of_bets)
        found += self._read_accounts("account", need.accounts.difference(accounts, [row.account for _, row in found]))
        accounts.update((row.account, row) for _, row in found)
        players.update((row.account, player) for player, row in found)

    def _read_accounts(self, column: str, keys: Iterable[str | int]) -> list[tuple[int, Account]]:
        """Each with its number."""
        found: list[tuple[int, Account]] = []
        for count, columns, limits in each(self._db, _ACCOUNTS[column], keys):
            if count:
                found += account_rows(columns, limits)
        return found

    def _load_guards(self, guards: set[str], players: Players) -> None:
        """What guards are called by and how they stand; new ones are given a number."""
        found: dict[str, int] = {}
        unnamed: list[str] = []
        for guard in guards:
            if guard.startswith(ACCOUNT_GUARD) and (player := players.get(guard[len(ACCOUNT_GUARD) :])) is not None:
                found[guard] = -player
            else:
                unnamed.append(guard)
        found |= dict(each(self._db, "SELECT guard, number FROM guards WHERE guard IN (%s)", unnamed))
        new = {guard: self._next_guard + n for n, guard in enumerate(sorted(guards.difference(found)))}
        self._next_guard += len(new)
        self._new_guards |= {number: guard for guard, number in new.items()}
        self._guards |= found | new
        counters = set(found.values()).difference(self._counters)
        self._counters |= dict.fromkeys([*counters, *new.values()], 0)
        self._counters.update(each(self._db, "SELECT number, used FROM counters WHERE number IN (%s)", counters))

    def _remember(self, need: Needs) -> None:
        if new := need.selections.difference(self._decisions):
            self._decisions.update(dict.fromkeys(new, _UNDECIDED))
            sql = "SELECT selection, version, outcome FROM decisions WHERE selection IN (%s)"
            self._decisions.update((row[0], _decision(row[1], row[2])) for row in each(self._db, sql, new))
        if new := need.fixtures - self._fixtures:
            self._fixtures |= new
            self._windows.update(windows_of(self._db, new))

    # --- writing ------------------------------------------------------------------------------------------------------

    def take(self, worked: Worked) -> Taken | None:
        """Write what was worked out before; None where something of it is not as it was, and nothing is written."""
        if worked.decided != self.decided:
            return None
        if set(each(self._db, _HELD, [player for player, *_ in worked.held])) != set(worked.held):
            return None
        db, entry, seq = self._db, self.next_entry, self.next_fact
        insert(db, "INSERT INTO accounts VALUES", [(*a[:5], seq + a[5], a[6]) for a in worked.accounts],
               _ACCOUNT_CHANGED)  # fmt: skip
        self._add_to_house(worked.house)
        insert(db, "INSERT INTO standings VALUES", worked.standings, _STANDING_CHANGED)
        insert(db, "INSERT INTO entries VALUES", [(entry + row[0], *row[1:]) for row in worked.entries])
        self._add_to_counters(worked.charged)
        said = [
            (seq + n, account, b"%b%d%b" % (head, seq + n, tail))
            for n, (account, head, tail) in enumerate(worked.facts)
        ]
        insert(db, "INSERT INTO facts VALUES", [(number, body) for number, _, body in said])
        for row in worked.accounts:
            self._accounts.pop(row[1], None)
        return Taken(len(worked.entries), said, frozenset(row[1] for row in worked.accounts))

    def save(self, rows: Rows, players: Players, commands: Sequence[Command]) -> list[Said]:
        """What the rules changed; the facts of it."""
        db = self._db
        self._save_accounts(rows, players)
        self._save_bets(rows, players)
        if rows.new_known:
            self._save_known(rows, commands)
        insert(db, "INSERT INTO entries VALUES", entry_rows(rows, players))
        self._save_guards(rows.charged)
        insert(db, "INSERT OR REPLACE INTO decisions VALUES",
               [(s, rows.decisions[s][0], encoded(rows.decisions[s][1])) for s in rows.changed_decisions])  # fmt: skip
        insert(db, "INSERT OR IGNORE INTO windows VALUES",
               [(fixture, w.version, w.from_ms, w.until_ms) for fixture, w in rows.new_windows])  # fmt: skip
        self._save_rarer(rows)
        said = [(fact.seq, fact.account, encoded(fact)) for fact in rows.new_facts]
        insert(db, "INSERT INTO facts VALUES", [(seq, body) for seq, _, body in said])
        self._accounts.update(rows.accounts)
        self._players.update(players)
        return said

    def committed(self, rows: Rows) -> None:
        """What was saved is in the file. Who reads there what is decided has been told that it changes by then, or is
        told so before what he made of it is taken."""
        self.next_entry, self.next_fact = rows.next_entry, rows.next_fact
        self.decided += bool(rows.changed_decisions or rows.new_windows)

    def _save_accounts(self, rows: Rows, players: Players) -> None:
        insert(self._db, "INSERT INTO accounts VALUES", account_rows_of(rows, players), _ACCOUNT_CHANGED)
        self._add_to_house(rows.house.items())

    def _add_to_house(self, amounts: Iterable[tuple[str, int]]) -> None:
        added = [(name, name.split(":")[1], amount) for name, amount in amounts if amount]
        insert(self._db, "INSERT INTO house VALUES", added, _HOUSE_CHANGED)

    def _save_bets(self, rows: Rows, players: Players) -> None:
        new = [rows.bets[bet] for bet in rows.new_bets]
        for placed in new:
            placed.number = self._next_number
            self._next_number += 1
        insert(self._db, "INSERT INTO bets VALUES", [
            (p.number, p.bet.bet, players[p.bet.account], encoded(p.bet), encoded(p.charges)) for p in new
        ])  # fmt: skip
        insert(self._db, "INSERT OR IGNORE INTO legs VALUES", sorted([
            (selection, p.number, players[p.bet.account])
            for p in new for leg in p.bet.legs for selection in leg.selections
        ]))  # fmt: skip
        standings = standing_rows(players, (rows.bets[name] for name in rows.changed_bets.union(rows.new_bets)))
        insert(self._db, "INSERT INTO standings VALUES", standings, _STANDING_CHANGED)

    def _save_guards(self, charged: dict[int, int]) -> None:
        new = [(number, guard) for number, guard in self._new_guards.items() if number in charged]
        insert(self._db, "INSERT INTO guards VALUES", new)
        for number, guard in self._new_guards.items():
            if number not in charged and self._guards.get(guard) == number:  # no bet was taken: it has none after all
                del self._guards[guard], self._counters[number]
        self._add_to_counters(sorted(charged.items()))

    def _add_to_counters(self, charged: Sequence[tuple[int, int]]) -> None:
        insert(
            self._db, "INSERT INTO counters VALUES", charged, "ON CONFLICT DO UPDATE SET used = used + excluded.used"
        )
        counters = self._counters
        for number, amount in charged:
            if number in counters:
                counters[number] += amount

    def _save_known(self, rows: Rows, commands: Sequence[Command]) -> None:
        at_ms = {(account_of(command), command.id): command.at_ms for command in commands}
        insert(self._db, "INSERT OR REPLACE INTO known VALUES", [
            (id_, account, k.hash, k.refusal, None if k.bet is None else rows.bets[k.bet].number, k.balance,
             at_ms[account, id_], k.pending_until_ms)
            for (account, id_), k in rows.new_known.items()
        ])  # fmt: skip

    def _save_rarer(self, rows: Rows) -> None:
        """Referrals, offers and free bets."""
        db = self._db
        referrals = [(*key, referral.until_ms, encoded(referral)) for key, referral in rows.new_referrals.items()]
        insert(db, "INSERT INTO referrals VALUES", referrals)
        if rows.answered_referrals:
            db.executemany("DELETE FROM referrals WHERE account=? AND id=?", rows.answered_referrals)
        offers = [(name, rows.offers[name]) for name in rows.changed_offers]
        insert(db, "INSERT OR REPLACE INTO offers VALUES",
               [(name, held.account, held.taken, encoded(held.offer)) for name, held in offers])  # fmt: skip
        insert(db, "INSERT OR REPLACE INTO free_bets VALUES",
               [msgspec.structs.astuple(rows.free_bets[name]) for name in rows.changed_free_bets])  # fmt: skip


@lru_cache(maxsize=256)
def _decision(version: int, outcome: bytes) -> tuple[int, Outcome | None]:
    """One object for equal ones: few are many selections' decisions."""
    return version, outcome_of(outcome)


def account_rows_of(rows: Rows, players: Players) -> list[AccountRow]:
    """Those that the rules changed, in order."""
    changed = [(players[name], rows.accounts[name]) for name in rows.changed_accounts]
    return sorted([
        (player, a.account, a.currency, a.status, a.balance, a.facts, limits_of(a)) for player, a in changed
    ])  # fmt: skip


def standing_rows(players: Players, placed: Iterable[PlacedBet]) -> list[StandingRow]:
    """Where those bets stand, in order."""
    return sorted([_standing(players, one) for one in placed])


def _standing(players: Players, placed: PlacedBet) -> StandingRow:
    b = placed.bet
    return players[b.account], placed.number, b.status, b.version, b.returns, b.owed, b.cashed, b.cash, b.cash_out_at


def entry_rows(rows: Rows, players: Players) -> list[EntryRow]:
    """What was posted, in order."""
    bets = rows.bets
    return [
        (e.entry, e.at_ms, e.reason, e.currency, None if e.bet is None else bets[e.bet].number,
         None if player is None else players[player], encoded(e.postings))
        for e, player in rows.new_entries
    ]  # fmt: skip
