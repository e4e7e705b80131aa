"""Whether a process is caught up with the log, now and not only when it began.

A process that is behind for longer than ``ops.behind_ms_max`` is not ready until it has kept up for a while: one that
just manages to come back would be sent work, fall behind by it, and be taken out again. Where the log does not say how
far it goes, nobody knows. A gate then stays as it is: it serves accounts and cash, and refuses bets on what no owner is
heard of, while with all of them taken out fans would have nothing. Of other rooms it is said.
"""

from collections.abc import Callable
from typing import Final

from matchday.ports import Clock, Lag

LOOK_MS: Final = 1_000
"""Milliseconds between two looks."""
KEPT_UP: Final = 3
"""Looks in a row at which nothing was late, after which it counts as caught up again."""
LATE_MS: Final = 1_500
"""Milliseconds for which a record may have been there without counting as late: a look, and some."""
SILENT_MS_MAX: Final = 5_000
"""Milliseconds without a word of the log after which it is said not to answer."""


class CaughtUp:
    """What is said of it."""

    def __init__(self, clock: Clock, lag: Callable[[], Lag], behind_ms_max: int, *, with_gate: bool) -> None:
        self._clock, self._lag, self._behind_ms_max, self._with_gate = clock, lag, behind_ms_max, with_gate
        self.lag = Lag()
        """As of the last look."""
        self._behind = False
        self._kept_up = 0

    def start(self) -> None:
        """Look now, and again and again."""
        self.lag = self._lag()
        self._kept_up = 0 if self.lag.for_ms > LATE_MS or self.lag.silent_ms > SILENT_MS_MAX else self._kept_up + 1
        if self.lag.for_ms > self._behind_ms_max:
            self._behind = True
        elif self._kept_up >= KEPT_UP:
            self._behind = False
        self._clock.call_later(LOOK_MS, self.start)

    @property
    def reasons(self) -> list[str]:
        """Why it is not; nothing where it is."""
        found = []
        if self._behind:
            found.append(f"it is behind the log: {self.lag.records} records, for {self.lag.for_ms} ms")
        if self.lag.silent_ms > SILENT_MS_MAX and not self._with_gate:
            found.append(f"the log has not said for {self.lag.silent_ms} ms how far it goes")
        return found
