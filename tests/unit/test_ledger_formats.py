"""A ledger of format 3 is taken over: what it held is held, and it goes on from there."""

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import pytest

import matchday.backends
from matchday.backends.errors import BackendError
from matchday.backends.ledger_sqlite import SqliteLedgerCore
from matchday.model.bet import OUTCOMES, Bet, BetStatus, Leg, Part, Policy, Result, combination
from matchday.model.ledger import Charge, DecideLegs, LimitName, PlaceBet, Refusal, SettleBet, SettleBets
from matchday.model.messages import BetAccepted, Decision
from matchday.sim.clock import VirtualClock

NOW = 1_600_000_000_000
IDS = VirtualClock(3, NOW)
BACKENDS = Path(matchday.backends.__file__).parent
REACHED = Refusal.EXPOSURE_REACHED


def leg(fixture: str) -> Leg:
    return Leg(fixture, f"{fixture}:1x2", f"{fixture}:1x2/home", 2_500, 1)


COMBINED = combination("G", 4_000, [Part("G:1x2", "G:1x2/home", 0), Part("G:btts", "G:btts/yes", 0)])
BETS = [
    Bet("b1", IDS.new_id(), "anna", "EUR", 1_000, Policy.ANY, (leg("F"),), NOW),
    Bet("b2", IDS.new_id(), "bert", "EUR", 500, Policy.ANY, (leg("F"), COMBINED), NOW),
    Bet("b3", IDS.new_id(), "anna", "EUR", 200, Policy.ANY, (leg("H"),), NOW, BetStatus.SETTLED, 300, 7, owed=200),
    Bet("b4", IDS.new_id(), "anna", "EUR", 900, Policy.ANY, (leg("F"),), NOW, cashed=300, cash=280, cash_out_at=900),
]
CHARGES = {
    "b1": (Charge("exposure:account:anna", 1_500, 10**6, REACHED), Charge("exposure:F#0", 1_500, 10**6, REACHED)),
    "b2": (Charge("exposure:account:bert", 4_500, 10**6, REACHED), Charge("exposure:F#0", 4_500, 10**6, REACHED)),
    "b4": (Charge("exposure:F#0", 1_350, 10**6, REACHED), Charge("odd", 7, 10**6, REACHED)),
}
ENTRIES: list[tuple[int, str, str | None, dict[str, int]]] = [
    (1, "grant", None, {"anna": 10_000, "bank:EUR:0": -10_000}),
    (2, "grant", None, {"bert": 10_000, "bank:EUR:0": -10_000}),
    (3, "stake", "b1", {"anna": -1_000, "stakes:EUR:0": 1_000}),
    (4, "stake", "b2", {"bert": -500, "stakes:EUR:0": 500}),
    (5, "stake", "b3", {"anna": -200, "stakes:EUR:0": 200}),
    (6, "settlement", "b3", {"anna": 500, "stakes:EUR:0": -200, "house:EUR:0": -300}),
    (7, "stake", "b4", {"anna": -900, "stakes:EUR:0": 900}),
    (8, "cash_out", "b4", {"anna": 280, "stakes:EUR:0": -300, "house:EUR:0": 20}),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file as the release before left it."""
    path = tmp_path / "ledger.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as db:
        for name in ("ledger_sqlite.sql", "ledger_sqlite_2.sql", "ledger_sqlite_3.sql"):
            db.executescript((BACKENDS / name).read_text())
        db.execute("PRAGMA user_version=3")
        _fill(db)
        db.commit()
    return path


def _fill(db: sqlite3.Connection) -> None:
    encode = msgspec.json.encode
    balances: dict[str, int] = {}
    for entry, reason, name, postings in ENTRIES:
        db.execute("INSERT INTO entries VALUES (?,?,?,'EUR',?)", (entry, NOW + entry, reason, name))
        for account, amount in postings.items():
            db.execute("INSERT INTO postings VALUES (?,?,?)", (entry, account, amount))
            balances[account] = balances.get(account, 0) + amount
    for account, balance in balances.items():
        if ":" in account:
            db.execute("INSERT INTO house VALUES (?,'EUR',?)", (account, balance))
            continue
        limits, raised = encode({"stake_day": 5_000}), encode({"stake_week": [9_000, NOW]})
        days = encode([[18_518, 7, 1]])
        db.execute("INSERT INTO accounts VALUES (?,'EUR','open',?,9,?,?,?)", (account, balance, limits, raised, days))
    for bet in BETS:
        charges = CHARGES.get(bet.bet, ())
        row: tuple[Any, ...] = (bet.bet, bet.account, bet.status, encode(bet), encode(charges), bet.cash_out_at)
        db.execute("INSERT INTO bets VALUES (?,?,?,?,?,?)", row)
        names = {name for each in bet.legs for name in each.selections}
        db.executemany("INSERT INTO legs VALUES (?,?)", [(name, bet.bet) for name in names])
        known = (bet.account, bet.id, b"h" * 16, None, bet.bet, 5, NOW, 0)
        db.execute("INSERT INTO known VALUES (?,?,?,?,?,?,?,?)", known)
    db.execute("INSERT INTO known VALUES ('anna','settle:b3:7',?,NULL,'b3',5,?,0)", (b"h" * 16, NOW))
    db.execute("INSERT INTO known VALUES ('anna','no',?,'price_moved',NULL,5,?,0)", (b"h" * 16, NOW))
    guards = {"exposure:account:anna": 1_500, "exposure:account:bert": 4_500, "exposure:F#0": 6_900, "odd": 5}
    db.executemany("INSERT INTO guards VALUES (?,?)", guards.items())
    db.execute("INSERT INTO decisions VALUES ('H:1x2/home',7,?)", (encode(OUTCOMES[Result.WON]),))
    fact = BetAccepted(9, "anna", NOW, 5, BETS[0])
    db.execute("INSERT INTO facts VALUES (9,?)", (encode(fact),))


def test_what_it_held_is_held(path: Path) -> None:
    with contextlib.closing(SqliteLedgerCore(path)) as core:
        assert [core.bet(bet.bet) for bet in BETS] == BETS
        assert [bet.bet for bet in core.bets("anna", open_only=False, before=None, limit=9)] == ["b4", "b3", "b1"]
        assert [bet.bet for bet in core.bets("anna", open_only=True, before=None, limit=9)] == ["b4", "b1"]
        assert [bet.bet for bet in core.to_cash_out("", 9)] == ["b4"]
        assert core.backed("G") == ["G:1x2/home", "G:btts/yes"]
        assert len(core.bets_on(["F:1x2/home"], 0, 9)) == 3
        assert core.all_guards() == {
            "exposure:account:anna": 1_500, "exposure:account:bert": 4_500, "exposure:F#0": 6_900, "odd": 5,
        }  # fmt: skip
        assert core.guards(["exposure:account:bert", "exposure:F#0", "none"]) == {
            "exposure:account:bert": 4_500, "exposure:F#0": 6_900,
        }  # fmt: skip
        answers = [core.answer(bet.account, bet.id) for bet in BETS]
        assert [answer.bet for answer in answers if answer is not None] == BETS
        refused = core.answer("anna", "no")
        assert refused is not None
        assert refused.refusal == Refusal.PRICE_MOVED
        assert core.answer("anna", "settle:b3:7") is None
        assert [fact.seq for fact in core.facts(0, 9)] == [9]


def test_its_books_are_as_they_were(path: Path) -> None:
    with contextlib.closing(SqliteLedgerCore(path)) as core:
        found = [
            (entry.entry, entry.reason, entry.bet, {p.account: p.amount for p in entry.postings})
            for entry in core.entries(0, 99)
        ]
        assert found == ENTRIES
        assert [entry.entry for entry in core.statement("anna", None, 99)] == [8, 7, 6, 5, 3, 1]
        assert (core.totals(), core.balances()) == ({"EUR": 0}, core.posted())
        view = core.account_at("anna", NOW)
        assert view is not None
        assert (view.balance, view.limit(LimitName.STAKE_DAY).amount, view.limit(LimitName.STAKE_WEEK).amount) == (
            8_680, 5_000, 9_000,
        )  # fmt: skip
        assert view.limit(LimitName.STAKE_DAY).used == 7


def test_it_goes_on_from_there(path: Path) -> None:
    """Old bets settle and release what they had charged; new ones are numbered after them."""
    decisions = tuple(
        Decision(name.rpartition("/")[0], name, OUTCOMES[Result.WON])
        for name in ("F:1x2/home", "G:1x2/home", "G:btts/yes")
    )
    with contextlib.closing(SqliteLedgerCore(path)) as core:
        new = PlaceBet(IDS.new_id(), "bert", "EUR", 10, Policy.ANY, (leg("F"),), "b5", NOW, (leg("F"),), CHARGES["b2"])
        assert core.commit([new])[0].refusal is None
        assert core.all_guards()["exposure:F#0"] == 6_900 + 4_500
        core.commit([DecideLegs("decide", "F", 3, decisions, NOW)])
        numbers = tuple(number for _, number in core.bets_on(["F:1x2/home"], 0, 9))
        core.commit([SettleBets("settle", "F", numbers, NOW), SettleBet("again", "b1", "anna", NOW)])
        held = [core.bet(name) for name in ("b1", "b2", "b4", "b5")]
        assert [bet.returns for bet in held if bet is not None] == [2_500, 5_000, 1_500, 25]
        assert core.all_guards() == dict.fromkeys(core.all_guards(), 0)
        assert (core.totals(), core.balances()) == ({"EUR": 0}, core.posted())
    with contextlib.closing(SqliteLedgerCore(path)) as core:
        assert [bet.bet for bet in core.bets("bert", open_only=False, before=None, limit=9)] == ["b5", "b2"]


def test_a_newer_file_is_refused_with_the_remedy(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version=5")
    with pytest.raises(BackendError, match="newer Matchday"):
        SqliteLedgerCore(path)
