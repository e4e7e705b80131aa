"""Cash-out: what an open bet is worth before its legs are decided, and the quote of it. Exact, without a clock.

A leg that is decided is worth its multiplier m (``model/bet.py``). One that is not is worth what it can be expected to
return, as the current book sees it:

    V + (1 - V) * p * O

with the price O at which it was accepted, the chance p that it wins where the stake is not returned, and the share V
of the stake that is expected back whatever happens (draw no bet, whole and quarter lines). A bet is worth the mean over
its lines of the products of their legs: exactly what they return on average, as legs of one bet are on different
fixtures. What is offered is that, less the margin, rounded down once, and never more than the lines return if every
open leg wins (sportsbook rules §3.3, "Cash-out"; fair value less a margin:
https://www.bettingoffers.uk/articles/how-is-cash-out-calculated-is-it-worth-it/).
"""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from hashlib import blake2b
from math import comb
from typing import NamedTuple

import msgspec

from matchday.model import lines
from matchday.model.bet import OUTCOMES, Bet, Leg, Outcome, Result, combination
from matchday.model.price import UNIT, as_fraction


class LegNow(NamedTuple):
    """What one unit of stake on a leg is worth now, and what it becomes at most."""

    expected: Fraction
    most: Fraction


class Range(NamedTuple):
    """What a number is at least and at most, where a book does not say more."""

    least: Fraction
    most: Fraction


NOTHING = Range(Fraction(0), Fraction(0))
UNKNOWN = Range(Fraction(0), Fraction(1))


def decided(price: int, outcome: Outcome) -> LegNow:
    """A leg accepted at a price of thousandths that came to that outcome."""
    multiplier = outcome.multiplier(price)
    return LegNow(multiplier, multiplier)


def undecided(price: int, chance: Fraction, returned: Range = NOTHING) -> LegNow:
    """A leg accepted at a price of thousandths that wins with that chance where its stake is not ``returned``: what it
    is worth at least, whatever that share is within its range."""
    most = as_fraction(price)
    wins = chance * most
    if returned is NOTHING:  # of most legs; exact rationals are slow
        return LegNow(wins, most)
    return LegNow(min(share + (1 - share) * wins for share in returned), most)


def rest_of(leg: Leg, held: Mapping[str, tuple[int, Outcome | None]]) -> Leg:
    """What of an undecided leg is still open, by the ledger's decisions: of a combination the parts that are not won
    yet, at its price; at 1.000 where a part is void, as then all of it is, unless another part loses."""
    outcomes = [held.get(part.selection, (0, None))[1] for part in leg.parts]
    if all(outcome is None for outcome in outcomes):
        return leg
    void = any(outcome not in (None, OUTCOMES[Result.WON]) for outcome in outcomes)
    price = UNIT if void else leg.price
    parts = [part for part, outcome in zip(leg.parts, outcomes, strict=True) if outcome is None]
    if len(parts) > 1:
        return combination(leg.fixture, price, parts)
    return Leg(leg.fixture, parts[0].market, parts[0].selection, price, parts[0].generation)


def offer(bet_type: str, stake: int, legs: Sequence[LegNow], margin: int) -> int:
    """Minor units to be paid for ``stake`` minor units of a bet, with a margin of thousandths; 0 where it is worth
    nothing. LinesError where type and legs do not go together.

    Lines that return something are paid one by one, each rounded down: the most that they return is surely not below
    their sum, rounded down, less one minor unit for each line but the first.
    """
    fair = lines.mean(bet_type, [leg.expected for leg in legs])
    best = lines.mean(bet_type, [leg.most for leg in legs])
    alive = sum(leg.most > 0 for leg in legs)
    paying = sum(comb(alive, size) for size in lines.sizes(bet_type, len(legs)))
    offered = stake * fair.numerator * (UNIT - margin) // (fair.denominator * UNIT)
    return max(0, min(offered, stake * best.numerator // best.denominator - max(0, paying - 1)))


class Quote(msgspec.Struct, frozen=True, array_like=True):
    """What a fan is offered for a part of a bet, for a while."""

    account: str
    bet: str
    stake: int
    """Minor units of the bet's stake that it would cash out."""
    amount: int
    """Minor units that would be paid for them."""
    until_ms: int
    """Exclusive."""
    standing: int
    """The version that ``ledger.standing`` gave when it was valued."""
    markets: str
    """``seen`` of the markets of the legs that were open then."""


def seen(markets: Iterable[tuple[str, int]]) -> str:
    """A short name for markets in their generations: with another one, something material has happened to one of them,
    or it is another one that decides."""
    return _short(sorted(markets))


def automatic_id(bet: Bet, standing: int, books: Iterable[tuple[str, int, int]]) -> str:
    """The id of a bet's cash-out by its own threshold, when its legs stand so and the books of its fixtures have those
    versions (fixture, epoch, n). Gates that have heard the same derive the same id, and the ledger answers it once;
    when it was refused, the next change of a book makes another one."""
    return f"auto:{bet.bet}:{_short((standing, bet.cashed, bet.cash_out_at, sorted(books)))}"


def _short(said: object) -> str:
    return blake2b(msgspec.json.encode(said), digest_size=9).hexdigest()
