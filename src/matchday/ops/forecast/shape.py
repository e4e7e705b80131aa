"""What a day looks like: a robust weekly base, and what a match adds to it, relative to its kick-off.

Both are logarithms: ``log(requests) = level + base(time of the week) + weight * template(minutes since kick-off)``.
They are fitted in turns on the past alone; recent days count more, a match counts by its requests, as losses do.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from matchday.ops.forecast.series import DAY, Flags, Floats, Slot

BEFORE: Final = 90
AFTER: Final = 200
"""Minutes around a kick-off in which a match is felt."""
WHISTLE: Final = 115
"""Minutes after kick-off by which a match without extra time is over; the crowd peaks just then."""
EXTRA: Final = 50
"""Minutes that extra time and a shoot-out may add."""
_DAYS: Final = 21
"""That the base is learned from."""
_DAYS_HALF: Final = 8.0
"""Age in days at which a day counts half."""
_OTHER_KIND: Final = 0.3
"""What a working day counts for weekends, and the other way round."""
_CROWDED: Final = 0.1
"""What a minute with a match counts for the base."""
_SMOOTH: Final = 31
"""Minutes over which the base is smoothed."""
_ROUNDS: Final = 3
_STAGES: Final = {"round_of_16": 1.1, "quarter_final": 1.15, "semi_final": 1.25, "final": 1.3}
_SIMULTANEOUS: Final = 0.1
"""Assumed, not learned: what each further match at the same time adds to the template's height."""


def weight(slot: Slot) -> float:
    """By how much a match's template is higher than a single group match's. Assumed before any was seen; what the crowd
    shows on the day corrects it, and the band of a kind that nobody has seen is wider."""
    return _STAGES.get(slot.stage, 1.0) * (1 + _SIMULTANEOUS * (slot.matches - 1))


def smooth(values: Floats, width: int) -> Floats:
    """Moving mean along the first axis; the ends repeat."""
    if width <= 1 or not len(values):
        return values
    left = width // 2
    pad = [(left + 1, width - 1 - left)] + [(0, 0)] * (values.ndim - 1)
    total = np.cumsum(np.pad(values, pad, mode="edge"), axis=0)
    result: Floats = (total[width:] - total[:-width]) / width
    return result


@dataclass(frozen=True, slots=True)
class Scale:
    """The walk's minutes: how many in a day, which weekday the first day is, and a match's window in them."""

    step: int
    weekday: int
    """Of the day that index 0 begins; Monday is 0."""

    @property
    def day(self) -> int:
        """The walk's minutes in a day."""
        return DAY // self.step

    @property
    def low(self) -> int:
        """Where a match's window begins, from its kick-off on; negative."""
        return -(BEFORE // self.step)

    @property
    def high(self) -> int:
        """Where it ends."""
        return AFTER // self.step

    def phases(self, slot: Slot, start: int, end: int) -> tuple[slice, slice]:
        """(places in start..end, places in a template) that a slot's window covers."""
        first, last = max(slot.at + self.low, start), min(slot.at + self.high, end)
        last = max(first, last)
        return slice(first - start, last - start), slice(first - slot.at - self.low, last - slot.at - self.low)

    def weekend(self, days: Floats) -> Flags:
        """Which days are Saturdays and Sundays."""
        flags: Flags = (days + self.weekday) % 7 >= 5
        return flags

    def covered(self, slots: Sequence[Slot], start: int, end: int) -> Flags:
        """Which minutes of start..end have a match about them."""
        there = np.zeros(end - start, bool)
        for slot in slots:
            there[self.phases(slot, start, end)[0]] = True
        return there


@dataclass(frozen=True, slots=True)
class Shape:
    """Base and template as learned from the past."""

    scale: Scale
    base: Floats
    """[working day or weekend, minute of the day]"""
    template: Floats
    """By minute since kick-off, from ``scale.low`` on, at weight 1."""

    def bases(self, start: int, end: int) -> Floats:
        """The base of every minute in start..end; days of either kind run into each other."""
        margin = 30 // self.scale.step
        places = np.arange(start - margin, end + margin)
        kind = self.scale.weekend((places // self.scale.day).astype(float)).astype(int)
        return smooth(self.base[kind, places % self.scale.day], 2 * margin + 1)[margin : len(places) - margin]

    def heights(self, slots: Sequence[Slot], start: int, end: int) -> Floats:
        """What matches add in every minute of start..end."""
        total = np.zeros(end - start)
        for slot in slots:
            if not slot.off:
                here, phase = self.scale.phases(slot, start, end)
                total[here] += weight(slot) * self.of(slot)[phase]
        return total

    def of(self, slot: Slot) -> Floats:
        """A slot's template; where extra time may come, no fall is taken for granted until that is over."""
        if not slot.knockout:
            return self.template
        return stretched(self.template, self.scale)


def stretched(rows: Floats, scale: Scale) -> Floats:
    """Rows by phase as if the final whistle came late: what holds at the whistle holds through extra time."""
    whistle, extra = WHISTLE // scale.step - scale.low, EXTRA // scale.step
    return np.concatenate([rows[:whistle], np.repeat(rows[whistle : whistle + 1], extra, axis=0),
                           rows[whistle : len(rows) - extra]])  # fmt: skip


def fit(scale: Scale, logs: Floats, known: Flags, slots: Sequence[Slot]) -> Shape:
    """Learn from whole days of logarithms of requests."""
    days = len(logs) // scale.day
    end = days * scale.day
    first = max(days - _DAYS, 0)
    start = first * scale.day
    kept = logs[start:end].reshape(-1, scale.day)
    crowded = scale.covered(slots, start, end).reshape(-1, scale.day)
    counted = np.where(crowded, _CROWDED, 1.0) * known[start:end].reshape(-1, scale.day)
    past = [slot for slot in slots if not slot.off and start - scale.low <= slot.at < end - scale.high]
    weekend = scale.weekend(np.arange(first, days, dtype=float))
    shape = Shape(scale, np.zeros((2, scale.day)), np.zeros(scale.high - scale.low))
    for _ in range(_ROUNDS):
        matches = shape.heights(past, start, end).reshape(-1, scale.day)
        shape = Shape(scale, _base(scale, kept - matches, counted, weekend, shape.base), shape.template)
        shape = Shape(scale, shape.base, template(shape, logs, known, past))
    return shape


def _base(scale: Scale, logs: Floats, counted: Floats, weekend: Flags, before: Floats) -> Floats:
    rest = logs - before[weekend.astype(int)]
    level = (rest * counted).sum(axis=1) / np.maximum(counted.sum(axis=1), 1e-9)
    age = len(logs) - np.arange(len(logs))
    base = np.zeros((2, scale.day))
    for kind in (0, 1):
        by_day = 0.5 ** (age / _DAYS_HALF) * np.where(weekend == bool(kind), 1.0, _OTHER_KIND)
        counts = by_day[:, None] * counted
        mean = (counts * (logs - level[:, None])).sum(axis=0) / np.maximum(counts.sum(axis=0), 1e-9)
        round_the_clock = smooth(np.concatenate([mean] * 3), max(_SMOOTH // scale.step, 1))
        base[kind] = round_the_clock[scale.day : 2 * scale.day]
    return base


def template(shape: Shape, logs: Floats, known: Flags, past: Sequence[Slot], leave_out: int = -1) -> Floats:
    """What a match adds, by the crowds of the past but for one day; of a knock-out match up to the whistle alone."""
    scale = shape.scale
    size = scale.high - scale.low
    learned = [slot for slot in past if slot.at // scale.day != leave_out]
    if not learned:
        return np.zeros(size)
    start, end = min(s.at for s in learned) + scale.low, max(s.at for s in learned) + scale.high
    start = max(start, 0)
    base = shape.bases(start, end)
    found = np.zeros(size)
    for _ in range(2):
        rest = logs[start:end] - base - Shape(scale, shape.base, found).heights(past, start, end)
        total, counted = np.zeros(size), np.zeros(size)
        for slot in learned:
            here, _ = scale.phases(slot, start, end)
            level = rest[here][: 60 // scale.step].mean()
            volume = np.exp(logs[start:end][here]) * known[start:end][here]
            if slot.knockout:
                volume[WHISTLE // scale.step - scale.low :] = 0
            total += volume * (found + (rest[here] - level) / weight(slot))
            counted += volume
        found = _tapered(smooth(total / np.maximum(counted, 1e-9), max(3 // scale.step, 1)), scale)
    return found


def _tapered(rows: Floats, scale: Scale) -> Floats:
    place = (np.arange(len(rows)) + 0.5) * scale.step
    result: Floats = rows * np.clip(place / 30, 0, 1) * np.clip((BEFORE + AFTER - place) / 40, 0, 1)
    return result
