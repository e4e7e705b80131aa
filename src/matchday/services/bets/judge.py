"""Judging a bet by the gate's books: its legs, its prices, its stake, and what it charges. Nothing is kept here."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import msgspec

from matchday.config import Bets as BetSettings
from matchday.model import lines
from matchday.model.bet import PARTS_MAX, Leg, Part, Policy, combination, most_of
from matchday.model.book import Books, FixtureBook
from matchday.model.ledger import Charge, PlaceBet, Refusal
from matchday.model.market import Market, MarketStatus
from matchday.model.messages import FixtureStatus
from matchday.model.price import UNIT
from matchday.services.bets.owners import Heard

Combine = Callable[[FixtureBook, Sequence[tuple[Market, str]]], int | str]
"""(a fixture's book, markets and outcomes) -> the joint price in thousandths, or why there is none."""

_BY_STATUS: Final = {
    MarketStatus.SUSPENDED: Refusal.MARKET_SUSPENDED,
    MarketStatus.INACTIVE: Refusal.MARKET_SUSPENDED,
    MarketStatus.CLOSED: Refusal.MARKET_CLOSED,
}
_LIMITS_KEPT: Final = 4_096
"""Legs whose guards' names are kept, and prices whose largest stake is; others' are made anew."""
_ORDER: Final = {refusal: place for place, refusal in enumerate(Refusal)}
"""Of several legs' reasons the first is given."""


class Judged(NamedTuple):
    """Legs at the prices at which they would be taken now, or why they would not be."""

    legs: tuple[Leg, ...] = ()
    refusal: Refusal | None = None
    detail: str = ""


class Stakes(NamedTuple):
    """The stakes that a gate would take on some legs, in minor units, and why it would not take one."""

    refusal: Refusal | None
    least: int
    most: int


class Judge:
    """One gate's judgement, by the books it holds."""

    def __init__(self, books: Books, settings: BetSettings, combine: Combine) -> None:
        self._books = books
        self._settings = settings
        self._combine = combine
        self._limits = lru_cache(maxsize=_LIMITS_KEPT)(self._limits_of)
        self._single_within = lru_cache(maxsize=_LIMITS_KEPT)(self._single_within_of)

    # --- the legs -----------------------------------------------------------------------------------------------------

    def legs(self, command: PlaceBet, heard: Heard, *, given: Sequence[Leg] = ()) -> Judged:
        """The legs as they would be taken now, or the first refusal that applies. ``given`` are legs at prices that a
        trader stands for: then only markets and generations are judged."""
        if refusal := related(command.asked):
            return Judged(refusal=refusal)
        found: list[Leg] = []
        refused: list[tuple[Refusal, int]] = []
        for index, asked in enumerate(command.asked):
            price = self._price(asked, heard)
            if isinstance(price, int) and given:
                price = given[index].price
            elif isinstance(price, int) and not within(command.policy, command.tolerance, asked.price, price):
                price = Refusal.PRICE_MOVED
            if isinstance(price, Refusal):
                refused.append((price, index))
            else:
                found.append(asked if price == asked.price else msgspec.structs.replace(asked, price=price))
        if refused:
            refusal, index = min(refused, key=lambda one: _ORDER[one[0]])
            return Judged(refusal=refusal, detail=f"leg {index + 1}: {command.asked[index].selection}")
        return Judged(tuple(found))

    def now(self, command: PlaceBet) -> PlaceBet:
        """The command with its legs at the generations that their markets have now; unknown ones as they are."""
        found = [(leg, self._now(leg)) for leg in command.asked]
        asked = tuple(leg if isinstance(now, Refusal) else now for leg, now in found)
        return msgspec.structs.replace(command, asked=asked)

    def price(self, asked: Leg, heard: Heard) -> int | Refusal:
        """The price of a leg now, whatever price or generation was asked."""
        now = self._now(asked)
        return now if isinstance(now, Refusal) else self._price(now, heard)

    def _now(self, asked: Leg) -> Leg | Refusal:
        """The leg at the generations that its markets have now."""
        parts = []
        for part in _parts(asked):
            market = self._books.market(asked.fixture, part.market)
            if market is None:
                return Refusal.SELECTION_UNKNOWN
            parts.append(msgspec.structs.replace(part, generation=market.generation))
        if asked.parts:
            return combination(asked.fixture, asked.price, parts)
        return msgspec.structs.replace(asked, generation=parts[0].generation)

    def _price(self, asked: Leg, heard: Heard) -> int | Refusal:
        """The current price of a leg whose markets are open, in the generation that the fan saw."""
        if not asked.parts:
            part = self._part(asked.fixture, asked, heard)
            return part if isinstance(part, Refusal) else part[2]
        found = [self._part(asked.fixture, part, heard) for part in asked.parts]
        refused = [part for part in found if isinstance(part, Refusal)]
        if refused:
            return min(refused, key=_ORDER.__getitem__)
        held = [part for part in found if not isinstance(part, Refusal)]
        joint = self._combine(self._books.fixtures[asked.fixture], [(market, outcome) for market, outcome, _ in held])
        if isinstance(joint, int):
            return joint
        contradictory = joint == Refusal.LEGS_CONTRADICTORY
        return Refusal.LEGS_CONTRADICTORY if contradictory else Refusal.COMBINATION_UNPRICED

    def _part(self, fixture: str, part: Part | Leg, heard: Heard) -> tuple[Market, str, int] | Refusal:
        """The market, outcome and price of one selection, or the first reason why it cannot be backed."""
        market = self._books.market(fixture, part.market)
        named, _, outcome = part.selection.rpartition("/")
        price = self._books.price(market, outcome) if market else None
        if market is None or price is None or named != part.market:  # settlement finds a bet by this very id
            return Refusal.SELECTION_UNKNOWN
        if market.status != MarketStatus.OPEN:
            return _BY_STATUS[market.status]
        book = self._books.fixtures[fixture]
        if (owner := heard.get(book.share)) is None or book.epoch < owner:  # a new owner has not spoken of it yet
            return Refusal.MARKET_SUSPENDED
        if market.generation != part.generation:
            return Refusal.GENERATION_STALE
        return market, outcome, price

    def in_play(self, legs: Sequence[Leg]) -> bool:
        """Whether a leg is on a match that is being played."""
        books = self._books.fixtures
        return any(leg.fixture in books and books[leg.fixture].board.status == FixtureStatus.LIVE for leg in legs)

    # --- the stake ----------------------------------------------------------------------------------------------------

    def stake(self, command: PlaceBet, legs: Sequence[Leg]) -> Stakes:
        """What stakes would be taken on these legs, and why the command's would not be."""
        bet_type = command.type or lines.default_type(len(legs))
        within_return = (
            self._single_within(legs[0].price) if bet_type == lines.SINGLE
            else lines.stake_within(self._settings.return_max, most_of(legs, bet_type))
        )  # fmt: skip
        most = self.stake_max(legs)
        least = max(self._settings.stake_min, lines.count(bet_type, len(legs)))
        refusal = None
        if command.stake < least:
            refusal = Refusal.STAKE_BELOW_MINIMUM
        elif command.stake > most:
            refusal = Refusal.STAKE_ABOVE_MAXIMUM
        elif command.stake > within_return:
            refusal = Refusal.RETURN_ABOVE_MAXIMUM
        return Stakes(refusal, least, min(most, within_return))

    def _single_within_of(self, price: int) -> int:
        return lines.stake_within(self._settings.return_max, lines.most(lines.SINGLE, [price]))

    def stake_max(self, legs: Sequence[Leg]) -> int:
        """The platform's maximum, or a trader's lower one for a market."""
        most = self._settings.stake_max
        for leg in legs:
            for name in leg.markets:
                market = self._books.market(leg.fixture, name)
                if market is not None and market.stake_max is not None:
                    most = min(most, market.stake_max)
        return most

    def charges(self, command: PlaceBet, legs: Sequence[Leg]) -> tuple[Charge, ...]:
        """The bet's full liability against its account and every selection, market and fixture of its legs; of all but
        the account's in this gate's share."""
        settings, reached = self._settings, Refusal.EXPOSURE_REACHED
        amount = liability(command.stake, command.type, legs)
        guard = f"exposure:account:{command.account}"
        return (
            Charge(guard, amount, settings.exposure_account_max, reached),
            *[Charge(guard, amount, cap, reached) for leg in legs for guard, cap in self._limits(
                leg.fixture, leg.markets, leg.selections
            )],
        )  # fmt: skip

    def _limits_of(
        self, fixture: str, markets: tuple[str, ...], selections: tuple[str, ...]
    ) -> tuple[tuple[str, int], ...]:
        """The guards of one leg, and this gate's share of each one's limit. No two legs of a bet are on one fixture."""
        settings = self._settings
        names = dict.fromkeys(selections, settings.exposure_selection_max)
        names |= dict.fromkeys(markets, settings.exposure_market_max)
        names[fixture] = settings.exposure_fixture_max
        writer, writers = settings.writer, settings.writers
        return tuple((f"exposure:{name}#{writer}", cap // writers) for name, cap in names.items())


def related(legs: Sequence[Leg]) -> Refusal | None:
    """Legs of one bet are on different fixtures: what is related is priced together, as a combination."""
    if len(legs) == 1 and not legs[0].parts:
        return None
    selections = [selection for leg in legs for selection in leg.selections]
    if len(set(selections)) < len(selections):
        return Refusal.SELECTION_REPEATED
    if len({leg.fixture for leg in legs}) < len(legs):
        return Refusal.LEGS_RELATED
    if any(len(leg.parts) > PARTS_MAX or len(leg.parts) == 1 for leg in legs):
        return Refusal.COMBINATION_UNPRICED
    return None


def within(policy: Policy, tolerance: int | None, asked: int, price: int) -> bool:
    """Whether a price may be taken by the fan's policy. A tolerance is in thousandths of the price that was asked:
    under ``none`` it may differ by as much either way, under the others be as much shorter (sportsbook rules §3.3)."""
    if policy == Policy.ANY and tolerance is None:
        return True
    most = asked * (tolerance or 0)
    if policy == Policy.NONE:
        return abs(price - asked) * UNIT <= most
    return (asked - price) * UNIT <= most


def liability(stake: int, bet_type: str, legs: Sequence[Leg]) -> int:
    """The most the house can lose on a bet in minor units: what it returns if every leg wins, less the stake."""
    per_unit = most_of(legs, bet_type)
    return stake * per_unit.numerator // per_unit.denominator - stake


def _parts(leg: Leg) -> Sequence[Part]:
    return leg.parts or (Part(leg.market, leg.selection, leg.generation),)
