"""The rules of billing, counted by hand."""

import numpy as np
import pytest

from matchday.ops.forecast.backtest import Plan, walk
from matchday.ops.forecast.fleet import Fleet, Walk, judge, processes
from matchday.ops.forecast.policies import oracle
from matchday.ops.forecast.series import Seen
from tests.unit.forecast.crowds import series


class Told:
    """A policy that says what it was told to."""

    def __init__(self, *wanted: int) -> None:
        self.wanted = wanted

    def decide(self, minute: int, seen: Seen, fleet: Fleet | None) -> int:
        assert len(seen.requests) == minute, "minute t is decided on the trace up to t - 1"
        return self.wanted[minute]


def told(*wanted: int, boot: int = 2) -> Walk:
    there = series(np.zeros(len(wanted), np.int64))
    return walk(Told(*wanted), Plan(there, [], 0, len(wanted), boot, 2000), 0, len(wanted))


@pytest.mark.parametrize(
    ("requests", "percent", "expected"),
    [(0, 100, 0), (1, 100, 1), (2000, 100, 1), (2001, 100, 2), (1400, 70, 1), (1401, 70, 2), (140_000, 70, 100)],
)
def test_the_fewest_processes_are_exact(requests: int, percent: int, expected: int) -> None:
    assert processes(requests, 2000, percent) == expected


def test_what_is_asked_for_in_t_is_ready_in_t_plus_boot_and_paid_for_from_t() -> None:
    run = told(1, 1, 3, 3, 3, 3)
    assert run.ready.tolist() == [1, 1, 1, 1, 3, 3]
    assert run.paid.tolist() == [1, 1, 3, 3, 3, 3]
    assert run.changes == 1


def test_without_a_boot_time_it_is_ready_at_once() -> None:
    assert told(1, 4, 4, boot=0).ready.tolist() == [1, 4, 4]


def test_what_was_asked_for_cannot_be_taken_back_and_stays_five_minutes_once_ready() -> None:
    run = told(1, 3, 3, 3, 1, 1, 1, 1, 1, 1, 1)
    assert run.ready.tolist() == [1, 1, 1, 3, 2, 2, 2, 2, 1, 1, 1], "of the two of minute 1, ready in 3, one goes in 8"
    assert run.paid.tolist() == [1, 3, 3, 3, 2, 2, 2, 2, 1, 1, 1]


def test_an_order_stands_whatever_is_wanted_after_it() -> None:
    assert told(1, 4, 1, 1, 1).paid.tolist() == [1, 4, 3, 3, 3], "only the process that was there may go"


def test_released_is_first_what_has_stayed() -> None:
    run = told(3, 5, 4, 4, 4)
    assert run.paid.tolist() == [3, 5, 4, 4, 4], "one of the first three goes in 2, though two are on order"
    assert run.ready.tolist() == [3, 3, 2, 4, 4]
    assert run.changes == 2


def test_a_change_that_the_rules_forbid_is_none() -> None:
    assert told(1, 4, 1, 1).changes == 2, "one order, one release; nothing else may go"


def test_losses_are_fractions_of_all_requests() -> None:
    had = np.array([1, 1, 2])
    run = Walk(had, had, had, 0)
    loss = judge(np.array([1000, 2500, 3500]), np.ones(3, bool), run, 2000)
    assert loss.over_capacity == pytest.approx(500 / 7000)
    assert loss.over_target == pytest.approx((1100 + 700) / 7000)
    assert (loss.minutes_late, loss.paid) == (1, 4)


def test_a_minute_that_is_missing_is_neither_lost_nor_paid_for() -> None:
    had = np.array([1, 1, 1])
    run = Walk(had, had, had, 0)
    loss = judge(np.array([1000, 9000, 1000]), np.array([True, False, True]), run, 2000)
    assert (loss.over_capacity, loss.minutes_late, loss.paid) == (0.0, 0, 2)


def test_the_oracle_has_the_fewest_at_seventy_percent_and_pays_only_then() -> None:
    run = oracle(np.array([0, 1, 1400, 1401, 2800]), 2000)
    assert run.paid.tolist() == run.ready.tolist() == [0, 1, 1, 2, 2]
    loss = judge(np.array([0, 1, 1400, 1401, 2800]), np.ones(5, bool), run, 2000)
    assert (loss.over_capacity, loss.over_target) == (0.0, 0.0)


def test_what_is_to_come_is_known_minute_by_minute() -> None:
    fleet = Fleet(3, 2)
    fleet.turn(10)
    fleet.ask(5)
    fleet.turn(11)
    fleet.ask(6)
    assert fleet.ahead(3).tolist() == [2, 2, 5, 6]
    assert (fleet.ready, fleet.total) == (2, 6)
