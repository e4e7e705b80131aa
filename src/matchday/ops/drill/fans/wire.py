"""A fan's two connections: HTTP that asks one thing at a time, and the WebSocket that watches, taps and bets.

They do as little as they can, so that the generator's core is not what is measured: of a delta only its times are read.
"""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol, cast

import msgspec

from matchday.bench.bettors import KEPT_S_MAX, Frame, SocketFan, masked
from matchday.bench.stopwatch import now_s

_PING: Final = 9
_PONG: Final = 10
_CLOSE: Final = 8
GONE: Final = 0
"""Instead of an HTTP status: the connection ended, or could not be made."""
Told = Callable[[int, int, bytes], None]
"""(HTTP status or ``GONE``, seconds of Retry-After or 0, body)"""


def request(method: str, path: str, token: str = "", body: bytes | None = None) -> bytes:
    """A request's bytes."""
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\n"
    if token:
        head += f"Authorization: Bearer {token}\r\n"
    if body is None:
        return f"{head}\r\n".encode()
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def header(head: bytes, name: bytes) -> int:
    """A header that is a number; 0 where it is not there."""
    lower = head.lower()
    at = lower.find(b"\r\n" + name + b":")
    if at < 0:
        return 0
    value = lower[at + len(name) + 3 :].split(b"\r\n", 1)[0].strip()
    return int(value) if value.isdigit() else 0


class Asker(asyncio.Protocol):
    """HTTP over one connection."""

    def __init__(self) -> None:
        self._told: Told | None = None
        self._got = b""
        self._used_s = now_s()
        self._transport: asyncio.Transport | None = None

    @property
    def good(self) -> bool:
        """Whether it can be asked: a server closes those that are silent for long."""
        transport = self._transport
        if transport is None or transport.is_closing() or self._told is not None:
            return False
        return now_s() - self._used_s < KEPT_S_MAX

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See ``asyncio.Protocol``."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - whatever the reason
        """See ``asyncio.Protocol``."""
        told, self._told = self._told, None
        if told is not None:
            told(GONE, 0, b"")

    def ask(self, said: bytes, told: Told) -> None:
        """One request; ``told`` is called once."""
        assert self._transport is not None
        self._told = told
        self._transport.write(said)

    def data_received(self, data: bytes) -> None:
        """See ``asyncio.Protocol``."""
        self._got = got = self._got + data
        head, end, content = got.partition(b"\r\n\r\n")
        if not end or len(content) < header(head, b"content-length"):
            return
        self._got, told, self._told, self._used_s = b"", self._told, None, now_s()
        if told is not None:
            told(int(head[9:12]), header(head, b"retry-after"), content)

    def close(self) -> None:
        """Go."""
        self._told = None
        if self._transport is not None:
            self._transport.abort()


class Viewer(Protocol):
    """Who looks at a screen."""

    def in_step(self, resumed: bool) -> None:
        """The channel is there: by a snapshot, or what was missed follows."""

    def placed(self, id_: str, outcome: str) -> None:
        """What became of a bet; ``pending`` first where it waits."""

    def tapped(self, problem: str) -> None:
        """The last taps are kept, or the reason why not."""

    def frame(self, at_ms: int, size: int) -> None:
        """A change, published at a time."""

    def gone(self, screen: "Screen", code: int | None, pause_s: float | None) -> None:
        """The connection ended: its close code (an HTTP status where there was no handshake), and after how many
        seconds it may be made again where that was said."""


class _Frame(Frame, frozen=True):
    """What is read of a frame that is no delta."""

    channel: str = ""
    epoch: str = ""
    to: int = -1


_read: Final = msgspec.json.Decoder(_Frame).decode
_DELTA: Final = b'{"t":"delta"'


class Screen(SocketFan):
    """One WebSocket that follows ``home`` and a fixture."""

    def __init__(self, viewer: Viewer, token: str, fixture: str, resume: tuple[str, int] | None) -> None:
        super().__init__(lambda *_: None, lambda: None)
        self._viewer, self._token, self._resume = viewer, token, resume
        self._channel = f"fixture:{fixture}"
        self._mark = b'"channel":"%b"' % self._channel.encode()
        self._code: int | None = None
        self._pause_s: float | None = None
        self.offset: tuple[str, int] | None = resume
        """(epoch, offset) of the fixture's channel: where to go on."""

    def say(self, words: bytes) -> None:
        """A message."""
        self._transport.write(masked(words))

    def bet(self, body: bytes) -> None:
        """A bet: the body of POST /api/bets."""
        self._send(body)

    def _opened(self) -> None:
        said: dict[str, object] = {"op": "subscribe", "channel": self._channel}
        if self._resume is not None:
            said["resume"] = {"epoch": self._resume[0], "offset": self._resume[1]}
        self._transport.write(
            masked(b'{"op":"auth","token":"%b"}' % self._token.encode())
            + masked(msgspec.json.encode(said))
            + masked(b'{"op":"subscribe","channel":"home","max_rate_hz":2}')
        )

    def _hear(self, frame: bytes) -> None:
        if frame.startswith(_DELTA):
            self._changed(frame)
            return
        told = _read(frame)
        if told.t in ("snapshot", "resumed") and told.channel == self._channel:
            self.offset = (told.epoch, told.to)
            self._viewer.in_step(told.t == "resumed")
        elif told.t == "placed":
            self._viewer.placed(told.id, told.outcome)
        elif told.t == "tapped":
            self._viewer.tapped(told.problem.reason if told.problem else "")
        elif told.t == "error":
            self._viewer.placed("", told.reason)

    def _changed(self, frame: bytes) -> None:
        at = frame.find(b'"at":') + 5
        self._viewer.frame(int(frame[at : at + 13]), len(frame))
        if self._mark in frame[:200] and self.offset is not None:
            to = frame.find(b'"to":') + 5
            self.offset = (self.offset[0], int(frame[to : frame.find(b",", to)]))

    def _turned_away(self, head: bytes) -> None:
        self._code = int(head[9:12]) if head[9:12].isdigit() else None
        self._pause_s = float(header(head, b"retry-after")) or None
        self._transport.abort()

    def _controlled(self, opcode: int, payload: bytes) -> None:
        if opcode == _PING:
            self._transport.write(masked(payload, _PONG))
        elif opcode == _CLOSE and len(payload) >= 2:
            self._code = int.from_bytes(payload[:2], "big")
            _, told, ms = payload[2:].partition(b"retry_ms=")
            self._pause_s = int(ms) / 1e3 if told and ms.isdigit() else None
            self._transport.write(masked(payload[:2], _CLOSE))
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - whatever the reason
        """See ``asyncio.Protocol``."""
        self._viewer.gone(self, self._code, self._pause_s)
