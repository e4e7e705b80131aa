"""Wyscout files: what is found, what is assumed, and what is wrong with a file, named with its place."""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from matchday.feeds.wyscout import KICK_OFF_UNKNOWN_MS, Match, load
from tests.unit.test_feed_wyscout_incidents import AWAY, HOME, Raw, event, whole

GOAL = event("1H", 60, "Shot", "Shot", HOME, (101,))
TEAMS = {str(HOME): {"team": {"name": "K\\u00f8benhavn", "wyId": HOME}}, str(AWAY): {"team": {"name": "Brøndby"}}}


def content(*told: Raw, number: int = 1, **changed: Any) -> dict[str, Any]:
    events = [{**e, "matchId": number} for e in whole(*told)]
    return {"events": events, "teams": TEAMS, "players": {}, **changed}


def entry(number: int = 1, **changed: Any) -> dict[str, Any]:
    """A match of a meta file: the team listed second plays at home."""
    return {
        "wyId": number, "label": "Br\\u00f8ndby - K\\u00f8benhavn, 0 - 1", "dateutc": "2018-03-04 14:00:00",
        "duration": "Regular", "winner": HOME, "status": "Played",
        "teamsData": {
            str(HOME): {"side": "away", "score": 1, "scoreET": 0, "scoreP": 0},
            str(AWAY): {"side": "home", "score": 0, "scoreET": 0, "scoreP": 0},
        },
        **changed,
    }  # fmt: skip


def write(path: Path, value: object) -> Path:
    """As JSON (bytes as they are), gzipped where the name says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" and not isinstance(value, bytes) else raw)
    return path


def one(path: Path, meta: Path | None = None) -> Match:
    loaded = load([path], meta)
    assert loaded.problems == []
    (match,) = loaded.matches
    return match


def test_without_a_meta_file_sides_and_kick_off_are_assumed_and_it_says_so(tmp_path: Path) -> None:
    match = one(write(tmp_path / "Superliga" / "1.json", content(GOAL)))
    assert (match.fixture, match.home, match.away, match.competition) == (
        "wyscout-1",
        "København",
        "Brøndby",
        "Superliga",
    )
    assert match.kickoff_ms == KICK_OFF_UNKNOWN_MS == datetime(2020, 1, 1, 15, tzinfo=UTC).timestamp() * 1000
    assert (match.official, match.shoot_out) == (None, None)
    assert match.assumed == [
        "wyscout-1: no meta file: København, listed first, is assumed at home, and a kick-off at 2020-01-01 15:00 UTC"
    ]
    assert [side for _, type_, side, _ in match.incidents if type_ == "goal"] == ["home"]


@pytest.mark.parametrize(
    "meta", ["meta", "../meta", "."], ids=["in the folder", "beside the folder", "beside the file"]
)
def test_a_meta_file_nearby_is_found(tmp_path: Path, meta: str) -> None:
    file = write(tmp_path / "season" / "1.json.gz", content(GOAL))
    write(tmp_path / "season" / meta / "matches_Denmark.json", [entry()])
    for path in (file, file.parent):
        match = one(path)
        assert (match.home, match.away, match.competition) == ("Brøndby", "København", "Denmark 2018")
        assert match.kickoff_ms == datetime(2018, 3, 4, 14, tzinfo=UTC).timestamp() * 1000
        assert (match.official, match.shoot_out, match.assumed) == ((0, 1), None, [])
        assert [side for _, type_, side, _ in match.incidents if type_ == "goal"] == ["away"]


def test_a_meta_folder_or_file_may_be_named(tmp_path: Path) -> None:
    file = write(tmp_path / "a" / "b" / "c" / "1.json", content())
    meta = write(tmp_path / "elsewhere" / "matches_Denmark.json.gz", [entry()])
    assert one(file, meta).competition == one(file, meta.parent).competition == "Denmark 2018"


@pytest.mark.parametrize(
    ("title", "dateutc", "competition"),
    [
        ("England", "2018-05-13 14:00:00", "English Premier League 2017/18"),
        ("England", "2017-08-11 18:45:00", "English Premier League 2017/18"),
        ("Spain", "1999-12-31 20:00:00", "Spanish La Liga 1999/00"),
        ("World_Cup", "2018-07-15 15:00:00", "World Cup 2018"),
        ("European_Championship", "2016-07-10 19:00:00", "European Championship 2016"),
    ],
)
def test_competition(tmp_path: Path, title: str, dateutc: str, competition: str) -> None:
    write(tmp_path / "meta" / f"matches_{title}.json", [entry(dateutc=dateutc)])
    assert one(write(tmp_path / "1.json", content())).competition == competition


def sides(home: tuple[int, int, int], away: tuple[int, int, int]) -> dict[str, Any]:
    """teamsData of (score, scoreET, scoreP)."""
    names = ("score", "scoreET", "scoreP")
    return {
        str(AWAY): {"side": "home", **dict(zip(names, home, strict=True))},
        str(HOME): {"side": "away", **dict(zip(names, away, strict=True))},
    }


@pytest.mark.parametrize(
    ("duration", "label", "data", "official", "shoot_out"),
    [
        ("Regular", "A - B, 3 - 2", sides((3, 0, 0), (2, 0, 0)), (3, 2), None),
        ("ExtraTime", "A - B, 2 - 1 (E)", sides((1, 2, 0), (1, 1, 0)), (2, 1), None),
        ("Penalties", "A - B, 1 - 1 (P)", sides((1, 1, 3), (1, 1, 4)), (1, 1), (3, 4)),
        ("Regular", "A - B", sides((3, 0, 0), (2, 0, 0)), (3, 2), None),
        ("Regular", "A - B, 4 - 2", sides((3, 0, 0), (2, 0, 0)), (-1, -1), None),  # they differ: none is right
    ],
)
def test_official_score(
    tmp_path: Path,
    duration: str,
    label: str,
    data: dict[str, Any],
    official: tuple[int, int],
    shoot_out: tuple[int, int] | None,
) -> None:
    write(tmp_path / "meta" / "matches_X.json", [entry(duration=duration, label=label, teamsData=data)])
    match = one(write(tmp_path / "1.json", content()))
    assert (match.official, match.shoot_out) == (official, shoot_out)
    assert bool(match.assumed) == (official == (-1, -1))


def test_the_collections_own_layout_is_read_with_its_meta_files(tmp_path: Path) -> None:
    events = content(GOAL, number=1)["events"] + content(number=2)["events"]
    file = write(tmp_path / "events_Denmark.json", events)
    write(tmp_path / "teams.json", [{"wyId": AWAY, "name": "Br\\u00f8ndby IF"}])
    write(tmp_path / "players.json", [{"wyId": 1, "shortName": "nobody"}])
    write(tmp_path / "matches_Denmark.json", [entry(1), entry(2)])
    loaded = load([tmp_path])
    assert loaded.problems == []
    assert [(m.fixture, m.home, m.away) for m in loaded.matches] == [
        ("wyscout-1", "Brøndby IF", "København"),  # the listed name, and that of the label
        ("wyscout-2", "Brøndby IF", "København"),
    ]
    assert [sum(type_ == "goal" for _, type_, _, _ in m.incidents) for m in loaded.matches] == [1, 0]
    assert load([file], tmp_path).matches == loaded.matches


def test_one_bad_match_of_many_leaves_the_others(tmp_path: Path) -> None:
    good, unknown, bad = (content(number=n)["events"] for n in (1, 2, 3))
    bad[1]["eventName"] = "Handball"
    write(tmp_path / "events.json", good + unknown + bad + content(number=4)["events"][:2])
    write(tmp_path / "matches_X.json", [entry(1), entry(3), entry(4)])
    loaded = load([tmp_path])
    assert [match.fixture for match in loaded.matches] == ["wyscout-1"]
    assert [(problem.place, problem.reason) for problem in loaded.problems] == [
        ("[4]", "match 2 is in no meta file; add its matches_*.json"),
        ("[9].eventName", "'Handball' is not known"),
        ("match 4", "period 2H is missing: the file is not whole"),
    ]


def changed(index: int, **fields: Any) -> dict[str, Any]:
    """A match file with one event changed; None takes the field away."""
    value = content()
    merged = {**value["events"][index], **fields}
    value["events"][index] = {name: field for name, field in merged.items() if field is not None}
    return value


PACKED = gzip.compress(json.dumps(content()).encode())


@pytest.mark.parametrize(
    ("value", "place", "reason"),
    [
        (b"", "file", "is not JSON"),
        (b"\x89PNG\r\n\x1a\n", "file", "is not JSON"),
        (b"\xff\xfe{}", "file", "is not JSON"),
        (json.dumps(content()).encode()[:-40], "file", "is not JSON: Input data was truncated"),
        (b'{"deep":' + b"[" * 100_000, "file", "is not JSON"),
        (PACKED[:-100], "file", "cannot be read: Compressed file ended"),
        (PACKED[:20] + b"\x00" * 8 + PACKED[28:], "file", "cannot be read"),
        (PACKED[:-8] + b"\x00" * 8, "file", "cannot be read: CRC check failed"),
        (b"7", "file", "Expected `object`, got `int`"),
        (b"[]", "file", "holds no events"),
        ([1], "[0]", "Expected `object`, got `int`"),
        ({}, "events", "missing required field `events`"),
        ({"events": []}, "teams", "missing required field `teams`"),
        ({"events": {}, "teams": {}}, "events", "Expected `array`, got `object`"),
        (content(events=[]), "events", "is empty"),
        (content(teams={}), "teams", "0 teams; expected 2"),
        (content(teams={"x": {"team": {"name": "X"}}}), "teams", "Expected `int`, got `str`"),
        (content(teams={"11": {"team": {}}, "22": {}}), "teams[...].team.name", "missing required field `name`"),
        (changed(2, eventName=None), "events[2].eventName", "missing required field `eventName`"),
        (changed(2, tags=None), "events[2].tags", "missing required field `tags`"),
        (changed(2, tags=[{}]), "events[2].tags[0].id", "missing required field `id`"),
        (changed(2, eventSec="12"), "events[2].eventSec", "Expected `float`, got `str`"),
        (changed(2, eventSec=-1), "events[2].eventSec", "Expected `float` >= 0"),
        (changed(2, eventSec=1e300), "events[2].eventSec", "Expected `float` <= 7200"),
        (changed(2, teamId=1.5), "events[2].teamId", "Expected `int`, got `float`"),
        (changed(2, matchId=8), "events[2].matchId", "8 is another match than 1"),
        (changed(2, eventName="Try"), "events[2].eventName", "'Try' is not known"),
        (changed(2, matchPeriod="HT"), "events[2].matchPeriod", "'HT' is not known"),
        (changed(2, teamId=7), "events[2].teamId", "7 is not one of the two teams"),
        (content(events=whole(periods=("1H",))), "events", "period 2H is missing: the file is not whole"),
    ],
)
def test_a_bad_file_is_a_problem_and_the_others_go_on(tmp_path: Path, value: object, place: str, reason: str) -> None:
    bad = write(tmp_path / "bad.json", value)
    write(tmp_path / "good.json", content(number=2))
    loaded = load([tmp_path])
    assert [match.fixture for match in loaded.matches] == ["wyscout-2"]
    (problem,) = loaded.problems
    assert (problem.file, problem.place) == (str(bad), place)
    assert reason in problem.reason


@pytest.mark.parametrize(
    ("value", "place", "reason"),
    [
        (b"[{", "file", "is not JSON"),
        ({}, "file", "Expected `array`, got `object`"),
        ([entry(label=None)], "[0].label", "Expected `str`, got `null`"),
        (
            [entry(9), entry(teamsData={"11": {"side": "left", "score": 0}})],
            "[1].teamsData[...].side",
            "Invalid enum value",
        ),
        ([entry(teamsData={"11": {"side": "home", "score": 0}})], "[0].teamsData", "is not one home and one away side"),
        ([entry(dateutc="yesterday")], "[0].dateutc", "'yesterday' is not a time like 2018-07-15 15:00:00"),
    ],
)
def test_a_bad_meta_file_is_a_problem_and_its_matches_are_assumed(
    tmp_path: Path, value: object, place: str, reason: str
) -> None:
    meta = write(tmp_path / "meta" / "matches_X.json", value)
    write(tmp_path / "1.json", content())
    loaded = load([tmp_path])
    assert [bool(match.assumed) for match in loaded.matches] == [True]
    (problem,) = loaded.problems
    assert (problem.file, problem.place) == (str(meta), place)
    assert reason in problem.reason


def test_a_file_of_other_teams_than_the_meta_file_says_is_refused(tmp_path: Path) -> None:
    data = {"11": {"side": "home", "score": 0}, "33": {"side": "away", "score": 0}}
    write(tmp_path / "meta" / "matches_X.json", [entry(teamsData=data)])
    file = write(tmp_path / "1.json", content())
    loaded = load([file])
    assert loaded.matches == []
    assert [(p.file, p.place, p.reason) for p in loaded.problems] == [
        (str(file), "teams", "are not those of the meta file")
    ]


def test_paths_that_hold_nothing_are_problems(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    file = write(tmp_path / "1.json", content())
    loaded = load([tmp_path / "gone", tmp_path / "empty", file], meta=tmp_path / "empty")
    assert len(loaded.matches) == 1
    assert [(Path(p.file).name, p.place, p.reason) for p in loaded.problems] == [
        ("gone", "path", "does not exist"),
        ("empty", "path", "holds no .json or .json.gz file"),
        ("empty", "path", "is no folder with matches_*.json; name the meta folder"),
    ]


def test_a_match_is_taken_once(tmp_path: Path) -> None:
    first, again = write(tmp_path / "a.json", content()), write(tmp_path / "b.json", content())
    loaded = load([first, first, again])
    assert len(loaded.matches) == 1
    assert [(p.file, p.reason) for p in loaded.problems] == [(str(again), f"wyscout-1 is read from {first} already")]
