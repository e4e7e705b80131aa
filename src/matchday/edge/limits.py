"""Rate limits: a token bucket per key, in a table of bounded size."""

from collections import OrderedDict
from typing import Final

from matchday.edge.problems import Problem
from matchday.edge.shared_counts import SharedCounts
from matchday.ports import Clock

KEYS_MAX: Final = 100_000
"""Keys remembered; beyond it the one longest unused is forgotten, and begins with a full bucket again."""


class RateLimit:
    """``count`` per ``period_ms``, saved up to ``burst``. A count and burst of 0 allow nothing. ``shared``: what other
    gates let through counts, too."""

    def __init__(
        self, clock: Clock, count: int, period_ms: int, burst: int, keys_max: int = KEYS_MAX,
        shared: SharedCounts | None = None,
    ) -> None:  # fmt: skip
        self._shared = shared
        self._clock, self._count, self._period_ms, self._keys_max = clock, count, period_ms, keys_max
        # A token is worth period_ms; a millisecond earns count. In these units nothing is ever rounded, so that a key
        # that asks all the time earns as much as one that waits.
        self._full = burst * period_ms
        self._buckets: OrderedDict[str, tuple[int, int]] = OrderedDict()
        """Key -> (what is saved, when that was by time elapsed)."""

    def take(self, key: str, count: int = 1) -> int:
        """0 where so many more are allowed, else the seconds to wait, rounded up. They are taken all or none. Where
        they are more than can ever be saved up, a full bucket, less the request that brings them, will do: the rest is
        owed."""
        if self._shared is not None and (wait_ms := self._shared.wait_ms(key)):
            return -(-wait_ms // 1_000)
        now = self._clock.elapsed_ms()
        saved, at = self._buckets.pop(key, (self._full, now))
        saved = min(self._full, saved + (now - at) * self._count)
        cost = count * self._period_ms
        missing = min(cost, max(self._period_ms, self._full - self._period_ms)) - saved
        if missing <= 0:
            saved -= cost
            if self._shared is not None:
                self._shared.took(key, count)
        self._buckets[key] = (saved, now)
        if len(self._buckets) > self._keys_max:
            self._buckets.popitem(last=False)
        return -(-missing // (max(1, self._count) * 1000)) if missing > 0 else 0

    def spend(self, key: str, count: int = 1) -> None:
        """Take so many, or raise the problem ``too_many_requests`` that says when to come again."""
        if wait_s := self.take(key, count):
            raise Problem("too_many_requests", f"try again in {wait_s} s", retry_after_s=wait_s)
