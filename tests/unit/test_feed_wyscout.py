"""Recorded matches as a feed: when they are reported, and that the real ones come out as they were played."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from matchday.feeds.wyscout import ANNOUNCE_MS, CONFIRM_MS, GAP_MS, LEAD_MS, Loaded, Match, WyscoutFeed, load
from matchday.model.football import GOALS, FootballState, IncidentType, Side, advance
from matchday.model.messages import FixtureStatus, Strengths
from matchday.model.reports import Announced, Confirmed, Report, Reported

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "football-wyscout"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"the recorded matches are not at {DATA}")
HOUR_MS = 3_600_000


def lasting(name: str, kickoff_h: float, minutes: int = 110) -> Match:
    """A goalless match; its end is what counts here."""
    end_ms = minutes * 60_000
    whistles: list[tuple[int, IncidentType, Side | None, int]] = [
        (0, IncidentType.KICK_OFF, None, 0),
        (2_700_000, IncidentType.HALF_TIME, None, 2700),
        (3_600_000, IncidentType.SECOND_HALF, None, 0),
        (end_ms, IncidentType.FULL_TIME, None, 2700),
        (end_ms, IncidentType.OVER, None, 2700),
    ]
    return Match(name, f"{name} home", f"{name} away", "Cup 1999", round(kickoff_h * HOUR_MS), None, None, [], whistles)


def strengths(match: Match) -> Strengths:
    return Strengths(1.5, 1.2, source=match.fixture)


def kickoffs(reports: Sequence[Report]) -> dict[str, int]:
    return {report.fixture: report.kickoff_ms for report in reports if isinstance(report, Announced)}


def whole_feed(feed: WyscoutFeed, now_ms: int = 0) -> list[Report]:
    return list(feed.reports(now_ms, ()))


def test_at_real_time_a_match_is_announced_an_hour_before_and_confirmed_minutes_after() -> None:
    match = lasting("m", 10)
    reports = whole_feed(WyscoutFeed([match], strengths))
    kickoff = 10 * HOUR_MS
    announced = reports[0]
    assert isinstance(announced, Announced)
    assert (announced.at_ms, announced.kickoff_ms, announced.competition) == (
        kickoff - ANNOUNCE_MS,
        kickoff,
        "Cup 1999",
    )
    assert announced.strengths.source == "m"
    assert "Pappalardo" in announced.source
    assert "CC BY 4.0" in announced.source
    assert [(r.at_ms - kickoff, r.type.value) for r in reports if isinstance(r, Reported)] == [
        (0, "kick_off"), (2_700_000, "half_time"), (3_600_000, "second_half"), (6_600_000, "full_time"),
        (6_600_000, "over"),
    ]  # fmt: skip
    assert reports[-1] == Confirmed(kickoff + 6_600_000 + CONFIRM_MS, "m", 7, FixtureStatus.FINISHED)
    assert [report.seq for report in reports] == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("speed", [1.0, 10.0, 600.0])
def test_a_showing_keeps_simultaneous_kick_offs_and_cuts_gaps(speed: float) -> None:
    """Real kick-offs: a and b at once, c an hour later while they play, d the next day, e three hours after d."""
    matches = [lasting("e", 37), lasting("d", 34, 200), lasting("a", 10), lasting("b", 10), lasting("c", 11)]
    start = 5_000_000
    reports = whole_feed(WyscoutFeed(matches, strengths, speed, start_ms=start, showing="1"), start)
    assert {report.at_ms for report in reports if isinstance(report, Announced)} == {start}
    shown = {name: round((at - start - LEAD_MS) * speed / 60_000) for name, at in kickoffs(reports).items()}
    gap = GAP_MS // 60_000
    assert shown == {"a@1": 0, "b@1": 0, "c@1": 60, "d@1": 60 + 110 + gap, "e@1": 170 + gap + 180}
    ends = {report.fixture: report.at_ms for report in reports if isinstance(report, Confirmed)}
    assert ends["a@1"] == start + LEAD_MS + round((6_600_000 + CONFIRM_MS) / speed)


def test_a_showing_has_fixtures_of_its_own() -> None:
    match = lasting("wyscout-7", 10)
    first, second = (WyscoutFeed([match], strengths, 1.0, 0, showing) for showing in ("1", "2"))
    plain = WyscoutFeed([match], strengths)
    assert (plain.name, first.name, second.name) == ("wyscout", "wyscout@1", "wyscout@2")
    assert {report.fixture for report in whole_feed(first)} == {"wyscout-7@1"}
    assert first.knows("wyscout-7@1")
    assert not first.knows("wyscout-7@2")
    assert not first.knows("wyscout-7")
    assert plain.knows("wyscout-7")


@pytest.mark.parametrize(
    ("now_h", "unfinished", "told"),
    [
        (0, (), {"a", "b"}),
        (11, (), {"a", "b"}),  # a is being played: whole, from its announcement
        (13, (), {"b"}),
        (13, ("a", "unknown"), {"a", "b"}),
        (99, (), set()),
        (99, ("b",), {"b"}),
    ],
)
def test_what_is_over_is_told_only_where_it_is_unfinished(
    now_h: int, unfinished: tuple[str, ...], told: set[str]
) -> None:
    feed = WyscoutFeed([lasting("a", 10), lasting("b", 20)], strengths)
    reports = list(feed.reports(now_h * HOUR_MS, unfinished))
    assert Counter(report.fixture for report in reports) == dict.fromkeys(told, 7)


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan")])
def test_a_speed_that_is_none_is_refused(speed: float) -> None:
    with pytest.raises(ValueError, match="is not above 0"):
        WyscoutFeed([], strengths, speed)


@pytest.fixture(scope="module")
def real() -> Loaded:
    return load([DATA])


@needs_data
def test_all_real_matches_are_read(real: Loaded) -> None:
    assert real.problems == []
    assert Counter(match.competition for match in real.matches) == {
        "World Cup 2018": 56, "English Premier League 2017/18": 10
    }  # fmt: skip
    assert not any(match.assumed for match in real.matches)
    final = real.matches[-1]
    assert (final.fixture, final.home, final.away, final.official) == ("wyscout-2058017", "France", "Croatia", (4, 2))
    names = {name for match in real.matches for name in (match.home, match.away)}
    assert not any("\\" in name for name in names)


@needs_data
def test_the_goals_of_every_real_match_are_the_official_score(real: Loaded) -> None:
    for match in real.matches:
        state = FootballState()
        for _, type_, side, clock_s in match.incidents:
            state = advance(state, type_, side, clock_s)
        assert state.score == match.official, match
        assert (state.home.shoot_out, state.away.shoot_out) == (match.shoot_out or (0, 0)), match


@needs_data
def test_the_real_incidents_are_as_many_as_were_counted(real: Loaded) -> None:
    """Cards agree, player by player, with the line-ups of the meta files; goals with the official scores."""
    counted = Counter(type_ for match in real.matches for _, type_, _, _ in match.incidents)
    assert sum(counted[type_] for type_ in GOALS) == sum(sum(match.official or ()) for match in real.matches) == 176
    assert counted[IncidentType.YELLOW_CARD] == 227
    assert (counted[IncidentType.RED_CARD], counted[IncidentType.SECOND_YELLOW_CARD]) == (2, 1)
    assert counted[IncidentType.CORNER] == 639
    assert counted[IncidentType.OWN_GOAL] == 10
    scored, missed = counted[IncidentType.PENALTY_SCORED], counted[IncidentType.PENALTY_MISSED]
    assert (scored, missed, counted[IncidentType.PENALTY_AWARDED]) == (19, 7, 26)
    assert (counted[IncidentType.SHOOT_OUT_SCORED], counted[IncidentType.SHOOT_OUT_MISSED]) == (26, 13)


@needs_data
def test_the_penalty_of_the_2018_final_is_awarded_at_the_handball_before_the_review(real: Loaded) -> None:
    found = [(type_.value, side, clock) for _, type_, side, clock in real.matches[-1].incidents if "penalty" in type_]
    assert found == [("penalty_awarded", "home", 2021), ("penalty_scored", "home", 2278)]


@needs_data
def test_real_matches_as_a_feed_are_in_order_and_accepted(real: Loaded) -> None:
    reports = whole_feed(WyscoutFeed(real.matches, strengths, 60.0, start_ms=1_000, showing="1"), 1_000)
    assert [report.at_ms for report in reports] == sorted(report.at_ms for report in reports)
    heard: dict[str, tuple[int, FootballState]] = {}
    for report in reports:
        seq, state = heard.get(report.fixture, (0, FootballState()))
        assert report.seq == seq + 1
        if isinstance(report, Reported):
            state = advance(state, report.type, report.side, report.clock_s)
        heard[report.fixture] = (report.seq, state)
    assert len(heard) == 66
    assert {state.period for _, state in heard.values()} == {"over"}
