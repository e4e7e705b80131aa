"""Views: what people and their programs are shown, over HTTP and WebSocket alike.

Owns the JSON shapes of markets, bets, facts and entries. Amounts, prices and lines, integers inside, are decimal
strings here ("10.00", "2.375", "2.25"), so that no client ever reads one as a float. Pure: nothing is looked up.
"""

from typing import Final

import msgspec

from matchday.model import lines
from matchday.model.bet import Bet, BetStatus, Leg, Policy, most_returned
from matchday.model.football_markets import MATCH_RESULT
from matchday.model.ledger import Entry, FreeBet, LimitName, LimitView, Offer
from matchday.model.market import Market, MarketKey, MarketStatus, line_text, selection_id
from matchday.model.messages import (
    BalanceChanged,
    BetAccepted,
    BetCashedOut,
    BetReferred,
    BetRefused,
    BetReopened,
    BetSettled,
    CashOutRefused,
    CashOutSet,
    FreeBetChanged,
    OneFact,
)
from matchday.model.money import format_amount
from matchday.model.price import format_price


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


class PartView(msgspec.Struct, frozen=True):
    """One selection of a combination."""

    market: str
    selection: str
    generation: int


class LegView(msgspec.Struct, frozen=True, omit_defaults=True):
    """One selection of a bet, or a combination of several, at the price it was accepted at."""

    fixture: str
    market: str
    selection: str
    price: str
    generation: int
    parts: tuple[PartView, ...] = ()
    """Of a combination: what has to win together."""


class BetView(msgspec.Struct, frozen=True, omit_defaults=True):
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
    type: str
    """single, accumulator, trixie, ..., system:K/N."""
    lines: int
    returns_max: str
    """All that would come back of what is not cashed out, if every leg wins."""
    free_bet: str = ""
    """The free bet that was its stake: then that is not returned."""
    cashed: str = ""
    """What of the stake was cashed out."""
    cash: str = ""
    """What was paid for it."""
    cash_out_at: str = ""
    """From which offer on it is cashed out by itself."""


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


class BetReferredView(msgspec.Struct, frozen=True, tag="bet_referred", tag_field="kind"):
    """A bet waits for a trader."""

    seq: int
    account: str
    at_ms: int
    balance: str
    id: str
    """The caller's."""
    until_ms: int
    """When it is answered at the latest."""


class OfferView(msgspec.Struct, frozen=True):
    """What a trader offers in place of a bet: place it with ``offer``, for this stake."""

    offer: str
    stake: str
    prices: tuple[str, ...]
    """Of each leg."""
    until_ms: int


class BetRefusedView(msgspec.Struct, frozen=True, tag="bet_refused", tag_field="kind", omit_defaults=True):
    """A bet whose fan was told to wait was refused."""

    seq: int
    account: str
    at_ms: int
    balance: str
    id: str
    """The caller's."""
    reason: str
    detail: str
    stake_max: str = ""
    """What would be taken now, where a limit refused."""
    offer: OfferView | None = None


class BetCashedOutView(msgspec.Struct, frozen=True, tag="bet_cashed_out", tag_field="kind"):
    """A bet, or a part of it, was paid out before it was decided."""

    seq: int
    account: str
    at_ms: int
    balance: str
    bet: str
    stake: str
    """What of the stake this cashed out."""
    amount: str
    remaining: str
    """The stake that its legs still decide; zero: the bet is over."""
    change: str


class CashOutRefusedView(msgspec.Struct, frozen=True, tag="cash_out_refused", tag_field="kind"):
    """A cash-out whose fan was told to wait was refused."""

    seq: int
    account: str
    at_ms: int
    balance: str
    bet: str
    id: str
    """The caller's."""
    reason: str
    detail: str


class CashOutSetView(msgspec.Struct, frozen=True, tag="cash_out_set", tag_field="kind"):
    """From which offer on a bet is cashed out by itself."""

    seq: int
    account: str
    at_ms: int
    balance: str
    bet: str
    amount: str | None


class FreeBetChangedView(msgspec.Struct, frozen=True, tag="free_bet_changed", tag_field="kind"):
    """A free bet can be used, or not any more."""

    seq: int
    account: str
    at_ms: int
    balance: str
    free_bet: str
    amount: str
    until_ms: int
    state: str


FactView = (
    BetAcceptedView
    | BetSettledView
    | BetReopenedView
    | BalanceChangedView
    | BetReferredView
    | BetRefusedView
    | BetCashedOutView
    | CashOutRefusedView
    | CashOutSetView
    | FreeBetChangedView
)


class LimitShown(msgspec.Struct, frozen=True):
    """One of a fan's own limits."""

    limit: LimitName
    amount: str | None
    """In force now; null for no limit."""
    used: str
    """What counts against it: stakes, or stakes less returns, which may be less than zero."""
    next_amount: str | None
    """What it will be, where a higher one (null: none) is cooling off."""
    next_at_ms: int
    """From when; 0 where none is."""


class FreeBetView(msgspec.Struct, frozen=True):
    """A free bet that can be used, whole, until its time is over."""

    free_bet: str
    amount: str
    until_ms: int


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


def leg_view(leg: Leg) -> LegView:
    """A leg with its price as a decimal."""
    parts = tuple(PartView(part.market, part.selection, part.generation) for part in leg.parts)
    return LegView(leg.fixture, leg.market, leg.selection, format_price(leg.price), leg.generation, parts)


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
        tuple(map(leg_view, bet.legs)),
        bet.type,
        lines.count(bet.type, len(bet.legs)),
        format_amount(most_returned(bet.remaining, bet.legs, bet.type, free=bet.free), bet.currency),
        bet.free_bet,
        format_amount(bet.cashed, bet.currency) if bet.cashed else "",
        format_amount(bet.cash, bet.currency) if bet.cashed else "",
        "" if bet.cash_out_at is None else format_amount(bet.cash_out_at, bet.currency),
    )


def limit_view(limit: LimitView, currency: str) -> LimitShown:
    """A limit with its amounts as decimals."""
    amount, following = (
        None if value is None else format_amount(value, currency) for value in (limit.amount, limit.next_amount)
    )
    return LimitShown(limit.limit, amount, format_amount(limit.used, currency), following, limit.next_at_ms)


def free_bet_view(free_bet: FreeBet) -> FreeBetView:
    """A free bet with its amount as a decimal."""
    return FreeBetView(free_bet.free_bet, format_amount(free_bet.amount, free_bet.currency), free_bet.until_ms)


def offer_view(offer: Offer, currency: str) -> OfferView:
    """A trader's offer with its amounts and prices as decimals."""
    prices = tuple(format_price(leg.price) for leg in offer.legs)
    return OfferView(offer.offer, format_amount(offer.stake, currency), prices, offer.until_ms)


def fact_view(fact: OneFact, currency: str) -> FactView:
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
        case BetReferred():
            return BetReferredView(fact.seq, fact.account, fact.at_ms, balance, fact.id, fact.until_ms)
        case BetRefused():
            return _refused_view(fact, balance, currency)
        case BetCashedOut():
            stake, amount, left, change = (
                format_amount(value, currency) for value in (fact.stake, fact.amount, fact.remaining, fact.change)
            )
            return BetCashedOutView(fact.seq, fact.account, fact.at_ms, balance, fact.bet, stake, amount, left, change)
        case CashOutRefused():
            return CashOutRefusedView(
                fact.seq, fact.account, fact.at_ms, balance, fact.bet, fact.id, fact.reason, fact.detail
            )
        case CashOutSet():
            at = None if fact.amount is None else format_amount(fact.amount, currency)
            return CashOutSetView(fact.seq, fact.account, fact.at_ms, balance, fact.bet, at)
        case FreeBetChanged():
            amount = format_amount(fact.amount, currency)
            return FreeBetChangedView(
                fact.seq, fact.account, fact.at_ms, balance, fact.free_bet, amount, fact.until_ms, fact.state
            )


def _refused_view(fact: BetRefused, balance: str, currency: str) -> BetRefusedView:
    most = "" if fact.stake_max is None else format_amount(fact.stake_max, currency)
    offer = None
    if fact.offer:
        prices = tuple(map(format_price, fact.offer_prices))
        offer = OfferView(fact.offer, format_amount(fact.offer_stake, currency), prices, fact.offer_until_ms)
    return BetRefusedView(fact.seq, fact.account, fact.at_ms, balance, fact.id, fact.reason, fact.detail, most, offer)


def entry_view(entry: Entry, account: str) -> EntryView:
    """An entry as a line of one account's statement: the sum of what it posted there."""
    amount = sum(posting.amount for posting in entry.postings if posting.account == account)
    return EntryView(
        entry.entry, entry.at_ms, entry.reason, entry.currency, format_amount(amount, entry.currency), entry.bet
    )
