"""Taps: what fans do on their screens, on its way to whoever learns from it.

Owns nothing but what waits for the log. Hears batches of taps from the doors; says ``Tapped`` on ``taps``, one message
for each batch, many in one append. Never judges what was tapped, never answers before the log has it, and never makes
anything else wait.

The rule of loss: what was acknowledged is on the log. What was not may be lost, or, sent again, be there twice under
the same numbers; its reader drops what it has had. When more waits than ``waiting_max`` or the log takes nothing, taps
are refused and their clients keep them for a while: a tap is worth little, an answer in time is worth more.
"""

from collections.abc import Callable, Sequence
from functools import partial

import msgspec

from matchday.config import Taps as TapsSettings
from matchday.model.ledger import Moment
from matchday.model.messages import Topic, encode
from matchday.model.taps import Tap, Tapped
from matchday.ports import Clock, Log, LogUnavailable, Record

Done = Callable[[Moment | None], None]
"""Called once: None when the log has them."""


class _Waiting(msgspec.Struct):
    said: Tapped
    done: Done


class Taps:
    """The way of taps to the log, of one gate."""

    def __init__(self, clock: Clock, log: Log, settings: TapsSettings) -> None:
        self._clock, self._log, self._settings = clock, log, settings
        self._waiting: list[_Waiting] = []
        self._held = 0
        """Taps that wait or are on their way."""
        self._due = self._on_the_way = False
        self.logged = self.refused = 0
        """Taps, since this process began."""

    @property
    def held(self) -> int:
        """Taps that the log has not taken yet."""
        return self._held

    def take(self, account: str, screen: str, first: int, taps: Sequence[Tap], done: Done) -> None:
        """Put a fan's taps on the log."""
        if self._held + len(taps) > self._settings.waiting_max:
            self.refused += len(taps)
            self._clock.call_later(0, partial(done, Moment.BUSY))
            return
        self._held += len(taps)
        self._waiting.append(_Waiting(Tapped(account, screen, first, self._clock.now_ms(), tuple(taps)), done))
        if not (self._due or self._on_the_way):
            self._due = True
            self._clock.call_later(self._settings.gather_ms, self._say)

    def _say(self) -> None:
        """All that waits, in one append; what comes meanwhile goes with the next."""
        self._due, self._on_the_way = False, True
        batch, self._waiting = self._waiting, []
        records = [Record(Topic.TAPS, waiting.said.account, encode(waiting.said)) for waiting in batch]
        self._log.append(records, partial(self._said, batch))

    def _said(self, batch: Sequence[_Waiting], outcome: Sequence[int] | LogUnavailable) -> None:
        self._on_the_way = False
        count = sum(len(waiting.said.taps) for waiting in batch)
        self._held -= count
        lost = isinstance(outcome, LogUnavailable)
        self.refused += count if lost else 0
        self.logged += 0 if lost else count
        if self._waiting:
            self._due = True
            self._clock.call_later(self._settings.gather_ms, self._say)
        for waiting in batch:
            waiting.done(Moment.UNAVAILABLE if lost else None)
