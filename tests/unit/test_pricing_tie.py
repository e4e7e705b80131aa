"""Who goes through: the price of a tie against slow enumeration, against the match result, and kick by kick."""

from functools import cache
from itertools import pairwise
from math import exp, factorial

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matchday.model.football import FootballState, Period, Team
from matchday.model.market import MarketKey
from matchday.model.messages import Strengths
from matchday.model.trading import Controls
from matchday.pricing.calibrate import PRIOR
from matchday.pricing.football import price_book, probabilities
from matchday.pricing.tie import goes_through, shoot_out
from matchday.pricing.to_come import EXTRA_TIME, PENALTY_SCORED, RED_OTHER, RED_OWN, extra_to_come

TIE, RESULT = MarketKey("to_qualify"), MarketKey("1x2")
EVEN = Strengths(1.3, 1.3)
UNEVEN = Strengths(2.3, 0.7)


def tie(period: Period = Period.PRE, **fields: object) -> FootballState:
    return FootballState(period=period, knockout=True, **fields)  # type: ignore[arg-type]


def poisson(rate: float, count: int) -> float:
    return exp(-rate) * rate**count / factorial(count)


def race(home: float, away: float) -> tuple[float, float, float]:
    """Of two Poisson counts: the first is ahead, level, the second is."""
    found = [0.0, 0.0, 0.0]
    for h in range(25):
        for a in range(25):
            found[0 if h > a else 1 if h == a else 2] += poisson(home, h) * poisson(away, a)
    return found[0], found[1], found[2]


@pytest.mark.parametrize("strengths", [EVEN, UNEVEN, PRIOR])
def test_before_kick_off_it_is_the_match_extra_time_and_an_even_shoot_out(strengths: Strengths) -> None:
    found = probabilities(strengths, tie(), 0)
    home, draw, away = found[RESULT]
    ahead, level, behind = race(strengths.home_rate / 3, strengths.away_rate / 3)
    assert found[TIE][0] == pytest.approx(home + draw * (ahead + level / 2), abs=2e-3 if strengths.rho else 1e-6)
    assert found[TIE][1] == pytest.approx(away + draw * (behind + level / 2), abs=2e-3 if strengths.rho else 1e-6)


# Period, second, home, away, minutes of extra time left, and what stands between them.
IN_PLAY = [
    (Period.FULL_TIME, 0, 30, 0),
    (Period.EXTRA_FIRST, 0, 30, 0),
    (Period.EXTRA_HALF_TIME, 0, 15, 1),
    (Period.EXTRA_SECOND, 0, 15, -1),
    (Period.EXTRA_FULL_TIME, 0, 0, 0),
]


@pytest.mark.parametrize(("period", "clock_s", "minutes", "lead"), IN_PLAY)
def test_in_extra_time_it_is_a_race_with_what_is_left(period: Period, clock_s: int, minutes: int, lead: int) -> None:
    state = tie(period, home=Team(first_half=1, extra_time=max(0, lead), red=1),
                away=Team(second_half=1, extra_time=max(0, -lead)))  # fmt: skip
    left = minutes / 90
    home, away = UNEVEN.home_rate * left * RED_OWN, UNEVEN.away_rate * left * RED_OTHER
    through = sum(
        poisson(home, h) * poisson(away, a) * (1.0 if h + lead > a else 0.5 if h + lead == a else 0.0)
        for h in range(25)
        for a in range(25)
    )
    assert goes_through(UNEVEN, state, clock_s) == pytest.approx((through, 1 - through), abs=1e-6)


def test_extra_time_is_a_third_of_regular_time_and_never_quite_over_before_the_whistle() -> None:
    shares = [extra_to_come(period, second) for period in (Period.EXTRA_FIRST, Period.EXTRA_SECOND)
              for second in range(0, 1200, 60)]  # fmt: skip
    assert shares[0] == EXTRA_TIME == extra_to_come(Period.FULL_TIME, 0) == extra_to_come(Period.SECOND, 900)
    assert extra_to_come(Period.EXTRA_HALF_TIME, 0) == EXTRA_TIME / 2
    assert all(later < sooner for sooner, later in pairwise(shares))
    assert shares[-1] > 0 == extra_to_come(Period.EXTRA_FULL_TIME, 0)


@pytest.mark.parametrize("period", [Period.FIRST, Period.SECOND, Period.EXTRA_FIRST, Period.EXTRA_SECOND])
@pytest.mark.parametrize("side", ["home", "away"])
def test_a_penalty_mixes_scored_and_missed(period: Period, side: str) -> None:
    level = Team(second_half=1) if period not in (Period.FIRST, Period.SECOND) else Team(first_half=1)
    field = {Period.FIRST: "first_half", Period.SECOND: "second_half"}.get(period, "extra_time")
    missed = tie(period, home=level, away=level)
    team = msgspec.structs.replace(level, **{field: getattr(level, field) + 1})
    scored = msgspec.structs.replace(missed, **{side: team})
    waits = msgspec.structs.replace(missed, penalty=side)
    mixed, *both = (goes_through(UNEVEN, state, 300) for state in (waits, scored, missed))
    assert mixed[0] == pytest.approx(PENALTY_SCORED * both[0][0] + (1 - PENALTY_SCORED) * both[1][0], abs=1e-12)


@cache
def by_kicks(home: int, away: int, taken: int, first: int) -> float:
    """The home side's chance, kick by kick in turn, stopping when it is decided; ``first`` side began."""
    kicks = [(taken + 1) // 2, taken // 2] if first == 0 else [taken // 2, (taken + 1) // 2]
    rounds = max(5, *kicks)
    if home > away + rounds - kicks[1]:
        return 1.0
    if away > home + rounds - kicks[0]:
        return 0.0
    if taken >= 10 and taken % 2 == 0:
        return 0.5  # level, and one more each is even
    turn = (taken + first) % 2
    hit = by_kicks(home + (turn == 0), away + (turn == 1), taken + 1, first)
    return PENALTY_SCORED * hit + (1 - PENALTY_SCORED) * by_kicks(home, away, taken + 1, first)


@given(st.lists(st.booleans(), max_size=14), st.integers(0, 1))
def test_a_shoot_out_is_worth_what_its_kicks_are(kicks: list[bool], first: int) -> None:
    scored, taken = [0, 0], [0, 0]
    for number, hit in enumerate(kicks):
        turn = (number + first) % 2
        scored[turn] += hit
        taken[turn] += 1
        teams = [Team(shoot_out=n, shoot_out_missed=count - n) for n, count in zip(scored, taken, strict=True)]
        found = shoot_out(tie(Period.SHOOT_OUT, home=teams[0], away=teams[1]))
        slow = by_kicks(scored[0], scored[1], number + 1, first)
        assert found == pytest.approx((slow, 1 - slow), abs=1e-12)
        assert (min(found) == 0) == (slow in (0.0, 1.0))
        if min(found) == 0:
            return


def test_a_shoot_out_begins_even_and_the_decided_tie_is_not_offered() -> None:
    assert shoot_out(tie(Period.SHOOT_OUT)) == pytest.approx((0.5, 0.5))
    for state, offered in (
        (tie(Period.SHOOT_OUT), True),
        (tie(Period.SHOOT_OUT, home=Team(shoot_out=3), away=Team(shoot_out_missed=3)), False),
        (tie(Period.FULL_TIME), True),
        (tie(Period.FULL_TIME, home=Team(first_half=1)), False),
        (tie(Period.EXTRA_SECOND, home=Team(extra_time=1)), True),
        (tie(Period.OVER, home=Team(shoot_out=4), away=Team(shoot_out=3)), False),
    ):
        assert list(price_book(PRIOR, state, 60, 0.05)) == [TIE] * offered
        assert price_book(PRIOR, msgspec.structs.replace(state, knockout=False), 60, 0.05) == {}


states = st.builds(
    FootballState,
    period=st.sampled_from([p for p in Period if p != Period.OVER]),
    home=st.builds(Team, first_half=st.integers(0, 3), red=st.integers(0, 2), shoot_out=st.integers(0, 5)),
    away=st.builds(Team, first_half=st.integers(0, 3), red=st.integers(0, 2), shoot_out=st.integers(0, 5)),
    penalty=st.sampled_from([None, "home", "away"]),
    knockout=st.just(True),
)


@settings(deadline=None)
@given(st.builds(Strengths, st.floats(0.2, 3.5), st.floats(0.2, 3.5), st.floats(-0.12, 0.05)), states,
       st.integers(0, 2_950))  # fmt: skip
def test_somebody_goes_through_and_the_house_keeps_its_share(
    strengths: Strengths, state: FootballState, clock_s: int
) -> None:
    home, away = goes_through(strengths, state, clock_s)
    assert home + away == pytest.approx(1, abs=1e-9)
    assert min(home, away) >= 0
    if not state.regular_over:
        result = probabilities(strengths, state, clock_s)[RESULT]
        assert home >= result[0] - 1e-9
        assert away >= result[2] - 1e-9
    for selection in price_book(strengths, state, clock_s, 0.05).get(TIE, ()):
        assert selection.price > 1000


def test_a_trader_overrules_the_price_of_a_tie_too() -> None:
    plain = price_book(EVEN, tie(), 0, 0.05)[TIE]
    assert plain[0].price == plain[1].price
    wider = price_book(EVEN, tie(), 0, 0.05, Controls(overround=((TIE.type, 0.2),)))[TIE]
    assert all(after.price < before.price for after, before in zip(wider, plain, strict=True))
    shifted = price_book(EVEN, tie(), 0, 0.05, Controls(factors=(("to_qualify/home", 1_500),)))[TIE]
    assert shifted[0].price > plain[0].price
    assert shifted[1].price < plain[1].price
    for state in (tie(), tie(Period.SHOOT_OUT)):
        fixed = price_book(EVEN, state, 0, 0.05, Controls(fixed=(("to_qualify/away", 3_000),)))[TIE]
        assert (fixed[1].price, fixed[0].price < plain[0].price) == (3_000, True)
