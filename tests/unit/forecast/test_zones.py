"""Traffic and calendar in different zones are noticed, and nothing shrinks in either window."""

import numpy as np
import pytest

from matchday.ops.forecast.series import Slot
from matchday.ops.forecast.zones import guarded, mistaken
from tests.unit.forecast.crowds import evenings, requests, series


def calendar(hours: int = 0) -> list[Slot]:
    return [Slot(at - hours * 60, 1, "group", off=False) for at in evenings(8, 3)]


@pytest.mark.parametrize("hours", [-5, -1, 1, 2, 9])
def test_a_zones_mistake_is_found(hours: int) -> None:
    there = series(requests(8, evenings(8, 3)))
    assert mistaken(there, calendar(hours), len(there.requests)) == hours


def test_times_that_agree_are_left_alone() -> None:
    there = series(requests(8, evenings(8, 3)))
    assert guarded(there, calendar(), len(there.requests)) == (calendar(), [])


def test_traffic_without_crowds_says_nothing_about_zones() -> None:
    there = series(requests(8, []))
    assert mistaken(there, calendar(), len(there.requests)) == 0


def test_both_windows_are_kept_and_it_is_said() -> None:
    there = series(requests(8, evenings(8, 3)))
    slots, findings = guarded(there, calendar(2), len(there.requests))
    assert "2 hours after the calendar's kick-offs" in str(findings[0])
    kept = {slot.at for slot in slots if slot.off}
    assert kept == set(evenings(8, 3))


def test_only_what_was_known_then_is_looked_at() -> None:
    load = requests(8, evenings(8, 3))
    until = 6 * 1440
    before = mistaken(series(load), calendar(2), until)
    load[until:] = np.int64(1)
    assert before == mistaken(series(load), calendar(2), until) == 2
