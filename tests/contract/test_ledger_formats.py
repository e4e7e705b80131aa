"""A ledger that an earlier release wrote is taken over: every row is read right, every id is still known."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import msgspec
import pytest

from matchday.backends.errors import BackendError
from matchday.backends.ledger_sqlite import SqliteLedgerCore
from matchday.model.bet import BetStatus, Leg, Outcome, Policy, Result
from matchday.model.ledger import (
    AccountStatus,
    Charge,
    Command,
    DecideLegs,
    LimitName,
    LimitView,
    OpenAccount,
    PlaceBet,
    Refusal,
    SetLimit,
    SetStatus,
    SettleBet,
    Transfer,
    VoidLegs,
    Window,
    standing,
)
from matchday.model.messages import BalanceChanged, BetAccepted, BetReopened, BetSettled, Decision
from matchday.model.posting import DAY_MS
from matchday.sim.clock import VirtualClock

DUMP: Final = Path(__file__).with_name("ledger_format_2.sql")
NOW: Final = 1_500_000_000_000
WON: Final = Outcome(Result.WON)


def written(path: Path, *, version: int) -> None:
    """The file of that format. Format 1 is format 2 without void windows."""
    with closing(sqlite3.connect(path)) as database:
        database.executescript(DUMP.read_text())
        if version == 1:
            database.executescript("DROP TABLE windows; PRAGMA user_version=1;")


@pytest.fixture
def old(folder: Path) -> Iterator[SqliteLedgerCore]:
    """The file of format 2, opened by this release."""
    path = folder / "ledger.sqlite"
    written(path, version=2)
    with closing(SqliteLedgerCore(path)) as core:
        yield core


def test_money_and_bets_are_as_they_were(old: SqliteLedgerCore) -> None:
    assert {name: amount for name, amount in old.balances().items() if amount} == {
        "anna": 96_500, "bank:EUR:0": -95_000, "shortfall:EUR:0": -9_000, "stakes:EUR:0": 7_500,
    }  # fmt: skip
    posted = {name: amount for name, amount in old.posted().items() if amount}
    assert posted == {name: amount for name, amount in old.balances().items() if amount}
    assert set(old.totals().values()) == {0}
    found = {
        bet.bet: bet for account in ("anna", "bert") for bet in old.bets(account, open_only=False, before=None, limit=9)
    }
    stand = {name: (b.status, b.stake, b.returns, b.version, b.type, b.owed) for name, b in found.items()}
    assert stand == {
        "b1": (BetStatus.OPEN, 1_000, 0, 6, "single", 0),
        "b2": (BetStatus.OPEN, 2_000, 0, 0, "single", 0),
        "b3": (BetStatus.OPEN, 500, 0, 0, "accumulator", 0),
        "b4": (BetStatus.VOID, 700, 700, 2, "single", 0),
        "b5": (BetStatus.OPEN, 4_000, 0, 6, "single", 9_000),
    }  # fmt: skip
    assert {(bet.free, bet.free_bet, bet.cashed, bet.cash, bet.cash_out_at) for bet in found.values()} == {
        (False, "", 0, 0, None)
    }
    assert old.open_bets() == 4
    assert old.all_guards()["exposure:F:1x2/home#0"] == 7_500
    assert [entry.reason for entry in old.statement("bert", None, 9)] == [
        "rollback", "withdrawal", "settlement", "stake", "grant",
    ]  # fmt: skip


def test_decisions_and_windows_are_as_they_were(old: SqliteLedgerCore) -> None:
    names = ["F:1x2/home", "G:1x2/home", "H:1x2/home"]
    assert old.decisions(names) == {"F:1x2/home": (6, None), "G:1x2/home": (3, WON)}
    assert old.windows(["F", "K"]) == {"K": [Window(2, NOW - 5, NOW + 5)]}
    bet = old.bet("b3")
    assert bet is not None
    assert standing(bet, old.decisions(names), {}) == (3, (WON, None))


def test_facts_are_read_as_they_were_said(old: SqliteLedgerCore) -> None:
    facts = old.facts(0, 100)
    assert [fact.seq for fact in facts] == list(range(1, 14))
    assert {type(fact) for fact in facts} == {BalanceChanged, BetAccepted, BetSettled, BetReopened}
    accepted = facts[4]
    assert isinstance(accepted, BetAccepted)
    assert accepted.bet == old.bet("b3")
    assert old.last_fact == 13


def limits(old: SqliteLedgerCore, account: str, at_ms: int) -> list[LimitView]:
    view = old.account_at(account, at_ms)
    assert view is not None
    return [limit for limit in view.limits if limit.amount is not None or limit.used]


def test_limits_are_as_they_were(old: SqliteLedgerCore) -> None:
    """That of a day, with what is cooling off; what was staked on the last day counts in the new windows, too."""
    day, due = LimitName.STAKE_DAY, NOW + DAY_MS + 1_000
    assert limits(old, "anna", NOW)[0] == LimitView(day, 50_000, 4_200, None, 0)
    assert limits(old, "bert", NOW)[0] == LimitView(day, 5_000, 4_000, 8_000, due)
    assert limits(old, "bert", due)[0] == LimitView(day, 8_000, 0, None, 0)
    assert {limit.limit: limit.used for limit in limits(old, "bert", NOW)} == dict.fromkeys(LimitName, 4_000)
    assert limits(old, "carl", NOW) == [LimitView(day, 10**15, 0, None, 0)]
    carl = old.account_at("carl", NOW)
    assert carl is not None
    assert (carl.currency, carl.status, carl.facts) == ("GBP", AccountStatus.SUSPENDED, 0)
    anna = old.account_at("anna", NOW)
    assert anna is not None
    assert anna.facts == 13


def leg(selection: str, price: int = 2_500) -> Leg:
    return Leg(selection.partition(":")[0], selection.rpartition("/")[0], selection, price, 3)


def bet(id_: str, stake: int, *selections: str, account: str = "anna", policy: Policy = Policy.BETTER) -> PlaceBet:
    legs = tuple(leg(selection) for selection in selections)
    charges = (Charge("exposure:F#0", 1, 10**9, Refusal.EXPOSURE_REACHED),)  # judged anew, and otherwise
    return PlaceBet(id_, account, "EUR", stake, policy, legs, "new", NOW + 5_000, legs, charges)


def decided(version: int, selection: str, outcome: Outcome | None) -> DecideLegs:
    fixture, market = selection.partition(":")[0], selection.rpartition("/")[0]
    return DecideLegs(f"decide:{fixture}:{version}", fixture, version, (Decision(market, selection, outcome),), NOW)


def known_id(last: int) -> str:
    return f"015d3ef7-9800-7235-9c81-00ed2441fb{last}"


SENT: Final[list[tuple[Command, Refusal | None, str | None]]] = [
    # what was sent then                                                     its answer then              its bet
    (bet(known_id(12), 1_000, "F:1x2/home"), None, "b1"),
    (bet(known_id(13), 2_000, "F:1x2/away"), None, "b2"),
    (bet(known_id(14), 500, "G:1x2/home", "H:1x2/home"), None, "b3"),
    (bet(known_id(15), 700, "K:1x2/home"), None, "b4"),
    (bet(known_id(16), 4_000, "F:1x2/home", account="bert"), None, "b5"),
    (bet(known_id(17), 2_000, "F:1x2/home", account="bert", policy=Policy.ANY), Refusal.STAKE_LIMIT_REACHED, None),
    (bet("015d3ef7-9800-7319-ae80-c2fa1327fa93", 100, "F:1x2/draw", policy=Policy.NONE), Refusal.PRICE_MOVED, None),
    (OpenAccount("open:anna", "anna", "EUR", NOW, 50_000), None, None),
    (OpenAccount("open:carl", "carl", "GBP", NOW), None, None),
    (Transfer("grant:anna", "anna", 100_000, "EUR", "grant", NOW), None, None),
    (Transfer("w:bert", "bert", -15_000, "EUR", "withdrawal", NOW), None, None),
    (SetStatus("s:carl", "carl", AccountStatus.SUSPENDED, NOW), None, None),
    (SetLimit("l1:bert", "bert", 5_000, NOW), None, None),
    (SetLimit("l2:bert", "bert", 8_000, NOW), None, None),
    (decided(5, "F:1x2/home", WON), None, None),
    (decided(6, "F:1x2/home", None), None, None),
    (decided(3, "G:1x2/home", WON), None, None),
    (VoidLegs("void:K:2", "K", 2, NOW - 5, NOW + 5, NOW), None, None),
]


@pytest.mark.parametrize(("command", "refusal", "of_bet"), SENT, ids=[row[0].id for row in SENT])
def test_what_was_sent_before_is_known_by_its_id(
    old: SqliteLedgerCore, command: Command, refusal: Refusal | None, of_bet: str | None
) -> None:
    """A client or a room that heard no answer asks again after the upgrade: the same answer, and nothing changes."""
    before = (old.balances(), old.entries(0, 100), old.all_guards(), old.last_fact)
    (answer,) = old.commit([command])
    assert (answer.refusal, answer.repeated, answer.bet and answer.bet.bet) == (refusal, True, of_bet)
    assert before == (old.balances(), old.entries(0, 100), old.all_guards(), old.last_fact)


@pytest.mark.parametrize(("id_", "bet_", "account"), [("settle:b1:5", "b1", "anna"), ("settle:b5:6", "b5", "bert")])
def test_what_was_settled_before_stays_settled(old: SqliteLedgerCore, id_: str, bet_: str, account: str) -> None:
    """Settling commands are remembered by what they did, not by their ids."""
    before = (old.balances(), old.entries(0, 100), old.all_guards(), old.last_fact)
    (answer,) = old.commit([SettleBet(id_, bet_, account, NOW)])
    assert (answer.refusal, answer.bet and answer.bet.bet) == (None, bet_)
    assert before == (old.balances(), old.entries(0, 100), old.all_guards(), old.last_fact)


@pytest.mark.parametrize("version", [1, 2])
def test_life_goes_on(folder: Path, version: int) -> None:
    """Open bets are settled, debts are paid first, guards let go, limits count on, new commands are taken."""
    path = folder / "ledger.sqlite"
    written(path, version=version)
    with closing(SqliteLedgerCore(path)) as core:
        core.commit([decided(9, "F:1x2/home", WON), decided(4, "H:1x2/home", WON)])
        core.commit([
            SettleBet("settle:b1:9", "b1", "anna", NOW), SettleBet("settle:b3:7", "b3", "anna", NOW),
            SettleBet("settle:b5:9", "b5", "bert", NOW),
        ])  # fmt: skip
        found = {name: core.bet(name) for name in ("b1", "b3", "b5")}
        assert {name: bet and (bet.status, bet.returns, bet.owed) for name, bet in found.items()} == {
            "b1": (BetStatus.SETTLED, 2_500, 0), "b3": (BetStatus.SETTLED, 3_125, 0),
            "b5": (BetStatus.SETTLED, 10_000, 0),
        }  # fmt: skip
        assert (core.balances()["anna"], core.balances()["bert"]) == (96_500 + 2_500 + 3_125, 1_000)
        assert core.all_guards()["exposure:F:1x2/home#0"] == 0
        ids = VirtualClock(1, NOW)
        answers = core.commit([
            msgspec.structs.replace(bet(ids.new_id(), 1_001, "F:1x2/x", account="bert"), bet="n1"),
            msgspec.structs.replace(bet(ids.new_id(), 1_000, "F:1x2/x", account="bert"), bet="n2"),
            SetLimit("l3", "bert", 4_000, NOW, LimitName.LOSS_WEEK),
        ])  # fmt: skip
        assert [answer.refusal for answer in answers] == [Refusal.STAKE_LIMIT_REACHED, None, None]
        assert {limit.limit: limit.used for limit in limits(core, "bert", NOW)} == {
            # of the 4,000 only the 1,000 that came to the balance returned: the rest paid a debt
            **dict.fromkeys((LimitName.STAKE_DAY, LimitName.STAKE_WEEK, LimitName.STAKE_MONTH), 5_000),
            **dict.fromkeys((LimitName.LOSS_DAY, LimitName.LOSS_WEEK, LimitName.LOSS_MONTH), 4_000),
        }  # fmt: skip
        assert set(core.totals().values()) == {0}
    with closing(SqliteLedgerCore(path)) as again:  # taken over once
        assert again.bet("n2") is not None


def test_a_file_of_a_later_release_is_left_alone(folder: Path) -> None:
    path = folder / "ledger.sqlite"
    written(path, version=2)
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version=99")
    with pytest.raises(BackendError, match="newer Matchday"):
        SqliteLedgerCore(path)
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT count(*) FROM bets").fetchone() == (5,)
