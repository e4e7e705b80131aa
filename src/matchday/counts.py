"""Counts: what rooms count of their own work, for whoever looks at it now and then.

Counting must cost next to nothing, as it is done for every bet and every send: plain integers on the room's own thread,
no lock, no name looked up. What each figure is called, and in which unit the world is told, is not a room's business
(``app/metric_list.py``).
"""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final, NamedTuple

ANSWER_MS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000)
"""Milliseconds that somebody waits for an answer."""
LAG_MS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000)
"""Milliseconds that something is late."""
SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
"""How many go together."""


class Histogram:
    """How often a value lay in which range: as exact as its bounds are close, and never larger."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[int]) -> None:
        self.bounds = tuple(bounds)
        """The highest value of each range, rising; one more range is above them."""
        self.counts = [0] * (len(self.bounds) + 1)
        self.total = 0
        """The sum of all values."""

    def take(self, value: int) -> None:
        """Count a value. One below zero, as a clock that was put back brings, counts as zero: sums never fall."""
        if value < 0:
            value = 0
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    @property
    def count(self) -> int:
        """How many values there were."""
        return sum(self.counts)


class Load(NamedTuple):
    """What a platform serves: since some moment, or in a minute."""

    requests: int
    """HTTP requests, and words on push connections."""
    bets: int
    """Handed to the ledger."""
    frames: int
    """Sent to screens."""
    connections: int
    """Open at the end."""
