"""A connection, as the push room sees it, and where it stands."""

from typing import Final, Protocol

from matchday.services.push import wire
from matchday.services.push.channel import Channel
from matchday.services.push.wire import BINARY, DEFLATED

FOREVER_MS: Final = 1 << 62
"""Until when a connection that is nobody's stays so."""


class Connection(Protocol):
    """A client's connection, as its door implements it. The door calls ``drained`` when its buffer has run low."""

    binary: bool
    """Whether it speaks MessagePack instead of JSON."""
    deflated: bool
    """Whether it takes compressed frames."""

    def send(self, data: bytes) -> object:
        """Send framed bytes now."""

    def buffered(self) -> int:
        """Bytes that the client has not taken yet."""

    def ping(self) -> object:
        """Ask for a sign of life; the door answers with ``heard``."""

    def close(self, code: int, reason: str) -> object:
        """Say goodbye; the room has forgotten the connection."""


class Session:
    """A connection and where it stands."""

    __slots__ = (
        "account", "behind", "buffered", "channels", "connection", "heard_ms", "kind", "pace_ms", "paces_ms", "paid",
        "pending", "send", "sent_ms", "several", "slot", "slow_ms", "until_ms",
    )  # fmt: skip

    def __init__(self, connection: Connection, elapsed_ms: int, slot: int) -> None:
        self.connection = connection
        self.send, self.buffered = connection.send, connection.buffered
        """At hand: of a crowd's objects none is in the processor's cache, and each that is touched costs."""
        self.slot = slot
        self.kind = BINARY * connection.binary + DEFLATED * connection.deflated
        """Which of the shared encodings it takes."""
        self.pace_ms = 0
        """Milliseconds between two deltas of a channel, at least; 0: every change."""
        self.paces_ms: dict[str, int] = {}
        """Channel -> the same, where its subscription says so."""
        self.account: str | None = None
        self.until_ms = FOREVER_MS
        """When the token that made it the account's has ended, by time elapsed."""
        self.channels: dict[str, Channel] = {}
        self.several = False
        """Whether they are more than one."""
        self.pending: list[bytes] | None = None
        """Frames of its own that leave with this tick; None: there are none."""
        self.behind: dict[str, int] | None = None
        """Of one that does not keep up: channel -> offset up to which it was sent everything."""
        self.slow_ms = self.heard_ms = self.sent_ms = elapsed_ms
        """By time elapsed, all of them: where the clock jumps, nobody was silent."""
        self.paid = 0
        """Until when its messages are paid for, in milliseconds times messages a second."""

    def period_ms(self, channel: str) -> int:
        """How many milliseconds lie between two deltas of a channel at least. Facts of an account come at once."""
        return 0 if channel == wire.ACCOUNT else self.paces_ms.get(channel, self.pace_ms)
