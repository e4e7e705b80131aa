"""Rate limits: a token bucket per key, in a table of bounded size."""

from collections import OrderedDict
from typing import Final

from matchday.ports import Clock

KEYS_MAX: Final = 100_000
"""Keys remembered; beyond it the one longest unused is forgotten, and begins with a full bucket again."""


class RateLimit:
    """``count`` per ``period_ms``, saved up to ``burst``."""

    def __init__(self, clock: Clock, count: int, period_ms: int, burst: int) -> None:
        self._clock, self._count, self._period_ms, self._burst = clock, count, period_ms, burst
        self._buckets: OrderedDict[str, tuple[int, int]] = OrderedDict()
        """Key -> (thousandths of a token left, when that was)."""

    def take(self, key: str) -> int:
        """0 where one more is allowed, else the seconds to wait."""
        now = self._clock.now_ms()
        left, at = self._buckets.pop(key, (self._burst * 1000, now))
        left = min(self._burst * 1000, left + (now - at) * self._count * 1000 // self._period_ms)
        wait_s = 0
        if left >= 1000:
            left -= 1000
        else:
            wait_s = max(1, -(-(1000 - left) * self._period_ms // (self._count * 1_000_000)))
        self._buckets[key] = (left, now)
        if len(self._buckets) > KEYS_MAX:
            self._buckets.popitem(last=False)
        return wait_s
