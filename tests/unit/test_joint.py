"""Joint prices: against every story a match can still tell, against the single markets, and as a trader reads them.

A part is written as in a selection's id: ``1x2/home``, ``total_goals@2.5/over``.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from itertools import product
from math import comb, exp, factorial, prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from matchday.model.bet import Result
from matchday.model.book import FixtureBook
from matchday.model.football import FootballState, Period, Side, Team
from matchday.model.football_markets import KINDS, OUTCOMES, Tally, next_goal, resolve, tally
from matchday.model.market import Market, MarketKey, MarketStatus, Selection, split_selection
from matchday.model.messages import Board, FixtureStatus, PricedOn, Strengths
from matchday.model.price import PRICE_MAX, PRICE_MIN, UNIT, parse_price
from matchday.pricing.calibrate import PRIOR
from matchday.pricing.football import price_book, probabilities
from matchday.pricing.joint import (
    PARTS_MAX,
    Combination,
    Combiner,
    Joint,
    Part,
    PricedPart,
    Unpriced,
    combination_price,
    combine,
    joint,
)
from matchday.pricing.overround import LADDER, on_ladder
from matchday.pricing.to_come import PENALTY_SCORED, RED_OTHER, RED_OWN, share_to_come
from tests.unit.test_pricing_markets import futures

CONTRADICTORY, NOT_PRICED = Unpriced.LEGS_CONTRADICTORY, Unpriced.COMBINATION_UNPRICED
UNRELATED = {"total_corners", "total_cards"}
OVERROUND = 0.05


def part(text: str) -> Part:
    _, key, outcome = split_selection(f"F:{text}")
    return key, outcome


def parts_of(text: str) -> list[Part]:
    return [part(each) for each in text.split()]


def chances(inputs: PricedOn, text: str) -> Joint:
    found = joint(inputs, parts_of(text))
    assert isinstance(found, Joint), found
    return found


def offered(inputs: PricedOn, asked: Iterable[Part]) -> list[PricedPart]:
    """Parts at the prices of the book."""
    quote = price_book(inputs.strengths, inputs.state, inputs.clock_s, OVERROUND)
    return [
        (key, outcome, next(selection.price for selection in quote[key] if selection.outcome == outcome))
        for key, outcome in asked
    ]


def price(inputs: PricedOn, text: str) -> int:
    found = combination_price(inputs, offered(inputs, parts_of(text)))
    assert isinstance(found, Combination), found
    return found.price


BEFORE = PricedOn(PRIOR, FootballState(), 0)
EARLY = PricedOn(PRIOR, FootballState(Period.FIRST, away=Team(first_half=1), order=("away",)), 1_200)
LATE = PricedOn(PRIOR, FootballState(Period.SECOND, home=Team(1, 1), order=("home", "home")), 2_100)
"""Level before kick-off; 0-1 at 20'; 2-0 at 80'."""


# --- against every story ----------------------------------------------------------------------------------------------
# A story is told goal by goal, as a race of two Poisson processes that run with one clock: how many, who, which half.

GOALS_TOLD = 9
QUIET = Strengths(0.25, 0.15, -0.1)
"""So few goals that what is not told of is below 1e-10."""
LED = FootballState(Period.FIRST, home=Team(1), order=("home",))
SHORT = FootballState(Period.FIRST, away=Team(1, red=1), order=("away",))
LEVEL = FootballState(Period.HALF_TIME, home=Team(1), away=Team(1), order=("home", "away"))
STORIES = {
    "before kick-off": PricedOn(QUIET, FootballState(), 0),
    "first half": PricedOn(QUIET, LED, 1_500),
    "first half, one off": PricedOn(QUIET, SHORT, 900),
    "half-time": PricedOn(QUIET, LEVEL, 0),
    "2-0 at 80'": LATE,
    "penalty, first half": PricedOn(QUIET, replace(LED, penalty="away"), 60),
    "penalty, second half": PricedOn(PRIOR, replace(LED, period=Period.SECOND, penalty="home"), 2_400),
}
COMBINATIONS = [
    "1x2/home total_goals@2.5/over",
    "1x2/draw both_teams_to_score/yes",
    "draw_no_bet/home total_goals@2.0/over",
    "draw_no_bet/away asian_handicap@-1.0/away team_total_away@0.5/over",
    "asian_handicap@-1.0/home total_goals@3.0/under odd_even/odd",
    "correct_score/2-1 double_chance/12",
    "correct_score/1-1 half_time_result/draw",
    "half_time_result/home 1x2/home",
    "half_time_result/draw first_half_goals@1.5/over total_goals@3.5/under",
    "half_time_full_time/home-home team_total_home@1.5/over",
    "half_time_full_time/home-away",
    "half_time_full_time/draw-draw both_teams_to_score/no",
    "first_half_both_teams_to_score/no first_half_goals@1.0/under draw_no_bet/home",
    "next_goal@1/home 1x2/home",
    "next_goal@2/away half_time_result/home double_chance/1x",
    "next_goal@2/home next_goal@3/away total_goals@2.5/over",
    "next_goal@2/away next_goal@3/none draw_no_bet/away",
    "next_goal@3/home half_time_full_time/home-home",
    "next_goal@4/away next_goal@3/away next_goal@5/none",
    "next_goal@3/away draw_no_bet/home",
    "half_time_full_time/draw-home total_goals@3.5/over",
    "asian_handicap@1.0/away total_goals@4.0/under",
    "1x2/draw total_goals@4.0/over",
]


@cache
def stories(name: str) -> list[tuple[float, Tally]]:
    inputs = STORIES[name]
    state, strengths = inputs.state, inputs.strengths
    share = share_to_come(state.period, inputs.clock_s)
    second = share if state.first_half_over else share_to_come(Period.HALF_TIME, 0)
    home = strengths.home_rate * share * RED_OWN**state.home.red * RED_OTHER**state.away.red
    away = strengths.away_rate * share * RED_OWN**state.away.red * RED_OTHER**state.home.red
    rho, rate, soon = strengths.rho * share, home + away, (share - second) / share
    low = {(0, 0): 1 - home * away * rho, (0, 1): 1 + home * rho, (1, 0): 1 + away * rho, (1, 1): 1 - rho}
    sides: list[Side] = ["home", "away"]
    found = []
    for goals in range(GOALS_TOLD + 1):
        many = exp(-rate) * rate**goals / factorial(goals)
        for who in product(sides, repeat=goals):
            score = who.count("home"), who.count("away")
            told = many * (home / rate) ** score[0] * (away / rate) ** score[1] * low.get(score, 1.0)
            for first in range(goals + 1):
                weight = told * comb(goals, first) * soon**first * (1 - soon) ** (goals - first)
                found += [(weight * w, _told(at, who, first)) for w, at in _starts(state) if weight]
    whole = sum(weight for weight, _ in found)
    return [(weight / whole, at) for weight, at in found]


def _starts(state: FootballState) -> list[tuple[float, Tally]]:
    at = tally(state)
    if state.penalty is None:
        return [(1.0, at)]
    scored = _told(at, (state.penalty,), 0 if at.half_over else 1)
    return [(PENALTY_SCORED, scored), (1 - PENALTY_SCORED, at)]


def _told(at: Tally, who: tuple[Side, ...], first: int) -> Tally:
    half = at.half[0] + who[:first].count("home"), at.half[1] + who[:first].count("away")
    full = at.full[0] + who.count("home"), at.full[1] + who.count("away")
    return at._replace(half=half, full=full, order=(*at.order, *who))


@pytest.mark.parametrize("name", STORIES)
def test_the_joint_price_is_what_telling_every_story_gives(name: str) -> None:
    checked = 0
    for text in COMBINATIONS:
        asked, won, void = parts_of(text), 0.0, 0.0
        for weight, end in stories(name):
            results = [resolve(key, outcome, end).result for key, outcome in asked]
            if all(result == Result.WON for result in results):
                won += weight
            elif Result.LOST not in results:
                void += weight
        found = joint(STORIES[name], asked)
        if isinstance(found, Joint):
            assert found.won == pytest.approx(won, abs=1e-9, rel=1e-7), text
            assert found.void == pytest.approx(void, abs=1e-9), text
            checked += 1
        elif found == Unpriced.LEGS_CONTRADICTORY:
            assert won == 0, text
    assert checked >= 7


@pytest.mark.parametrize("inputs", [BEFORE, EARLY, LATE])
def test_the_whole_grid_is_counted(inputs: PricedOn) -> None:
    """Every score of each half that the grid holds, at usual rates; only the next goal's scorer is told."""
    ends = futures(inputs.strengths, inputs.state, inputs.clock_s)
    asked = [each for each in map(parts_of, COMBINATIONS) if not any(key.type == "next_goal" for key, _ in each)]
    asked.append([next_goal_home(inputs), part("draw_no_bet/home"), part("total_goals@3.0/over")])
    for parts in asked:
        won = sum(weight for weight, end in ends if all(resolve(*each, end).result == Result.WON for each in parts))
        found = joint(inputs, parts)
        assert (found.won if isinstance(found, Joint) else 0.0) == pytest.approx(won, abs=1e-9) or found == NOT_PRICED


def next_goal_home(inputs: PricedOn) -> Part:
    return next_goal(sum(inputs.state.regular_score)), "home"


# --- against the single markets ---------------------------------------------------------------------------------------

rates = st.floats(0.3, 3.0)
teams = st.builds(Team, first_half=st.integers(0, 2), red=st.integers(0, 1))


@st.composite
def inputs_(draw: st.DrawFn) -> PricedOn:
    home, away = draw(teams), draw(teams)
    state = FootballState(
        period=draw(st.sampled_from([Period.PRE, Period.FIRST, Period.HALF_TIME, Period.SECOND])),
        home=home,
        away=away,
        penalty=draw(st.sampled_from([None, None, "home", "away"])),
    )
    return PricedOn(
        Strengths(draw(rates), draw(rates), draw(st.floats(-0.12, 0.05))), state, draw(st.integers(0, 2_950))
    )


def whole_stakes(inputs: PricedOn) -> list[PricedPart]:
    """Every selection of the book that the grid answers with all of the stake."""
    quote = price_book(inputs.strengths, inputs.state, inputs.clock_s, OVERROUND)
    return [
        (key, selection.outcome, selection.price)
        for key, selections in quote.items()
        if key.type not in UNRELATED and (key.line or 0) % 2 == 0
        for selection in selections
    ]


@st.composite
def situations(draw: st.DrawFn, size_max: int = 5) -> tuple[PricedOn, list[PricedPart]]:
    inputs = draw(inputs_())
    asked = draw(st.lists(st.sampled_from(whole_stakes(inputs)), min_size=1, max_size=size_max, unique=True))
    return inputs, asked


@settings(deadline=None)
@given(inputs_())
def test_a_part_by_itself_is_worth_what_its_market_says(inputs: PricedOn) -> None:
    fair = probabilities(inputs.strengths, inputs.state, inputs.clock_s)
    for key, outcome, _ in whole_stakes(inputs):
        found = joint(inputs, [(key, outcome)])
        assert isinstance(found, Joint)
        single = fair[key][OUTCOMES[key.type].index(outcome)]
        assert found.won == pytest.approx(single * (1 - found.void), abs=1e-9), (key, outcome)


@settings(deadline=None)
@given(situations(3), st.sampled_from(["1x2", "odd_even", "correct_score", "half_time_result", "half_time_full_time"]))
def test_a_market_shares_out_whatever_it_is_combined_with(
    situation: tuple[PricedOn, list[PricedPart]], market: str
) -> None:
    """Who wins, odd or even, ...: exactly one of them, so that they add up to the combination without them."""
    inputs, priced = situation
    asked = [(key, outcome) for key, outcome, _ in priced]
    if KINDS[market].of_half and inputs.state.first_half_over:
        return
    shares = [joint(inputs, [*asked, (MarketKey(market), outcome)]) for outcome in OUTCOMES[market]]
    known = [found for found in shares if isinstance(found, Joint)]
    assert all(found == Unpriced.LEGS_CONTRADICTORY for found in shares if not isinstance(found, Joint))
    whole = joint(inputs, asked)
    won, void = (whole.won, whole.void) if isinstance(whole, Joint) else (0.0, 0.0)
    assert sum(found.won for found in known) == pytest.approx(won, abs=1e-9)
    assert sum(found.void for found in known) <= void + 1e-9


@settings(deadline=None)
@given(situations(4))
def test_the_order_of_the_parts_is_nothing_and_one_more_never_helps(
    situation: tuple[PricedOn, list[PricedPart]],
) -> None:
    inputs, priced = situation
    asked = [(key, outcome) for key, outcome, _ in priced]
    before = 1.0
    for count in range(1, len(asked) + 1):
        found = joint(inputs, asked[:count])
        won = found.won if isinstance(found, Joint) else 0.0
        assert 0 <= won <= before + 1e-12
        before = won
    assert combination_price(inputs, priced[::-1]) == combination_price(inputs, priced)


# --- as a trader reads it ---------------------------------------------------------------------------------------------
# No source publishes such a table: each row has its reasoning, and its probabilities are checked above. Home 1.50, away
# 1.20 goals (the prior), 5 % overround on two-way markets.

ROWS = [
    # state, parts, what an accumulator would pay, the joint price, why
    (BEFORE, "1x2/home total_goals@2.5/over", "4.079", "3.39", "a win needs goals"),
    (BEFORE, "1x2/home total_goals@2.5/under", "4.166", "5.20", "and few goals make draws"),
    (BEFORE, "1x2/draw total_goals@2.5/over", "6.429", "13.0", "2-2 is the least draw with three goals or more"),
    (BEFORE, "1x2/home both_teams_to_score/no", "4.535", "3.90", "1-0, 2-0, ...: a clean sheet wins"),
    (BEFORE, "both_teams_to_score/yes total_goals@2.5/over", "3.271", "2.15", "one of them is nearly the other"),
    (BEFORE, "1x2/home half_time_result/home", "6.076", "3.37", "who leads at half-time mostly wins"),
    (BEFORE, "1x2/away half_time_result/home", "8.652", "44.0", "a turn-around is rarer than it looks"),
    (BEFORE, "1x2/home next_goal@1/home", "3.992", "2.41", "the first goal is half the win"),
    (BEFORE, "total_goals@1.5/over total_goals@2.5/over", "2.406", "1.82", "over 2.5 at 1.88, twice the overround"),
    (BEFORE, "total_goals@2.5/over total_goals@3.5/under", "2.556", "4.19", "just three goals"),
    (BEFORE, "draw_no_bet/home total_goals@2.5/over", "3.045", "3.22", "a draw with goals voids all of it"),
    (EARLY, "1x2/home both_teams_to_score/yes", "6.473", "4.59", "0-1 down: a win is two goals at least"),
    (EARLY, "1x2/home next_goal@2/away", "11.233", "61.0", "0-2, and then three"),
    (LATE, "1x2/home total_goals@2.5/over", "2.355", "2.41", "2-0 at 80': the goal that falls may be theirs"),
    (LATE, "1x2/home both_teams_to_score/no", "1.233", "1.21", "a clean sheet keeps the win"),
    (LATE, "total_goals@3.5/over next_goal@3/away", "37.468", "14.9", "two more goals; the away side begins"),
    (LATE, "1x2/home asian_handicap@-1.0/home", "1.025", "1.007", "2-1 voids it"),
]  # fmt: skip


@pytest.mark.parametrize(("inputs", "text", "accumulator", "expected", "_why"), ROWS)
def test_a_trader_s_table(inputs: PricedOn, text: str, accumulator: str, expected: str, _why: str) -> None:
    prices = [each for *_, each in offered(inputs, parts_of(text))]
    assert prod(prices) // UNIT ** (len(prices) - 1) == parse_price(accumulator)
    assert price(inputs, text) == parse_price(expected)


def test_independent_parts_cost_what_an_accumulator_of_them_costs() -> None:
    """Without Dixon and Coles' dependence the goals of one side say nothing of the other's."""
    for home, away in ((1.5, 1.2), (2.4, 0.6), (0.9, 1.9)):
        for inputs in (PricedOn(Strengths(home, away), each.state, each.clock_s) for each in (BEFORE, EARLY)):
            asked = offered(inputs, parts_of("team_total_home@1.5/over team_total_away@1.5/under"))
            found = combination_price(inputs, asked)
            assert isinstance(found, Combination)
            assert found.price == on_ladder(asked[0][2] * asked[1][2] // UNIT)


def test_a_sending_off_and_the_clock_move_the_joint_price() -> None:
    text = "1x2/home total_goals@2.5/over"
    level, short = (
        chances(PricedOn(PRIOR, FootballState(Period.SECOND, home=Team(1, red=red), away=Team(1)), 600), text)
        for red in (0, 1)
    )
    assert level.won > 1.5 * short.won
    by_clock = [
        chances(PricedOn(PRIOR, FootballState(Period.FIRST), clock_s), text).won for clock_s in (0, 1_200, 2_700)
    ]
    assert by_clock == sorted(by_clock, reverse=True)


def test_what_a_trader_shifted_carries_over() -> None:
    (result, home, was), over = offered(BEFORE, parts_of("1x2/home total_goals@2.5/over"))
    shifted = combination_price(BEFORE, [(result, home, was * 2), over])
    assert isinstance(shifted, Combination)
    assert shifted.price == on_ladder(2 * price(BEFORE, "1x2/home total_goals@2.5/over")) == 6_700


@pytest.mark.parametrize("factor", [1.1, 1.5, 2.0, 4.0])
def test_an_opinion_that_lengthens_several_markets_carries_over_once(factor: float) -> None:
    """Whoever shifts the result shifts its handicap, too: together they are one event, at its price."""
    parts = [(key, outcome, int(was * factor)) for key, outcome, was in
             offered(BEFORE, parts_of("1x2/home asian_handicap@-0.5/home"))]  # fmt: skip
    found = combination_price(BEFORE, parts)
    assert isinstance(found, Combination)
    assert found.price == on_ladder(min(was for *_, was in parts))


@settings(deadline=None)
@given(situations(4), st.lists(st.floats(0.1, 10), min_size=4, max_size=4))
def test_no_combination_is_longer_than_a_part_that_wins_only_with_it(
    situation: tuple[PricedOn, list[PricedPart]], factors: list[float]
) -> None:
    """Whatever a trader made of each part: nor longer than the fair price lengthened by the largest share."""
    inputs, asked = situation
    moved = [(key, outcome, max(PRICE_MIN, min(PRICE_MAX, int(was * factor))))
             for (key, outcome, was), factor in zip(asked, factors, strict=False)]  # fmt: skip
    found = combination_price(inputs, moved)
    if isinstance(found, Unpriced):
        return
    shares = [1.0]
    for key, outcome, now in moved:
        single = joint(inputs, [(key, outcome)])
        assert isinstance(single, Joint)
        shares.append(now / UNIT / single.fair)
        if found.joint.won >= single.won * (1 - 1e-12):
            assert found.price <= now
    assert found.price <= UNIT * found.joint.fair * max(shares) * (1 + 1e-9)


INTERVAL = PricedOn(PRIOR, FootballState(Period.HALF_TIME, home=Team(1), order=("home",)), 0)
REASONS = [
    (BEFORE, "1x2/home 1x2/away", CONTRADICTORY),
    (BEFORE, "1x2/home 1x2/draw", CONTRADICTORY),
    (BEFORE, "correct_score/0-0 total_goals@0.5/over", CONTRADICTORY),
    (BEFORE, "draw_no_bet/home 1x2/draw", CONTRADICTORY),  # void at best
    (BEFORE, "odd_even/odd 1x2/draw", CONTRADICTORY),
    (BEFORE, "next_goal@1/none total_goals@0.5/over", CONTRADICTORY),
    (BEFORE, "next_goal@1/none next_goal@2/home", CONTRADICTORY),
    (BEFORE, "next_goal@1/home next_goal@1/away", CONTRADICTORY),
    (BEFORE, "half_time_result/home half_time_full_time/draw-home", CONTRADICTORY),
    (EARLY, "1x2/home total_goals@2.5/under", CONTRADICTORY),  # 0-1 down, three goals are needed
    (EARLY, "correct_score/1-0 odd_even/odd", CONTRADICTORY),  # the score has passed
    (EARLY, "total_goals@0.5/over 1x2/home", NOT_PRICED),  # won already
    (INTERVAL, "half_time_result/home 1x2/home", NOT_PRICED),
    (INTERVAL, "half_time_result/away 1x2/home", CONTRADICTORY),
    (INTERVAL, "next_goal@1/home 1x2/home", NOT_PRICED),
    (BEFORE, "total_goals@2.25/over 1x2/home", NOT_PRICED),  # half the stake comes back with two goals
    (BEFORE, "asian_handicap@-0.75/home 1x2/home", NOT_PRICED),
    (BEFORE, "total_corners@9.5/over 1x2/home", NOT_PRICED),
    (BEFORE, "to_qualify/home 1x2/home", NOT_PRICED),
    (BEFORE, "total_cards@3.5/over 1x2/home", NOT_PRICED),
    (BEFORE, "1x2/nobody total_goals@2.5/over", NOT_PRICED),
    (BEFORE, "1x2@1.0/home total_goals@2.5/over", NOT_PRICED),
    (BEFORE, "total_goals/over 1x2/home", NOT_PRICED),
    (BEFORE, "next_goal@0/home 1x2/home", NOT_PRICED),
    (BEFORE, "first_scorer/kane 1x2/home", NOT_PRICED),
    (PricedOn(PRIOR, FootballState(Period.FULL_TIME), 0), "1x2/home total_goals@2.5/over", NOT_PRICED),
    (BEFORE, "", NOT_PRICED),
    (BEFORE, " ".join(f"total_goals@{n}.5/over" for n in range(PARTS_MAX + 1)), Unpriced.TOO_MANY_PARTS),
]  # fmt: skip


@pytest.mark.parametrize(("inputs", "text", "reason"), REASONS)
def test_what_has_no_price_has_a_reason(inputs: PricedOn, text: str, reason: Unpriced) -> None:
    assert joint(inputs, parts_of(text)) == reason
    assert combination_price(inputs, [(key, outcome, 2_000) for key, outcome in parts_of(text)]) == reason


def test_there_is_no_goal_one_and_a_half() -> None:
    assert joint(BEFORE, [(MarketKey("next_goal", 6), "home"), part("1x2/home")]) == NOT_PRICED


def test_near_certainties_leave_nothing_to_win() -> None:
    """4-0 at 90+4': each of these is offered at the floor, above its worth; together they would pay 1.004."""
    inputs = PricedOn(PRIOR, FootballState(Period.SECOND, home=Team(4), order=("home",) * 4), 2_940)
    asked = offered(
        inputs, parts_of("double_chance/1x draw_no_bet/home asian_handicap@-1.5/home asian_handicap@0.0/home")
    )
    assert {each for *_, each in asked} == {PRICE_MIN}
    assert combination_price(inputs, asked) == NOT_PRICED


def test_a_stake_that_all_but_certainly_comes_back_buys_nothing() -> None:
    inputs = PricedOn(PRIOR, FootballState(Period.SECOND), 9_000)
    assert combination_price(inputs, [(*part("draw_no_bet/home"), 1_900), (*part("odd_even/odd"), 1_900)]) == NOT_PRICED


def test_the_longest_price_is_the_longest_of_a_single() -> None:
    assert price(BEFORE, "half_time_full_time/away-home correct_score/4-3 next_goal@1/home") == PRICE_MAX


@settings(deadline=None)
@given(situations(1))
def test_a_combination_of_one_part_has_its_price(situation: tuple[PricedOn, list[PricedPart]]) -> None:
    """But at the floor, which may be more than a certainty is worth."""
    inputs, [(key, outcome, offered_)] = situation
    found = combination_price(inputs, [(key, outcome, offered_)])
    if isinstance(found, Combination):
        assert found.price == offered_
    else:
        assert (found, offered_) == (NOT_PRICED, PRICE_MIN)


@settings(deadline=None)
@given(situations(6))
def test_prices_are_on_the_ladder_and_never_in_the_fan_s_favour(situation: tuple[PricedOn, list[PricedPart]]) -> None:
    inputs, priced = situation
    found = combination_price(inputs, priced)
    if isinstance(found, Combination):
        assert type(found.price) is int
        assert PRICE_MIN <= found.price <= PRICE_MAX
        step = next(step for bound, step in LADDER if found.price < bound)
        assert found.price % step == 0
        assert found.joint.won * found.price / UNIT + found.joint.void <= 1 + 1e-9


# --- from a book ------------------------------------------------------------------------------------------------------


def book(inputs: PricedOn) -> FixtureBook:
    quote = price_book(inputs.strengths, inputs.state, inputs.clock_s, OVERROUND)
    markets = [Market(key.of("F"), key.type, key.line, MarketStatus.OPEN, 0, found) for key, found in quote.items()]
    board = Board(
        "F", "Cup", "Reds", "Blues", 0, FixtureStatus.LIVE, "1H", 0, 0, 1.0, (0, 0), None, None, (0, 0), (0, 0)
    )
    return FixtureBook(board, 1, 1, 0, {market.market: market for market in markets}, {}, inputs)


def picked(held: FixtureBook, text: str) -> Sequence[tuple[Market, str]]:
    return [(held.markets[key.of("F")], outcome) for key, outcome in parts_of(text)]


def test_a_gate_combines_what_its_book_holds() -> None:
    text, held = "1x2/home total_goals@2.5/over", book(BEFORE)
    combiner: Combiner = combine
    assert combiner(held, picked(held, text)) == price(BEFORE, text) == 3_390


def test_a_book_that_does_not_know_combines_nothing() -> None:
    held = book(BEFORE)
    result, total = picked(held, "1x2/home total_goals@2.5/over")
    foreign = Market("G:1x2", "1x2", None, MarketStatus.OPEN, 0, (Selection("home", 2_000),))
    assert combine(held, [(foreign, "home"), total]) == NOT_PRICED
    assert combine(held, [(result[0], "nobody"), total]) == NOT_PRICED
    assert combine(held, [result] * (PARTS_MAX + 1)) == Unpriced.TOO_MANY_PARTS
    held.priced_on = None
    assert combine(held, [result, total]) == NOT_PRICED
