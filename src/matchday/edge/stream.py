"""The stream's door: server-sent events for clients without WebSocket, thin between a transport and the push room.

A stream is a connection of the room like any other: the same channels, buffers, limits and goodbyes. It is handed the
transport once its request has been read (``guard``), as the WebSocket's door is, so that it costs no task and no queue
of its own. Its answer has no length and ends with the connection; what a client sends after its request ends it.
"""

import asyncio
import re
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol, cast
from urllib.parse import parse_qsl

import msgspec

from matchday.config import Push as PushSettings
from matchday.edge.admission import Entrance
from matchday.edge.guard import OpenStream, say_goodbye
from matchday.edge.problems import Problem
from matchday.edge.sign_in import bearer
from matchday.edge.stream_events import MarkInvalid, Marks, Reader, events
from matchday.edge.visitors import may_connect
from matchday.model.role import SignedIn

PATH: Final = b"/api/stream"
FIELDS_MAX: Final = 8
"""Parameters of its query."""
_ALIVE: Final = b":\n\n"
"""A comment: nobody hears of it, but what is between us and the client sees that the connection lives."""
_RESTARTING: Final = 1012
_RETRY: Final = re.compile(r"retry_ms=(\d+)")
_HEADERS: Final = (
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\nX-Accel-Buffering: no\r\n"
    "X-Content-Type-Options: nosniff\r\nConnection: close\r\n"
)


class Room(Protocol):
    """The push room, as this door sees it."""

    def opened(self, connection: Any) -> None:
        """A client is there."""

    def follow(self, connection: Any, fan: SignedIn | None, channels: Any) -> None:
        """What it follows, and as whom."""

    def account_full(self, account: str) -> bool:
        """Whether an account has as many connections as it may."""

    def heard(self, connection: Any) -> None:
        """A sign of life."""

    def drained(self, connection: Any) -> None:
        """Its buffer has run low."""

    def closed(self, connection: Any) -> None:
        """A client is gone. Harmless when said again."""


class Place(msgspec.Struct, frozen=True):
    """Where a client has got to on a channel, as the room takes it."""

    epoch: str
    offset: int


class Asked(msgspec.Struct, frozen=True):
    """What a request for a stream asks for."""

    channels: tuple[str, ...]
    fan: SignedIn | None
    """Whom the client proved to be."""
    resume: dict[str, Place]


class Streams:
    """What all streams of a gate share."""

    def __init__(
        self, room: Room, settings: PushSettings, entrance: Entrance, *, origins: Sequence[str] = (),
        verify: Callable[[str], SignedIn | None], verify_ticket: Callable[[str], SignedIn | None],
        retry_ms: Callable[[], int],
    ) -> None:  # fmt: skip
        """``verify`` and ``verify_ticket`` say whose a fan's token or ticket is; ``retry_ms`` draws when a client whose
        connection is lost is to come back."""
        self.room, self.settings, self.entrance = room, settings, entrance
        self.verify, self.verify_ticket, self.retry_ms = verify, verify_ticket, retry_ms
        self.origins = frozenset(origin.lower() for origin in origins)
        self.reader = Reader()

    @property
    def opener(self) -> OpenStream:
        """What the guard hands connections to."""
        return lambda connections, address, target, headers: Stream(self, connections, address, target, headers)

    def asked(self, target: bytes, headers: Sequence[tuple[bytes, bytes]]) -> Asked:
        """What a request asks for. Problem where it may not, or is wrong."""
        found = {name: value.decode("latin-1") for name, value in headers}
        origins, hosts = _all(headers, b"origin"), _all(headers, b"host")
        if not may_connect(origins, hosts, self.origins):
            raise Problem("origin_not_allowed", "pages of the same host may open a stream; see setting doors.origins")
        query = _query(target)
        channels = tuple(dict.fromkeys(name for name in query.get("channels", "").split(",") if name))
        if not 1 <= len(channels) <= self.settings.subscriptions_max:
            detail = f"name 1 to {self.settings.subscriptions_max} channels, separated by commas"
            raise Problem("parameter_invalid", detail, field="channels")
        fan = self._fan(found.get(b"authorization"), query.get("ticket"))
        if fan is None and "account" in channels:
            raise Problem("not_signed_in", "channel account is a fan's own: send Authorization or a ticket")
        if fan is not None and self.room.account_full(fan.account):
            most = self.settings.connections_per_account_max
            raise Problem("connections_full", f"at most {most} connections of an account at once; close one")
        last = found.get(b"last-event-id") or query.get("last_event_id")
        try:
            known = Marks(channels).resume(last) if last else {}
        except MarkInvalid as error:
            raise Problem("parameter_invalid", str(error), field="last_event_id") from error
        return Asked(channels, fan, {channel: Place(*place) for channel, place in known.items()})

    def _fan(self, authorization: str | None, ticket: str | None) -> SignedIn | None:
        if authorization is not None:
            token = bearer(authorization)
            fan = self.verify(token) if token else None
        elif ticket is not None:
            fan = self.verify_ticket(ticket)
        else:
            return None
        if fan is None:
            remedy = "send a fan's token as Authorization: Bearer, or a new ticket of POST /api/stream/ticket"
            raise Problem("not_signed_in", remedy)
        return fan


class Stream(asyncio.Protocol):
    """One connection."""

    __slots__ = ("_address", "_closing", "_connections", "_marks", "_shared", "_transport", "_wanted", "buffered")
    binary = deflated = False
    """Its frames are taken apart again: they come as plain text."""

    def __init__(
        self, shared: Streams, connections: set[Any], address: str, target: bytes,
        headers: Sequence[tuple[bytes, bytes]],
    ) -> None:  # fmt: skip
        self._shared, self._connections, self._address = shared, connections, address
        self._wanted: tuple[bytes, Sequence[tuple[bytes, bytes]]] = (target, headers)
        self._marks: Marks | None = None
        """None where it was never let in."""
        self._closing: asyncio.TimerHandle | None = None

    # --- asyncio's side -----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See ``asyncio.Protocol``. The request has been read."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(self._shared.settings.buffer_bytes_max)
        self.buffered = self._transport.get_write_buffer_size
        self._connections.add(self)
        (target, headers), self._wanted = self._wanted, (b"", ())
        try:
            asked = self._shared.asked(target, headers)
            refused = self._shared.entrance.refusal(self._address)
            if refused is not None:
                raise refused
        except Problem as problem:
            self._closing = say_goodbye(self._transport, problem.raw())
        else:
            self._let_in(asked, dict(headers).get(b"origin"))

    def _let_in(self, asked: Asked, origin: bytes | None) -> None:
        self._shared.entrance.entered(self._address)
        self._marks = Marks(asked.channels)
        allow = f"Access-Control-Allow-Origin: {origin.decode('latin-1')}\r\nVary: Origin\r\n" if origin else ""
        self._transport.write(f"{_HEADERS}{allow}\r\nretry: {self._shared.retry_ms()}\n\n".encode("latin-1"))
        room = self._shared.room
        room.opened(self)
        room.follow(self, asked.fan, [(channel, asked.resume.get(channel)) for channel in asked.channels])

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """See ``asyncio.Protocol``."""
        self._connections.discard(self)
        if self._closing is not None:
            self._closing.cancel()
        if self._marks is not None:
            self._shared.entrance.left(self._address)
            self._shared.room.closed(self)

    def data_received(self, data: bytes) -> None:  # noqa: ARG002
        """See ``asyncio.Protocol``. Nothing may follow the request; while we say goodbye it is passed over."""
        if self._closing is None:
            self._shared.room.closed(self)
            self._transport.abort()

    def resume_writing(self) -> None:
        """See ``asyncio.Protocol``."""
        self._shared.room.drained(self)

    def shutdown(self) -> None:
        """Uvicorn stops: tell the client to come back."""
        self._shared.room.closed(self)
        self.close(_RESTARTING, "restarting; come back")

    # --- the room's side ----------------------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """See ``Connection.send``."""
        assert self._marks is not None
        self._transport.write(events(self._shared.reader.read(data), self._marks))

    def ping(self) -> None:
        """See ``Connection.ping``. The kernel answers for the client: it ends the connection of one that is dead."""
        self._transport.write(_ALIVE)
        self._shared.room.heard(self)

    def close(self, code: int, reason: str) -> None:
        """See ``Connection.close``: the last event is a ``close``, with the WebSocket's code."""
        if self._closing is not None:
            return
        retry = _RETRY.search(reason)
        said = msgspec.json.encode({"code": code, "reason": reason})
        last = b"event: close\ndata: " + said + b"\n\n"
        if retry is not None:
            last = b"retry: " + retry[1].encode() + b"\n" + last
        self._closing = say_goodbye(self._transport, last)


def _all(headers: Sequence[tuple[bytes, bytes]], wanted: bytes) -> list[str]:
    return [value.decode("latin-1") for name, value in headers if name == wanted]


def _query(target: bytes) -> dict[str, str]:
    text = target.partition(b"?")[2].decode("latin-1")
    try:
        return dict(parse_qsl(text, max_num_fields=FIELDS_MAX, errors="strict"))
    except ValueError as error:
        detail = f"at most {FIELDS_MAX} parameters, percent-encoded UTF-8"
        raise Problem("parameter_invalid", detail, field="channels") from error
