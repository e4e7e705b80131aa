"""Books as a reader holds them in memory: what changes on the log add up to.

Owned by whoever tails ``books``: the gate holds one for its doors, push and bets; a client holds one too.
"""

from collections import deque
from collections.abc import Iterable
from typing import Final

import msgspec

from matchday.model.market import Market
from matchday.model.messages import Board, BookChanged, BookState, PricedOn
from matchday.model.trading import Controls

EPOCHS_MAX: Final = 64
"""Owners remembered; older ones have long said their last."""

FEW_OUTCOMES: Final = 16
"""Outcomes that are looked through one by one."""
PRICES_MAX: Final = 1_024
"""Markets with more outcomes whose prices are kept by outcome; beyond it they are looked up anew."""


class FixtureBook(msgspec.Struct):
    """All markets of one fixture at one version, and when each last changed."""

    board: Board
    epoch: int
    n: int
    offset: int
    """Offset in ``books`` of the last change that is included."""
    markets: dict[str, Market]
    changed: dict[str, int]
    """Market id -> offset of its last change: what a reader that holds offset X is missing has a higher one."""
    priced_on: PricedOn | None = None
    """What the prices were made of, where that is known and one for all."""
    controls: Controls = Controls()
    """What traders have set."""
    share: int = 0
    """Whose owner's it is."""


class Books:
    """Every fixture's book, by fixture. Changes are applied once, in order; old ones are dropped."""

    def __init__(self) -> None:
        self.fixtures: dict[str, FixtureBook] = {}
        self.offset = -1
        """Offset in ``books`` up to which everything was applied."""
        self.shares: set[int] = set()
        """Of the books that are held, or were."""
        self._owners: dict[int, deque[int]] = {}
        """Share -> epochs of its owners."""
        self._newest: dict[int, int] = {}
        """Share -> the highest of these."""
        self._prices: dict[str, tuple[Market, dict[str, int]]] = {}
        """Of markets with many outcomes: the market as it was when somebody asked, and its prices by outcome."""

    def owned(self, epoch: int, share: int = 0) -> None:
        """An owner began: it is the only one of its share from offset ``epoch`` on (see ``OddsOwned``)."""
        epochs = self._owners.setdefault(share, deque(maxlen=EPOCHS_MAX))
        if epoch not in epochs:
            epochs.append(epoch)
            self._newest[share] = max(epochs)

    def said_by_owner(self, change: BookChanged, offset: int) -> bool:
        """Whether who said this was the owner then, as far as is known. One whose place was taken may speak on."""
        if change.epoch >= self._newest.get(change.share, 0):
            return True
        epochs = self._owners[change.share]
        return change.epoch >= max((epoch for epoch in epochs if epoch <= offset), default=0)

    def apply(self, change: BookChanged, offset: int) -> bool:
        """Take a change in. False where it is old: heard before, or not said by the owner."""
        self.offset = max(self.offset, offset)
        if not self.said_by_owner(change, offset):
            return False
        book = self.fixtures.get(change.fixture)
        if book is None:
            book = FixtureBook(change.board, change.epoch, change.n, offset, {}, {}, share=change.share)
            self.fixtures[change.fixture] = book
            self.shares.add(change.share)
        elif (change.epoch, change.n) <= (book.epoch, book.n):
            return False
        book.board, book.epoch, book.n, book.offset = change.board, change.epoch, change.n, offset
        book.priced_on = change.model
        if change.controls is not None:
            book.controls = change.controls
        for market in change.markets:
            book.markets[market.market] = market
            book.changed[market.market] = offset
        return True

    @staticmethod
    def newest(states: Iterable[BookState]) -> list[BookState]:
        """Of each fixture the state of the highest epoch: an owner whose place was taken may have written later."""
        found: dict[str, BookState] = {}
        for state in states:
            held = found.get(state.fixture)
            if held is None or (state.epoch, state.n) > (held.epoch, held.n):
                found[state.fixture] = state
        return list(found.values())

    def load(self, state: BookState) -> None:
        """Begin with a whole book as its owner kept it; changes from offset ``state.said`` on follow."""
        self.owned(state.epoch, state.share)
        self.shares.add(state.share)
        before = state.said - 1
        markets = {market.market: market for market in state.markets}
        self.fixtures[state.fixture] = FixtureBook(
            state.board,
            state.epoch,
            state.n,
            before,
            markets,
            dict.fromkeys(markets, before),
            state.model,
            state.controls,
            state.share,
        )

    def may_lack(self, key: str, offset: int) -> bool:
        """Whether a record of ``books`` may say what the books that are loaded do not include, by its key: a fixture,
        or nothing where it is an owner's word."""
        book = self.fixtures.get(key)
        return not key or (book is not None and offset > book.offset)

    def market(self, fixture: str, market: str) -> Market | None:
        """A market by fixture and id, or None."""
        book = self.fixtures.get(fixture)
        return None if book is None else book.markets.get(market)

    def price(self, market: Market, outcome: str) -> int | None:
        """The price of an outcome in thousandths, or None where the market has no such outcome: as quickly of one with
        thousands of outcomes as of any other."""
        if len(market.selections) <= FEW_OUTCOMES:
            return market.price_of(outcome)
        held = self._prices.get(market.market)
        if held is None or held[0] is not market:
            if len(self._prices) >= PRICES_MAX:
                self._prices.clear()
            by_outcome = {selection.outcome: selection.price for selection in reversed(market.selections)}
            held = self._prices[market.market] = market, by_outcome
        return held[1].get(outcome)

    def forget(self, fixture: str) -> None:
        """Drop a fixture that is long over."""
        self.fixtures.pop(fixture, None)
