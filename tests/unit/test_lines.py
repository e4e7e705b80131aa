"""Bet types as tables a trader can read, and settlement against arithmetic written a second time."""

import random
from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations
from math import floor, prod

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matchday.config import Settings
from matchday.model import lines as line_by_line
from matchday.model.bet import (
    OUTCOMES,
    Bet,
    BetStatus,
    Leg,
    Outcome,
    Policy,
    Result,
    dead_heat,
    most_of,
    return_of,
    status_of,
    undecided,
)
from matchday.model.ledger import AccountStatus, SettleBet
from matchday.model.lines import LEGS_MAX, LINES_MAX, LinesError, count, default_type, lines, returns
from matchday.model.posting import Account, PlacedBet, Rows, apply

W, L, V, HW, HL = (OUTCOMES[result] for result in Result)
NAMED = {"trixie": 3, "patent": 3, "yankee": 4, "lucky15": 4, "canadian": 5, "lucky31": 5, "heinz": 6, "lucky63": 6,
         "super_heinz": 7, "goliath": 8}  # fmt: skip


def leg(price: int) -> Leg:
    return Leg("f", "m", "s", price, 0)


def returned(type_: str, unit: int, prices: Sequence[int], outcomes: Sequence[Outcome], *, free: bool = False) -> int:
    """What a bet returns with so many minor units on each line."""
    stake = unit * count(type_, len(prices))
    return return_of(stake, [leg(price) for price in prices], outcomes, type_, free=free)


# Lines


@pytest.mark.parametrize(
    ("type_", "legs", "number"),
    [
        ("single", 1, 1),
        ("accumulator", 2, 1),
        ("accumulator", 20, 1),
        # https://betcalc365.com/system-bets-calculator, "The full ladder"
        ("trixie", 3, 4),
        ("patent", 3, 7),
        ("yankee", 4, 11),
        ("lucky15", 4, 15),
        ("canadian", 5, 26),
        ("lucky31", 5, 31),
        ("heinz", 6, 57),
        ("lucky63", 6, 63),
        ("super_heinz", 7, 120),
        ("goliath", 8, 247),
        # https://toolsgambling.com/blog/how-to-calculate-system-bet, "Key Numbers"
        ("system:2/3", 3, 3),
        ("system:3/4", 4, 4),
        ("system:3/5", 5, 10),
        ("system:4/6", 6, 15),
        # http://www.howaboutabet.com/placing_a_bet.htm, doubles, trebles and fourfolds in 9 selections
        ("system:2/9", 9, 36),
        ("system:3/9", 9, 84),
        ("system:4/9", 9, 126),
        ("system:10/20", 20, LINES_MAX),
    ],
)
def test_a_type_has_so_many_lines(type_: str, legs: int, number: int) -> None:
    assert count(type_, legs) == number == len(set(lines(type_, legs)))


def test_no_type_has_more_lines_than_the_limit() -> None:
    systems = [(f"system:{size}/{legs}", legs) for legs in range(1, LEGS_MAX + 1) for size in range(1, legs + 1)]
    assert max(count(type_, legs) for type_, legs in [*systems, *NAMED.items()]) == LINES_MAX == 184_756


def test_lines_come_shortest_first_then_by_their_legs() -> None:
    assert list(lines("patent", 3)) == [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)]
    assert list(lines("trixie", 3)) == [(0, 1), (0, 2), (1, 2), (0, 1, 2)]
    assert list(lines("system:2/4", 4)) == [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    assert list(lines("accumulator", 3)) == [(0, 1, 2)]


@pytest.mark.parametrize(
    ("type_", "legs", "reason"),
    [
        ("double", 2, "type_unknown"),
        ("Trixie", 3, "type_unknown"),
        ("", 1, "type_unknown"),
        ("system:", 3, "type_unknown"),
        ("system:2", 3, "type_unknown"),
        ("system:-1/3", 3, "type_unknown"),
        ("system:٢/3", 3, "type_unknown"),  # digits, but not ours
        ("system:0/3", 3, "fold_out_of_range"),
        ("system:4/3", 3, "fold_out_of_range"),
        ("system:0/0", 0, "fold_out_of_range"),
        ("single", 0, "legs_out_of_range"),
        ("accumulator", 0, "legs_out_of_range"),
        ("accumulator", 21, "legs_out_of_range"),
        ("goliath", 21, "legs_out_of_range"),
        ("system:2/21", 21, "legs_out_of_range"),
        ("system:2/21", 3, "legs_out_of_range"),
        ("single", 2, "legs_mismatch"),
        ("trixie", 2, "legs_mismatch"),
        ("lucky63", 7, "legs_mismatch"),
        ("system:2/3", 4, "legs_mismatch"),
    ],
)
def test_what_has_no_lines_says_why(type_: str, legs: int, reason: str) -> None:
    with pytest.raises(LinesError) as caught:
        count(type_, legs)
    assert caught.value.reason == reason
    with pytest.raises(LinesError):
        lines(type_, legs)


def test_a_total_is_shared_exactly_by_the_lines() -> None:
    """ "A £3 bet is actually 15 individual £0.20 bets": paddypower, 2022/09/24, what-is-a-lucky-15-bet. A total that
    does not divide is split exactly: 10.00 on six doubles at 2.00 is 1.66... each, which returns 6.66 (not 6.64)."""
    legs = [Fraction(2)] * 4
    assert returns("lucky15", 300, legs) == 4 * 40 + 6 * 80 + 4 * 160 + 320
    assert returns("system:2/4", 1000, legs) == 6 * 666
    assert returns("system:2/4", 1000, legs, free=True) == 6 * 500
    assert returns("system:2/4", 1000, [Fraction(1)] * 4) == 6 * 166


# Returns


@pytest.mark.parametrize(
    ("type_", "unit", "legs", "back"),
    [
        # http://www.howaboutabet.com/placing_a_bet.htm: three winners at 2/1 turn £1 into £27
        ("accumulator", 100, [(3000, W)] * 3, 2700),
        # http://betsico.com/en/patent-bet/ (there under another name): eleven lines of 10
        ("yankee", 1000, [(2000, W), (3500, W), (4000, W), (1500, W)], 156_750),
        ("system:2/4", 1000, [(2000, W), (3500, W), (4000, W), (1500, W)], 43_250),
        ("system:3/4", 1000, [(2000, W), (3500, W), (4000, W), (1500, W)], 71_500),
        # https://toolsgambling.com/blog/lucky-15-bet-explained: one winner at 4.00 rescues 4 of 15
        ("lucky15", 100, [(4000, W), (4000, L), (4000, L), (4000, L)], 400),
        ("yankee", 100, [(4000, W), (4000, L), (4000, L), (4000, L)], 0),
        # https://betbubbles.com/lucky-15-calculator/: (A + 1)(B + 1)(C + 1)(D + 1) - 1 = 3 * 4 * 5 * 6 - 1
        ("lucky15", 100, [(2000, W), (3000, W), (4000, W), (5000, W)], 35_900),
        # Sportsbook rules §3.1: win half of 2.05; void, treble to double (boylesports 206096358); half lost is 0.5
        ("single", 1000, [(2050, HW)], 1525),
        ("accumulator", 1000, [(2000, W), (3000, W), (5000, V)], 6000),
        ("accumulator", 1000, [(2000, W), (3000, HL)], 1000),
        ("accumulator", 1000, [(2000, W), (3000, HW)], 4000),
        ("accumulator", 1000, [(2000, W), (3000, L)], 0),
        # Dead heats (betdaq 360017086559): 60 at 6.0, three tied for one place; four tied for two
        ("single", 6000, [(6000, dead_heat(1, 3))], 12_000),
        ("single", 6000, [(6000, dead_heat(2, 4))], 18_000),
        ("single", 6000, [(6000, dead_heat(2, 2))], 36_000),
        ("single", 6000, [(6000, dead_heat(3, 2))], 36_000),  # a place for everybody: a plain win
        # Rounded down once per line: 3 * 1.5 is 4 (4.5), 3 * 2.25 is 6 (6.75); rounding the sum would give 15
        ("trixie", 3, [(1500, W), (1000, V), (1500, W)], 4 + 4 + 6 + 6),
        ("patent", 1, [(1999, W), (1999, W), (1999, L)], 1 + 1 + 3),
    ],
)
def test_what_bets_return(type_: str, unit: int, legs: list[tuple[int, Outcome]], back: int) -> None:
    assert returned(type_, unit, [price for price, _ in legs], [outcome for _, outcome in legs]) == back


@pytest.mark.parametrize(
    ("type_", "legs", "back"),
    [
        # Sportsbook rules §3.6: stake * (O - 1)
        ("single", [(2500, W)], 1500),
        ("single", [(2500, L)], 0),
        ("single", [(2500, V)], 0),
        ("single", [(2500, HL)], 0),
        ("single", [(2500, HW)], 750),
        ("single", [(6000, dead_heat(1, 3))], 1000),
        ("single", [(2000, dead_heat(1, 3))], 0),  # less than the stake comes back, and the stake is not the fan's
        ("accumulator", [(2000, W), (3000, W)], 5000),
        ("accumulator", [(2000, W), (3000, V)], 1000),
        ("accumulator", [(2000, V), (3000, V)], 0),
        ("system:1/3", [(2000, W), (3000, W), (3000, L)], 1000 + 2000),  # each line keeps its own stake
        ("patent", [(2000, W), (3000, V), (3000, L)], 1000 + 0 + 1000),  # one single, and the double with the void leg
    ],
)
def test_a_free_bet_returns_what_its_lines_win_above_their_stakes(
    type_: str, legs: list[tuple[int, Outcome]], back: int
) -> None:
    assert returned(type_, 1000, [price for price, _ in legs], [outcome for _, outcome in legs], free=True) == back


@pytest.mark.parametrize(("places", "tied"), [(0, 0), (0, 2), (2, 0), (-1, 2), (1, 1001), (10**30, 1)])
def test_a_dead_heat_needs_places_and_someone_tied(places: int, tied: int) -> None:
    with pytest.raises(ValueError, match="a dead heat is"):
        dead_heat(places, tied)


# Properties

prices = st.integers(1001, 1_000_000)
outcomes = st.sampled_from([*OUTCOMES.values(), dead_heat(1, 2), dead_heat(1, 3), dead_heat(3, 7)])
units = st.integers(1, 10**9)


@st.composite
def bets(draw: st.DrawFn) -> tuple[str, list[tuple[int, Outcome]]]:
    """Any type with its legs; systems of a few legs, so that they are quick."""
    size = draw(st.integers(1, 7))
    type_ = draw(st.sampled_from(["single", "accumulator", *NAMED, f"system:{draw(st.integers(1, size))}/{size}"]))
    number = NAMED.get(type_, 1 if type_ == "single" else size)
    return type_, draw(st.lists(st.tuples(prices, outcomes), min_size=number, max_size=number))


def share(price: int, outcome: Outcome) -> Fraction:
    """The multiplier of a leg, case by case."""
    places, tied = outcome.dead_heat
    exact = Fraction(price, 1000)
    return {
        Result.WON: exact * min(places, tied) / tied,
        Result.LOST: Fraction(0),
        Result.VOID: Fraction(1),
        Result.HALF_WON: (exact + 1) / 2,
        Result.HALF_LOST: Fraction(1, 2),
    }[outcome.result]


def by_hand(type_: str, unit: int, legs: list[tuple[int, Outcome]]) -> list[Fraction]:
    """What each line is worth exactly: every subset of the legs whose size the type has."""
    shortest, longest = {"single": (1, 1), "accumulator": (len(legs), len(legs))}.get(type_, (2, len(legs)))
    if type_.startswith("system:"):
        shortest = longest = int(type_[len("system:") :].split("/")[0])
    elif type_ == "patent" or type_.startswith("lucky"):
        shortest = 1
    found = []
    for mask in range(1, 2 ** len(legs)):
        if shortest <= mask.bit_count() <= longest:
            worth = Fraction(unit)
            for index, (price, outcome) in enumerate(legs):
                if mask >> index & 1:
                    worth *= share(price, outcome)
            found.append(worth)
    return found


def back_of(type_: str, unit: int, legs: list[tuple[int, Outcome]], *, free: bool = False) -> int:
    return returned(type_, unit, [price for price, _ in legs], [outcome for _, outcome in legs], free=free)


@given(bets(), units)
def test_a_bet_is_the_sum_of_its_lines(bet: tuple[str, list[tuple[int, Outcome]]], unit: int) -> None:
    worths = by_hand(bet[0], unit, bet[1])
    assert back_of(bet[0], unit, bet[1]) == sum(floor(worth) for worth in worths)
    assert back_of(bet[0], unit, bet[1], free=True) == sum(max(0, floor(worth) - unit) for worth in worths)


alike = st.one_of(prices, st.sampled_from([1001, 1250, 1500, 2000, 2500, 3000, 4000, 999_999, 1_000_000]))
"""Prices of which some repeat, and some multiply to whole numbers, or to nearly one."""


@pytest.mark.parametrize("block_min", [1, 10**9], ids=["in blocks", "one by one"])
@settings(deadline=None)
@given(bets(), st.data(), units | st.integers(1, 9))
def test_a_bet_returns_the_same_however_its_lines_are_added_up(
    block_min: int, bet: tuple[str, list[tuple[int, Outcome]]], data: st.DataObject, unit: int
) -> None:
    type_, legs = bet[0], [(data.draw(alike), outcome) for _, outcome in bet[1]]
    worths = by_hand(type_, unit, legs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(line_by_line, "_BLOCK_MIN", block_min)
        assert back_of(type_, unit, legs) == sum(floor(worth) for worth in worths)
        assert back_of(type_, unit, legs, free=True) == sum(max(0, floor(worth) - unit) for worth in worths)


@settings(deadline=None, max_examples=60)
@given(st.integers(9, 12), st.data(), st.integers(1, 10**6) | st.integers(1, 10**13))
def test_a_system_of_many_lines_is_the_sum_of_them(number: int, data: st.DataObject, stake: int) -> None:
    """Any stake, whether its lines divide it or not."""
    size = data.draw(st.integers(3, number - 3))
    legs = data.draw(st.lists(st.tuples(alike, outcomes), min_size=number, max_size=number))
    exact = [share(price, outcome) for price, outcome in legs]
    each = Fraction(stake, count(f"system:{size}/{number}", number))
    worths = [prod(line) for line in combinations(exact, size)]
    assert returns(f"system:{size}/{number}", stake, exact) == sum(floor(each * worth) for worth in worths)
    won = sum(max(0, floor(each * (worth - 1))) for worth in worths)
    assert returns(f"system:{size}/{number}", stake, exact, free=True) == won


@pytest.mark.parametrize("unit", [1, 7, 1000])
@pytest.mark.parametrize("sign", [-1, 0, 1])
def test_a_line_next_to_a_whole_minor_unit_is_rounded_as_it_is(unit: int, sign: int) -> None:
    """Twelve legs, none like another, that multiply to 4 by two: three such pairs return 64 units, or with one of the
    legs a millionth of a millionth less, or more. What a block of numbers holds of them is too coarse to tell."""
    ratios = [Fraction(prime + 1, prime) for prime in (3, 5, 7, 11, 13, 17)]
    legs = [2 * ratio for ratio in ratios] + [2 / ratio for ratio in ratios]
    legs[0] *= 1 + Fraction(sign, 10**12)
    worths = [unit * prod(line) for line in combinations(legs, 6)]
    assert sum(worth == 64 * unit for worth in worths) == (10 if sign else 20)
    assert returns("system:6/12", unit * 924, legs) == sum(map(floor, worths))
    assert returns("system:6/12", unit * 924, legs, free=True) == sum(max(0, floor(one) - unit) for one in worths)


def test_what_is_kept_of_a_free_bet_is_rounded_up_in_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """A third of a minor unit on each of three legs. The second returns a third and one, less two thirds of 2^-61: what
    a block of numbers holds of that is exact, and of the third that is kept it is not."""
    monkeypatch.setattr(line_by_line, "_BLOCK_MIN", 1)
    legs = [Fraction(1), Fraction(2**62 - 1, 2**60), Fraction(2**31 + 1, 2**29)]
    assert returns("system:1/3", 1, legs, free=True) == 0 + 0 + 1


@pytest.fixture
def paid(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many products are paid one by one, call by call."""
    found = list[int]()

    def counted(left: dict[int, int], right: dict[int, int], *rest: int) -> int:
        found.append(len(left) * len(right))
        return one_by_one(left, right, *rest)

    one_by_one = line_by_line._one_by_one
    monkeypatch.setattr(line_by_line, "_one_by_one", counted)
    return found


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("size", "number"), [(10, 20), (9, 18), (8, 17)])
def test_what_a_bet_costs_to_settle_does_not_grow_with_its_lines(
    paid: list[int], size: int, number: int, seed: int
) -> None:
    """35 ms for each system:9/18 had a page of 256 hold everybody's bets up for nine seconds. With no two legs of one
    price, and returning as much as a bet may, one line in a hundred at most has to be paid by itself."""
    chance = random.Random(seed)
    legs = [leg(price) for price in chance.sample(range(1_100, 2_100), number)]
    type_ = f"system:{size}/{number}"
    stake = int(Settings().bets.return_max / most_of(legs, type_))
    for outcome in (W, HW, dead_heat(2, 3)):
        for free in (False, True):
            paid.clear()
            assert return_of(stake, legs, [outcome] * number, type_, free=free) >= 0
            assert sum(paid) <= count(type_, number) // 100


def test_lines_that_return_the_same_are_counted(paid: list[int]) -> None:
    """All legs alike, or of few kinds: then few products are left of 184 756 lines."""
    assert returned("system:10/20", 7, [1500] * 20, [W] * 20) == LINES_MAX * 403
    assert sum(paid) == 11  # none to ten legs of one half, all of a product
    paid.clear()
    assert returned("system:10/20", 7, [1500] * 20, [W] * 10 + [V] * 10) > 0
    assert sum(paid) == 11


@settings(deadline=None)
@given(bets(), units)
def test_rounding_costs_less_than_a_minor_unit_a_line(bet: tuple[str, list[tuple[int, Outcome]]], unit: int) -> None:
    worths = by_hand(bet[0], unit, bet[1])
    assert 0 <= sum(worths) - back_of(bet[0], unit, bet[1]) < len(worths)


@given(bets(), units, st.randoms(use_true_random=False))
def test_the_order_of_legs_changes_nothing(
    bet: tuple[str, list[tuple[int, Outcome]]], unit: int, chance: object
) -> None:
    type_, legs = bet
    shuffled = list(legs)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert back_of(type_, unit, shuffled) == back_of(type_, unit, legs)


@given(bets(), units, st.data(), st.booleans())
def test_a_longer_price_never_returns_less(
    bet: tuple[str, list[tuple[int, Outcome]]], unit: int, data: st.DataObject, free: bool
) -> None:
    type_, legs = bet
    index = data.draw(st.integers(0, len(legs) - 1))
    price, outcome = legs[index]
    longer = [*legs[:index], (data.draw(st.integers(price, 1_000_000)), outcome), *legs[index + 1 :]]
    assert back_of(type_, unit, longer, free=free) >= back_of(type_, unit, legs, free=free)


@given(prices, outcomes, units)
def test_an_accumulator_of_one_leg_is_a_single(price: int, outcome: Outcome, unit: int) -> None:
    single = back_of("single", unit, [(price, outcome)])
    assert back_of("accumulator", unit, [(price, outcome)]) == single
    assert back_of("accumulator", unit, [(price, outcome), (5000, V)]) == single
    assert back_of("system:1/1", unit, [(price, outcome)]) == single


@given(st.lists(st.tuples(prices, outcomes), min_size=1, max_size=20), units, st.booleans())
def test_a_bet_of_one_line_returns_what_any_bet_would(legs: list[tuple[int, Outcome]], stake: int, free: bool) -> None:
    """Settlement has a short way for them: it is the same arithmetic."""
    type_ = default_type(len(legs))
    exact = [outcome.multiplier(price) for price, outcome in legs]
    assert back_of(type_, stake, legs, free=free) == returns(type_, stake, exact, free=free)
    assert exact == [share(price, outcome) for price, outcome in legs]


@pytest.mark.parametrize(
    ("outcome", "ratio"),
    [
        (W, Fraction(5, 2)),
        (Outcome(Result.WON, void_halves=1), Fraction(7, 4)),
        (Outcome(Result.WON, void_halves=2), Fraction(1)),
        (Outcome(Result.WON, dead_heat=(1, 3)), Fraction(5, 6)),
        (Outcome(Result.HALF_WON, 1, (1, 2)), Fraction(9, 8)),
        (Outcome(Result.LOST, void_halves=1), Fraction(1, 2)),
    ],
)
def test_a_leg_is_v_and_one_less_v_times_r_d_and_o(outcome: Outcome, ratio: Fraction) -> None:
    """m = v + (1 - v) * r * d * O (sportsbook rules §3.1), at 2.50."""
    assert outcome.multiplier(2_500) == Fraction(*outcome.ratio(2_500)) == ratio


@given(st.lists(st.tuples(prices, outcomes), min_size=2, max_size=20), units, st.data())
def test_a_void_leg_of_an_accumulator_is_as_if_it_had_not_been_there(
    legs: list[tuple[int, Outcome]], unit: int, data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, len(legs) - 1))
    without = legs[:index] + legs[index + 1 :]
    voided = [*legs[:index], (legs[index][0], V), *legs[index + 1 :]]
    assert back_of("accumulator", unit, voided) == back_of("accumulator", unit, without)


@given(bets(), units)
def test_all_lost_returns_nothing_and_all_void_the_stake(bet: tuple[str, list[tuple[int, Outcome]]], unit: int) -> None:
    type_, legs = bet
    assert back_of(type_, unit, [(price, L) for price, _ in legs]) == 0
    assert back_of(type_, unit, [(price, V) for price, _ in legs]) == unit * count(type_, len(legs))
    assert back_of(type_, unit, [(price, V) for price, _ in legs], free=True) == 0
    assert status_of([V] * len(legs)) == BetStatus.VOID


@given(bets(), st.data())
def test_a_bet_is_undecided_until_what_is_left_cannot_change_what_comes_back(
    bet: tuple[str, list[tuple[int, Outcome]]], data: st.DataObject
) -> None:
    """Large enough a stake returns something of every line that has no lost leg, and nothing of the others."""
    type_, legs = bet
    known = [data.draw(st.sampled_from([outcome, None])) for _, outcome in legs]
    at_best = [(price, W if outcome is None else outcome) for (price, _), outcome in zip(legs, known, strict=True)]
    some_left = None in known and back_of(type_, 10**9, at_best) > 0
    assert undecided(known, type_) == some_left
    if None in known and not some_left:
        assert back_of(type_, 10**9, legs) == 0


@pytest.mark.parametrize(
    ("type_", "outcomes", "waits"),
    [
        ("", [None], True),
        ("", [L, None], False),
        ("", [W, None, L], False),
        ("", [Outcome(Result.LOST, void_halves=1), None], True),  # half lost
        ("trixie", [L, None, None], True),
        ("trixie", [L, L, None], False),
        ("patent", [L, L, None], True),
        ("system:3/4", [L, None, None, None], True),
        ("system:3/4", [L, None, None, L], False),
        ("", [L, W], False),
    ],
)
def test_which_bets_wait_for_a_leg(type_: str, outcomes: list[Outcome | None], waits: bool) -> None:
    assert undecided(outcomes, type_) == waits


def test_the_biggest_system_is_settled_line_by_line() -> None:
    """All at 1.5 and won: 184 756 lines of floor(7 * 1.5^10) = 403 each; the sum rounded once would be more."""
    assert returned("system:10/20", 7, [1500] * 20, [W] * 20) == LINES_MAX * 403
    assert returned("goliath", 100, [1500] * 8, [V] * 8) == 24_700


# The bet, and its way through the ledger

OLD = b'{"bet":"b1","id":"i1","account":"anna","currency":"EUR","stake":1000,"policy":"any","legs":[%s],"placed_ms":1}'


@pytest.mark.parametrize(("legs", "type_"), [(1, "single"), (2, "accumulator"), (20, "accumulator")])
def test_a_bet_of_before_types_is_a_single_or_an_accumulator(legs: int, type_: str) -> None:
    body = OLD % b",".join([msgspec.json.encode(leg(2000))] * legs)
    bet = msgspec.json.decode(body, type=Bet)
    assert (bet.type, bet.free) == (type_, False) == (default_type(legs), False)
    assert msgspec.json.decode(msgspec.json.encode(bet), type=Bet) == bet


@pytest.mark.parametrize(("free", "back"), [(False, 600 + 800 + 600 + 1200), (True, 400 + 600 + 400 + 1000)])
def test_the_ledger_settles_through_the_lines_of_a_bet(free: bool, back: int) -> None:
    """A trixie of 4 lines of 2.00 on legs that multiply by 2, 1.5 and 2; free, each line keeps its 2.00."""
    legs = tuple(Leg("f", "m", name, price, 0) for name, price in [("a", 2000), ("b", 3000), ("c", 3000)])
    bet = Bet("b1", "i1", "anna", "EUR", 800, Policy.ANY, legs, 1, type="trixie", free=free)
    decisions: dict[str, tuple[int, Outcome | None]] = {
        "a": (1, W),
        "b": (1, dead_heat(1, 2)),
        "c": (1, dead_heat(2, 3)),
    }
    account = Account("anna", "EUR", AccountStatus.OPEN, 0)
    rows = Rows({}, {"anna": account}, {"b1": PlacedBet(bet, [])}, {}, {}, decisions, {}, {}, {}, 1, 1)
    answer = apply(SettleBet("settle:b1:3", "b1", "anna", 2), rows)
    assert answer.bet is not None
    assert (answer.bet.status, answer.bet.returns, account.balance) == (BetStatus.SETTLED, back, back)
