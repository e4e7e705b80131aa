"""The virtual clock: time passes when nothing is left to do at this moment; chance comes from the seed."""

import heapq
import random
from collections.abc import Callable

from matchday.backends.clock_wall import uuid7


class _Timer:
    __slots__ = ("call",)

    def __init__(self, call: Callable[[], None]) -> None:
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        """See ``Timer.cancel``."""
        self.call = None


class VirtualClock:
    """A clock whose time a run drives. Calls due at the same millisecond are made in the order they were asked for."""

    def __init__(self, seed: int, start_ms: int = 1_500_000_000_000) -> None:
        self._seed = seed
        self._now = start_ms
        self._due: list[tuple[int, int, _Timer]] = []
        self._count = 0
        self._ids = random.Random(f"{seed}/ids")
        self._last_id = 0
        self.steps = 0
        """Calls made so far."""

    def now_ms(self) -> int:
        """See ``Clock.now_ms``."""
        return self._now

    def elapsed_ms(self) -> int:
        """See ``Clock.elapsed_ms``."""
        return self._now

    def call_later(self, delay_ms: int, call: Callable[[], None]) -> _Timer:
        """See ``Clock.call_later``."""
        timer = _Timer(call)
        self._count += 1
        heapq.heappush(self._due, (self._now + max(0, delay_ms), self._count, timer))
        return timer

    def new_id(self) -> str:
        """See ``Clock.new_id``."""
        fresh = (self._now << 74) | self._ids.getrandbits(72)
        self._last_id = fresh if fresh > self._last_id else self._last_id + 1
        return uuid7(self._last_id)

    def random(self, name: str) -> random.Random:
        """See ``Clock.random``."""
        return random.Random(f"{self._seed}/{name}")

    def run_until(self, at_ms: int) -> None:
        """Make every call that is due up to a moment, then be there."""
        while self._due and self._due[0][0] <= at_ms:
            due, _, timer = heapq.heappop(self._due)
            self._now = max(self._now, due)
            call, timer.call = timer.call, None
            if call is not None:
                self.steps += 1
                call()
        self._now = max(self._now, at_ms)

    def run_for(self, duration_ms: int) -> None:
        """``run_until`` so many milliseconds from now."""
        self.run_until(self._now + duration_ms)
