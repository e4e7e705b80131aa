"""What every ledger promises of free bets: a stake of the house's, used once, given back if void. Every batch twice."""

from collections.abc import Sequence
from typing import Final

import msgspec
import pytest

from matchday.model.bet import BetStatus, Outcome, Result, dead_heat
from matchday.model.ledger import (
    AccountStatus,
    Answer,
    Command,
    DecideLegs,
    ExpireFreeBet,
    FreeBet,
    GrantFreeBet,
    PlaceBet,
    Refusal,
    SetStatus,
    SettleBet,
)
from matchday.model.messages import BetAccepted, Decision, FreeBetChanged
from matchday.ports import Ledger
from matchday.sim.clock import VirtualClock

from .books import entry_of, held, last, sums
from .conftest import World
from .test_ledger import DAY, LOST, NOW, VOID, WON, A, balance, bet, commit, decide, opened, settle
from .test_ledger_corrections import take, window

UNTIL: Final = NOW + DAY
GRANTED: Final = 500


def grant(
    name: str = "free1", amount: int = GRANTED, *, id_: str = "", account: str = A, until_ms: int = UNTIL,
    currency: str = "EUR",
) -> GrantFreeBet:  # fmt: skip
    return GrantFreeBet(id_ or f"grant-{name}", account, name, amount, currency, until_ms, NOW)


def use(
    stake: int = GRANTED, *, free_bet: str = "free1", name: str = "b1", at_ms: int = NOW, account: str = A
) -> PlaceBet:
    id_ = VirtualClock(sum(name.encode()) + stake, at_ms).new_id()
    return bet(stake, id_=id_, free_bet=free_bet, name=name, at_ms=at_ms, account=account)


def expire(at_ms: int, *, free_bet: str = "free1", account: str = A) -> ExpireFreeBet:
    return ExpireFreeBet(f"expire:{free_bet}:{at_ms}", account, free_bet, at_ms)


class Desk:
    """A fan with 10,000 and a free bet of 500."""

    def __init__(self, world: World, ledger: Ledger) -> None:
        self.world, self.ledger = world, ledger
        self.version = 0
        self.do(*opened(), *opened(account="bert"), grant())

    def do(self, *commands: Command) -> list[Answer]:
        answers = commit(self.world, self.ledger, commands)
        available = sum(free.amount for free in self.ledger.free_bets(A))
        assert sums(self.ledger).get("freebets", 0) == available
        return answers

    def refusal(self, *commands: Command) -> Refusal | None:
        return self.do(*commands)[-1].refusal

    def comes_to(self, outcome: Outcome | None, *bets: str, at_ms: int = NOW) -> None:
        """The bets' selection came to that, or is undecided again."""
        self.version += 1
        decision = Decision("F:1x2", "F:1x2/home", outcome)
        self.do(DecideLegs(f"decide-{self.version}", "F", self.version, (decision,), at_ms))
        for name in bets or ("b1",):
            self.do(SettleBet(f"settle:{name}:{self.version}", name, A, at_ms))

    @property
    def available(self) -> list[str]:
        return [free.free_bet for free in self.ledger.free_bets(A)]

    def house(self) -> dict[str, int]:
        """Sums without the fans' money and where it came from."""
        return {name: amount for name, amount in sums(self.ledger).items() if name not in (A, "bert", "bank")}


@pytest.fixture
def desk(world: World, ledger: Ledger) -> Desk:
    return Desk(world, ledger)


def test_a_free_bet_is_given_and_can_be_seen(desk: Desk) -> None:
    assert desk.ledger.free_bets(A) == [FreeBet("free1", GRANTED, "EUR", UNTIL)]
    assert desk.house() == {"freebets": GRANTED, "promotions": -GRANTED}
    assert (last(desk.ledger).reason, balance(desk.ledger)) == ("free_bet", 10_000)
    fact = desk.ledger.facts(0, 100)[-1]
    assert isinstance(fact, FreeBetChanged)
    assert (fact.free_bet, fact.amount, fact.until_ms, fact.state) == ("free1", GRANTED, UNTIL, "available")


def test_the_most_urgent_comes_first(desk: Desk) -> None:
    desk.do(grant("late", until_ms=UNTIL + 5), grant("soon", until_ms=UNTIL - 5))
    assert desk.available == ["soon", "free1", "late"]


@pytest.mark.parametrize(
    ("commands", "refusal"),
    [
        ([grant(id_="g2")], None),  # the same again under another id: given once
        ([grant(id_="g2", amount=501)], Refusal.ID_REUSED),
        ([grant(id_="g2", until_ms=UNTIL + 1)], Refusal.ID_REUSED),
        ([grant(id_="g2", account="bert")], Refusal.ID_REUSED),  # it is another's
        ([grant("f2", account="nobody")], Refusal.ACCOUNT_UNKNOWN),
        ([grant("f2", currency="GBP")], Refusal.CURRENCY_MISMATCH),
        ([SetStatus("s", A, AccountStatus.SUSPENDED, NOW), grant("f2")], None),
        ([SetStatus("s", A, AccountStatus.CLOSED, NOW), grant("f2")], Refusal.ACCOUNT_NOT_OPEN),
    ],
)
def test_giving(desk: Desk, commands: Sequence[Command], refusal: Refusal | None) -> None:
    assert desk.refusal(*commands) == refusal
    assert "free1" in desk.available


@pytest.mark.parametrize(
    ("commands", "refusal"),
    [
        ([use()], None),
        ([use(499)], Refusal.FREE_BET_UNKNOWN),  # whole, or not at all
        ([use(501)], Refusal.FREE_BET_UNKNOWN),
        ([use(free_bet="free2")], Refusal.FREE_BET_UNKNOWN),
        ([use(account="bert")], Refusal.FREE_BET_UNKNOWN),
        ([use(), use(name="b2")], Refusal.FREE_BET_UNKNOWN),  # once
        ([use(at_ms=UNTIL - 1)], None),
        ([use(at_ms=UNTIL)], Refusal.FREE_BET_EXPIRED),
        ([expire(UNTIL), use(name="b2")], Refusal.FREE_BET_EXPIRED),
        ([expire(UNTIL - 1), use()], None),
        ([use(499, at_ms=UNTIL)], Refusal.FREE_BET_EXPIRED),  # the first reason
        ([take(10_000), use()], None),  # the balance is not touched
        ([SetStatus("s", A, AccountStatus.SUSPENDED, NOW), use()], Refusal.ACCOUNT_NOT_OPEN),
    ],
)
def test_using(desk: Desk, commands: Sequence[Command], refusal: Refusal | None) -> None:
    assert desk.refusal(*commands) == refusal


def test_a_free_bet_is_a_bet_whose_stake_the_house_gave(desk: Desk) -> None:
    desk.do(use())
    found = held(desk.ledger)
    assert (found.free, found.free_bet, found.stake, found.status) == (True, "free1", GRANTED, BetStatus.OPEN)
    assert (balance(desk.ledger), desk.available) == (10_000, [])
    assert entry_of(desk.ledger) == {"freebets": -GRANTED, "stakes": GRANTED}
    fact = desk.ledger.facts(0, 100)[-1]
    assert isinstance(fact, BetAccepted)
    assert fact.bet == found


@pytest.mark.parametrize(
    ("outcome", "returns", "status", "available"),
    [
        # 500 at 2.50: its winnings alone (sportsbook rules §3.6)
        (WON, 750, BetStatus.SETTLED, False),
        (LOST, 0, BetStatus.SETTLED, False),
        (VOID, 0, BetStatus.VOID, True),
        (Outcome(Result.HALF_WON, 1), 375, BetStatus.SETTLED, False),
        (Outcome(Result.HALF_LOST, 1), 0, BetStatus.SETTLED, False),
        (dead_heat(1, 2), 125, BetStatus.SETTLED, False),
    ],
)
def test_what_it_comes_to(desk: Desk, outcome: Outcome, returns: int, status: BetStatus, available: bool) -> None:
    desk.do(use())
    desk.comes_to(outcome)
    found = held(desk.ledger)
    assert (found.status, found.returns, balance(desk.ledger)) == (status, returns, 10_000 + returns)
    assert bool(desk.available) == available
    won = {"house": GRANTED - returns} if GRANTED - returns else {}
    expected = {"freebets": GRANTED, "promotions": -GRANTED} if available else {"promotions": -GRANTED, **won}
    assert desk.house() == expected


# --- void, and not void after all -------------------------------------------------------------------------------------


def test_void_it_is_given_back_and_used_again(desk: Desk) -> None:
    desk.do(use())
    desk.comes_to(VOID)
    fact = desk.ledger.facts(0, 100)[-2]
    assert isinstance(fact, FreeBetChanged)
    assert (fact.free_bet, fact.state) == ("free1", "available")
    assert desk.refusal(use(name="b2")) is None
    assert (desk.available, desk.house()) == ([], {"stakes": GRANTED, "promotions": -GRANTED})


def test_void_after_its_time_it_is_gone(desk: Desk) -> None:
    desk.do(use())
    desk.comes_to(VOID, at_ms=UNTIL)
    assert (held(desk.ledger).status, desk.available, desk.house()) == (BetStatus.VOID, [], {})
    assert desk.refusal(use(name="b2", at_ms=UNTIL - 1)) == Refusal.FREE_BET_UNKNOWN


def test_not_void_after_all_it_is_taken_back(desk: Desk) -> None:
    desk.do(use())
    before = (desk.house(), balance(desk.ledger))
    desk.comes_to(VOID)
    desk.comes_to(None)
    assert (desk.house(), balance(desk.ledger)) == before
    assert (held(desk.ledger).status, desk.available) == (BetStatus.OPEN, [])
    assert desk.refusal(use(name="b2")) == Refusal.FREE_BET_UNKNOWN
    fact = desk.ledger.facts(0, 100)[-2]
    assert isinstance(fact, FreeBetChanged)
    assert (fact.free_bet, fact.state) == ("free1", "used")
    desk.comes_to(VOID)
    assert desk.available == ["free1"]


def test_not_void_after_all_but_used_again_the_house_bears_it(desk: Desk) -> None:
    """Two bets run on the stake of one."""
    desk.do(use())
    desk.comes_to(VOID)
    desk.do(use(name="b2"))
    desk.comes_to(None, "b1", "b2")
    assert desk.house() == {"stakes": 2 * GRANTED, "promotions": -2 * GRANTED}
    desk.comes_to(VOID, "b1")
    assert (desk.available, desk.house()) == ([], {"stakes": GRANTED, "promotions": -GRANTED})  # it is b2's now
    desk.comes_to(VOID, "b2")
    assert (desk.available, desk.house()) == (["free1"], {"freebets": GRANTED, "promotions": -GRANTED})


def test_not_void_after_all_but_expired_the_house_bears_it(desk: Desk) -> None:
    desk.do(use())
    desk.comes_to(VOID)
    desk.do(expire(UNTIL))
    assert desk.house() == {}
    desk.comes_to(None, at_ms=UNTIL + 5)
    assert desk.house() == {"stakes": GRANTED, "promotions": -GRANTED}
    desk.comes_to(VOID, at_ms=UNTIL + 6)
    assert (desk.house(), desk.available) == ({}, [])


def test_void_and_won_after_all_its_winnings_are_paid(desk: Desk) -> None:
    desk.do(use())
    desk.comes_to(VOID)
    desk.comes_to(WON)
    assert (balance(desk.ledger), desk.available) == (10_750, [])
    assert desk.house() == {"promotions": -GRANTED, "house": -250}


def test_won_and_void_after_all_its_winnings_are_taken_back(desk: Desk) -> None:
    desk.do(use())
    desk.comes_to(WON)
    desk.do(take(10_000))
    desk.comes_to(VOID)
    assert (balance(desk.ledger), held(desk.ledger).owed, desk.available) == (0, 0, ["free1"])
    assert desk.house() == {"freebets": GRANTED, "promotions": -GRANTED}


def test_winnings_that_are_gone_are_owed_and_the_free_bet_is_given_back_all_the_same(desk: Desk) -> None:
    desk.do(use())
    desk.comes_to(WON)
    desk.do(take(10_750))
    desk.comes_to(VOID)
    assert (balance(desk.ledger), held(desk.ledger).owed, desk.available) == (0, 750, ["free1"])
    assert desk.house() == {"freebets": GRANTED, "promotions": -GRANTED, "shortfall": -750}
    desk.comes_to(WON)
    assert (balance(desk.ledger), held(desk.ledger).owed) == (0, 0)


def test_void_again_by_another_cause_changes_nothing(desk: Desk) -> None:
    desk.do(use())
    desk.comes_to(VOID)
    desk.do(window(50, NOW, NOW + 1), settle(51))
    assert (desk.available, held(desk.ledger).version) == (["free1"], 51)
    assert desk.house() == {"freebets": GRANTED, "promotions": -GRANTED}


def test_void_again_after_its_time_it_is_gone(desk: Desk) -> None:
    desk.do(use())
    desk.comes_to(VOID)
    late = msgspec.structs.replace(settle(51), at_ms=UNTIL)
    desk.do(window(50, NOW, NOW + 1), late)
    assert (desk.available, desk.house()) == ([], {})


# --- the end of its time ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("commands", "refusal", "available"),
    [
        ([expire(UNTIL - 1)], None, ["free1"]),  # it has time left
        ([expire(UNTIL)], None, []),
        ([expire(UNTIL), expire(UNTIL + 1)], None, []),
        ([expire(UNTIL, account="bert")], Refusal.FREE_BET_UNKNOWN, ["free1"]),
        ([expire(UNTIL, account="nobody")], Refusal.FREE_BET_UNKNOWN, ["free1"]),
        ([expire(UNTIL, free_bet="f2")], Refusal.FREE_BET_UNKNOWN, ["free1"]),
    ],
)
def test_expiry(desk: Desk, commands: Sequence[Command], refusal: Refusal | None, available: list[str]) -> None:
    assert desk.refusal(*commands) == refusal
    assert desk.available == available
    assert desk.house() == ({"freebets": GRANTED, "promotions": -GRANTED} if available else {})


def test_one_that_is_used_does_not_expire(desk: Desk) -> None:
    desk.do(use(), expire(UNTIL))
    assert (held(desk.ledger).status, desk.house()) == (BetStatus.OPEN, {"stakes": GRANTED, "promotions": -GRANTED})


def test_those_whose_time_is_over_are_found(desk: Desk) -> None:
    desk.do(grant("soon", until_ms=UNTIL - 5), grant("late", until_ms=UNTIL + 5), grant("used"), use(free_bet="used"))
    assert [tuple(row) for row in desk.ledger.free_bets_over(UNTIL, 10)] == [(A, "soon"), (A, "free1")]
    assert [tuple(row) for row in desk.ledger.free_bets_over(UNTIL, 1)] == [(A, "soon")]
    desk.do(expire(UNTIL, free_bet="soon"))
    assert [tuple(row) for row in desk.ledger.free_bets_over(UNTIL, 10)] == [(A, "free1")]


def test_only_the_bet_that_used_it_gives_it_back(desk: Desk) -> None:
    desk.do(grant("free2"), use(), use(free_bet="free2", name="b2"))
    desk.comes_to(VOID, "b1")
    assert desk.available == ["free1"]
    desk.do(decide(90, VOID), settle(90, "b2"))
    assert desk.available == ["free1", "free2"]
