"""What every ledger promises of cash-out: final, for what was quoted, and only of a bet that stands as it was valued.
Every batch twice."""

from collections.abc import Sequence

import pytest

from matchday.model.bet import BetStatus, Outcome, Result
from matchday.model.ledger import (
    ID_MEMORY_MS,
    AccountStatus,
    CashOut,
    Command,
    GrantFreeBet,
    Refusal,
    SetCashOut,
    SetStatus,
)
from matchday.model.messages import BetCashedOut, CashOutSet
from matchday.ports import Ledger
from matchday.sim.clock import VirtualClock

from .books import PAGE, entry_of, held, last, sums
from .conftest import World
from .test_ledger import DAY, LOST, NOW, VOID, WON, A, balance, bet, commit, decide, opened, settle
from .test_ledger_corrections import take, window, withdrawn

UNAVAILABLE, MOVED = Refusal.CASH_OUT_UNAVAILABLE, Refusal.QUOTE_MOVED


def cash(
    stake: int = 0, asked: int = 900, *, id_: str = "cash:1", account: str = A, name: str = "b1", standing: int = 0,
    offered: int | None = None, refusal: Refusal | None = None, at_ms: int = NOW,
) -> CashOut:  # fmt: skip
    found = asked if offered is None else offered
    return CashOut(id_, account, name, stake, asked, at_ms, found, standing, refusal)


def set_at(amount: int | None, *, id_: str = "", account: str = A, name: str = "b1") -> SetCashOut:
    return SetCashOut(id_ or f"set:{name}:{amount}", account, name, amount, NOW)


@pytest.fixture(autouse=True)
def bets(world: World, ledger: Ledger) -> None:
    """A bet of 1,000 at 2.50."""
    commit(world, ledger, [*opened(), *opened(account="bert"), bet(1_000)])


def test_whole_it_is_paid_and_over(world: World, ledger: Ledger) -> None:
    answer = commit(world, ledger, [cash()])[0]
    assert (answer.refusal, answer.balance, answer.bet) == (None, 9_900, held(ledger))
    found = held(ledger)
    assert (found.status, found.cashed, found.cash, found.remaining) == (BetStatus.CASHED_OUT, 1_000, 900, 0)
    assert entry_of(ledger) == {"stakes": -1_000, A: 900, "house": 100}
    assert (last(ledger).reason, last(ledger).bet, ledger.open_bets()) == ("cash_out", "b1", 0)
    fact = ledger.facts(0, PAGE)[-1]
    assert isinstance(fact, BetCashedOut)
    assert (fact.stake, fact.amount, fact.remaining, fact.change) == (1_000, 900, 0, 900)


@pytest.mark.parametrize(
    "after",
    [[decide(5, WON)], [decide(5, LOST)], [decide(5, VOID)], [window(5, NOW, NOW + 1)], [decide(5, WON), withdrawn(6)]],
)
def test_it_is_final_whatever_the_legs_come_to(world: World, ledger: Ledger, after: list[Command]) -> None:
    commit(world, ledger, [cash()])
    before = held(ledger)
    answers = commit(world, ledger, [*after, settle(5), settle(6)])
    assert {answer.refusal for answer in answers} == {None}
    assert (held(ledger), balance(ledger), sums(ledger).get("stakes", 0)) == (before, 9_900, 0)


@pytest.mark.parametrize(
    ("outcome", "status", "returns"),
    [
        # 400 of the 1,000 were cashed out for 450; 600 are left, at 2.50
        (WON, BetStatus.SETTLED, 1_500),
        (LOST, BetStatus.SETTLED, 0),
        (VOID, BetStatus.VOID, 600),
        (Outcome(Result.HALF_WON, 1), BetStatus.SETTLED, 1_050),
        (Outcome(Result.HALF_LOST, 1), BetStatus.SETTLED, 300),
    ],
)
def test_of_a_part_the_rest_is_decided_by_its_legs(
    world: World, ledger: Ledger, outcome: Outcome, status: BetStatus, returns: int
) -> None:
    commit(world, ledger, [cash(400, 450)])
    found = held(ledger)
    assert (found.status, found.stake, found.cashed, found.cash, found.remaining) == (
        BetStatus.OPEN, 1_000, 400, 450, 600,
    )  # fmt: skip
    assert (entry_of(ledger), balance(ledger)) == ({"stakes": -400, A: 450, "house": -50}, 9_450)
    commit(world, ledger, [decide(5, outcome), settle(5)])
    found = held(ledger)
    assert (found.status, found.returns, balance(ledger)) == (status, returns, 9_450 + returns)
    assert sums(ledger).get("stakes", 0) == 0
    commit(world, ledger, [withdrawn(6), settle(6)])
    assert (balance(ledger), sums(ledger)["stakes"]) == (9_450, 600)


def test_part_by_part_it_is_over_with_the_last(world: World, ledger: Ledger) -> None:
    answers = commit(world, ledger, [
        cash(400, 450, id_="c1"), cash(601, 700, id_="c2"), cash(300, 310, id_="c3"), cash(0, 200, id_="c4"),
        cash(1, 1, id_="c5"),
    ])  # fmt: skip
    assert [answer.refusal for answer in answers] == [None, UNAVAILABLE, None, None, Refusal.BET_NOT_OPEN]
    found = held(ledger)
    assert (found.status, found.cashed, found.cash) == (BetStatus.CASHED_OUT, 1_000, 960)
    assert balance(ledger) == 9_000 + 960


@pytest.mark.parametrize(
    ("commands", "refusal"),
    [
        ([cash(account="nobody")], Refusal.ACCOUNT_UNKNOWN),
        ([cash(account="bert")], Refusal.BET_UNKNOWN),
        ([cash(name="b9")], Refusal.BET_UNKNOWN),
        ([decide(5, WON), settle(5), cash(standing=5)], Refusal.BET_NOT_OPEN),
        ([cash(1_001)], UNAVAILABLE),
        ([cash(-1)], UNAVAILABLE),
        ([cash(asked=0)], UNAVAILABLE),
        ([cash(asked=-5)], UNAVAILABLE),
        ([cash(refusal=Refusal.QUOTE_EXPIRED)], Refusal.QUOTE_EXPIRED),
        ([cash(1_001, refusal=Refusal.QUOTE_EXPIRED)], UNAVAILABLE),  # the first reason
        ([cash(asked=900, offered=899)], MOVED),
        ([cash(asked=900, offered=901)], None),  # what was quoted is paid
        # what was decided since the gate valued the bet
        ([decide(5, WON), cash()], MOVED),
        ([decide(5, LOST), cash()], MOVED),
        ([decide(5, WON), withdrawn(6), cash()], MOVED),
        ([decide(5, WON), withdrawn(6), cash(standing=6)], None),
        ([window(7, NOW, NOW + 1), cash()], MOVED),
        ([window(7, NOW + 1, NOW + 2), cash()], None),  # not of this bet
        ([decide(5, WON, "F:1x2/away"), cash()], None),
        ([SetStatus("s", A, AccountStatus.SUSPENDED, NOW), cash()], None),  # what is open may be ended
    ],
)
def test_refusals(world: World, ledger: Ledger, commands: Sequence[Command], refusal: Refusal | None) -> None:
    answer = commit(world, ledger, commands)[-1]
    assert answer.refusal == refusal
    cashed = [fact for fact in ledger.facts(0, PAGE) if isinstance(fact, BetCashedOut)]
    assert [fact.amount for fact in cashed] == ([] if refusal else [900])


def test_a_free_bet_cannot_be_cashed_out(world: World, ledger: Ledger) -> None:
    grant = GrantFreeBet("g", A, "free1", 500, "EUR", NOW + DAY, NOW)
    answers = commit(world, ledger, [
        grant, bet(500, name="b2", free_bet="free1"), cash(100, 90, name="b2"), set_at(90, name="b2"),
    ])  # fmt: skip
    assert [answer.refusal for answer in answers] == [None, None, UNAVAILABLE, UNAVAILABLE]


def test_the_same_again_is_the_same_and_another_is_not(world: World, ledger: Ledger) -> None:
    commit(world, ledger, [cash(400, 450)])
    again = commit(world, ledger, [cash(400, 450, offered=0, refusal=Refusal.QUOTE_EXPIRED, at_ms=NOW + 9)])[0]
    assert (again.refusal, again.repeated, balance(ledger)) == (None, True, 9_450)
    assert commit(world, ledger, [cash(400, 451)])[0].refusal == Refusal.ID_REUSED
    assert commit(world, ledger, [cash(401, 450)])[0].refusal == Refusal.ID_REUSED


@pytest.mark.parametrize(
    ("after_ms", "refusal"), [(0, None), (ID_MEMORY_MS, None), (ID_MEMORY_MS + 1, Refusal.ID_EXPIRED)]
)
def test_a_fan_s_id_grows_old_and_one_that_is_derived_does_not(
    world: World, ledger: Ledger, after_ms: int, refusal: Refusal | None
) -> None:
    made = VirtualClock(5, NOW).new_id()
    answers = commit(world, ledger, [
        cash(100, 90, id_=made, at_ms=NOW + after_ms), cash(100, 90, id_="cash:b1:1", at_ms=NOW + after_ms),
    ])  # fmt: skip
    assert [answer.refusal for answer in answers] == [refusal, None]
    assert (ledger.answer(A, made) is None) == (refusal is not None)  # nothing is recorded of what is too old
    threshold = SetCashOut(VirtualClock(6, NOW).new_id(), A, "b1", 5, NOW + after_ms)
    assert commit(world, ledger, [threshold])[0].refusal == refusal
    assert waiting(ledger) == ([] if refusal else [("b1", 5)])


# --- debts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "change", "owed"),
    [(900, 0, 1_100), (2_000, 0, 0), (2_300, 300, 0)],
)
def test_what_is_owed_on_a_bet_is_paid_first(world: World, ledger: Ledger, asked: int, change: int, owed: int) -> None:
    """Won, paid 2,500 and gone; the goal is taken back: 2,000 of it are owed on the open bet."""
    commit(world, ledger, [decide(5, WON), settle(5), take(11_000), withdrawn(6), settle(6)])
    assert (held(ledger).owed, balance(ledger)) == (2_000, 0)
    answer = commit(world, ledger, [cash(0, asked, standing=6)])[0]
    assert (answer.refusal, answer.balance) == (None, change)
    found = held(ledger)
    assert (found.status, found.cash, found.owed) == (BetStatus.CASHED_OUT, asked, owed)
    assert sums(ledger).get("shortfall", 0) == -owed
    fact = ledger.facts(0, PAGE)[-1]
    assert isinstance(fact, BetCashedOut)
    assert (fact.amount, fact.change) == (asked, change)


def test_what_a_part_did_not_pay_the_rest_does(world: World, ledger: Ledger) -> None:
    commit(world, ledger, [decide(5, WON), settle(5), take(11_000), withdrawn(6), settle(6)])
    commit(world, ledger, [cash(500, 600, standing=6)])
    assert (held(ledger).owed, balance(ledger)) == (1_400, 0)
    commit(world, ledger, [decide(7, WON), settle(7)])  # 500 at 2.50 return 1,250
    assert (held(ledger).owed, held(ledger).returns, balance(ledger)) == (150, 1_250, 0)


# --- by itself --------------------------------------------------------------------------------------------------------


def waiting(ledger: Ledger) -> list[tuple[str, int | None]]:
    return [(found.bet, found.cash_out_at) for found in ledger.to_cash_out("", 10)]


def test_from_which_offer_on_is_remembered_and_told(world: World, ledger: Ledger) -> None:
    assert waiting(ledger) == []
    answer = commit(world, ledger, [set_at(1_200)])[0]
    assert (answer.refusal, answer.bet, waiting(ledger)) == (None, held(ledger), [("b1", 1_200)])
    fact = ledger.facts(0, PAGE)[-1]
    assert isinstance(fact, CashOutSet)
    assert (fact.bet, fact.amount) == ("b1", 1_200)
    commit(world, ledger, [set_at(1_300)])
    assert waiting(ledger) == [("b1", 1_300)]
    commit(world, ledger, [set_at(None)])
    assert waiting(ledger) == []


@pytest.mark.parametrize(
    ("commands", "refusal"),
    [
        ([set_at(5, account="nobody")], Refusal.ACCOUNT_UNKNOWN),
        ([set_at(5, account="bert")], Refusal.BET_UNKNOWN),
        ([set_at(5, name="b9")], Refusal.BET_UNKNOWN),
        ([cash(), set_at(5)], Refusal.BET_NOT_OPEN),
        ([decide(5, LOST), settle(5), set_at(5)], Refusal.BET_NOT_OPEN),
    ],
)
def test_what_cannot_be_set(world: World, ledger: Ledger, commands: Sequence[Command], refusal: Refusal) -> None:
    assert commit(world, ledger, commands)[-1].refusal == refusal
    assert waiting(ledger) == []


def test_they_are_found_page_by_page(world: World, ledger: Ledger) -> None:
    commit(world, ledger, [bet(100, name=name) for name in ("b2", "b3", "b4")])
    commit(world, ledger, [set_at(5, name=name) for name in ("b1", "b3", "b4")])
    pages: list[str] = []
    while page := ledger.to_cash_out(pages[-1] if pages else "", 2):
        pages += [found.bet for found in page]
    assert pages == ["b1", "b3", "b4"]


def test_only_an_open_bet_waits_for_an_offer(world: World, ledger: Ledger) -> None:
    """Decided it does not; open again, it does as before; cashed out in part, it is asked anew."""
    commit(world, ledger, [set_at(1_200), decide(5, WON), settle(5)])
    assert waiting(ledger) == []
    commit(world, ledger, [withdrawn(6), settle(6)])
    assert waiting(ledger) == [("b1", 1_200)]
    commit(world, ledger, [cash(400, 450, standing=6)])
    assert (waiting(ledger), held(ledger).cash_out_at) == ([], None)
