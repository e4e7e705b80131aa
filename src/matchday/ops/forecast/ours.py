"""Our policy: ready, a boot time ahead, for what a crowd will hardly exceed; released is what was seen to go."""

import numpy as np

from matchday.ops.forecast.fleet import Fleet
from matchday.ops.forecast.outlook import Forecaster, Outlook, held_until
from matchday.ops.forecast.series import Seen


class Ours:
    """Carries ``margin`` deviations more than forecast. Orders for the minute in which an order becomes ready; releases
    what is spare in every minute until then."""

    def __init__(self, forecaster: Forecaster, margin: float, capacity: int) -> None:
        self._outlook, self._capacity = Outlook(forecaster, margin), capacity

    def decide(self, minute: int, seen: Seen, fleet: Fleet | None) -> int:
        """How many processes to have in all, those on order among them."""
        need = self._outlook.need(minute, seen)
        wanted = np.maximum(-(-need // self._capacity), 1).astype(np.int64)
        if fleet is None:
            return int(wanted.max())
        spare = fleet.ahead(len(need) - 1) - wanted
        if spare[-1] < 0:
            return fleet.total - int(spare[-1])
        if spare.min() <= 0 or not seen.known[-1] or self._held(minute, seen):
            return fleet.total
        return fleet.total - int(spare.min())

    def _held(self, minute: int, seen: Seen) -> bool:
        forecaster = self._outlook.forecaster
        boot, step = forecaster.leads - 1, forecaster.scale.step
        return held_until(forecaster.slots, minute, boot, step, seen.requests) is not None
