"""Sources: where a channel's whole state is to be had, and what a change makes of it (the fields that differ).

Owns what is shown, by reference: a market that did not change is the same object in the books, here and in the history.
"""

from typing import Protocol

from matchday.model.book import Books, FixtureBook
from matchday.model.ledger import AccountView
from matchday.model.market import Market
from matchday.model.messages import AccountFact, Board, BookChanged
from matchday.model.views import MarketView, market_view
from matchday.ports import Ledger
from matchday.services.push.moves import (
    BookMove,
    Change,
    FactMove,
    FixturePatch,
    HomeMove,
    HomePatch,
    MarketPatch,
    Row,
    RowPatch,
    board_patch,
)
from matchday.services.push.shapes import MAIN_MARKET, HomeList, Whole, account_snapshot, fixture_view, home_row

BETS_SHOWN = 50
"""Bets of an account's snapshot, newest first; older ones are fetched over HTTP."""
GONE_MAX = 1_024
"""Fixtures taken off ``home`` that are remembered for connections that fell behind."""


class Source(Protocol):
    """Where the whole state of a channel is to be had."""

    def whole(self) -> Whole | None:
        """All there is now; None where it is no longer."""

    def since(self, offset: int) -> Change:
        """The latest value of all that changed after an offset, in full."""


class FixtureSource:
    """One fixture's book."""

    __slots__ = ("_board", "_books", "_fixture", "_shown", "_version", "_whole")

    def __init__(self, books: Books, book: FixtureBook) -> None:
        """Begin with the book as it stands."""
        self._books, self._fixture = books, book.board.fixture
        self._board: Board | None = book.board
        self._shown = dict(book.markets)
        self._version = (book.epoch, book.n)
        self._whole = True

    @classmethod
    def unknown(cls, books: Books, change: BookChanged) -> "FixtureSource":
        """Begin with a change from before this gate's start: the books may be further, and no more is known."""
        source = cls(books, FixtureBook(change.board, change.epoch, change.n, 0, {}, {}))
        source._shown = {market.market: market for market in change.markets}
        source._whole = False
        return source

    def whole(self) -> Whole | None:
        """See ``Source.whole``."""
        book = self._books.fixtures.get(self._fixture)
        return None if book is None else fixture_view(book)

    def since(self, offset: int) -> Change:
        """See ``Source.since``."""
        book = self._books.fixtures[self._fixture]
        skipped = len(self._fixture) + 1
        changed: dict[str, MarketView | MarketPatch] = {
            key[skipped:]: market_view(market) for key, market in book.markets.items() if book.changed[key] > offset
        }
        return FixturePatch(board_patch(None, book.board) | {"fixture": self._fixture}, changed)

    def take(self, change: BookChanged, *, live: bool) -> BookMove | None:
        """A change as a move; None where it was heard before. ``live``: the books have just taken it in."""
        version = (change.epoch, change.n)
        if version <= self._version:
            return None
        shown = self._shown
        move = BookMove(
            self._board, change.board, {market.market: (shown.get(market.market), market) for market in change.markets}
        )
        self._board, self._version = change.board, version
        if live and not self._whole and (book := self._books.fixtures.get(self._fixture)) is not None:
            self._shown, self._whole = dict(book.markets), True
        else:
            shown.update((market.market, market) for market in change.markets)
        return move


class HomeSource:
    """All fixtures as rows."""

    __slots__ = ("_boards", "_books", "_changed", "_going", "_gone", "_shown")

    def __init__(self, books: Books) -> None:
        self._books = books
        self._boards: dict[str, Board] = {}
        """What tells whether a row is another than before."""
        self._shown: dict[str, Row] = {}
        """What is known to have been shown: nothing of a fixture before its first change here."""
        self._changed: dict[str, int] = {}
        """Fixture -> offset of the last change of its row."""
        self._gone: dict[str, int] = {}
        """Fixture taken off -> offset of the change that said so."""
        self._going: list[str] = []
        """Taken off, to be said with the next change: only those have offsets."""

    def begin(self) -> None:
        """Take the boards as loaded for shown."""
        self._boards = {fixture: book.board for fixture, book in self._books.fixtures.items()}

    def take(self, change: BookChanged, offset: int, *, live: bool) -> HomeMove | None:
        """A change as ``home`` shows it, or None where no row is another than before."""
        fixture, main = change.fixture, MAIN_MARKET.of(change.fixture)
        market = next((market for market in change.markets if market.market == main), None)
        if self._boards.get(fixture) == change.board and market is None:
            return None
        self._boards[fixture], self._changed[fixture] = change.board, offset
        self._gone.pop(fixture, None)
        removed, self._going = tuple(gone for gone in self._going if gone != fixture), []
        for gone in removed:
            self._gone[gone] = offset
        while len(self._gone) > GONE_MAX:
            del self._gone[next(iter(self._gone))]
        book = self._books.fixtures.get(fixture)
        if book is None:
            return HomeMove({}, removed)
        before = self._shown.get(fixture, Row())
        now = self._shown[fixture] = Row(change.board, market or before.market or self._main(book, main, live))
        return HomeMove({fixture: (before, now)}, removed)

    @staticmethod
    def _main(book: FixtureBook, main: str, live: bool) -> Market | None:
        """The main market where a change does not say it. From before our start: whoever resumes holds it already."""
        return book.markets.get(main) if live else None

    def remove(self, fixture: str) -> None:
        """A fixture is shown no longer."""
        self._boards.pop(fixture, None)
        self._shown.pop(fixture, None)
        self._changed.pop(fixture, None)
        self._going.append(fixture)

    def whole(self) -> Whole:
        """See ``Source.whole``."""
        books = sorted(self._books.fixtures.values(), key=lambda book: (book.board.kickoff_ms, book.board.fixture))
        return HomeList(tuple(home_row(book) for book in books))

    def since(self, offset: int) -> Change:
        """See ``Source.since``."""
        rows = [
            _row_in_full(self._books.fixtures[fixture])
            for fixture, at in self._changed.items()
            if at > offset and fixture in self._books.fixtures
        ]
        return HomePatch(tuple(rows), tuple(fixture for fixture, at in self._gone.items() if at > offset))


def _row_in_full(book: FixtureBook) -> RowPatch:
    row = home_row(book)
    board = board_patch(None, book.board) | {"fixture": book.board.fixture}
    return RowPatch(board) if row.market is None else RowPatch(board, row.market)


class AccountSource:
    """A fan's account, read from the ledger."""

    __slots__ = ("_ledger", "account", "currency", "facts")

    def __init__(self, ledger: Ledger, view: AccountView) -> None:
        self._ledger, self.account = ledger, view.account
        self.currency, self.facts = view.currency, view.facts

    def whole(self) -> Whole | None:
        """See ``Source.whole``; ``facts`` is then the offset that it includes. LedgerUnavailable passes through."""
        view = self._ledger.account(self.account)
        if view is None:
            return None
        self.facts = view.facts
        return account_snapshot(view, self._ledger.bets(self.account, open_only=False, before=None, limit=BETS_SHOWN))

    def since(self, offset: int) -> Change:
        """Facts are never merged."""
        raise TypeError(f"facts of {self.account} after {offset} cannot be merged")

    def move(self, fact: AccountFact) -> FactMove:
        """A fact as a move."""
        return FactMove(fact, self.currency)
