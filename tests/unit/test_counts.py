"""Counting: histograms, and what a process counts of itself."""

import pytest

from matchday.app.lateness import Lateness
from matchday.counts import ANSWER_MS, LAG_MS, SIZES, Histogram
from matchday.edge.ops import Distribution, Sample, exposition
from matchday.sim.clock import VirtualClock


@pytest.mark.parametrize(("value", "place"), [(0, 0), (1, 0), (2, 1), (10, 1), (11, 2), (10**9, 2)])
def test_a_value_is_counted_in_the_range_that_ends_with_it_or_above_it(value: int, place: int) -> None:
    found = Histogram((1, 10))
    found.take(value)
    assert (found.counts.index(1), found.total, found.count) == (place, value, 1)


def test_a_clock_that_was_put_back_takes_nothing_away() -> None:
    found = Histogram((1, 10))
    found.take(5)
    found.take(-3_600_000)
    assert (found.counts, found.total) == ([1, 1, 0], 5)


@pytest.mark.parametrize("bounds", [ANSWER_MS, LAG_MS, SIZES])
def test_bounds_rise(bounds: tuple[int, ...]) -> None:
    assert list(bounds) == sorted(set(bounds))


def test_a_histogram_is_said_as_prometheus_has_it() -> None:
    of = Distribution([0.001, 0.5], [2, 0, 1], 2.25)
    assert exposition([Sample("took_seconds", "histogram", "Took.", of, {"room": "gate"})]).decode().splitlines() == [
        "# HELP took_seconds Took.",
        "# TYPE took_seconds histogram",
        'took_seconds_bucket{room="gate",le="0.001"} 2',
        'took_seconds_bucket{room="gate",le="0.5"} 2',
        'took_seconds_bucket{room="gate",le="+Inf"} 3',
        'took_seconds_sum{room="gate"} 2.25',
        'took_seconds_count{room="gate"} 3',
    ]


def test_lateness_is_how_late_a_call_is_made() -> None:
    clock = VirtualClock(1)
    lateness = Lateness(clock)
    lateness.start()
    clock.run_for(1_000)
    assert (lateness.late_ms.count, lateness.late_ms.total) == (10, 0)
    clock._now += 730  # the loop stands still
    clock.run_for(0)
    assert (lateness.late_ms.count, lateness.late_ms.total) == (11, 630)
