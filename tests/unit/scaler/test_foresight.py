"""The live forecast is the backtest's; where it cannot be made it is a doubt, never a reason to let go."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from matchday.ops.forecast.backtest import declare
from matchday.ops.forecast.calendar import Fixture
from matchday.ops.forecast.outlook import Forecaster, Outlook
from matchday.ops.forecast.problems import ForecastError
from matchday.ops.forecast.series import DAY
from matchday.ops.scaler.calendars import Calendars
from matchday.ops.scaler.foresight import Foresight
from matchday.ops.scaler.history import History, Minutes, per_minute, per_second
from tests.unit.forecast.crowds import MONDAY, evenings, plan, requests

DAYS, BOOT = 8, 15
KICKOFFS = evenings(DAYS, 4)
LOAD = requests(DAYS, KICKOFFS)
TODAY = MONDAY + (DAYS - 1) * DAY


def calendars(tmp_path: Path, kickoffs: Sequence[int] = KICKOFFS, rows: Sequence[str] = ()) -> Calendars:
    file = tmp_path / "fixtures.csv"
    written = [f"{np.datetime64(MONDAY + at, 'm').item():%Y-%m-%d,%H:%M}," for at in kickoffs]
    file.write_text("date_utc,kickoff_utc,status\n" + "\n".join([*written, *rows]) + "\n")
    return Calendars([file], "")


def history(minute: int, load: Sequence[int] | None = None, missing: Sequence[int] = ()) -> History:
    """Of all days until a minute."""
    counts = {MONDAY + at: int(count) for at, count in enumerate(LOAD if load is None else load)}
    for at in missing:
        del counts[at]
    return History("requests", None, 28, minute, counts)


def foresight(tmp_path: Path, kept: History, margin: float = 2.33) -> Foresight:
    return Foresight({"requests": kept}, {"requests": 2_000.0}, calendars(tmp_path), BOOT, margin)


def test_live_it_expects_what_the_backtest_expects(tmp_path: Path) -> None:
    """Also where it is started in the middle of a day."""
    judged = plan(LOAD, KICKOFFS, judged=1, boot=BOOT)
    outlook = Outlook(Forecaster(judged.scale, judged.slots, BOOT), 2.33)
    for minute in (1, 500, 860, 861, 905):
        index = judged.start + minute
        live = foresight(tmp_path, history(TODAY + minute)).look(TODAY + minute)
        assert live.doubts == []
        assert np.allclose(live.needs["requests"], outlook.need(index, judged.series.until(index)), rtol=1e-9)


def test_before_kick_off_it_sees_the_crowd_come(tmp_path: Path) -> None:
    now = TODAY + 1170
    found = foresight(tmp_path, history(now)).look(now).needs["requests"]
    assert found[BOOT] > 1.4 * found[0], "before anybody was seen"


def test_the_margin_is_declared_as_in_a_backtest(tmp_path: Path) -> None:
    judged = plan(LOAD, KICKOFFS, judged=1, boot=BOOT)
    declared = declare(judged, Forecaster(judged.scale, judged.slots, BOOT)).deviations
    live = foresight(tmp_path, history(TODAY + 600), margin=0).look(TODAY + 600)
    fixed = foresight(tmp_path, history(TODAY + 600), margin=declared).look(TODAY + 600)
    assert np.array_equal(live.needs["requests"], fixed.needs["requests"])


@pytest.mark.parametrize(
    ("kept", "why"),
    [
        (lambda: History("requests", None, 28, TODAY + 600), "nothing of the load is known yet"),
        (
            lambda: history(TODAY + 600, missing=range(MONDAY, TODAY - 2 * DAY)),
            "it is known for 2 whole days, and",
        ),
        (lambda: history(TODAY + 600, missing=range(MONDAY + DAY, TODAY - DAY)), "it is known for 2 whole days, and"),
        (lambda: history(TODAY + 600, missing=range(TODAY + 590, TODAY + DAY)), "it was not seen since 09:49"),
    ],
)
def test_what_cannot_be_forecast_is_a_doubt(tmp_path: Path, kept: object, why: str) -> None:
    assert callable(kept)
    found = foresight(tmp_path, kept()).look(TODAY + 600)
    assert found.needs == {}
    (doubt,) = found.doubts
    assert doubt.startswith("no forecast of requests: ")
    assert why in doubt


def test_a_forecaster_that_breaks_is_a_doubt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a fault")

    monkeypatch.setattr(Outlook, "need", broken)
    (doubt,) = foresight(tmp_path, history(TODAY + 600)).look(TODAY + 600).doubts
    assert doubt == "no forecast of requests: ZeroDivisionError: a fault"
    monkeypatch.setattr(Outlook, "need", lambda *_: np.array([np.nan]))
    (doubt,) = foresight(tmp_path, history(TODAY + 600)).look(TODAY + 600).doubts
    assert "it came to no number" in doubt


def test_a_match_of_the_calendar_holds_until_it_is_over(tmp_path: Path) -> None:
    looks = {}
    for minute in (1170 - 20 - BOOT - 1, 1170 - 20 - BOOT, 1170 + 111, 1170 + 112):
        looks[minute] = foresight(tmp_path, history(TODAY + minute)).look(TODAY + minute).holds
    before, begins, last, after = looks.values()
    assert before == after == []
    assert [hold.until for hold in (*begins, *last)] == ["21:22", "21:22"]


def test_without_any_forecast_the_calendar_still_holds(tmp_path: Path) -> None:
    found = foresight(tmp_path, History("requests", None, 28, TODAY + 1200)).look(TODAY + 1200)
    assert [hold.until for hold in found.holds] == ["21:22"]


def test_a_fixture_that_is_moved_or_disappears_keeps_its_window(tmp_path: Path) -> None:
    now = TODAY + 1200
    live = foresight(tmp_path, history(now))
    live._calendars = found = calendars(tmp_path)
    calendars(tmp_path, [at for at in KICKOFFS if MONDAY + at != TODAY + 1170] + [TODAY - MONDAY + 1290])
    assert [hold.until for hold in live.look(now).holds] == ["21:22"]
    assert any("gone from the calendar" in finding for finding in live.findings)
    assert Fixture(TODAY + 1170, cancelled=True) in found.fixtures


def test_a_calendar_that_cannot_be_read_any_more_is_a_doubt_and_the_last_one_stays(tmp_path: Path) -> None:
    now = TODAY + 1200
    live = foresight(tmp_path, history(now))
    (tmp_path / "fixtures.csv").write_text("nothing of use")
    found = live.look(now)
    assert any("the calendar cannot be read" in doubt for doubt in found.doubts)
    assert [hold.until for hold in found.holds] == ["21:22"]
    (tmp_path / "fixtures.csv").unlink()
    assert any("the calendar cannot be read" in doubt for doubt in live.look(now + 1).doubts)
    calendars(tmp_path)
    assert not any("calendar" in doubt for doubt in live.look(now + 2).doubts)


def test_a_calendar_that_is_not_there_at_the_start_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ForecastError, match=r"none\.csv"):
        Calendars([tmp_path / "none.csv"], "")


# --- history ----------------------------------------------------------------------------------------------------------


def test_history_is_kept_and_read_again(tmp_path: Path) -> None:
    kept = History("connections", tmp_path / "history", 28, TODAY)
    kept.put(TODAY, 100)
    kept.put(TODAY + 1, 110)
    kept.put(TODAY + 1, 999)
    again = History("connections", tmp_path / "history", 28, TODAY + 5)
    assert again.last == TODAY + 1
    text = (tmp_path / "history" / "connections.csv").read_text().splitlines()
    assert text == ["period,count", "2026-06-08 00:00:00,100", "2026-06-08 00:01:00,110"]
    with pytest.raises(ForecastError, match="no whole day"):
        History("connections", tmp_path / "history", 28, TODAY, {TODAY - 5: 1}).series(TODAY - 1)


def test_a_series_repeats_what_was_known_over_gaps_and_says_so() -> None:
    kept = history(TODAY + 10, missing=[TODAY + 3, TODAY + 4])
    series = kept.series(TODAY + 10)
    index = series.index(TODAY)
    assert series.origin == MONDAY
    assert list(series.known[index + 2 : index + 6]) == [True, False, False, True]
    assert series.requests[index + 3] == series.requests[index + 2] == series.requests[index + 4]


def test_minutes_are_made_of_what_is_seen_in_them() -> None:
    minutes = Minutes()
    assert minutes.add(7, {"connections": 100, "bets_per_s": 2}) is None
    assert minutes.add(7, {"connections": 200}) is None
    assert minutes.add(9, {"connections": 50}) == (7, {"connections": 150, "bets_per_s": 120})
    assert minutes.add(10, {}) == (9, {"connections": 50})
    assert minutes.add(11, {}) is None, "nothing was seen: it is not known"
    assert per_second("bets_per_s", per_minute("bets_per_s", 3)) == 3
