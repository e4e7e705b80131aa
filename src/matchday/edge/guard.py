"""The guard of the HTTP door: uvicorn's protocol, held to what a request may be and how long it may take.

Owns a connection until its request is the application's, the WebSocket's or a stream's. A request that is too slow, too
large or more than one thing at once gets a named problem, and its connection ends: what follows on it nobody reads, so
that no second request can hide in a first.
"""

import asyncio
import logging
import socket
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from matchday.config import Doors
from matchday.edge.problems import Problem
from matchday.edge.visitors import UNKNOWN, Network, networks, real_address

FORWARDED: Final = b"x-forwarded-for"
GOODBYE_S_MAX: Final = 2.0
"""Seconds that a client has to read our last words; then the connection is cut."""
_IDLE, _HEAD, _BODY = range(3)
_SEPARATORS: Final = 4
"""Bytes around a header's name and value."""
_log = logging.getLogger(__name__)

OpenStream = Callable[[set[Any], str, bytes, Sequence[tuple[bytes, bytes]]], asyncio.Protocol]
"""Makes the protocol of a stream, of the server's connections, the client's address, what is asked for and headers."""


class _Refused(Exception):
    """Raised inside the parser, to stop it: what it has read is refused as ``problem``."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


def make_guard(
    settings: Doors, *, dead_ms: int, stream_path: bytes, open_stream: OpenStream
) -> type["Guard"]:  # fmt: skip
    """The class that ``uvicorn.Config(http=…)`` takes. ``GET stream_path`` is handed to what ``open_stream`` makes.

    A client that acknowledges nothing for ``dead_ms`` is taken for dead by the operating system.
    """
    trusting = networks(settings.trusted_proxies)

    class Configured(Guard):
        _settings, _trusted, _dead_ms = settings, trusting, dead_ms
        _stream_path, _open_stream = stream_path, staticmethod(open_stream)

    return Configured


class Guard(HttpToolsProtocol):
    """One connection."""

    _settings: Doors
    _trusted: Sequence[Network]
    _dead_ms: int
    _stream_path: bytes
    _open_stream: OpenStream

    def __init__(
        self, config: Config, server_state: ServerState, app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:  # fmt: skip
        super().__init__(config, server_state, app_state, _loop)
        self._stage, self._begun = _HEAD, 0
        """Which part of a request comes next; requests so far."""
        self._timed = (0, _IDLE)
        """What the timer runs for: of which request which part."""
        self._head_bytes = self._unparsed = 0
        """Bytes of this head that the parser has told of, and of pieces that ended in the middle of it."""
        self._timer: asyncio.TimerHandle | None = None
        self._streaming = self._deaf = False
        """Whether a stream was asked for; whether nothing is read from this connection any more."""
        self._problem: Problem | None = None
        """What is to be said once the answers before it are given."""

    # --- asyncio's side -----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See ``asyncio.Protocol``."""
        super().connection_made(transport)
        if len(self.connections) > self._settings.connections_max:
            self._refuse(Problem("full", "too many connections; come back later", retry_after_s=1))
            return
        _forget_the_dead(transport, self._dead_ms)
        self._time()

    def connection_lost(self, exc: Exception | None) -> None:
        """See ``asyncio.Protocol``."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """See ``asyncio.Protocol``."""
        if self._deaf or self.transport.is_closing():
            return
        self._unset_keepalive_if_required()
        if self._stage == _IDLE:
            self._stage = _HEAD
        before = (self._begun, self._stage)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            self._misread(error)
        else:
            if before == (self._begun, _HEAD) and self._stage == _HEAD:
                self._unparsed += len(data)
            if self._unparsed > self._settings.head_bytes_max:
                self._refuse(self._too_large())
            elif self._streaming and self._stage == _IDLE:
                self._stream()
            else:
                self._time()

    def _took_whole(self) -> None:
        """A request was taken whole before it came here: nothing is waited for."""
        self._stop_waiting()
        self._stage = _IDLE
        self._timed = (self._begun, _IDLE)

    def shutdown(self) -> None:
        """Uvicorn stops."""
        self._stop_waiting()
        super().shutdown()

    # --- the parser's side --------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """A request begins. Nothing may follow one that takes the connection over."""
        if self._streaming:
            raise _Refused(Problem("request_invalid", "nothing may follow the request for a stream"))
        self._begun += 1
        self._stage, self._head_bytes, self._unparsed = _HEAD, 0, 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """A part of what is asked for."""
        self._head_bytes += len(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header."""
        self._head_bytes += len(name) + len(value) + _SEPARATORS
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is whole: whose is the request?"""
        if self._head_bytes > self._settings.head_bytes_max or len(self.headers) > self._settings.headers_max:
            raise _Refused(self._too_large())
        self._stage = _BODY
        if self._trusted and self.client is not None:
            self.scope["client"] = (self._address(), self.client[1])
        upgrade = self.parser.should_upgrade()  # then it is no stream, whatever its path
        is_stream = self.parser.get_method() == b"GET" and self.url.partition(b"?")[0] == self._stream_path
        self._streaming = is_stream and not upgrade
        if (self._streaming or (upgrade and self._should_upgrade())) and self._answering():
            raise _Refused(Problem("request_invalid", "wait for the answers before; then ask for a connection to keep"))
        if upgrade and self._has_body() and not self._should_upgrade():  # the parser would stop before the body
            raise _Refused(Problem("request_invalid", "a request with a body offers no upgrade; send it as HTTP/1.1"))
        if not self._streaming:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of a request's body."""
        if self._streaming:
            raise _Refused(Problem("request_invalid", "the request for a stream has no body"))
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._stage = _IDLE
        if not self._streaming:
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """A request is answered."""
        super().on_response_complete()
        if self._problem is not None and not self.pipeline:
            self._say_goodbye(self._problem)

    # --- connections to keep ------------------------------------------------------------------------------------------

    def _upgrade(self, rest: bytes) -> None:
        if not self._should_upgrade():  # to what we do not speak: answered as if it had not been asked for, the last
            self._deaf, self.cycle.keep_alive = True, False
            return
        if self._has_body():
            self._refuse(Problem("request_invalid", "a handshake has no body"))
            return
        self._stop_waiting()
        self.handle_websocket_upgrade()
        if rest:
            cast("asyncio.Protocol", self.transport.get_protocol()).data_received(rest)
        self.parser = None  # type: ignore[assignment] # breaks the circle, so that the memory is free at once

    def _has_body(self) -> bool:
        names = dict(self.headers)
        return names.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in names

    def _stream(self) -> None:
        self._stop_waiting()
        self.connections.discard(self)
        stream = self._open_stream(self.connections, self._address(), self.url, self.headers)
        self.transport.set_protocol(stream)
        stream.connection_made(self.transport)
        self.parser = None  # type: ignore[assignment]

    def _address(self) -> str:
        peer = self.client[0] if self.client else UNKNOWN
        if not self._trusted:
            return peer
        forwarded = [value.decode("latin-1") for name, value in self.headers if name == FORWARDED]
        return real_address(peer, forwarded, self._trusted)

    # --- what is refused ----------------------------------------------------------------------------------------------

    def _too_large(self) -> Problem:
        most, headers = self._settings.head_bytes_max, self._settings.headers_max
        return Problem("head_too_large", f"send at most {headers} headers, and {most} bytes of line and headers")

    def _misread(self, error: Exception) -> None:
        """The parser has stopped: at what it does not take, or by one of its calls to us."""
        cause = error.__context__ if isinstance(error, httptools.HttpParserCallbackError) else None
        if isinstance(cause, _Refused):
            self._refuse(cause.problem)
            return
        if cause is not None and not isinstance(cause, httptools.HttpParserError | UnicodeError):
            _log.error("a request could not be taken", exc_info=cause)
        self._refuse(Problem("request_invalid", f"no HTTP/1.1 request (RFC 9112): {str(cause or error)[:100]}"))

    def _refuse(self, problem: Problem) -> None:
        """Read nothing more; say why, after the answers to what came before."""
        self._stop_waiting()
        self._deaf = True
        if not self._answering():
            self._say_goodbye(problem)
        elif not (self.cycle.more_body or self.pipeline):
            self._problem = problem
        elif self.pipeline or self.cycle.response_started:
            self.transport.close()
        else:
            self._say_goodbye(problem)

    def _say_goodbye(self, problem: Problem) -> None:
        """Half-close and wait: to close with bytes unread would reset, and take our last words along."""
        self._unset_keepalive_if_required()
        say_goodbye(self.transport, problem.raw())

    def _answering(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def _time(self) -> None:
        """Have the clock run for the part of the request that is to come; whole requests cost no timer."""
        timed = (self._begun, self._stage)
        if timed == self._timed:
            return
        self._stop_waiting()
        self._timed = timed
        if self._stage != _IDLE:
            self._timer = self.loop.call_later(self._limit_ms() / 1_000, self._too_slow)

    def _limit_ms(self) -> int:
        return self._settings.head_ms_max if self._stage == _HEAD else self._settings.request_ms_max

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        if not self._begun:  # nobody has asked for anything
            self.transport.close()
            return
        part = "head" if self._stage == _HEAD else "body"
        self._refuse(Problem("request_too_slow", f"send a request's {part} within {self._limit_ms()} ms"))


def say_goodbye(transport: asyncio.Transport, last: bytes) -> asyncio.TimerHandle:
    """Send our last words and end the connection, by force where the client does not end it in time."""
    if not transport.is_closing():
        transport.write(last)
        transport.write_eof()
    return asyncio.get_running_loop().call_later(GOODBYE_S_MAX, transport.abort)


def _forget_the_dead(transport: asyncio.Transport, dead_ms: int) -> None:
    """Have the kernel end a connection whose client acknowledges nothing for so long (tcp(7), TCP_USER_TIMEOUT)."""
    tcp = transport.get_extra_info("socket")
    if tcp is not None and tcp.family in (socket.AF_INET, socket.AF_INET6) and hasattr(socket, "TCP_USER_TIMEOUT"):
        tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, min(dead_ms, 2**31 - 1))
