"""The crowd that coming fixtures will bring, from past traffic and a calendar: days ahead, by shape and level alone.

Base and template are the forecast's (``ops/forecast/shape``), fitted on whole days before now; the level is that of the
last days of the same kind (working day, weekend). How wrong such a forecast is, is taken from past matches, each
forecast by the level of the days before it.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from matchday.ops.drill import DrillError
from matchday.ops.forecast.calendar import Fixture
from matchday.ops.forecast.series import DAY, Flags, Floats, Series, Slot, slots
from matchday.ops.forecast.shape import Scale, Shape, fit, smooth

DAYS_MIN: Final = 7
"""Whole days of traffic before now."""
LEVEL_DAYS: Final = 2
"""That the level is taken from."""
MARGIN: Final = 2.33
"""Deviations: what one match in a hundred exceeds, if errors are normal."""
UNSEEN: Final = 0.25
"""Deviation of the logarithm at least, and before any match was seen."""
_SLOTS: Final = 20
"""Past kick-offs whose errors count."""
_OF_MEDIAN: Final = 1.4826
"""Deviations in the median distance of normal errors."""
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
    levels = _levels(shape, logs, every, ends)
    weekend = scale.weekend(np.arange(series.index(now + days * DAY) // series.day + 2, dtype=float))
    deviation = _deviation(shape, logs, every, ends, levels)
    found = []
    for one in coming(fixtures, now, days):
        at = series.index(one.minute)
        start, end = at + scale.low, at + scale.high
        level = _level(levels, weekend, at // series.day)
        expected = smooth(shape.bases(start, end) + shape.heights(every, start, end), _WIDTH) + level
        place = int(np.argmax(expected))
        top = float(expected[place])
        found.append(
            Peak(one, series.minute(start + place), float(np.exp(top)), float(np.exp(top + MARGIN * deviation)))
        )
    return found


def _levels(shape: Shape, logs: Floats, every: Sequence[Slot], end: int) -> Floats:
    """Of each whole day: what base and matches leave, each minute by its requests."""
    rest = (logs - shape.bases(0, end) - shape.heights(every, 0, end)).reshape(-1, shape.scale.day)
    counts = np.exp(logs).reshape(-1, shape.scale.day)
    result: Floats = (rest * counts).sum(axis=1) / counts.sum(axis=1)
    return result


def _level(levels: Floats, weekend: Flags, day: int) -> float:
    """Of a day to come: that of the last days before it of its kind. A weekend's crowd is another than a working day's,
    and by how much, a tournament changes."""
    known = np.arange(min(day, len(levels)))
    alike = known[weekend[known] == weekend[day]]
    return float(levels[(alike if len(alike) >= LEVEL_DAYS else known)[-LEVEL_DAYS:]].mean())


def _deviation(shape: Shape, logs: Floats, every: Sequence[Slot], end: int, levels: Floats) -> float:
    """Of the logarithm of past peaks about what was forecast by the level of the days before, by the median distance: a
    tournament's first day, which no level foresees, does not set it."""
    scale, off = shape.scale, list[float]()
    weekend = scale.weekend(np.arange(len(levels) + 1, dtype=float))
    for slot in every:
        start, stop, day = max(slot.at + scale.low, 0), slot.at + scale.high, slot.at // scale.day
        if slot.off or day <= LEVEL_DAYS or stop > end:
            continue
        forecast = smooth(shape.bases(start, stop) + shape.heights(every, start, stop), _WIDTH).max()
        level = _level(levels[:day], weekend, day)
        off.append(float(smooth(logs[start:stop], _WIDTH).max() - forecast - level))
    return max(_OF_MEDIAN * float(np.median(np.abs(off[-_SLOTS:]))), UNSEEN) if off else UNSEEN
