"""What follows a draw in a simulated cup tie: by the laws of the game, and as often as the prices expect."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matchday.feeds.simulated_match import KICKS_MAX, extra_time, regular_time, shoot_out, to_the_end
from matchday.model.football import FootballState, IncidentType, Period, Team, advance
from matchday.model.messages import Strengths

I = IncidentType  # noqa: E741 - as everywhere in tests
EVEN = Strengths(1.3, 1.3)
seeds = st.integers(0, 10**9).map(random.Random)


@given(seeds, st.booleans())
def test_a_tie_goes_on_until_somebody_has_won_and_another_match_does_not(chance: random.Random, knockout: bool) -> None:
    before = regular_time(EVEN, chance)
    said = to_the_end(before, EVEN, chance, knockout=knockout)
    assert said[: len(before)] == before
    assert [second for second, *_ in said] == sorted(second for second, *_ in said)
    state = FootballState(knockout=knockout)
    for _, type_, side, clock_s in said:
        state = advance(state, type_, side, clock_s)
    assert state.period == Period.OVER
    played_on = I.EXTRA_TIME in {type_ for _, type_, *_ in said}
    assert played_on == (knockout and state.home.regular == state.away.regular)
    assert state.leader is not None or not knockout


@given(seeds)
def test_a_shoot_out_ends_when_one_side_cannot_be_caught(chance: random.Random) -> None:
    kicks = shoot_out(chance)
    assert [side for _, _, side in kicks] == [("home", "away")[n % 2] for n in range(len(kicks))]
    assert 6 <= len(kicks) <= KICKS_MAX
    for count in range(1, len(kicks) + 1):
        home, away = (
            [type_ == I.SHOOT_OUT_SCORED for _, type_, by in kicks[:count] if by == side] for side in ("home", "away")
        )
        rounds = max(5, len(home), len(away))
        lead = sum(home) - sum(away)
        caught = -(rounds - len(home)) <= lead <= rounds - len(away)
        assert caught == (count < len(kicks))


def test_extra_time_has_a_third_of_the_goals_less_for_a_side_with_a_man_off() -> None:
    goals: Counter[tuple[int, str]] = Counter()
    for red in (0, 1):
        chance = random.Random(7)
        for _ in range(4_000):
            for half in extra_time(EVEN, FootballState(home=Team(red=red)), chance):
                goals.update((red, side) for _, _, side in half.moments)
                assert all(0 <= second <= half.length_s for second, *_ in half.moments)
    assert [goals[0, side] / 4_000 for side in ("home", "away")] == pytest.approx([1.3 / 3, 1.3 / 3], rel=0.06)
    assert goals[1, "home"] / 4_000 == pytest.approx(0.6 * 1.3 / 3, rel=0.08)
    assert goals[1, "away"] / 4_000 == pytest.approx(1.4 * 1.3 / 3, rel=0.06)


def test_a_shoot_out_favours_nobody_and_each_kick_is_a_penalty() -> None:
    chance = random.Random(1)
    won, scored, taken = 0, 0, 0
    for _ in range(4_000):
        kicks = shoot_out(chance)
        hits = [side for _, type_, side in kicks if type_ == I.SHOOT_OUT_SCORED]
        won += hits.count("home") > hits.count("away")
        scored, taken = scored + len(hits), taken + len(kicks)
    assert won / 4_000 == pytest.approx(0.5, abs=0.025)
    assert scored / taken == pytest.approx(0.76, abs=0.03)
