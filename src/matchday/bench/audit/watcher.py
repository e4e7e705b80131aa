"""A screen among many: a WebSocket client as docs/protocol.md has it, which checks every frame that it is told.

It does as little as it can, so that a thousand of them are one process's work on a busy machine: what it holds is
shared with all who were told the same (``states``).
"""

import asyncio
import contextlib
import random
import re
from collections.abc import Sequence
from typing import Any, Final, cast

import msgspec

from matchday.bench.audit.states import Json, State, States
from matchday.bench.bettors import masked
from matchday.client.held import Gap
from matchday.edge.websocket import PATH

PING_S: Final = 15.0
"""Seconds after which a screen says that it is alive."""
PAUSE_S: Final = 0.5
"""Seconds within which it comes back where nobody says when, at a moment drawn at random."""
OPEN_S_MAX: Final = 20.0
"""Seconds that a connection may take until its first frame."""
_RETRY_MS: Final = re.compile(rb"retry_ms=([0-9]{1,7})")
_RETRY_S: Final = re.compile(rb"(?i)retry-after: ([0-9]{1,5})")
_HANDSHAKE: Final = (
    "GET {path} HTTP/1.1\r\nHost: audit\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\nX-Forwarded-For: {address}\r\n\r\n"
)
_TEXT, _CLOSE = 0x81, 0x88
_encode: Final = msgspec.json.Encoder().encode


class Watcher:
    """One screen, over all its connections."""

    def __init__(
        self, states: States, number: int, port: int, channels: Sequence[str], chance: random.Random, token: str = ""
    ) -> None:
        self.states, self.number, self.channels, self.token = states, number, channels, token
        self._port, self._chance = port, chance
        self.held: dict[str, State] = {}
        self.connections = 0
        self.turned_away = 0
        self.told = 0
        """Snapshots in place of what was missed: a loss that a screen is told of."""
        self.heard_bets: dict[str, int] = {}
        """Of a fan: his bets, and how often each was told as accepted."""
        self._line: _Line | None = None
        self._first: set[str] = set()
        """Channels whose next snapshot was asked for, not told."""

    @property
    def address(self) -> str:
        """Where it says that it comes from: the balancer is trusted, and adds that it heard it from this machine."""
        return f"10.{self.number >> 14 & 255}.{self.number >> 7 & 127}.{1 + (self.number & 127)}"

    def offset(self, channel: str = "home") -> int:
        """Up to where it was told everything; -1: nothing so far."""
        state = self.held.get(channel)
        return -1 if state is None else state.held.offset

    async def run(self) -> None:
        """Connect, and again whenever the connection ends, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            pause_s = None
            with contextlib.suppress(OSError):
                _, made = await loop.create_connection(lambda: _Line(self), "127.0.0.1", self._port)
                with contextlib.closing(made) as self._line:
                    pause_s = await self._line.over
            await asyncio.sleep(PAUSE_S * self._chance.random() if pause_s is None else pause_s)

    def come_back(self) -> None:
        """Lose the connection, as one on the move does, and come back to whichever gate then has the fewest."""
        if self._line is not None:
            self._line.close()

    def greet(self) -> list[Json]:
        """What it says first: who it is, and where it was."""
        self.connections += 1
        said: list[Json] = [{"op": "auth", "token": self.token}] if self.token else []
        return said + [self._subscribe(channel) for channel in self.channels]

    def _subscribe(self, channel: str) -> Json:
        said: Json = {"op": "subscribe", "channel": channel}
        if (state := self.held.get(channel)) is not None:
            return said | {"resume": {"epoch": state.held.epoch, "offset": state.held.offset}}
        self._first.add(channel)
        return said

    def hear(self, frame: bytes) -> Json | None:
        """Take a frame in; what is to be said to it."""
        told = self.states.parsed(frame)
        channel = told.get("channel", "")
        match told["t"]:
            case "snapshot":
                self.told += channel not in self._first
                self._first.discard(channel)
                self.held[channel] = self.states.snapshot(frame, told)
                if channel == "account":
                    self._heard(told["data"]["bets"], again=True)
            case "delta" if channel in self.held:
                return self._delta(channel, frame, told)
            case "error":
                return self._failed(channel, told)
        return None

    def _delta(self, channel: str, frame: bytes, told: Json) -> Json | None:
        before = self.held[channel]
        try:
            self.held[channel] = self.states.delta(before, frame, told)
        except Gap as gap:
            self.states.fault(f"screen {self.number} missed something and was not told: {gap}")
            del self.held[channel]
            return self._subscribe(channel)
        if channel == "account" and self.held[channel] is not before:
            accepted = [fact["bet"] for fact in told["data"]["facts"] if fact["kind"] == "bet_accepted"]
            self._heard(accepted, again=False)
        return None

    def _heard(self, bets: Sequence[Json], *, again: bool) -> None:
        """Bets that he was told of; ``again``: in a list of all that there are."""
        for bet in bets:
            known = self.heard_bets.get(bet["bet"], 0)
            self.heard_bets[bet["bet"]] = max(known, 1) if again else known + 1

    def _failed(self, channel: str, told: Json) -> Json | None:
        if told["reason"] == "unavailable" and channel:  # what it wants cannot be read now
            return self._subscribe(channel)
        self.states.fault(f"screen {self.number}: {told['reason']}: {told['detail']}")
        return None


class _Line(asyncio.Protocol):
    """One connection of a screen."""

    def __init__(self, watcher: Watcher) -> None:
        loop = asyncio.get_running_loop()
        self._watcher, self._loop = watcher, loop
        self.over: asyncio.Future[float | None] = loop.create_future()
        """When it is over: in how many seconds it is to come back, where it was told."""
        self._got, self._open = b"", False
        self._pause_s: float | None = None
        self._timer = loop.call_later(OPEN_S_MAX, self._silent)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See ``asyncio.Protocol``."""
        self._transport = cast("asyncio.Transport", transport)
        words = _HANDSHAKE.format(path=PATH, address=self._watcher.address)
        self._transport.write(words.encode())

    def close(self) -> None:
        """Go; harmless where it is gone."""
        self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - whatever the reason
        """See ``asyncio.Protocol``."""
        self._timer.cancel()
        if not self.over.done():
            self.over.set_result(self._pause_s)

    def data_received(self, data: bytes) -> None:
        """See ``asyncio.Protocol``."""
        self._got += data
        if not self._open and not self._opened():
            return
        frames, self._got = frames_of(self._got)
        for kind, payload in frames:
            if kind == _TEXT:
                if (said := self._watcher.hear(payload)) is not None:
                    self._say(said)
            elif kind == _CLOSE:
                if (found := _RETRY_MS.search(payload)) is not None:
                    self._pause_s = int(found[1]) / 1_000
                self._transport.close()

    def _opened(self) -> bool:
        head, end, rest = self._got.partition(b"\r\n\r\n")
        if not end:
            return False
        if b" 101 " not in head.split(b"\r\n", 1)[0]:
            self._watcher.turned_away += 1
            found = _RETRY_S.search(head)
            self._pause_s = float(found[1]) if found is not None else None
            self._transport.close()
            return False
        self._open, self._got = True, rest
        for said in self._watcher.greet():
            self._say(said)
        self._timer.cancel()
        self._timer = self._loop.call_later(PING_S, self._ping)
        return True

    def _say(self, said: Any) -> None:
        self._transport.write(masked(_encode(said)))

    def _ping(self) -> None:
        self._say({"op": "ping"})
        self._timer = self._loop.call_later(PING_S, self._ping)

    def _silent(self) -> None:
        """Nobody opened it in time."""
        self._transport.abort()


def frames_of(data: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """(first byte, payload) of a server's whole frames, and what is left."""
    found, at = [], 0
    while len(data) - at >= 2:
        size, head = data[at + 1], at + 2
        if size >= 126:
            width = 2 if size == 126 else 8
            if len(data) < head + width:
                break
            size, head = int.from_bytes(data[head : head + width], "big"), head + width
        if head + size > len(data):
            break
        found.append((data[at], data[head : head + size]))
        at = head + size
    return found, data[at:]
