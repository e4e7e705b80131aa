"""Voice: how a room says messages on the log, in order, whatever happens to the log meanwhile.

One append is in flight at a time; what the log did not take is said again before what came later. A room that may fall
silent without harm (ticks, alive) looks at ``backlog`` first, so that a dead log does not fill the memory.
"""

import logging
from collections.abc import Callable, Sequence

from matchday.ports import Clock, Log, LogUnavailable, Record

_log = logging.getLogger(__name__)

RETRY_MS = 500
"""Milliseconds until an append that the log did not take is tried again."""
BACKLOG_MAX = 1_000
"""Records waiting above which a room leaves out what it may leave out."""


class Voice:
    """The ordered, retrying way of one room to the log."""

    def __init__(self, clock: Clock, log: Log, room: str) -> None:
        self._clock = clock
        self._log = log
        self._room = room
        self._waiting: list[Record] = []
        self._then: list[Callable[[], None]] = []
        self._in_flight = False
        self.offsets: dict[str, int] = {}
        """Topic -> the highest offset that this room's records have been given."""

    @property
    def backlog(self) -> int:
        """Records that are not on the log yet and not on their way to it."""
        return len(self._waiting)

    @property
    def quiet(self) -> bool:
        """Whether all that was said is on the log."""
        return not self._waiting and not self._in_flight

    def say(self, records: Sequence[Record], then: Callable[[], None] | None = None) -> None:
        """Append after all that was said before; ``then`` is called once these are durable."""
        self._waiting.extend(records)
        if then is not None:
            self._then.append(then)
        self._flush()

    def _flush(self) -> None:
        if self._in_flight or not (self._waiting or self._then):
            return
        batch, self._waiting = self._waiting, []
        then, self._then = self._then, []
        self._in_flight = True

        def done(outcome: Sequence[int] | LogUnavailable) -> None:
            self._in_flight = False
            if isinstance(outcome, LogUnavailable):
                said, about = "%s: the log did not take %d records: %s", {"room": self._room}
                _log.error(said, self._room, len(batch), outcome, extra=about)
                self._waiting[:0] = batch
                self._then[:0] = then
                self._clock.call_later(RETRY_MS, self._flush)
                return
            for record, offset in zip(batch, outcome, strict=True):
                self.offsets[record.topic] = offset
            for call in then:
                call()
            self._flush()

        self._log.append(batch, done)
