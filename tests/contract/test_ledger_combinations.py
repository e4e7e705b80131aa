"""What every ledger promises of combinations: one price for several selections of one fixture, that all have to win.
Every batch twice."""

from itertools import permutations
from typing import Final

import msgspec
import pytest

from matchday.model.bet import (
    OUTCOMES,
    Bet,
    BetStatus,
    Leg,
    Outcome,
    Part,
    Policy,
    Result,
    combination,
    combined,
    dead_heat,
)
from matchday.model.ledger import Command, DecideLegs, PlaceBet, SettleBet, VoidLegs
from matchday.model.messages import Decision
from matchday.ports import Ledger

from .books import held
from .conftest import World
from .test_ledger import IDS, LOST, NOW, VOID, WON, A, balance, commit, opened

HALF: Final = OUTCOMES[Result.HALF_WON]
NAMES: Final = ("F:1x2/home", "F:total_goals@2.5/over", "F:btts/yes")


@pytest.mark.parametrize(
    ("parts", "leg"),
    [
        ([WON, WON], WON),
        ([WON, WON, WON], WON),
        ([WON, LOST], LOST),
        ([LOST, None], LOST),  # nothing to come can change it
        ([LOST, VOID], LOST),
        ([LOST, VOID, None], LOST),
        ([WON, None], None),
        ([VOID, None], None),  # the other may be lost yet
        ([None, None], None),
        ([VOID, WON], VOID),  # the joint price is of all parts together (sportsbook rules §3.1, DraftKings)
        ([VOID, VOID], VOID),
        ([WON, WON, VOID], VOID),
        ([HALF, WON], VOID),  # no part that can half win is combined; by a correction it may come
        ([dead_heat(1, 2), WON], VOID),
        ([OUTCOMES[Result.HALF_LOST], WON], VOID),
        ([OUTCOMES[Result.HALF_LOST], LOST], LOST),
    ],
)
def test_what_a_combination_comes_to_by_its_parts(parts: list[Outcome | None], leg: Outcome | None) -> None:
    for order in permutations(parts):
        assert combined(order) == leg


def together(*names: str, price: int = 4_000, fixture: str = "F") -> Leg:
    return combination(fixture, price, [Part(name.rpartition("/")[0], name, 1) for name in names])


def placed(*legs: Leg, stake: int = 1_000, name: str = "b1", type_: str = "") -> PlaceBet:
    return PlaceBet(IDS.new_id(), A, "EUR", stake, Policy.ANY, legs, name, NOW, legs, type=type_)


def came_to(version: int, fixture: str = "F", **outcomes: Outcome | None) -> list[Command]:
    """Decisions on the parts by their place, and the bet brought to where it stands."""
    names = {"one": NAMES[0], "two": NAMES[1], "three": NAMES[2], "other": "G:1x2/home"}
    found = tuple(Decision(names[part].rpartition("/")[0], names[part], outcome) for part, outcome in outcomes.items())
    return [
        DecideLegs(f"decide:{fixture}:{version}", fixture, version, found, NOW),
        SettleBet(f"settle:b1:{fixture}:{version}", "b1", A, NOW),
    ]


def stands(ledger: Ledger) -> tuple[BetStatus, int, int]:
    bet: Bet = held(ledger)
    return bet.status, bet.returns, balance(ledger)


OPEN, OVER = (BetStatus.OPEN, 0, 9_000), BetStatus.SETTLED


def test_all_have_to_win(world: World, ledger: Ledger) -> None:
    commit(world, ledger, [*opened(), placed(together(*NAMES))])
    for decided in (came_to(1, one=WON), came_to(2, two=WON)):
        commit(world, ledger, decided)
        assert stands(ledger) == OPEN
    commit(world, ledger, came_to(3, three=WON))
    assert stands(ledger) == (OVER, 4_000, 13_000)
    assert held(ledger).version == 1 + 2 + 3


def test_one_lost_part_ends_it_and_taken_back_it_is_open_again(world: World, ledger: Ledger) -> None:
    commit(world, ledger, [*opened(), placed(together(*NAMES)), *came_to(1, two=LOST)])
    assert stands(ledger) == (OVER, 0, 9_000)
    told = len(ledger.facts(0, 99))
    commit(world, ledger, came_to(2, one=WON))  # it is lost all the same
    assert (stands(ledger), held(ledger).version, len(ledger.facts(0, 99))) == ((OVER, 0, 9_000), 1, told)
    commit(world, ledger, came_to(3, two=None))
    assert stands(ledger) == OPEN
    commit(world, ledger, came_to(4, two=WON, three=WON))
    assert stands(ledger) == (OVER, 4_000, 13_000)


def test_a_void_part_voids_it_once_none_can_lose(world: World, ledger: Ledger) -> None:
    commit(world, ledger, [*opened(), placed(together(*NAMES[:2])), *came_to(1, one=VOID)])
    assert stands(ledger) == OPEN
    commit(world, ledger, came_to(2, two=WON))
    assert stands(ledger) == (BetStatus.VOID, 1_000, 10_000)


def test_a_void_window_voids_it_whatever_its_parts_come_to(world: World, ledger: Ledger) -> None:
    commit(world, ledger, [*opened(), placed(together(*NAMES[:2])), *came_to(1, one=LOST)])
    settle = SettleBet("s", "b1", A, NOW)
    commit(world, ledger, [VoidLegs("v", "F", 2, NOW, NOW + 1, NOW), settle])
    assert stands(ledger) == (BetStatus.VOID, 1_000, 10_000)


@pytest.mark.parametrize(
    ("type_", "first", "second", "returns"),
    [
        ("accumulator", WON, WON, 10_000),  # 1,000 at 4.00 and 2.50
        ("accumulator", LOST, WON, 0),
        ("accumulator", VOID, WON, 2_500),  # a void leg counts 1.00
        ("accumulator", VOID, VOID, 1_000),
        ("system:1/2", WON, LOST, 2_000),  # 500 on each
        ("system:1/2", VOID, WON, 500 + 1_250),
    ],
)
def test_among_other_legs_it_is_one_of_them(
    world: World, ledger: Ledger, type_: str, first: Outcome, second: Outcome, returns: int
) -> None:
    other = Leg("G", "G:1x2", "G:1x2/home", 2_500, 1)
    both = VOID if first == VOID else WON
    commit(world, ledger, [*opened(), placed(together(*NAMES[:2]), other, type_=type_)])
    commit(world, ledger, [*came_to(1, one=first, two=both), *came_to(1, "G", other=second)])
    assert held(ledger).returns == returns


def test_it_is_found_by_each_of_its_parts_and_its_fixture(world: World, ledger: Ledger) -> None:
    """Settlement asks for bets by the selections that are decided."""
    commit(world, ledger, [*opened(), placed(together(*NAMES[:2])), placed(together(*NAMES[1:]), name="b2")])
    one, two, three = (list(ledger.bets_on([name], 0, 99)) for name in NAMES)
    assert (len(one), len(three)) == (1, 1)
    assert two == one + three == list(ledger.bets_on(NAMES, 0, 99))
    assert set(ledger.backed("F")) == set(NAMES)


def test_the_order_of_its_parts_is_no_other_bet() -> None:
    one, other = (placed(together(*names)) for names in (NAMES, NAMES[::-1]))
    assert one.asked == other.asked
    assert msgspec.json.encode(one.asked) == msgspec.json.encode(other.asked)
