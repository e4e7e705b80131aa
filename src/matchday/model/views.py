"""Views: what people and their programs are shown, over HTTP and WebSocket alike.

Owns the JSON shapes of markets, bets, facts and entries. Amounts, prices and lines, integers inside, are decimal
strings here ("10.00", "2.375", "2.25"), so that no client ever reads one as a float. Pure: nothing is looked up.
"""

from typing import Final

import msgspec

from matchday.model.bet import Bet, BetStatus, Leg, Policy
from matchday.model.football_markets import MATCH_RESULT
from matchday.model.ledger import Entry
from matchday.model.market import Market, MarketKey, MarketStatus, Selection, line_text, selection_id
from matchday.model.messages import AccountFact, BalanceChanged, BetAccepted, BetReopened, BetSettled
from matchday.model.money import format_amount
from matchday.model.price import format_price
from matchday.model.trading import Controls


class SelectionView(msgspec.Struct, frozen=True):
    """What can be backed."""

    selection: str
    """The full id: what a bet names."""
    outcome: str
    price: str
    """Decimal odds."""


class MarketView(msgspec.Struct, frozen=True):
    """A market as a client sees it."""

    market: str
    type: str
    line: str | None
    """A decimal such as "2.25" or "-0.5"; null for a market without a line."""
    status: MarketStatus
    generation: int
    selections: tuple[SelectionView, ...]


class TraderSelectionView(msgspec.Struct, frozen=True):
    """What can be backed, and how a trader overrules its price."""

    selection: str
    outcome: str
    price: str
    """As it is offered."""
    factor: str | None
    """All shifts of the fair odds against it together; null where there is none."""
    fixed: str | None
    """The price that a trader fixed; null where it is the model's."""


class TraderMarketView(msgspec.Struct, frozen=True):
    """A market as a trader sees it: what is offered, and what of it traders have set."""

    market: str
    type: str
    line: str | None
    status: MarketStatus
    generation: int
    suspended: bool
    """By a trader; the book may be suspended for other reasons."""
    overround: float | None
    """As it was set; null where it is the setting's."""
    stake_max: str | None
    """As it was set; null where only the house's own maximum holds."""
    selections: tuple[TraderSelectionView, ...]


class LegView(msgspec.Struct, frozen=True):
    """One selection of a bet, at the price it was accepted at."""

    fixture: str
    market: str
    selection: str
    price: str
    generation: int


class BetView(msgspec.Struct, frozen=True):
    """A bet as its owner sees it."""

    bet: str
    """Our id."""
    id: str
    """The caller's id."""
    stake: str
    currency: str
    policy: Policy
    status: BetStatus
    returns: str
    """All that came back; zero while open."""
    placed_ms: int
    version: int
    """The decision version it was settled at; 0 while open."""
    legs: tuple[LegView, ...]


class BetAcceptedView(msgspec.Struct, frozen=True, tag="bet_accepted", tag_field="kind"):
    """The ledger holds the bet and its stake."""

    seq: int
    account: str
    at_ms: int
    balance: str
    bet: BetView


class BetSettledView(msgspec.Struct, frozen=True, tag="bet_settled", tag_field="kind"):
    """A bet was settled, voided, or settled again by a correction (a higher ``version``)."""

    seq: int
    account: str
    at_ms: int
    balance: str
    bet: str
    status: BetStatus
    version: int
    returns: str
    """All that comes back, not the difference to an earlier version."""
    change: str
    """What this settlement posted to the balance, signed."""


class BetReopenedView(msgspec.Struct, frozen=True, tag="bet_reopened", tag_field="kind"):
    """A settlement was rolled back: the bet is open again, and what it returned was taken back."""

    seq: int
    account: str
    at_ms: int
    balance: str
    bet: str
    version: int
    change: str
    """What was taken from the balance, signed."""


class BalanceChangedView(msgspec.Struct, frozen=True, tag="balance_changed", tag_field="kind"):
    """Money came or went without a bet."""

    seq: int
    account: str
    at_ms: int
    balance: str
    change: str
    reason: str


FactView = BetAcceptedView | BetSettledView | BetReopenedView | BalanceChangedView


class EntryView(msgspec.Struct, frozen=True):
    """An entry of the ledger as it touched one account: a line of the statement."""

    entry: int
    at_ms: int
    reason: str
    currency: str
    amount: str
    """What was posted to the account, signed."""
    bet: str | None


MAIN_MARKET: Final = MarketKey(MATCH_RESULT)
"""The market that stands for a fixture in lists."""


def market_view(market: Market) -> MarketView:
    """A market with its prices and line as decimals and its selections under their full ids."""
    return MarketView(
        market.market,
        market.type,
        None if market.line is None else line_text(market.type, market.line),
        market.status,
        market.generation,
        tuple(
            SelectionView(
                selection_id(market.market, selection.outcome), selection.outcome, format_price(selection.price)
            )
            for selection in market.selections
        ),
    )


def trader_market_view(market: Market, controls: Controls, currency: str) -> TraderMarketView:
    """A market with what traders have set on it; amounts in that currency."""
    key = MarketKey(market.type, market.line)
    factors, fixed = dict(controls.factors), dict(controls.fixed)

    def selection_view(selection: Selection) -> TraderSelectionView:
        name = selection_id(key.name, selection.outcome)
        factor, price = factors.get(name), fixed.get(name)
        return TraderSelectionView(
            selection_id(market.market, selection.outcome),
            selection.outcome,
            format_price(selection.price),
            None if factor is None else format_price(factor),
            None if price is None else format_price(price),
        )

    return TraderMarketView(
        market.market,
        market.type,
        None if market.line is None else line_text(market.type, market.line),
        market.status,
        market.generation,
        controls.suspends(key),
        controls.overround_of(key),
        None if market.stake_max is None else format_amount(market.stake_max, currency),
        tuple(map(selection_view, market.selections)),
    )


def _leg_view(leg: Leg) -> LegView:
    return LegView(leg.fixture, leg.market, leg.selection, format_price(leg.price), leg.generation)


def bet_view(bet: Bet) -> BetView:
    """A bet with its amounts and prices as decimals. Its account is the reader's own and is not repeated."""
    return BetView(
        bet.bet,
        bet.id,
        format_amount(bet.stake, bet.currency),
        bet.currency,
        bet.policy,
        bet.status,
        format_amount(bet.returns, bet.currency),
        bet.placed_ms,
        bet.version,
        tuple(_leg_view(leg) for leg in bet.legs),
    )


def fact_view(fact: AccountFact, currency: str) -> FactView:
    """A fact of an account in that currency. MoneyError for a currency we do not know."""
    balance = format_amount(fact.balance, currency)
    match fact:
        case BetAccepted():
            return BetAcceptedView(fact.seq, fact.account, fact.at_ms, balance, bet_view(fact.bet))
        case BetSettled():
            returns, change = format_amount(fact.returns, currency), format_amount(fact.change, currency)
            return BetSettledView(
                fact.seq, fact.account, fact.at_ms, balance, fact.bet, fact.status, fact.version, returns, change
            )
        case BetReopened():
            change = format_amount(fact.change, currency)
            return BetReopenedView(fact.seq, fact.account, fact.at_ms, balance, fact.bet, fact.version, change)
        case BalanceChanged():
            change = format_amount(fact.change, currency)
            return BalanceChangedView(fact.seq, fact.account, fact.at_ms, balance, change, fact.reason)


def entry_view(entry: Entry, account: str) -> EntryView:
    """An entry as a line of one account's statement: the sum of what it posted there."""
    amount = sum(posting.amount for posting in entry.postings if posting.account == account)
    return EntryView(
        entry.entry, entry.at_ms, entry.reason, entry.currency, format_amount(amount, entry.currency), entry.bet
    )
