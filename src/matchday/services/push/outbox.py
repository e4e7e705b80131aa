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
from matchday.services.push.wire import Framing, Shared


class Outbox:
    """Frames on their way. ``took`` is called for a connection that was sent its tick and is slow, or was."""

    def __init__(self, clock: Clock, framing: Framing, buffer_bytes_max: int, took: Callable[[Session], None]) -> None:
        self._clock, self._framing, self._most, self._took = clock, framing, buffer_bytes_max, took
        self._dirty: list[Session] = []
        self.frames = self.sends = self.bytes = 0
        """Since this process began; bytes as they were handed to the connections."""

    def framed(self, session: Session, shared: Shared) -> bytes:
        """The frame of something for one session."""
        return shared.frame(session.kind, self._framing)

    def tell(self, session: Session, told: msgspec.Struct) -> None:
        """Say something to one connection."""
        self.queue(session, self.framed(session, Shared(lambda: told)))

    def share(self, session: Session, shared: Shared) -> None:
        """Say something to one connection of many."""
        self.queue(session, self.framed(session, shared))

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

    def say(self, channel: Channel, step: Step) -> None:
        """The hot loop: one step to everybody who hears everything and keeps up."""
        if not channel.members:
            return
        shared, dirty = channel.delta(step), self._dirty
        frames, offset = shared.frames, step.offset
        if not dirty:
            self._clock.call_later(0, self._flush)
        for session, sent in channel.members.items():
            if sent < offset:
                pending = session.pending
                if not pending:
                    dirty.append(session)
                pending.append(frames[session.kind] or self.framed(session, shared))

    def _flush(self) -> None:
        dirty, self._dirty = self._dirty, []
        now, most = self._clock.now_ms(), self._most
        joined: dict[tuple[bytes, ...], bytes] = {}
        frames = sends = sent = 0
        for session in dirty:
            pending, connection = session.pending, session.connection
            if len(pending) == 1:
                data = pending[0]
            elif pending:
                key = tuple(pending)
                data = joined.get(key) or joined.setdefault(key, b"".join(pending))
            else:  # closed since
                continue
            frames += len(pending)
            sends += 1
            sent += len(data)
            pending.clear()
            session.sent_ms = now
            connection.send(data)
            if connection.buffered() > most or session.behind is not None:
                self._took(session)
        self.frames += frames
        self.sends += sends
        self.bytes += sent
