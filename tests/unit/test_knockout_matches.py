"""The knock-out matches of a World Cup as they were played: known as such before kick-off, and settled by who went
through."""

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from matchday.feeds.wyscout import WyscoutFeed, load
from matchday.model.bet import OUTCOMES, Outcome, Result
from matchday.model.football import FootballState, IncidentType, Side, advance
from matchday.model.football_markets import decisions
from matchday.model.football_rules import outcomes
from matchday.model.messages import FixtureStatus
from matchday.model.reports import Announced, Reported
from matchday.pricing.calibrate import PRIOR
from matchday.pricing.football import price_book
from tests.unit.test_feed_wyscout_files import content, entry, one, write

WYSCOUT = Path(__file__).parents[3] / "shared" / "data" / "football-wyscout"
recorded = pytest.mark.skipif(not WYSCOUT.exists(), reason=f"the recorded matches are not at {WYSCOUT}")
WON, LOST = OUTCOMES[Result.WON], OUTCOMES[Result.LOST]
SHOOT_OUTS, EXTRA_TIME = (2058004, 2058005, 2058009, 2058012), (2058015,)
LATE = {"to_qualify/home", "to_qualify/away"}


@cache
def meta() -> dict[int, dict[str, Any]]:
    rows = json.loads(gzip.decompress((WYSCOUT / "meta" / "matches_World_Cup.json.gz").read_bytes()))
    return {row["wyId"]: row for row in rows}


def winner(number: int) -> Side:
    """The side that the provider calls the winner."""
    row = meta()[number]
    side: Side = row["teamsData"][str(row["winner"])]["side"]
    return side


@cache
def states(number: int) -> list[tuple[IncidentType, FootballState]]:
    """Every state of a recorded match."""
    (match,) = load([WYSCOUT / "worldcup2018" / f"{number}.json.gz"]).matches
    announced, *reports = WyscoutFeed([match], lambda _: PRIOR).reports(0, ())
    assert isinstance(announced, Announced)
    state = FootballState(knockout=announced.knockout)
    found = []
    for report in reports:
        if isinstance(report, Reported):
            state = advance(state, report.type, report.side, report.clock_s)
            found.append((report.type, state))
    return found


def tie_of(state: FootballState) -> set[Outcome | None]:
    return {outcome for name, outcome in decisions(state).items() if name in LATE}


@recorded
@pytest.mark.parametrize("number", range(2058002, 2058018))
def test_a_tie_is_settled_by_who_went_through(number: int) -> None:
    through, other = (winner(number), "away" if winner(number) == "home" else "home")
    final = states(number)[-1][1]
    for found in (decisions(final), outcomes(final, FixtureStatus.FINISHED)):
        assert (found[f"to_qualify/{through}"], found[f"to_qualify/{other}"]) == (WON, LOST)
    assert None not in decisions(final).values()


@recorded
@pytest.mark.parametrize("number", [*SHOOT_OUTS, *EXTRA_TIME])
def test_it_is_decided_when_the_tie_is_and_offered_until_then(number: int) -> None:
    """Not at ninety minutes, which all of these left level; in extra time, or with the last kick."""
    last = IncidentType.OVER if number in SHOOT_OUTS else IncidentType.EXTRA_FULL_TIME
    decided_at = [type_ for type_, state in states(number) if tie_of(state) != {None}]
    assert decided_at[0] == last
    for type_, state in states(number):
        quote = {key.type for key in price_book(PRIOR, state, 60, 0.05)}
        if state.regular_over:
            assert decisions(state)["1x2/draw"] == WON
            assert quote == set() or (quote == {"to_qualify"} and tie_of(state) == {None}), type_
        else:
            assert "to_qualify" in quote
    offered = [type_ for type_, state in states(number) if state.regular_over and price_book(PRIOR, state, 60, 0.05)]
    assert {IncidentType.FULL_TIME, IncidentType.EXTRA_TIME, IncidentType.EXTRA_SECOND_HALF} <= set(offered)
    assert (IncidentType.SHOOT_OUT in offered) == (number in SHOOT_OUTS)


@recorded
def test_the_round_tells_a_knock_out_match_and_the_result_does_not() -> None:
    loaded = load([WYSCOUT / "worldcup2018", WYSCOUT / "epl2017-18"])
    knockout = sorted(match.fixture for match in loaded.matches if match.knockout)
    assert knockout == [f"wyscout-{number}" for number in range(2058002, 2058018)]


@pytest.mark.parametrize(
    ("fields", "knockout"),
    [
        ({"groupName": "", "gameweek": 0}, True),
        ({"groupName": "Group A", "gameweek": 3}, False),
        ({"groupName": "", "gameweek": 38}, False),
        ({"gameweek": 0}, False),  # a league's file names no groups
        ({}, False),
        ({"groupName": "Group A", "gameweek": 1, "duration": "ExtraTime"}, False),
    ],
)
def test_what_a_meta_file_says_of_the_round(tmp_path: Path, fields: dict[str, Any], knockout: bool) -> None:
    write(tmp_path / "meta" / "matches_Cup.json", [entry(**fields)])
    assert one(write(tmp_path / "1.json", content())).knockout is knockout


def test_without_a_meta_file_no_match_is_a_knock_out_match(tmp_path: Path) -> None:
    assert one(write(tmp_path / "1.json", content())).knockout is False
