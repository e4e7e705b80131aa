"""The rows of a batch on PostgreSQL: locked and loaded by a few statements, and what the rules changed written by one
for all that is common and a few for what is rare.

Several processes commit at once, each transaction at READ COMMITTED: what a batch reads after it has locked something
is as whoever held it before has left it. Everybody locks in the same order, and each kind by its numbers: fixtures and
names of free bets (advisory locks), accounts, guards. So nobody waits in a circle, and what is not locked need not be:

* what belongs to an account (ids, standings of bets, free bets, offers, referrals) is only touched under its row's
  lock;
* guards by which a bet is judged are locked from then until the commit, so that no cap is passed; those that are only
  released are locked last of all, so that a settlement keeps no bet waiting for longer than its commit;
* decisions and windows change under their fixture's lock, and are read without it. A bet that is settled or cashed out
  while a leg of it is decided elsewhere comes before that decision; whoever committed the decision then sweeps the bets
  on it and waits for the account. A bet that was not yet there for that sweep committed after the decision, so that
  whoever hears of the bet finds the decision (``services/settlement``); both reads are of the primary, or of a standby
  that has come as far (``ledger_postgres_reads``);
* an account that is opened between two looks of a batch has the batch begin anew;
* two who insert the same id, account or name at once: one of them fails on its uniqueness and begins anew.

House accounts are summed up over rows of which every writer has its own. Numbers of entries and facts come from the
number of their batch, which is drawn once its accounts are locked: so those of one account rise as it changes.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final

import msgspec
import psycopg

from matchday.backends.columns import (
    ACCOUNT_GUARD,
    BET,
    STANDING,
    account_row,
    bet_row,
    charges_of,
    encoded,
    fact_body,
    limits_of,
    offer_body,
    outcome_of,
    standing_at,
)
from matchday.backends.postgres import Connection, bodies, hashes, numbers, part_of, texts
from matchday.backends.postgres_trip import Found, Trip, rows_of
from matchday.model.bet import Bet
from matchday.model.ledger import (
    Command,
    DecideLegs,
    ExpireFreeBet,
    GrantFreeBet,
    OpenAccount,
    PlaceBet,
    Refusal,
    VoidLegs,
    Window,
    is_player,
)
from matchday.model.posting import (
    Account,
    HeldFreeBet,
    HeldOffer,
    Known,
    Needs,
    PlacedBet,
    Rows,
    account_of,
    needs,
)
from matchday.model.posting.rows import FreeBetState

Placed = Mapping[str, tuple[Bet, bytes]]
"""Bets that are placed, and as they are encoded."""
NUMBERS: Final = 8_192
"""Numbers of entries, and of facts, that one batch has."""
COMMANDS_MAX: Final = NUMBERS // 2
"""Commands of one batch, those of settlements counted by bets: each brings two facts at most."""
GUARDS_MAX: Final = 200_000
"""Guards whose numbers are kept in memory; beyond that they are asked for anew."""

_PLACED: Final = f"SELECT b.number, b.player, b.charges, {BET} FROM bets b LEFT JOIN standings s USING (number, part) "
_ACCOUNTS: Final = (
    "SELECT player, account, currency, status, balance, facts, limits, exposed FROM accounts WHERE account = ANY($1) "
    "ORDER BY player FOR NO KEY UPDATE"
)
_KNOWN: Final = (  # joined: of two conditions with ANY an index tries each pair
    "SELECT w.n, k.hash, k.refusal, b.bet, k.balance, k.pending_until_ms "
    "FROM unnest($1, $2) WITH ORDINALITY w (id, account, n) JOIN known k USING (id, account) "
    "LEFT JOIN bets b ON b.number = k.bet AND b.part = k.part"
)
_GUARDS: Final = "SELECT number, coalesce(used, 0) FROM guards WHERE number = ANY($1) ORDER BY number FOR NO KEY UPDATE"
DRAWING: Final = 0x4D41 << 48
"""The advisory locks of those who draw numbers: this and, in the lower 48 bits, the last one that was drawn before
theirs. See ``ledger_postgres_reads``."""
_DRAWN: Final = (  # locked before it is drawn
    "SELECT CASE WHEN (SELECT pg_advisory_xact_lock_shared($1 + last_value - (NOT is_called)::int) IS NOT NULL "
    "FROM batches) THEN nextval('batches') END, ARRAY(SELECT nextval('bet_numbers') FROM generate_series(1, $2)), "
    "ARRAY(SELECT nextval('players') FROM generate_series(1, $3))"
)
_SAVED: Final = """WITH
a AS (UPDATE accounts SET status = v.status, balance = v.balance, exposed = nullif(v.exposed, -1), facts = v.facts,
  limits = v.limits
  FROM (SELECT unnest(%(player)s) AS player, unnest(%(player_part)s) AS part, unnest(%(status)s) AS status,
    unnest(%(balance)s) AS balance, unnest(%(exposed)s) AS exposed, unnest(%(facts)s) AS facts,
    unnest(%(limits)s) AS limits) v
  WHERE accounts.player = v.player AND accounts.part = v.part),
h AS (INSERT INTO house
  SELECT unnest(%(house)s), %(writer)s, unnest(%(house_currency)s), unnest(%(house_balance)s)
  ON CONFLICT (account, writer) DO UPDATE SET balance = house.balance + excluded.balance),
k AS (INSERT INTO known
  SELECT unnest(%(id)s), unnest(%(of)s), unnest(%(id_part)s), unnest(%(hash)s), unnest(%(refusal)s),
  nullif(unnest(%(id_bet)s), 0), nullif(unnest(%(id_balance)s), -1), unnest(%(at_ms)s), unnest(%(pending)s)),
b AS (INSERT INTO bets
  SELECT unnest(%(number)s), unnest(%(bet_part)s), unnest(%(bet_player)s), unnest(%(bet)s), unnest(%(body)s),
  unnest(%(charges)s)),
l AS (INSERT INTO legs
  SELECT unnest(%(selection)s), unnest(%(leg)s), unnest(%(leg_part)s), unnest(%(leg_player)s)),
e AS (INSERT INTO entries
  SELECT unnest(%(entry)s), unnest(%(entry_part)s), nullif(unnest(%(entry_player)s), 0), unnest(%(entry_at)s),
  unnest(%(reason)s), unnest(%(entry_currency)s), nullif(unnest(%(entry_bet)s), 0), unnest(%(postings)s)),
f AS (INSERT INTO facts SELECT unnest(%(seq)s), unnest(%(fact_part)s), unnest(%(fact)s))
SELECT"""
"""Columns are unnested where they are selected: in FROM each would be copied first, a tenth of the server's time."""
_SAVED_VALUES: Final = tuple(dict.fromkeys(re.findall(r"%\((\w+)\)s", _SAVED)))
_SAVE: Final = _SAVED % {name: f"${n}" for n, name in enumerate(_SAVED_VALUES, 1)}
_CHARGE: Final = (
    "UPDATE guards SET used = coalesce(guards.used, 0) + v.amount "
    "FROM (SELECT unnest($1) AS number, unnest($2) AS amount) v WHERE guards.number = v.number"
)
_FORGET: Final = "DELETE FROM known WHERE id = ANY($1) AND account = $2"
"""An id that waited for a trader, before it is written with its answer."""
_STANDINGS: Final = (
    "INSERT INTO standings SELECT unnest($1), unnest($2), unnest($3), unnest($4), unnest($5), unnest($6), unnest($7), "
    "unnest($8), nullif(unnest($9), -1) "
    "ON CONFLICT (number, part) DO UPDATE SET status = excluded.status, version = excluded.version, "
    "returns = excluded.returns, owed = excluded.owed, cashed = excluded.cashed, cash = excluded.cash, "
    "cash_out_at = excluded.cash_out_at"
)


class Working(msgspec.Struct):
    """A batch under way."""

    rows: Rows
    need: Needs
    players: dict[str, int] = {}
    """Account -> its number."""
    exposed: dict[int, int | None] = {}
    """Number of an account -> its own guard's counter; None: never charged."""
    waited: set[tuple[str, str]] = set()
    """Ids of bets that wait for a trader."""
    opened: set[str] = set()
    """Accounts that are opened in this batch, unless that is refused."""
    bet_numbers: list[int] = []
    """Drawn for the bets that are placed."""


def size_of(commands: Sequence[Command]) -> int:
    """How many, settlements counted by bets."""
    return sum(len(getattr(command, "numbers", (0,))) for command in commands)


class RowStore:
    """Loads and writes the rows of a writer's batches. Remembers what never changes: what guards are numbered."""

    def __init__(self) -> None:
        self._guards: dict[str, int] = {}

    def forget(self) -> None:
        """What was remembered of guards."""
        self._guards = {}

    # --- loading ------------------------------------------------------------------------------------------------------

    def load(self, db: Connection, commands: Sequence[Command]) -> Working:
        """Begin a transaction, lock and load what those commands touch."""
        need = needs(commands)
        rows = Rows({}, {}, {}, {}, {}, {}, {}, {}, {}, 0, 0)
        work = Working(rows, need)
        self._number_guards(db, need.guards)
        if need.bets or need.numbers:
            need.of_bets(self._find_bets(db, rows, need))
        trip = Trip(db)
        trip.ask("BEGIN")
        ids = sorted(set(need.ids), key=lambda key: key[1])
        accounts, known, drawn, guards, more = self._ask(trip, commands, work, ids)
        trip.go()
        self._take_accounts(work, commands, accounts.rows())
        self._take_numbers(work, drawn.rows())
        self._take_guards(work, guards)
        _take_more(rows, more)
        bets = _take_known(rows, ids, known.rows())
        _see_one_moment(rows)
        work.waited = {key for key, held in rows.known.items() if held.pending_until_ms}
        if bets:
            self._load_repeated(db, rows, bets)
        return work

    def _number_guards(self, db: Connection, names: Iterable[str]) -> None:
        """Give numbers to guards that have none: at once, for whoever else charges them. Not those of accounts."""
        if len(self._guards) > GUARDS_MAX:
            self.forget()
        unknown = sorted(name for name in names if name not in self._guards and not name.startswith(ACCOUNT_GUARD))
        if unknown:
            sql = "INSERT INTO guards (guard) SELECT unnest($1) ON CONFLICT DO NOTHING"
            found = "SELECT guard, number FROM guards WHERE guard = ANY($1)"
            self._guards.update(dict(rows_of(db, found, texts(unknown))))
            if missing := [name for name in unknown if name not in self._guards]:
                rows_of(db, sql, texts(missing))
                self._guards.update(dict(rows_of(db, found, texts(missing))))

    def _find_bets(self, db: Connection, rows: Rows, need: Needs) -> list[PlacedBet]:
        """Bets by name and by number, as they were placed: whose they are says what to lock."""
        sql = "SELECT number, player, charges, body FROM bets WHERE bet = ANY($1) OR number = ANY($2)"
        found = []
        for number, player, charges, body in rows_of(db, sql, texts(list(need.bets)), numbers(list(need.numbers))):
            placed = PlacedBet(bet_row(body, *(None,) * 7), charges_of(charges), number, player)
            rows.bets[placed.bet.bet] = placed
            if number in need.numbers:
                rows.numbered[number] = placed
            found.append(placed)
        return found

    def _ask(
        self, trip: Trip, commands: Sequence[Command], work: Working, ids: Sequence[tuple[str, str]]
    ) -> tuple[Any, ...]:
        """Everything, in one go; locks in their order."""
        need, rows = work.need, work.rows
        ours = [name for name in need.guards if name.startswith(ACCOUNT_GUARD)]
        need.accounts.update(name.removeprefix(ACCOUNT_GUARD) for name in ours)
        if locks := sorted(set(_named(commands))):
            trip.ask("SELECT pg_advisory_xact_lock(v) FROM unnest($1) v", numbers(locks))
        accounts = trip.ask(_ACCOUNTS, texts(list(need.accounts)))
        known = trip.ask(_KNOWN, texts([id_ for _, id_ in ids]), texts([account for account, _ in ids]))
        bets = sum(type(c) is PlaceBet and c.refusal is None and not c.refer_until_ms for c in commands)
        opens = len({command.account for command in commands if isinstance(command, OpenAccount)})
        drawn = trip.ask(_DRAWN, DRAWING, bets, opens)
        guards = trip.ask(_GUARDS, numbers(self._judging(work, ours))) if need.guards else None
        return accounts, known, drawn, guards, _ask_more(trip, need, rows)

    def _judging(self, work: Working, ours: Iterable[str]) -> list[int]:
        """The guards that are locked at once: those by which bets are judged and, with them, those that others release.
        Where none is judged they are locked when they are written."""
        released = {number for bet in work.rows.bets.values() for held in bet.charges for number in held.guards}
        judged = {self._guards[name] for name in work.need.guards.difference(ours)}
        return [number for number in judged | released if number > 0]

    def _take_accounts(self, work: Working, commands: Sequence[Command], found: Sequence[Any]) -> None:
        for *row, exposed in found:
            work.rows.accounts[row[1]] = account_row(row)
            work.players[row[1]], work.exposed[row[0]] = row[0], exposed
        work.opened = {c.account for c in commands if isinstance(c, OpenAccount) and c.account not in work.players}

    def _take_numbers(self, work: Working, found: Sequence[Any]) -> None:
        ((batch, work.bet_numbers, players),) = found
        work.rows.next_entry = work.rows.next_fact = (batch - 1) * NUMBERS + 1
        for name, player in zip(sorted(work.opened), players, strict=False):
            work.players[name], work.exposed[player] = player, None

    def _take_guards(self, work: Working, found: Any) -> None:
        rows, players = work.rows, work.players
        for name in work.need.guards:
            if not name.startswith(ACCOUNT_GUARD):
                rows.guards[name] = self._guards[name]
            elif (account := name.removeprefix(ACCOUNT_GUARD)) in players:  # else its bets are refused before that
                rows.guards[name] = -players[account]
        rows.counters = {-player: used or 0 for player, used in work.exposed.items()}
        if found is not None:
            rows.counters.update(dict(found.rows()))
            if any(number > 0 and number not in rows.counters for number in rows.guards.values()):
                self.forget()
                raise psycopg.errors.SerializationFailure("a guard that was numbered before is not there")

    def _load_repeated(self, db: Connection, rows: Rows, bets: Sequence[str]) -> None:
        """Bets of answers that are given again."""
        for number, player, charges, *held in rows_of(db, f"{_PLACED} WHERE b.bet = ANY($1)", texts(bets)):
            placed = PlacedBet(bet_row(*held), charges_of(charges), number, player)
            rows.bets.setdefault(placed.bet.bet, placed)

    # --- writing ------------------------------------------------------------------------------------------------------

    def save(self, trip: Trip, work: Working, commands: Sequence[Command], writer: int) -> None:
        """Add to a trip what the rules changed."""
        rows = work.rows
        for name, number in zip(rows.new_bets, work.bet_numbers, strict=False):
            rows.bets[name].number = number
        if not (rows.new_known or rows.new_entries or rows.new_facts or rows.charged or rows.changed_accounts):
            # All of it was known. The answer is as durable as the first one was meant to be: a standby that has this
            # has that.
            trip.ask("SELECT pg_logical_emit_message(true, 'matchday', '')")
        else:
            for account, id_ in work.waited & rows.new_known.keys():
                trip.ask(_FORGET, texts([id_]), account)
            _save_new_accounts(trip, work)
            # A bet that is placed stands in its own row and in the fact that says so: it is encoded once.
            placed = {name: (bet := rows.bets[name].bet, encoded(bet)) for name in rows.new_bets}
            values: dict[str, Any] = {"writer": writer}
            for part in (
                _accounts(work),
                _house(rows),
                _known(rows, commands),
                _bets(work, placed),
                _entries(work),
                _facts(rows, placed),
            ):
                values |= part
            trip.ask(_SAVE, *(values[name] for name in _SAVED_VALUES))
        _save_standings(trip, rows)
        _save_rarer(trip, rows)
        _save_guards(trip, work)


def _named(commands: Sequence[Command]) -> Iterable[int]:
    """Advisory locks: of fixtures whose decisions change, and of names of free bets, which may be given to two."""
    for command in commands:
        if isinstance(command, DecideLegs | VoidLegs):
            yield _lock(f"fixture:{command.fixture}")
        elif isinstance(command, GrantFreeBet | ExpireFreeBet):
            yield _lock(f"free_bet:{command.free_bet}")


def _lock(name: str) -> int:
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), signed=True)


def _ask_more(trip: Trip, need: Needs, rows: Rows) -> dict[str, Found]:
    """What few batches need, if this one does."""
    placed = [held.number for held in rows.bets.values()]
    asked = {
        f"SELECT number, {STANDING} FROM standings s WHERE number = ANY($1)": numbers(placed) if placed else None,
        "SELECT selection, version, outcome FROM decisions WHERE selection = ANY($1)": need.selections,
        "SELECT fixture, version, from_ms, until_ms FROM windows WHERE fixture = ANY($1)": need.fixtures,
        "SELECT free_bet, account, currency, amount, until_ms, state, bet FROM free_bets WHERE free_bet = ANY($1)":
            need.free_bets,
        "SELECT offer, account, taken, body FROM offers WHERE offer = ANY($1)": need.offers,
        "SELECT account, count(*) FROM referrals WHERE account = ANY($1) GROUP BY account": need.referring,
    }  # fmt: skip
    return {
        sql.split(" FROM ")[1].split(" ")[0]: trip.ask(sql, texts(list(k)) if isinstance(k, set) else k)
        for sql, k in asked.items()
        if k
    }


def _take_more(rows: Rows, found: Mapping[str, Found]) -> None:
    taken = {table: found_.rows() for table, found_ in found.items()}
    by_number = {placed.number: placed for placed in rows.bets.values()}
    for number, *standing in taken.get("standings", ()):
        by_number[number].bet = standing_at(by_number[number].bet, *standing)
    for selection, version, outcome in taken.get("decisions", ()):
        rows.decisions[selection] = (version, outcome_of(outcome))
    for fixture, *window in taken.get("windows", ()):
        rows.windows.setdefault(fixture, []).append(Window(*window))
    for name, account, currency, amount, until_ms, state, bet in taken.get("free_bets", ()):
        rows.free_bets[name] = HeldFreeBet(name, account, currency, amount, until_ms, FreeBetState(state), bet)
    for name, account, is_taken, body in taken.get("offers", ()):
        rows.offers[name] = HeldOffer(offer_body(body), account, is_taken)
    rows.waiting.update(taken.get("referrals", ()))


def _take_known(rows: Rows, ids: Sequence[tuple[str, str]], found: Iterable[Any]) -> list[str]:
    """The bets that they name and that are not loaded."""
    bets = []
    for place, hash_, refusal, bet, *more in found:
        rows.known[ids[place - 1]] = Known(hash_, Refusal(refusal) if refusal else None, bet, *more)
        if bet is not None and bet not in rows.bets:
            bets.append(bet)
    return bets


def _see_one_moment(rows: Rows) -> None:
    """An account that was opened after it had been looked for, and before its ids were, is to be looked for anew."""
    for (account, _), known in rows.known.items():
        if known.refusal is None and is_player(account) and account not in rows.accounts:
            raise psycopg.errors.SerializationFailure(f"account {account} was opened meanwhile")


# --- columns of what is written ---------------------------------------------------------------------------------------


def _exposed(work: Working, player: int) -> int:
    """An account's own guard after this batch; -1: never charged."""
    added = work.rows.charged.get(-player)
    before = work.exposed[player]
    return (-1 if before is None else before) if added is None else (before or 0) + added


def _save_new_accounts(trip: Trip, work: Working) -> None:
    opened = [work.rows.accounts[name] for name in sorted(work.opened) if name in work.rows.accounts]
    if opened:
        sql = (
            "INSERT INTO accounts SELECT unnest($1), unnest($2), unnest($3), unnest($4), unnest($5), unnest($6), "
            "nullif(unnest($7), -1), unnest($8), unnest($9)"
        )
        names = [account.account for account in opened]
        trip.ask(
            sql,
            numbers([work.players[name] for name in names]), numbers([part_of(name) for name in names]), texts(names),
            texts([account.currency for account in opened]), *_account_columns(work, opened),
        )  # fmt: skip


def _account_columns(work: Working, accounts: Sequence[Account]) -> tuple[Any, ...]:
    return (
        texts([account.status.value for account in accounts]), numbers([account.balance for account in accounts]),
        numbers([_exposed(work, work.players[account.account]) for account in accounts]),
        numbers([account.facts for account in accounts]), bodies([limits_of(account) for account in accounts]),
    )  # fmt: skip


def _accounts(work: Working) -> dict[str, Any]:
    names = [name for name in work.rows.changed_accounts if name not in work.opened]
    accounts = [work.rows.accounts[name] for name in names]
    columns = _account_columns(work, accounts)
    return {
        "player": numbers([work.players[name] for name in names]),
        "player_part": numbers([part_of(name) for name in names]),
        **dict(zip(("status", "balance", "exposed", "facts", "limits"), columns, strict=True)),
    }


def _house(rows: Rows) -> dict[str, Any]:
    moved = [(name, amount) for name, amount in rows.house.items() if amount]
    return {
        "house": texts([name for name, _ in moved]),
        "house_currency": texts([name.split(":")[1] for name, _ in moved]),
        "house_balance": numbers([amount for _, amount in moved]),
    }


def _known(rows: Rows, commands: Sequence[Command]) -> dict[str, Any]:
    at_ms = {(account_of(command), command.id): command.at_ms for command in commands}
    new = sorted(rows.new_known.items(), key=lambda item: item[0][1])
    known = [held for _, held in new]
    return {
        "id": texts([id_ for (_, id_), _ in new]), "of": texts([account for (account, _), _ in new]),
        "id_part": numbers([part_of(account) for (account, _), _ in new]),
        "hash": hashes([held.hash for held in known]), "refusal": texts([held.refusal for held in known]),
        "id_bet": numbers([0 if held.bet is None else rows.bets[held.bet].number for held in known]),
        "id_balance": numbers([-1 if held.balance is None else held.balance for held in known]),
        "at_ms": numbers([at_ms[key] for key, _ in new]),
        "pending": numbers([held.pending_until_ms for held in known]),
    }  # fmt: skip


def _bets(work: Working, encoded_: Placed) -> dict[str, Any]:
    new = [work.rows.bets[name] for name in work.rows.new_bets]
    parts, players = [part_of(p.bet.account) for p in new], [work.players[p.bet.account] for p in new]
    legs = sorted({
        (selection, placed.number, part, player)
        for placed, part, player in zip(new, parts, players, strict=True)
        for leg in placed.bet.legs for selection in leg.selections
    })  # fmt: skip
    return {
        "number": numbers([placed.number for placed in new]), "bet_part": numbers(parts),
        "bet_player": numbers(players), "bet": texts([placed.bet.bet for placed in new]),
        "body": bodies([encoded_[name][1] for name in work.rows.new_bets]),
        "charges": bodies([encoded(placed.charges) for placed in new]),
        "selection": texts([leg[0] for leg in legs]), "leg": numbers([leg[1] for leg in legs]),
        "leg_part": numbers([leg[2] for leg in legs]), "leg_player": numbers([leg[3] for leg in legs]),
    }  # fmt: skip


def _entries(work: Working) -> dict[str, Any]:
    new, bets = [entry for entry, _ in work.rows.new_entries], work.rows.bets
    players = [name for _, name in work.rows.new_entries]
    assert len(new) <= NUMBERS
    return {
        "entry": numbers([entry.entry for entry in new]),
        "entry_part": numbers([part_of(name or "") for name in players]),
        "entry_player": numbers([0 if name is None else work.players[name] for name in players]),
        "entry_at": numbers([entry.at_ms for entry in new]), "reason": texts([entry.reason for entry in new]),
        "entry_currency": texts([entry.currency for entry in new]),
        "entry_bet": numbers([0 if entry.bet is None else bets[entry.bet].number for entry in new]),
        "postings": bodies([encoded(entry.postings) for entry in new]),
    }  # fmt: skip


def _facts(rows: Rows, placed: Placed) -> dict[str, Any]:
    new = rows.new_facts
    assert len(new) <= NUMBERS
    return {
        "seq": numbers([fact.seq for fact in new]), "fact_part": numbers([part_of(fact.account) for fact in new]),
        "fact": bodies([fact_body(fact, placed) for fact in new]),
    }  # fmt: skip


def _save_guards(trip: Trip, work: Working) -> None:
    """Last of all: whoever else needs these rows waits for the commit alone."""
    charged = [(number, amount) for number, amount in sorted(work.rows.charged.items()) if number > 0]
    if charged:
        guards = numbers([number for number, _ in charged])
        if not work.need.guards:
            trip.ask(_GUARDS, guards)  # in their order
        trip.ask(_CHARGE, guards, numbers([amount for _, amount in charged]))


def _save_standings(trip: Trip, rows: Rows) -> None:
    """Only of bets that no longer stand as they were placed: those that were have none."""
    changed = sorted((rows.bets[name] for name in rows.changed_bets), key=lambda placed: placed.number)
    if changed:
        bets = [placed.bet for placed in changed]
        trip.ask(
            _STANDINGS,
            numbers([placed.number for placed in changed]), numbers([part_of(bet.account) for bet in bets]),
            texts([bet.status.value for bet in bets]),
            *(numbers(list(column)) for column in zip(
                *((b.version, b.returns, b.owed, b.cashed, b.cash, -1 if b.cash_out_at is None else b.cash_out_at)
                  for b in bets), strict=True
            )),
        )  # fmt: skip


def _save_rarer(trip: Trip, rows: Rows) -> None:
    """Decisions, windows, referrals, offers and free bets."""
    changed = [(name, *rows.decisions[name]) for name in sorted(rows.changed_decisions)]
    if changed:
        sql = (
            "INSERT INTO decisions SELECT unnest($1), unnest($2), unnest($3) "
            "ON CONFLICT (selection) DO UPDATE SET version = excluded.version, outcome = excluded.outcome"
        )
        names, versions, outcomes = zip(*changed, strict=True)
        trip.ask(sql, texts(names), numbers(versions), texts([encoded(outcome) for outcome in outcomes]))
    several: dict[str, list[tuple[Any, ...]]] = {
        "INSERT INTO windows VALUES ($1, $2, $3, $4)":
            [(fixture, w.version, w.from_ms, w.until_ms) for fixture, w in rows.new_windows],
        "INSERT INTO referrals VALUES ($1, $2, $3, $4, $5)":
            [(account, id_, part_of(account), referral.until_ms, encoded(referral).decode())
             for (account, id_), referral in rows.new_referrals.items()],
        "DELETE FROM referrals WHERE account = $1 AND id = $2": list(rows.answered_referrals),
        "INSERT INTO offers VALUES ($1, $2, $3, $4, $5) ON CONFLICT (offer, part) DO UPDATE SET "
        "taken = excluded.taken, body = excluded.body":
            [(name, part_of(held.account), held.account, held.taken, encoded(held.offer).decode())
             for name, held in sorted((name, rows.offers[name]) for name in rows.changed_offers)],
        "INSERT INTO free_bets VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (free_bet, part) DO UPDATE SET "
        "state = excluded.state, bet = excluded.bet":
            [(f.free_bet, part_of(f.account), f.account, f.currency, f.amount, f.until_ms, f.state.value, f.bet)
             for f in (rows.free_bets[name] for name in sorted(rows.changed_free_bets))],
    }  # fmt: skip
    for sql, values in several.items():
        for each in values:
            trip.ask(sql, *each)
