"""Push's words: what a client may say and what it is told. The protocol for client authors is docs/protocol.md."""

from collections.abc import Callable
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from matchday.model.views import FactView
from matchday.services.push.shapes import AccountSnapshot, FixtureView, HomeRow

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


class Subscribe(_Said, frozen=True, tag="subscribe"):
    """Follow a channel, from where the client has got to if it says so."""

    channel: str
    resume: Resume | None = None


class Unsubscribe(_Said, frozen=True, tag="unsubscribe"):
    """Follow it no longer."""

    channel: str


class Ping(_Said, frozen=True, tag="ping"):
    """Answer with a pong."""


Said = Auth | Subscribe | Unsubscribe | Ping
_decoder: Final[msgspec.json.Decoder[Said]] = msgspec.json.Decoder(Said)
EXPECTED: Final = "expected an object whose op is auth, subscribe, unsubscribe or ping, with that op's fields only"


def read(payload: bytes) -> Said:
    """What a client says. ValidationError names the field that is wrong, DecodeError what is no JSON."""
    return _decoder.decode(payload)


def reader(words: type[msgspec.Struct]) -> Callable[[bytes], Said | msgspec.Struct]:
    """The same, where a client may say one more thing."""
    decoder: msgspec.json.Decoder[Said | msgspec.Struct] = msgspec.json.Decoder(Said | words)
    return decoder.decode


class HomeChange(msgspec.Struct, frozen=True):
    """Rows that changed, whole, and fixtures that are shown no longer."""

    fixtures: tuple[HomeRow, ...]
    removed: tuple[str, ...]


class HomeList(msgspec.Struct, frozen=True):
    """Every row, by kick-off."""

    fixtures: tuple[HomeRow, ...]


class Facts(msgspec.Struct, frozen=True):
    """What happened to an account, oldest first."""

    facts: tuple[FactView, ...]


Whole = FixtureView | HomeList | AccountSnapshot
Change = FixtureView | HomeChange | Facts


class _Told(msgspec.Struct, frozen=True, tag_field="t"):
    pass


class Hello(_Told, frozen=True, tag="hello"):
    """The first frame."""

    connection: str
    heartbeat_ms: int
    at: int


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
    data: Whole | msgspec.Raw
    resumed: bool | UnsetType = UNSET


class Delta(_Told, frozen=True, tag="delta", rename={"from_": "from"}):
    """What changed on a channel between two offsets."""

    channel: str
    from_: int
    to: int
    at: int
    cause: str
    data: Change
    conflated: bool | UnsetType = UNSET


class Heartbeat(_Told, frozen=True, tag="heartbeat"):
    """The connection is alive; ``stale`` while the prices' owner is silent."""

    at: int
    stale: bool


class Pong(_Told, frozen=True, tag="pong"):
    """Answer to a ping."""

    at: int


class Error(_Told, frozen=True, tag="error"):
    """A named reason, and for people the field and the remedy."""

    reason: str
    detail: str
    channel: str | UnsetType = UNSET


encode: Final = msgspec.json.Encoder().encode
