"""Valuing a bet by the gate's books and the ledger's decisions, as both stand at this moment. Nothing is kept here."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from matchday.faults import Faults
from matchday.model.bet import Bet, BetStatus, Leg, Outcome, undecided
from matchday.model.book import Books
from matchday.model.cash_out import LegNow, decided, offer, rest_of, seen
from matchday.model.ledger import Refusal, Window, standing
from matchday.model.market import Market, MarketStatus
from matchday.model.messages import FixtureStatus
from matchday.model.money import amount_text
from matchday.ports import Ledger

Price = Callable[[Leg], int | Refusal]
"""The price of a leg now, in thousandths, or why there is none: its markets must be open, and the odds not stale."""
Worth = Callable[[Mapping[str, Market], Leg, int], LegNow | None]
"""(a fixture's markets by id, an open leg on it, its price now) -> what it is worth, or None where nobody can say."""


_NOBODY: Final = "nobody can say what it is worth"


class Valued(NamedTuple):
    """What a bet, or a part of it, would be cashed out for."""

    amount: int
    """Minor units, more than zero."""
    standing: int
    """The version that ``ledger.standing`` gives."""
    markets: str
    """``cash_out.seen`` of the markets of its open legs."""
    books: tuple[tuple[str, int, int], ...]
    """Fixture, epoch and n of the books by which it was valued."""


class Valuer:
    """One gate's valuation, by the books it holds."""

    def __init__(self, ledger: Ledger, books: Books, margin: int, price: Price, worth: Worth, faults: Faults) -> None:
        self._ledger, self._books, self._margin = ledger, books, margin
        self._price, self._worth, self._faults = price, worth, faults

    def value(self, bet: Bet, stake: int) -> Valued | str:
        """What is offered now for so many minor units of an open bet's stake, or why nothing is. LedgerUnavailable."""
        return self._values([(bet, stake)])[0]

    def values(self, bets: Sequence[Bet]) -> list[Valued | str]:
        """The same for all that remains of each bet."""
        return self._values([(bet, bet.remaining) for bet in bets])

    def _values(self, asked: Sequence[tuple[Bet, int]]) -> list[Valued | str]:
        legs = [leg for bet, _ in asked for leg in bet.legs]
        held = self._ledger.decisions(list(dict.fromkeys(name for leg in legs for name in leg.selections)))
        windows = self._ledger.windows(list(dict.fromkeys(leg.fixture for leg in legs)))
        return [self._value(bet, stake, held, windows) for bet, stake in asked]

    def _value(
        self,
        bet: Bet,
        stake: int,
        held: Mapping[str, tuple[int, Outcome | None]],
        windows: Mapping[str, Sequence[Window]],
    ) -> Valued | str:
        if bet.status != BetStatus.OPEN or bet.free:
            return f"the bet is {bet.status}" if bet.status != BetStatus.OPEN else "a free bet cannot be cashed out"
        if not 0 < stake <= bet.remaining:
            return f"{amount_text(bet.remaining, bet.currency)} of the stake is left"
        version, outcomes = standing(bet, held, windows)
        if not undecided(outcomes, bet.type):
            return "what comes back of it is decided: it is being settled"
        worth, markets = list[LegNow](), dict[str, int]()
        for index, (leg, outcome) in enumerate(zip(bet.legs, outcomes, strict=True)):
            found = self._decided(leg, outcome) if outcome is not None else self._open(rest_of(leg, held), markets)
            if isinstance(found, str):
                return f"leg {index + 1}: {found}"
            worth.append(found)
        amount = offer(bet.type, stake, worth, self._margin)
        if amount == 0:
            return "it is worth nothing now"
        return Valued(amount, version, seen(markets.items()), self._versions(bet.legs))

    def _decided(self, leg: Leg, outcome: Outcome) -> LegNow | str:
        """What is decided on a match that is being played may be withdrawn as long as its book is suspended."""
        book = self._books.fixtures.get(leg.fixture)
        live = book is not None and book.board.status == FixtureStatus.LIVE
        if book is not None and live and all(m.status != MarketStatus.OPEN for m in book.markets.values()):
            return Refusal.MARKET_SUSPENDED
        return decided(leg.price, outcome)

    def _open(self, leg: Leg, markets: dict[str, int]) -> LegNow | str:
        """What is still open; ``markets`` gets the generations of its markets. A model that breaks on what one market
        has become is that bet's answer: a threshold is looked at by all gates, again and again."""
        try:
            return self._open_now(leg, markets)
        except Exception as error:  # noqa: BLE001 - logged; one market's fault is not the others'
            self._faults.say(leg.fixture, leg.market, error)
            return _NOBODY

    def _open_now(self, leg: Leg, markets: dict[str, int]) -> LegNow | str:
        price, book = self._price(leg), self._books.fixtures.get(leg.fixture)
        if isinstance(price, Refusal) or book is None:
            return price if isinstance(price, Refusal) else Refusal.SELECTION_UNKNOWN
        markets.update((name, book.markets[name].generation) for name in leg.markets)
        return self._worth(book.markets, leg, price) or _NOBODY

    def _versions(self, legs: Sequence[Leg]) -> tuple[tuple[str, int, int], ...]:
        found = ((leg.fixture, self._books.fixtures.get(leg.fixture)) for leg in legs)
        return tuple((fixture, book.epoch, book.n) for fixture, book in found if book is not None)
