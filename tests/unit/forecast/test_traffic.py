"""Traffic files as they come: with gaps, doubles, other zones, and rubbish."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from matchday.ops.forecast import traffic
from matchday.ops.forecast.problems import ForecastError
from matchday.ops.forecast.series import compressed

START = datetime(2026, 6, 1, tzinfo=UTC)


def file(tmp_path: Path, *rows: str, header: str = "period,count") -> Path:
    path = tmp_path / "traffic.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def said(found: traffic.Traffic) -> str:
    return " | ".join(map(str, found.findings))


def test_a_plain_file_has_nothing_odd(tmp_path: Path) -> None:
    found = traffic.read(file(tmp_path, "2026-06-01 00:00:00,5", "2026-06-01 00:01:00,6"))
    assert (found.requests.tolist(), bool(found.known.all()), said(found)) == ([5, 6], True, "")
    assert found.first == int(START.timestamp()) // 60


def test_a_gap_repeats_what_was_known_and_never_what_comes_after_it(tmp_path: Path) -> None:
    found = traffic.read(file(tmp_path, "2026-06-01 00:00:00,5", "2026-06-01 00:03:00,900"))
    assert found.requests.tolist() == [5, 5, 5, 900]
    assert found.known.tolist() == [True, False, False, True]
    assert "2 minutes are missing in 1 gaps, the longest of 2" in said(found)
    assert "2026-06-01 00:01" in said(found)


def test_of_two_counts_for_a_minute_the_larger_stands(tmp_path: Path) -> None:
    rows = ("2026-06-01 00:00:00,5", "2026-06-01 00:01:00,70", "2026-06-01 00:01:00,6", "2026-06-01 00:02:00,8")
    found = traffic.read(file(tmp_path, *rows))
    assert found.requests.tolist() == [5, 70, 8]
    assert "1 minutes come twice, 1 of them with different counts" in said(found)


def test_rows_out_of_order_are_sorted_and_said(tmp_path: Path) -> None:
    found = traffic.read(file(tmp_path, "2026-06-01 00:01:00,6", "2026-06-01 00:00:00,5"))
    assert found.requests.tolist() == [5, 6]
    assert "out of order" in said(found)
    assert "line 3" in said(found)


def test_an_offset_is_taken_into_account(tmp_path: Path) -> None:
    found = traffic.read(file(tmp_path, "2026-06-01T02:00:00+02:00,5", "2026-06-01T02:01+02:00,5"))
    assert found.first == int(START.timestamp()) // 60


def test_an_hour_missing_as_when_clocks_go_forward_is_said(tmp_path: Path) -> None:
    times = [datetime(2026, 3, 29, 1, tzinfo=UTC) + timedelta(minutes=m) for m in range(60)]
    times += [datetime(2026, 3, 29, 3, tzinfo=UTC) + timedelta(minutes=m) for m in range(60)]
    found = traffic.read(file(tmp_path, *(f"{time:%Y-%m-%d %H:%M:%S},7" for time in times)))
    assert "clocks are put forward" in said(found)
    assert "2026-03-29 02:00" in said(found)


@pytest.mark.parametrize(
    ("rows", "header", "reason"),
    [
        ((), "period,count", "has no rows"),
        (("2026-06-01 00:00,5",), "when,what", "must name the columns period and count"),
        (("2026-06-01 00:00,5", "today,6"), "period,count", "line 3: not a time and a whole number"),
        (("2026-06-01 00:00,",), "period,count", "line 2: not a time"),
        (("2026-06-01 00:00",), "period,count", "line 2: not a time"),
        (("2026-06-01 00:00,-1",), "period,count", "count -1 is outside 0 to"),
        (("2026-06-01 00:00:30,1",), "period,count", "within a minute"),
        (("2026-06-01 00:00,1", "2026-06-01T00:01Z,1"), "period,count", "some times name an offset"),
        (("1998-06-01 00:00,1", "2026-06-01 00:01,1"), "period,count", "spans"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_place(
    tmp_path: Path, rows: tuple[str, ...], header: str, reason: str
) -> None:
    with pytest.raises(ForecastError, match=reason):
        traffic.read(file(tmp_path, *rows, header=header))


def test_a_file_that_is_not_there_names_the_option(tmp_path: Path) -> None:
    with pytest.raises(ForecastError, match="name a file with --traffic"):
        traffic.read(tmp_path / "none.csv")


def test_compressed_minutes_are_sums_from_midnight_on_and_known_if_all_of_theirs_are(tmp_path: Path) -> None:
    rows = [f"2026-06-01 00:{m:02}:00,{m}" for m in range(3, 20) if m != 12]
    found = traffic.read(file(tmp_path, *rows))
    series = compressed(found.first, found.requests, found.known, 5)
    assert series.requests.tolist() == [3 + 4, 5 + 6 + 7 + 8 + 9, 10 + 11 + 11 + 13 + 14, 15 + 16 + 17 + 18 + 19]
    assert series.known.tolist() == [False, True, False, True]
    assert series.day == 288


@pytest.mark.parametrize("step", [0, 7, 61])
def test_a_compression_that_does_not_divide_a_day_is_refused(tmp_path: Path, step: int) -> None:
    found = traffic.read(file(tmp_path, "2026-06-01 00:00:00,5"))
    with pytest.raises(ForecastError, match="does not divide a day"):
        compressed(found.first, found.requests, found.known, step)
