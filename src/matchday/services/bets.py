"""Bets: acceptance. A bet names the price that the fan saw; this room judges it.

Owns the queue before the ledger. Hears ``PlaceBet`` from the doors and reads the gate's books; says ``PlaceBet`` with
its judgement to the ledger, and answers once that has committed. Never moves money itself, and never answers before it
is durable.

One batch is in flight. Whatever has arrived when it returns is the next one: it is judged against the books at that
moment, when it is sealed, and handed to the ledger in the same step. There is no timer and no task per bet.
"""

from collections import deque
from collections.abc import Callable, Sequence
from fractions import Fraction

import msgspec

from matchday.config import Bets as BetSettings
from matchday.model.bet import Leg, Policy
from matchday.model.book import Books
from matchday.model.ledger import Answer, Charge, Moment, PlaceBet, Refusal
from matchday.model.market import MarketStatus
from matchday.model.price import as_fraction
from matchday.ports import Clock, Ledger, LedgerUnavailable

Done = Callable[[Answer | Moment], None]

_BY_STATUS = {MarketStatus.SUSPENDED: Refusal.MARKET_SUSPENDED, MarketStatus.INACTIVE: Refusal.MARKET_SUSPENDED,
              MarketStatus.CLOSED: Refusal.MARKET_CLOSED}  # fmt: skip


class Bets:
    """The acceptance of one gate."""

    def __init__(self, clock: Clock, ledger: Ledger, books: Books, settings: BetSettings) -> None:
        self._clock = clock
        self._ledger = ledger
        self._books = books
        self._settings = settings
        self._queue: deque[tuple[PlaceBet, Done]] = deque()
        self._in_flight = False
        self._alive: tuple[int, int] | None = None
        """Of the odds owner: (when it was last heard, by ``elapsed_ms``; what its clock said then)."""
        self._epoch = 0
        self.batches: dict[int, int] = {}
        """Size of batch -> how many were committed, for reports."""

    def odds_owned(self, epoch: int) -> None:
        """A new owner of the books began: what a former one says counts no more, and the new one has yet to speak."""
        if epoch > self._epoch:
            self._epoch, self._alive = epoch, None

    def odds_alive(self, epoch: int, at_ms: int) -> None:
        """The odds owner was heard now, saying what its clock shows. One whose place was taken does not count."""
        if epoch >= self._epoch:
            self._epoch, self._alive = epoch, (self._clock.elapsed_ms(), at_ms)

    @property
    def stale(self) -> bool:
        """Whether the odds owner has been silent for too long, or what is heard of it is old, or its clock and ours are
        so far apart that nobody can tell: then every market counts as suspended. Silence is measured by time elapsed,
        since clocks may jump."""
        if self._alive is None:
            return True
        heard_ms, at_ms = self._alive
        most = self._settings.odds_silence_ms_max
        return self._clock.elapsed_ms() - heard_ms > most or abs(self._clock.now_ms() - at_ms) > most

    def place(self, command: PlaceBet, done: Done) -> None:
        """Judge and commit; ``done`` is called once, with the ledger's answer or with one about the moment."""
        if len(self._queue) >= self._settings.queue_max:
            self._clock.call_later(0, lambda: done(Moment.BUSY))
            return
        self._queue.append((command, done))
        if not self._in_flight:
            self._in_flight = True
            self._clock.call_later(0, self._seal)

    def _seal(self) -> None:
        """Judge what has arrived and hand it to the ledger, as one batch."""
        batch = [self._queue.popleft() for _ in range(min(len(self._queue), self._settings.batch_max))]
        if not batch:
            self._in_flight = False
            return
        now, stale = self._clock.now_ms(), self.stale
        self.batches[len(batch)] = self.batches.get(len(batch), 0) + 1

        def done(outcome: Sequence[Answer] | LedgerUnavailable) -> None:
            if isinstance(outcome, LedgerUnavailable):
                for _, answer_to in batch:
                    answer_to(Moment.UNAVAILABLE)
            else:
                for (_, answer_to), answer in zip(batch, outcome, strict=True):
                    answer_to(answer)
            self._seal()

        self._ledger.commit([self._judge(command, now, stale) for command, _ in batch], done)

    def _judge(self, command: PlaceBet, now: int, stale: bool) -> PlaceBet:
        """The command with this room's judgement: the legs at current prices and their charges, or a refusal."""
        legs: list[Leg] = []
        for asked in command.asked:
            taken = self._leg(asked, command.policy, stale)
            if isinstance(taken, Refusal):
                return msgspec.structs.replace(command, at_ms=now, refusal=taken)
            legs.append(taken)
        if refusal := self._stake(command.stake, legs):
            return msgspec.structs.replace(command, at_ms=now, refusal=refusal)
        return msgspec.structs.replace(
            command, bet=self._clock.new_id(), at_ms=now, legs=tuple(legs), charges=self._charges(command.stake, legs)
        )

    def _leg(self, asked: Leg, policy: Policy, stale: bool) -> Leg | Refusal:
        """The leg at its current price, or the first refusal that applies."""
        market = self._books.market(asked.fixture, asked.market)
        price = market.price_of(asked.selection.rpartition("/")[2]) if market else None
        named = asked.selection.rpartition("/")[0] == asked.market  # settlement finds a bet by this very id
        if market is None or price is None or not named:
            return Refusal.SELECTION_UNKNOWN
        if market.status != MarketStatus.OPEN:
            return _BY_STATUS[market.status]
        if stale or self._books.fixtures[asked.fixture].epoch < self._epoch:  # the new owner has not spoken of it yet
            return Refusal.MARKET_SUSPENDED
        if market.generation != asked.generation:
            return Refusal.GENERATION_STALE
        moved = price != asked.price
        if (policy == Policy.NONE and moved) or (policy == Policy.BETTER and price < asked.price):
            return Refusal.PRICE_MOVED
        return msgspec.structs.replace(asked, price=price)

    def _stake(self, stake: int, legs: Sequence[Leg]) -> Refusal | None:
        if stake < self._settings.stake_min:
            return Refusal.STAKE_BELOW_MINIMUM
        if stake > self._settings.stake_max:
            return Refusal.STAKE_ABOVE_MAXIMUM
        if _returns(stake, legs) > self._settings.return_max:
            return Refusal.RETURN_ABOVE_MAXIMUM
        return None

    def _charges(self, stake: int, legs: Sequence[Leg]) -> tuple[Charge, ...]:
        """The bet's full liability against every selection and every fixture of its legs, in this gate's share."""
        liability, writer, writers = _returns(stake, legs) - stake, self._settings.writer, self._settings.writers
        by_selection = self._settings.exposure_selection_max // writers
        by_fixture = self._settings.exposure_fixture_max // writers
        reached = Refusal.EXPOSURE_REACHED
        fixtures = dict.fromkeys(leg.fixture for leg in legs)
        return (
            *(Charge(f"exposure:{leg.selection}#{writer}", liability, by_selection, reached) for leg in legs),
            *(Charge(f"exposure:{fixture}#{writer}", liability, by_fixture, reached) for fixture in fixtures),
        )


def _returns(stake: int, legs: Sequence[Leg]) -> int:
    """The most a bet can return, in minor units, rounded down."""
    total = Fraction(stake)
    for leg in legs:
        total *= as_fraction(leg.price)
    return int(total)
