"""Football's rules as tables: what a result means for each market, and which incident may follow which."""

from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matchday.model.bet import Leg, Outcome, Result, return_of
from matchday.model.football import (
    GOALS,
    FootballState,
    IncidentError,
    IncidentType,
    Period,
    Side,
    Team,
    advance,
)
from matchday.model.football_markets import CATALOGUE, OUTCOMES, next_goal, tally
from matchday.model.market import (
    MarketKey,
    MarketStatus,
    format_line,
    may_move,
    parse_line,
    selection_id,
    split_selection,
)

I = IncidentType  # noqa: E741 - a table reads better with a short name
W, L, V, HW, HL = Result.WON, Result.LOST, Result.VOID, Result.HALF_WON, Result.HALF_LOST


@pytest.mark.parametrize(
    ("result", "price", "returned"),
    [
        (Outcome(W), 2050, 2050),
        (Outcome(L), 2050, 0),
        (Outcome(V, void_halves=2), 2050, 1000),
        (Outcome(HW, void_halves=1), 2050, 1525),  # 0.5 + 0.5 * 2.05
        (Outcome(HL, void_halves=1), 2050, 500),
        (Outcome(W, dead_heat=(1, 3)), 6000, 2000),  # a third of the stake at the full price
        (Outcome(W), 1001, 1001),
    ],
)
def test_what_ten_pounds_return(result: Outcome, price: int, returned: int) -> None:
    assert return_of(1000, (Leg("f", "m", "s", price, 0),), (result,)) == returned


def test_returns_are_rounded_down_once() -> None:
    legs = (Leg("f", "m", "s", 1333, 0), Leg("g", "m", "t", 1333, 0))
    assert return_of(101, legs, (Outcome(W), Outcome(W))) == 179  # 179.466; rounding each leg down would give 178


def test_extra_time_and_shoot_out_change_no_market() -> None:
    state = FootballState(period=Period.FIRST)
    for side in get_args(Side):
        state = advance(state, I.GOAL, side, 10)
    regular = tally(state)._replace(half_over=True, over=True)
    for whistle in (I.HALF_TIME, I.SECOND_HALF, I.FULL_TIME, I.EXTRA_TIME):
        state = advance(state, whistle, None, 0)
    state = advance(state, I.GOAL, "home", 60)
    assert state.score == (2, 1)
    assert state.regular_score == (1, 1)
    for type_ in (I.CORNER, I.YELLOW_CARD, I.SECOND_YELLOW_CARD, I.RED_CARD):
        state = advance(state, type_, "away", 70)
    assert (state.away.corners, state.away.yellow, state.away.red) == (1, 1, 2)
    assert tally(state)[:-2] == regular[:-2]
    for whistle in (I.EXTRA_HALF_TIME, I.EXTRA_SECOND_HALF, I.EXTRA_FULL_TIME, I.SHOOT_OUT):
        state = advance(state, whistle, None, 0)
    for type_ in (I.SHOOT_OUT_SCORED, I.SHOOT_OUT_MISSED):
        state = advance(state, type_, "away", 0)
    assert (state.away.shoot_out, state.away.shoot_out_missed, state.score) == (1, 1, (2, 1))
    assert tally(state)[:-2] == regular[:-2]


LEVEL, AHEAD = Team(second_half=1), Team(second_half=1, extra_time=1)
# Period, home, away -> who leads, and whether all is over: of a knock-out match, of another.
TIES = [
    (Period.SECOND, AHEAD, LEVEL, "home", False, False),
    (Period.FULL_TIME, Team(first_half=2), LEVEL, "home", True, True),
    (Period.FULL_TIME, LEVEL, LEVEL, None, False, True),
    (Period.EXTRA_FIRST, AHEAD, LEVEL, "home", False, False),
    (Period.EXTRA_FULL_TIME, LEVEL, AHEAD, "away", True, True),
    (Period.EXTRA_FULL_TIME, AHEAD, AHEAD, None, False, True),
    (Period.SHOOT_OUT, Team(shoot_out=2), Team(shoot_out=3), "away", False, False),
    (Period.OVER, Team(first_half=1, shoot_out=4), Team(extra_time=1, shoot_out=3), "home", True, True),
    (Period.OVER, LEVEL, LEVEL, None, True, True),
]


@pytest.mark.parametrize(("period", "home", "away", "leader", "knockout_over", "over"), TIES)
def test_only_a_draw_of_a_knock_out_match_is_played_on(
    period: Period, home: Team, away: Team, leader: Side | None, knockout_over: bool, over: bool
) -> None:
    tie = FootballState(period=period, home=home, away=away, knockout=True)
    assert (tie.leader, tie.all_over) == (leader, knockout_over)
    assert msgspec.structs.replace(tie, knockout=False).all_over == over


PLAY = {Period.FIRST, Period.SECOND, Period.EXTRA_FIRST, Period.EXTRA_SECOND}


@pytest.mark.parametrize("period", list(Period))
@pytest.mark.parametrize("type_", sorted(GOALS | {I.CORNER, I.PENALTY_AWARDED}))
def test_goals_and_corners_need_play(period: Period, type_: IncidentType) -> None:
    state = FootballState(period=period)
    if period in PLAY:
        assert advance(state, type_, "home", 5) != state
    else:
        with pytest.raises(IncidentError):
            advance(state, type_, "home", 5)


@pytest.mark.parametrize("type_", [I.GOAL, I.CORNER, I.RED_CARD])
def test_what_a_side_does_needs_a_side(type_: IncidentType) -> None:
    with pytest.raises(IncidentError, match="needs a side"):
        advance(FootballState(period=Period.FIRST), type_, None, 5)


@pytest.mark.parametrize("type_", [I.SECOND_HALF, I.FULL_TIME, I.EXTRA_TIME, I.SHOOT_OUT, I.OVER])
def test_a_match_cannot_begin_in_the_middle(type_: IncidentType) -> None:
    with pytest.raises(IncidentError, match="cannot follow"):
        advance(FootballState(), type_, None, 0)


def test_a_state_from_before_late_counts_and_the_order_of_goals_is_read() -> None:
    old = b'{"period":"2H","clock_s":60,"home":[1,0,0,0,2,1,4],"away":[0,0,0,0,0,0,3],"penalty":null}'
    state = msgspec.json.decode(old, type=FootballState)
    assert state.home == Team(first_half=1, yellow=2, red=1, corners=4)
    assert tally(state)[2:5] == ((), 7, 3)


def test_the_order_of_goals_is_kept() -> None:
    state = FootballState(period=Period.FIRST)
    for type_, side in ((I.GOAL, "away"), (I.OWN_GOAL, "home"), (I.PENALTY_SCORED, "away")):
        state = advance(state, type_, side, 10)  # type: ignore[arg-type]
    assert state.order == ("away", "home", "away")


def test_an_awarded_penalty_waits_until_it_is_taken() -> None:
    for taken, scored in ((I.PENALTY_SCORED, 1), (I.PENALTY_MISSED, 0)):
        state = advance(FootballState(period=Period.SECOND), I.PENALTY_AWARDED, "away", 600)
        assert state.penalty == "away"
        state = advance(state, taken, "away", 660)
        assert (state.penalty, state.away.goals) == (None, scored)


@given(st.integers(-40, 40))
def test_lines_survive_the_round_trip(line: int) -> None:
    assert parse_line(format_line(line)) == line


@given(st.sampled_from((*CATALOGUE, next_goal(0), next_goal(11))), st.data())
def test_selections_survive_the_round_trip(key: MarketKey, data: st.DataObject) -> None:
    outcome = data.draw(st.sampled_from(OUTCOMES[key.type]))
    selection = selection_id(key.of("wyscout-2058017@17"), outcome)
    assert split_selection(selection) == ("wyscout-2058017@17", key, outcome)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "F",
        "F:1x2",
        "F:1x2/",
        ":1x2/home",
        "F:total_goals@2.3/over",
        "F:total_goals@/over/",
        "F:total_goals@2.50/over",
        "F:total_goals@02.5/over",
        "F:asian_handicap@-0.0/home",
        "F:total_goals@3/over",
        "F:next_goal@3.0/home",
        "F:next_goal@03/home",
        "F:next_goal@3.5/home",
        "F:next_goal@-1/home",
    ],
)
def test_what_is_no_selection_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a|whole number, not"):
        split_selection(text)


def test_a_closed_market_never_opens_again() -> None:
    assert not any(may_move(MarketStatus.CLOSED, after) for after in MarketStatus if after != MarketStatus.CLOSED)
    assert may_move(MarketStatus.SUSPENDED, MarketStatus.OPEN)
    assert not may_move(MarketStatus.OPEN, MarketStatus.INACTIVE)


def test_there_are_two_sides() -> None:
    assert set(get_args(Side)) == {"home", "away"}
