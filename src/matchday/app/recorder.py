"""Recorder: the load of each minute, as a platform's own history for forecasts.

Counts are read at the end of every minute by the wall clock and belong to the minute that ended. What does not fit into
one (the clock was moved, or the loop stood still beyond the end of a minute) is not recorded: a gap is said as one by
whoever reads, and never filled by a guess.
"""

import logging
from collections.abc import Callable
from typing import Final

from matchday.counts import Load
from matchday.ports import Clock

_log = logging.getLogger(__name__)

MINUTE_MS: Final = 60_000
LATE_MS: Final = 2_000
"""Milliseconds after the end of a minute up to which its counts are still taken for it."""
DRIFT_MS: Final = 1_000
"""Milliseconds in a minute by which the clock may run otherwise than time does: more is a jump."""

Add = Callable[[int, int, Load], None]
"""(minute since 1970, milliseconds of it that were counted, its load)."""


class LoadRecorder:
    """Of one process. ``load``: what was served since some moment, whichever."""

    def __init__(self, clock: Clock, load: Callable[[], Load], add: Add) -> None:
        self._clock, self._load, self._add = clock, load, add
        self._stopped = False

    def start(self) -> None:
        """Count from now on."""
        self._look()
        self._wait()

    def stop(self) -> None:
        """Record what is counted of this minute; then no more."""
        self._stopped = True
        self._take()

    def _look(self) -> None:
        self._now, self._elapsed, self._before = self._clock.now_ms(), self._clock.elapsed_ms(), self._load()

    def _wait(self) -> None:
        self._clock.call_later(MINUTE_MS - self._now % MINUTE_MS, self._tick)

    def _tick(self) -> None:
        if not self._stopped:
            self._take()
            self._wait()

    def _take(self) -> None:
        """What was served since the last look belongs to the minute of that look, or to none."""
        began, since, before = self._now, self._elapsed, self._before
        self._look()
        took_ms, moved_ms = self._elapsed - since, self._now - began
        left_ms = MINUTE_MS - began % MINUTE_MS
        if abs(moved_ms - took_ms) > DRIFT_MS:
            _log.warning("load: the clock went %d ms in %d ms: not recorded", moved_ms, took_ms)
        elif took_ms > left_ms + LATE_MS:
            _log.warning("load: nothing was counted for %d ms: not recorded", took_ms)
        else:
            now = self._before
            served = Load(
                now.requests - before.requests, now.bets - before.bets, now.frames - before.frames, now.connections
            )
            self._add(began // MINUTE_MS, min(took_ms, left_ms), served)
