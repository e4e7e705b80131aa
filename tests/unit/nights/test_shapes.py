"""Shapes: the same by their seed, and as many visitors as their levels say."""

import random
from pathlib import Path

import pytest

from matchday.ops.drill import DrillError
from matchday.ops.drill.fans.behaviour import MIXES, Act, requests
from matchday.ops.drill.night.faults import faults_of
from matchday.ops.drill.night.shapes import SHAPES, Phase, Stir, composed, cut, flat, spike, timetable, visitors
from matchday.ops.drill.night.traces import PHASES, of_match, of_traffic, recorded
from matchday.words import WordsError
from tests.real import DATA


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_is_the_same_by_its_seed_and_its_arrivals_are_as_many_as_its_levels_say(name: str) -> None:
    phases = composed([name], 7)
    table = timetable(phases, 3.0, 1 / 60, 7)
    assert table == timetable(composed([name], 7), 3.0, 1 / 60, 7)
    assert abs(len(table.arrivals) - visitors(phases, 3.0, 1 / 60)) <= 1
    assert table.arrivals == sorted(table.arrivals, key=lambda arrival: arrival.at_s)
    assert table.ends_s[-1] == pytest.approx(sum(phase.minutes for phase in phases))  # a minute a second
    assert table.arrivals[-1].at_s < table.ends_s[-1]
    assert timetable(phases, 3.0, 1 / 60, 8).arrivals != table.arrivals


def test_each_part_of_a_phase_has_its_share() -> None:
    phases = (Phase("low", 1, (1.0, 3.0)), Phase("high", 2, flat(10)))
    arrivals = timetable(phases, 20.0, 0.5, 1).arrivals  # half minutes of 15 s, then a minute of 60 s
    counts = [sum(start <= a.at_s < end for a in arrivals) for start, end in ((0, 15), (15, 30), (30, 90))]
    assert all(abs(count - wanted) <= 1 for count, wanted in zip(counts, (300, 900, 12_000), strict=True))


def test_surprises_differ_by_their_seed_and_are_parts_of_the_library() -> None:
    drawn = {tuple(phase.name for phase in composed(["surprise"], seed)) for seed in range(12)}
    assert len(drawn) > 6
    assert composed(["surprise"], 3) == composed(["surprise"], 3)


def test_composed_phases_have_names_of_their_own_and_are_cut_where_time_is_up() -> None:
    phases = composed(["goal", "goal"], 1)
    names = [phase.name for phase in phases]
    assert len(set(names)) == len(names)
    assert "goal (2)" in names
    short = cut(phases, 8)
    assert sum(phase.minutes for phase in short) == 8
    assert [phase.name for phase in short] == names[:2]
    assert short[1].levels == phases[1].levels[: len(short[1].levels)]


def test_a_spike_rises_at_once_and_falls_by_halves() -> None:
    levels = spike(1, 9, 10)
    assert levels[3] == 9
    assert max(levels) == 9
    assert levels[-1] < 2
    assert list(levels[3:]) == sorted(levels[3:], reverse=True)


def test_too_many_visitors_are_refused_by_name() -> None:
    with pytest.raises(DrillError, match="choose a lower --rate"):
        timetable(composed(["saturday"], 1), 10_000, 1, 1)


def test_faults_stand_in_their_phases() -> None:
    phases = (Phase("goal", 2, flat(1)), Phase("final whistle", 2, flat(1), stirs=(Stir(Act.HOME, 1, 1),)))
    ends = timetable(phases, 1, 0.5, 1).ends_s
    found = faults_of(["kill@final whistle+2.5", "pause@goal"], phases, ends)
    assert [(fault.kind, fault.at_s) for fault in found] == [("pause", 0.0), ("kill", 62.5)]
    for word, why in (("kill", "KIND@PHASE"), ("burn@goal", "is no fault"), ("kill@half-time", "it has goal, final")):
        with pytest.raises(WordsError, match=why):
            faults_of([word], phases, ends)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A trace of five hours, a kick-off in the middle with a crowd, and its calendar."""
    chance = random.Random(1)
    rows = []
    for minute in range(300):
        since = minute - 120
        level = 600 + (2_400 if 0 <= since < 115 else 0) + chance.randrange(50)
        rows.append(f"2026-06-11 {18 + minute // 60:02}:{minute % 60:02}:00,{level}")
    trace, calendar = tmp_path / "traffic.csv", tmp_path / "kickoffs.csv"
    trace.write_text("period,count\n" + "\n".join(rows) + "\n")
    calendar.write_text("date_utc,kickoff_utc\n2026-06-11,20:00\n")
    return trace, calendar


def test_a_trace_brings_as_many_requests_as_were_recorded(files: tuple[Path, Path]) -> None:
    trace, calendar = files
    phases = of_traffic(trace, calendar, None)
    counts = [int(line.partition(",")[2]) for line in trace.read_text().splitlines()[1:]]
    assert [phase.name for phase in phases] == [name for name, *_ in PHASES]
    for phase, (_, start, end, mix) in zip(phases, PHASES, strict=True):
        wanted = sum(counts[120 + start : 120 + end])
        assert visitors([phase], 1.0, 1.0) * requests(MIXES[mix]) == pytest.approx(wanted)
    # twice the rate, ten times as fast: twice as many a second for a tenth of the time
    assert visitors(phases, 2.0, 0.1) == pytest.approx(0.2 * visitors(phases, 1.0, 1.0))


def test_a_kick_off_that_is_not_there_is_told_the_nearest(files: tuple[Path, Path]) -> None:
    assert of_traffic(*files, at="2026-06-11T20:00") == of_traffic(*files, at=None)
    with pytest.raises(DrillError, match="the nearest is 2026-06-11T20:00"):
        of_traffic(*files, at="2026-06-11T21:00")
    with pytest.raises(DrillError, match="write YYYY-MM-DD"):
        of_traffic(*files, at="tonight")


@pytest.mark.skipif(not DATA.is_dir(), reason=f"needs the Wyscout matches in {DATA}")
def test_a_recorded_match_has_its_goals_when_they_fell() -> None:
    match = recorded(next((DATA / "worldcup2018").glob("2058017*")))
    phases = of_match(match)
    names = [phase.name for phase in phases]
    assert names[:2] == ["before kick-off", "kick-off"]
    assert names[-2:] == ["final whistle", "going home"]
    assert sum(name.split(" (")[0] == "goal" for name in names) == sum(
        type_ in ("goal", "own_goal", "penalty_scored") for _, type_, _, _ in match.incidents
    )
    lasts = sum(phase.minutes for phase in phases)
    assert lasts == pytest.approx(2 + match.end_ms / 60_000 + 18, abs=0.5)
