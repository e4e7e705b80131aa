"""Shared counts: a rate limit that all gates count together, through the cache.

Each gate lets through by its own bucket, at once, and tells the cache every ``SHARE_MS`` what it let through. Where
the sum of all gates in a window is more than the limit allows, the key waits for the window's end. So gates together
let through at most what they do within ``SHARE_MS`` beyond it. Keys that took less than ``least`` meanwhile are not
told: most fans are never near their limit, and telling of all of them would cost more than it keeps away. Without a
cache each gate counts for itself.

Windows are those of the clock, as gates have nothing else in common: one whose clock is wrong counts for itself. For
how long a key waits is told by time elapsed, and never more than a window, so that a clock that jumps locks nobody out.
"""

from collections.abc import Sequence
from functools import partial
from typing import Final

from matchday.ports import Cache, Clock

SHARE_MS: Final = 200
"""Milliseconds for which a gate gathers what it tells."""
KEYS_MAX: Final = 100_000
"""Keys that wait for a window's end; of more, the oldest need not."""


class SharedCounts:
    """What all gates let through of each key."""

    def __init__(self, clock: Clock, cache: Cache, name: str, allowed: int, window_ms: int, least: int = 1) -> None:
        """``allowed`` in each ``window_ms``; ``least`` in ``SHARE_MS`` is worth telling."""
        self._clock, self._cache, self._name = clock, cache, name
        self._allowed, self._window_ms, self._least = allowed, window_ms, least
        self._taken: dict[str, int] = {}
        """Key -> what was let through and not yet told; as many as requests in ``SHARE_MS``."""
        self._blocked: dict[str, int] = {}
        """Key -> until when, by time elapsed."""

    def wait_ms(self, key: str) -> int:
        """Milliseconds that a key has to wait for the others' sake; 0 for none."""
        until_ms = self._blocked.get(key)
        return 0 if until_ms is None else max(0, until_ms - self._clock.elapsed_ms())

    def took(self, key: str, count: int = 1) -> None:
        """So many were let through here."""
        if not self._taken:
            self._clock.call_later(SHARE_MS, self._tell)
        self._taken[key] = self._taken.get(key, 0) + count

    def _tell(self) -> None:
        taken, self._taken = {key: count for key, count in self._taken.items() if count >= self._least}, {}
        if not taken:
            return
        window, gone_ms = divmod(self._clock.now_ms(), self._window_ms)
        until_ms = self._clock.elapsed_ms() + self._window_ms - gone_ms
        names = [(f"{self._name}:{window}:{key}".replace(" ", ":"), count) for key, count in taken.items()]
        self._cache.count(names, 2 * self._window_ms, partial(self._heard, list(taken), until_ms))

    def _heard(self, keys: Sequence[str], until_ms: int, sums: Sequence[int]) -> None:
        now = self._clock.elapsed_ms()
        for key in [key for key, until in self._blocked.items() if until <= now]:
            del self._blocked[key]
        for key, total in zip(keys, sums, strict=True):
            if total > self._allowed:
                self._blocked[key] = until_ms
        while len(self._blocked) > KEYS_MAX:
            del self._blocked[next(iter(self._blocked))]
