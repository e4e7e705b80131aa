"""Calendars in four formats, moved and cancelled fixtures, and times that name no zone."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from matchday.ops.forecast.calendar import Calendar, read
from matchday.ops.forecast.calendar.fixture import stage
from matchday.ops.forecast.problems import ForecastError
from matchday.ops.forecast.series import slots
from tests.real import DATA
from tests.unit.forecast.crowds import requests, series

SHARED = DATA.parent
OPEN = SHARED / "fixtures-openfootball"


def shared(path: Path) -> Path:
    if not path.exists():
        pytest.skip(f"no {path}: the open calendars are not here")
    return path


def given(tmp_path: Path, name: str, text: str, zone: str | None = None) -> Calendar:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return read(path, zone)


def starts(calendar: Calendar) -> list[str]:
    return [f"{datetime.fromtimestamp(each.kickoff * 60, UTC):%Y-%m-%d %H:%M}" for each in calendar.fixtures]


def test_csv(tmp_path: Path) -> None:
    found = given(tmp_path, "k.csv", "date_utc,kickoff_utc,matches,stage\n1998-06-23,14:00,2,group\n"
                  "1998-07-12,19:00,1,final\n")  # fmt: skip
    assert starts(found) == ["1998-06-23 14:00", "1998-07-12 19:00"]
    assert [(each.matches, each.stage) for each in found.fixtures] == [(2, "group"), (1, "final")]
    assert not found.findings


def test_csv_of_two_columns_and_with_an_offset(tmp_path: Path) -> None:
    found = given(tmp_path, "k.csv", "date_utc,kickoff_utc\n2026-06-11,21:00+02:00\n2026-06-11,20:00:00\n")
    assert starts(found) == ["2026-06-11 19:00", "2026-06-11 20:00"]


def test_rows_at_one_time_are_further_matches_and_said(tmp_path: Path) -> None:
    found = given(tmp_path, "k.csv", "date_utc,kickoff_utc\n2026-06-01,14:00\n2026-06-01,14:00\n")
    assert "same kick-off as in line 2" in str(found.findings[0])
    there = series(requests(1, []))
    assert [(slot.at, slot.matches) for slot in slots(found.fixtures, there)] == [(840, 2)]


def test_a_cancelled_and_a_moved_fixture_keep_their_windows(tmp_path: Path) -> None:
    text = "date_utc,kickoff_utc,status,moved_from\n2026-06-01,14:00,cancelled,\n2026-06-01,20:00,,2026-06-01 17:00\n"
    found = given(tmp_path, "k.csv", text)
    assert [(slot.at, slot.off) for slot in slots(found.fixtures, series(requests(1, [])))] == [
        (840, True), (1020, True), (1200, False),
    ]  # fmt: skip
    said = " ".join(map(str, found.findings))
    assert "1 fixtures are called off" in said
    assert "1 fixtures were moved" in said


def test_openfootball_with_zones_and_stages() -> None:
    found = read(shared(OPEN / "worldcup.json" / "2018_worldcup.json"))
    assert len(found.fixtures) == 64
    assert starts(found)[0] == "2018-06-14 15:00"
    assert starts(found)[-1] == "2018-07-15 15:00"
    assert [each.stage for each in found.fixtures[-4:]] == ["semi_final", "semi_final", "third_place", "final"]
    assert sum(each.stage == "round_of_16" for each in found.fixtures) == 8


def test_openfootball_of_a_league_needs_the_zone_and_knows_who_is_postponed() -> None:
    path = shared(OPEN / "football.json" / "2025-26_en.1.json")
    with pytest.raises(ForecastError, match="names no zone; say which with --kickoffs-zone"):
        read(path)
    found = read(path, "Europe/London")
    assert starts(found)[0] == "2025-08-15 19:00", "20:00 British summer time"
    assert "matches have no time" in str(found.findings[0]), "one was postponed"
    assert {each.stage for each in found.fixtures} == {"group"}


def test_matches_without_a_time_are_left_out_and_said() -> None:
    with pytest.raises(ForecastError, match="no fixture with a kick-off time"):
        read(shared(SHARED / "traffic-worldcup98" / "fixtures_1998_openfootball.json"))


def test_football_txt_agrees_with_the_json_of_the_same_cup() -> None:
    text = read(shared(OPEN / "worldcup-full-txt" / "2022_full.txt"))
    data = read(shared(OPEN / "worldcup.json" / "2022_worldcup.json"), "Asia/Qatar")
    assert starts(text) == starts(data)
    assert [each.stage for each in text.fixtures] == [each.stage for each in data.fixtures]


def test_football_txt_of_a_league(tmp_path: Path) -> None:
    text = "= Premier League 2026/27\n\n» Matchday 18\n[Sat Dec/26]\n  12:30  Leeds v Hull\n"
    text += "  15:00  Stoke v Derby [postponed]\n"
    text += "» Matchday 20\nFri Jan 1\n  17:30  Leeds v Stoke\n"
    found = given(tmp_path, "league.txt", text, "Europe/London")
    assert starts(found) == ["2026-12-26 12:30", "2026-12-26 15:00", "2027-01-01 17:30"]
    assert [each.cancelled for each in found.fixtures] == [False, True, False]


ICS = """BEGIN:VCALENDAR
BEGIN:VEVENT
UID:1
SEQUENCE:1
DTSTART:20260611T200000Z
SUMMARY:Semi-final: A
  v B
END:VEVENT
BEGIN:VEVENT
UID:1
DTSTART:20260611T170000Z
SUMMARY:Semi-final: A v B
END:VEVENT
BEGIN:VEVENT
UID:2
DTSTART;TZID=Europe/London:20260612T200000
STATUS:CANCELLED
SUMMARY:C v D
END:VEVENT
BEGIN:VEVENT
UID:3
DTSTART;VALUE=DATE:20260613
END:VEVENT
END:VCALENDAR
"""


def test_icalendar_knows_what_moved_and_what_was_cancelled(tmp_path: Path) -> None:
    found = given(tmp_path, "k.ics", ICS.replace("\n", "\r\n"))
    assert starts(found) == ["2026-06-11 20:00", "2026-06-12 19:00"]
    moved, cancelled = found.fixtures
    assert (moved.stage, [moved.kickoff - before for before in moved.moved_from]) == ("semi_final", [180])
    assert (cancelled.cancelled, cancelled.stage) == (True, "group")
    assert "1 events have no time of day" in str(found.findings[0])


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("k.xls", "", "no calendar; use .csv"),
        ("k.csv", "day,hour\n", "has no column date_utc, kickoff_utc"),
        ("k.csv", "date_utc,kickoff_utc\n", "no fixture"),
        ("k.csv", "date_utc,kickoff_utc\n2026-06-31,14:00\n", "line 2: .* is no date and time"),
        ("k.csv", "date_utc,kickoff_utc\n2026-06-30,2 pm\n", "line 2: time .* is no HH:MM"),
        ("k.csv", "date_utc,kickoff_utc,matches\n2026-06-30,14:00,many\n", "matches 'many' is outside 1 to 100"),
        ("k.json", "{", "an openfootball file has matches"),
        ("k.json", '{"matches": [{"date": 3}]}', "Expected `str`"),
        ("k.txt", "[Sat Aug/12]\n 15:00 A v B\n", "has no year"),
        ("k.txt", "= 2026\nSat Jun 31\n 15:00 A v B\n", "is no date"),
        ("k.ics", "BEGIN:VEVENT\nDTSTART:20260611T200000\nEND:VEVENT", "names no zone"),
        ("k.ics", "BEGIN:VEVENT\nDTSTART:20260611T200000Z\nRRULE:FREQ=DAILY\nEND:VEVENT", "repeats"),
        ("k.ics", "BEGIN:VEVENT\nDTSTART;TZID=Mars/Olympus:20260611T200000\nEND:VEVENT", "is no time zone"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_with_its_place(tmp_path: Path, name: str, text: str, reason: str) -> None:
    with pytest.raises(ForecastError, match=reason):
        given(tmp_path, name, text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("Group A", "group"), ("Matchday 3", "group"), ("round_of_16", "round_of_16"), ("Round of 32", "round_of_32"),
     ("Quarter-finals", "quarter_final"), ("Semi-final", "semi_final"), ("Play-off for third place", "third_place"),
     ("Final", "final"), ("Play-off", "play_off"), ("", "group")],
)  # fmt: skip
def test_stages(text: str, expected: str) -> None:
    assert stage(text) == expected
