"""What leaves: frames are encoded once, and what is said within one tick is one send per connection.

Equal sends are one buffer: connections that follow the same channels share it.
"""

from collections.abc import Callable

import msgspec
from msgspec import UNSET

from matchday.ports import Clock
from matchday.services.push import wire
from matchday.services.push.channel import Channel, Step
from matchday.services.push.session import Session


def delta(channel: Channel, step: Step, before: int) -> wire.Delta:
    """A step for somebody who has everything up to ``before``."""
    return wire.Delta(channel.name, before, step.offset, step.at_ms, step.cause, step.view())


class Outbox:
    """Frames on their way. ``took`` is called for a connection that was sent its tick and is slow, or was."""

    def __init__(
        self, clock: Clock, frame: Callable[[bytes], bytes], buffer_bytes_max: int, took: Callable[[Session], None]
    ) -> None:
        self._clock, self._frame, self._most, self._took = clock, frame, buffer_bytes_max, took
        self._dirty: list[Session] = []

    def framed(self, told: msgspec.Struct) -> bytes:
        """The bytes of a frame."""
        return self._frame(wire.encode(told))

    def tell(self, session: Session, told: msgspec.Struct) -> None:
        """Say something to one connection."""
        self.queue(session, self.framed(told))

    def error(self, session: Session, reason: str, detail: str, channel: str | None = None) -> None:
        """Say what is wrong, by name, and for people the field and the remedy."""
        self.tell(session, wire.Error(reason, detail, UNSET if channel is None else channel))

    def queue(self, session: Session, frame: bytes) -> None:
        """Send a frame with this tick."""
        if not session.pending:
            if not self._dirty:
                self._clock.call_later(0, self._flush)
            self._dirty.append(session)
        session.pending.append(frame)

    def delta(self, channel: Channel, step: Step) -> bytes:
        """A step's frame: encoded once, shared by all."""
        if not step.frame:
            step.frame = self.framed(delta(channel, step, step.before))
        return step.frame

    def say(self, channel: Channel, step: Step) -> None:
        """The hot loop: one step to everybody who keeps up."""
        if not channel.members:
            return
        frame, dirty = self.delta(channel, step), self._dirty
        if not dirty:
            self._clock.call_later(0, self._flush)
        for session, sent in channel.members.items():
            if sent < step.offset:
                pending = session.pending
                if not pending:
                    dirty.append(session)
                pending.append(frame)

    def _flush(self) -> None:
        dirty, self._dirty = self._dirty, []
        now, most = self._clock.now_ms(), self._most
        joined: dict[tuple[bytes, ...], bytes] = {}
        for session in dirty:
            pending, connection = session.pending, session.connection
            if len(pending) == 1:
                data = pending[0]
            elif pending:
                key = tuple(pending)
                data = joined.get(key) or joined.setdefault(key, b"".join(pending))
            else:  # closed since
                continue
            pending.clear()
            session.sent_ms = now
            connection.send(data)
            if connection.buffered() > most or session.behind is not None:
                self._took(session)
