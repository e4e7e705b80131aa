"""Gates with all their doors on real sockets: the guard, streams, WebSockets and who is let in, on the wall's time; and
fans by the thousand who audit the sequence of what they are told."""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import uvicorn

from matchday.backends.clock_wall import WallClock
from matchday.config import Doors
from matchday.config import Push as Settings
from matchday.edge.admission import Admission
from matchday.edge.frames import deflated, frame_binary, frame_text
from matchday.edge.guard import make_guard
from matchday.edge.stream import PATH, Streams
from matchday.edge.visitors import networks
from matchday.edge.websocket import make_protocol
from matchday.model.messages import BookChanged
from matchday.services.push import Framing, Push
from tests.unit.listening import listening, until
from tests.unit.pushing import EPOCH, Desk

ORIGIN = "https://fans.example"
HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)

STORY_S_MAX = 120
"""Seconds that a story may take where others keep the machine busy: a thousand clients take fifteen of CPU."""


class Gate:
    """One gate of a world: a push room behind real doors."""

    def __init__(self, world: "World", push: Settings, doors: Doors) -> None:
        self.push = Push(
            world.clock, world.books, EPOCH, push, ledger=world.ledger,
            framing=Framing(frame_text, frame_binary, deflated), stale=lambda: False,
            verify=world.verify,
        )  # fmt: skip
        self.entrance = Admission(world.clock, push, self.push)
        streams = Streams(
            self.push, push, self.entrance, origins=[ORIGIN], verify=world.verify, retry_ms=lambda: 700,
            verify_ticket=lambda ticket: world.verify(ticket, "ticket-"),
        )  # fmt: skip
        self.served: list[tuple[str, str, bytes]] = []
        """(method, path, body) of what the application was asked."""
        self.release = asyncio.Event()
        http = make_guard(doors, dead_ms=60_000, stream_path=PATH, open_stream=streams.opener)
        ws = make_protocol(
            self.push, push, [ORIGIN], entrance=self.entrance, trusted=networks(doors.trusted_proxies)
        )  # fmt: skip
        self.server = uvicorn.Server(uvicorn.Config(
            self._application, interface="asgi3", http=http, ws=ws, lifespan="off", log_config=None, access_log=False,
            proxy_headers=False, timeout_graceful_shutdown=3, timeout_keep_alive=1,
        ))  # fmt: skip
        self.port = 0

    async def _application(self, scope: Any, receive: Any, send: Any) -> None:
        """Says whom it heard; ``/slow`` waits to be released."""
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body, more = body + message["body"], message["more_body"]
        self.served.append((scope["method"], scope["path"], body))
        if scope["path"] == "/slow":
            await self.release.wait()
        said = json.dumps([scope["client"][0], scope["path"]]).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(said))]})
        await send({"type": "http.response.body", "body": said})

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator["Gate"]:
        """Until the block ends."""
        async with listening(self.server, send_bytes=16_384, backlog=2048) as self.port:
            try:
                yield self
            finally:
                self.release.set()

    async def exchange(self, said: bytes) -> bytes:
        """All that the gate answers to some bytes, until it closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(said)
        answer = b""
        with contextlib.suppress(ConnectionError):
            while piece := await reader.read(65_536):
                answer += piece
        writer.close()
        return answer


class World(Desk):
    """Books that change, heard by every gate."""

    def __init__(self, gates: int = 1, *, doors: Doors | None = None, **settings: int) -> None:
        super().__init__(**settings)
        self.clock = WallClock(asyncio.get_running_loop())  # type: ignore[assignment]
        self.gates = [Gate(self, self.settings, doors or Doors()) for _ in range(gates)]
        self.push = self  # type: ignore[assignment] # what the desk tells its room goes to all

    def book_changed(self, change: BookChanged, offset: int) -> None:
        """The log says something."""
        for gate in self.gates:
            gate.push.book_changed(change, offset)

    def settle(self) -> None:
        """The loop does."""


def tell(
    story: Callable[[World], Awaitable[None]], gates: int = 1, doors: Doors | None = None, **settings: int
) -> None:
    """Tell a story to a world of its own, all of whose gates are open."""

    async def main() -> None:
        async with asyncio.timeout(STORY_S_MAX), contextlib.AsyncExitStack() as stack:
            world = World(gates, doors=doors, **settings)
            for gate in world.gates:
                await stack.enter_async_context(gate.serving())
            world.price("F", 2_000)
            await story(world)

    asyncio.run(main())


class Fan(asyncio.Protocol):
    """A fan's screen, small enough to have thousands: follows one channel, audits the sequence, comes back as it is
    told, to the next gate of its list."""

    def __init__(self, ports: list[int], channel: str = "fixture:F") -> None:
        self.ports, self.channel = ports, channel
        self.epoch, self.offset, self.first = "", -1, -1
        self.offsets: list[int] = []
        """Of every delta heard, in order."""
        self.snapshots = self.resumes = self.turned_away = self.losses = 0
        self.connected = False
        self.gaps: list[tuple[int, int]] = []
        self.codes: list[int] = []
        self.waits_ms: list[int] = []
        self._retry: asyncio.TimerHandle | None = None
        self._connecting: asyncio.Task[Any] | None = None

    def come(self) -> None:
        self._retry = None
        self._data, self._open = b"", False
        loop = asyncio.get_running_loop()
        self._connecting = loop.create_task(loop.create_connection(lambda: self, "127.0.0.1", self.ports[0]))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.connected = True
        transport.write(HANDSHAKE)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self._data += data
        if not self._open:
            head, end, rest = self._data.partition(b"\r\n\r\n")
            if not end:
                return
            self._open, self._data = head.startswith(b"HTTP/1.1 101"), rest
            if not self._open:
                self.turned_away += 1
                wait = re.search(rb"Retry-After: (\d+)", head)
                assert wait is not None, head
                self._later(int(wait[1]) * 1_000)
                return
            resume = {"resume": {"epoch": self.epoch, "offset": self.offset}} if self.epoch else {}
            self._say({"op": "subscribe", "channel": self.channel, **resume})
        self._frames()

    def connection_lost(self, exc: Exception | None) -> None:
        self.connected = False
        if self._open:
            self.losses += 1

    async def leave(self) -> None:
        """For good."""
        if self._retry is not None:
            self._retry.cancel()
        if self._connecting is not None:
            await asyncio.wait([self._connecting])
            self._connecting.exception()  # the server may be gone already
        self.transport.abort()
        await until(lambda: not self.connected)

    def _say(self, message: dict[str, Any]) -> None:
        payload = json.dumps(message).encode()
        size = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2, "big")
        self.transport.write(b"\x81" + size + bytes(4) + payload)

    def _frames(self) -> None:
        """Take whole frames off what has come."""
        at, data = 0, self._data
        while len(data) - at >= 2:
            size, head = data[at + 1], at + 2
            if size >= 126:
                wide = 2 if size == 126 else 8
                size, head = int.from_bytes(data[head : head + wide], "big"), head + wide
            if head + size > len(data):
                break
            if data[at] == 0x81:
                self._hear(json.loads(data[head : head + size]))
            elif data[at] == 0x88:
                self._closed(int.from_bytes(data[head : head + 2], "big"), data[head + 2 : head + size].decode())
            at = head + size
        self._data = data[at:]

    def _hear(self, frame: dict[str, Any]) -> None:
        kind = frame["t"]
        if kind == "snapshot":
            self.snapshots += 1
            self.epoch, self.offset, self.first = frame["epoch"], frame["to"], frame["to"]
        elif kind == "resumed":
            self.resumes += 1
            assert (frame["epoch"], frame["to"]) == (self.epoch, self.offset)
        elif kind == "delta" and frame["to"] > self.offset:
            if frame["from"] != self.offset:
                self.gaps.append((self.offset, frame["from"]))
            self.offset = frame["to"]
            self.offsets.append(self.offset)

    def _closed(self, code: int, reason: str) -> None:
        self.codes.append(code)
        self.transport.write(b"\x88\x82" + bytes(4) + code.to_bytes(2, "big"))
        self.transport.close()
        wait = re.search(r"retry_ms=(\d+)", reason)
        if wait is not None:
            self.ports = self.ports[1:] or self.ports
            self._later(int(wait[1]))

    def _later(self, wait_ms: int) -> None:
        self.waits_ms.append(wait_ms)
        self._open = False
        self._retry = asyncio.get_running_loop().call_later(wait_ms / 1_000, self.come)
