"""Bet, leg and result: what is placed, what decides it, and what it returns.

Settlement algebra (Sportradar UOF fields; sportsbook rules §3.1): the multiplier of a leg is

    m = v + (1 - v) * r * d * O

with the void share v in {0, 1/2, 1}, the result r in {0, 1}, the dead-heat factor d in (0, 1] and the accepted price O.
A bet returns stake * product of its legs' multipliers, an exact rational, rounded down once.
"""

from enum import StrEnum
from fractions import Fraction
from typing import Annotated, Final

import msgspec

from matchday.model.price import as_fraction


class Policy(StrEnum):
    """What the fan allows the price to do between seeing it and acceptance."""

    NONE = "none"  # any difference refuses
    BETTER = "better"  # the same or a longer price is taken
    ANY = "any"  # whatever the current price is


class Result(StrEnum):
    """The result of one leg."""

    WON = "won"
    LOST = "lost"
    VOID = "void"
    HALF_WON = "half_won"
    HALF_LOST = "half_lost"


class Outcome(msgspec.Struct, frozen=True):
    """A decision on a selection: result, void share and dead-heat factor, as integers so that it travels exactly."""

    result: Result
    void_halves: int = 0
    """Halves of the stake that are returned whatever the result: 0, 1 or 2."""
    dead_heat: tuple[int, int] = (1, 1)
    """Places and how many tied for them; (1, 1) without a dead heat."""

    def multiplier(self, price: int) -> Fraction:
        """What one unit of stake becomes at an accepted price of thousandths."""
        void = Fraction(self.void_halves, 2)
        if self.result not in (Result.WON, Result.HALF_WON):
            return void
        return void + (1 - void) * Fraction(*self.dead_heat) * as_fraction(price)


VOID: Final = Outcome(Result.VOID, void_halves=2)

LEGS_MAX: Final = 20
"""Legs of one bet; more are refused at the door."""

Id = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]


class Leg(msgspec.Struct, frozen=True):
    """One selection of a bet, at the price and the generation that the fan saw (or, once accepted, got)."""

    fixture: str
    market: str
    selection: str
    price: int
    """Thousandths."""
    generation: int


class BetStatus(StrEnum):
    """Where a bet stands. The only moves are those of ``BET_MOVES``."""

    OPEN = "open"
    SETTLED = "settled"
    VOID = "void"


BET_MOVES: Final[dict[BetStatus, frozenset[BetStatus]]] = {
    BetStatus.OPEN: frozenset({BetStatus.SETTLED, BetStatus.VOID}),
    BetStatus.SETTLED: frozenset({BetStatus.SETTLED, BetStatus.VOID}),  # resettled by a correction
    BetStatus.VOID: frozenset({BetStatus.SETTLED, BetStatus.VOID}),
}


class Bet(msgspec.Struct, frozen=True):
    """A placed and accepted bet. ``legs`` holds what was accepted; a single has one."""

    bet: str
    """Our id."""
    id: str
    """The caller's id."""
    account: str
    currency: str
    stake: int
    """Minor units."""
    policy: Policy
    legs: tuple[Leg, ...]
    placed_ms: int
    status: BetStatus = BetStatus.OPEN
    returns: int = 0
    """Minor units, once settled."""
    version: int = 0
    """The decision version it was settled at; 0 while open."""


def return_of(stake: int, legs: tuple[Leg, ...], outcomes: tuple[Outcome, ...]) -> int:
    """All that comes back of a bet in minor units: exact, rounded down once."""
    total = Fraction(stake)
    for leg, outcome in zip(legs, outcomes, strict=True):
        total *= outcome.multiplier(leg.price)
    return total.numerator // total.denominator


def status_of(outcomes: tuple[Outcome, ...]) -> BetStatus:
    """The state of a bet whose legs are all decided: void where every leg is."""
    return BetStatus.VOID if all(outcome.result == Result.VOID for outcome in outcomes) else BetStatus.SETTLED
