"""The crowd that coming fixtures will bring, from past traffic and a calendar: days ahead, by shape and level alone.

Base and template are the forecast's (``ops/forecast/shape``), fitted on whole days before now; the level is that of the
last days. How wrong such a forecast is, is taken from past matches, each forecast by the level of the days before it.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from matchday.ops.drill import DrillError
from matchday.ops.forecast.calendar import Fixture
from matchday.ops.forecast.series import DAY, Floats, Series, Slot, slots
from matchday.ops.forecast.shape import Scale, Shape, fit, smooth

DAYS_MIN: Final = 7
"""Whole days of traffic before now."""
LEVEL_DAYS: Final = 2
"""That the level is taken from."""
MARGIN: Final = 2.33
"""Deviations: what one match in a hundred exceeds, if errors are normal."""
UNSEEN: Final = 0.25
"""Deviation of the logarithm at least, and before any match was seen."""
_WIDTH: Final = 5
"""Minutes over which a peak is taken."""


class Coming(NamedTuple):
    """One kick-off to come, or one that will not be."""

    minute: int
    """Since 1970, UTC."""
    stage: str
    matches: int
    state: str
    """``on``; ``called off`` and ``moved away``: no crowd is expected, and nothing is made smaller either."""


class Peak(NamedTuple):
    """What it brings, requests a minute."""

    coming: Coming
    at_minute: int
    expected: float
    high: float
    """What one such match in a hundred exceeds."""


def coming(fixtures: Sequence[Fixture], now: int, days: int) -> list[Coming]:
    """Kick-offs within so many days of a minute, in order."""
    found = []
    for fixture in fixtures:
        for number, (minute, off) in enumerate(fixture.windows()):
            if now <= minute < now + days * DAY:
                state = "on" if not off else "called off" if not number else "moved away"
                found.append(Coming(minute, fixture.stage, fixture.matches, state))
    return sorted(found)


def peaks(series: Series, fixtures: Sequence[Fixture], now: int, days: int = 7) -> list[Peak]:
    """The peak of each; of the trace only whole days before ``now`` are looked at."""
    ends = min(len(series.requests), series.index(now)) // series.day * series.day
    if ends < DAYS_MIN * series.day:
        raise DrillError(f"less than {DAYS_MIN} whole days of traffic before the day of --now; name a longer trace")
    every = slots(fixtures, series)
    scale = Scale(series.step, (series.origin // DAY + 3) % 7)
    logs = np.log(np.maximum(series.requests[:ends], 1).astype(float))
    shape = fit(scale, logs, series.known[:ends], every)
    level = _level(shape, logs, every, ends)
    bias, deviation = _errors(shape, logs, every, ends)
    found = []
    for one in coming(fixtures, now, days):
        at = series.index(one.minute)
        start, end = at + scale.low, at + scale.high
        expected = smooth(shape.bases(start, end) + shape.heights(every, start, end), _WIDTH) + level + bias
        place = int(np.argmax(expected))
        top = float(expected[place])
        found.append(
            Peak(one, series.minute(start + place), float(np.exp(top)), float(np.exp(top + MARGIN * deviation)))
        )
    return found


def _level(shape: Shape, logs: Floats, every: Sequence[Slot], end: int) -> float:
    """Of the last days before a place: what base and matches leave, each minute by its requests."""
    start = max(end - LEVEL_DAYS * shape.scale.day, 0)
    rest = logs[start:end] - shape.bases(start, end) - shape.heights(every, start, end)
    counts = np.exp(logs[start:end])
    return float((rest * counts).sum() / counts.sum())


def _errors(shape: Shape, logs: Floats, every: Sequence[Slot], end: int) -> tuple[float, float]:
    """(mean, deviation) of the logarithm of past peaks over what was forecast by the level of the days before."""
    scale, off = shape.scale, list[float]()
    for day in range(LEVEL_DAYS + 1, end // scale.day):
        here = [s for s in every if s.at // scale.day == day and not s.off and s.at + scale.high <= end]
        if not here:
            continue
        level = _level(shape, logs, every, day * scale.day)
        for slot in here:
            start, stop = max(slot.at + scale.low, 0), slot.at + scale.high
            forecast = smooth(shape.bases(start, stop) + shape.heights(every, start, stop), _WIDTH).max() + level
            off.append(float(smooth(logs[start:stop], _WIDTH).max() - forecast))
    if not off:
        return 0.0, UNSEEN
    return float(np.mean(off)), max(float(np.std(off)), UNSEEN)
