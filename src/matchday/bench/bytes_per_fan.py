"""Bytes per fan: what one fan is sent of a match, by format, and what whole snapshots would have been.

A recorded match is replayed through the real rooms under the virtual clock. From kick-off to the final whistle one
connection of each format follows ``home`` and the fixture. For every delta the snapshot of its channel at that moment
is encoded and compressed the same way: the reference at the same conflation.
"""

import zlib
from collections.abc import Callable
from typing import Any, Final

import msgspec

from matchday.edge.frames import deflated, frame_text
from matchday.feeds.wyscout import Match
from matchday.model.book import Books
from matchday.model.messages import BookChanged, FixtureStatus, Strengths
from matchday.services.push import Push
from matchday.services.push.shapes import HomeList, Whole, fixture_view, home_row
from matchday.services.push.wire import HOME, Snapshot, encode
from matchday.sim.replay import Replay, replay_settings

FORMATS: Final = {
    "json": (False, False),
    "json_deflated": (False, True),
    "msgpack": (True, False),
    "msgpack_deflated": (True, True),
}
"""Name -> (binary, deflated)."""
_COMPRESSED: Final = 0x40


class Fan:
    """A connection that counts what it is sent: deltas, with the heads of their frames."""

    def __init__(self, push: Push, *, binary: bool, is_deflated: bool) -> None:
        self._push, self.binary, self.deflated = push, binary, is_deflated
        self.bytes = self.frames = 0
        self.largest = 0

    def send(self, data: bytes) -> None:
        """See ``Connection.send``."""
        at = 0
        while at < len(data):
            size, head = data[at + 1], 2
            if size > 125:
                head = 4 if size == 126 else 10
                size = int.from_bytes(data[at + 2 : at + head], "big")
            payload = data[at + head : at + head + size]
            if data[at] & _COMPRESSED:
                payload = zlib.decompressobj(wbits=-15).decompress(payload)
            if b"delta" in payload[:20]:
                self.delta(payload, head + size)
            at += head + size

    def delta(self, payload: bytes, size: int) -> None:  # noqa: ARG002 - whoever compares reads it
        """One delta, and its size on the wire."""
        self.bytes += size
        self.frames += 1
        self.largest = max(self.largest, size)

    def buffered(self) -> int:
        """It reads at once."""
        return 0

    def ping(self) -> None:
        """It answers at once."""
        self._push.heard(self)

    def close(self, code: int, reason: str) -> None:
        """Nobody closes it."""
        raise AssertionError(code, reason)


class Comparing(Fan):
    """One that also makes the snapshot which could have been sent in place of each delta."""

    def __init__(self, push: Push, books: Books) -> None:
        super().__init__(push, binary=False, is_deflated=False)
        self._books = books
        self.snapshots = self.snapshots_deflated = 0
        """Bytes on the wire."""
        self.fixture = [0, 0]
        """Of the fixture's channel alone, compressed: deltas, snapshots."""

    def delta(self, payload: bytes, size: int) -> None:
        """See ``Fan.delta``."""
        super().delta(payload, size)
        told = msgspec.json.decode(payload)
        channel = told["channel"]
        snapshot = Snapshot(channel, "epoch", told["to"], told["at"], self._whole(channel))
        frame = frame_text(encode(snapshot))
        self.snapshots += len(frame)
        self.snapshots_deflated += (whole := len(deflated(frame)))
        if channel != HOME:
            self.fixture[0] += len(deflated(frame_text(payload)))
            self.fixture[1] += whole

    def _whole(self, channel: str) -> Whole:
        books = self._books.fixtures
        if channel == HOME:
            return HomeList(tuple(map(home_row, books.values())))
        return fixture_view(books[channel.partition(":")[2]])


def bytes_per_fan(
    match: Match,
    strengths: Callable[[Match], Strengths],
    *,
    tick_ms: int = 10_000,
    rate_hz: float | None = None,
    seed: int = 1,
) -> dict[str, Any]:
    """What a fan is sent of a match. ``tick_ms``: milliseconds between two repricings; ``rate_hz``: deltas a second
    that the fan asks for at most. ``share``: of the snapshots in their place, all compressed; ``share_fixture``: the
    same without ``home``, which is short where one match is all there is."""
    settings = replay_settings()
    settings = msgspec.structs.replace(settings, odds=msgspec.structs.replace(settings.odds, tick_ms=tick_ms))
    replay = Replay([match], strengths, bettors=0, seed=seed, journal=None, settings=settings)
    push, books = replay.platform.push, replay.platform.gate.books
    comparing = Comparing(push, books)
    fans: dict[str, Fan] = {
        name: comparing if name == "json" else Fan(push, binary=binary, is_deflated=is_deflated)
        for name, (binary, is_deflated) in FORMATS.items()
    }
    watching = False

    def watch(change: BookChanged, _: int) -> None:
        nonlocal watching
        live = change.board.status == FixtureStatus.LIVE
        if live and not watching:
            for fan in fans.values():
                _follow(push, fan, change.fixture, rate_hz)
        elif watching and not live:
            for fan in fans.values():
                push.closed(fan)
        watching = live

    replay.platform.gate.watchers.append(watch)
    replay.run(lambda _, __: None)
    return {
        "match": f"{match.home} - {match.away}",
        "tick_ms": tick_ms,
        "rate_hz": rate_hz,
        "deltas": comparing.frames,
        "bytes": {name: fan.bytes for name, fan in fans.items()},
        "largest": {name: fan.largest for name, fan in fans.items()},
        "snapshots": comparing.snapshots,
        "snapshots_deflated": comparing.snapshots_deflated,
        "share": round(fans["json_deflated"].bytes / comparing.snapshots_deflated, 4),
        "share_fixture": round(comparing.fixture[0] / comparing.fixture[1], 4),
    }


def _follow(push: Push, fan: Fan, fixture: str, rate_hz: float | None) -> None:
    say = msgspec.msgpack.encode if fan.binary else msgspec.json.encode
    push.opened(fan)
    for channel in (HOME, f"fixture:{fixture}"):
        push.received(fan, say({"op": "subscribe", "channel": channel, "max_rate_hz": rate_hz}))
