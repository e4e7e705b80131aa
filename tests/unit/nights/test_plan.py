"""The plan for a week: moved and cancelled fixtures, verdicts, and that nothing after now is looked at."""

from datetime import UTC, datetime

import numpy as np
import pytest

from matchday.ops.capacity import FORMAT, Capacity, Carried, Machine, Room
from matchday.ops.drill import DrillError
from matchday.ops.drill.fans.behaviour import MIXES, bets, requests
from matchday.ops.drill.plan.command import loads_at, row_of
from matchday.ops.drill.plan.peaks import Coming, Peak, coming, peaks
from matchday.ops.forecast.calendar import Fixture
from matchday.ops.forecast.series import DAY, Series

START = int(datetime(2026, 6, 1, tzinfo=UTC).timestamp()) // 60
"""A Monday."""
DAYS = 16
NOW = START + DAYS * DAY


def kickoff(day: int, hour: int) -> int:
    return START + day * DAY + hour * 60


PLAYED = [Fixture(kickoff(day, 19)) for day in range(3, DAYS)]
"""One each evening."""


def trace() -> Series:
    """1,000 requests a minute, three times as many while a match is on."""
    requests_ = np.full((DAYS + 7) * DAY, 1_000, np.int64)
    for fixture in PLAYED:
        at = fixture.kickoff - START
        requests_[at : at + 115] = 3_000
    return Series(START, 1, requests_, np.ones(len(requests_), bool))


def test_what_is_coming_is_told_with_what_became_of_it() -> None:
    fixtures = [
        Fixture(kickoff(DAYS, 19)), Fixture(kickoff(DAYS + 1, 19), cancelled=True),
        Fixture(kickoff(DAYS + 3, 20), 2, "semi_final", moved_from=(kickoff(DAYS + 2, 19),)),
        Fixture(kickoff(DAYS + 9, 19)), *PLAYED,
    ]  # fmt: skip
    assert [(one.minute, one.state) for one in coming(fixtures, NOW, 7)] == [
        (kickoff(DAYS, 19), "on"), (kickoff(DAYS + 1, 19), "called off"), (kickoff(DAYS + 2, 19), "moved away"),
        (kickoff(DAYS + 3, 20), "on"),
    ]  # fmt: skip


def test_a_match_brings_the_crowd_that_matches_brought_and_the_cancelled_one_none() -> None:
    match, off = Fixture(kickoff(DAYS, 19)), Fixture(kickoff(DAYS + 1, 12), cancelled=True)
    found = peaks(trace(), [*PLAYED, match, off], NOW)
    assert found[0].expected == pytest.approx(3_000, rel=0.15)
    assert found[0].high > 1.5 * found[0].expected  # a quarter of the logarithm at least, 2.33 times
    assert kickoff(DAYS, 19) - 10 <= found[0].at_minute <= kickoff(DAYS, 19) + 125
    assert found[1].coming.state == "called off"
    assert found[1].expected < 1_500


def test_nothing_after_now_is_looked_at() -> None:
    series, match = trace(), Fixture(kickoff(DAYS, 19))
    before = peaks(series, [*PLAYED, match], NOW)
    series.requests[DAYS * DAY :] = 99_999
    assert peaks(series, [*PLAYED, match], NOW) == before


def test_two_at_once_and_a_final_bring_more() -> None:
    one, two, final = (
        Fixture(kickoff(DAYS, 19)),
        Fixture(kickoff(DAYS, 19), 4),
        Fixture(kickoff(DAYS, 19), 1, "final"),
    )
    single, several, last = (peaks(trace(), [*PLAYED, each], NOW)[0].expected for each in (one, two, final))
    assert several > 1.2 * single
    assert last > 1.2 * single


def test_too_short_a_trace_is_refused() -> None:
    with pytest.raises(DrillError, match="less than 7 whole days"):
        peaks(trace(), PLAYED, START + 6 * DAY + 5)


MODEL = Capacity(
    format=FORMAT, version="0", measured_at="2026-11-26T00:00:00Z", machine=Machine(),
    rooms={"gate": Room(carries={
        "connections": Carried(per_process=20_000), "requests_per_s": Carried(per_process=30),
    })},
)  # fmt: skip


def test_a_verdict_goes_by_the_tightest_load_at_the_high() -> None:
    peak = Peak(Coming(NOW + 60, "group", 1, "on"), NOW + 170, 1_000.0, 3_000.0)
    row = row_of(peak, MODEL, {}, 1.0)
    assert row.tightest is not None
    assert (row.tightest.load, row.tightest.times, row.holds) == ("requests_per_s", 0.6, False)
    assert row_of(peak, MODEL, {"gate": 2}, 1.0).holds
    assert not row_of(peak, MODEL, {"gate": 2}, 2.0).holds
    off = row_of(Peak(Coming(NOW + 60, "group", 1, "called off"), NOW, 1e9, 1e9), MODEL, {}, 1.0)
    assert (off.holds, off.state, off.high) == (True, "called off", 0.0)


def test_requests_become_connections_and_bets_by_a_visit() -> None:
    mix = MIXES["kick-off"]
    loads = loads_at(6_000, mix)
    came = 100 / requests(mix)
    assert loads["requests_per_s"] == 100
    assert loads["connections"] == pytest.approx(came * mix.watch * mix.stay_s, rel=1e-3)
    assert loads["bets_per_s"] == pytest.approx(came * bets(mix), rel=1e-3)
