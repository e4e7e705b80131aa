"""Drafts: what a fan makes of the books that he sees: a bet type and legs at the prices and generations of now."""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from matchday.model.bet import Leg, Part, combination
from matchday.model.book import Books
from matchday.model.football_markets import OUTCOMES
from matchday.model.ledger import Refusal
from matchday.model.lines import ACCUMULATOR, FULL_COVER, count, default_type
from matchday.model.market import Market, MarketStatus, Selection, selection_id
from matchday.model.messages import OVER
from matchday.model.price import PRICE_MAX, UNIT
from matchday.sim.fans.fan import Fan, Whim

_KINDS: Final = tuple(OUTCOMES)
_SEVERAL: Final = 0.45
"""Share of bets that fans mean to have several legs, where there is more than one match to choose from."""
_LEGS: Final = {2: 24, 3: 20, 4: 16, 5: 11, 6: 9, 7: 8, 8: 12}
"""How many legs, and how often."""
_FORMS: Final = {"accumulator": 38, "cover": 42, "system": 20}
_MODERATE: Final = 4_000
"""Thousandths: the longest price that fans like for one leg of several."""
_TRIES: Final = 6
_PARTS: Final = (2, 2, 2, 3, 4)


class Draft(NamedTuple):
    """A bet without a stake."""

    type: str
    """As it is asked: empty for a single or an accumulator, by its legs."""
    legs: tuple[Leg, ...]

    @property
    def lines(self) -> int:
        """How many it has."""
        return count(self.type or default_type(len(self.legs)), len(self.legs))


class Drafts:
    """Makes them up from the gate's books."""

    def __init__(self, books: Books, price: Callable[[Leg], int | Refusal]) -> None:
        self._books = books
        self._price = price

    def of(self, fan: Fan, fixture: str, whim: Whim) -> list[Draft]:
        """One bet with a leg on the fixture, or several for a slip; none where nothing can be bet on."""
        first = self._first(fan, fixture, whim)
        if first is None:
            return []
        if whim == Whim.TWICE:
            return [Draft(ACCUMULATOR, (first, first))]
        if whim == Whim.RELATED:
            other = self._leg(fan, fixture, moderate=True)
            return [] if other is None or other.selection == first.selection else [Draft("", (first, other))]
        if whim in (Whim.LONG_SHOT, Whim.SHUT) or fan.chance.random() > _SEVERAL:
            return [Draft("", (first,))]
        legs = (first, *self._others(fan, fixture))
        if whim == Whim.SLIP and len(legs) > 1:
            return [Draft("", legs), *(Draft("", (leg,)) for leg in legs[:3])]
        return [Draft(_type(fan, len(legs)), legs)]

    def _first(self, fan: Fan, fixture: str, whim: Whim) -> Leg | None:
        if whim == Whim.COMBINED:
            return self._combination(fan, fixture)
        if whim == Whim.LONG_SHOT:
            found = self._markets(fixture, closed=False)
            offers = [(s.price, market, s) for market in found for s in market.selections]
            longest = max(offers, key=lambda offer: offer[0], default=None)
            return None if longest is None else _leg(fixture, longest[1], longest[2])
        return self._leg(fan, fixture, closed=whim == Whim.SHUT)

    def _others(self, fan: Fan, fixture: str) -> list[Leg]:
        """Legs on other matches that can be bet on."""
        books = self._books.fixtures.items()
        others = [name for name, book in books if name != fixture and book.board.status not in OVER]
        number = min(len(others), fan.draws(_LEGS) - 1)
        legs = [self._leg(fan, name, moderate=True) for name in fan.chance.sample(others, number)]
        return [leg for leg in legs if leg is not None]

    def _leg(self, fan: Fan, fixture: str, *, closed: bool = False, moderate: bool = False) -> Leg | None:
        """A selection of a kind that is drawn first, so that markets of many lines are not bet on more than others."""
        found = self._markets(fixture, closed=closed)
        leg = None
        for _ in range(_TRIES if found else 0):
            kind = fan.chance.choice(_KINDS)
            market = fan.chance.choice([m for m in found if m.type == kind] or found)
            leg = _leg(fixture, market, fan.chance.choice(market.selections))
            if not moderate or leg.price <= _MODERATE:
                break
        return leg

    def _markets(self, fixture: str, *, closed: bool) -> Sequence[Market]:
        book = self._books.fixtures.get(fixture)
        markets = book.markets.values() if book is not None else ()
        return [m for m in markets if (m.status == MarketStatus.CLOSED) == closed and m.selections]

    def _combination(self, fan: Fan, fixture: str) -> Leg | None:
        """Selections of several kinds that have to win together: at their joint price, or at their product for want of
        one."""
        found = self._markets(fixture, closed=False)
        kinds = list(dict.fromkeys(market.type for market in found))
        parts, product = [], UNIT
        for kind in fan.chance.sample(kinds, min(len(kinds), fan.chance.choice(_PARTS))):
            market = fan.chance.choice([m for m in found if m.type == kind])
            selection = fan.chance.choice(market.selections)
            name = selection_id(market.market, selection.outcome)
            parts.append(Part(market.market, name, market.generation))
            product = min(PRICE_MAX, product * selection.price // UNIT)
        if len(parts) < 2:
            return None
        joint = self._price(combination(fixture, product, parts))
        return combination(fixture, joint if isinstance(joint, int) else product, parts)


def _leg(fixture: str, market: Market, selection: Selection) -> Leg:
    name = selection_id(market.market, selection.outcome)
    return Leg(fixture, market.market, name, selection.price, market.generation)


def _type(fan: Fan, legs: int) -> str:
    """A type that goes with so many legs."""
    form = fan.draws(_FORMS)
    covers = [name for name, (number, _) in FULL_COVER.items() if number == legs]
    if form == "cover" and covers:
        return fan.chance.choice(covers)
    if form == "system" and legs > 1:
        return f"system:{fan.chance.randint(1, legs)}/{legs}"
    return fan.chance.choice(("", default_type(legs)))
