"""What ours is measured against does what its name says."""

import numpy as np
import pytest

from matchday.ops.forecast.fleet import Fleet
from matchday.ops.forecast.policies import AwsHourly, Reactive, SeasonalNaive
from matchday.ops.forecast.series import DAY, Seen
from tests.unit.forecast.crowds import series


def seen(*loads: int, known: bool = True) -> Seen:
    return Seen(np.array(loads, np.int64), np.array([True] * (len(loads) - 1) + [known]))


def fleet(ready: int, minute: int = 1) -> Fleet:
    there = Fleet(10, ready)
    there.turn(minute)
    return there


@pytest.mark.parametrize(("load", "expected"), [(14_000, 10), (15_300, 10), (15_500, 12), (12_700, 10), (28_000, 20)])
def test_reactive_is_kubernetes_rule_with_its_tolerance(load: int, expected: int) -> None:
    assert Reactive(70, 2000).decide(1, seen(load), fleet(10)) == expected


def test_reactive_counts_what_is_on_order() -> None:
    there = fleet(10)
    there.ask(20)
    assert Reactive(70, 2000).decide(1, seen(28_000), there) == 20, "and does not order it again"


def test_reactive_scales_in_after_five_minutes_of_less() -> None:
    policy, there = Reactive(70, 2000), fleet(10)
    wanted = [policy.decide(minute, seen(14_000 if minute == 1 else 7_000), there) for minute in range(1, 8)]
    assert wanted == [10, 10, 10, 10, 10, 5, 5]


def test_reactive_releases_no_ready_process_for_one_on_order() -> None:
    policy, there = Reactive(70, 2000), fleet(10)
    there.ask(30)
    wanted = [policy.decide(minute, seen(14_000), there) for minute in range(1, 9)]
    assert wanted == [30] * 8, "ten are wanted, ten are ready, and the twenty to come cannot be taken back"


def test_reactive_changes_nothing_on_a_metric_that_stopped() -> None:
    assert Reactive(70, 2000).decide(9, seen(100, known=False), fleet(10)) == 10


def test_seasonal_naive_is_ready_for_yesterdays_highest_until_a_boot_ahead() -> None:
    load = np.full(2 * DAY, 1000, np.int64)
    load[100 + 10] = 7000
    policy = SeasonalNaive(DAY, 10, 2000)
    before, at, after = (
        policy.decide(DAY + m, Seen(load[: DAY + m], np.ones(DAY + m, bool)), None) for m in (99, 100, 111)
    )
    assert (before, at, after) == (1, 5, 1)


def test_aws_has_the_mean_of_the_hour_ready_before_it_begins() -> None:
    load = np.full(9 * DAY, 1400, np.int64)
    for day in range(9):
        load[day * DAY + 600 : day * DAY + 660] = 14_000  # 10:00 to 11:00, every day
    there = series(load)
    policy = AwsHourly(there, boot=10, capacity=2000)
    wanted = {m: policy.decide(8 * DAY + m, there.until(8 * DAY + m), None) for m in (500, 584, 585, 600)}
    assert wanted == {500: 1, 584: 1, 585: 10, 600: 10}, "boot and five minutes before the hour"


def test_aws_scales_in_no_further_than_the_reactive_rule_lets_it() -> None:
    load = np.full(9 * DAY, 1400, np.int64)
    load[-1] = 28_000
    there = series(load)
    assert AwsHourly(there, 10, 2000).decide(9 * DAY, there.until(9 * DAY), None) == 20
