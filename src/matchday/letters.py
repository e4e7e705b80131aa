"""Letters: how a room opens what it hears, so that one bad message stops nobody.

Where the border runs: a record that is no message (not readable, or of a kind that this release does not know), and a
message of which the model says by one of its named errors that it cannot be (``UNFIT``), are put aside as dead letters,
whole, with the reason, and the room goes on with the next. Anything else that is raised while a room deals with a
message is a programmer's error: nobody knows what state the room is left in, so that it stops its process, and the
record is heard again by whoever takes over. A room whose prices or screens depend on what it could not read makes that
safe first: it is told which record it was.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec

from matchday.model.football import IncidentError
from matchday.model.lines import LinesError
from matchday.model.messages import DeadLetter, Message, Topic, decode, encode
from matchday.model.money import MoneyError
from matchday.model.price import PriceError
from matchday.ports import Clock, Record, Stored
from matchday.voice import Voice

_log = logging.getLogger(__name__)

UNFIT: Final = (IncidentError, LinesError, MoneyError, PriceError)
"""What the model says of content that cannot be."""
BYTES_MAX: Final = 1_048_576
"""Bytes of a record that are kept with its letter; a longer one is only named."""


class Letters:
    """What one room could not read or take, on its way to ``dead_letters``."""

    def __init__(self, clock: Clock, voice: Voice, room: str) -> None:
        self._clock, self._voice, self._room = clock, voice, room

    def opened(
        self,
        records: Sequence[Stored],
        unread: Callable[[Stored], None] = lambda _: None,
        wanted: Callable[[Stored], bool] = lambda _: True,
    ) -> Iterator[tuple[Stored, Message]]:
        """Each record that is wanted with its message. ``unread`` is called with one that cannot be read, once it is
        put aside."""
        for stored in records:
            try:
                if not wanted(stored):
                    continue
                message = decode(stored.value)
            except msgspec.MsgspecError as error:
                self.bury(stored, str(error))
                unread(stored)
                continue
            yield stored, message

    def each(
        self,
        records: Sequence[Stored],
        hear: Callable[[Stored, Message], None],
        unread: Callable[[Stored], None] = lambda _: None,
    ) -> None:
        """Have a room hear each message; put aside what it cannot read, and what cannot be."""
        for stored, message in self.opened(records, unread):
            try:
                hear(stored, message)
            except UNFIT as error:
                self.bury(stored, f"{type(error).__name__}: {error}")
                unread(stored)

    def bury(self, stored: Stored, reason: str, *, logged: str = "") -> None:
        """Put a record aside. ``logged``: the reason as it may stand in a process's log, where it names a person."""
        about = {"topic": stored.topic.value, "partition": stored.partition, "offset": stored.offset}
        where = f"{stored.topic} {stored.partition}/{stored.offset}"
        _log.error("%s: %s: %s", self._room, where, logged or reason, extra={"room": self._room, **about})
        value = stored.value if len(stored.value) <= BYTES_MAX else b""
        letter = DeadLetter(
            self._room, stored.topic, stored.offset, reason, self._clock.now_ms(), stored.partition, stored.key, value
        )
        self._voice.say([Record(Topic.DEAD_LETTERS, stored.key, encode(letter))])
