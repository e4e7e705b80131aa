"""What a channel shows as a whole: a fixture with its markets, a row of ``home``, an account."""

from collections.abc import Sequence
from typing import Final

import msgspec

from matchday.model.bet import Bet
from matchday.model.book import FixtureBook
from matchday.model.football_markets import MATCH_RESULT
from matchday.model.ledger import AccountView
from matchday.model.market import MarketKey
from matchday.model.messages import Board
from matchday.model.money import format_amount
from matchday.model.views import BetView, MarketView, bet_view, market_view

MAIN_MARKET: Final = MarketKey(MATCH_RESULT)
"""The market that stands for a fixture on ``home``."""


class FixtureView(msgspec.Struct, frozen=True):
    """A fixture with all its markets."""

    board: Board
    markets: tuple[MarketView, ...]


class HomeRow(msgspec.Struct, frozen=True):
    """A fixture as one row of a list: its board and its main market."""

    board: Board
    market: MarketView | None


class HomeList(msgspec.Struct, frozen=True):
    """Every row, by kick-off."""

    fixtures: tuple[HomeRow, ...]


class AccountSnapshot(msgspec.Struct, frozen=True):
    """An account with its open and recent bets, newest first."""

    account: str
    currency: str
    balance: str
    bets: tuple[BetView, ...]


Whole = FixtureView | HomeList | AccountSnapshot


def fixture_view(book: FixtureBook) -> FixtureView:
    """A whole book, its markets in the order in which they were first offered."""
    return FixtureView(book.board, tuple(market_view(market) for market in book.markets.values()))


def home_row(book: FixtureBook) -> HomeRow:
    """A book as a row of ``home``."""
    main = book.markets.get(MAIN_MARKET.of(book.board.fixture))
    return HomeRow(book.board, None if main is None else market_view(main))


def account_snapshot(account: AccountView, bets: Sequence[Bet]) -> AccountSnapshot:
    """An account and those of its bets that were read."""
    balance = format_amount(account.balance, account.currency)
    return AccountSnapshot(account.account, account.currency, balance, tuple(bet_view(bet) for bet in bets))
