"""A connection, as the push room sees it, and where it stands."""

from typing import Protocol

from matchday.services.push.channel import Channel


class Connection(Protocol):
    """A client's connection, as its door implements it. The door calls ``drained`` when its buffer has run low."""

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
        "account", "behind", "channels", "connection", "heard_ms", "paid", "pending", "sent_ms", "slot", "slow_ms",
    )  # fmt: skip

    def __init__(self, connection: Connection, now: int, slot: int) -> None:
        self.connection = connection
        self.slot = slot
        self.account: str | None = None
        self.channels: dict[str, Channel] = {}
        self.pending: list[bytes] = []
        """Frames that leave with this tick."""
        self.behind: dict[str, int] | None = None
        """Of one that does not keep up: channel -> offset up to which it was sent everything."""
        self.slow_ms = self.heard_ms = self.sent_ms = now
        self.paid = 0
        """Until when its messages are paid for, in milliseconds times messages a second."""
