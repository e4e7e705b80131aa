"""Screens: the connections of simulated fans. Each applies what it is sent, by the client we give to others.

Owns what a fan sees. Hears frames; says subscriptions. Finds by itself when a delta does not follow what it holds.
"""

from collections.abc import Callable
from typing import Any, Final, Protocol

import msgspec

from matchday.client import Gap, Held
from matchday.services.push import Framing
from matchday.sim.trace import Violation


def _line(payload: bytes) -> bytes:
    return payload + b"\n"


LINES: Final = Framing(text=_line, binary=_line, deflated=bytes)
"""Frames as these connections take them: a line each, of JSON."""


class Door(Protocol):
    """The push room of a gate, as a connection sees it."""

    def opened(self, connection: "Screen") -> None:
        """A client is there."""

    def closed(self, connection: "Screen") -> None:
        """A client is gone."""

    def received(self, connection: "Screen", payload: bytes) -> None:
        """A client's message."""

    def drained(self, connection: "Screen") -> None:
        """It can take more."""

    def heard(self, connection: "Screen") -> None:
        """A pong."""


class Frames:
    """Decodes each buffer once, however many are sent it."""

    def __init__(self) -> None:
        self._last: dict[bytes, list[Any]] = {}

    def of(self, data: bytes) -> list[Any]:
        """The frames of one send."""
        found = self._last.get(data)
        if found is None:
            if len(self._last) > 256:
                self._last.clear()
            found = self._last[data] = [msgspec.json.decode(line) for line in data.split(b"\n") if line]
        return found


class View(Held):
    """What a screen holds of one channel."""

    @property
    def balance(self) -> str | None:
        """Of ``account``: the latest that was heard; None before that."""
        balance: str | None = (self.facts[-1] if self.facts else self.account).get("balance")
        return balance


class Screen:
    """One connection of one fan."""

    binary = deflated = False

    def __init__(
        self, name: str, frames: Frames, changed: Callable[["Screen", str], None], rate_hz: float | None
    ) -> None:
        self.name = name
        self._rate_hz = rate_hz
        self._frames, self._changed = frames, changed
        self.door: Door | None = None
        self.views: dict[str, View] = {}
        self.stale = False
        self.blocked: list[bytes] | None = None
        """What it was sent while it takes nothing."""
        self.closed_by = ""
        self.resumed = 0
        self.connection = 0
        """Number of the connection that it has, or had last."""
        self.followed: set[str] = set()
        """Channels that were begun on this connection."""

    # --- what the room calls ------------------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """See ``Connection.send``."""
        if self.blocked is not None:
            self.blocked.append(data)
        else:
            self._take(data)

    def buffered(self) -> int:
        """See ``Connection.buffered``."""
        return sum(map(len, self.blocked or ()))

    def ping(self) -> None:
        """See ``Connection.ping``."""
        if self.door is not None:
            self.door.heard(self)

    def close(self, code: int, reason: str) -> None:
        """See ``Connection.close``."""
        self.away()
        self.closed_by = f"{code} {reason}"

    # --- what the fan does --------------------------------------------------------------------------------------------

    def connect(self, door: Door, token: str, channels: list[str]) -> None:
        """Open a connection, sign in, and follow channels from where this screen has got to."""
        self.door, self.blocked, self.closed_by = door, None, ""
        self.connection, self.followed = self.connection + 1, set()
        door.opened(self)
        self._say({"op": "auth", "token": token})
        if self._rate_hz is not None:
            self._say({"op": "pace", "max_rate_hz": self._rate_hz})
        self.follow(channels)

    def follow(self, channels: list[str]) -> None:
        """Subscribe, from where this screen has got to."""
        for channel in channels:
            view = self.views.get(channel)
            asked: dict[str, Any] = {"op": "subscribe", "channel": channel}
            if view is not None and view.resume:
                asked["resume"] = view.resume
            self._say(asked)

    def lose(self) -> None:
        """The connection is gone, without a word; what was on its way is lost."""
        door = self.door
        self.away()
        if door is not None:
            door.closed(self)

    def away(self) -> None:
        """There is no connection any more."""
        self.door = self.blocked = None
        self.connection += 1

    def unblock(self) -> None:
        """Take what has waited."""
        waiting, self.blocked = self.blocked or [], None
        for data in waiting:
            self._take(data)
        if self.door is not None:
            self.door.drained(self)

    def _say(self, asked: dict[str, Any]) -> None:
        if self.door is not None:
            self.door.received(self, msgspec.json.encode(asked))

    # --- what it makes of it ------------------------------------------------------------------------------------------

    def _take(self, data: bytes) -> None:
        for frame in self._frames.of(data):
            kind = frame["t"]
            if kind == "snapshot":
                self._snapshot(frame)
            elif kind == "delta":
                self._delta(frame)
            elif kind == "resumed":
                self._resumed(frame)
            elif kind == "heartbeat":
                self.stale = frame["stale"]

    def _view(self, channel: str) -> View:
        view = self.views.get(channel)
        if view is None:
            view = self.views[channel] = View(channel)
        return view

    def _resumed(self, frame: dict[str, Any]) -> None:
        view = self._view(frame["channel"])
        self.resumed += 1
        self.followed.add(frame["channel"])
        if (view.epoch, view.offset) != (frame["epoch"], frame["to"]):
            raise Violation("screen_follows", f"{self.name} resumed {frame} while at {view.offset}", [self.name])

    def _snapshot(self, frame: dict[str, Any]) -> None:
        channel = frame["channel"]
        self.views[channel] = View(channel)
        self.views[channel].snapshot(frame)
        self.followed.add(channel)
        self._changed(self, channel)

    def _delta(self, frame: dict[str, Any]) -> None:
        channel = frame["channel"]
        try:
            news = self._view(channel).delta(frame)
        except Gap as gap:
            raise Violation("screen_follows", f"{self.name}: {gap}", [self.name]) from gap
        if not news:
            raise Violation("screen_follows", f"{self.name} heard up to {frame['to']} of {channel} before", [self.name])
        self._changed(self, channel)
