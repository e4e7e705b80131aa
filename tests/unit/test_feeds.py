"""Both adapters: what they report is a match that the rules accept, whole and in order."""

from itertools import islice
from pathlib import Path

import pytest

from matchday.feeds.simulated import CLUBS, INTERVAL_MS, LASTS_SLOTS, SimulatedLeague
from matchday.feeds.wyscout import WyscoutFeed, load
from matchday.model.football import GOALS, FootballState, Period, advance
from matchday.model.messages import FixtureStatus
from matchday.model.reports import Announced, Confirmed, Report, Reported
from matchday.pricing.calibrate import PRIOR

WYSCOUT = Path(__file__).parents[3] / "shared" / "data" / "football-wyscout"
NOW = 1_790_000_000_000


def played(reports: list[Report]) -> FootballState:
    """The state that reports add up to; fails where one cannot follow."""
    assert isinstance(reports[0], Announced)
    state = FootballState(knockout=reports[0].knockout)
    assert [report.seq for report in reports] == list(range(1, len(reports) + 1))
    assert [report.at_ms for report in reports] == sorted(report.at_ms for report in reports)
    for report in reports:
        if isinstance(report, Reported):
            state = advance(state, report.type, report.side, report.clock_s)
    return state


@pytest.mark.skipif(not WYSCOUT.exists(), reason="needs the recorded matches of shared/data/football-wyscout")
def test_every_recorded_match_ends_with_its_official_score() -> None:
    loaded = load([WYSCOUT / "worldcup2018", WYSCOUT / "epl2017-18"])
    assert (len(loaded.matches), loaded.problems) == (66, [])
    feed = WyscoutFeed(loaded.matches, lambda _: PRIOR)
    by_fixture: dict[str, list[Report]] = {}
    for report in feed.reports(0, ()):
        by_fixture.setdefault(report.fixture, []).append(report)
    for match in loaded.matches:
        state = played(by_fixture[match.fixture])
        assert state.score == match.official, match.home
        assert state.period == Period.OVER
        if match.shoot_out:
            assert (state.home.shoot_out, state.away.shoot_out) == match.shoot_out


@pytest.mark.skipif(not WYSCOUT.exists(), reason="needs the recorded matches of shared/data/football-wyscout")
def test_a_match_without_meta_says_what_it_assumes() -> None:
    loaded = load([WYSCOUT / "worldcup2018" / "2058017.json.gz"], WYSCOUT / "worldcup2018")
    assert [match.official for match in loaded.matches] == [None]
    assert "assumed" in loaded.matches[0].assumed[0]


def test_what_does_not_exist_is_a_problem() -> None:
    loaded = load([Path("/nonexistent/match.json")])
    assert [(problem.place, problem.reason) for problem in loaded.problems] == [("path", "does not exist")]


@pytest.mark.parametrize("speed", [1, 10, 60, 600])
@pytest.mark.parametrize("moment", range(0, INTERVAL_MS, 75_000))
def test_at_least_eight_matches_are_live_at_any_moment(speed: int, moment: int) -> None:
    league = SimulatedLeague(1, speed)
    now = NOW + moment // speed
    live = announced = 0
    for slot in range(now * speed // INTERVAL_MS - LASTS_SLOTS, now * speed // INTERVAL_MS + 8):
        reports = list(league.match(slot))
        past = [report for report in reports if report.at_ms <= now]
        over = any(isinstance(report, Confirmed) for report in past)
        live += any(isinstance(report, Reported) for report in past) and not over
        announced += bool(past) and not any(isinstance(r, Reported) for r in past) and not over
    assert live >= 8
    assert announced >= 5


def test_the_league_is_a_function_of_seed_and_time() -> None:
    league, again, other = SimulatedLeague(1, 10), SimulatedLeague(1, 10), SimulatedLeague(2, 10)
    first = list(islice(league.reports(NOW, ()), 800))
    assert first == list(islice(again.reports(NOW, ()), 800))
    assert first != list(islice(other.reports(NOW, ()), 800))
    fixture = first[0].fixture
    assert league.knows(fixture)
    assert not other.knows(fixture)
    later = list(islice(league.reports(NOW + 3_600_000, [fixture]), 2_000))
    assert [r for r in later if r.fixture == fixture] == list(league.match(int(fixture.rpartition("-")[2])))


def test_simulated_matches_are_football() -> None:
    """700 matches: accepted by the rules, near 2.7 goals, 56 % of them in the second half, nobody plays two at once."""
    league = SimulatedLeague(1, 1)
    goals = second = expected = 0.0
    until: dict[str, int] = {}
    fates, cups, shoot_outs = set(), 0, 0
    for slot in range(700):
        reports = list(league.match(slot))
        state = played(reports)
        announced, confirmed = reports[0], reports[-1]
        assert isinstance(announced, Announced)
        assert isinstance(confirmed, Confirmed)
        fates |= {report.status for report in reports if isinstance(report, Confirmed)}
        for club in (announced.home, announced.away):
            assert until.get(club, 0) <= announced.kickoff_ms, club
            until[club] = confirmed.at_ms
        if confirmed.status != FixtureStatus.FINISHED:
            continue
        assert state.leader is not None or not announced.knockout
        cups += announced.knockout
        shoot_outs += state.home.shoot_out != state.away.shoot_out
        expected += announced.strengths.home_rate + announced.strengths.away_rate
        goals += sum(isinstance(report, Reported) and report.type in GOALS for report in reports)
        second += state.home.second_half + state.away.second_half
    assert goals == pytest.approx(expected, rel=0.06)
    assert second / goals == pytest.approx(0.56, abs=0.03)
    assert set(until) == set(CLUBS)
    endings = ("FINISHED", "ABANDONED", "POSTPONED", "CANCELLED")
    assert fates == {FixtureStatus[name] for name in endings}
    assert (cups, shoot_outs) == (57, 5)


@pytest.mark.parametrize(("seed", "slot", "put_back"), [(18, 26, True), (26, 59, False)])
def test_a_postponed_match_is_put_back_where_there_is_room_and_else_called_off(
    seed: int, slot: int, put_back: bool
) -> None:
    league = SimulatedLeague(seed)
    reports = list(league.match(slot))
    first, postponed, then = reports[:3]
    assert isinstance(first, Announced)
    assert isinstance(postponed, Confirmed)
    assert (postponed.status, postponed.at_ms) == (FixtureStatus.POSTPONED, first.kickoff_ms)
    if put_back:
        assert isinstance(then, Announced)
        assert then.kickoff_ms == first.kickoff_ms + 2 * INTERVAL_MS == reports[3].at_ms
        assert played(reports).period == Period.OVER
    else:
        assert isinstance(then, Confirmed)
        assert (then.status, len(reports)) == (FixtureStatus.CANCELLED, 3)
