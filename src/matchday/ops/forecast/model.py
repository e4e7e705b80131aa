"""The forecast: shape of the day, level as seen now, and a band from past errors by lead time and phase of the match.

What is seen now corrects in two ways. Away from matches it moves the level. During a match it is the crowd's size that
is seen: it fades with the template, so that a match that drew few is not followed by a fall that never comes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from matchday.ops.forecast.series import Flags, Floats, Slot
from matchday.ops.forecast.shape import WHISTLE, Scale, Shape, fit, smooth, stretched, template

FAST: Final = 5
"""Minutes whose mean is the level now."""
SLOW_HALF: Final = 180
"""Minutes in which the memory of the level away from matches fades to half."""
_SOFT: Final = 0.15
"""Height of the template at which half of what is seen is taken for the crowd of the match."""
_BAND_HALF: Final = 7.0
"""Age in days at which a match counts half for the band."""
_BAND_SMOOTH: Final = 11
"""Minutes of neighbouring phases whose errors are taken together."""
_QUIET_DAYS: Final = 8
"""Days whose errors away from matches are kept; each was forecast by what was learned before it."""
_TAIL: Final = 0.995
"""Quantile by which the band away from matches is measured: surprises there are rare and large."""
_TAIL_DEVIATIONS: Final = 2.58
"""Standard deviations at which a normal error has that quantile."""
_QUIET_WIDER: Final = 1.8
"""What a band learned from a week lacks of the surprises to come."""
_UNSEEN: Final = 0.25
"""Standard deviation of the logarithm about a match before any was seen."""


def fast(rest: Floats, step: int) -> Floats:
    """Mean of the last minutes' residuals, at each minute."""
    width = max(FAST // step, 1)
    total = np.cumsum(np.concatenate([np.zeros(1), rest]))
    result = rest.copy()
    result[width - 1 :] = (total[width:] - total[:-width]) / width
    return result


def slow_parts(rest: Floats, height: Floats, step: int) -> tuple[Floats, Floats]:
    """Faded sums (of residual, of weight) at each minute; their ratio is the level away from matches."""
    counts = (_SOFT / (np.maximum(height, 0) + _SOFT)) ** 2
    keep = 0.5 ** (step / SLOW_HALF)
    above, below = np.empty_like(rest), np.empty_like(rest)
    one = two = 0.0
    block = max(int(20 / -np.log2(keep)), 1)  # within it the powers stay within 2**20
    for start in range(0, len(rest), block):
        part = slice(start, start + block)
        power = keep ** -np.arange(1.0, len(rest[part]) + 1)
        above[part] = (one + np.cumsum(counts[part] * rest[part] * power)) / power
        below[part] = (two + np.cumsum(counts[part] * power)) / power
        one, two = float(above[part][-1]), float(below[part][-1])
    return above, below


def carried(slow: Floats, now: Floats, height_now: Floats, height_then: Floats) -> Floats:
    """The residual to be expected: the slow one, and of what is above or below it what the match will keep."""
    kept = np.clip((np.maximum(height_then, 0) + _SOFT) / (np.maximum(height_now, 0) + _SOFT), 0, 1)
    result: Floats = slow + (now - slow) * kept
    return result


@dataclass(frozen=True, slots=True)
class Band:
    """Mean and deviation of errors of the logarithm, by lead: [phase, lead] about a match, [lead] away from any."""

    mean: Floats
    deviation: Floats
    quiet_mean: Floats
    quiet_deviation: Floats


@dataclass(frozen=True)
class Past:
    """Whole days: logarithms of requests, which of them are known, and the calendar."""

    scale: Scale
    logs: Floats
    known: Flags
    slots: Sequence[Slot]

    @cached_property
    def days(self) -> int:
        """How many."""
        return len(self.logs) // self.scale.day

    def before(self, day: int) -> "Past":
        """What of it was known when a day began."""
        end = day * self.scale.day
        return Past(self.scale, self.logs[:end], self.known[:end], self.slots)


def errors(shape: Shape, past: Past, places: Floats, leads: int) -> Floats:
    """[place, lead - 1]: logarithm of what came over what was forecast so many minutes before, at the places given."""
    scale = shape.scale
    end = len(past.logs)
    start = max(int(places.min()) - leads - 2 * scale.day, 0)
    height = shape.heights(past.slots, start, end)
    rest = past.logs[start:end] - shape.bases(start, end) - height
    above, below = slow_parts(rest, height, scale.step)
    slow, now = above / below, fast(rest, scale.step)
    then = places.astype(int)[:, None] - start
    known_at = np.maximum(then - np.arange(1, leads + 1)[None, :], 0)
    off: Floats = rest[then] - carried(slow[known_at], now[known_at], height[known_at], height[then])
    return off


def quiet_errors(shape: Shape, past: Past, day: int, leads: int) -> tuple[Floats, Floats]:
    """(errors, requests) of a day's known minutes away from matches, forecast by a shape."""
    scale = shape.scale
    places = np.arange(day * scale.day, (day + 1) * scale.day)
    quiet = places[~scale.covered(past.slots, int(places[0]), int(places[-1]) + 1) & past.known[places]]
    if not len(quiet):
        return np.zeros((0, leads)), np.zeros(0)
    return errors(shape, past, quiet.astype(float), leads), np.exp(past.logs[quiet])


def quantile(values: Floats, counts: Floats, part: float) -> float:
    """Weighted quantile."""
    order = np.argsort(values)
    total = np.cumsum(counts[order])
    return float(values[order][np.searchsorted(total, part * total[-1])])


def band(shape: Shape, past: Past, quiet: Sequence[tuple[Floats, Floats]], leads: int) -> Band:
    """Learn how wrong a forecast is. Each match is forecast by a template that does not know its day."""
    off = np.concatenate([values for values, _ in quiet[-_QUIET_DAYS:]])
    counts = np.concatenate([requests for _, requests in quiet[-_QUIET_DAYS:]])
    if not len(off):
        off, counts = np.full((1, leads), _UNSEEN), np.ones(1)
    mean = (counts[:, None] * off).sum(axis=0) / counts.sum()
    spread = np.sqrt((counts[:, None] * (off - mean) ** 2).sum(axis=0) / counts.sum())
    tail = np.array([quantile(off[:, lead], counts, _TAIL) for lead in range(leads)])
    deviation = _QUIET_WIDER * np.maximum(spread, (tail - mean) / _TAIL_DEVIATIONS)
    about, around = _about_matches(shape, past, leads)
    return Band(about, np.maximum(around, spread[None, :]), mean, deviation)


def _about_matches(shape: Shape, past: Past, leads: int) -> tuple[Floats, Floats]:
    scale = shape.scale
    size = scale.high - scale.low
    total, squares, counted = np.zeros((size, leads)), np.zeros((size, leads)), np.zeros((size, 1))
    here = [s for s in past.slots if not s.off and leads - scale.low <= s.at < len(past.logs) - scale.high]
    here = [s for s in here if s.at // scale.day >= past.days - 28]
    for day in sorted({slot.at // scale.day for slot in here}):
        unknowing = Shape(scale, shape.base, template(shape, past.logs, past.known, here, day))
        for slot in (slot for slot in here if slot.at // scale.day == day):
            places = np.arange(slot.at + scale.low, slot.at + scale.high)
            off = errors(unknowing, past, places.astype(float), leads)
            counts = (np.exp(past.logs[places]) * past.known[places])[:, None] * 0.5 ** ((past.days - day) / _BAND_HALF)
            if slot.knockout:
                counts[WHISTLE // scale.step - scale.low :] = 0
            total += counts * off
            squares += counts * off**2
            counted += counts
    if not here:
        return np.zeros((size, leads)), np.full((size, leads), _UNSEEN)
    width = max(_BAND_SMOOTH // scale.step, 1)
    below = np.maximum(smooth(counted, width), 1e-9)
    mean = smooth(total, width) / below
    return mean, np.sqrt(np.maximum(smooth(squares, width) / below - mean**2, 0))


class Calibration:
    """What was learned before a day, and what it says about each of its minutes."""

    def __init__(self, past: Past, leads: int, quiet: Sequence[tuple[Floats, Floats]]) -> None:
        self.shape = fit(past.scale, past.logs, past.known, past.slots)
        self.band = band(self.shape, past, quiet, leads)
        self._past, self._leads = past, leads
        self.start = past.days * past.scale.day
        self.memory = max(self.start - 2 * past.scale.day, 0)
        """From where on what follows is worked out; the level's memory reaches no further."""
        end = self.start + past.scale.day + leads
        self.bases = self.shape.bases(self.memory, end)
        self.heights = self.shape.heights(past.slots, self.memory, end)
        self.mean, self.deviation, self.quiet = self._bands(self.start, end)

    def _bands(self, start: int, end: int) -> tuple[Floats, Floats, Flags]:
        """[minute, lead]; where slots overlap, the one that may surprise most."""
        scale = self.shape.scale
        mean = np.tile(self.band.quiet_mean, (end - start, 1))
        deviation = np.tile(self.band.quiet_deviation, (end - start, 1))
        quiet = np.ones(end - start, bool)
        for slot in self._past.slots:
            here, phase = scale.phases(slot, start, end)
            if here.start == here.stop or slot.off:
                continue
            about, around = self._of(slot)
            fresh = quiet[here][:, None] | (about[phase] + 2 * around[phase] > mean[here] + 2 * deviation[here])
            mean[here] = np.where(fresh, about[phase], mean[here])
            deviation[here] = np.where(fresh, around[phase], deviation[here])
            quiet[here] = False
        return mean, deviation, quiet

    def _of(self, slot: Slot) -> tuple[Floats, Floats]:
        """A slot's band: wider the fewer of its kind were seen, and as at the whistle through extra time."""
        alike = sum(1 for other in self._past.slots if not other.off and other.at < self.start
                    and (other.stage, other.matches) == (slot.stage, slot.matches))  # fmt: skip
        wider = np.sqrt(1 + 1 / (1 + alike))
        mean, deviation = self.band.mean, self.band.deviation * wider
        if slot.knockout:
            mean, deviation = stretched(mean, self.shape.scale), stretched(deviation, self.shape.scale)
        return mean, deviation
