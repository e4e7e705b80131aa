"""Trader views: a market as a trader is shown it, with what traders have set on it.

As in ``views``: amounts, prices and lines, integers inside, are decimal strings here.
"""

import msgspec

from matchday.model.market import Market, MarketKey, MarketStatus, Selection, line_text, selection_id
from matchday.model.money import format_amount
from matchday.model.price import format_price
from matchday.model.trading import Controls


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
