"""Push's words: what a client may say and what it is told. The protocol for client authors is docs/protocol.md."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, NamedTuple

import msgspec
from msgspec import UNSET, Meta, UnsetType

from matchday.services.push.moves import Change
from matchday.services.push.shapes import Whole

HOME: Final = "home"
ACCOUNT: Final = "account"
FIXTURE: Final = "fixture:"

CLOSE_SLOW: Final = 4008
"""The client did not take what it was sent for longer than ``slow_ms_max``."""
CLOSE_IDLE: Final = 4009
"""Neither a word nor a pong for longer than ``idle_ms_max``."""
CLOSE_DRAINING: Final = 4012
"""This gate stops; the reason says in how many milliseconds (``retry_ms=…``) to come back, perhaps to another."""
CLOSE_RATE: Final = 4029
"""More messages than ``messages_per_second_max``; a message in error counts as several."""
CLOSE_FULL: Final = 4013
"""No place left between the handshake and the first word."""


class _Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="op"):
    pass


class Auth(_Said, frozen=True, tag="auth"):
    """Sign in."""

    token: str


class Resume(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a client has got to on a channel."""

    epoch: str
    offset: int


Rate = Annotated[float, Meta(ge=1 / 64, le=1_000)]
"""Deltas a second: from one in about a minute to one each millisecond."""


class Subscribe(_Said, frozen=True, tag="subscribe"):
    """Follow a channel, from where the client has got to if it says so, and as often as it wants to hear."""

    channel: str
    resume: Resume | None = None
    max_rate_hz: Rate | UnsetType | None = UNSET
    """At most so many deltas a second; null: every change; left out: as the connection."""


class Pace(_Said, frozen=True, tag="pace"):
    """How often this connection wants to hear of a channel, where its subscription does not say. null: every change."""

    max_rate_hz: Rate | None


class Unsubscribe(_Said, frozen=True, tag="unsubscribe"):
    """Follow it no longer."""

    channel: str


class Ping(_Said, frozen=True, tag="ping"):
    """Answer with a pong."""


Said = Auth | Subscribe | Unsubscribe | Pace | Ping
EXPECTED: Final = (
    "expected an object whose op is auth, subscribe, unsubscribe, pace, ping, place or taps, with that op's fields only"
)


Read = Callable[[bytes, bool], Said | msgspec.Struct]


def reader(more: Sequence[type[msgspec.Struct]] = ()) -> Read:
    """What reads a client's words, as JSON or (True) MessagePack; ``more`` is what else it may say.
    ValidationError names the field that is wrong, DecodeError what is no JSON or MessagePack."""
    words: Any = Said
    for shape in more:
        words |= shape
    text: msgspec.json.Decoder[Said | msgspec.Struct] = msgspec.json.Decoder(words)
    binary: msgspec.msgpack.Decoder[Said | msgspec.Struct] = msgspec.msgpack.Decoder(words)
    return lambda payload, packed: binary.decode(payload) if packed else text.decode(payload)


class _Told(msgspec.Struct, frozen=True, tag_field="t"):
    pass


class Hello(_Told, frozen=True, tag="hello"):
    """The first frame."""

    connection: str
    heartbeat_ms: int
    at: int
    stale: bool
    stale_fixtures: tuple[str, ...] | UnsetType = UNSET


class SignedIn(_Told, frozen=True, tag="signed_in"):
    """The token was good."""

    account: str


class Resumed(_Told, frozen=True, tag="resumed"):
    """Exactly what was missed since ``to`` follows as deltas."""

    channel: str
    epoch: str
    to: int


class Snapshot(_Told, frozen=True, tag="snapshot"):
    """All there is on a channel; ``resumed`` false where a resume was asked for and is not possible."""

    channel: str
    epoch: str
    to: int
    at: int
    data: Whole | None
    resumed: bool | UnsetType = UNSET


class Delta(_Told, frozen=True, tag="delta", rename={"from_": "from"}):
    """The fields that changed on a channel between two offsets. ``at``: when the last of it was published."""

    channel: str
    from_: int
    to: int
    at: int
    cause: str
    data: Change
    conflated: bool | UnsetType = UNSET


class Heartbeat(_Told, frozen=True, tag="heartbeat"):
    """The connection is alive. ``stale`` while nobody who makes prices is heard, ``stale_fixtures`` those whose prices'
    owner is silent while others' is not (absent: none): said at once when that changes."""

    at: int
    stale: bool
    stale_fixtures: tuple[str, ...] | UnsetType = UNSET


class Pong(_Told, frozen=True, tag="pong"):
    """Answer to a ping."""

    at: int


class Error(_Told, frozen=True, tag="error"):
    """A named reason, and for people the field and the remedy."""

    reason: str
    detail: str
    channel: str | UnsetType = UNSET


encode: Final = msgspec.json.Encoder().encode
pack: Final = msgspec.msgpack.Encoder().encode


class Framing(NamedTuple):
    """How a door makes frames of what is encoded."""

    text: Callable[[bytes], bytes]
    """JSON as a frame."""
    binary: Callable[[bytes], bytes]
    """MessagePack as a frame."""
    deflated: Callable[[bytes], bytes]
    """Either frame, compressed; or as it is, where that would not be shorter."""


BINARY: Final = 2
DEFLATED: Final = 1


class Shared:
    """Something said to many. Each of its four encodings is made once, when the first connection needs it."""

    __slots__ = ("_make", "frames")

    def __init__(self, make: Callable[[], msgspec.Struct]) -> None:
        self._make = make
        """What is said, made anew for each encoding: kept, it would be many times its frame's size."""
        self.frames: list[bytes] = [b"", b"", b"", b""]
        """By kind; empty: not needed so far."""

    def frame(self, kind: int, framing: Framing) -> bytes:
        """The frame for connections of a kind: the sum of ``BINARY`` and ``DEFLATED``, as far as they are that."""
        frame = self.frames[kind]
        if not frame:
            if kind & DEFLATED:
                frame = framing.deflated(self.frame(kind & BINARY, framing))
            elif kind:
                frame = framing.binary(pack(self._make()))
            else:
                frame = framing.text(encode(self._make()))
            self.frames[kind] = frame
        return frame
