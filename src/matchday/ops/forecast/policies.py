"""What ours is measured against: scalers that people run today, and the one that knows the future."""

from collections import deque
from typing import Final, Protocol

import numpy as np

from matchday.ops.forecast.fleet import TARGET_PERCENT, Counts, Fleet, Walk, processes
from matchday.ops.forecast.series import Seen, Series

TOLERANCE: Final = 0.1
"""Kubernetes' horizontal autoscaler: a load within a tenth of the target changes nothing."""
STABLE: Final = 5
"""Minutes (300 s there) of which the highest recommendation holds before it scales in."""
_AWS_DAYS: Final = 14
_AWS_EVERY: Final = 6
"""Hours between two forecasts of AWS's predictive scaling."""
_AWS_BUFFER: Final = 5
"""Minutes before the hour at which it has capacity ready (SchedulingBufferTime, 300 s), beyond the time to boot."""


class Policy(Protocol):
    """Says at minute t, knowing the trace to t - 1, how many processes it wants in all."""

    def decide(self, minute: int, seen: Seen, fleet: Fleet | None) -> int:
        """``fleet`` is None in the first minute: what is wanted then is there at once, for every policy alike."""


def let_go(wanted: int, fleet: Fleet | None) -> int:
    """What to ask for where so many are wanted: what is ready goes only as far as the rest of it is enough. What is on
    order carries nothing yet, and cannot be taken back in its place, as Kubernetes would."""
    if fleet is None or wanted >= fleet.total:
        return wanted
    return fleet.total - max(fleet.ready - wanted, 0)


class Reactive:
    """The rule of Kubernetes' horizontal autoscaler: processes = all that there are * load / target, rounded up."""

    def __init__(self, target_percent: int, capacity: int) -> None:
        self._target, self._capacity = target_percent, capacity
        self._recent: deque[tuple[int, int]] = deque(maxlen=STABLE)

    def decide(self, minute: int, seen: Seen, fleet: Fleet | None) -> int:
        """The rule, a recommendation a minute."""
        load = int(seen.requests[-1])
        wanted = max(processes(load, self._capacity, self._target), 1)
        total = wanted if fleet is None else fleet.total
        if abs(load * 100 / (total * self._capacity * self._target) - 1) <= TOLERANCE or not seen.known[-1]:
            wanted = total
        self._recent.append((minute, wanted))
        stable = max(count for at, count in self._recent if at > minute - STABLE)
        return let_go(min(total, stable), fleet) if wanted < total else wanted


class SeasonalNaive:
    """What was there a day ago comes again: ready for the highest of a day ago from now until a boot time ahead."""

    def __init__(self, day: int, boot: int, capacity: int) -> None:
        self._day, self._boot, self._capacity = day, boot, capacity

    def decide(self, minute: int, seen: Seen, fleet: Fleet | None) -> int:
        """Yesterday's highest."""
        start = max(minute - self._day, 0)
        expected = int(seen.requests[start : start + self._boot + 1].max())
        wanted = max(processes(expected, self._capacity, TARGET_PERCENT), 1)
        return let_go(wanted, fleet) if fleet is None or seen.known[-1] else max(wanted, fleet.total)


class AwsHourly:
    """Predictive scaling by the hour as AWS documents it, beside a reactive rule, which alone scales in.

    Every six hours a forecast for 48: for each hour the mean load of that hour over the last 14 days, those of its kind
    (working day or weekend) only where there are any. Its model is not published; this is the plainest that keeps what
    is documented. The larger of forecast and reactive is wanted, ready five minutes before the hour.
    """

    def __init__(self, series: Series, boot: int, capacity: int) -> None:
        self._series, self._boot, self._capacity = series, boot, capacity
        self._reactive = Reactive(TARGET_PERCENT, capacity)
        self._hour = max(60 // series.step, 1)
        self._made = -1
        self._forecast: dict[int, float] = {}

    def decide(self, minute: int, seen: Seen, fleet: Fleet | None) -> int:
        """The larger of the hours' forecast and the reactive rule."""
        hour = minute // self._hour
        if hour // _AWS_EVERY != self._made:
            self._made = hour // _AWS_EVERY
            self._forecast = {ahead: self._mean(ahead, seen) for ahead in range(hour, hour + 48)}
        last = (minute + self._boot + max(_AWS_BUFFER // self._series.step, 1)) // self._hour
        load = max(self._forecast.get(each, 0.0) for each in range(hour, last + 1))
        ahead = processes(int(load), self._capacity, TARGET_PERCENT)
        return let_go(max(self._reactive.decide(minute, seen, fleet), ahead), fleet)

    def _mean(self, hour: int, seen: Seen) -> float:
        hours = [hour - 24 * days for days in range(1, _AWS_DAYS + 3)]
        ended = [each for each in hours if each >= 0 and (each + 1) * self._hour <= len(seen.requests)][:_AWS_DAYS]
        alike = [each for each in ended if self._weekend(each) == self._weekend(hour)] or ended
        loads = [float(seen.requests[each * self._hour : (each + 1) * self._hour].mean()) for each in alike]
        return float(np.mean(loads)) if loads else 0.0

    def _weekend(self, hour: int) -> bool:
        day = self._series.minute(hour * self._hour) // 1440
        return (day + 3) % 7 >= 5  # 1 January 1970 was a Thursday


def oracle(requests: Counts, capacity: int) -> Walk:
    """Each minute the fewest processes at or below 70 %, there when they are needed and paid only then."""
    fewest = np.array([processes(int(load), capacity, TARGET_PERCENT) for load in requests], np.int64)
    return Walk(fewest, fewest, fewest, int((np.diff(fewest) != 0).sum()))
