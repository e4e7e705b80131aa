"""The WebSocket door: a protocol class for uvicorn, thin between a transport and the push room.

Owns nothing but a connection's bytes. The handshake, fragments, control frames and all checks of RFC 6455 are those of
websockets' sans-IO layer; a client's whole small frames are taken apart here without it, and the room's frames come
ready made and go straight to the transport. The library is there only while it is needed: an idle connection is small.
"""

import asyncio
import logging
from collections.abc import Collection, Sequence
from http import HTTPStatus
from typing import Any, Final, Protocol, cast

from uvicorn.config import Config
from uvicorn.server import ServerState
from websockets.datastructures import Headers
from websockets.extensions.permessage_deflate import PerMessageDeflate, ServerPerMessageDeflateFactory
from websockets.frames import Frame, Opcode
from websockets.http11 import MAX_LINE_LENGTH, Request, Response
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import StatusLike

from matchday.config import Push as PushSettings
from matchday.edge.admission import OPEN, Entrance
from matchday.edge.frames import PING, WINDOW_BITS, split_frame
from matchday.edge.problems import Problem
from matchday.edge.visitors import UNKNOWN, Network, may_connect, real_address

PATH: Final = "/ws"
JSON: Final = "matchday.v1.json"
MSGPACK: Final = "matchday.v1.msgpack"
CLOSE_S_MAX: Final = 2.0
"""Seconds that a client has to answer our goodbye; then the connection is cut."""
_RESTARTING: Final = 1012
_WRONG_KIND: Final = 1003
_NOT_UTF8: Final = 1007
_HANDSHAKE: Final = (
    "a WebSocket is asked for with Upgrade: websocket, Connection: Upgrade, Sec-WebSocket-Version: 13 and a "
    "Sec-WebSocket-Key of 16 bytes in base64 (RFC 6455 4.1)"
)
_HEAD_END: Final = b"\r\n\r\n"
_log = logging.getLogger(__name__)


class Room(Protocol):
    """The push room, as this door sees it."""

    def opened(self, connection: Any) -> None:
        """A client is there."""

    def received(self, connection: Any, payload: bytes) -> None:
        """A client's message; where it is text, valid UTF-8."""

    def heard(self, connection: Any) -> None:
        """A pong."""

    def drained(self, connection: Any) -> None:
        """Its buffer has run low."""

    def closed(self, connection: Any) -> None:
        """A client is gone. Harmless when said again."""


def make_protocol(
    room: Room, settings: PushSettings, origins: Collection[str] = (), *, entrance: Entrance = OPEN,
    trusted: Sequence[Network] = (),
) -> type[asyncio.Protocol]:  # fmt: skip
    """The class that ``uvicorn.Config(ws=…)`` takes, bound to a room.

    Browsers may connect from the host they call and from ``origins`` (such as ``https://fans.example``). ``entrance``
    says who may come in now; it counts the addresses behind the proxies that are ``trusted``.
    """
    allowed = frozenset(origin.lower() for origin in origins)

    class Door(_Door):
        __slots__ = ()
        _room = room
        _settings = settings
        _origins = allowed
        _entrance, _trusted = entrance, trusted

    return Door


class _Door(asyncio.Protocol):
    """One connection."""

    _room: Room
    _settings: PushSettings
    _origins: frozenset[str]
    _entrance: Entrance
    _trusted: Sequence[Network]
    __slots__ = (
        "_address", "_closing", "_compressed", "_connections", "_library", "_parts", "_transport", "binary", "buffered",
        "deflated", "send",
    )  # fmt: skip

    def __init__(  # uvicorn names its arguments
        self,
        config: Config,  # noqa: ARG002
        server_state: ServerState,
        app_state: dict[str, Any],  # noqa: ARG002
        _loop: object = None,
    ) -> None:
        self._connections = server_state.connections
        self._library: ServerProtocol | None = _Handshake(
            extensions=[
                ServerPerMessageDeflateFactory(server_no_context_takeover=True, client_no_context_takeover=True)
            ],
            subprotocols=cast("Any", [JSON, MSGPACK]),
            select_subprotocol=lambda _, offered: next((one for one in offered if one in (JSON, MSGPACK)), None),
            max_size=self._settings.message_bytes_max,
            logger=_log,
        )
        self.binary = False
        """Whether MessagePack was agreed upon."""
        self.deflated = False
        """Whether the client can inflate what is compressed once for all."""
        self._compressed = False
        """Whether permessage-deflate was agreed upon: messages of the client may be compressed."""
        self._parts: list[bytes] | None = None
        self._closing: asyncio.TimerHandle | None = None
        self._address: str | None = None
        """Where the client comes from, once it has been let in."""

    # --- asyncio's side -----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See ``asyncio.Protocol``."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(self._settings.buffer_bytes_max)
        self.send, self.buffered = self._transport.write, self._transport.get_write_buffer_size
        self._connections.add(cast("Any", self))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """See ``asyncio.Protocol``."""
        self._connections.discard(cast("Any", self))
        if self._closing is not None:
            self._closing.cancel()
        if self._address is not None:
            self._entrance.left(self._address)
        self._room.closed(self)

    def resume_writing(self) -> None:
        """See ``asyncio.Protocol``."""
        self._room.drained(self)

    def data_received(self, data: bytes) -> None:
        """See ``asyncio.Protocol``. The fast path first; what it does not know goes to the library, from then on."""
        at = 0
        while self._library is None and at < len(data):
            payload, after = split_frame(
                data, at, self._settings.message_bytes_max, binary=self.binary, compressed=self._compressed
            )
            if payload is not None:
                self._message(payload)
            elif after > at:
                self._room.heard(self)
            else:
                self._library = self._opened_library()
                break
            at = after
        if at < len(data):
            self._slowly(data[at:] if at else data)

    def eof_received(self) -> None:
        """See ``asyncio.Protocol``."""
        if self._library is not None:
            self._library.receive_eof()
        self._room.closed(self)

    def shutdown(self) -> None:
        """Uvicorn stops: tell the client to come back."""
        self._room.closed(self)
        self.close(_RESTARTING, "restarting; come back")

    # --- the room's side ----------------------------------------------------------------------------------------------

    def ping(self) -> None:
        """See ``Connection.ping``."""
        self.send(PING)

    def close(self, code: int, reason: str) -> None:
        """See ``Connection.close``. A client that does not answer the goodbye in time is cut off."""
        if self._library is None:
            self._library = self._opened_library()
        if self._library.state is State.OPEN:
            self._library.send_close(code, reason)
        self._flush(self._library)

    # --- the library's side -------------------------------------------------------------------------------------------

    def _opened_library(self) -> ServerProtocol:
        library = ServerProtocol(state=State.OPEN, max_size=self._settings.message_bytes_max, logger=_log)
        if self._compressed:
            library.extensions = [PerMessageDeflate(True, True, WINDOW_BITS, WINDOW_BITS)]
        return library

    def _slowly(self, data: bytes) -> None:
        library = self._library
        assert library is not None
        if library.state is State.CONNECTING:  # what follows the head must not be lost with this library
            head, end, rest = data.partition(_HEAD_END)
            data = head + end
        else:
            rest = b""
        library.receive_data(data)
        for event in library.events_received():
            if isinstance(event, Request):
                self._handshake(library, event)
            elif isinstance(event, Frame) and self._closing is None:
                self._frame(event)
        self._flush(library)
        if rest and self._library is None:
            self.data_received(rest)

    def _handshake(self, library: ServerProtocol, request: Request) -> None:
        response = self._turned_away(request) or library.accept(request)
        library.send_response(response)
        if library.state is State.OPEN:
            self.binary = library.subprotocol == MSGPACK
            for agreed in library.extensions:
                if isinstance(agreed, PerMessageDeflate):
                    self._compressed, self.deflated = True, agreed.local_max_window_bits == WINDOW_BITS
            self._flush(library)
            self._library = None
            self._address = self._visitor(request.headers)
            self._entrance.entered(self._address)
            self._room.opened(self)

    def _turned_away(self, request: Request) -> Response | None:
        """Why not, as a response."""
        headers = request.headers
        problem: Problem | None
        if request.path.partition("?")[0] != PATH:
            problem = Problem("not_found", f"there is no WebSocket here; it is at {PATH}")
        elif not may_connect(headers.get_all("Origin"), headers.get_all("Host"), self._origins):
            problem = Problem("origin_not_allowed", "pages of the same host may connect; see setting doors.origins")
        else:
            problem = self._entrance.refusal(self._visitor(headers))
        return None if problem is None else _said(problem)

    def _visitor(self, headers: Headers) -> str:
        peer = self._transport.get_extra_info("peername")
        address = str(peer[0]) if isinstance(peer, tuple) else UNKNOWN
        return real_address(address, headers.get_all("X-Forwarded-For"), self._trusted) if self._trusted else address

    def _frame(self, frame: Frame) -> None:
        message = Opcode.BINARY if self.binary else Opcode.TEXT
        if frame.opcode is message or (frame.opcode is Opcode.CONT and self._parts is not None):
            parts = [] if self._parts is None else self._parts
            parts.append(bytes(frame.data))
            if frame.fin:
                self._parts = None
                self._message(b"".join(parts))
            else:
                self._parts = parts
                self._room.heard(self)
        elif frame.opcode in (Opcode.TEXT, Opcode.BINARY):
            self._room.closed(self)
            self.close(_WRONG_KIND, "binary frames only" if self.binary else "text frames only")
        elif frame.opcode is not Opcode.CLOSE:
            self._room.heard(self)

    def _message(self, payload: bytes) -> None:
        try:
            if not self.binary:
                payload.decode()
        except UnicodeDecodeError:
            self._room.closed(self)
            self.close(_NOT_UTF8, "not UTF-8")
        else:
            self._room.received(self, payload)

    def _flush(self, library: ServerProtocol) -> None:
        """Send what the library has to say: handshake, pongs, goodbyes."""
        pieces = library.data_to_send()
        if data := b"".join(pieces):
            self._transport.write(data)
        if not library.close_expected() and library.state is not State.CLOSED:
            return
        self._room.closed(self)
        if b"" in pieces and not self._transport.is_closing():
            # Half-close and wait: to close with bytes unread would reset, and take our last frame with it.
            self._transport.write_eof()
        if self._closing is None:
            self._closing = asyncio.get_running_loop().call_later(CLOSE_S_MAX, self._transport.abort)


def _said(problem: Problem, **more: str) -> Response:
    status, phrase, headers, body = problem.parts()
    return Response(status, phrase, Headers({**headers, **more}), body)


class _Handshake(ServerProtocol):
    """The library until a connection is open: what it refuses is said in the words of all our doors."""

    def reject(self, status: StatusLike, text: str) -> Response:  # noqa: ARG002
        """See ``ServerProtocol.reject``."""
        if status in (HTTPStatus.REQUEST_URI_TOO_LONG, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE):
            return _said(Problem("head_too_large", f"send at most {MAX_LINE_LENGTH} bytes in a line of a handshake"))
        return _said(Problem("request_invalid", _HANDSHAKE), **{"Sec-WebSocket-Version": "13"})
