"""Traffic made up for tests: days that swell and ebb, and crowds about matches, with noise from a seed."""

from collections.abc import Sequence
from datetime import UTC, datetime
from random import Random

import numpy as np

from matchday.ops.forecast.backtest import Plan
from matchday.ops.forecast.calendar import Fixture
from matchday.ops.forecast.fleet import Counts
from matchday.ops.forecast.series import DAY, Series, slots

MONDAY = int(datetime(2026, 6, 1, tzinfo=UTC).timestamp()) // 60
"""Minutes since 1970 of the first day."""


def crowd(phase: int) -> float:
    """By how much a match multiplies the load, so many minutes after kick-off."""
    points = [(-60, 1.0), (0, 1.1), (20, 2.0), (100, 2.2), (116, 2.8), (135, 1.3), (170, 1.0)]
    return float(np.interp(phase, [at for at, _ in points], [height for _, height in points]))


def requests(days: int, kickoffs: Sequence[int], *, level: float = 20_000, seed: int = 1) -> Counts:
    """Requests of each minute; kick-offs are minutes from the first day's midnight."""
    noise = Random(seed)
    minutes = np.arange(days * DAY)
    load = level * (1 + 0.5 * np.sin(2 * np.pi * (minutes % DAY - 480) / DAY))
    for kickoff in kickoffs:
        for phase in range(-60, 171):
            if 0 <= kickoff + phase < len(load):
                load[kickoff + phase] *= crowd(phase)
    return np.array([int(each * noise.gauss(1, 0.02)) for each in load], np.int64)


def evenings(days: int, first: int = 0) -> list[int]:
    """Two kick-offs a day, from a day on: 15:00 and 19:30."""
    return [day * DAY + at for day in range(first, days) for at in (900, 1170)]


def series(load: Counts, missing: Sequence[int] = ()) -> Series:
    known = np.ones(len(load), bool)
    known[list(missing)] = False
    return Series(MONDAY, 1, load, known)


def plan(load: Counts, kickoffs: Sequence[int], *, judged: int, boot: int = 10, missing: Sequence[int] = ()) -> Plan:
    """Judged are the last so many days."""
    there = series(load, missing)
    calendar = [Fixture(MONDAY + kickoff) for kickoff in kickoffs]
    return Plan(there, slots(calendar, there), len(load) - judged * DAY, len(load), boot, 2000)
