"""Prices: identities that must hold, whatever the match, and what the field has measured."""

import csv
import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matchday.feeds.prices import PricesError, PriceTable, same_team
from matchday.model.football import FootballState, Period, Team
from matchday.model.football_markets import KINDS, OUTCOMES
from matchday.model.market import MarketKey
from matchday.model.messages import Strengths
from matchday.model.price import UNIT
from matchday.pricing.calibrate import PRIOR, strengths_from_prices
from matchday.pricing.football import price_book, probabilities
from matchday.pricing.overround import with_overround, without_overround
from matchday.pricing.to_come import CARDS, CORNERS, GOALS, Course, share_to_come

SHARED = Path(__file__).parents[3] / "shared" / "data"
ODDS = SHARED / "football-odds" / "sports-betting-mit"
CUPS = SHARED / "fixtures-openfootball" / "worldcup.json"
RESULT = MarketKey("1x2")

rates = st.floats(0.2, 3.5)
states = st.builds(
    FootballState,
    period=st.sampled_from([Period.PRE, Period.FIRST, Period.HALF_TIME, Period.SECOND]),
    home=st.builds(Team, first_half=st.integers(0, 3), red=st.integers(0, 2), corners=st.integers(0, 9)),
    away=st.builds(Team, first_half=st.integers(0, 3), red=st.integers(0, 2), yellow=st.integers(0, 5)),
    penalty=st.sampled_from([None, "home", "away"]),
)
strengths = st.builds(Strengths, rates, rates, st.floats(-0.12, 0.05))
clocks = st.integers(0, 2_950)


@given(strengths, states, clocks)
def test_probabilities_of_a_market_sum_to_one(given_: Strengths, state: FootballState, clock_s: int) -> None:
    for key, found in probabilities(given_, state, clock_s).items():
        kind = KINDS[key.type]
        asked = 0 if kind.of_half and state.first_half_over else kind.winners  # two win a double chance
        assert sum(found) == pytest.approx(asked), key
        assert all(0 <= p <= 1 + 1e-12 for p in found)


@given(strengths, states, clocks)
def test_a_quarter_line_lies_between_its_neighbours(given_: Strengths, state: FootballState, clock_s: int) -> None:
    found = probabilities(given_, state, clock_s)
    for kind, lines in (("total_goals", range(3, 22)), ("asian_handicap", range(-11, 12))):
        for line in (line for line in lines if line % 2):
            low, middle, high = (found[MarketKey(kind, at)][0] for at in (line - 1, line, line + 1))
            assert min(low, high) - 1e-9 <= middle <= max(low, high) + 1e-9, (kind, line)


@given(st.lists(st.lists(st.floats(0.001, 1), min_size=2, max_size=28), min_size=1, max_size=5), st.floats(0.01, 0.2))
def test_the_overround_is_put_on_and_taken_off(weights: list[list[float]], overround: float) -> None:
    """Markets side by side, of all sizes."""
    fair = [np.array(row) / sum(row) for row in weights]
    starts = np.cumsum([0, *map(len, fair[:-1])])
    both = with_overround(np.concatenate(fair), starts, np.full(len(fair), 1 + overround))
    for before, implied in zip(fair, np.split(both, starts[1:]), strict=True):
        assert implied.sum() == pytest.approx(1 + overround, abs=1e-9)
        assert (implied < 1).all()
        assert (implied >= before - 1e-12).all()
        assert without_overround(implied) == pytest.approx(before, abs=1e-6)


def test_an_overround_that_cannot_be_reached_is_not_sought() -> None:
    """Two certainties and an impossibility, as a double chance may come to: no price is above its outcome's worth."""
    implied = with_overround(np.array([1.0, 1.0, 0.0, 0.5, 0.5]), np.array([0, 3]), np.array([2.1, 1.05]))
    assert implied == pytest.approx([1, 1, 0, 0.525, 0.525])


@given(strengths, states, clocks)
def test_prices_are_real_and_never_in_the_fan_s_favour(given_: Strengths, state: FootballState, clock_s: int) -> None:
    for key, selections in price_book(given_, state, clock_s, 0.05).items():
        assert {selection.outcome for selection in selections} <= set(OUTCOMES[key.type])
        assert len(selections) > 1
        assert all(1_001 <= selection.price <= 1_000_000 for selection in selections)
        assert sum(UNIT / selection.price for selection in selections) >= KINDS[key.type].winners


@given(strengths, states, clocks)
def test_a_double_chance_pays_what_its_two_results_pay_together(
    given_: Strengths, state: FootballState, clock_s: int
) -> None:
    """To a step of the ladder: an overround of its own, which two near certainties cannot bear, would make the third
    of them shorter than the results that it is made of."""
    quote = price_book(given_, state, clock_s, 0.05)
    results = {selection.outcome: selection.price for selection in quote[RESULT]}
    for selection in quote[MarketKey("double_chance")]:
        made_of = {"1x": ("home", "draw"), "12": ("home", "away"), "x2": ("draw", "away")}[selection.outcome]
        together = 1 / sum(1 / results[result] for result in made_of if result in results)
        assert selection.price == pytest.approx(max(together, 1_001), rel=0.02)


def test_the_match_moves_the_prices_the_right_way() -> None:
    second = FootballState(period=Period.SECOND)
    level = probabilities(PRIOR, second, 900)[RESULT]
    ahead = probabilities(PRIOR, FootballState(period=Period.SECOND, home=Team(second_half=1)), 900)[RESULT]
    short = probabilities(PRIOR, FootballState(period=Period.SECOND, home=Team(red=1)), 900)[RESULT]
    spot = probabilities(PRIOR, FootballState(period=Period.SECOND, penalty="home"), 900)[RESULT]
    assert ahead[0] > spot[0] > level[0] > short[0]
    late = probabilities(PRIOR, second, 44 * 60)[RESULT]
    assert level[1] < late[1] < 0.97  # at 89' a goal may still fall: stoppage time is to come


@pytest.mark.parametrize("course", [GOALS, CORNERS, CARDS])
def test_the_share_to_come_falls_and_outlasts_the_ninetieth_minute(course: Course) -> None:
    shares = [share_to_come(period, s, course) for period in (Period.FIRST, Period.SECOND) for s in range(0, 2_900, 50)]
    assert shares[0] == pytest.approx(1)
    first, second = shares[: len(shares) // 2], shares[len(shares) // 2 :]
    assert first == sorted(first, reverse=True)
    assert second == sorted(second, reverse=True)
    assert second[0] == pytest.approx(1 - course.first_half) == share_to_come(Period.HALF_TIME, 0, course)
    assert share_to_come(Period.SECOND, 2_700, course) == pytest.approx(course.second_stoppage)
    assert share_to_come(Period.FULL_TIME, 0, course) == 0


@pytest.mark.skipif(not CUPS.exists(), reason="needs shared/data/fixtures-openfootball")
def test_the_share_to_come_fits_goals_it_was_not_made_from() -> None:
    """World Cups 2022 and 2026, 480 goals: nowhere more than six points off (a fair sample of 480 is within 6.2)."""
    minutes = []
    for year in (2022, 2026):
        for match in json.loads((CUPS / f"{year}_worldcup.json").read_text())["matches"]:
            minutes += [str(goal["minute"]) for side in ("goals1", "goals2") for goal in match.get(side) or ()]
    whole = [int(text.partition("+")[0]) for text in minutes]
    whole = [minute for minute in whole if minute <= 90]
    for period, after, at in [(Period.FIRST, 15, 900), (Period.FIRST, 30, 1_800), (Period.HALF_TIME, 45, 0),
                              (Period.SECOND, 60, 900), (Period.SECOND, 75, 1_800)]:  # fmt: skip
        seen = sum(minute > after for minute in whole) / len(whole)
        assert share_to_come(period, at) == pytest.approx(seen, abs=0.062), after


@pytest.mark.skipif(not ODDS.exists(), reason="needs shared/data/football-odds")
def test_bookmakers_prices_are_recovered() -> None:
    """EPL and La Liga 2023/24, market average: 1X2 and over 2.5 within half a percentage point, all 760 matches."""
    worst, count = 0.0, 0
    for file in sorted(ODDS.glob("*_odds.csv.gz")):
        with gzip.open(file, "rt") as text:
            rows = [row for row in csv.DictReader(text) if row["provider"] == "market_average"]
        for row in rows:
            names = ("home_win", "draw", "away_win", "over_2.5", "under_2.5")
            prices = [int(1000 * float(row[name]) + 1e-6) for name in names]
            found = probabilities(strengths_from_prices(*prices), FootballState(), 0)
            result = without_overround(np.array([UNIT / price for price in prices[:3]]))
            over = without_overround(np.array([UNIT / price for price in prices[3:]]))[0]
            seen = np.array([*found[RESULT], found[MarketKey("total_goals", 10)][0]])
            worst = max(worst, float(np.abs(seen - np.array([*result, over])).max()))
            count += 1
    assert count == 760
    assert worst < 0.005


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Tottenham Hotspur", "Tottenham", True),
        ("Manchester United", "Man Utd", True),
        ("Manchester United", "Manchester City", False),
        ("Brighton & Hove Albion", "Brighton", True),
        ("Atlético de Madrid", "Atletico Madrid", True),
        ("AFC Bournemouth", "Bournemouth", True),
        ("Newcastle United", "West Ham United", False),
        ("Korea Republic", "Korea Republic", True),
    ],
)
def test_team_names_of_two_sources(one: str, other: str, same: bool) -> None:
    assert same_team(one, other) == same


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("date,home_team\n", "column 'away_team' is missing"),
        ("date,home_team,away_team,home_win,draw,away_win\n2018-05-13,A,B,2.0,x,4.0\n", "row 2: 'x' is not a price"),
        ("date,home_team,away_team,home_win,draw,away_win\nsoon,A,B,2.0,3.0,4.0\n", "row 2"),
    ],
)
def test_a_bad_prices_file_is_named_with_its_row(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "prices.csv"
    file.write_text(text)
    with pytest.raises(PricesError, match=reason):
        PriceTable.read(file)


def test_prices_find_their_match_by_name_and_day(tmp_path: Path) -> None:
    file = tmp_path / "prices.csv"
    rows = [
        "2018-05-13,Tottenham,Leicester,1.50,4.50,6.00,1.60,2.30",
        "2018-05-13,X,Y,,,,,",
        "2018-01-01,A,B,2,3.4,4,,",
    ]
    file.write_text("date,home_team,away_team,home_win,draw,away_win,over_2.5,under_2.5\n" + "\n".join(rows))
    table = PriceTable.read(file)
    found = table.match("Tottenham Hotspur", "Leicester City", 1_526_220_000_000)
    assert found is not None
    assert found.source == "prices"
    assert found.home_rate > 1.5 > found.away_rate
    assert (table.skipped, [row.home for row in table.unmatched_rows()]) == (1, ["A"])
    assert table.match("Tottenham Hotspur", "Chelsea", 1_526_220_000_000) is None
