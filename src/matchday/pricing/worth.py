"""Worth: what an open leg of a bet is worth by the book as it stands, for cash-out (``model/cash_out.py``).

The chance of a selection is its market's prices with the overround taken out as it was put in (``overround.py``), over
the selections that can still win: so that the margin that is stated is the margin that is taken, on outsiders too. (In
proportion to 1 / price, as others do, an outsider would be paid far above what it is worth.) A selection at the longest
price that a book shows counts for nothing, and so does one beside a favourite at the shortest: nobody knows how much
less likely it is. Where the ladder's steps are coarse, a price is taken for rounded down by a whole one.

Where a stake may be returned, the market's own prices do not say how often (``football.py``: they are fair on what is
not returned). Neighbours do: a total of exactly 2 is what over 2.5 and under 1.5 leave, draw no bet is returned with
the draw of the match result; a quarter line is half as much of the whole line beside it. One neighbour, where a goal
has closed the other, tells it together with the line's own price. With none the share may be anything, and the leg is
worth the least that it then is. A double chance is worth what its two results are together.

A combination's joint price carries the overround of each of its parts, as ``joint`` makes it: taken out, it leaves the
chance that all are won; never more than of its least likely part, and nothing at the longest price, as of a selection.
One that is cut at the price of a part (``joint``) is worth what it is if the others lose wherever that part is void.
"""

from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Final

import numpy as np

from matchday.model.bet import Leg
from matchday.model.cash_out import NOTHING, UNKNOWN, LegNow, Range, undecided
from matchday.model.football_markets import DOUBLE_CHANCE, DRAW_NO_BET, HANDICAP, KINDS, MATCH_RESULT, either_of
from matchday.model.market import COUNTING, Market, MarketKey, MarketStatus, split_selection
from matchday.model.price import PRICE_MAX, PRICE_MIN, UNIT, as_fraction
from matchday.pricing.overround import LADDER, without_overround

_PARTS: Final = 10**9
"""Chances are whole numbers of so many parts, rounded down."""
_NIL: Final = Fraction(0)
_TOLD: Final = Fraction(1, 8)
"""Nothing is divided by a chance below this: prices are steps on a ladder, and so is what is taken out of them."""
_COARSE: Final = 20_000
"""Thousandths: from this price on a step is up to 5 % of it, later 10 %, which no margin covers; before it is 2 %."""


def leg_worth(markets: Mapping[str, Market], leg: Leg, price_now: int) -> LegNow | None:
    """What an open leg is worth by its fixture's markets (by id) and its price now, in thousandths; None where they do
    not say. Judges nothing else: whether its markets are open is for the caller."""
    if leg.parts:
        return _combination(markets, leg, price_now)
    found = _chance(markets, leg.selection)
    if found is None:
        return None
    return undecided(leg.price, _longer(found, price_now), _returned(markets, leg.selection))


def _combination(markets: Mapping[str, Market], leg: Leg, price_now: int) -> LegNow | None:
    chances: list[Fraction] = []
    carried, returned, next_price = Fraction(1), _NIL, price_now + _step(price_now)
    for part in leg.parts:
        found, market = _chance(markets, part.selection), markets.get(part.market)
        price = market.price_of(part.selection.rpartition("/")[2]) if market else None
        if found is None or price is None:
            return None
        found, back = _longer(found, price), _returned(markets, part.selection).most
        # cut at this part's price, it does not say how often another part is lost where this one is void
        chances.append(found * (1 - back) if price_now <= price < next_price else found)
        carried *= min(Fraction(1), found * as_fraction(price))
        returned += back
    longest = price_now >= PRICE_MAX  # cut there: nobody knows how much less likely it is
    chance = _NIL if longest else min(carried / as_fraction(next_price), *chances)
    return undecided(leg.price, chance, Range(_NIL, min(returned, Fraction(1))))


def _longer(chance: Fraction, price: int) -> Fraction:
    """A chance as of the next price, where steps are so coarse that its own may be that far too short."""
    return chance if price < _COARSE else chance * Fraction(price, price + _step(price))


def _step(price: int) -> int:
    """How far a price may have been rounded down."""
    return next((step for bound, step in LADDER if price < bound), 0)


def _chance(markets: Mapping[str, Market], selection: str) -> Fraction | None:
    """The chance of a selection whose market is open."""
    name, _, outcome = selection.rpartition("/")
    market = markets.get(name)
    if market is None or market.status != MarketStatus.OPEN:
        return None
    for held, found in zip(market.selections, _chances(market), strict=True):
        if held.outcome == outcome:
            either = _either(markets, selection, held.price) if market.type == DOUBLE_CHANCE else None
            return found if either is None else either
    return None


def _either(markets: Mapping[str, Market], selection: str, price: int) -> Fraction | None:
    """The chance of a double chance by that of its two results, where these are open: it is priced by them, and two of
    its outcomes may be at the shortest price while the third is not unlikely. Never more than its own price says, which
    a trader may have lengthened."""
    fixture, _, outcome = split_selection(selection)
    results = markets.get(MarketKey(MATCH_RESULT).of(fixture))
    if results is None or results.status != MarketStatus.OPEN:
        return None
    made_of = either_of(outcome)
    chances = zip(results.selections, _chances(results), strict=True)
    both = sum((found for held, found in chances if held.outcome in made_of), _NIL)
    return min(both, 1 / as_fraction(price))


def _chances(market: Market) -> tuple[Fraction, ...]:
    kind = KINDS.get(market.type)
    return _fair(tuple(selection.price for selection in market.selections), kind.winners if kind else 1)


@lru_cache(maxsize=8192)
def _fair(prices: tuple[int, ...], winners: int) -> tuple[Fraction, ...]:
    """Chances of one market's selections at prices in thousandths."""
    implied = np.array([UNIT / price for price in prices])
    with_overround = len(prices) > winners and implied.sum() > winners
    fair = without_overround(implied, winners) if with_overround else implied  # less than fair is prudent enough
    sure = sum(price == PRICE_MIN for price in prices) >= winners
    return tuple(
        Fraction(0 if price == PRICE_MAX or (sure and price > PRICE_MIN) else min(int(found * _PARTS), _PARTS), _PARTS)
        for found, price in zip(fair.tolist(), prices, strict=True)
    )


def _returned(markets: Mapping[str, Market], selection: str) -> Range:
    """The share of a stake on this selection's market that is expected back, whatever it comes to."""
    fixture, key, _ = split_selection(selection)
    if key.type == DRAW_NO_BET:
        draw = _chance(markets, f"{MarketKey(MATCH_RESULT).of(fixture)}/draw")
        return UNKNOWN if draw is None else Range(draw, draw)
    if key.line is None or key.type in COUNTING or key.line % 4 == 2:
        return NOTHING
    share = Fraction(1, 1 + key.line % 2)  # of the stake, that stands on the whole line
    hit = _hit(markets, fixture, key.type, key.line)
    return Range(share * hit.least, share * hit.most)


def _hit(markets: Mapping[str, Market], fixture: str, type_: str, line: int) -> Range:
    """The chance that a whole line, or the one beside a quarter line, is hit exactly.

    With A and B the chances of the half lines beyond it on either side, it is 1 - A - B. Where one of them is missing,
    or counts for nothing, the line's own price tells: the upper side wins u = (A + e * hit) / (1 - s * hit), with the
    share s of the stake that stands on the whole line, and e = 1/2 where half of it wins as that is hit.
    """
    upper, lower = ("home", "away") if type_ == HANDICAP else ("over", "under")
    up = -1 if type_ == HANDICAP else 1  # the home side needs more with a lower handicap, over needs more of a higher
    whole = line + {0: 0, 1: -1, 3: 1}[line % 4]
    names = [
        f"{MarketKey(type_, at).of(fixture)}/{outcome}"
        for at, outcome in ((whole + 2 * up, upper), (whole - 2 * up, lower), (line, upper))
    ]
    beyond, short, own = (_chance(markets, name) for name in names)
    most = max(_NIL, 1 - (beyond or _NIL) - (short or _NIL))
    least = max(_NIL, most - _unknown(markets, names[0], beyond) - _unknown(markets, names[1], short))
    beside = beyond or short
    if (beyond and short) or not own or not beside:
        return Range(least, most)
    share, extra = Fraction(1, 1 + line % 2), Fraction(line * up < whole * up, 2)
    above, of = (own - beside, share * own + extra) if beyond else (1 - beside - own, 1 - extra - share * own)
    if of < _TOLD:
        return Range(least, most)
    found = min(max(above / of, least), most)
    return Range(found, found)


def _unknown(markets: Mapping[str, Market], selection: str, found: Fraction | None) -> Fraction:
    """How much more a chance may be than was found: one that counts for nothing is at most what its price implies."""
    if found is None:
        return Fraction(1)
    if found > 0:
        return _NIL
    name, _, outcome = selection.rpartition("/")
    price = markets[name].price_of(outcome)
    return _NIL if price is None else 1 / as_fraction(price)
