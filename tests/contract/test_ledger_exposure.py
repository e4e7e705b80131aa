"""What every ledger promises of the house's limits: what a bet holds of them and when it lets go. Every batch twice."""

from typing import Final

import msgspec
import pytest

from matchday.model.bet import Outcome, Result, dead_heat, most_of
from matchday.model.ledger import CashOut, Charge, Command, DecideLegs, PlaceBet, Refusal, SettleBet
from matchday.model.messages import Decision
from matchday.ports import Ledger

from .conftest import World
from .test_ledger import LOST, NOW, VOID, WON, A, bet, commit, decide, opened, settle
from .test_ledger_corrections import window, withdrawn

NAMES: Final = ("exposure:account:anna", "exposure:F:1x2/home#0", "exposure:F:1x2#0", "exposure:F#0")
"""In the order in which a gate charges them: the account, which writers share; selection, market, fixture."""
REACHED: Final = Refusal.EXPOSURE_REACHED


def guarded(
    stake: int, *caps: int, name: str = "b1", price: int = 2_500, writer: int = 0, limits: int = 10**9
) -> PlaceBet:
    """As a gate says it: its whole liability on each, and the stakes it would take itself."""
    placed = bet(stake, name=name, price=price)
    lost = int(stake * most_of(placed.legs)) - stake
    names = [guard.replace("#0", f"#{writer}") for guard in NAMES]
    charges = tuple(Charge(guard, lost, cap, REACHED) for guard, cap in zip(names, caps, strict=True))
    return msgspec.structs.replace(placed, charges=charges, stake_min=10, stake_max=limits)


def used(ledger: Ledger, *names: str) -> list[int]:
    found = ledger.guards(names or NAMES)
    return [found.get(name, 0) for name in names or NAMES]


@pytest.mark.parametrize(
    ("caps", "refusal", "stake_max"),
    [
        # account selection market fixture   a bet of 1,000 at 2.50: a liability of 1,500
        ((1_500, 1_500, 1_500, 1_500), None, None),
        ((1_499, 9_999, 9_999, 9_999), REACHED, 999),  # 999 loses 1,498
        ((9_999, 1_499, 9_999, 9_999), REACHED, 999),
        ((9_999, 9_999, 1_499, 9_999), REACHED, 999),
        ((9_999, 9_999, 9_999, 1_499), REACHED, 999),
        ((9_999, 900, 9_999, 600), REACHED, 400),  # the least of all
        ((9_999, 9_999, 9_999, 15), REACHED, 10),
        ((9_999, 9_999, 9_999, 13), REACHED, 0),  # 9 is below the minimum
        ((0, 9_999, 9_999, 9_999), REACHED, 0),
    ],
)
def test_every_exposure_counts_and_the_stake_that_is_left_is_named(
    world: World, ledger: Ledger, caps: tuple[int, ...], refusal: Refusal | None, stake_max: int | None
) -> None:
    answer = commit(world, ledger, [*opened(), guarded(1_000, *caps)])[-1]
    assert (answer.refusal, answer.stake_max) == (refusal, stake_max)
    assert used(ledger) == ([0] * 4 if refusal else [1_500] * 4)
    if stake_max:
        assert commit(world, ledger, [guarded(stake_max + 1, *caps)])[0].refusal == REACHED
        assert commit(world, ledger, [guarded(stake_max, *caps)])[0].refusal is None


@pytest.mark.parametrize(
    ("balance", "day", "gate", "stake_max"),
    [(10_000, 10_000, 10_000, 600), (500, 10_000, 10_000, 500), (10_000, 400, 10_000, 400), (10_000, 10_000, 300, 300)],
)
def test_the_stake_that_is_left_is_left_by_balance_limits_and_gate_too(
    world: World, ledger: Ledger, balance: int, day: int, gate: int, stake_max: int
) -> None:
    asked = guarded(20_000, 900, 9_999, 9_999, 9_999, limits=gate)
    answer = commit(world, ledger, [*opened(balance, day), asked])[-1]
    assert answer.refusal is not None
    assert answer.stake_max == stake_max


def test_of_what_the_gate_itself_refuses_the_ledger_names_what_is_left(world: World, ledger: Ledger) -> None:
    """Above the gate's maximum of 800, and there is room for 600."""
    asked = msgspec.structs.replace(guarded(1_000, 900, 9_999, 9_999, 9_999, limits=800),
                                    refusal=Refusal.STAKE_ABOVE_MAXIMUM)  # fmt: skip
    answer = commit(world, ledger, [*opened(), asked])[-1]
    assert (answer.refusal, answer.stake_max) == (Refusal.STAKE_ABOVE_MAXIMUM, 600)
    assert "6.00 EUR" in answer.detail


def test_writers_have_shares_of_their_own_but_of_an_account_s(world: World, ledger: Ledger) -> None:
    caps = (3_000, 1_500, 1_500, 1_500)
    answers = commit(world, ledger, [
        *opened(), guarded(1_000, *caps), guarded(10, *caps, name="b2"), guarded(1_000, *caps, name="b3", writer=1),
        guarded(10, *caps, name="b4", writer=2),
    ])[-4:]  # fmt: skip
    assert [answer.refusal for answer in answers] == [None, REACHED, None, REACHED]
    assert used(ledger, NAMES[0], NAMES[3], "exposure:F#1", "exposure:F#2") == [3_000, 1_500, 1_500, 0]


ENDS: Final = [WON, LOST, VOID, Outcome(Result.HALF_WON, 1), Outcome(Result.HALF_LOST, 1), dead_heat(1, 2)]


@pytest.mark.parametrize("outcome", ENDS)
def test_whatever_it_comes_to_a_bet_lets_go_of_all_and_takes_it_back_when_open_again(
    world: World, ledger: Ledger, outcome: Outcome
) -> None:
    commit(world, ledger, [*opened(), guarded(1_000, *[2_000] * 4), decide(5, outcome), settle(5)])
    assert used(ledger) == [0] * 4
    commit(world, ledger, [decide(6, LOST if outcome != LOST else WON), settle(6)])
    assert used(ledger) == [0] * 4  # resettled
    # somebody else has the room meanwhile: a bet that is open again is open, whatever the limit
    commit(world, ledger, [guarded(1_000, *[2_000] * 4, name="b2"), withdrawn(7), settle(7)])
    assert used(ledger) == [3_000] * 4
    assert commit(world, ledger, [guarded(10, *[2_000] * 4, name="b3")])[0].refusal == REACHED


def test_void_by_a_window_it_lets_go(world: World, ledger: Ledger) -> None:
    commit(world, ledger, [*opened(), guarded(1_000, *[2_000] * 4), window(3, NOW, NOW + 1), settle(3)])
    assert used(ledger) == [0] * 4


def cash(stake: int, name: str, bet_: str = "b1") -> CashOut:
    return CashOut(name, A, bet_, stake, 50, NOW, 50, 0)


@pytest.mark.parametrize(
    ("stakes", "left"),
    [
        ((0,), 0),
        ((400,), 900),
        ((400, 600), 0),
        ((1,), 1_499),  # 1,498.5: rounded up
        ((1, 1), 1_497),
        ((999,), 2),  # 1.5
        ((333, 333), 501),
    ],
)
def test_what_is_cashed_out_is_let_go(world: World, ledger: Ledger, stakes: tuple[int, ...], left: int) -> None:
    """By the part of the stake that is left; rounded up, so that it is never too little."""
    commands: list[Command] = [cash(stake, f"c{number}") for number, stake in enumerate(stakes)]
    answers = commit(world, ledger, [*opened(), guarded(1_000, *[2_000] * 4), *commands])
    assert {answer.refusal for answer in answers} == {None}
    assert used(ledger) == [left] * 4
    commit(world, ledger, [decide(5, WON), settle(5)])
    assert used(ledger) == [0] * 4
    commit(world, ledger, [withdrawn(6), settle(6)])
    assert used(ledger) == [left] * 4


def test_a_multiple_holds_its_whole_liability_of_each_leg_until_all_is_decided(world: World, ledger: Ledger) -> None:
    one, other = bet(100, selection="F:1x2/home"), bet(100, selection="G:1x2/home")
    legs = (one.legs[0], msgspec.structs.replace(other.legs[0], fixture="G", market="G:1x2"))
    names = ("exposure:F:1x2/home#0", "exposure:G:1x2/home#0")
    double = msgspec.structs.replace(
        one, asked=legs, legs=legs, charges=tuple(Charge(name, 525, 10**6, REACHED) for name in names)
    )
    commit(world, ledger, [*opened(), double, decide(5, WON), SettleBet("s", "b1", A, NOW)])
    assert used(ledger, *names) == [525, 525]
    decided = DecideLegs("dg", "G", 5, (Decision("G:1x2", "G:1x2/home", LOST),), NOW)
    commit(world, ledger, [decided, SettleBet("s2", "b1", A, NOW)])
    assert used(ledger, *names) == [0, 0]
