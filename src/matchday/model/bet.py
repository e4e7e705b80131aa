"""Bet, leg and result: what is placed, what decides it, and what it returns.

Settlement algebra (Sportradar UOF fields; sportsbook rules §3.1): the multiplier of a leg is

    m = v + (1 - v) * r * d * O

with the void share v in {0, 1/2, 1}, the result r in {0, 1}, the dead-heat factor d in (0, 1] and the accepted price O.
``model/lines.py`` says which legs make a line, and what the lines of a bet return together.
"""

from collections.abc import Sequence
from enum import StrEnum
from fractions import Fraction
from functools import lru_cache
from typing import Annotated, Final, Protocol

import msgspec

from matchday.model import lines
from matchday.model.price import UNIT


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


_WON, _HALF_WON, _VOIDED = Result.WON, Result.HALF_WON, Result.VOID  # asked of every leg: a member is not found at once


class Outcome(msgspec.Struct, frozen=True):
    """A decision on a selection: result, void share and dead-heat factor, as integers so that it travels exactly."""

    result: Result
    void_halves: int = 0
    """Halves of the stake that are returned whatever the result: 0, 1 or 2."""
    dead_heat: tuple[int, int] = (1, 1)
    """Places and how many tied for them; (1, 1) without a dead heat."""

    def ratio(self, price: int) -> tuple[int, int]:
        """What one unit of stake becomes at an accepted price of thousandths, as numerator and denominator."""
        result = self.result
        if result is _WON and not self.void_halves and self.dead_heat == (1, 1):
            return price, UNIT
        if result is not _WON and result is not _HALF_WON:
            return self.void_halves, 2
        places, tied = self.dead_heat
        return self.void_halves * tied * UNIT + (2 - self.void_halves) * places * price, 2 * tied * UNIT

    def multiplier(self, price: int) -> Fraction:
        """What one unit of stake becomes at an accepted price of thousandths."""
        return Fraction(*self.ratio(price))


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


class Part(msgspec.Struct, frozen=True):
    """One selection of a combination, at the generation that the fan saw."""

    market: str
    selection: str
    generation: int


class Leg(msgspec.Struct, frozen=True, omit_defaults=True):
    """One selection of a bet, or a combination of several on one fixture, at the price that the fan saw (or, once
    accepted, got)."""

    fixture: str
    market: str
    """Of a combination ``FIXTURE:combination``, which is no market of the book."""
    selection: str
    price: int
    """Thousandths; of a combination the joint price of all its parts."""
    generation: int
    parts: tuple[Part, ...] = ()
    """Of a combination: the selections that have to win together."""

    @property
    def selections(self) -> tuple[str, ...]:
        """What has to be decided before the leg is."""
        return tuple(part.selection for part in self.parts) if self.parts else (self.selection,)

    @property
    def markets(self) -> tuple[str, ...]:
        """The markets of its selections."""
        return tuple(part.market for part in self.parts) if self.parts else (self.market,)


PARTS_MAX: Final = 10
"""Parts of one combination (Sportradar MTS: at most 10 selections of a custom bet)."""


def combination(fixture: str, price: int, parts: Sequence[Part]) -> Leg:
    """The leg of a combination, its parts in one order, so that equal combinations are equal legs."""
    ordered = tuple(sorted(parts, key=lambda part: part.selection))
    name = f"{fixture}:combination"
    return Leg(fixture, name, f"{name}/all", price, 0, ordered)


class BetStatus(StrEnum):
    """Where a bet stands. The only moves are those of ``BET_MOVES``."""

    OPEN = "open"
    SETTLED = "settled"
    VOID = "void"
    CASHED_OUT = "cashed_out"  # all of it: a cash-out is final, whatever its legs come to


_BY_LEGS: Final = frozenset({BetStatus.OPEN, BetStatus.SETTLED, BetStatus.VOID})
BET_MOVES: Final[dict[BetStatus, frozenset[BetStatus]]] = {
    BetStatus.OPEN: frozenset({BetStatus.SETTLED, BetStatus.VOID, BetStatus.CASHED_OUT}),
    BetStatus.SETTLED: _BY_LEGS,  # resettled by a correction, or rolled back
    BetStatus.VOID: _BY_LEGS,
    BetStatus.CASHED_OUT: frozenset(),
}


class Bet(msgspec.Struct, frozen=True, omit_defaults=True):
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
    """Minor units, once settled: what the part of the stake that was not cashed out returns."""
    version: int = 0
    """The version of ``ledger.standing`` that it was last brought to; 0 before."""
    type: str = ""
    """A type of ``model/lines.py``. Left out, as in bets of before types: a single or an accumulator, by its legs."""
    free: bool = False
    """Whether the house gave the stake: then it is not returned."""
    owed: int = 0
    """Minor units that a correction could not take back: what the fan has had beyond ``returns``."""
    free_bet: str = ""
    """Of a free bet: which one."""
    cashed: int = 0
    """Minor units of the stake that were cashed out."""
    cash: int = 0
    """Minor units that were paid for them."""
    cash_out_at: int | None = None
    """Minor units: the fan has it cashed out as soon as so much is offered."""

    def __post_init__(self) -> None:
        if not self.type:
            msgspec.structs.force_setattr(self, "type", lines.default_type(len(self.legs)))

    @property
    def remaining(self) -> int:
        """Minor units of the stake that its legs decide: what was not cashed out."""
        return self.stake - self.cashed


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
    ratios = (outcome.ratio(leg.price) for leg, outcome in zip(legs, outcomes, strict=True))
    if lines.has_one(bet_type, len(legs)):
        return lines.returns_of_one(stake, ratios, free=free)
    return lines.returns(bet_type, stake, [Fraction(*ratio) for ratio in ratios], free=free)


def most_returned(stake: int, legs: Sequence[Priced], bet_type: str = "", *, free: bool = False) -> int:
    """What ``return_of`` says where every leg wins, in minor units. ``LinesError`` as there."""
    bet_type = bet_type or lines.default_type(len(legs))
    if lines.has_one(bet_type, len(legs)):
        return return_of(stake, legs, [OUTCOMES[_WON]] * len(legs), bet_type, free=free)
    return _most_of_lines(bet_type, stake, tuple(leg.price for leg in legs), free)


@lru_cache(maxsize=4_096)  # of a big system, some milliseconds each time that its fan's bets are shown
def _most_of_lines(bet_type: str, stake: int, prices: tuple[int, ...], free: bool) -> int:
    return lines.returns(bet_type, stake, [Fraction(price, UNIT) for price in prices], free=free)


def most_of(legs: Sequence[Priced], bet_type: str = "") -> Fraction:
    """What one unit of total stake returns where every leg wins, unrounded. ``LinesError`` as ``return_of``."""
    return lines.most(bet_type or lines.default_type(len(legs)), [leg.price for leg in legs])


def combined(outcomes: Sequence[Outcome | None]) -> Outcome | None:
    """What a combination comes to by its parts: lost with any lost part, else undecided with any undecided one, else
    void with any that is void (its joint price is of all parts together; sportsbook rules §3.1, "same-game void leg",
    the rule of DraftKings), else won. Parts that can half win are not combined; one that does so all the same, by a
    correction, voids it."""
    if any(outcome is not None and outcome.result == Result.LOST for outcome in outcomes):
        return OUTCOMES[Result.LOST]
    if any(outcome is None for outcome in outcomes):
        return None
    won = OUTCOMES[Result.WON]
    return won if all(outcome == won for outcome in outcomes) else VOID


def undecided(outcomes: Sequence[Outcome | None], bet_type: str = "") -> bool:
    """Whether what comes back of a bet still depends on a leg that is undecided (None). Where each of its lines has a
    leg that lost nothing does, whatever the others come to: an accumulator is lost with its first leg, a system once
    fewer legs are left than its shortest lines have (sportsbook rules §3.2, "any m = 0 kills it")."""
    if None not in outcomes:
        return False
    left = sum(outcome is None or outcome.ratio(UNIT)[0] > 0 for outcome in outcomes)
    return left >= lines.shortest(bet_type or lines.default_type(len(outcomes)), len(outcomes))


def status_of(outcomes: Sequence[Outcome]) -> BetStatus:
    """The state of a bet whose legs are all decided: void where every leg is."""
    for outcome in outcomes:
        if outcome.result is not _VOIDED:
            return BetStatus.SETTLED
    return BetStatus.VOID
