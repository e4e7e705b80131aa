"""The client itself: one connection at a time, and what it holds of each channel it follows.

Owns subscriptions. Every delta must follow what is held; where one does not, a snapshot is asked for. A lost connection
is made anew and goes on where it was, on whichever gate answers.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any, Final, cast

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from matchday.client.backoff import Backoff, Pauses
from matchday.client.held import ACCOUNT, Gap, Held, Json
from matchday.client.turns import ERROR_COST, Turns

JSON: Final = "matchday.v1.json"
MSGPACK: Final = "matchday.v1.msgpack"
SILENT_HEARTBEATS: Final = 2.5
"""Times ``heartbeat_ms`` after which a silent connection counts as dead."""
OPENING_S_MAX: Final = 10.0
"""Seconds for the handshake, and for the first frame."""
CLOSING_S_MAX: Final = 2.0
"""Seconds for the answer to a goodbye."""
FRAME_BYTES_MAX: Final = 16 * 2**20
"""A larger frame closes the connection (1009)."""
SAID_MAX: Final = 1_000
"""Messages that wait to be sent; one more is an error of whoever says so much at once."""
UNAVAILABLE_S: Final = 5.0
"""Seconds at most until a channel that could not be read is subscribed to again."""
FULL_S: Final = 30.0
"""Seconds at most until what had no room is asked for again: it is an error to ask, and those cost most."""
ANSWERS: Final = frozenset({"snapshot", "resumed", "error"})
"""Frames that say what became of a subscription."""
GONE: Final = frozenset({"channel_unknown", "channel_gone"})
"""Errors of a channel of which nothing will come."""


class Client:
    """What happens on some channels, for as long as ``run`` runs.

    ``url`` may be several, of balancers: whenever a connection breaks, or cannot be made, the next one is tried.
    ``heard`` is called with every frame, after it was taken in: ``held`` then has what the frame made of its channel.
    ``chance``: for the pauses, such as ``random.SystemRandom()``. ``binary``: speak MessagePack.
    """

    def __init__(
        self,
        url: str | Sequence[str],
        chance: random.Random,
        heard: Callable[[Json], object],
        *,
        token: str = "",
        binary: bool = False,
        compressed: bool = True,
        pauses: Pauses | None = None,
    ) -> None:
        self._urls = [url] if isinstance(url, str) else list(url)
        self._chance, self._heard, self._token = chance, heard, token
        self._compressed, self._subprotocol = compressed, MSGPACK if binary else JSON
        self._encode = msgspec.msgpack.encode if binary else lambda said: msgspec.json.encode(said).decode()
        self._decode = msgspec.msgpack.decode if binary else msgspec.json.decode
        self._backoff = Backoff(pauses or Pauses(), chance)
        self._rates: dict[str, float | None] = {}
        self._asked: set[str] = set()
        """Channels whose snapshot is on its way: deltas before it are of no use."""
        self._due: set[str] = set()
        """Channels that this connection was refused, and will ask for again in a while."""
        self._signed_in: bool | None = None
        """Whether this connection is; None: not yet, or there was no room. False: the token is no longer good."""
        self._said: asyncio.Queue[Json] | None = None
        """Of a connection: what is to be said, at most ``SAID_MAX``."""
        self._turns = Turns()
        """Of a connection: the channels that it is yet to subscribe to."""
        self._timer: asyncio.TimerHandle | None = None
        self._silent_s = OPENING_S_MAX
        self._greeted_s: float | None = None
        """When the server of this connection, or of the one that was lost, said ``hello``, by the loop's time."""
        self.held: dict[str, Held] = {}
        """By channel."""
        self.stale = False
        """Whether the prices' source is silent: take every market for suspended."""
        self.stale_fixtures: frozenset[str] = frozenset()
        """Where it is not, the fixtures of which it is: take their markets for suspended."""
        self.gaps = 0
        """Deltas that did not follow what was held: the server owes that there is none on a connection that is read."""

    # --- what to follow -----------------------------------------------------------------------------------------------

    def follow(self, channel: str, *, max_rate_hz: float | None = None) -> None:
        """Follow ``home``, ``account`` or ``fixture:ID``. ``max_rate_hz``: at most so many deltas a second."""
        self._rates[channel] = max_rate_hz
        self._subscribe(channel)

    def place(self, bet: Json) -> bool:
        """Place a bet: the body of ``POST /api/bets``; ``heard`` is told by frames ``placed``. False where there is no
        connection now. What was said on a connection that was lost may have arrived: send the same id again."""
        self._say({"op": "place", **bet})
        return self._said is not None

    def leave(self, channel: str) -> None:
        """Follow it no longer."""
        self._forget(channel)
        self._say({"op": "unsubscribe", "channel": channel})

    def _forget(self, channel: str) -> None:
        self._rates.pop(channel, None)
        self.held.pop(channel, None)
        self._asked.discard(channel)
        self._due.discard(channel)
        self._turns.forget(channel)

    def _subscribe(self, channel: str) -> None:
        self._due.discard(channel)
        if channel not in self._rates:
            return
        if not self.held.setdefault(channel, Held(channel)).resume:
            self._asked.add(channel)
        self._turns.want(channel)
        self._ask()

    def _ask(self) -> None:
        """Subscribe to the channels whose turn has come."""
        if self._said is None:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        loop = asyncio.get_running_loop()
        while (wait_s := self._turns.wait_s(loop.time())) is not None:
            if wait_s > 0:
                self._timer = loop.call_later(wait_s, self._ask)
                return
            channel = self._turns.take()
            said: Json = {"op": "subscribe", "channel": channel, "max_rate_hz": self._rates[channel]}
            if resume := self.held[channel].resume:
                said["resume"] = resume
            self._say(said)

    def _say(self, said: Json) -> None:
        if self._said is not None:
            self._said.put_nowait(said)
            self._turns.said(asyncio.get_running_loop().time())

    # --- the connection -----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Connect, and connect again whenever the connection is lost. GivenUp where there is no use in it."""
        while True:
            try:
                await self._connected()
            except InvalidStatus as refused:
                status = refused.response.status_code
                if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                    self._turn()
                await asyncio.sleep(self._backoff.refused_s(status, refused.response.headers.get("Retry-After")))
            except ConnectionClosed as closed:
                code, reason = (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (None, "")
                if code is None:
                    self._turn()
                await asyncio.sleep(self._backoff.pause_s(code, self._lasted_s(), reason))
            except (OSError, InvalidHandshake, TimeoutError):
                self._turn()
                await asyncio.sleep(self._backoff.pause_s(None, self._lasted_s()))

    def _lasted_s(self) -> float:
        """For how long the connection that was lost was one: what took its time to fail has not lasted."""
        return 0.0 if self._greeted_s is None else asyncio.get_running_loop().time() - self._greeted_s

    def _turn(self) -> None:
        """To the next address: what is behind this one does not answer."""
        self._urls.append(self._urls.pop(0))

    async def _connected(self) -> None:
        """One connection, until it is lost: then ConnectionClosed, or TimeoutError where it only fell silent."""
        self._silent_s, self._greeted_s = OPENING_S_MAX, None
        async with connect(
            self._urls[0],
            subprotocols=cast("Any", [self._subprotocol]),
            compression="deflate" if self._compressed else None,
            open_timeout=OPENING_S_MAX,
            close_timeout=CLOSING_S_MAX,
            max_size=FRAME_BYTES_MAX,
        ) as socket:
            self._said = asyncio.Queue(SAID_MAX)
            saying = asyncio.create_task(self._speak(socket, self._said))
            try:
                self._greet()
                while True:
                    async with asyncio.timeout(self._silent_s):
                        message = await socket.recv(decode=False)
                    self._take(self._decode(message))
            finally:
                self._said = None
                saying.cancel()

    async def _speak(self, socket: ClientConnection, said: asyncio.Queue[Json]) -> None:
        with contextlib.suppress(ConnectionClosed):  # whoever listens hears of it, too
            while True:
                await socket.send(self._encode(await said.get()))

    def _greet(self) -> None:
        self._asked.clear()
        self._due.clear()
        self._turns = Turns()
        self._signed_in = None
        self._sign_in()
        for channel in self._rates:
            self._subscribe(channel)

    def _sign_in(self) -> None:
        if self._token and not self._signed_in:
            self._say({"op": "auth", "token": self._token})

    # --- what is heard ------------------------------------------------------------------------------------------------

    def _take(self, frame: Json) -> None:
        kind, channel = frame["t"], frame.get("channel", "")
        if kind == "hello":
            self._silent_s = SILENT_HEARTBEATS * frame["heartbeat_ms"] / 1_000
            self._greeted_s = asyncio.get_running_loop().time()
        if kind in ("hello", "heartbeat"):
            self.stale, self.stale_fixtures = frame["stale"], frozenset(frame.get("stale_fixtures", ()))
        elif kind == "snapshot" and channel in self.held:
            self._asked.discard(channel)
            self.held[channel].snapshot(frame)
        elif kind == "delta" and channel in self.held and not self._delta(channel, frame):
            return
        elif kind == "signed_in":
            self._signed_in = True
        elif kind == "error":
            self._turns.said(asyncio.get_running_loop().time(), ERROR_COST)
            self._failed(channel, frame["reason"])
        if kind in ANSWERS and (channel or frame.get("reason") == "message_invalid"):
            self._turns.answered(channel)
            self._ask()
        self._heard(frame)

    def _delta(self, channel: str, frame: Json) -> bool:
        """Whether a delta said anything new."""
        if channel in self._asked:
            return False
        try:
            return self.held[channel].delta(frame)
        except Gap:
            self.gaps += 1
            self.held[channel] = Held(channel)
            self._subscribe(channel)
            return False

    def _failed(self, channel: str, reason: str) -> None:
        """An error; of no channel: "". What may be there later stays among what is followed."""
        if reason == "token_invalid":
            self._signed_in = False
        elif reason == "connections_full":
            self._later(ACCOUNT, FULL_S)
        elif reason == "not_signed_in" and channel:
            if self._token and self._signed_in is not False:
                self._later(channel, FULL_S)
            else:
                self._forget(channel)
        elif reason == "subscriptions_full":
            self._later(channel, FULL_S)
        elif reason == "unavailable":
            self._later(channel, UNAVAILABLE_S)
        elif reason in GONE:
            self._forget(channel)

    def _later(self, channel: str, within_s: float) -> None:
        """Ask for a channel again in a while, once, if this connection lasts: the next asks for all of them anyway."""
        if channel not in self._due:
            self._due.add(channel)
            asyncio.get_running_loop().call_later(within_s * self._chance.random(), self._again, self._said, channel)

    def _again(self, connection: asyncio.Queue[Json] | None, channel: str) -> None:
        if connection is self._said and channel in self._due:
            if channel == ACCOUNT:
                self._sign_in()
            self._subscribe(channel)
