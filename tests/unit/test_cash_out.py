"""What a bet is worth before it is decided, as tables a trader can read; and against lines written out one by one."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import permutations
from math import prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matchday.model import lines
from matchday.model.bet import OUTCOMES, Leg, Outcome, Part, Result, combination, dead_heat
from matchday.model.cash_out import UNKNOWN, LegNow, Range, decided, offer, rest_of, seen, undecided

W, L, V, HW, HL = (OUTCOMES[result] for result in Result)


def half(price: int) -> LegNow:
    """An open leg that wins every other time."""
    return undecided(price, Fraction(1, 2))


def sure(price: int) -> LegNow:
    return undecided(price, Fraction(1))


@pytest.mark.parametrize(
    ("type_", "stake", "legs", "margin", "offered"),
    [
        # a single: the stake at its price, as often as it wins
        ("single", 1000, [half(2000)], 0, 1000),
        ("single", 1000, [half(3000)], 0, 1500),
        ("single", 1000, [half(3000)], 50, 1425),
        ("single", 1000, [undecided(10_000, Fraction(1, 1000))], 50, 9),
        ("single", 1000, [undecided(1500, Fraction(9, 10))], 1000, 0),
        ("single", 1, [half(1900)], 50, 0),  # less than the smallest coin: nothing is offered
        # part of the stake
        ("single", 400, [half(3000)], 50, 570),
        ("single", 333, [half(3000)], 50, 474),  # 474.525
        # an accumulator: what is decided by its multiplier, what is open by what it is worth
        ("accumulator", 1000, [half(2000), half(4000)], 0, 2000),
        ("accumulator", 1000, [decided(2000, W), half(4000)], 0, 4000),
        ("accumulator", 1000, [decided(2000, W), half(4000)], 50, 3800),
        ("accumulator", 1000, [decided(2000, HW), half(4000)], 50, 2850),  # 1.5 * 2
        ("accumulator", 1000, [decided(2000, HL), half(4000)], 50, 950),  # 0.5 * 2
        ("accumulator", 1000, [decided(2000, V), half(4000)], 50, 1900),
        ("accumulator", 1000, [decided(9000, dead_heat(1, 3)), half(4000)], 50, 5700),  # 3 * 2
        ("accumulator", 1000, [decided(2000, L), half(4000)], 50, 0),
        ("accumulator", 1000, [decided(2000, W), decided(3000, W), half(1500)], 50, 4275),
        # systems: line by line
        ("system:2/3", 300, [decided(2000, W), decided(3000, W), half(4000)], 0, 1600),  # 6 + 2*2 + 3*2 on 1.00 each
        ("system:2/3", 300, [decided(2000, L), decided(3000, W), half(4000)], 0, 600),  # one line is left
        ("system:2/3", 300, [decided(2000, L), decided(3000, L), half(4000)], 0, 0),
        ("trixie", 400, [decided(2000, W), half(2000), half(2000)], 50, 665),  # 2 + 2 + 1 + 2 on 1.00 each
        ("patent", 700, [decided(2000, L), decided(2000, L), half(4000)], 50, 190),
        ("lucky15", 1500, [decided(2000, W)] + [half(2000)] * 3, 0, 2300),  # 8 lines at 2, 7 at 1
    ],
)  # fmt: skip
def test_what_is_offered(type_: str, stake: int, legs: Sequence[LegNow], margin: int, offered: int) -> None:
    assert offer(type_, stake, legs, margin) == offered


@pytest.mark.parametrize(
    ("price", "chance", "returned", "worth"),
    [
        (2000, Fraction(1, 2), Range(Fraction(0), Fraction(0)), Fraction(1)),
        # draw no bet that is returned every fourth time: 1/4 + 3/4 * p * O
        (4000, Fraction(1, 2), Range(Fraction(1, 4), Fraction(1, 4)), Fraction(7, 4)),
        (1200, Fraction(1, 2), Range(Fraction(1, 4), Fraction(1, 4)), Fraction(7, 10)),
        # where nobody knows how often, the least that it may be
        (4000, Fraction(1, 2), UNKNOWN, Fraction(1)),
        (1200, Fraction(1, 2), UNKNOWN, Fraction(6, 10)),
        (4000, Fraction(1, 2), Range(Fraction(0), Fraction(1, 2)), Fraction(3, 2)),
    ],
)
def test_what_an_open_leg_is_worth_where_its_stake_may_be_returned(
    price: int, chance: Fraction, returned: Range, worth: Fraction
) -> None:
    assert undecided(price, chance, returned).expected == worth


ONE, TWO, THREE = (Part(f"F:{name}", f"F:{name}/x", 1) for name in ("a", "b", "c"))
BUILT = combination("F", 7000, [THREE, ONE, TWO])


@pytest.mark.parametrize(
    ("outcomes", "rest"),
    [
        ({}, BUILT),
        ({"F:a/x": None}, BUILT),
        ({"F:a/x": W}, combination("F", 7000, [TWO, THREE])),
        ({"F:a/x": W, "F:c/x": W}, Leg("F", "F:b", "F:b/x", 7000, 1)),
        # void, it returns the stake, unless another part loses
        ({"F:a/x": V}, combination("F", 1000, [TWO, THREE])),
        ({"F:a/x": W, "F:c/x": HW}, Leg("F", "F:b", "F:b/x", 1000, 1)),
    ],
)
def test_what_is_open_of_a_combination(outcomes: dict[str, Outcome | None], rest: Leg) -> None:
    held = {name: (1, outcome) for name, outcome in outcomes.items()}
    assert rest_of(BUILT, held) == rest
    single = Leg("F", "F:a", "F:a/x", 2000, 1)
    assert rest_of(single, held) is single


def test_markets_in_another_generation_have_another_name() -> None:
    before = seen([("F:1x2", 3), ("G:1x2", 1)])
    assert before == seen([("G:1x2", 1), ("F:1x2", 3)])
    assert len({before, seen([("F:1x2", 4), ("G:1x2", 1)]), seen([("F:1x2", 3)]), seen([])}) == 4


# --- properties -------------------------------------------------------------------------------------------------------

PRICES = st.integers(1001, 20_000)
DECIDED = st.builds(decided, PRICES, st.sampled_from([W, L, V, HW, HL, dead_heat(1, 2), dead_heat(2, 3)]))
SHARES = st.fractions(0, 1, max_denominator=10**9)
OPEN = st.builds(undecided, PRICES, SHARES, SHARES.map(lambda share: Range(share, share)))
LEGS = st.lists(DECIDED | OPEN, min_size=1, max_size=6)
STAKES, MARGINS = st.integers(1, 10**7), st.integers(0, 1000)
TYPES = {1: ["single"], 3: ["trixie", "patent", "system:2/3"], 4: ["yankee", "lucky15", "system:3/4"],
         6: ["heinz", "lucky63", "system:2/6"]}  # fmt: skip


def type_of(number: int, chance: int) -> str:
    types = [*TYPES.get(number, []), *(["accumulator"] if number > 1 else [])]
    return types[chance % len(types)]


@settings(deadline=None)
@given(LEGS, STAKES, MARGINS, st.integers(0, 9))
def test_it_is_the_mean_of_the_lines_less_the_margin_and_never_more_than_they_may_return(
    legs: list[LegNow], stake: int, margin: int, chance: int
) -> None:
    type_ = type_of(len(legs), chance)
    each = list(lines.lines(type_, len(legs)))
    worth = sum((prod((legs[i].expected for i in line), start=Fraction(1)) for line in each), Fraction(0))
    fair = stake * worth / len(each)
    most = lines.returns(type_, stake, [leg.most for leg in legs])
    offered = offer(type_, stake, legs, margin)
    assert 0 <= offered <= most
    assert offered <= fair * (1000 - margin) / 1000
    floor = int(fair * (1000 - margin) / 1000)
    alive = sum(all(legs[i].most for i in line) for line in each)
    assert offered >= max(0, min(floor, most - (alive - 1)))  # less only by what rounding each line costs


@settings(deadline=None)
@given(LEGS, STAKES, st.integers(0, 9))
def test_it_does_not_hang_on_the_order_of_the_legs(legs: list[LegNow], stake: int, chance: int) -> None:
    type_ = type_of(len(legs), chance)
    assert len({offer(type_, stake, order, 50) for order in list(permutations(legs))[:24]}) == 1


@settings(deadline=None)
@given(LEGS, STAKES, MARGINS, st.integers(0, 9))
def test_with_every_line_dead_it_is_worth_nothing(
    legs: list[LegNow], stake: int, margin: int, chance: int
) -> None:  # fmt: skip
    type_ = type_of(len(legs), chance)
    size = min(lines.sizes(type_, len(legs)))
    dead = [decided(2000, L)] * (len(legs) - size + 1) + legs[: size - 1]
    assert offer(type_, stake, dead, margin) == 0


@settings(deadline=None)
@given(st.lists(PRICES, min_size=1, max_size=6), st.integers(10**4, 10**7), MARGINS, st.integers(0, 9))
def test_of_legs_that_are_won_it_is_their_return_less_the_margin(
    prices: list[int], stake: int, margin: int, chance: int
) -> None:
    type_ = type_of(len(prices), chance)
    won = [decided(price, W) for price in prices]
    returns = lines.returns(type_, stake, [leg.most for leg in won])
    offered, number = offer(type_, stake, won, margin), lines.count(type_, len(prices))
    assert abs(offered - int(Fraction(returns * (1000 - margin), 1000))) <= number  # a coin a line
    assert type_ not in ("single", "accumulator") or offered == int(
        stake * prod((leg.most for leg in won), start=Fraction(1)) * Fraction(1000 - margin, 1000)
    )


@settings(deadline=None)
@given(LEGS, STAKES, st.integers(0, 999), st.integers(0, 9))
def test_a_larger_margin_a_smaller_stake_and_a_less_likely_leg_are_offered_no_more(
    legs: list[LegNow], stake: int, margin: int, chance: int
) -> None:
    type_ = type_of(len(legs), chance)
    offered = offer(type_, stake, legs, margin)
    assert offer(type_, stake, legs, margin + 1) <= offered
    assert offer(type_, stake - stake // 3, legs, margin) + offer(type_, stake // 3, legs, margin) <= offered + 1
    worse = [LegNow(legs[0].expected * Fraction(9, 10), legs[0].most), *legs[1:]]
    assert offer(type_, stake, worse, margin) <= offered


def test_a_system_with_many_lines_costs_little() -> None:
    """184 756 lines are never written out: the value is what the mean of one line is."""
    legs = [undecided(2000, Fraction(1, 2))] * 20
    assert offer("system:10/20", 184_756, legs, 50) == int(Fraction(184_756 * 95, 100))
