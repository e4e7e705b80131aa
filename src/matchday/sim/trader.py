"""The trader: one who overrules the model now and then, repeats himself, and sometimes talks nonsense.

Owns what he intends and what he was told. He looks at a book through whichever gate is up, sends a command under its id
until it is answered, and says some again later; what he suspends he resumes after a while. Some of what he says cannot
be; some of that goes straight to the log, as from a gate that judged nothing. He is at work in some worlds only: the
others are as they were without him.
"""

from collections.abc import Callable, Sequence
from typing import Final, Protocol

import msgspec

from matchday.model.book import Books, FixtureBook
from matchday.model.ledger import Moment
from matchday.model.market import Market, MarketKey, MarketStatus
from matchday.model.messages import OVER, Topic, encode
from matchday.model.trading import (
    Action,
    FixPrice,
    ResumeMarkets,
    SetOverround,
    SetStakeMax,
    ShiftPrice,
    SuspendMarkets,
    TraderCommand,
    TraderRefusal,
)
from matchday.ports import Record
from matchday.sim.clock import VirtualClock
from matchday.sim.faults import Fault, Faults

AT_WORK: Final = 0.6
"""Share of worlds with a trader."""
THINK_MS: Final = (15_000, 150_000)
_SUSPENDED_MS: Final = (20_000, 400_000)
_WIRE_MS: Final = (1, 60)
_TIMEOUT_MS: Final = 4_000
_PATIENCE: Final = 6
_MAIN: Final = MarketKey("1x2")


class LoggedCommand(Protocol):
    """A command that was logged."""

    @property
    def offset(self) -> int:
        """Where."""


class TraderGate(Protocol):
    """A gate, as a trader's client sees it."""

    @property
    def books(self) -> Books:
        """What it holds."""

    def trade(self, command: TraderCommand, done: Callable[[LoggedCommand | TraderRefusal | Moment], None]) -> None:
        """Send a command; ``done`` is called in the gate's process."""

    def say(self, records: Sequence[Record]) -> None:
        """Put records on the log, unjudged."""


class Order(msgspec.Struct):
    """A command on its way, and what came of it."""

    command: TraderCommand
    attempts: int = 0
    settled: bool = False


class Trader:
    """The one trader of a world."""

    def __init__(
        self,
        clock: VirtualClock,
        faults: Faults,
        gates: Callable[[], Sequence[TraderGate]],
        answered: Callable[[TraderCommand, LoggedCommand | TraderRefusal], None],
    ) -> None:
        self._clock, self._faults, self._gates, self._answered = clock, faults, gates, answered
        self._chance = clock.random("trading")
        self.at_work = self._chance.random() < AT_WORK
        self.orders: list[Order] = []
        self.nonsense: set[str] = set()
        """Ids of commands that must have no effect."""

    def start(self) -> None:
        """Go to work, in those worlds that have a trader."""
        if self.at_work:
            self._later(self._chance.randrange(*THINK_MS), self._think)

    def _later(self, delay_ms: int, call: Callable[[], None]) -> None:
        self._clock.call_later(delay_ms, call)

    # --- what he wants ------------------------------------------------------------------------------------------------

    def _think(self) -> None:
        if self._faults.over:
            return
        chance = self._chance
        self._later(chance.randrange(*THINK_MS), self._think)
        gates = self._gates()
        books = [] if not gates else [
            (fixture, book) for fixture, book in chance.choice(gates).books.fixtures.items()
            if book.board.status not in OVER and book.markets
        ]  # fmt: skip
        if not books:
            return
        fixture, book = chance.choice(books)
        if chance.random() < 0.1:
            self._talk_nonsense(fixture, book)
        elif book.controls.suspended and chance.random() < 0.4:
            self._send(fixture, ResumeMarkets(chance.choice(("", "", book.controls.suspended[0][0]))))
        else:
            self._send(fixture, self._deed(fixture, book))

    def _deed(self, fixture: str, book: FixtureBook) -> Action:
        chance = self._chance
        market = self._choose(book)
        scope = self._scope(market)
        outcome = chance.choice(market.selections).outcome if market.selections else "home"
        name = f"{MarketKey(market.type, market.line).name}/{outcome}"
        match chance.choices(("suspend", "overround", "shift", "fix", "stake"), (30, 15, 20, 25, 10))[0]:
            case "suspend":
                self._later(chance.randrange(*_SUSPENDED_MS), lambda: self._send(fixture, ResumeMarkets(scope)))
                return SuspendMarkets(scope)
            case "overround":
                return SetOverround(scope, chance.choice((None, 0.0, 0.02, 0.08, 0.2)))
            case "shift":
                return ShiftPrice(name, chance.choice((None, 900, 950, 1_050, 1_100, 2_000)))
            case "fix":
                price = chance.choice((None, 1_001, 1_444, 2_345, 9_990, market.price_of(outcome)))
                return FixPrice(name, price, market.generation)
            case _:
                return SetStakeMax(scope, chance.choice((None, 0, 500, 5_000)))

    def _choose(self, book: FixtureBook) -> Market:
        """Often the main market, else any that is not closed."""
        markets = [market for market in book.markets.values() if market.status != MarketStatus.CLOSED]
        main = [market for market in markets if market.type == _MAIN.type]
        if main and self._chance.random() < 0.4:
            return main[0]
        return self._chance.choice(markets or list(book.markets.values()))

    def _scope(self, market: Market) -> str:
        key = MarketKey(market.type, market.line)
        return self._chance.choices(("", key.type, key.name), (10, 30, 60))[0]

    def _talk_nonsense(self, fixture: str, book: FixtureBook) -> None:
        """What no book can take; half of it past the trading room."""
        chance, market = self._chance, self._choose(book)
        name = MarketKey(market.type, market.line).name
        action: Action = chance.choice((
            SuspendMarkets("penalty_shoot_out"), ResumeMarkets(f"{fixture}:1x2"), SetOverround("", 1.5),
            SetStakeMax("", -1), ShiftPrice(f"{name}/sideways", 1_100), ShiftPrice("1x2/home", 99),
            FixPrice("1x2/home", 1_000, market.generation), FixPrice("1x2/home", 1_000_001, market.generation),
            FixPrice(f"{name}/sideways", 2_000, market.generation),
        ))  # fmt: skip
        command = self._command(fixture, action)
        self.nonsense.add(command.id)
        if chance.random() < 0.5:
            self._attempt(Order(command))
        elif gates := self._gates():
            chance.choice(gates).say([Record(Topic.INCIDENTS, fixture, encode(command))])

    # --- asking until answered ----------------------------------------------------------------------------------------

    def _command(self, fixture: str, action: Action) -> TraderCommand:
        return TraderCommand(self._clock.new_id(), "trader", fixture, action, self._clock.now_ms())

    def _send(self, fixture: str, action: Action) -> None:
        order = Order(self._command(fixture, action))
        self.orders.append(order)
        self._attempt(order)
        if self._chance.random() < 0.25:  # says it again, whatever he was told
            delay = self._chance.choice((0, 1, 200, 8_000, 90_000))
            self._later(delay, lambda: self._attempt(Order(order.command)))

    def _attempt(self, order: Order) -> None:
        if order.settled:
            return
        order.attempts += 1
        self._later(_TIMEOUT_MS if order.attempts % _PATIENCE else 60_000, lambda: self._attempt(order))
        gates = self._gates()
        if not gates or self._faults.happens(Fault.LOST_REQUEST, 0.05):
            return
        gate = self._chance.choice(gates)

        def arrived(answer: LoggedCommand | TraderRefusal | Moment) -> None:
            if not self._faults.happens(Fault.LOST_ANSWER, 0.05):
                self._later(self._chance.randint(*_WIRE_MS), lambda: self._hear(order, answer))

        def arrive() -> None:
            if gate in self._gates():
                gate.trade(order.command, arrived)

        self._later(self._chance.randint(*_WIRE_MS), arrive)

    def _hear(self, order: Order, answer: LoggedCommand | TraderRefusal | Moment) -> None:
        if isinstance(answer, Moment):
            return
        order.settled = True
        self._answered(order.command, answer)
