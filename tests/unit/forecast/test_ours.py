"""Our policy: ready before a crowd, and never letting go on a word, a gap or in the middle of a match."""

from dataclasses import replace

import numpy as np
import pytest

from matchday.ops.forecast.backtest import MARGIN, Plan, backtest, declare, walk
from matchday.ops.forecast.fleet import Walk, judge
from matchday.ops.forecast.ours import Ours
from matchday.ops.forecast.outlook import HOLD_AFTER, Forecaster
from matchday.ops.forecast.policies import Reactive
from matchday.ops.forecast.problems import ForecastError
from matchday.ops.forecast.series import DAY, Slot
from tests.unit.forecast.crowds import evenings, plan, requests

DAYS = 10


@pytest.fixture(scope="module")
def given() -> Plan:
    return plan(requests(DAYS, evenings(DAYS, 5)), evenings(DAYS, 5), judged=1, boot=15)


def ours(given: Plan) -> Walk:
    policy = Ours(Forecaster(given.scale, given.slots, given.boot), MARGIN, given.capacity)
    return walk(policy, given, given.start, given.end)


def lost(given: Plan, run: Walk) -> float:
    part = slice(given.start, given.end)
    return judge(given.series.requests[part], given.series.known[part], run, given.capacity).over_capacity


def test_it_is_ready_before_the_crowd_where_a_reactive_rule_is_late(given: Plan) -> None:
    run, plain = ours(given), walk(Reactive(80, given.capacity), given, given.start, given.end)
    assert lost(given, run) < lost(given, plain) / 3
    assert run.ready[912] > 1.2 * run.ready[840], (
        "twelve minutes after kick-off: ordered before a request more was seen"
    )


def test_nothing_is_released_in_a_matchs_risk_window(given: Plan) -> None:
    run = ours(given)
    for kickoff in (900, 1170):
        window = run.paid[kickoff - 20 - given.boot : kickoff + HOLD_AFTER]
        assert (np.diff(window) >= 0).all()


def test_it_lets_go_after_the_whistle(given: Plan) -> None:
    run = ours(given)
    assert run.paid[1170 + 180] < 0.7 * run.paid[1170 + 110]


@pytest.mark.parametrize("how", ["cancelled", "moved"])
def test_a_calendar_alone_shrinks_nothing(given: Plan, how: str) -> None:
    at = given.start + 1170
    off = [replace(slot, off=True) if slot.at == at else slot for slot in given.slots]
    if how == "moved":
        off.append(Slot(at + 60, 1, "group", off=False))
    run = ours(replace(given, slots=off))
    window = run.paid[1170 - 20 - given.boot : 1170 + HOLD_AFTER]
    assert (np.diff(window) >= 0).all()
    assert lost(replace(given, slots=off), run) < 0.02, "and the crowd that comes all the same is mostly carried"


def test_while_the_metric_is_away_nothing_is_released() -> None:
    missing = list(range((DAYS - 1) * DAY + 1290, (DAYS - 1) * DAY + 1420))
    load = requests(DAYS, evenings(DAYS, 5))
    load[missing] = load[missing[0] - 1]
    holed = plan(load, evenings(DAYS, 5), judged=1, boot=15, missing=missing)
    assert (np.diff(ours(holed).paid[1291:1420]) >= 0).all()


def test_in_extra_time_the_crowd_is_still_carried() -> None:
    kickoffs = evenings(DAYS, 5)
    load = requests(DAYS, kickoffs)
    at = (DAYS - 1) * DAY + 1170
    load[at + 112 : at + 160] = load[at + 100 : at + 112].max() * np.linspace(1.0, 1.4, 48)
    late = plan(load, kickoffs, judged=1, boot=15)
    knockout = [replace(s, stage="semi_final") if s.at == at else s for s in late.slots]
    run = ours(replace(late, slots=knockout))
    assert lost(late, run) < 0.0005
    assert (np.diff(run.paid[1170 : 1170 + 155]) >= 0).all()


def test_a_processes_on_order_is_not_counted_where_one_is_released(given: Plan) -> None:
    """A fleet of two with one to come once let the two go for the one, and carried nothing until it had booted."""
    run = ours(given)
    load = given.series.requests[given.start : given.end]
    assert (run.ready[1:] * given.capacity >= load[:-1] * 0.97).all(), "what was seen a minute ago is carried"


def test_the_margin_is_declared_from_days_before_and_said(given: Plan) -> None:
    margin = declare(given, Forecaster(given.scale, given.slots, given.boot))
    assert margin.deviations >= MARGIN
    assert (margin.rehearsed_from, margin.rehearsed_days) == ("2026-06-07", 3)
    assert margin.loss <= 0.0001


def test_the_margin_is_raised_where_rehearsals_lose_too_much() -> None:
    load = requests(DAYS, evenings(DAYS, 5))
    for day, more in ((6, 2.6), (7, 1.0), (8, 3.4)):  # crowds that no day before had
        load[day * DAY + 900 : day * DAY + 1010] = (load[day * DAY + 900 : day * DAY + 1010] * more).astype(int)
    wild = plan(load, evenings(DAYS, 5), judged=1, boot=30)
    assert declare(wild, Forecaster(wild.scale, wild.slots, wild.boot)).deviations > MARGIN


def test_a_backtest_has_a_row_for_each_policy(given: Plan) -> None:
    steps: list[str] = []
    outcome = backtest(given, lambda step, done, total: steps.append(step))
    names = [row.policy for row in outcome.rows]
    assert names == [
        *(f"reactive_{target}" for target in range(40, 85, 5)),
        "aws_hourly",
        "seasonal_naive",
        "ours",
        "oracle",
    ]
    rows = {row.policy: row for row in outcome.rows}
    assert (rows["oracle"].bill_ratio, rows["oracle"].requests_over_capacity, rows["oracle"].requests_over_target) == (
        1,
        0,
        0,
    )
    bills = [rows[f"reactive_{target}"].bill_ratio for target in range(40, 85, 5)]
    assert bills == sorted(bills, reverse=True)
    assert {"margin", "ours"} <= set(steps)


def test_too_little_history_and_no_traffic_are_refused() -> None:
    load = requests(4, [])
    with pytest.raises(ForecastError, match="less than 3 days before"):
        backtest(plan(load, [], judged=2), lambda *_: None)
    with pytest.raises(ForecastError, match="no minute of the judged days"):
        backtest(plan(load, [], judged=1, missing=range(3 * DAY, 4 * DAY)), lambda *_: None)


def test_without_any_match_it_still_forecasts_the_day() -> None:
    calm = plan(requests(6, []), [], judged=1)
    assert lost(calm, ours(calm)) < 0.001
