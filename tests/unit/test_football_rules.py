"""Football's rules as tables: what a result means for each market, and which incident may follow which."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matchday.model.bet import Leg, Outcome, Result, return_of
from matchday.model.football import (
    CATALOGUE,
    GOALS,
    OUTCOMES,
    FootballState,
    IncidentError,
    IncidentType,
    Period,
    Side,
    advance,
    decided,
    resolve,
)
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
    ("type_", "line", "outcome", "score", "result"),
    [
        ("1x2", None, "home", (2, 1), W),
        ("1x2", None, "draw", (2, 1), L),
        ("1x2", None, "draw", (1, 1), W),
        ("1x2", None, "away", (0, 3), W),
        ("both_teams_to_score", None, "yes", (1, 0), L),
        ("both_teams_to_score", None, "no", (1, 0), W),
        ("both_teams_to_score", None, "yes", (1, 2), W),
        ("total_goals", "2.5", "over", (2, 1), W),
        ("total_goals", "2.5", "under", (1, 1), W),
        ("total_goals", "2.0", "over", (1, 1), V),
        ("total_goals", "2.25", "over", (1, 1), HL),  # Over 2.25: two goals lose half
        ("total_goals", "2.25", "under", (1, 1), HW),
        ("total_goals", "2.75", "over", (2, 1), HW),  # Over 2.75: three goals win half
        ("total_goals", "2.75", "under", (2, 1), HL),
        ("asian_handicap", "-0.25", "home", (0, 0), HL),  # -0.25: a draw loses half
        ("asian_handicap", "-0.25", "away", (0, 0), HW),
        ("asian_handicap", "0.25", "home", (1, 1), HW),
        ("asian_handicap", "-0.75", "home", (1, 0), HW),  # -0.75: a win by one wins half
        ("asian_handicap", "0.75", "home", (0, 1), HL),
        ("asian_handicap", "-1.0", "home", (2, 1), V),
        ("asian_handicap", "-1.5", "home", (2, 1), L),
        ("asian_handicap", "-1.5", "away", (2, 1), W),
        ("asian_handicap", "0.0", "away", (1, 1), V),
    ],
)
def test_results(type_: str, line: str | None, outcome: str, score: tuple[int, int], result: Result) -> None:
    key = MarketKey(type_, None if line is None else parse_line(line))
    assert resolve(key, outcome, *score).result == result


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


goals = st.integers(0, 9)


@given(st.sampled_from(CATALOGUE), goals, goals)
def test_a_market_pays_its_sides_exactly_once(key: MarketKey, home: int, away: int) -> None:
    """At any score the winning and the returned shares of all outcomes add up to one stake on each side."""
    outcomes = [resolve(key, outcome, home, away) for outcome in OUTCOMES[key.type]]
    voids = {outcome.void_halves for outcome in outcomes}
    assert len(voids) == 1
    winners = [outcome for outcome in outcomes if outcome.result in (W, HW)]
    assert len(winners) == (0 if voids == {2} else 1)


@given(st.sampled_from(CATALOGUE), goals, goals, st.lists(st.tuples(goals, goals), max_size=4))
def test_what_is_decided_stays_decided(key: MarketKey, home: int, away: int, more: list[tuple[int, int]]) -> None:
    state = _at(home, away)
    for outcome in OUTCOMES[key.type]:
        now = decided(key, outcome, state)
        if now is not None:
            for h, a in more:
                assert resolve(key, outcome, home + h, away + a) == now


def _at(home: int, away: int) -> FootballState:
    state = advance(FootballState(), I.KICK_OFF, None, 0)
    for side, count in (("home", home), ("away", away)):
        for _ in range(count):
            state = advance(state, I.GOAL, side, 10)  # type: ignore[arg-type]
    return state


@pytest.mark.parametrize(
    ("score", "open_", "closed"),
    [
        ((0, 0), {"1x2", "both_teams_to_score", "total_goals@0.5", "asian_handicap@-2.0"}, set()),
        ((1, 0), {"1x2", "both_teams_to_score", "total_goals@1.0", "total_goals@0.75"}, {"total_goals@0.5"}),
        ((1, 1), {"1x2", "total_goals@1.75"}, {"both_teams_to_score", "total_goals@1.5", "total_goals@1.25"}),
    ],
)
def test_a_goal_decides_what_no_other_goal_can_change(
    score: tuple[int, int], open_: set[str], closed: set[str]
) -> None:
    names = {key.of("F").removeprefix("F:"): key for key in CATALOGUE}
    state = _at(*score)
    for name in open_ | closed:
        key = names[name]
        sides = [decided(key, outcome, state) for outcome in OUTCOMES[key.type]]
        assert all(side is None for side in sides) == (name in open_), name


def test_everything_is_decided_when_regular_time_is_over() -> None:
    state = _at(2, 1)
    for whistle in (I.HALF_TIME, I.SECOND_HALF, I.FULL_TIME):
        state = advance(state, whistle, None, 2700)
    assert all(decided(key, outcome, state) for key in CATALOGUE for outcome in OUTCOMES[key.type])


def test_extra_time_and_shoot_out_change_no_market() -> None:
    state = _at(1, 1)
    for whistle in (I.HALF_TIME, I.SECOND_HALF, I.FULL_TIME, I.EXTRA_TIME):
        state = advance(state, whistle, None, 0)
    state = advance(state, I.GOAL, "home", 60)
    assert state.score == (2, 1)
    assert state.regular_score == (1, 1)
    for whistle in (I.EXTRA_HALF_TIME, I.EXTRA_SECOND_HALF, I.EXTRA_FULL_TIME, I.SHOOT_OUT):
        state = advance(state, whistle, None, 0)
    state = advance(state, I.SHOOT_OUT_SCORED, "away", 0)
    assert (state.away.shoot_out, state.score) == (1, (2, 1))


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


def test_an_awarded_penalty_waits_until_it_is_taken() -> None:
    for taken, scored in ((I.PENALTY_SCORED, 1), (I.PENALTY_MISSED, 0)):
        state = advance(FootballState(period=Period.SECOND), I.PENALTY_AWARDED, "away", 600)
        assert state.penalty == "away"
        state = advance(state, taken, "away", 660)
        assert (state.penalty, state.away.goals) == (None, scored)


@given(st.integers(-40, 40))
def test_lines_survive_the_round_trip(line: int) -> None:
    assert parse_line(format_line(line)) == line


@given(st.sampled_from(CATALOGUE), st.data())
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
    ],
)
def test_what_is_no_selection_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a"):
        split_selection(text)


def test_a_closed_market_never_opens_again() -> None:
    assert not any(may_move(MarketStatus.CLOSED, after) for after in MarketStatus if after != MarketStatus.CLOSED)
    assert may_move(MarketStatus.SUSPENDED, MarketStatus.OPEN)
    assert not may_move(MarketStatus.OPEN, MarketStatus.INACTIVE)


def test_the_catalogue_has_enough_to_bet_on() -> None:
    assert sum(len(OUTCOMES[key.type]) for key in CATALOGUE) == 73
    assert set(get_args(Side)) == {"home", "away"}
