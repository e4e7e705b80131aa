"""Lateness: how late the event loop makes the calls that it was asked for. What is late here is late for everybody."""

from typing import Final

from matchday.counts import LAG_MS, Histogram
from matchday.ports import Clock

_EVERY_MS: Final = 100


class Lateness:
    """Of one process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.late_ms = Histogram(LAG_MS)
        """Milliseconds, ten times a second."""
        self._due = 0

    def start(self) -> None:
        """Begin to measure."""
        self._due = self._clock.elapsed_ms() + _EVERY_MS
        self._clock.call_later(_EVERY_MS, self._tick)

    def _tick(self) -> None:
        self.late_ms.take(self._clock.elapsed_ms() - self._due)
        self.start()
