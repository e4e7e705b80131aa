"""Fans of the load generator: each a connection, signed in, that places bets over HTTP or over the WebSocket.

They do as little as they can, so that the generator's core is not what is measured: a bet's bytes are ready but for its
id, and of an answer only what became of it is read.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol, cast

import msgspec

from matchday.bench.stopwatch import now_s
from matchday.edge.websocket import PATH

WAITING_MAX: Final = 1_024
"""Bets of one connection that wait for their answers; it is sent no more meanwhile."""
HANDSHAKE: Final = (
    b"GET %b HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
) % PATH.encode()
STAKE: Final = "0.10"
KEPT_S_MAX: Final = 3.0
"""Seconds that an HTTP connection without a request is used again after: uvicorn closes it after five."""
TEXT: Final = 1
"""Opcode of a text frame (RFC 6455, 5.2)."""
CLOSED: Final = "connection_closed"
"""Instead of an answer."""
SIGN_IN_S_MAX: Final = 10.0
"""Seconds that a connection may take until it can place bets."""
Answered = Callable[["Bettor", str, float], None]
"""(who, what became of it, when it was due). ``accepted``, ``pending``, the reason of a refusal, or a status."""


class Bettor(Protocol):
    """A connected fan."""

    heard_bytes: int
    """Of the last answer, without head or frame."""

    @property
    def free(self) -> bool:
        """Whether it can place another bet now."""

    def place(self, body: bytes, due: float) -> None:
        """Place one: ``body`` is that of POST /api/bets."""

    @property
    def gone(self) -> bool:
        """Whether its connection is closed: a server does not keep those that are silent for long."""

    def close(self) -> None:
        """Go."""


def body_maker(legs: Sequence[dict[str, object]], new_id: Callable[[], str]) -> Callable[[], bytes]:
    """Bodies of bets on each of the legs in turn."""
    rests = [
        b'","stake":"%b","currency":"EUR","policy":"any","legs":[%b]}' % (STAKE.encode(), msgspec.json.encode(leg))
        for leg in legs
    ]
    turn = 0

    def make() -> bytes:
        nonlocal turn
        turn += 1
        return b'{"id":"' + new_id().encode() + rests[turn % len(rests)]

    return make


class PlaceAnswer(msgspec.Struct, frozen=True):
    """What is read of what POST /api/bets answers."""

    answer: str = ""
    reason: str = ""
    status: int | str = 0

    @property
    def outcome(self) -> str:
        """What became of the bet, in a word."""
        return self.reason or self.answer or str(self.status)


class Frame(msgspec.Struct, frozen=True):
    """What is read of a frame. ``placed`` has the answer in it, or the problem."""

    t: str
    id: str = ""
    reason: str = ""
    answer: PlaceAnswer = PlaceAnswer()
    problem: PlaceAnswer | None = None

    @property
    def outcome(self) -> str:
        """Of ``placed``: see ``PlaceAnswer.outcome``."""
        return (self.problem or self.answer).outcome


_read: Final = msgspec.json.Decoder(PlaceAnswer).decode
_read_frame: Final = msgspec.json.Decoder(Frame).decode


class HttpBettor(asyncio.Protocol):
    """POST /api/bets over a connection that is kept: one bet at a time."""

    def __init__(self, token: str, answered: Answered) -> None:
        self._head = (
            b"POST /api/bets HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %b\r\nContent-Type: application/json\r\n"
            b"Content-Length: %%d\r\n\r\n" % token.encode()
        )
        self._answered = answered
        self._due: float | None = None
        self._got, self.heard_bytes = b"", 0
        self._used_s = now_s()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See ``asyncio.Protocol``."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - whatever the reason
        """See ``asyncio.Protocol``."""
        due, self._due = self._due, None
        if due is not None:
            self._answered(self, CLOSED, due)

    @property
    def free(self) -> bool:
        """See ``Bettor.free``."""
        return self._due is None and not self.gone

    @property
    def gone(self) -> bool:
        """See ``Bettor.gone``. Kept for too long it may be closed while a bet is on its way."""
        kept_s = now_s() - self._used_s
        return self._transport.is_closing() or (self._due is None and kept_s > KEPT_S_MAX)

    def place(self, body: bytes, due: float) -> None:
        """See ``Bettor.place``."""
        self._due = due
        self._transport.write(self._head % len(body) + body)

    def data_received(self, data: bytes) -> None:
        """See ``asyncio.Protocol``."""
        self._got = got = self._got + data
        head, end, content = got.partition(b"\r\n\r\n")
        if not end:
            return
        lower = head.lower()
        at = lower.index(b"content-length:") + 15
        size = int(lower[at:].split(b"\r\n", 1)[0])
        if len(content) < size:
            return
        self._got, due, self._due, self._used_s = b"", self._due, None, now_s()
        assert due is not None, "an answer to no question"
        self.heard_bytes = size
        self._answered(self, _read(content).outcome, due)

    def close(self) -> None:
        """See ``Bettor.close``."""
        self._transport.abort()


class SocketFan(asyncio.Protocol):
    """The client's side of a WebSocket: handshake, frames in, bets out."""

    def __init__(self, answered: Answered, ready: Callable[[], None]) -> None:
        self._answered, self._ready = answered, ready
        self._got, self.heard_bytes = b"", 0
        self._open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See ``asyncio.Protocol``."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(HANDSHAKE)

    @property
    def gone(self) -> bool:
        """See ``Bettor.gone``."""
        return self._transport.is_closing()

    def data_received(self, data: bytes) -> None:
        """See ``asyncio.Protocol``."""
        self._got += data
        if not self._open:
            head, end, rest = self._got.partition(b"\r\n\r\n")
            if not end:
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self._turned_away(head)
                return
            self._open, self._got = True, rest
            self._opened()
        frames, self._got = frames_of(self._got)
        for opcode, frame in frames:
            if opcode == TEXT:
                self._hear(frame)
            else:
                self._controlled(opcode, frame)

    def close(self) -> None:
        """See ``Bettor.close``."""
        self._transport.abort()

    def _send(self, body: bytes) -> None:
        self._transport.write(masked(b'{"op":"place",' + body[1:]))

    def _turned_away(self, head: bytes) -> None:  # noqa: ARG002 - others read why
        """The handshake was answered with something else."""
        self._transport.abort()

    def _controlled(self, opcode: int, payload: bytes) -> None:
        """A ping, or the server's goodbye: passed over here."""

    def _opened(self) -> None:
        raise NotImplementedError

    def _hear(self, frame: bytes) -> None:
        raise NotImplementedError


class SocketBettor(SocketFan):
    """``{"op":"place",…}`` over a WebSocket. A frame ``placed`` of the same id has what became of it."""

    def __init__(self, token: str, answered: Answered, ready: Callable[[], None]) -> None:
        super().__init__(answered, ready)
        self._token = token
        self._waiting: dict[str, float] = {}

    @property
    def free(self) -> bool:
        """See ``Bettor.free``."""
        return len(self._waiting) < WAITING_MAX and not self.gone

    def place(self, body: bytes, due: float) -> None:
        """See ``Bettor.place``."""
        self._waiting[body[7:43].decode()] = due  # the id stands first
        self._send(body)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - whatever the reason
        """See ``asyncio.Protocol``."""
        waiting, self._waiting = self._waiting, {}
        for due in waiting.values():
            self._answered(self, CLOSED, due)

    def _opened(self) -> None:
        self._transport.write(masked(b'{"op":"auth","token":"%b"}' % self._token.encode()))

    def _hear(self, frame: bytes) -> None:
        told = _read_frame(frame)
        if told.t == "signed_in":
            self._ready()
        elif told.t == "error" and self._waiting:  # of a word not understood
            _, due = self._waiting.popitem()
            self._answered(self, told.reason, due)
        elif told.id in self._waiting and told.answer.answer != "pending":  # else the end is still to be heard
            self.heard_bytes = len(frame)
            self._answered(self, told.outcome, self._waiting.pop(told.id))


class Echoed(SocketFan):
    """The same bytes to an echo: the first frame back answers the oldest question."""

    def __init__(self, answered: Answered, ready: Callable[[], None]) -> None:
        super().__init__(answered, ready)
        self._waiting: deque[float] = deque(maxlen=WAITING_MAX)

    @property
    def free(self) -> bool:
        """See ``Bettor.free``."""
        return len(self._waiting) < WAITING_MAX and not self.gone

    def place(self, body: bytes, due: float) -> None:
        """See ``Bettor.place``."""
        self._waiting.append(due)
        self._send(body)

    def _opened(self) -> None:
        self._ready()

    def _hear(self, frame: bytes) -> None:
        self.heard_bytes = len(frame)
        self._answered(self, "accepted", self._waiting.popleft())


def masked(payload: bytes, opcode: int = TEXT) -> bytes:
    """A client's frame, masked with zeros: as long as any, and not worth a loop."""
    size, first = len(payload), bytes((0x80 | opcode,))
    if size < 126:
        return first + bytes((0x80 | size,)) + bytes(4) + payload
    return first + b"\xfe" + size.to_bytes(2, "big") + bytes(4) + payload


def split(data: bytes) -> tuple[list[bytes], bytes]:
    """The payloads of whole text frames of a server, and what is left. Pings and others are passed over."""
    frames, rest = frames_of(data)
    return [payload for opcode, payload in frames if opcode == TEXT], rest


def frames_of(data: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """(opcode, payload) of whole frames of a server, and what is left."""
    frames, at = [], 0
    while len(data) - at >= 2:
        size, head = data[at + 1], at + 2
        if size == 126:
            size, head = int.from_bytes(data[head : head + 2], "big"), head + 2
        elif size == 127:
            size, head = int.from_bytes(data[head : head + 8], "big"), head + 8
        if head > len(data) or head + size > len(data):
            break
        frames.append((data[at] & 0x0F, data[head : head + size]))
        at = head + size
    return frames, data[at:]


async def _connected(port: int, make: Callable[[], Any], host: str = "127.0.0.1") -> Any:
    _, bettor = await asyncio.get_running_loop().create_connection(make, host, port)
    return bettor


async def http_bettor(port: int, token: str, answered: Answered, host: str = "127.0.0.1") -> HttpBettor:
    """One over HTTP."""
    found: HttpBettor = await _connected(port, lambda: HttpBettor(token, answered), host)
    return found


async def socket_bettor(port: int, token: str, answered: Answered) -> SocketBettor:
    """One over a WebSocket, signed in. TimeoutError where that takes too long."""
    ready = asyncio.Event()
    found: SocketBettor = await _connected(port, lambda: SocketBettor(token, answered, ready.set))
    await asyncio.wait_for(ready.wait(), SIGN_IN_S_MAX)
    return found


async def echoed(port: int, answered: Answered) -> Echoed:
    """One that only echoes."""
    ready = asyncio.Event()
    found: Echoed = await _connected(port, lambda: Echoed(answered, ready.set))
    await asyncio.wait_for(ready.wait(), SIGN_IN_S_MAX)
    return found
