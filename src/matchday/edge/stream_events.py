"""Events of a stream (WHATWG HTML, server-sent events): the push room's frames out, and where a client has got to.

An event is one JSON frame, as a WebSocket has it. Its id says how far the client is on every channel of its list, so
that ``Last-Event-ID`` is enough to resume. It means something only with the same list of channels.
"""

from collections.abc import Sequence
from typing import Final
from zlib import crc32

import msgspec
from msgspec import UNSET, UnsetType

from matchday.edge.frames import payloads

ID_CHARS_MAX: Final = 4_096
"""Of an event's id."""


class Seen(msgspec.Struct, frozen=True):
    """What of a frame says how far a client has got."""

    t: str
    channel: str = ""
    epoch: str | UnsetType = UNSET
    to: int | UnsetType = UNSET


class _Mark(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """An event's id, as compact JSON."""

    channels: int
    """Check sum of the list of channels that it belongs to."""
    epochs: tuple[str, ...]
    at: tuple[tuple[int, int] | None, ...]
    """Of each channel of the list: which epoch, and the offset in it; None where there is none yet."""


class MarkInvalid(ValueError):
    """What came as ``Last-Event-ID`` is no id of an event of this list of channels."""


_seen: Final = msgspec.json.Decoder(Seen)
_mark: Final = msgspec.json.Decoder(_Mark)
_encode: Final = msgspec.json.Encoder().encode


class Reader:
    """Takes apart what the room sends. Connections that are sent equal bytes in one tick share the work."""

    def __init__(self) -> None:
        self._data = b""
        self._found: list[tuple[bytes, Seen]] = []

    def read(self, data: bytes) -> list[tuple[bytes, Seen]]:
        """The frames in some bytes, each with what it says of its channel."""
        if data is not self._data:
            self._found = [(payload, _seen.decode(payload)) for payload in payloads(data)]
            self._data = data
        return self._found


class Marks:
    """How far one client has got on the channels of its list."""

    __slots__ = ("_at", "_channels", "_sum")

    def __init__(self, channels: Sequence[str]) -> None:
        self._channels, self._sum = channels, crc32(",".join(channels).encode())
        self._at: dict[str, tuple[str, int]] = {}

    def resume(self, event_id: str) -> dict[str, tuple[str, int]]:
        """Epoch and offset of each channel that an id knows of. MarkInvalid where it is none of ours."""
        try:
            mark = _mark.decode(event_id[: ID_CHARS_MAX + 1])
            known = {
                channel: (mark.epochs[place[0]], place[1])
                for channel, place in zip(self._channels, mark.at, strict=True) if place is not None
            }  # fmt: skip
        except (msgspec.DecodeError, ValueError, IndexError) as error:
            raise MarkInvalid("send the id of the last event of this list of channels, or none") from error
        if mark.channels != self._sum:
            raise MarkInvalid("the id is of a stream of other channels; send none, or ask for the same channels")
        return known

    def take(self, seen: Seen) -> None:
        """The client is sent a frame."""
        if seen.to is UNSET or seen.channel not in self._channels:
            return
        epoch = self._at[seen.channel][0] if seen.epoch is UNSET else seen.epoch
        self._at[seen.channel] = (epoch, seen.to)

    def event_id(self) -> bytes:
        """Where the client is once it has read everything so far."""
        places = [self._at.get(channel) for channel in self._channels]
        epochs = tuple({place[0]: None for place in places if place is not None})
        at = tuple(None if place is None else (epochs.index(place[0]), place[1]) for place in places)
        return _encode(_Mark(self._sum, epochs, at))


def events(found: Sequence[tuple[bytes, Seen]], marks: Marks) -> bytes:
    """Frames as events; the last one carries the id, so that none is skipped that was not read."""
    for _, seen in found:
        marks.take(seen)
    *before, (last, _) = found
    said = [b"data: " + payload + b"\n\n" for payload, _ in before]
    return b"".join([*said, b"id: ", marks.event_id(), b"\ndata: ", last, b"\n\n"])
