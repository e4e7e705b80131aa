"""Rooms, wired: those of a gate, and all of them over one log, one ledger and one clock."""

from collections.abc import Callable
from typing import Final

from matchday.app.gate import Gate
from matchday.config import Settings
from matchday.edge.admission import Admission
from matchday.edge.frames import deflated, frame_binary, frame_text
from matchday.edge.placing import Placing
from matchday.edge.pressure import Pressure
from matchday.edge.tapping import Tapping
from matchday.model.book import Books
from matchday.model.messages import Topic
from matchday.model.reports import Adapter
from matchday.ports import UNTRACED, Cache, Clock, Ledger, Log, Tracer
from matchday.pricing.football import price_book
from matchday.pricing.joint import combine
from matchday.pricing.worth import leg_worth
from matchday.services.accounts import Accounts
from matchday.services.bets import Bets, Combine
from matchday.services.cash_out import CashOuts
from matchday.services.feed import Feed
from matchday.services.lobby import Lobby
from matchday.services.odds import Odds
from matchday.services.push import Framing, Push
from matchday.services.relay import Relay
from matchday.services.settlement import SettlementByAccount, SettlementByFixture
from matchday.services.taps import Taps
from matchday.services.trading import Trading

_FRAMING: Final = Framing(frame_text, frame_binary, deflated)


class GateRooms:
    """The rooms behind the doors of one gate. ``combine`` prices combinations."""

    def __init__(
        self, clock: Clock, log: Log, ledger: Ledger, settings: Settings, *, secret: bytes, cache: Cache | None = None,
        framing: Framing = _FRAMING, combine: Combine = combine, tracer: Tracer = UNTRACED,
    ) -> None:  # fmt: skip
        self.clock, self.log, self.ledger, self.cache = clock, log, ledger, cache
        books = Books()
        self.accounts = Accounts(clock, ledger, settings, secret)
        self.bets = Bets(clock, ledger, books, settings.bets, combine)
        self.pressure = Pressure(clock, settings.overload)
        self.lobby = Lobby(clock, settings.lobby, secret, lambda: self.push.accounts)
        self.placing = Placing(clock, self.bets, books, settings, self.pressure, self.lobby.seen, cache, tracer)
        self.taps = Taps(clock, log, settings.taps)
        self.push = Push(
            clock, books, log.epoch(Topic.BOOKS), settings.push, ledger=ledger, verify=self.accounts.verify,
            framing=framing, stale=lambda: self.bets.stale,
            stale_fixtures=lambda: self.bets.stale_fixtures, doors=(self.placing, Tapping(self.taps)),
        )  # fmt: skip
        self.entrance = Admission(clock, settings.push, self.push)
        self.cash_outs = CashOuts(
            clock, ledger, books, settings.bets, price=self.bets.price, in_play=self.bets.in_play, worth=leg_worth,
            secret=secret,
        )  # fmt: skip
        self.gate = Gate(clock, log, books, self.push, self.bets, self.cash_outs, settings, tracer)
        self.gate.followers.append(self.placing)
        self.trading = Trading(clock, log, books)

    def start(self) -> None:
        """Load what stands, then hear what comes."""
        self.gate.start()
        self.bets.start()

    def drain(self, done: Callable[[], None]) -> None:
        """Before this process stops: let nobody in, and send the clients elsewhere within ``push.drain_ms``; then
        ``done``. Requests are answered all the while."""
        if not self.push.draining:
            self.push.drain(done)


class Platform(GateRooms):
    """Every room, wired to one log of one partition a topic: nobody else takes any of the work."""

    def __init__(
        self,
        clock: Clock,
        log: Log,
        ledger: Ledger,
        adapter: Adapter,
        settings: Settings,
        *,
        secret: bytes,
        speed: float = 1.0,
        framing: Framing = _FRAMING,
        tracer: Tracer = UNTRACED,
    ) -> None:
        super().__init__(clock, log, ledger, settings, secret=secret, framing=framing, tracer=tracer)
        self.feed = Feed(clock, log, adapter, settings.feed, tracer)
        self.odds = Odds(clock, log, price_book, settings.odds, speed, tracer=tracer)
        self.by_fixture = SettlementByFixture(clock, log)
        self.by_account = SettlementByAccount(clock, log, ledger, settings.settlement)
        self.relay = Relay(clock, log, ledger)

    def start(self) -> None:
        """Readers first, so that nobody misses what the feed says."""
        super().start()
        self.odds.start()
        self.by_fixture.start()
        self.by_account.start()
        self.relay.start()
        self.feed.start()
