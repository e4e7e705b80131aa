"""What may come until an order is ready, and whether a match holds what is there: shared by the backtest and by the
live scaler, so that what was judged is what acts."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from matchday.ops.forecast.fleet import Counts
from matchday.ops.forecast.model import FAST, SLOW_HALF, Calibration, Past, carried, quiet_errors, slow_parts
from matchday.ops.forecast.series import Floats, Seen, Slot
from matchday.ops.forecast.shape import EXTRA, WHISTLE, Scale

HOLD_BEFORE: Final = 20
"""Minutes before kick-off, and a boot time, from which on nothing is released."""
HOLD_AFTER: Final = 112
"""Minutes after kick-off until which nothing is released."""
_ARCHIVE: Final = 8
"""Days before the first that are forecast for their errors."""
_GONE: Final = 0.75
"""Of a match's peak: below it the crowd has left, and extra time is not being played."""
_FALL_BELIEVED: Final = 0.7
"""Of a fall that is forecast, in logarithms; a rise is believed whole."""
_NOW: Final = 3
"""Minutes of which the highest is what must be carried now."""


class Forecaster:
    """Calibrates at each midnight on what was seen until then; shared by policies of different margins."""

    def __init__(self, scale: Scale, slots: Sequence[Slot], boot: int) -> None:
        self.scale, self.slots, self.leads = scale, slots, boot + 1
        self._quiet: dict[int, tuple[Floats, Floats]] = {}
        self._days: dict[int, Calibration] = {}

    def day(self, day: int, seen: Seen) -> Calibration:
        """What was learned before a day of the walk."""
        if day not in self._days:
            logs = np.log(np.maximum(seen.requests[: day * self.scale.day], 1).astype(float))
            past = Past(self.scale, logs, seen.known[: day * self.scale.day], self.slots)
            for before in range(max(day - _ARCHIVE, 2), day):
                if before not in self._quiet:
                    known = past.before(before)
                    shape = Calibration(known, self.leads, self._archive(before)).shape
                    self._quiet[before] = quiet_errors(shape, past.before(before + 1), before, self.leads)
            self._days[day] = Calibration(past, self.leads, self._archive(day))
        return self._days[day]

    def _archive(self, day: int) -> list[tuple[Floats, Floats]]:
        none = (np.zeros((0, self.leads)), np.zeros(0))
        return [self._quiet.get(before, none) for before in range(day - _ARCHIVE, day)]


class Outlook:
    """What must be carried at each lead, ``margin`` deviations above what is expected."""

    def __init__(self, forecaster: Forecaster, margin: float) -> None:
        self.forecaster, self.margin = forecaster, margin
        self._last = -1
        self._sums = (0.0, 0.0)

    def need(self, minute: int, seen: Seen) -> Floats:
        """Requests that must be carried in this minute and each until one ordered now is ready."""
        known = self.forecaster.day(minute // self.forecaster.scale.day, seen)
        width = max(FAST // self.forecaster.scale.step, 1)
        last = np.log(np.maximum(seen.requests[minute - width : minute], 1))
        here = minute - known.memory
        rest = last - known.bases[here - width : here] - known.heights[here - width : here]
        slow = self._slow(minute, seen, known)
        leads = np.arange(self.forecaster.leads)
        height = known.heights[here : here + len(leads)]
        residual = carried(np.array(slow), np.array(rest.mean()), known.heights[here - 1 : here], height)
        day = minute - known.start
        expected = known.bases[here : here + len(leads)] + height + residual + known.mean[day + leads, leads]
        now = float(np.log(seen.requests[minute - _NOW : minute].max() + 1.0))
        believed = np.where(expected < now, now + (expected - now) * _FALL_BELIEVED, expected)
        ahead = believed + self.margin * known.deviation[day + leads, leads]
        need: Floats = np.exp(np.maximum(ahead, now + self.margin * float(known.band.quiet_deviation[0])))
        return need

    def _slow(self, minute: int, seen: Seen, known: Calibration) -> float:
        """The level away from matches; worked out anew at midnight and where minutes were passed over."""
        scale = self.forecaster.scale
        if minute % scale.day == 0 or minute != self._last + 1:
            logs = np.log(np.maximum(seen.requests[known.memory : minute], 1))
            heights = known.heights[: len(logs)]
            above, below = slow_parts(logs - known.bases[: len(logs)] - heights, heights, scale.step)
            self._sums = float(above[-1]), float(below[-1])
        else:
            here = slice(minute - 1 - known.memory, minute - known.memory)
            rest = np.log(np.maximum(seen.requests[minute - 1 : minute], 1)) - known.bases[here] - known.heights[here]
            above, below = slow_parts(rest, known.heights[here], scale.step)
            keep = 0.5 ** (scale.step / SLOW_HALF)
            self._sums = self._sums[0] * keep + float(above[0]), self._sums[1] * keep + float(below[0])
        self._last = minute
        return self._sums[0] / self._sums[1]


def held_until(slots: Sequence[Slot], minute: int, boot: int, step: int, requests: Counts | None) -> int | None:
    """The minute from which on no match holds what is there; None where none does now. ``requests``: what was seen
    until then, by which a crowd is seen to go; without it, it stays as long as a knock-out match may last."""
    found: int | None = None
    for slot in slots:
        since, until = minute - slot.at, 0
        if -(HOLD_BEFORE // step) - boot <= since < HOLD_AFTER // step:
            until = slot.at + HOLD_AFTER // step
        elif slot.knockout and 0 <= since < (WHISTLE + EXTRA) // step:
            crowd = None if requests is None else requests[slot.at : minute]
            if crowd is None or not len(crowd) or crowd[-_NOW:].max() > _GONE * crowd.max():
                until = slot.at + (WHISTLE + EXTRA) // step
        if until:
            found = max(found or 0, until)
    return found
