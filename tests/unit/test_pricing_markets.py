"""The whole book against a slow enumeration of every way the match can end, and against itself."""

from itertools import product
from math import exp, factorial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matchday.model.bet import Result
from matchday.model.football import FootballState, Period, Side, Team
from matchday.model.football_markets import OUTCOMES, Tally, next_goal, resolve, tally
from matchday.model.market import MarketKey
from matchday.model.messages import Strengths
from matchday.pricing.calibrate import PRIOR
from matchday.pricing.football import price_book, probabilities
from matchday.pricing.to_come import (
    CARDS,
    CARDS_MEAN,
    CORNERS,
    CORNERS_MEAN,
    COUNT_MAX,
    GOALS_MAX,
    PENALTY_SCORED,
    RED_OTHER,
    RED_OWN,
    share_to_come,
)

Fair = dict[MarketKey, tuple[float, ...]]
UNEVEN = Strengths(2.3, 0.7, -0.11)
AHEAD = Team(first_half=2)
STATES = [
    (PRIOR, FootballState(), 0),
    (UNEVEN, FootballState(period=Period.FIRST, away=Team(first_half=1, red=1, yellow=2, corners=3)), 1500),
    (PRIOR, FootballState(period=Period.FIRST, home=AHEAD, penalty="away", order=("home", "home")), 2_800),
    (UNEVEN, FootballState(period=Period.HALF_TIME, home=AHEAD, away=Team(first_half=2, corners=12)), 0),
    (PRIOR, FootballState(period=Period.SECOND, home=AHEAD, away=Team(second_half=1, red=1), penalty="home"), 2_500),
]


def poisson(rate: float, count: int) -> float:
    return exp(-rate) * rate**count / factorial(count)


def futures(strengths: Strengths, state: FootballState, clock_s: int) -> list[tuple[float, Tally]]:
    """Every way in which goals may still fall, and how likely: by half, and by who gets the next one."""
    share = share_to_come(state.period, clock_s)
    second = min(share, share_to_come(Period.HALF_TIME, 0)) if not state.first_half_over else share
    first = share - second
    off = state.home.red, state.away.red
    home = strengths.home_rate * RED_OWN ** off[0] * RED_OTHER ** off[1]
    away = strengths.away_rate * RED_OWN ** off[1] * RED_OTHER ** off[0]
    rho, at, found = strengths.rho * share, tally(state), []
    all_home, all_away = home * share, away * share
    low = {
        (0, 0): 1 - all_home * all_away * rho,
        (0, 1): 1 + all_home * rho,
        (1, 0): 1 + all_away * rho,
        (1, 1): 1 - rho,
    }
    for h1, a1, h2, a2 in product(range(GOALS_MAX + 1), repeat=4):
        more = (h1 + h2, a1 + a2)
        if max(more) > GOALS_MAX or (first == 0 and h1 + a1 > 0):
            continue
        weight = poisson(home * first, h1) * poisson(home * second, h2) * poisson(away * first, a1)
        weight *= poisson(away * second, a2) * low.get(more, 1.0)
        half = (at.half[0] + h1, at.half[1] + a1)
        found.append((weight, more, at._replace(half=half, full=(at.full[0] + more[0], at.full[1] + more[1]))))
    whole = sum(weight for weight, *_ in found)
    orders: list[tuple[float, Tally]] = []
    for weight, (h, a), end in found:
        sides: list[tuple[Side, int]] = [("home", h), ("away", a)]
        for side, count in sides:
            if count:
                orders.append((weight / whole * count / (h + a), end._replace(order=(*at.order, *[side] * (h + a)))))
        if h + a == 0:
            orders.append((weight / whole, end))
    return orders


def enumerated(strengths: Strengths, state: FootballState, clock_s: int) -> Fair:
    """Fair probabilities the slow way: for each selection, what wins of what is not returned."""
    ends = futures(strengths, state, clock_s)
    counts: dict[str, list[tuple[float, Tally]]] = {}
    for name, mean, course, now in (("total_corners", CORNERS_MEAN, CORNERS, tally(state).corners),
                                    ("total_cards", CARDS_MEAN, CARDS, tally(state).cards)):  # fmt: skip
        rate = mean * share_to_come(state.period, clock_s, course)
        chances = [poisson(rate, n) for n in range(COUNT_MAX + 1)]
        counts[name] = [
            (chance / sum(chances), Tally((0, 0), (0, 0), (), now + n, now + n)) for n, chance in enumerate(chances)
        ]
    return {key: _of(key, counts.get(key.type, ends)) for key in probabilities(strengths, state, clock_s)}


def _of(key: MarketKey, ends: list[tuple[float, Tally]]) -> tuple[float, ...]:
    known: dict[Tally, list[float]] = {}
    won, void = [0.0] * len(OUTCOMES[key.type]), 0.0
    for weight, end in ends:
        at = end if key.type == "next_goal" else end._replace(order=())
        if at not in known:
            results = [resolve(key, outcome, at) for outcome in OUTCOMES[key.type]]
            known[at] = [r.result in (Result.WON, Result.HALF_WON) and 1 - r.void_halves / 2 for r in results]
            known[at].append(results[0].void_halves / 2)
        for place, share in enumerate(known[at][:-1]):
            won[place] += weight * share
        void += weight * known[at][-1]
    return tuple(share / (1 - void) for share in won)


@pytest.mark.parametrize(("strengths", "state", "clock_s"), [given_ for given_ in STATES if not given_[1].penalty])
def test_the_book_is_what_enumerating_every_ending_gives(
    strengths: Strengths, state: FootballState, clock_s: int
) -> None:
    found = probabilities(strengths, state, clock_s)
    assert len(found) == 81
    for key, slow in enumerated(strengths, state, clock_s).items():
        if not (state.first_half_over and key.type in HALF):
            assert found[key] == pytest.approx(slow, abs=1e-9), key


HALF = {"half_time_result", "first_half_goals", "first_half_both_teams_to_score"}
WITHOUT_RETURN = ["1x2", "correct_score", "half_time_full_time", "double_chance", "both_teams_to_score", "odd_even"]


@pytest.mark.parametrize(("strengths", "state", "clock_s"), [given_ for given_ in STATES if given_[1].penalty])
def test_a_penalty_mixes_the_books_of_scored_and_missed(
    strengths: Strengths, state: FootballState, clock_s: int
) -> None:
    side = state.penalty
    assert side is not None
    replace = {name: getattr(state, name) for name in ("period", "home", "away", "order")}
    missed = FootballState(**replace)
    team = replace[side]
    field = "first_half" if state.period == Period.FIRST else "second_half"
    goals = {name: getattr(team, name) + (name == field) for name in ("first_half", "second_half")}
    scored = FootballState(**(replace | {side: Team(**goals, red=team.red)}))
    mixed, missed_, scored_ = (probabilities(strengths, each, clock_s) for each in (state, missed, scored))
    for kind in (*WITHOUT_RETURN, "half_time_result"):
        key = MarketKey(kind)
        mean = [PENALTY_SCORED * s + (1 - PENALTY_SCORED) * m for s, m in zip(scored_[key], missed_[key], strict=True)]
        assert mixed[key] == pytest.approx(mean, abs=1e-12)
    number = next_goal(sum(state.regular_score))
    assert mixed[number][0 if side == "home" else 2] > PENALTY_SCORED


rates = st.floats(0.2, 3.5)
given_strengths = st.builds(Strengths, rates, rates, st.floats(-0.12, 0.05))
given_states = st.builds(
    FootballState,
    period=st.sampled_from([Period.PRE, Period.FIRST, Period.HALF_TIME, Period.SECOND]),
    home=st.builds(Team, first_half=st.integers(0, 3), red=st.integers(0, 2)),
    away=st.builds(Team, first_half=st.integers(0, 3), red=st.integers(0, 2)),
    penalty=st.sampled_from([None, "home", "away"]),
)


@settings(deadline=None)
@given(given_strengths, given_states, st.integers(0, 2_950))
def test_markets_agree_with_each_other(strengths: Strengths, state: FootballState, clock_s: int) -> None:
    found = probabilities(strengths, state, clock_s)

    def of(kind: str, line: float | None = None) -> tuple[float, ...]:
        return found[MarketKey(kind, None if line is None else int(4 * line))]

    home, draw, away = of("1x2")
    assert of("double_chance") == pytest.approx((home + draw, home + away, draw + away), abs=1e-9)
    if home + away > 1e-6:
        assert of("draw_no_bet")[0] == pytest.approx(home / (home + away), abs=1e-9) == of("asian_handicap", 0)[0]
    assert of("asian_handicap", -0.5)[0] == pytest.approx(home, abs=1e-9)
    scores = dict(zip(OUTCOMES["correct_score"], of("correct_score"), strict=True))
    assert scores["other_draw"] + sum(scores[f"{n}-{n}"] for n in range(5)) == pytest.approx(draw, abs=1e-9)
    under = sum(p for name, p in scores.items() if name[0].isdigit() and int(name[0]) + int(name[2]) < 3)
    assert of("total_goals", 2.5)[1] == pytest.approx(under, abs=1e-9)
    both = of("half_time_full_time")
    assert [sum(both[n::3]) for n in range(3)] == pytest.approx((home, draw, away), abs=1e-9)
    if not state.first_half_over:
        assert [sum(both[3 * n : 3 * n + 3]) for n in range(3)] == pytest.approx(of("half_time_result"), abs=1e-9)
    stays = scores.get(f"{state.home.regular}-{state.away.regular}", 0.0)
    assert found[next_goal(sum(state.regular_score))][1] == pytest.approx(stays, abs=1e-9)  # no goal more


def test_the_next_goal_goes_by_the_rates_that_are_left() -> None:
    """Without dependence it is the race of two Poisson processes."""
    home, none, away = probabilities(Strengths(1.8, 0.9), FootballState(period=Period.SECOND), 600)[next_goal(0)]
    assert home / away == pytest.approx(2, abs=1e-4)
    assert none == pytest.approx(exp(-2.7 * share_to_come(Period.SECOND, 600)), abs=1e-6)


def test_goals_of_the_first_half_are_binomial_among_all() -> None:
    """The half's own total before kick-off is Poisson with its share of the rates, but for the grid's edge."""
    found = probabilities(Strengths(1.4, 1.1), FootballState(), 0)
    mean = 2.5 * (1 - share_to_come(Period.HALF_TIME, 0))
    assert found[MarketKey("first_half_goals", 6)][1] == pytest.approx(exp(-mean) * (1 + mean), abs=1e-5)


def test_a_selection_that_cannot_win_is_taken_off_its_market() -> None:
    state = FootballState(period=Period.SECOND, home=Team(first_half=1), away=Team(second_half=2))
    quote = price_book(PRIOR, state, 600, 0.05)
    scores = [selection.outcome for selection in quote[MarketKey("correct_score")]]
    assert scores == ["1-2", "1-3", "1-4", "2-2", "2-3", "2-4", "3-2", "3-3", "3-4", "4-2", "4-3", "4-4",
                      "other_home", "other_draw", "other_away"]  # fmt: skip
    assert [s.outcome for s in quote[MarketKey("half_time_full_time")]] == ["home-home", "home-draw", "home-away"]
    assert not {key.type for key in quote} & (HALF | {"both_teams_to_score"})
    assert [key.name for key in quote if key.type == "next_goal"] == ["next_goal@4"]
    assert price_book(PRIOR, FootballState(period=Period.FULL_TIME), 0, 0.05) == {}
