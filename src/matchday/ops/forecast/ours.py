"""Our policy: ready, a boot time ahead, for what a crowd will hardly exceed; released is what was seen to go."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from matchday.ops.forecast.fleet import Fleet
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


class Ours:
    """Carries ``margin`` deviations more than forecast. Orders for the minute in which an order becomes ready; releases
    what is spare in every minute until then."""

    def __init__(self, forecaster: Forecaster, margin: float, capacity: int) -> None:
        self._forecaster, self.margin, self._capacity = forecaster, margin, capacity
        self._day = -1
        self._sums = (0.0, 0.0)

    def decide(self, minute: int, seen: Seen, fleet: Fleet | None) -> int:
        """How many processes to have in all, those on order among them."""
        scale = self._forecaster.scale
        calibration = self._forecaster.day(minute // scale.day, seen)
        need = self._need(minute, seen, calibration)
        wanted = np.maximum(-(-need // self._capacity), 1).astype(np.int64)
        if fleet is None:
            return int(wanted.max())
        spare = fleet.ahead(len(need) - 1) - wanted
        if spare[-1] < 0:
            return fleet.total - int(spare[-1])
        if spare.min() <= 0 or not seen.known[-1] or self._held(minute, seen):
            return fleet.total
        return fleet.total - int(spare.min())

    def _need(self, minute: int, seen: Seen, known: Calibration) -> Floats:
        """Requests that must be carried in this minute and each until one ordered now is ready."""
        width = max(FAST // self._forecaster.scale.step, 1)
        last = np.log(np.maximum(seen.requests[minute - width : minute], 1))
        here = minute - known.memory
        rest = last - known.bases[here - width : here] - known.heights[here - width : here]
        slow = self._slow(minute, seen, known)
        leads = np.arange(self._forecaster.leads)
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
        scale = self._forecaster.scale
        if minute // scale.day != self._day:
            self._day = minute // scale.day
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
        return self._sums[0] / self._sums[1]

    def _held(self, minute: int, seen: Seen) -> bool:
        scale = self._forecaster.scale
        boot = self._forecaster.leads - 1
        for slot in self._forecaster.slots:
            since = minute - slot.at
            if -(HOLD_BEFORE // scale.step) - boot <= since < HOLD_AFTER // scale.step:
                return True
            if slot.knockout and 0 <= since < (WHISTLE + EXTRA) // scale.step:
                crowd = seen.requests[slot.at : minute]
                if crowd[-_NOW:].max() > _GONE * crowd.max():
                    return True
        return False
