"""What leaves: frames are encoded once, and what is said within one tick is one send per connection.

What was said on a channel is not queued for each of those who follow it: each is brought from where it stands to where
the channel stands, and equal sends are one buffer. So sixty changes cost what one costs. A crowd is walked in slices,
between which everything else has its turn: an answer does not wait for it, and who has not been reached yet when more
is said (new prices after the suspension) gets both at once.
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

    def __init__(
        self, clock: Clock, framing: Framing, buffer_bytes_max: int, slice_: int, took: Callable[[Session], None]
    ) -> None:
        self._clock, self._framing, self._most, self._took = clock, framing, buffer_bytes_max, took
        self._slice = slice_
        self._dirty: list[Session] = []
        """Those for whom something of their own is queued."""
        self._said: dict[Channel, None] = {}
        """Channels on which something was said that not all who follow them were sent, in order."""
        self._walked: Channel | None = None
        self._left: list[Session] = []
        """Of those who follow that one, who has not been looked at yet."""
        self._due = False
        self.frames = self.sends = self.bytes = 0
        """Since this process began; bytes as they were handed to the connections."""

    @property
    def busy(self) -> bool:
        """Whether something was said that not all whom it is for were sent."""
        return bool(self._dirty or self._said or self._left)

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
        if session.pending is None:
            session.pending = []
            self._dirty.append(session)
            self._soon()
        session.pending.append(frame)

    def say(self, channel: Channel) -> None:
        """Something was said: bring everybody who hears everything and keeps up to where the channel stands."""
        if channel.members:
            self._said[channel] = None
            self._soon()

    def say_each(self, channel: Channel, step: Step) -> None:
        """The same of a channel of which nothing may be merged, ever: few follow it."""
        for session, sent in channel.members.items():
            if sent < step.offset:
                channel.members[session] = step.offset
                self.share(session, channel.delta(step))

    def _soon(self) -> None:
        if not self._due:
            self._due = True
            self._clock.call_later(0, self._flush)

    def _flush(self) -> None:
        """First what is a connection's own, then a slice of those who follow what was said."""
        self._due = False
        now, joined = self._clock.elapsed_ms(), dict[tuple[bytes, ...], bytes]()
        dirty, self._dirty = self._dirty, []
        for session in dirty:
            if session.pending is not None:  # else closed since
                self._send(session, self._all_of(session, joined), now)
        left = self._slice
        while left > 0 and (part := self._next(left)):
            left -= len(part)
            self._bring(part, joined, now)
        if self._left or self._said:
            self._soon()

    def _next(self, most: int) -> list[Session]:
        """Whom to look at next."""
        while not self._left and self._said:
            self._walked = next(iter(self._said))
            del self._said[self._walked]
            self._left = list(self._walked.members)
        part, self._left = self._left[:most], self._left[most:]
        return part

    def _bring(self, sessions: list[Session], joined: dict[tuple[bytes, ...], bytes], now: int) -> None:
        """The hot loop: bring these to where the channel stands that is walked."""
        channel, most = self._walked, self._most
        assert channel is not None
        members, last, ready, counts = channel.members, channel.last, channel.frames, channel.counts
        same, alike, frames = b"", 0, 0  # most are sent the very same: counted together
        for session in sessions:
            sent = members.get(session)
            if sent is None or sent >= last:
                continue  # it has left, or has it
            if session.several or session.pending is not None:
                self._send(session, self._all_of(session, joined), now)
                continue
            members[session] = last
            session.sent_ms = now
            data = ready.get((sent, session.kind)) or self._since(channel, sent, session)
            if data is not same:
                self._count(same, alike, frames)
                same, alike, frames = data, 0, counts.get(sent, 1)
            alike += 1
            session.send(data)
            if session.buffered() > most:
                self._took(session)
        self._count(same, alike, frames)

    def _count(self, data: bytes, sends: int, frames: int) -> None:
        """So many were sent the same, of so many frames."""
        self.sends += sends
        self.frames += sends * frames
        self.bytes += sends * len(data)

    def _send(self, session: Session, data: bytes, now: int) -> None:
        session.sent_ms = now
        self.sends += 1
        self.bytes += len(data)
        session.send(data)
        if session.buffered() > self._most or session.behind is not None:
            self._took(session)

    def _all_of(self, session: Session, joined: dict[tuple[bytes, ...], bytes]) -> bytes:
        """What is queued for one, and what was said on all that it follows."""
        pieces, session.pending = session.pending or [], None
        self.frames += len(pieces)
        for channel in session.channels.values():
            sent = channel.members.get(session)
            if sent is not None and sent < channel.last:
                pieces.append(channel.frames.get((sent, session.kind)) or self._since(channel, sent, session))
                channel.members[session] = channel.last
                self.frames += channel.counts.get(sent, 1)
        if len(pieces) == 1:
            return pieces[0]
        key = tuple(pieces)
        return joined.get(key) or joined.setdefault(key, b"".join(pieces))

    def _since(self, channel: Channel, sent: int, session: Session) -> bytes:
        """All that was said on a channel since an offset, change by change; merged where it is not remembered."""
        steps = channel.after(sent)
        said = [channel.since(sent, self._clock.now_ms())] if steps is None else list(map(channel.delta, steps))
        if len(said) > 1:
            channel.counts[sent] = len(said)
        data = b"".join([self.framed(session, shared) for shared in said])
        return channel.frames.setdefault((sent, session.kind), data)
