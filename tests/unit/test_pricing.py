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
from matchday.model.football import CATALOGUE, OUTCOMES, FootballState, Period, Team
from matchday.model.market import MarketKey
from matchday.model.messages import Strengths
from matchday.model.price import UNIT
from matchday.pricing.calibrate import PRIOR, strengths_from_prices
from matchday.pricing.football import price_book, probabilities, share_to_come
from matchday.pricing.overround import with_overround, without_overround

SHARED = Path(__file__).parents[3] / "shared" / "data"
ODDS = SHARED / "football-odds" / "sports-betting-mit"
CUPS = SHARED / "fixtures-openfootball" / "worldcup.json"
AT = {key: place for place, key in enumerate(CATALOGUE)}

rates = st.floats(0.2, 3.5)
states = st.builds(
    FootballState,
    period=st.sampled_from([Period.PRE, Period.FIRST, Period.HALF_TIME, Period.SECOND]),
    home=st.builds(Team, first_half=st.integers(0, 3), red=st.integers(0, 2)),
    away=st.builds(Team, first_half=st.integers(0, 3), red=st.integers(0, 2)),
    penalty=st.sampled_from([None, "home", "away"]),
)
strengths = st.builds(Strengths, rates, rates, st.floats(-0.12, 0.05))
clocks = st.integers(0, 2_950)


@given(strengths, states, clocks)
def test_probabilities_of_a_market_sum_to_one(given_: Strengths, state: FootballState, clock_s: int) -> None:
    for key, found in zip(CATALOGUE, probabilities(given_, state, clock_s), strict=True):
        assert sum(found) == pytest.approx(1), key
        assert all(0 <= p <= 1 for p in found)


@given(strengths, states, clocks)
def test_handicap_zero_is_the_result_without_the_draw(given_: Strengths, state: FootballState, clock_s: int) -> None:
    found = probabilities(given_, state, clock_s)
    home, _, away = found[AT[MarketKey("1x2")]]
    if home + away > 1e-6:
        assert found[AT[MarketKey("asian_handicap", 0)]][0] == pytest.approx(home / (home + away), abs=1e-9)


@given(strengths, states, clocks)
def test_a_quarter_line_lies_between_its_neighbours(given_: Strengths, state: FootballState, clock_s: int) -> None:
    found = probabilities(given_, state, clock_s)
    for kind, lines in (("total_goals", range(3, 18)), ("asian_handicap", range(-7, 8))):
        for line in (line for line in lines if line % 2):
            low, middle, high = (found[AT[MarketKey(kind, at)]][0] for at in (line - 1, line, line + 1))
            assert min(low, high) - 1e-9 <= middle <= max(low, high) + 1e-9, (kind, line)


@given(st.lists(st.floats(0.001, 1), min_size=2, max_size=3), st.floats(0.01, 0.2))
def test_the_overround_is_put_on_and_taken_off(weights: list[float], overround: float) -> None:
    fair = np.array(weights) / sum(weights)
    implied = with_overround(fair[None, :], np.array([overround]))[0]
    assert implied.sum() == pytest.approx(1 + overround, abs=1e-9)
    assert (implied < 1).all()
    assert (implied >= fair - 1e-12).all()
    assert without_overround(implied) == pytest.approx(fair, abs=1e-6)


@given(strengths, states, clocks)
def test_prices_are_real_and_never_in_the_fan_s_favour(given_: Strengths, state: FootballState, clock_s: int) -> None:
    for key, prices in zip(CATALOGUE, price_book(given_, state, clock_s, 0.05), strict=True):
        if prices is not None:
            assert len(prices) == len(OUTCOMES[key.type])
            assert all(1_001 <= price <= 1_000_000 for price in prices)
            assert sum(UNIT / price for price in prices) >= 1


def test_the_match_moves_the_prices_the_right_way() -> None:
    second = FootballState(period=Period.SECOND)
    level = probabilities(PRIOR, second, 900)[0]
    ahead = probabilities(PRIOR, FootballState(period=Period.SECOND, home=Team(second_half=1)), 900)[0]
    short = probabilities(PRIOR, FootballState(period=Period.SECOND, home=Team(red=1)), 900)[0]
    spot = probabilities(PRIOR, FootballState(period=Period.SECOND, penalty="home"), 900)[0]
    assert ahead[0] > spot[0] > level[0] > short[0]
    late = probabilities(PRIOR, second, 44 * 60)[0]
    assert level[1] < late[1] < 0.97  # at 89' a goal may still fall: stoppage time is to come


def test_the_share_to_come_falls_and_outlasts_the_ninetieth_minute() -> None:
    shares = [share_to_come(period, s) for period in (Period.FIRST, Period.SECOND) for s in range(0, 2_900, 50)]
    assert shares[0] == pytest.approx(1)
    first, second = shares[: len(shares) // 2], shares[len(shares) // 2 :]
    assert first == sorted(first, reverse=True)
    assert second == sorted(second, reverse=True)
    assert second[0] == pytest.approx(0.56)
    assert share_to_come(Period.SECOND, 2_700) == pytest.approx(0.073)
    assert share_to_come(Period.FULL_TIME, 0) == 0


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
            seen = np.array([*found[AT[MarketKey("1x2")]], found[AT[MarketKey("total_goals", 10)]][0]])
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
