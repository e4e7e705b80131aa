"""Faults of ours that one market brings: that market's bets are answered so, all others go on, and it is logged."""

import logging
from typing import Final

from matchday.ports import Clock

_LOG_MS: Final = 60_000
"""Milliseconds between two lines about one market: to write a story takes longer than to judge a bet."""
_MARKETS_MAX: Final = 1_000
"""Markets of which it is remembered when they were last logged."""


class Faults:
    """Logs what is broken, not too often."""

    def __init__(self, clock: Clock, log: logging.Logger, what: str) -> None:
        """``what`` cannot be done: ``bets on %s cannot be judged``."""
        self._clock, self._log, self._what = clock, log, what
        self._logged: dict[str, int] = {}
        """Market -> when it was last logged, by ``elapsed_ms``."""

    def say(self, fixture: str, market: str, error: Exception, **about: str) -> None:
        """Something of ours or of this market is broken."""
        now = self._clock.elapsed_ms()
        if now - self._logged.get(market, now - _LOG_MS) < _LOG_MS:
            return
        if len(self._logged) >= _MARKETS_MAX:
            self._logged.clear()
        self._logged[market] = now
        self._log.error(self._what, market, exc_info=error, extra={"fixture": fixture, "market": market, **about})
