"""A channel: who follows it, what was said on it lately, and where its whole state is to be had.

Owns the history that lets a client resume. A channel knows everything from ``floor`` on: it begins at the first change
it hears or, quiet so far, at its first follower, and forgets from the far end.
"""

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import msgspec

from matchday.model.book import Books
from matchday.model.ledger import AccountView
from matchday.model.messages import AccountFact, Board, BookChanged
from matchday.model.views import fact_view, market_view
from matchday.ports import Ledger
from matchday.services.push.shapes import FixtureView, account_snapshot, fixture_view, home_row
from matchday.services.push.wire import Change, Facts, HomeChange, HomeList, Whole

if TYPE_CHECKING:
    from matchday.services.push.session import Session

BETS_SHOWN = 50
"""Bets of an account's snapshot, newest first; older ones are fetched over HTTP."""
GONE_MAX = 1_024
"""Fixtures taken off ``home`` that are remembered for connections that fell behind."""


class Step(msgspec.Struct):
    """One change of a channel: what to show of it, and its frame once somebody needed that."""

    before: int
    offset: int
    at_ms: int
    cause: str
    view: Callable[[], Change]
    frame: bytes = b""


class Source(Protocol):
    """Where the whole state of a channel is to be had."""

    def whole(self) -> Whole | None:
        """All there is now; None where it is no longer."""

    def since(self, offset: int) -> Change | None:
        """The latest value of all that changed after an offset; None where changes must not be merged."""


class Channel:
    """One channel."""

    __slots__ = ("floor", "gone", "history", "holders", "last", "members", "name", "raw", "snapshots", "source")

    def __init__(self, name: str, source: Source, offset: int) -> None:
        self.name = name
        """As clients call it."""
        self.source = source
        self.last = self.floor = offset
        """Offset of the last change; the lowest from which one may resume."""
        self.history: deque[Step] = deque()
        self.members: dict[Session, int] = {}
        """Those who keep up -> the offset up to which they had everything when they joined."""
        self.holders = 0
        """All who follow, those who have fallen behind included."""
        self.gone = False
        self.raw: msgspec.Raw | None = None
        """The whole state, encoded, as of ``last``."""
        self.snapshots: tuple[int, dict[bool | None, bytes]] = (0, {})
        """(made at, resumed -> frame): shared by all who subscribe at one moment."""

    def remember(self, step: Step, history_ms: int, frames_max: int) -> None:
        """A change happened."""
        self.last = step.offset
        self.forget_whole()
        self.history.append(step)
        since = step.at_ms - history_ms
        while len(self.history) > frames_max or self.history[0].at_ms < since:
            self.floor = self.history.popleft().offset

    def forget_whole(self) -> None:
        """The encoded whole is no longer true."""
        self.raw, self.snapshots = None, (0, {})

    def after(self, offset: int) -> list[Step] | None:
        """Everything said since an offset, None where that is not known any more (or not yet)."""
        if not self.floor <= offset <= self.last:
            return None
        steps: list[Step] = []
        for step in reversed(self.history):
            if step.offset <= offset:
                break
            steps.append(step)
        steps.reverse()
        return steps


class FixtureSource:
    """One fixture's book."""

    __slots__ = ("_books", "_fixture")

    def __init__(self, books: Books, fixture: str) -> None:
        self._books, self._fixture = books, fixture

    def whole(self) -> Whole | None:
        """See ``Source.whole``."""
        book = self._books.fixtures.get(self._fixture)
        return None if book is None else fixture_view(book)

    def since(self, offset: int) -> Change | None:
        """See ``Source.since``."""
        book = self._books.fixtures[self._fixture]
        changed = [market_view(market) for key, market in book.markets.items() if book.changed[key] > offset]
        return FixtureView(book.board, tuple(changed))


def fixture_change(change: BookChanged) -> Change:
    """A change as those who follow the fixture see it."""
    return FixtureView(change.board, tuple(market_view(market) for market in change.markets))


class HomeSource:
    """All fixtures as rows."""

    __slots__ = ("_boards", "_books", "_changed", "_going", "_gone")

    def __init__(self, books: Books) -> None:
        self._books = books
        self._boards: dict[str, Board] = {}
        self._changed: dict[str, int] = {}
        """Fixture -> offset of the last change of its row."""
        self._gone: dict[str, int] = {}
        """Fixture taken off -> offset of the change that said so."""
        self._going: list[str] = []
        """Taken off, to be said with the next change: only those have offsets."""

    def begin(self) -> None:
        """Take the boards as loaded for shown."""
        self._boards = {fixture: book.board for fixture, book in self._books.fixtures.items()}

    def take(self, change: BookChanged, offset: int, main: str) -> Callable[[], Change] | None:
        """A change as ``home`` shows it, or None where no row is another than before."""
        fixture = change.fixture
        if self._boards.get(fixture) == change.board and all(market.market != main for market in change.markets):
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
            return lambda: HomeChange((), removed)
        row = home_row(book)
        return lambda: HomeChange((row,), removed)

    def remove(self, fixture: str) -> None:
        """A fixture is shown no longer."""
        self._boards.pop(fixture, None)
        self._changed.pop(fixture, None)
        self._going.append(fixture)

    def whole(self) -> Whole:
        """See ``Source.whole``."""
        books = sorted(self._books.fixtures.values(), key=lambda book: (book.board.kickoff_ms, book.board.fixture))
        return HomeList(tuple(home_row(book) for book in books))

    def since(self, offset: int) -> Change | None:
        """See ``Source.since``."""
        books = self._books.fixtures
        rows = [home_row(books[fixture]) for fixture, at in self._changed.items() if at > offset and fixture in books]
        removed = [fixture for fixture, at in self._gone.items() if at > offset]
        return HomeChange(tuple(rows), tuple(removed))


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

    def since(self, offset: int) -> Change | None:  # noqa: ARG002 - facts are never merged
        """See ``Source.since``."""
        return None

    def change(self, fact: AccountFact) -> Change:
        """A fact as its fan sees it."""
        return Facts((fact_view(fact, self.currency),))
