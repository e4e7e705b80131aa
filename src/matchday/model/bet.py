"""Bet, leg and result: what is placed, what decides it, and what it returns.

Settlement algebra (Sportradar UOF fields; sportsbook rules §3.1): the multiplier of a leg is

    m = v + (1 - v) * r * d * O

with the void share v in {0, 1/2, 1}, the result r in {0, 1}, the dead-heat factor d in (0, 1] and the accepted price O.
``model/lines.py`` says which legs make a line, and what the lines of a bet return together.
"""

from collections.abc import Sequence
from enum import StrEnum
from fractions import Fraction
from typing import Annotated, Final, Protocol

import msgspec

from matchday.model import lines
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

OUTCOMES: Final[dict[Result, Outcome]] = {
    Result.WON: Outcome(Result.WON),
    Result.LOST: Outcome(Result.LOST),
    Result.VOID: VOID,
    Result.HALF_WON: Outcome(Result.HALF_WON, void_halves=1),
    Result.HALF_LOST: Outcome(Result.HALF_LOST, void_halves=1),
}
"""The outcome of each result without a dead heat; half results return half of the stake (quarter lines)."""

TIED_MAX: Final = 1000
"""Selections tied in one dead heat; more are no race."""


def dead_heat(places: int, tied: int) -> Outcome:
    """The outcome of a selection that tied with others for the places that were left; ValueError for no dead heat.

    The stake is reduced to places/tied of itself, at the full price. Where there is a place for each, all have won.
    """
    if not (1 <= places <= TIED_MAX and 1 <= tied <= TIED_MAX):
        raise ValueError(f"a dead heat is [places, tied], each from 1 to {TIED_MAX}")
    return Outcome(Result.WON, dead_heat=(places, tied)) if places < tied else OUTCOMES[Result.WON]


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
    BetStatus.SETTLED: frozenset(BetStatus),  # resettled by a correction, or rolled back
    BetStatus.VOID: frozenset(BetStatus),
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
    """The version of ``ledger.standing`` that it was last brought to; 0 before."""
    type: str = ""
    """A type of ``model/lines.py``. Left out, as in bets of before types: a single or an accumulator, by its legs."""
    free: bool = False
    """Whether the house gave the stake: then it is not returned."""
    owed: int = 0
    """Minor units that a correction could not take back: what the fan has had beyond ``returns``."""

    def __post_init__(self) -> None:
        if not self.type:
            msgspec.structs.force_setattr(self, "type", lines.default_type(len(self.legs)))


class Priced(Protocol):
    """What settlement needs of a leg."""

    @property
    def price(self) -> int:
        """Thousandths."""


def return_of(
    stake: int, legs: Sequence[Priced], outcomes: Sequence[Outcome], bet_type: str = "", *, free: bool = False
) -> int:
    """All that comes back of a bet in minor units: exact, rounded down once per line.

    ``stake`` is the total in minor units. Without a type it is a single or an accumulator, by its legs. ``LinesError``
    where the type has another number of legs.
    """
    bet_type = bet_type or lines.default_type(len(legs))
    multipliers = [outcome.multiplier(leg.price) for leg, outcome in zip(legs, outcomes, strict=True)]
    return lines.returns(bet_type, stake, multipliers, free=free)


def status_of(outcomes: Sequence[Outcome]) -> BetStatus:
    """The state of a bet whose legs are all decided: void where every leg is."""
    return BetStatus.VOID if all(outcome.result == Result.VOID for outcome in outcomes) else BetStatus.SETTLED
