"""Joint prices: several parts on one fixture as one selection (a "bet builder"), from the grid and the clock that price
the single markets.

A combination is won where every part is won, lost where any part is lost, and else void as a whole, where a part is
void and none is lost: lost beats void, void beats won (sportsbook rules §3.1, same-game void leg: DraftKings' rule, but
that a lost part loses). Its fair price is (1 - P(void)) / P(won), as a single's. What is offered is

    fair joint price x product over the parts of (price offered / fair price)

so that parts which are independent cost what an accumulator of them costs, the overround of each part and what a trader
shifted carry over, and correlated parts get their joint price. (An accumulator of 1.80 and 2.10 pays 3.78, where a book
that knows how the two hang together offers 3.22: https://betcalc365.com/blog/bet-builder-pricing-maths.) What a trader
lengthened carries over once, by its largest share: he moves all markets that his opinion is about, and parts that
follow from each other would be lengthened by each of them. Nor is a combination longer than a part that cannot be won
without all others. A part at ``PRICE_MIN`` brings at most its fair price: the floor lifts near certainties above it,
and ten of them would add up.

What a part comes to is what ``football_markets`` says of each score that may come, so that prices cannot disagree with
settlement. Parts hang on the final score, on the score at half-time, or on who gets which goal; half-time/full-time is
a result of each. As goals of a side fall in either half independently of each other, scores of both halves come from
the one grid. Which side gets the n-th goal: both sides' rates run with one clock and a sending-off multiplies what is
left of a rate, so that their ratio is the same for the rest of the match and, given how many goals each side gets in a
half, every order of them is as likely.

Not priced: quarter lines (their results halve the stake), corners and cards (their counts are independent of the goals
in this model, which no match is), who goes through (it hangs on more than this grid), and what is decided or unknown.
"""

from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from functools import lru_cache
from math import perm, prod
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from matchday.model.bet import Result
from matchday.model.book import FixtureBook
from matchday.model.football import FootballState
from matchday.model.football_markets import (
    CARDS,
    CATALOGUE,
    CORNERS,
    HALF_FULL,
    HALF_RESULT,
    KINDS,
    MATCH_RESULT,
    NEXT_GOAL,
    OUTCOMES,
    TO_QUALIFY,
    Tally,
    decided,
    resolve,
    tally,
)
from matchday.model.market import COUNTING, Market, MarketKey
from matchday.model.messages import PricedOn
from matchday.model.price import PRICE_MAX, PRICE_MIN, UNIT
from matchday.pricing import to_come
from matchday.pricing.football import with_goal
from matchday.pricing.overround import Floats, on_ladder
from matchday.pricing.to_come import GOALS_MAX, PENALTY_SCORED

PARTS_MAX: Final = 10
"""Parts of one combination; more are ``too_many_parts`` (Sportradar's custom bets have as many: sportsbook rules §1.3,
https://docs.sportradar.com/mts/transaction-3.0-api/additional-transaction-details/bet-type-values)."""
VOID_MAX: Final = 1 - 1e-9
"""Probability of void from which on nothing is left to bet on."""
NOISE: Final = 1e-12
"""By how much, relatively, a price is lifted before it is rounded down, so that one which is exact stays itself though
its probabilities are floats."""


class Unpriced(StrEnum):
    """Why a combination has no price: the first that applies, in this order."""

    TOO_MANY_PARTS = "too_many_parts"  # more than PARTS_MAX
    COMBINATION_UNPRICED = "combination_unpriced"  # no joint model, a part decided already, or nothing left to win
    LEGS_CONTRADICTORY = "legs_contradictory"  # not all parts can win any more


Part = tuple[MarketKey, str]
"""A market of the fixture, and one of its outcomes."""
PricedPart = tuple[MarketKey, str, int]
"""A part and the price at which it is offered by itself, in thousandths."""
Combiner = Callable[[FixtureBook, Sequence[tuple[Market, str]]], int | Unpriced]
"""(a fixture's book, markets of it each with an outcome) -> the price of the combination in thousandths, or why it has
none. Judges nothing else: whether the markets are open, and whether a selection comes twice, is for the caller."""


class Joint(NamedTuple):
    """What a combination may come to; it is lost otherwise."""

    won: float
    """Probability that every part is won."""
    void: float
    """Probability that no part is lost and at least one is void."""

    @property
    def fair(self) -> float:
        """Decimal odds at which a bet on it is worth its stake."""
        return (1 - self.void) / max(self.won, _TINY)


class Combination(NamedTuple):
    """A combination with its price."""

    price: int
    """Thousandths, on the ladder, from ``PRICE_MIN`` to ``PRICE_MAX``."""
    joint: Joint


class _Future(NamedTuple):
    """One way to go on (two of them while a penalty waits to be taken)."""

    weight: float
    at: Tally
    """Where it starts from."""
    grid: Floats
    """Goals still to come, home x away."""
    split: Floats
    """Of so many (rows), how likely so many fall in the first half (columns: only 0 once it is over)."""


class _Asked(NamedTuple):
    """What parts ask for together: marks by goals still to come, and the goals that somebody has to get."""

    full: NDArray[np.int8]
    half: NDArray[np.int8]
    order: frozenset[tuple[int, str]]
    """(which of the goals still to come, from 1; its outcome)."""


_LOST, _VOID, _WON = range(3)
"""Marks: that of a combination is the least of its parts' marks."""
_MARKS: Final = {Result.LOST: _LOST, Result.VOID: _VOID, Result.WON: _WON}
_SCORES: Final = GOALS_MAX + 1
_TINY: Final = 1e-300
_LINED: Final = frozenset({NEXT_GOAL, *(key.type for key in CATALOGUE if key.line is not None)})
_FALLING: Final = np.array([[float(perm(n, k)) for k in range(PARTS_MAX + 1)] for n in range(2 * GOALS_MAX + 1)])
"""n! / (n - k)!: in how many ways k of n goals can stand in k given places."""


def joint(inputs: PricedOn, parts: Sequence[Part]) -> Joint | Unpriced:
    """The probabilities of a combination of 1 to ``PARTS_MAX`` parts, or why it is not priced."""
    if reason := _reason(inputs.state, parts):
        return reason
    found = _joint(_futures(inputs), parts)
    return found if found.won > 0 else Unpriced.LEGS_CONTRADICTORY


def combination_price(inputs: PricedOn, parts: Sequence[PricedPart]) -> Combination | Unpriced:
    """The price of a combination of 1 to ``PARTS_MAX`` parts, or why it has none: of a single part its own price.

    ``inputs`` are those of the prices that the parts come with. A price is rounded down, and cut at ``PRICE_MAX``; one
    that falls below ``PRICE_MIN`` (of near certainties) leaves nothing to win and is none.
    """
    asked = [(key, outcome) for key, outcome, _ in parts]
    if reason := _reason(inputs.state, asked):
        return reason
    futures = _futures(inputs)
    whole = _joint(futures, asked)
    if not whole.won > 0:
        return Unpriced.LEGS_CONTRADICTORY
    singles = [_joint(futures, [part]) for part in asked]
    if max(each.void for each in (whole, *singles)) > VOID_MAX:
        return Unpriced.COMBINATION_UNPRICED
    offers = [(offered, single) for (*_, offered), single in zip(parts, singles, strict=True)]
    margins = sorted(_margin(offered, single) for offered, single in offers)  # whatever the order of the parts
    share = prod(min(margin, 1.0) for margin in margins) * max(margins[-1], 1.0)
    exact = UNIT * whole.fair * share * (1 + NOISE)
    same = [offered for offered, single in offers if whole.won >= single.won * (1 - NOISE)]
    price = on_ladder(int(min(exact, PRICE_MAX, *same)))
    return Combination(price, whole) if price >= PRICE_MIN else Unpriced.COMBINATION_UNPRICED


def combine(book: FixtureBook, parts: Sequence[tuple[Market, str]]) -> int | Unpriced:
    """A ``Combiner``: the price at what the book's prices were made of. Markets of another fixture, outcomes that are
    not offered, and a book that does not say what it was priced on, are ``combination_unpriced``."""
    if len(parts) > PARTS_MAX:
        return Unpriced.TOO_MANY_PARTS
    priced: list[PricedPart] = []
    for market, outcome in parts:
        key, offered = MarketKey(market.type, market.line), market.price_of(outcome)
        if offered is None or market.market != key.of(book.board.fixture):
            return Unpriced.COMBINATION_UNPRICED
        priced.append((key, outcome, offered))
    if book.priced_on is None:
        return Unpriced.COMBINATION_UNPRICED
    found = combination_price(book.priced_on, priced)
    return found if isinstance(found, Unpriced) else found.price


def _margin(offered: int, single: Joint) -> float:
    """What is offered of a part's fair price, as a share of it."""
    share = offered / UNIT / single.fair
    return min(share, 1.0) if offered <= PRICE_MIN else share


def _reason(state: FootballState, parts: Sequence[Part]) -> Unpriced | None:
    """Why these have no joint price, as far as that needs no probability."""
    if len(parts) > PARTS_MAX:
        return Unpriced.TOO_MANY_PARTS
    if not parts or state.regular_over or not all(_has_model(*part) for part in parts):
        return Unpriced.COMBINATION_UNPRICED
    at = tally(state)
    settled = {found.result for key, outcome in parts if (found := decided(key, outcome, at)) is not None}
    if settled - {Result.LOST}:
        return Unpriced.COMBINATION_UNPRICED
    return Unpriced.LEGS_CONTRADICTORY if settled else None


def _has_model(key: MarketKey, outcome: str) -> bool:
    """Whether the grid answers a selection, and with all of its stake."""
    if key.type in (CORNERS, CARDS, TO_QUALIFY) or outcome not in OUTCOMES.get(key.type, ()):
        return False
    if key.line is None or key.type not in _LINED:
        return key.line is None and key.type not in _LINED
    return key.line % (4 if key.type in COUNTING else 2) == 0


def _futures(inputs: PricedOn) -> list[_Future]:
    state = inputs.state
    share = to_come.share_to_come(state.period, inputs.clock_s)
    grid = to_come.goals_to_come(inputs.strengths, state, share)
    at = tally(state)
    split = np.ones((_SCORES, 1)) if at.half_over else to_come.in_first_half(share)
    if state.penalty is None:
        return [_Future(1.0, at, grid, split)]
    scored = with_goal(at, state.penalty)
    return [_Future(PENALTY_SCORED, scored, grid, split), _Future(1 - PENALTY_SCORED, at, grid, split)]


def _joint(futures: Sequence[_Future], parts: Sequence[Part]) -> Joint:
    won = void = 0.0
    for future in futures:
        full, half, order = _asked(parts, future)
        won += future.weight * _chance(future, full == _WON, half == _WON, order)
        if (full == _VOID).any():
            void += future.weight * _chance(future, full == _VOID, half >= _VOID, order)
        if (half == _VOID).any():
            void += future.weight * _chance(future, full == _WON, half == _VOID, order)
    return Joint(won, void)


def _chance(
    future: _Future, full: NDArray[np.bool_], half: NDArray[np.bool_], order: frozenset[tuple[int, str]]
) -> float:
    """How likely goals fall that are ``full`` in all and ``half`` in the first half, in an order that fits."""
    split = future.split
    if order:
        halves = split.shape[1]
        fits = _orders(order)[:halves, :halves] * half[:, :, None, None]
        reached = np.einsum("ih,ka,haik->ik", split, split, fits)
    else:
        reached = split @ half @ split.T
    return float((future.grid * full * reached).sum())


def _asked(parts: Sequence[Part], future: _Future) -> _Asked:
    at, halves = future.at, future.split.shape[1]
    full = np.full((_SCORES, _SCORES), _WON, np.int8)
    half = np.full((halves, halves), _WON, np.int8)
    order = set()
    for key, outcome in _simple(parts):
        if key.type == NEXT_GOAL:
            place = (key.line or 0) // 4 - sum(at.full)
            if place > 0:
                order.add((place, outcome))
            else:
                full = np.minimum(full, np.int8(_MARKS[resolve(key, outcome, at).result]))
        elif KINDS[key.type].of_half:
            half = np.minimum(half, _from(key, outcome, at.half)[:halves, :halves])
        else:
            full = np.minimum(full, _from(key, outcome, at.full))
    return _Asked(full, half, frozenset(order))


def _simple(parts: Sequence[Part]) -> Iterator[Part]:
    """The parts, but half-time/full-time as the two results that it is."""
    for key, outcome in parts:
        if key.type == HALF_FULL:
            half, _, full = outcome.partition("-")
            yield from ((MarketKey(HALF_RESULT), half), (MarketKey(MATCH_RESULT), full))
        else:
            yield key, outcome


def _from(key: MarketKey, outcome: str, score: tuple[int, int]) -> NDArray[np.int8]:
    """A selection's marks by goals still to come, from a score on."""
    home, away = score
    size = _SCORES * (2 + max(score) // _SCORES)
    return _marks(key, outcome, size)[home : home + _SCORES, away : away + _SCORES]


@lru_cache(maxsize=1024)
def _marks(key: MarketKey, outcome: str, size: int) -> NDArray[np.int8]:
    """A selection's marks by score, home x away, each below ``size``; the score is of what answers it."""
    ends = (Tally((home, away), (home, away)) for home in range(size) for away in range(size))
    marks = [_MARKS[resolve(key, outcome, end).result] for end in ends]
    return np.array(marks, np.int8).reshape(size, size)


@lru_cache(maxsize=16)
def _orders(asked: frozenset[tuple[int, str]]) -> Floats:
    """How likely the goals still to come fall in an order that fits, given those of the first half and of all (home and
    away of each)."""
    home, away, all_home, all_away = np.indices((_SCORES,) * 4)
    before, whole = home + away, all_home + all_away
    by_place = dict(asked)
    fits = np.full(whole.shape, float(len(by_place) == len(asked)))  # no goal goes to both
    for place, outcome in asked:
        fits *= whole < place if outcome == "none" else whole >= place
    for h, a, after, until in (
        (home, away, np.zeros_like(before), before),
        (np.maximum(all_home - home, 0), np.maximum(all_away - away, 0), before, whole),
    ):
        places = {
            side: sum(
                ((after < place) & (place <= until)).astype(np.int64)
                for place, outcome in by_place.items() if outcome == side
            )
            for side in ("home", "away")
        }  # fmt: skip
        taken_h, taken_a = places["home"], places["away"]
        ways = np.maximum(_FALLING[h + a, taken_h + taken_a], 1.0)
        fits *= _FALLING[h, taken_h] * _FALLING[a, taken_a] / ways
    return fits
