"""Workers: the rooms that share work with those of other processes, as many of each as this process holds shares of.

A room is made when a share is taken, on a view of that partition and on a lease; the lease ends when the share is lost.
Of rooms that cannot share their work, the holder of the first partition works, and the others stand by.
"""

import logging
from collections.abc import Callable, Collection
from functools import partial
from typing import Final, NamedTuple

from matchday.app.stores import Stores
from matchday.app.watched import Watch
from matchday.config import Settings
from matchday.lease import Lease
from matchday.model.reports import Adapter
from matchday.ports import UNTRACED, Clock, LedgerUnavailable, LogUnavailable, Timer, Tracer
from matchday.pricing.football import price_book
from matchday.services.feed import Feed
from matchday.services.odds import Odds, OddsCounts
from matchday.services.relay import Relay
from matchday.services.settlement import SettlementByAccount, SettlementByFixture

_log = logging.getLogger(__name__)

MakeAdapter = Callable[[Clock], Adapter]
ALONE: Final = frozenset({"feed", "relay"})
"""Rooms of which one works at a time."""
ORDER: Final = ("odds", "settlement", "relay", "feed")
"""Readers first, so that nobody misses what the feed says."""
_RETRY_MS: Final = 1_000
"""Milliseconds until a room that could not begin, as a store could not be read, is begun again."""
_LOOK_MS: Final = 20
"""Milliseconds between two looks whether all is answered."""


class Held(NamedTuple):
    """A share that this process holds."""

    lease: Lease
    room: object | None
    """None while it could not begin."""


class Workers:
    """The rooms of one process that share work."""

    def __init__(
        self, clock: Clock, stores: Stores, settings: Settings, make_adapter: MakeAdapter, *, speed: float,
        tracer: Tracer = UNTRACED,
    ) -> None:  # fmt: skip
        self._tracer = tracer
        self.watches = {room: Watch(clock, room) for room in ORDER}
        """What each room does at its log and ledger."""
        self.odds_counts = OddsCounts()
        self._clock, self._stores, self._settings = clock, stores, settings
        self._make_adapter, self._speed = make_adapter, speed
        self._joined: dict[str, Timer] = {}
        self.held: dict[tuple[str, int], Held] = {}
        """(room, share) -> who does it here."""

    def join(self, rooms: Collection[str]) -> None:
        """Take part in the work of these rooms."""
        for room in ORDER:
            if room in rooms:
                taken, lost = partial(self._taken, room), partial(self._lost, room)
                self._joined[room] = self._stores.shares.join(room, taken, lost)

    @property
    def reasons(self) -> list[str]:
        """What does not work here now, for people."""
        found = []
        for (room, share), held in self.held.items():
            if held.room is None or (isinstance(held.room, Odds) and not held.room.begun):
                found.append(f"{room}: share {share} has not begun")
            if held.lease.trouble:
                found.append(f"{room}: share {share} could not go on: {held.lease.trouble}")
        return found

    @property
    def on_their_way(self) -> int:
        """Appends and commits that have not been answered."""
        return sum(held.lease.on_their_way for held in self.held.values())

    def leave(self, done: Callable[[], None]) -> None:
        """Begin nothing new, wait for what is on its way to be answered, for ``ops.drain_ms`` at most, and hand every
        share over; then ``done``."""
        until_ms = self._clock.elapsed_ms() + self._settings.ops.drain_ms
        for held in self.held.values():
            held.lease.close()

        def look() -> None:
            if self.on_their_way and self._clock.elapsed_ms() < until_ms:
                self._clock.call_later(_LOOK_MS, look)
                return
            if self.on_their_way:
                _log.warning("%d appends and commits were not answered in time", self.on_their_way)
            for held in self.held.values():
                held.lease.end()
            for joined in self._joined.values():
                joined.cancel()
            self.held.clear()
            done()

        self._clock.call_later(0, look)

    def _taken(self, room: str, share: int) -> None:
        if room in ALONE and share != 0:
            return
        self._lost(room, share)
        _log.info("%s: takes share %d", room, share, extra={"room": room, "share": share})
        self._begin(room, share, Lease(self._clock))

    def _begin(self, room: str, share: int, lease: Lease) -> None:
        self.held[room, share] = Held(lease, None)
        try:
            self.held[room, share] = Held(lease, self._room(room, share, lease))
        except (LogUnavailable, LedgerUnavailable) as error:
            about = {"room": room, "share": share}
            _log.error("%s: share %d cannot begin yet: %s", room, share, error, extra=about)
            lease.end()
            anew = Lease(self._clock)
            self.held[room, share] = Held(anew, None)
            anew.clock.call_later(_RETRY_MS, lambda: self._begin(room, share, anew))

    def _lost(self, room: str, share: int) -> None:
        if (held := self.held.pop((room, share), None)) is not None:
            _log.info("%s: gives up share %d", room, share, extra={"room": room, "share": share})
            held.lease.end()

    def _room(self, room: str, share: int, lease: Lease) -> object:
        """The room of a share, begun."""
        watch, settings, tracer = self.watches[room], self._settings, self._tracer
        clock, log = lease.clock, lease.log(watch.log(self._stores.log))
        if room == "odds":
            odds = Odds(
                clock, log.partition_view(share), price_book, settings.odds, self._speed, share, self.odds_counts,
                tracer,
            )  # fmt: skip
            odds.start()
            return odds
        if room == "settlement":
            view, ledger = log.partition_view(share), lease.ledger(watch.ledger(self._stores.ledger))
            stages = SettlementByFixture(clock, view), SettlementByAccount(clock, view, ledger, settings.settlement)
            for stage in stages:
                stage.start()
            return stages
        if room == "relay":
            relay = Relay(clock, log, lease.ledger(self._stores.ledger))
            relay.start()
            return relay
        feed = Feed(clock, log, self._make_adapter(clock), settings.feed, tracer)
        feed.start()
        return feed
