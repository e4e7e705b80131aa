"""Trading: a trader's commands, on their way to the owner of the books.

Owns nothing: an id that was applied is remembered with its book. Hears commands from the doors; says them on
``incidents``, where the owner of the books hears them in one order with what happens on the pitch. Judges them by the
books as its gate holds them, so that most of what the owner would refuse is refused here, with its name. Never changes
a market, and never answers before the command is durable. What the log does not take is not tried again: a price is of
its moment, and whether it is still meant only the trader knows.
"""

from collections.abc import Callable, Sequence

import msgspec

from matchday.model.book import Books
from matchday.model.ledger import Moment
from matchday.model.market import MarketKey
from matchday.model.messages import OVER, Topic, encode
from matchday.model.trading import TraderCommand, TraderRefusal, judge
from matchday.ports import Clock, Log, LogUnavailable, Record

WAITING_MAX = 100
"""Commands on their way to the log; more are answered ``busy``."""


class Logged(msgspec.Struct, frozen=True):
    """The command is on the log; the owner of the books applies it when it gets there."""

    offset: int
    """In ``incidents``."""
    repeated: bool = False
    """It had been applied before under this id; nothing was said."""


Done = Callable[[Logged | TraderRefusal | Moment], None]


class Trading:
    """The way of traders' commands to the log."""

    def __init__(self, clock: Clock, log: Log, books: Books) -> None:
        self._clock, self._log, self._books = clock, log, books
        self._waiting = 0

    def command(self, command: TraderCommand, done: Done) -> None:
        """Judge a command and put it on the log; ``done`` is called once. The gate's time is put on it here."""
        book = self._books.fixtures.get(command.fixture)
        if book is None or book.board.status in OVER:
            self._answer(done, TraderRefusal.FIXTURE_UNKNOWN)
            return
        if (applied := book.controls.repeats(command)) is not None:
            self._answer(done, Logged(applied.offset, repeated=True))
            return
        markets = {MarketKey(market.type, market.line): market for market in book.markets.values()}
        if (refusal := judge(command, book.controls, markets)) is not None:
            self._answer(done, refusal)
            return
        if self._waiting >= WAITING_MAX:
            self._answer(done, Moment.BUSY)
            return
        self._waiting += 1

        def appended(outcome: Sequence[int] | LogUnavailable) -> None:
            self._waiting -= 1
            done(Moment.UNAVAILABLE if isinstance(outcome, LogUnavailable) else Logged(outcome[0]))

        said = msgspec.structs.replace(command, at_ms=self._clock.now_ms())
        self._log.append([Record(Topic.INCIDENTS, command.fixture, encode(said))], appended)

    def _answer(self, done: Done, answer: Logged | TraderRefusal | Moment) -> None:
        self._clock.call_later(0, lambda: done(answer))
