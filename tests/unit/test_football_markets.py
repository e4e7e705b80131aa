"""Football's markets as a table a trader can read, and what must hold of every market in every match."""

import time

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matchday.model.bet import Outcome, Result
from matchday.model.football import FootballState, IncidentType, Period, Side, Team, advance
from matchday.model.football_markets import (
    CATALOGUE,
    KINDS,
    KNOCKOUT,
    OUTCOMES,
    TOUCHED,
    Tally,
    decided,
    decisions,
    next_goal,
    resolve,
    tally,
)
from matchday.model.market import MarketKey, split_selection

I = IncidentType  # noqa: E741 - a table reads better with a short name
SIDES: tuple[Side, Side] = ("home", "away")
W, L, V, HW, HL = Result.WON, Result.LOST, Result.VOID, Result.HALF_WON, Result.HALF_LOST

# The scores at half-time and at the end, and the selections of a market that then win; the others lose, unless a result
# is named.
RESULTS = """
1-0 2-1 | 1x2: home
0-0 1-1 | 1x2: draw
0-1 0-3 | 1x2: away
1-0 2-1 | double_chance: 1x 12
0-0 1-1 | double_chance: 1x x2
0-1 0-3 | double_chance: 12 x2
1-0 2-1 | draw_no_bet: home
0-0 1-1 | draw_no_bet: home=void away=void
0-1 0-3 | draw_no_bet: away
1-0 1-0 | both_teams_to_score: no
0-0 1-2 | both_teams_to_score: yes
0-0 0-0 | odd_even: even
1-0 2-1 | odd_even: odd
0-0 0-0 | correct_score: 0-0
2-1 4-4 | correct_score: 4-4
2-1 5-0 | correct_score: other_home
2-1 5-5 | correct_score: other_draw
2-1 3-5 | correct_score: other_away
1-0 2-1 | total_goals@2.5: over
1-0 1-1 | total_goals@2.5: under
1-0 1-1 | total_goals@2.0: over=void under=void
1-0 1-1 | total_goals@2.25: over=half_lost under=half_won
1-0 2-1 | total_goals@2.75: over=half_won under=half_lost
1-0 3-2 | total_goals@5.25: over=half_lost under=half_won
1-0 2-1 | team_total_home@1.5: over
1-0 2-1 | team_total_away@1.5: under
0-0 0-0 | asian_handicap@-0.25: home=half_lost away=half_won
0-0 1-1 | asian_handicap@0.25: home=half_won away=half_lost
0-0 1-0 | asian_handicap@-0.75: home=half_won away=half_lost
0-0 0-1 | asian_handicap@0.75: home=half_lost away=half_won
0-0 2-1 | asian_handicap@-1.0: home=void away=void
0-0 2-1 | asian_handicap@-1.5: away
0-0 0-3 | asian_handicap@3.0: home=void away=void
0-0 4-0 | asian_handicap@-3.0: home
1-0 1-2 | half_time_result: home
1-1 1-2 | half_time_result: draw
1-0 1-2 | first_half_goals@0.5: over
1-0 1-2 | first_half_goals@1.5: under
1-0 1-2 | first_half_both_teams_to_score: no
1-1 1-2 | first_half_both_teams_to_score: yes
1-0 1-2 | half_time_full_time: home-away
0-0 0-0 | half_time_full_time: draw-draw
0-1 0-2 | half_time_full_time: away-away
""".strip().splitlines()

COUNTED = [
    ("total_corners@9.5", Tally((0, 0), (0, 0), corners=10), {"over": W, "under": L}),
    ("total_corners@9.5", Tally((0, 0), (0, 0), corners=9), {"over": L, "under": W}),
    ("total_cards@3.5", Tally((0, 0), (0, 0), cards=4), {"over": W, "under": L}),
    ("next_goal@1", Tally((0, 0), (0, 0)), {"home": L, "none": W, "away": L}),
    ("next_goal@2", Tally((0, 0), (1, 1), ("home", "away")), {"home": L, "none": L, "away": W}),
    ("next_goal@3", Tally((0, 0), (1, 1), ("home", "away")), {"home": L, "none": W, "away": L}),
    ("next_goal@1", Tally((0, 0), (1, 1), ("away",)), {"home": V, "none": V, "away": V}),  # nobody kept who it was
    ("next_goal@2", Tally((0, 0), (1, 1), ("away",)), {"home": L, "none": L, "away": W}),
    ("to_qualify", Tally((0, 0), (1, 1), through="away"), {"home": L, "away": W}),  # level at 90, lost in extra time
    ("to_qualify", Tally((0, 0), (2, 1), through="home"), {"home": W, "away": L}),
    ("to_qualify", Tally((0, 0), (1, 1)), {"home": V, "away": V}),  # ended without a winner
]


def key_of(name: str) -> MarketKey:
    return split_selection(f"F:{name}/x")[1]


def score_of(text: str) -> tuple[int, int]:
    home, away = text.split("-")
    return int(home), int(away)


@pytest.mark.parametrize("row", RESULTS)
def test_results(row: str) -> None:
    scores, _, question = row.partition(" | ")
    half, full = map(score_of, scores.split())
    name, _, winners = question.partition(": ")
    told = {outcome: result or "won" for outcome, _, result in (word.partition("=") for word in winners.split())}
    key = key_of(name)
    for outcome in OUTCOMES[key.type]:
        assert resolve(key, outcome, Tally(half, full)).result == told.get(outcome, "lost"), outcome


@pytest.mark.parametrize(("name", "at", "results"), COUNTED)
def test_results_of_what_is_counted(name: str, at: Tally, results: dict[str, Result]) -> None:
    key = key_of(name)
    assert {outcome: resolve(key, outcome, at).result for outcome in OUTCOMES[key.type]} == results


def test_every_market_is_in_a_table() -> None:
    named = {row.partition(" | ")[2].partition(":")[0].partition("@")[0] for row in RESULTS}
    assert named | {name.partition("@")[0] for name, *_ in COUNTED} == set(KINDS)
    with pytest.raises(ValueError, match="not a football market"):
        resolve(MarketKey("first_throw_in"), "home", Tally((0, 0), (0, 0)))


def test_a_second_yellow_counts_once() -> None:
    """Yellow, second yellow: two cards. Yellow, red: two. A card at half-time counts."""
    state = FootballState(period=Period.FIRST)
    for type_, cards in ((I.YELLOW_CARD, 1), (I.SECOND_YELLOW_CARD, 2), (I.YELLOW_CARD, 3), (I.RED_CARD, 4)):
        state = advance(state, type_, "home", 60)
        assert tally(state).cards == cards
    state = advance(advance(state, I.HALF_TIME, None, 2700), I.YELLOW_CARD, "away", 0)
    assert tally(state).cards == 5
    for whistle in (I.SECOND_HALF, I.FULL_TIME):
        state = advance(state, whistle, None, 2700)
    assert tally(advance(state, I.RED_CARD, "away", 0)).cards == 5


# What an incident decides: the story so far, then the markets of which it decides something, and what.
STORIES: list[tuple[str, dict[str, str]]] = [
    ("", {}),
    ("home", {"correct_score": "0-0 0-1 0-2 0-3 0-4", "total_goals@0.5": "over under", "team_total_home@0.5":
              "over under", "first_half_goals@0.5": "over under", "next_goal@1": "home none away"}),
    ("home away", {"both_teams_to_score": "yes no", "total_goals@1.5": "over under", "next_goal@2": "home none away"}),
    ("home HT", {"half_time_result": "home draw away", "first_half_goals@2.5": "over under",
                 "first_half_both_teams_to_score": "yes no", "half_time_full_time":
                 "draw-home draw-draw draw-away away-home away-draw away-away"}),
    ("home HT away", {"correct_score": "0-0 0-1 0-2 0-3 0-4 1-0 2-0 3-0 4-0"}),
    ("corner " * 7, {"total_corners@6.5": "over under"}),
    ("yellow yellow", {"total_cards@1.5": "over under"}),
    ("home HT home FT", {"to_qualify": "home away"}),
    ("home HT away FT", {"to_qualify": ""}),
    ("home HT away FT ET home", {"to_qualify": ""}),
    ("home HT away FT ET home EFT", {"to_qualify": "home away"}),
    ("home HT away FT ET EFT P scored", {"to_qualify": ""}),
    ("home HT away FT ET EFT P scored OVER", {"to_qualify": "home away"}),
]  # fmt: skip

WHISTLES = {
    "HT": (I.HALF_TIME, I.SECOND_HALF), "FT": (I.FULL_TIME,), "P": (I.SHOOT_OUT,), "OVER": (I.OVER,),
    "ET": (I.EXTRA_TIME, I.EXTRA_HALF_TIME, I.EXTRA_SECOND_HALF), "EFT": (I.EXTRA_FULL_TIME,),
}  # fmt: skip
WORDS = {"corner": I.CORNER, "yellow": I.YELLOW_CARD, "scored": I.SHOOT_OUT_SCORED}


def play(story: str) -> FootballState:
    """A knock-out match so far: goals by their side; corners, cards and kicks are the home side's."""
    state = advance(FootballState(knockout=True), I.KICK_OFF, None, 0)
    for word in story.split():
        for whistle in WHISTLES.get(word, ()):
            state = advance(state, whistle, None, 2700)
        if word in SIDES:
            state = advance(state, I.GOAL, word, 10)
        elif word in WORDS:
            state = advance(state, WORDS[word], "home", 10)
    return state


@pytest.mark.parametrize(("story", "expected"), STORIES)
def test_an_incident_decides_what_no_other_can_change(story: str, expected: dict[str, str]) -> None:
    found: dict[str, list[str]] = {}
    for name, outcome in decisions(play(story)).items():
        if outcome is not None:
            found.setdefault(name.partition("/")[0], []).append(name.partition("/")[2])
    assert {name: " ".join(found.get(name, [])) for name in expected} == expected
    never = {"1x2", "double_chance", "draw_no_bet", "odd_even", "asian_handicap@-3.0", "asian_handicap@3.0"}
    assert "FT" in story.split() or not found.keys() & never


def test_a_line_just_passed_is_decided_and_the_next_quarter_is_not() -> None:
    found = decisions(play("home"))
    assert [found[f"total_goals@{line}/over"] is not None for line in ("0.5", "0.75", "1.0")] == [True, False, False]


goals = st.integers(0, 4)


@st.composite
def matches(draw: st.DrawFn) -> list[FootballState]:
    """Every state of a whole match."""
    state = advance(FootballState(), I.KICK_OFF, None, 0)
    states = [FootballState(), state]
    kinds = st.sampled_from([I.GOAL, I.OWN_GOAL, I.CORNER, I.CORNER, I.YELLOW_CARD, I.RED_CARD, I.SECOND_YELLOW_CARD])
    happened = st.lists(st.tuples(kinds, st.sampled_from(["home", "away"])), max_size=14)
    for whistle in (I.HALF_TIME, I.FULL_TIME):
        for type_, side in draw(happened):
            state = advance(state, type_, side, 10)  # type: ignore[arg-type]
            states.append(state)
        state = advance(state, whistle, None, 2700)
        states.append(state)
        if whistle == I.HALF_TIME:
            state = advance(state, I.SECOND_HALF, None, 0)
    return states


@settings(deadline=None, max_examples=60)
@given(matches())
def test_what_is_decided_is_what_it_comes_to(states: list[FootballState]) -> None:
    """However the match goes on; and at the end everything is decided."""
    final = tally(states[-1])
    last = decisions(states[-1])
    assert None not in last.values()
    before: dict[str, Outcome | None] = {}
    for state in states:
        found = decisions(state)
        for name, outcome in found.items():
            assert outcome in (None, last[name]), name
            assert before.get(name) in (None, outcome), name
        before = found
    for name, outcome in last.items():
        key, selection = key_of(name.partition("/")[0]), name.partition("/")[2]
        assert outcome == decided(key, selection, final) == resolve(key, selection, final)


@settings(deadline=None, max_examples=40)
@given(matches())
def test_nothing_is_left_open_that_the_future_cannot_change(states: list[FootballState]) -> None:
    """The closed forms against brute force: what is undecided does come to two different results."""
    state = states[len(states) // 2]
    if state.regular_over:
        return
    endings = [tally(ending) for ending in _endings(state)]
    for name in (name for name, outcome in decisions(state).items() if outcome is None):
        key, selection = key_of(name.partition("/")[0]), name.partition("/")[2]
        assert len({resolve(key, selection, at) for at in endings}) > 1, name


def _endings(state: FootballState) -> list[FootballState]:
    """Ways to go on that tell markets apart: a few goals, each result at half-time and at the end, big wins."""
    lead = state.home.regular - state.away.regular
    level = (max(0, -lead), max(0, lead))
    turns = [(level[0] + h, level[1] + a) for h, a in ((0, 0), (1, 0), (0, 1))]
    ways = [((h, a), (0, 0)) for h in range(5) for a in range(5)]
    ways += [
        (turn, (x + y, z)) for turn in turns for x, y, z in ((0, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (0, 0, 2))
    ]
    ways += [((0, 0), far) for far in ((20, 0), (0, 20), (level[0] + 5, level[1] + 5))]
    return [_end(state, *way, first, more) for way in ways for first, more in (("home", 0), ("away", 15))]


def _end(state: FootballState, now: tuple[int, int], later: tuple[int, int], first: str, more: int) -> FootballState:
    """The match over, with goals now and in the second half, ``first``'s first, and more corners and cards."""
    teams: dict[str, Team] = {}
    for name, team, soon, then in zip(SIDES, (state.home, state.away), now, later, strict=True):
        half = 0 if state.first_half_over else soon
        scored = Team(team.first_half + half, team.second_half + soon - half + then)
        teams[name] = msgspec.structs.replace(scored, yellow=team.yellow + more, corners=team.corners + more)
    goals: dict[str, int] = {"home": now[0] + later[0], "away": now[1] + later[1]}
    order = [side for side in sorted(SIDES, key=lambda side: side != first) for _ in range(goals[side])]
    return FootballState(Period.FULL_TIME, 0, teams["home"], teams["away"], order=(*state.order, *order))


@given(
    st.sampled_from((*CATALOGUE, *KNOCKOUT, next_goal(0), next_goal(3))), goals, goals, goals, goals, st.integers(0, 20)
)
def test_a_market_pays_its_winners_exactly(key: MarketKey, h1: int, a1: int, h2: int, a2: int, count: int) -> None:
    """At any end one outcome wins (two of a double chance), or every stake comes back, in whole or half, to all."""
    order = tuple(side for side, count in zip(SIDES, (h1 + h2, a1 + a2), strict=True) for _ in range(count))
    through: tuple[Side | None, ...] = ("home", None, "away")
    at = Tally((h1, a1), (h1 + h2, a1 + a2), order, count, count, True, True, through[count % 3], True)
    outcomes = [resolve(key, outcome, at) for outcome in OUTCOMES[key.type]]
    voids = {outcome.void_halves for outcome in outcomes}
    assert len(voids) == 1
    winners = [outcome for outcome in outcomes if outcome.result in (W, HW)]
    assert len(winners) == (0 if voids == {2} else KINDS[key.type].winners)


def test_the_catalogue_has_enough_to_bet_on() -> None:
    assert len({key.of("F") for key in CATALOGUE}) == len(CATALOGUE) == 80
    assert len(decisions(FootballState())) == 199
    assert decisions(FootballState(knockout=True)).keys() - decisions(FootballState()) == {
        "to_qualify/home", "to_qualify/away",
    }  # fmt: skip


def test_incidents_name_the_markets_they_touch() -> None:
    assert {type_: set(touched) for type_, touched in TOUCHED.items()} == {
        I.CORNER: {"total_corners"}, I.YELLOW_CARD: {"total_cards"}, I.RED_CARD: {"total_cards"},
        I.SECOND_YELLOW_CARD: {"total_cards"},
    }  # fmt: skip


def test_the_whole_book_is_decided_in_a_moment() -> None:
    """Under a millisecond an incident (85 us here); the best of many, so that a busy machine does not fail it."""
    state = play("home away HT home corner yellow")
    times = []
    for _ in range(50):
        began = time.perf_counter()
        decisions(state)
        times.append(time.perf_counter() - began)
    assert min(times) < 0.001
